//! Interruptions: what stops the assistant's voice, how fast, and what ought not to.
//!
//! The assistant tells a story, of whose words the voice says where they are. Over it come callers'
//! real words (the set's own recordings), on a clean line and with recorded noise; noises alone;
//! coughs and knocks; short turns of meetings; and the echo of the voice itself, which stops when
//! the voice does.

mod clip_voice;
pub(super) mod echo;
pub(super) mod material;
mod own_voice;
mod trial;
mod trials;

use std::collections::BTreeMap;

use serde::Serialize;

use super::Plans;
use super::call::CallError;
use super::machine::Machine;
use super::score::{Rate, Times};
use super::set::{Entry, Skipped};
use material::Material;
pub(super) use trial::furthest;
pub use trial::{Expected, Interruption};

/// The figures of one kind of sound on one kind of line.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BargeInFigures {
    /// What ought to have happened.
    pub expected: Expected,
    /// How many.
    pub trials: usize,
    /// The voice was not stopped for good, though it ought to have been.
    pub missed: Option<Rate>,
    /// The voice was stopped for good, though it ought not to have been; for callers' words: by
    /// noise, before they began.
    pub false_stops: Rate,
    /// From the onset of the sound to the last audible sample of the voice, in ms; of sounds that
    /// ought to stop it.
    pub yield_ms: Times,
    /// From the onset to the decision, in ms.
    pub verdict_ms: Times,
    /// Trials in which the voice was held at least once and went on.
    pub false_holds: Rate,
    /// How long such a hold was silent, in ms.
    pub resumes_ms: Times,
    /// Speech that was left out at such holds, in ms.
    pub skipped_ms: i64,
}

impl BargeInFigures {
    fn of(trials: &[&Interruption]) -> Self {
        let expected = trials.first().map_or(Expected::GoOn, |trial| trial.expected);
        let wanted = expected == Expected::Stop;
        let missed = Rate::of(trials, |trial| !trial.stopped);
        let false_stops =
            Rate::of(trials, |trial| if wanted { trial.too_soon } else { trial.stopped });
        let yields = trials.iter().filter(|_| wanted).filter_map(|trial| trial.yield_ms);
        let verdicts = trials.iter().filter(|_| wanted).filter_map(|trial| trial.verdict_ms);
        let gaps = trials.iter().flat_map(|trial| trial.gaps_ms.iter().copied());
        Self {
            expected,
            trials: trials.len(),
            missed: wanted.then_some(missed),
            false_stops,
            yield_ms: Times::of(yields),
            verdict_ms: Times::of(verdicts),
            false_holds: Rate::of(trials, |trial| !trial.gaps_ms.is_empty()),
            resumes_ms: Times::of(gaps),
            skipped_ms: trials.iter().map(|trial| trial.skipped_ms).sum(),
        }
    }
}

/// Everything found about interruptions.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BargeIn {
    /// Callers' words, all lines together.
    pub words: BargeInFigures,
    /// What ought not to stop the voice, all together.
    pub others: BargeInFigures,
    /// By kind of sound and line.
    pub classes: BTreeMap<String, BargeInFigures>,
    /// Each trial.
    pub trials: Vec<Interruption>,
}

impl BargeIn {
    fn of(trials: Vec<Interruption>) -> Self {
        let part = |expected| -> Vec<&Interruption> {
            trials.iter().filter(|trial| trial.expected == expected).collect()
        };
        let mut classes: BTreeMap<String, Vec<&Interruption>> = BTreeMap::new();
        for trial in &trials {
            let name = format!("{}, {}", trial.class, trial.condition);
            classes.entry(name).or_default().push(trial);
        }
        let figures = |trials: Vec<&Interruption>| BargeInFigures::of(&trials);
        Self {
            words: figures(part(Expected::Stop)),
            others: figures(part(Expected::GoOn)),
            classes: classes.into_iter().map(|(name, trials)| (name, figures(trials))).collect(),
            trials,
        }
    }
}

/// Plays all trials that the folder has material for.
pub(super) async fn play(
    (entries, folder): (&[Entry], &std::path::Path),
    material: &Material,
    machine: &Machine,
    (plans, oracle): (&Plans, bool),
    skipped: &mut Vec<Skipped>,
    say: &mut dyn FnMut(&str),
) -> Result<BargeIn, (String, CallError)> {
    let trials = trials::make(entries, folder, material, machine, skipped);
    let mut played = Vec::with_capacity(trials.len());
    for (at, trial) in trials.iter().enumerate() {
        say(&format!("interruption {}/{} {}", at + 1, trials.len(), trial.name));
        let outcome = trial.play(machine, &plans.of(&trial.language), oracle).await;
        played.push(outcome.map_err(|error| (trial.name.clone(), error))?);
    }
    Ok(BargeIn::of(played))
}
