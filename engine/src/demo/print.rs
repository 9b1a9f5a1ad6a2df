//! What a person sees of the demo.

use std::path::Path;

use tokio::sync::mpsc;
use turntaking::output::Event;

use super::summary::Report;
use crate::session::{CallId, SessionEvent, SessionEventKind};
use crate::store::ended_reason;

/// Prints the conversation as it happens. Returns the call once it is over.
pub(super) async fn live(mut events: mpsc::Receiver<SessionEvent>) -> Option<CallId> {
    let mut call = None;
    while let Some(event) = events.recv().await {
        let at = event.at.since_start().as_secs_f64();
        let line = match event.kind {
            SessionEventKind::Started { .. } => {
                call = Some(event.call);
                "-- the call is connected".to_owned()
            }
            SessionEventKind::Floor(event) => match said(event) {
                Some(line) => line,
                None => continue,
            },
            SessionEventKind::Phrase { .. }
            | SessionEventKind::Audible(_)
            | SessionEventKind::Pulse(_) => continue,
            SessionEventKind::ToolCalled { name, .. } => format!("-- the tool {name} is called"),
            SessionEventKind::ToolAnswered { .. } => "-- the tool has answered".to_owned(),
            SessionEventKind::MessageAdded { .. } => "-- a message was added".to_owned(),
            SessionEventKind::Hangs => "-- the caller waits".to_owned(),
            SessionEventKind::HangingUp { .. } => continue,
            SessionEventKind::Forwarded { .. } => "-- the caller is transferred".to_owned(),
            SessionEventKind::HandedOver { name, .. } => format!("-- {name} takes over"),
            SessionEventKind::Learnt { .. } => continue,
            SessionEventKind::Ended { reason, .. } => {
                println!("{at:7.2}s  -- the call is over: {}", ended_reason(reason));
                return call;
            }
        };
        println!("{at:7.2}s  {line}");
    }
    call
}

fn said(event: Event) -> Option<String> {
    Some(match event {
        Event::UserTranscript { text, is_final: true } => format!("caller     {text}"),
        Event::AssistantHeard { text, complete: true, .. } => format!("assistant  {text}"),
        Event::AssistantHeard { text, complete: false, .. } => {
            format!("assistant  {text} --[cut]")
        }
        Event::UserInterrupted { .. } => "-- the caller cuts in".to_owned(),
        Event::FalseInterruption { .. } => "-- no interruption: the voice goes on".to_owned(),
        Event::TurnReopened => "-- the caller goes on".to_owned(),
        _ => return None,
    })
}

/// Prints what was measured.
pub(super) fn report(report: &Report, out: &Path) {
    println!("\nWhat was heard, by the recording:");
    for turn in &report.turns {
        println!("  caller     said   {}", turn.said);
        println!("             heard  {}   ({:.0} % wrong)", turn.heard, turn.wer * 100.0);
    }
    println!("\nLatency of each reply, ms from the caller's true end of speech:");
    println!(
        "  {:<4} {:>12} {:>8} {:>8} {:>8} {:>8} {:>13}",
        "turn", "endpointing", "ASR", "LLM", "TTS", "wire", "first audio"
    );
    let cell = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |ms| format!("{ms:.0}"));
    for (index, turn) in report.turns.iter().enumerate() {
        let stages = &turn.stages;
        println!(
            "  {:<4} {:>12} {:>8} {:>8} {:>8} {:>8} {:>13}",
            index + 1,
            cell(stages.endpointing_ms),
            cell(stages.transcriber_ms),
            cell(stages.model_ms),
            cell(stages.voice_ms),
            cell(stages.transport_ms),
            cell(turn.first_audio_ms),
        );
    }
    let summary = &report.summary;
    println!(
        "\n  word error rate      {:>6.1} %\n  first audio p50      {:>6} ms\n  first audio p95      \
         {:>6} ms\n  early replies        {:>6}\n  barge-in stop        {:>6} ms\n  history word \
         errors  {:>6}\n  clicks, gaps, tails  {:>6}",
        summary.wer * 100.0,
        cell(summary.first_audio_ms.p50),
        cell(summary.first_audio_ms.p95),
        summary.early,
        cell(summary.barge_in_stop_ms),
        summary.history_word_errors,
        summary.recording.clicks_ms.len() + summary.recording.gaps_ms.len(),
    );
    println!(
        "\nThe recording, the journal, the transcript and report.json are in {}",
        out.display()
    );
}
