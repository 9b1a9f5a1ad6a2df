//! The report of an evaluation: what was found, and by what it was measured.

use std::collections::BTreeMap;

use serde::Serialize;
use turntaking::settings::Settings;

use super::barge_in::BargeIn;
use super::conversation::CallFigures;
use super::costs::Costs;
use super::curve::{self, Curve};
use super::heard::HeardReport;
use super::score::{Rate, Times};
use super::set::Skipped;
use super::utterance::{Outcome, Variant};
use super::{Found, Options};

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
pub struct Share {
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

impl Share {
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
    /// What the Floor decided by, by the language that was spoken.
    pub settings: BTreeMap<String, Settings>,
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
    pub natural: Share,
    /// The dictated utterances, slowed.
    pub slow: Option<Share>,
    /// Cut-offs against delay, of ours and of others.
    pub curves: Vec<Curve>,
    /// Interruptions.
    pub barge_in: Option<BargeIn>,
    /// History against what was audible.
    pub history: Option<HeardReport>,
    /// Calls with each side in a channel of its own.
    pub calls: Vec<CallFigures>,
    /// What was left out.
    pub skipped: Vec<Skipped>,
    /// Each utterance.
    pub utterances: Vec<Outcome>,
}

impl Report {
    pub(super) fn new(options: &Options, skipped: Vec<Skipped>, found: Found) -> Self {
        let Found { plans, outcomes, curves, barge_in, history, calls } = found;
        let share = |variant| -> Vec<&Outcome> {
            outcomes.iter().filter(|outcome| outcome.variant == variant).collect()
        };
        let natural = Share::of(&share(Variant::Natural));
        let slow = share(Variant::Slow);
        let mut recognisers = BTreeMap::new();
        for outcome in &outcomes {
            *recognisers.entry(outcome.recogniser.to_owned()).or_insert(0) += 1;
        }
        for trial in barge_in.iter().flat_map(|barge_in| &barge_in.trials) {
            *recognisers.entry(trial.recogniser.to_owned()).or_insert(0) += 1;
        }
        Self {
            build: env!("CARGO_PKG_VERSION").to_owned(),
            settings: plans,
            costs: options.costs.clone(),
            notes: notes(&outcomes, barge_in.as_ref()),
            recognisers,
            summary: natural.all.clone(),
            sets: natural.sets.clone(),
            slow: (!slow.is_empty()).then(|| Share::of(&slow)),
            natural,
            curves,
            barge_in,
            history,
            calls,
            skipped,
            utterances: outcomes,
        }
    }
}

fn notes(utterances: &[Outcome], barge_in: Option<&BargeIn>) -> Vec<String> {
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
        .chain(
            barge_in
                .iter()
                .flat_map(|barge_in| &barge_in.trials)
                .filter(|trial| trial.recogniser == "oracle")
                .map(|trial| trial.language.as_str()),
        )
        .collect();
    if barge_in.is_some() {
        notes.push(
            "The voice yields from the onset of the sound (the first voiced window of a caller's \
             words in their recording at 8 kHz; the first sample of other sounds) to its last \
             audible sample, at an ideal loudspeaker without a carrier's delay. Noise lies under \
             words at the stated distance below their voiced windows, and alone at that distance \
             below -26 dBFS. Coughs and knocks are made, not recorded."
                .to_owned(),
        );
    }
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
