//! One utterance: staged, played, and judged.
//!
//! The rules. An utterance is **cut off early** where a turn of the caller's was taken to be over
//! before its true end: the moment of the decision counts, whether the turn is taken back later or
//! not, and there is no tolerance. Its **delay** is from the true end to the first decision at or
//! after it, for utterances that are not cut off early. Its end is **missed** where none was cut
//! off and none decided before the line's noise behind the recording is over.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use asr::Recognizer;
use serde::Serialize;
use turntaking::settings::{FirstMessageMode, Settings};

use super::baseline::{self, Pause, SMART_TURN_AFTER};
use super::call::{self, CallError, Line, Staged};
use super::chance::Chance;
use super::decision::{Decisions, Moment};
use super::line::{self, LineNoise, samples};
use super::machine::Machine;
use super::oracle::Oracle;
use super::set::Entry;
use super::slow;
use crate::carrier::{Action, CallerScript, When};

/// The line's noise behind the recording, in ms.
const TAIL_MS: u64 = 4_000;
/// Between the end of the question and the recording, in ms.
const AFTER_QUESTION_MS: u64 = 600;
/// How long the assistant takes for a word of its question, and the silence after it, in ms.
const WORD_MS: u64 = 60;
/// The silence after a word of the voice, in ms.
const GAP_MS: u64 = 30;

/// As it was recorded, or slowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Variant {
    /// As it was recorded.
    Natural,
    /// With pauses between groups of words.
    Slow,
}

/// What was decided on an utterance.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Outcome {
    /// The recording.
    pub file: String,
    /// Where it comes from.
    pub set: String,
    /// BCP 47 tag of its language.
    pub language: String,
    /// What is said.
    pub kind: String,
    /// As it was recorded, or slowed.
    pub variant: Variant,
    /// Who transcribed it.
    pub recogniser: &'static str,
    /// The question before it; empty: none.
    pub prompt: String,
    /// What was said.
    pub transcript: String,
    /// What was heard, each turn a string.
    pub heard: Vec<String>,
    /// Where speech begins in what was played, in ms.
    pub start_ms: u64,
    /// Where it ends.
    pub end_ms: u64,
    /// Cut off early.
    pub early: bool,
    /// From the end to the decision, in ms.
    pub delay_ms: Option<i64>,
    /// The end was missed.
    pub missed: bool,
    /// Each decision that the turn is over, in ms of the recording.
    pub commits: Vec<i64>,
    /// Level of the line's noise, in dBFS.
    pub noise_dbfs: f64,
    /// Pauses at the voice gate, with smart-turn's score of each.
    pub pauses: Vec<Pause>,
    /// Pauses that were put in: where, and how long, in ms.
    pub inserted: Vec<(u64, u64)>,
    /// What happened, in order.
    pub moments: Vec<Moment>,
    /// The loudest sample of each 20 ms of what was played, 0 to 1.
    #[serde(skip)]
    pub envelope: Vec<f32>,
}

impl Outcome {
    /// What decisions at these moments (in ms of the recording) come to: early, and the delay.
    pub fn judge(end_ms: u64, commits: &[i64]) -> (bool, Option<i64>) {
        let end = i64::try_from(end_ms).unwrap_or(i64::MAX);
        let early = commits.iter().any(|commit| *commit < end);
        let after = commits.iter().copied().find(|commit| *commit >= end);
        (early, after.filter(|_| !early).map(|commit| commit - end))
    }
}

/// An utterance ready to be played: what comes over the line.
#[derive(Clone, Debug)]
pub(super) struct Prepared {
    pub(super) entry: Entry,
    pub(super) variant: Variant,
    /// The recording at the line's rate, µ-law, with noise behind it.
    recording: Vec<i16>,
    end_ms: u64,
    noise: LineNoise,
    inserted: Vec<(u64, u64)>,
}

impl Prepared {
    /// Prepares an utterance.
    ///
    /// # Errors
    ///
    /// Why it is left out.
    pub(super) fn new(
        entry: &Entry,
        folder: &std::path::Path,
        variant: Variant,
    ) -> Result<Self, String> {
        let (rate, wide) = entry.read(folder)?;
        let mut recording = line::at_line_rate(rate, &wide)?;
        let mut end_ms = entry.end_ms;
        if samples(end_ms) > recording.len() + samples(100) {
            return Err(format!("end_ms {end_ms} lies behind the end of the recording"));
        }
        let noise = LineNoise::of(&recording, entry.start_ms, end_ms);
        let mut inserted = Vec::new();
        if variant == Variant::Slow {
            let words = entry.transcript.split_whitespace().count();
            if words < 2 {
                return Err("a single word has no groups".to_owned());
            }
            let span = (entry.start_ms, end_ms);
            let slowed = slow::slow(&recording, span, words, &noise, &entry.file)
                .ok_or("there is no gap between groups of words to put a pause in")?;
            (recording, end_ms, inserted) = (slowed.samples, slowed.end_ms, slowed.pauses);
        }
        let mut chance = Chance::of(&format!("{} behind", entry.file));
        recording.extend(noise.make(samples(TAIL_MS), &mut chance));
        line::through_mulaw(&mut recording);
        let entry = entry.clone();
        Ok(Self { entry, variant, recording, end_ms, noise, inserted })
    }

    /// Stretches of voice in the recording, by Silero at the line's rate, up to the true end.
    fn voiced(&self, machine: &Machine) -> Vec<Range<u64>> {
        let mut voiced: Vec<Range<u64>> = Vec::new();
        let end = samples(self.end_ms) as u64;
        let start = samples(self.entry.start_ms) as u64;
        for (window, score) in machine.voice(&self.recording).into_iter().enumerate() {
            let from = (window as u64 * 256).max(start);
            let to = ((window as u64 + 1) * 256).min(end);
            if score < 0.5 || from >= to {
                continue;
            }
            match voiced.last_mut() {
                Some(last) if last.end >= from => last.end = to,
                _ => voiced.push(from..to),
            }
        }
        if voiced.is_empty() {
            voiced.push(start..end);
        }
        // The last word ends where the speech truly does.
        if let Some(last) = voiced.last_mut() {
            last.end = end.max(last.start + 1);
        }
        voiced
    }

    /// Plays it and says what was decided.
    pub(super) async fn play(
        &self,
        machine: &Machine,
        settings: &Settings,
        oracle: bool,
    ) -> Result<Outcome, CallError> {
        let question = self.entry.prompt.split_whitespace().count() as u64;
        let lead_ms = question * (WORD_MS + GAP_MS) + AFTER_QUESTION_MS;
        // Whole frames, so that the recording meets them the same way whatever was asked.
        let lead = samples(lead_ms).next_multiple_of(samples(20));
        let mut chance = Chance::of(&format!("{} before", self.entry.file));
        let mut sound = self.noise.make(lead, &mut chance);
        line::through_mulaw(&mut sound);
        sound.extend(&self.recording);

        let english = self.entry.language.to_ascii_lowercase().starts_with("en");
        let moonshine = machine.moonshine.as_ref().filter(|_| english && !oracle);
        let (recogniser, recognizer): (_, Arc<dyn Recognizer>) = match moonshine {
            Some(moonshine) => (super::machine::MOONSHINE, Arc::clone(moonshine) as Arc<_>),
            None => {
                let mut words = Oracle::place(&self.entry.transcript, &self.voiced(machine));
                words.iter_mut().for_each(|word| word.end += lead as u64);
                ("oracle", Arc::new(Oracle::new(words)))
            }
        };
        let settings = Settings {
            first_message: self.entry.prompt.clone(),
            first_message_mode: if self.entry.prompt.is_empty() {
                FirstMessageMode::AssistantWaitsForUser
            } else {
                FirstMessageMode::AssistantSpeaksFirst
            },
            first_message_interruptions: false,
            ..settings.clone()
        };
        let script = CallerScript { cues: Vec::new(), noise_dbfs: None, seed: 0 }
            .then(When::At(Duration::ZERO), Action::Say(sound))
            .then(When::AfterPrevious(Duration::ZERO), Action::HangUp);
        let voice = call::even_voice(Duration::from_millis(WORD_MS));
        let staged = Staged {
            settings,
            language: self.entry.language.clone(),
            providers: machine.providers(recognizer, voice),
            script,
            line: Line::Ideal(None),
        };
        let played = call::play(staged).await?;
        let decisions = Decisions::of(&played.records, lead as u64);
        Ok(self.outcome(machine, decisions, recogniser))
    }

    fn outcome(
        &self,
        machine: &Machine,
        decisions: Decisions,
        recogniser: &'static str,
    ) -> Outcome {
        let (early, delay_ms) = Outcome::judge(self.end_ms, &decisions.commits);
        let mut pauses = baseline::pauses(&decisions.speech);
        for pause in &mut pauses {
            let asked = pause.since + SMART_TURN_AFTER;
            if pause.lasts_at(asked) {
                // It hears what came before the recording as silence.
                let end = samples(u64::try_from(asked).unwrap_or(0));
                pause.score = machine.look(&self.recording, end);
            }
        }
        let loudest = |frame: &[i16]| {
            let peak = frame.iter().map(|sample| sample.unsigned_abs()).max().unwrap_or(0);
            f32::from(peak) / 32_768.0
        };
        Outcome {
            file: self.entry.file.clone(),
            set: self.entry.set(),
            language: self.entry.language.clone(),
            kind: self.entry.kind.clone(),
            variant: self.variant,
            recogniser,
            prompt: self.entry.prompt.clone(),
            transcript: self.entry.transcript.clone(),
            heard: decisions.turns,
            start_ms: self.entry.start_ms,
            end_ms: self.end_ms,
            early,
            delay_ms,
            missed: !early && delay_ms.is_none(),
            commits: decisions.commits,
            noise_dbfs: (self.noise.level_dbfs() * 10.0).round() / 10.0,
            pauses,
            inserted: self.inserted.clone(),
            moments: decisions.moments,
            envelope: self.recording.chunks(160).map(loudest).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decision_before_the_end_is_early_and_has_no_delay() {
        assert_eq!(Outcome::judge(1_000, &[1_320]), (false, Some(320)));
        assert_eq!(Outcome::judge(1_000, &[1_000]), (false, Some(0)));
        assert_eq!(Outcome::judge(1_000, &[999, 1_400]), (true, None));
        assert_eq!(Outcome::judge(1_000, &[]), (false, None));
        assert_eq!(Outcome::judge(1_000, &[1_400, 2_000]), (false, Some(400)));
    }
}
