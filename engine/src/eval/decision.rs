//! What was decided in a call, read from its journal.

use serde::Serialize;
use turntaking::input::{Input, Stability};
use turntaking::journal::Record;
use turntaking::output::{Event, Output};
use turntaking::time::Instant;

/// Something that happened, for who looks at a single call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Moment {
    /// When, in ms of the recording.
    pub at_ms: i64,
    /// What: `voice`, `silence`, `partial`, `stable`, `final`, `score`, `draft`, `wanted`, `commit`,
    /// `taken back`, `heard`, `hold`, `resume`, `interrupted`.
    pub what: &'static str,
    /// The words, the probability, and the like; may be empty.
    pub detail: String,
}

/// The voice gate's view of a stretch of speech, in ms of the recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Speech {
    /// Where it began, and when that was known.
    pub from: i64,
    /// When the gate told of it.
    pub known: i64,
    /// Where it ended; `None`: it had not when the call ended.
    pub to: Option<i64>,
    /// When the gate told of that.
    pub end_known: Option<i64>,
}

/// The decisions of one call.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Decisions {
    /// When each turn of the caller was taken to be over, in ms of the recording.
    pub commits: Vec<i64>,
    /// The words of each.
    pub turns: Vec<String>,
    /// What the voice gate heard.
    pub speech: Vec<Speech>,
    /// All of it, in order.
    pub moments: Vec<Moment>,
}

impl Decisions {
    /// Reads the journal of a call in which the recording begins `origin` samples at 8 kHz into
    /// the caller's audio.
    pub fn of(records: &[Record], origin: u64) -> Self {
        let mut decisions = Self::default();
        let origin = i64::try_from(origin / 8).unwrap_or(i64::MAX);
        for record in records {
            decisions.take(record, origin);
        }
        decisions
    }

    fn take(&mut self, record: &Record, origin: i64) {
        let ms = |at: Instant| i64::try_from(at.as_micros() / 1_000).unwrap_or(i64::MAX) - origin;
        let at = ms(record.t);
        let mut tell = |what, detail: String| self.moments.push(Moment { at_ms: at, what, detail });
        match &record.input {
            Input::SpeechStarted { since } => {
                tell("voice", format!("since {}", ms(*since)));
                let from = ms(*since);
                self.speech.push(Speech { from, known: at, to: None, end_known: None });
            }
            Input::SpeechStopped { since } => {
                tell("silence", format!("since {}", ms(*since)));
                if let Some(speech) = self.speech.last_mut() {
                    speech.to = Some(ms(*since));
                    speech.end_known = Some(at);
                }
            }
            Input::Transcript { text, stability, .. } => tell(
                match stability {
                    Stability::Partial => "partial",
                    Stability::Stable => "stable",
                    Stability::Final => "final",
                },
                text.clone().into_owned(),
            ),
            Input::TurnScore { complete, .. } => tell("score", format!("{:.2}", complete.get())),
            _ => {}
        }
        for output in &record.outputs {
            let mut tell =
                |what, detail: String| self.moments.push(Moment { at_ms: at, what, detail });
            match output {
                Output::StartReply { speculative: true, .. } => tell("draft", String::new()),
                Output::Hold { .. } => tell("hold", String::new()),
                Output::Resume { .. } => tell("resume", String::new()),
                Output::Event { event } => match event {
                    Event::UserTranscript { text, is_final: true } => {
                        tell("commit", text.clone());
                        self.commits.push(at);
                        self.turns.push(text.clone());
                    }
                    Event::TurnEnded { wait_ms, ground, evidence, .. } => {
                        let known = serde_json::to_string(evidence).unwrap_or_default();
                        tell("wanted", format!("{wait_ms} ms, {ground:?}: {known}"));
                    }
                    Event::TurnReopened => tell("taken back", String::new()),
                    Event::UserInterrupted { .. } => tell("interrupted", String::new()),
                    Event::AssistantHeard { text, .. } => tell("heard", text.clone()),
                    _ => {}
                },
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_count_from_the_recording() {
        let at = Instant::from_millis;
        let record = |t, input, outputs| Record { t, input, outputs };
        let committed = Event::UserTranscript { text: "six".into(), is_final: true };
        let records = [
            record(at(564), Input::SpeechStarted { since: at(500) }, vec![]),
            record(at(1_064), Input::SpeechStopped { since: at(1_000) }, vec![]),
            record(at(1_400), Input::Timeout, vec![Output::Event { event: committed }]),
        ];
        let decisions = Decisions::of(&records, 600 * 8);
        assert_eq!(decisions.commits, [800]);
        assert_eq!(
            decisions.speech,
            [Speech { from: -100, known: -36, to: Some(400), end_known: Some(464) }]
        );
        let moments: Vec<_> = decisions.moments.iter().map(|m| (m.at_ms, m.what)).collect();
        assert_eq!(moments, [(-36, "voice"), (464, "silence"), (800, "commit")]);
    }
}
