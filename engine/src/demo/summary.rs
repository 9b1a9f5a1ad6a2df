//! `report.json`.

use std::fs;
use std::path::Path;

use serde::Serialize;

use super::DemoError;
use super::listen::Flaws;
use crate::store::StageTimes;

/// Everything the demo measured.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The figures one looks at first.
    pub summary: Summary,
    /// One for each turn of the caller.
    pub turns: Vec<TurnReport>,
    /// One for each thing the assistant said.
    pub replies: Vec<ReplyReport>,
}

/// The figures one looks at first.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    /// Word error rate over all turns of the caller, from 0.
    pub wer: f64,
    /// From the caller's true end of speech to the first sample heard at the carrier.
    pub first_audio_ms: Percentiles,
    /// Replies that were heard before the caller had finished.
    pub early: usize,
    /// From the caller's onset to the last sample heard of the voice it interrupts.
    pub barge_in_stop_ms: Option<f64>,
    /// Words by which history and the recording differ in where each reply ended.
    pub history_word_errors: usize,
    /// Why the call ended (Vapi's `endedReason`).
    pub ended_reason: String,
    /// What is wrong with the recorded voice.
    pub recording: Flaws,
    /// Stretches where the carrier's queue ran dry within a reply.
    pub playout_gaps: usize,
    /// How late the carrier itself was, at the 99th percentile: above 5 ms the machine was too
    /// busy for the latencies to be trusted.
    pub carrier_lateness_p99_ms: f64,
}

/// Two percentiles of one measure, in ms.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Percentiles {
    /// The median.
    pub p50: Option<f64>,
    /// The 95th percentile (nearest rank).
    pub p95: Option<f64>,
}

impl Percentiles {
    /// Of `values`, in any order.
    pub fn of(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        let rank = |part: f64| {
            let index = (part * values.len() as f64).ceil() as usize;
            values.get(index.max(1) - 1).copied()
        };
        Self { p50: rank(0.5), p95: rank(0.95) }
    }
}

/// One turn of the caller and the reply to it.
#[derive(Clone, Debug, Serialize)]
pub struct TurnReport {
    /// What the caller said.
    pub said: String,
    /// Whose voice it was.
    pub voice: String,
    /// What the engine heard.
    pub heard: String,
    /// Word error rate, from 0.
    pub wer: f64,
    /// The turn cut the assistant short.
    pub barge_in: bool,
    /// True end of speech to the first sample heard at the carrier.
    pub first_audio_ms: Option<f64>,
    /// By stage, as the engine saw it.
    pub stages: StageTimes,
    /// The reply was prepared before the end of the turn was certain.
    pub speculative: bool,
}

/// One thing the assistant said.
#[derive(Clone, Debug, Serialize)]
pub struct ReplyReport {
    /// What it was going to say.
    pub planned: String,
    /// What history says was heard.
    pub history: String,
    /// What a recogniser hears in the recording.
    pub transcribed: String,
    /// Nobody cut it.
    pub complete: bool,
    /// Words by which the recording and history differ in where it ended.
    pub word_errors: usize,
}

impl Report {
    /// Writes `report.json` and `transcript.txt`.
    pub(super) fn save(&self, out: &Path) -> Result<(), DemoError> {
        let write = |name: &str, text: String| {
            let path = out.join(name);
            fs::write(&path, text)
                .map_err(|error| DemoError::File { path, reason: error.to_string() })
        };
        let json = serde_json::to_string_pretty(self).expect("plain data is JSON");
        write("report.json", json)?;
        let mut transcript = String::new();
        let mut replies = self.replies.iter();
        if let Some(greeting) = replies.next() {
            transcript.push_str(&format!("AI: {}\n", greeting.history));
        }
        for turn in &self.turns {
            transcript.push_str(&format!("User: {}\n", turn.heard));
            if let Some(reply) = replies.next() {
                transcript.push_str(&format!("AI: {}\n", reply.history));
            }
        }
        write("transcript.txt", transcript)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_the_nearest_rank() {
        let percentiles = Percentiles::of((1..=20).map(f64::from).collect());
        assert_eq!(percentiles, Percentiles { p50: Some(10.0), p95: Some(19.0) });
        assert_eq!(Percentiles::of(vec![7.0]), Percentiles { p50: Some(7.0), p95: Some(7.0) });
        assert_eq!(Percentiles::of(Vec::new()), Percentiles::default());
    }
}
