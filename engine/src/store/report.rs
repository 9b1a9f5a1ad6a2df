//! The call's report: who was heard saying what, how fast each turn was, why it ended.

use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use turntaking::dictation::Dictated;
use turntaking::input::{EndReason, Stage, TurnId};
use turntaking::output::{Event, Role};
use turntaking::time::Instant;

use crate::recording;
use crate::session::{CallId, CallStats, SessionEvent, SessionEventKind, TurnMeasure};

/// Events that wait for the reporter: 64 calls that all say something at once, a few times over.
const QUEUE: usize = 1_024;

/// Writes a [`CallReport`] for each call that ends, to `<data>/calls/<id>/call.json`.
#[derive(Debug)]
pub struct Reporter {
    events: mpsc::Sender<SessionEvent>,
    task: JoinHandle<()>,
}

impl Reporter {
    /// Starts the reporter. `observer` is sent a copy of each event; one that does not keep up
    /// misses some.
    pub fn start(calls: PathBuf, observer: Option<mpsc::Sender<SessionEvent>>) -> Self {
        Self::with_record(calls, observer, None::<mpsc::Sender<SessionEvent>>)
    }

    /// The same; `record` is sent every event: while it takes its time, they wait here.
    pub fn with_record<T: From<SessionEvent> + Send + 'static>(
        calls: PathBuf,
        observer: Option<mpsc::Sender<SessionEvent>>,
        record: Option<mpsc::Sender<T>>,
    ) -> Self {
        Self::watched(calls, observer, record, |_| {})
    }

    /// The same; `watch` sees every event, in the reporter's task: it must not take long.
    pub fn watched<T: From<SessionEvent> + Send + 'static>(
        calls: PathBuf,
        observer: Option<mpsc::Sender<SessionEvent>>,
        record: Option<mpsc::Sender<T>>,
        watch: impl Fn(&SessionEvent) + Send + Sync + 'static,
    ) -> Self {
        let (events, receiver) = mpsc::channel(QUEUE);
        Self { events, task: tokio::spawn(collect(calls, receiver, observer, record, watch)) }
    }

    /// Where sessions send their events.
    pub fn events(&self) -> mpsc::Sender<SessionEvent> {
        self.events.clone()
    }

    /// Writes what is still to be written. Every session must have ended.
    pub async fn finish(self) {
        drop(self.events);
        if let Err(error) = self.task.await {
            tracing::error!(%error, "the reporter stopped early");
        }
    }
}

/// A call, once it is over.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CallReport {
    /// The call.
    pub id: CallId,
    /// The carrier's id of the call.
    pub carrier_call: String,
    /// Vapi's `endedReason`.
    pub ended_reason: String,
    /// What was said, in order of time. The assistant's words are those that were heard.
    pub messages: Vec<Said>,
    /// How fast each reply was.
    pub turns: Vec<Turn>,
    /// Counts.
    pub stats: CallStats,
}

/// Something somebody said.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Said {
    /// Who.
    pub role: Role,
    /// The words.
    pub text: String,
    /// Of the caller: what they dictate, as it is written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dictated: Option<Dictated>,
    /// When it entered history, in ms since the call began.
    pub at_ms: u64,
    /// The assistant was not interrupted.
    pub complete: bool,
    /// Of the assistant: which reply.
    pub turn: Option<TurnId>,
}

/// One reply's way through the stages.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Turn {
    /// The reply.
    pub turn: TurnId,
    /// When it was first to be heard, in ms since the call began.
    pub at_ms: u64,
    /// It had been prepared before the end of the caller's turn was certain.
    pub speculative: bool,
    /// The stages.
    #[serde(flatten)]
    pub stages: StageTimes,
}

/// How long each stage took, in ms. Stages may overlap: a speculative reply is written while the
/// silence still runs. Absent: the stage was skipped (a greeting has no caller).
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StageTimes {
    /// End of speech to the turn being taken for over.
    pub endpointing_ms: Option<f64>,
    /// End of speech to the words that made the turn.
    pub transcriber_ms: Option<f64>,
    /// Request to the first phrase.
    pub model_ms: Option<f64>,
    /// First phrase to its first audio.
    pub voice_ms: Option<f64>,
    /// First audio that may be played to its playback at the carrier.
    pub transport_ms: Option<f64>,
    /// End of speech to the first audible sample, as the engine estimates it.
    pub first_audio_ms: Option<f64>,
}

impl StageTimes {
    /// The stages of a reply from the moments the session noted.
    pub fn new(measure: &TurnMeasure) -> Self {
        let times = &measure.times;
        let audible = times.first_played.map(|at| at + measure.onset);
        let playable = match (times.committed, times.first_audio) {
            (Some(committed), Some(audio)) => Some(committed.max(audio)),
            (_, audio) => audio,
        };
        Self {
            endpointing_ms: between(times.speech_ended, times.committed),
            transcriber_ms: between(times.speech_ended, times.transcribed),
            model_ms: between(times.requested, times.first_text),
            voice_ms: between(times.first_text, times.first_audio),
            transport_ms: between(playable, times.first_played),
            first_audio_ms: between(times.speech_ended, audible),
        }
    }
}

fn between(from: Option<Instant>, to: Option<Instant>) -> Option<f64> {
    Some(millis(to?.since(from?)))
}

fn whole_millis(at: Instant) -> u64 {
    at.as_micros() / 1_000
}

fn millis(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 10_000.0).round() / 10.0
}

/// A call in progress.
#[derive(Debug, Default)]
struct Draft {
    carrier_call: String,
    messages: Vec<Said>,
    turns: Vec<Turn>,
    /// What the turn that is ending dictates.
    dictated: Option<Dictated>,
}

impl Draft {
    fn note(&mut self, at: Instant, event: Event) {
        match event {
            Event::UserTranscript { text, is_final: true } => {
                self.say(Role::User, text, at, true, None);
            }
            Event::AssistantHeard { turn, text, complete } => {
                self.say(Role::Assistant, text, at, complete, Some(turn));
            }
            Event::TurnReopened => {
                // The turn's words come again with those that follow.
                self.messages.pop_if(|last| last.role == Role::User);
            }
            Event::TurnEnded { dictated, .. } => self.dictated = dictated,
            Event::UserTranscript { .. }
            | Event::SpeechUpdate { .. }
            | Event::TurnLatency { .. }
            | Event::UserInterrupted { .. }
            | Event::FalseInterruption { .. }
            | Event::ToolMessageSaid { .. }
            | Event::VoicemailDetected => {}
        }
    }

    fn measure(&mut self, measure: &TurnMeasure) {
        let TurnMeasure { turn, times, speculative, onset } = *measure;
        let at_ms = times.first_played.map_or(0, |at| whole_millis(at + onset));
        let stages = StageTimes::new(measure);
        self.turns.push(Turn { turn, at_ms, speculative, stages });
    }

    fn say(&mut self, role: Role, text: String, at: Instant, complete: bool, turn: Option<TurnId>) {
        let dictated = self.dictated.take_if(|_| role == Role::User);
        let at_ms = whole_millis(at);
        self.messages.push(Said { role, text, dictated, at_ms, complete, turn });
    }

    fn finish(self, id: CallId, reason: EndReason, stats: CallStats) -> CallReport {
        CallReport {
            id,
            carrier_call: self.carrier_call,
            ended_reason: ended_reason(reason).to_owned(),
            messages: self.messages,
            turns: self.turns,
            stats,
        }
    }
}

async fn collect<T: From<SessionEvent>>(
    calls: PathBuf,
    mut events: mpsc::Receiver<SessionEvent>,
    observer: Option<mpsc::Sender<SessionEvent>>,
    record: Option<mpsc::Sender<T>>,
    watch: impl Fn(&SessionEvent) + Send + Sync,
) {
    let mut drafts = BTreeMap::<CallId, Draft>::new();
    while let Some(event) = events.recv().await {
        watch(&event);
        if let Some(observer) = &observer {
            let _ = observer.try_send(event.clone());
        }
        if let Some(record) = &record {
            // It ends after this task.
            let _ = record.send(event.clone().into()).await;
        }
        let SessionEvent { call, at, kind } = event;
        match kind {
            SessionEventKind::Started { carrier_call } => {
                drafts.insert(call, Draft { carrier_call, ..Draft::default() });
            }
            SessionEventKind::Floor(event) => drafts.entry(call).or_default().note(at, event),
            SessionEventKind::Audible(measure) => {
                drafts.entry(call).or_default().measure(&measure);
            }
            // The database keeps them.
            SessionEventKind::Pulse(_)
            | SessionEventKind::Phrase { .. }
            | SessionEventKind::ToolCalled { .. }
            | SessionEventKind::ToolAnswered { .. }
            | SessionEventKind::MessageAdded { .. }
            | SessionEventKind::Hangs
            | SessionEventKind::HangingUp { .. }
            | SessionEventKind::Forwarded { .. }
            | SessionEventKind::HandedOver { .. }
            | SessionEventKind::Learnt { .. } => {}
            SessionEventKind::Ended { reason, stats } => {
                let draft = drafts.remove(&call).unwrap_or_default();
                write(&calls, draft.finish(call, reason, stats)).await;
            }
        }
    }
}

async fn write(calls: &Path, report: CallReport) {
    let file = calls.join(report.id.to_string()).join("call.json");
    let path = file.clone();
    let written = match tokio::task::spawn_blocking(move || write_file(&path, &report)).await {
        Ok(written) => written,
        Err(error) => Err(io::Error::other(error)),
    };
    if let Err(error) = written {
        tracing::error!(%error, file = %file.display(), "the call's report was not written");
    }
}

/// The words of a caller: for this user only. Renamed into place, so that nobody reads half of
/// them.
fn write_file(file: &Path, report: &CallReport) -> io::Result<()> {
    let folder = file.parent().unwrap_or_else(|| Path::new("."));
    recording::make_private_directory(folder)?;
    // Temporary files are their owner's only.
    let mut draft = tempfile::Builder::new().prefix("call.json.").tempfile_in(folder)?;
    draft.write_all(&serde_json::to_vec_pretty(report)?)?;
    draft.persist(file)?;
    Ok(())
}

/// Vapi's `endedReason` for the end of a call. A stage of ours that fails is to a customer what
/// Vapi's own provider was: hence `vapifault-vapi`.
pub const fn ended_reason(reason: EndReason) -> &'static str {
    match reason {
        EndReason::AssistantSaidEndCallPhrase => "assistant-said-end-call-phrase",
        EndReason::AssistantEndedCall => "assistant-ended-call",
        EndReason::AssistantForwardedCall => "assistant-forwarded-call",
        EndReason::CustomerEndedCall => "customer-ended-call",
        EndReason::CustomerEndedCallBeforeTransfer => "customer-ended-call-before-warm-transfer",
        EndReason::ExceededMaxDuration => "exceeded-max-duration",
        EndReason::SilenceTimedOut => "silence-timed-out",
        EndReason::Voicemail => "voicemail",
        EndReason::ManuallyCanceled => "manually-canceled",
        EndReason::WorkerShutdown => "worker-shutdown",
        EndReason::NoCapacity => "call.in-progress.error-vapifault-worker-not-available",
        EndReason::MediaLost | EndReason::MediaStalled | EndReason::MediaBroken => {
            "phone-call-provider-closed-websocket"
        }
        EndReason::MediaSilent => "call.in-progress.error-assistant-did-not-receive-customer-audio",
        EndReason::ProviderFailed(Stage::Transcriber) => {
            "call.in-progress.error-vapifault-vapi-transcriber-failed"
        }
        EndReason::ProviderFailed(Stage::Model) => {
            "call.in-progress.error-vapifault-vapi-llm-failed"
        }
        EndReason::ProviderFailed(Stage::Voice) => {
            "call.in-progress.error-vapifault-vapi-voice-failed"
        }
        _ => "unknown-error",
    }
}
