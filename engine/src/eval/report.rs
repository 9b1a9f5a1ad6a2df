//! The report of an evaluation: what was found, and by what it was measured.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Options;
use super::costs::Costs;
use super::curve::{self, Curve};
use super::score::{Rate, Times};
use super::set::Skipped;
use super::utterance::{Outcome, Variant};

/// The figures of some utterances.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Figures {
    /// How many.
    pub utterances: usize,
    /// Share of them that were cut off early.
    pub early_cutoff_rate: f64,
    /// The same, with its count and interval.
    pub early_cutoffs: Rate,
    /// From the true end to the decision, of those that were not cut off early, in ms.
    pub end_of_turn_delay_ms: Times,
    /// Share of them whose end was missed.
    pub missed_end_rate: f64,
    /// The same, with its count and interval.
    pub missed_ends: Rate,
}

impl Figures {
    /// The figures of `outcomes`.
    pub fn of(outcomes: &[&Outcome]) -> Self {
        let early_cutoffs = Rate::of(outcomes, |outcome| outcome.early);
        let missed_ends = Rate::of(outcomes, |outcome| outcome.missed);
        Self {
            utterances: outcomes.len(),
            early_cutoff_rate: early_cutoffs.rate,
            early_cutoffs,
            end_of_turn_delay_ms: Times::of(outcomes.iter().filter_map(|o| o.delay_ms)),
            missed_end_rate: missed_ends.rate,
            missed_ends,
        }
    }

    fn by(outcomes: &[&Outcome], name: impl Fn(&Outcome) -> String) -> BTreeMap<String, Self> {
        let mut groups: BTreeMap<String, Vec<&Outcome>> = BTreeMap::new();
        for outcome in outcomes {
            groups.entry(name(outcome)).or_default().push(outcome);
        }
        groups.into_iter().map(|(name, outcomes)| (name, Self::of(&outcomes))).collect()
    }
}

/// The figures of some utterances, all together and by what they have in common.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Part {
    /// All of them.
    pub all: Figures,
    /// Plain speech, all languages together, and dictation.
    pub speech: BTreeMap<String, Figures>,
    /// By where they come from.
    pub sets: BTreeMap<String, Figures>,
    /// By what is said.
    pub kinds: BTreeMap<String, Figures>,
    /// By language.
    pub languages: BTreeMap<String, Figures>,
    /// By the question that was asked.
    pub questions: BTreeMap<String, Figures>,
}

impl Part {
    /// The figures of `outcomes`.
    pub fn of(outcomes: &[&Outcome]) -> Self {
        let speech = |outcome: &Outcome| {
            if outcome.kind == "plain" { "plain".to_owned() } else { "dictated".to_owned() }
        };
        Self {
            all: Figures::of(outcomes),
            speech: Figures::by(outcomes, speech),
            sets: Figures::by(outcomes, |outcome| outcome.set.clone()),
            kinds: Figures::by(outcomes, |outcome| outcome.kind.clone()),
            languages: Figures::by(outcomes, |outcome| outcome.language.clone()),
            questions: Figures::by(outcomes, |outcome| outcome.prompt.clone()),
        }
    }
}

/// Everything that an evaluation found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// The build.
    pub build: String,
    /// What the Floor decided by.
    pub settings: turntaking::settings::Settings,
    /// What inference cost.
    pub costs: Costs,
    /// How many utterances each recogniser transcribed.
    pub recognisers: BTreeMap<String, usize>,
    /// What the reader must know of how it was measured.
    pub notes: Vec<String>,
    /// The utterances as they were recorded.
    pub summary: Figures,
    /// The same, by where they come from.
    pub sets: BTreeMap<String, Figures>,
    /// The same, by everything else.
    pub natural: Part,
    /// The dictated utterances, slowed.
    pub slow: Option<Part>,
    /// Cut-offs against delay, of ours and of others.
    pub curves: Vec<Curve>,
    /// What was left out.
    pub skipped: Vec<Skipped>,
    /// Each utterance.
    pub utterances: Vec<Outcome>,
}

impl Report {
    pub(super) fn new(
        options: &Options,
        skipped: Vec<Skipped>,
        utterances: Vec<Outcome>,
        curves: Vec<Curve>,
    ) -> Self {
        let part = |variant| -> Vec<&Outcome> {
            utterances.iter().filter(|outcome| outcome.variant == variant).collect()
        };
        let natural = Part::of(&part(Variant::Natural));
        let slow = part(Variant::Slow);
        let mut recognisers = BTreeMap::new();
        for outcome in &utterances {
            *recognisers.entry(outcome.recogniser.to_owned()).or_insert(0) += 1;
        }
        Self {
            build: env!("CARGO_PKG_VERSION").to_owned(),
            settings: options.settings.clone(),
            costs: options.costs.clone(),
            notes: notes(&utterances),
            recognisers,
            summary: natural.all.clone(),
            sets: natural.sets.clone(),
            slow: (!slow.is_empty()).then(|| Part::of(&slow)),
            natural,
            curves,
            skipped,
            utterances,
        }
    }
}

fn notes(utterances: &[Outcome]) -> Vec<String> {
    let mut notes = vec![
        "A cut-off is early where a turn is decided to be over before the true end, whether it is \
         taken back or not; the delay is from the true end to the first decision after it, of \
         utterances not cut off; an end is missed where nothing was decided before the line's \
         noise behind the recording (4 s) was over. Intervals are Wilson's, 95 %; quantiles are \
         nearest ranks."
            .to_owned(),
        "Inference ran inline on virtual time; each result came after its one-thread cost, queued \
         as in production, on a clock of whole milliseconds."
            .to_owned(),
        curve::note(),
    ];
    let mut told: Vec<&str> = utterances
        .iter()
        .filter(|outcome| outcome.recogniser == "oracle")
        .map(|outcome| outcome.language.as_str())
        .collect();
    told.sort_unstable();
    told.dedup();
    if !told.is_empty() {
        notes.push(format!(
            "An oracle played the transcript in for: {}. Each word came 300 ms after its end, in \
             lower case, without punctuation, never final, and with no hint that the turn is over.",
            told.join(", ")
        ));
    }
    notes
}
