//! One try at the assistant's voice: played and judged.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use asr::Recognizer;
use serde::Serialize;
use tts::Synthesizer;
use turntaking::input::TurnId;
use turntaking::journal::Record;
use turntaking::output::{Event, Output};
use turntaking::settings::{FirstMessageMode, Settings};
use turntaking::time::Instant;

use super::super::call::{self, CallError, Line, Played, Staged};
use super::super::decision::Decisions;
use super::super::line::{self, samples};
use super::super::machine::{MOONSHINE, Machine};
use super::super::oracle::{Oracle, SpokenWord};
use super::clip_voice::ClipVoice;
use super::echo::Echo;
use crate::carrier::{Action, CallerScript, When};

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
            None => call::uneven_voice(),
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
        let line = match &self.echo {
            Some(Echo::Recorded(echo)) => Line::Ideal(Some(echo.clone())),
            Some(Echo::Line(echo)) => Line::Echoing(call::NEXT_DOOR, echo.clone()),
            None => Line::Carrier(call::NEXT_DOOR),
        };
        let staged = Staged {
            settings,
            language: self.language.clone(),
            providers: machine.providers(recognizer, voice),
            script,
            line,
        };
        let played = call::play(staged).await?;
        Ok(self.judge(&played, recogniser))
    }

    fn judge(&self, played: &Played, recogniser: &'static str) -> Interruption {
        let ms = |from: u64, to: u64| (to as i64 - from as i64) / 8;
        let interrupted = interrupted_at(&played.records).map(|at| played.position(at));
        let story = first_reply(played);
        let (_, skipped) = walk(&story, &resumes(&played.records));
        let too_soon = interrupted.is_some_and(|at| at < self.onset);
        // The story is longer than any trial: where a stretch of it ends before the call does, it
        // was cut.
        let over = (self.caller.len() - samples(60)) as u64;
        let cut = story.iter().find(|run| run.contains(&self.onset)).map(|run| run.end);
        let silent = story.iter().any(|run| run.end <= self.onset) && cut.is_none();
        let yielded = if silent { Some(self.onset) } else { cut.filter(|end| *end < over) };
        Interruption {
            name: self.name.clone(),
            class: self.class.clone(),
            condition: self.condition.clone(),
            expected: self.expected,
            language: self.language.clone(),
            recogniser,
            at_ms: story.first().map_or(0, |first| ms(first.start, self.onset)),
            stopped: interrupted.is_some(),
            too_soon,
            yield_ms: yielded.filter(|_| !too_soon).map(|end| ms(self.onset, end)),
            verdict_ms: interrupted.filter(|_| !too_soon).map(|at| ms(self.onset, at)),
            gaps_ms: story.windows(2).map(|pair| ms(pair[0].end, pair[1].start)).collect(),
            skipped_ms: i64::try_from(skipped / 8).unwrap_or(i64::MAX),
            heard: Decisions::of(&played.records, 0).turns.join(" | "),
        }
    }
}

/// When the caller took the floor from the story.
fn interrupted_at(records: &[Record]) -> Option<Instant> {
    let took = |record: &&Record| {
        let event = Event::UserInterrupted { turn: TurnId(1) };
        record.outputs.iter().any(|output| *output == Output::Event { event: event.clone() })
    };
    records.iter().find(took).map(|record| record.t)
}

/// From where the story went on after each hold, in samples of it.
fn resumes(records: &[Record]) -> Vec<u64> {
    let outputs = records.iter().flat_map(|record| &record.outputs);
    let resumes = outputs.filter_map(|output| match output {
        Output::Resume { turn: TurnId(1), from } => {
            Some(line::RATE.samples_in(Duration::from_micros(from.0)))
        }
        _ => None,
    });
    resumes.collect()
}

/// How far stretches of a reply went, of which each but the first began where a resume said: the
/// furthest sample heard, and how many before it never were.
fn walk(stretches: &[&Range<u64>], resumes: &[u64]) -> (u64, u64) {
    let (mut position, mut furthest, mut skipped) = (0, 0_u64, 0);
    for (at, run) in stretches.iter().enumerate() {
        if let Some(from) = at.checked_sub(1).and_then(|hold| resumes.get(hold)) {
            skipped += from.saturating_sub(position);
            position = *from;
        }
        position += run.end - run.start;
        furthest = furthest.max(position);
    }
    (furthest, skipped)
}

/// How far the first reply of a call was heard, in samples of it.
pub(in crate::eval) fn furthest(played: &Played) -> u64 {
    walk(&first_reply(played), &resumes(&played.records)).0
}

/// When the first reply was heard. What is heard after an interruption is an answer.
fn first_reply(played: &Played) -> Vec<&Range<u64>> {
    let interrupted = interrupted_at(&played.records).map(|at| played.position(at));
    let is_its = |run: &&Range<u64>| interrupted.is_none_or(|at| run.start < at);
    played.voice.iter().filter(is_its).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_repeated_is_not_skipped() {
        let story = [&(0..1_000), &(2_000..3_000), &(4_000..4_500)];
        assert_eq!(walk(&story, &[900, 1_950]), (2_450, 50));
        assert_eq!(walk(&story, &[900, 1_900]), (2_400, 0));
        assert_eq!(walk(&story[..1], &[]), (1_000, 0));
        assert_eq!(walk(&story[1..], &[200]), (1_000, 0), "a word repeated to its middle");
    }
}
