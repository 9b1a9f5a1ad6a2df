//! One try at the assistant's voice: played and judged.

use std::sync::Arc;
use std::time::Duration;

use asr::Recognizer;
use serde::Serialize;
use tts::Synthesizer;
use turntaking::input::TurnId;
use turntaking::journal::Record;
use turntaking::output::{Event, Output};
use turntaking::settings::{FirstMessageMode, Settings};

use super::super::call::{self, CallError, Staged};
use super::super::decision::Decisions;
use super::super::line::{self, samples};
use super::super::machine::{MOONSHINE, Machine};
use super::super::oracle::{Oracle, SpokenWord};
use super::clip_voice::ClipVoice;
use super::echo::Echo;
use crate::carrier::{Action, CallerScript, When};
use crate::transport::scripted::{CallLog, Heard};

/// What the assistant says: long enough for whatever happens.
pub(super) const STORY: &str = "Once upon a time there lived an old miller with three sons, and \
    when he died the eldest got the mill, the second got the donkey, and the youngest got nothing \
    but the cat, which could talk, and wanted a pair of boots to walk through the forest in, so \
    that nobody would ever laugh at the two of them again, wherever they went.";

/// What ought to happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Expected {
    /// The voice stops for good: the caller says something.
    Stop,
    /// It goes on, after a hold at most.
    GoOn,
}

/// Something that comes over the line while the assistant speaks.
#[derive(Clone, Debug)]
pub(super) struct Trial {
    /// What it is made of.
    pub(super) name: String,
    /// What kind of thing that is.
    pub(super) class: String,
    /// On what line: `clean`, `20 dB`.
    pub(super) condition: String,
    pub(super) expected: Expected,
    /// BCP 47 tag of what the caller speaks.
    pub(super) language: String,
    /// The caller's audio, from the beginning of the call to its end.
    pub(super) caller: Vec<i16>,
    /// Where in it the sound begins whose effect is looked for.
    pub(super) onset: u64,
    /// What is said, for the oracle.
    pub(super) words: Vec<SpokenWord>,
    pub(super) echo: Option<Echo>,
    /// The assistant's voice, where it is a recording.
    pub(super) voice: Option<Vec<i16>>,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Interruption {
    /// What was played.
    pub name: String,
    /// What kind of thing that is.
    pub class: String,
    /// On what line.
    pub condition: String,
    /// What ought to have happened.
    pub expected: Expected,
    /// BCP 47 tag of what the caller speaks.
    pub language: String,
    /// Who transcribed it.
    pub recogniser: &'static str,
    /// How far into the assistant's speech the sound began, in ms.
    pub at_ms: i64,
    /// The voice was stopped for good.
    pub stopped: bool,
    /// It was stopped for good before the sound began: by noise.
    pub too_soon: bool,
    /// From the onset of the sound to the last audible sample of the voice before it first fell
    /// silent, in ms; `None` where it did not, or was stopped before.
    pub yield_ms: Option<i64>,
    /// From the onset to the decision that the voice stops for good, in ms.
    pub verdict_ms: Option<i64>,
    /// Holds after which the voice went on: how long it was silent, in ms.
    pub gaps_ms: Vec<i64>,
    /// Of the voice's speech, what was left out at such a hold, in ms; it may repeat, never skip.
    pub skipped_ms: i64,
    /// What was heard of the caller.
    pub heard: String,
}

impl Trial {
    /// Plays it.
    pub(super) async fn play(
        &self,
        machine: &Machine,
        settings: &Settings,
        oracle: bool,
    ) -> Result<Interruption, CallError> {
        let english = self.language.starts_with("en");
        let moonshine = machine.moonshine.as_ref().filter(|_| english && !oracle);
        let (recogniser, recognizer): (_, Arc<dyn Recognizer>) = match moonshine {
            Some(moonshine) => (MOONSHINE, Arc::clone(moonshine) as Arc<_>),
            None => ("oracle", Arc::new(Oracle::new(self.words.clone()))),
        };
        let voice: Arc<dyn Synthesizer> = match &self.voice {
            Some(clip) => Arc::new(ClipVoice::new(clip.clone(), STORY.len())),
            None => call::uneven_voice(true),
        };
        let script = CallerScript { cues: Vec::new(), noise_dbfs: None, seed: 0 }
            .then(When::At(Duration::ZERO), Action::Say(self.caller.clone()))
            .then(When::AfterPrevious(Duration::ZERO), Action::HangUp);
        let settings = Settings {
            first_message: STORY.to_owned(),
            first_message_mode: FirstMessageMode::AssistantSpeaksFirst,
            first_message_interruptions: true,
            ..settings.clone()
        };
        let staged = Staged {
            settings,
            language: self.language.clone(),
            recognizer,
            model: call::okay(),
            voice,
            script,
            latency: Duration::ZERO,
            echo: self.echo.clone(),
        };
        let played = call::play(machine, staged).await?;
        Ok(self.judge(&played.records, &played.log, recogniser))
    }

    fn judge(&self, records: &[Record], log: &CallLog, recogniser: &'static str) -> Interruption {
        let stretches: Vec<&Heard> =
            log.heard.iter().filter(|heard| heard.turn == TurnId(1)).collect();
        let ms = |from: u64, to: u64| (to as i64 - from as i64) / 8;
        let end = |heard: &Heard| heard.at + (heard.range.end - heard.range.start);
        let interrupted = interrupted_at(records);
        let too_soon = interrupted.is_some_and(|at| at < self.onset);
        // The story is longer than any trial: where a stretch of it ends before the call does, it
        // was cut.
        let over = (self.caller.len() - samples(20)) as u64;
        let fell_silent = stretches
            .iter()
            .find(|heard| (heard.at..end(heard)).contains(&self.onset))
            .map(|heard| end(heard))
            .filter(|end| *end < over)
            .map(|end| ms(self.onset, end));
        let already_silent = !too_soon
            && stretches.iter().any(|heard| end(heard) <= self.onset)
            && stretches.iter().all(|heard| !(heard.at..end(heard)).contains(&self.onset));
        let pairs = stretches.iter().zip(stretches.iter().skip(1));
        let skipped = pairs.clone().map(|(a, b)| ms(a.range.end, b.range.start).max(0)).sum();
        Interruption {
            name: self.name.clone(),
            class: self.class.clone(),
            condition: self.condition.clone(),
            expected: self.expected,
            language: self.language.clone(),
            recogniser,
            at_ms: stretches.first().map_or(0, |first| ms(first.at, self.onset)),
            stopped: interrupted.is_some(),
            too_soon,
            yield_ms: if too_soon {
                None
            } else if already_silent {
                Some(0)
            } else {
                fell_silent
            },
            verdict_ms: interrupted.filter(|_| !too_soon).map(|at| ms(self.onset, at)),
            gaps_ms: pairs.map(|(a, b)| ms(end(a), b.at)).collect(),
            skipped_ms: skipped,
            heard: Decisions::of(records, 0).turns.join(" | "),
        }
    }
}

/// When the caller took the floor from the story, in samples of the call.
fn interrupted_at(records: &[Record]) -> Option<u64> {
    let took = |record: &&Record| {
        record.outputs.iter().any(|output| {
            matches!(output, Output::Event { event: Event::UserInterrupted { turn: TurnId(1) } })
        })
    };
    let record = records.iter().find(took)?;
    Some(line::RATE.samples_in(record.t.since_start()))
}
