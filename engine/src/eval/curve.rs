//! Cut-offs against delay: ours at several patiences, smart-turn alone, and fixed silences.

use serde::Serialize;

use super::baseline::{self, SMART_TURN_FALLBACK};
use super::score::{Rate, Times};
use super::utterance::{Outcome, Variant};

/// Patiences of ours, in percent of the setting as it is made, where a curve is asked for.
pub const PATIENCES: [u32; 8] = [40, 55, 70, 85, 115, 140, 180, 250];
/// Fixed silences, in ms.
const SILENCES: [i64; 16] =
    [100, 150, 200, 250, 300, 350, 400, 450, 500, 600, 700, 800, 1_000, 1_300, 1_600, 2_000];
/// Thresholds of smart-turn's score, in percent; 50 is as it is shipped.
const THRESHOLDS: [u32; 11] = [5, 10, 20, 30, 40, 50, 60, 70, 80, 90, 95];

/// What a setting comes to on some utterances.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Point {
    /// The setting: `patience 100 %`, `silence 500 ms`, `threshold 0.50`.
    pub setting: String,
    /// It is the one that is used, or shipped.
    pub default: bool,
    /// How many were cut off early.
    pub early_cutoffs: Rate,
    /// The delay of the others, in ms.
    pub end_of_turn_delay_ms: Times,
    /// How many ends were missed.
    pub missed_ends: Rate,
}

/// The trade on one group of utterances.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Curve {
    /// Which: plain, dictated, dictated and slowed.
    pub group: &'static str,
    /// Ours.
    pub ours: Vec<Point>,
    /// Smart-turn as pipecat has it: asked after 200 ms of silence, 3 s where it says no.
    pub smart_turn: Vec<Point>,
    /// A fixed silence.
    pub fixed: Vec<Point>,
}

/// Utterances played at one patience.
pub(super) struct Pass {
    pub(super) patience: u32,
    pub(super) outcomes: Vec<Outcome>,
}

/// Whether an utterance belongs to a group.
type Member = fn(&Outcome) -> bool;

/// The curves of all groups that have utterances. `look_ms`: what a look of smart-turn takes.
pub(super) fn curves(main: &[Outcome], others: &[Pass], look_ms: i64) -> Vec<Curve> {
    let groups: [(&str, Member); 3] = [
        ("plain", |o| o.kind == "plain"),
        ("dictated", |o| o.kind != "plain" && o.variant == Variant::Natural),
        ("dictated, slowed", |o| o.variant == Variant::Slow),
    ];
    let curve = |(group, is_in): (&'static str, Member)| {
        let members: Vec<&Outcome> = main.iter().filter(|outcome| is_in(outcome)).collect();
        if members.is_empty() {
            return None;
        }
        let own = |patience: u32, outcomes: &[Outcome]| {
            let decided: Vec<_> = outcomes
                .iter()
                .filter(|o| is_in(o))
                .map(|o| (o.end_ms, o.commits.clone()))
                .collect();
            (patience, point(format!("patience {patience} %"), patience == 100, &decided))
        };
        let mut ours: Vec<_> =
            others.iter().map(|pass| own(pass.patience, &pass.outcomes)).collect();
        ours.push(own(100, main));
        ours.sort_by_key(|(patience, _)| *patience);
        let by = |decide: &dyn Fn(&Outcome) -> Vec<i64>| -> Vec<(u64, Vec<i64>)> {
            members.iter().map(|outcome| (outcome.end_ms, decide(outcome))).collect()
        };
        let smart_turn = THRESHOLDS.map(|percent| {
            let threshold = percent as f32 / 100.0;
            let decided = by(&|o| baseline::smart_turn(&o.pauses, threshold, look_ms));
            point(format!("threshold {threshold:.2}"), percent == 50, &decided)
        });
        let fixed = SILENCES.map(|silence| {
            let decided = by(&|o| baseline::fixed(&o.pauses, silence));
            point(format!("silence {silence} ms"), false, &decided)
        });
        Some(Curve {
            group,
            ours: ours.into_iter().map(|(_, point)| point).collect(),
            smart_turn: smart_turn.into(),
            fixed: fixed.into(),
        })
    };
    groups.into_iter().filter_map(curve).collect()
}

/// What these decisions come to; each with the utterance's true end.
fn point(setting: String, default: bool, decided: &[(u64, Vec<i64>)]) -> Point {
    let judged: Vec<(bool, Option<i64>)> =
        decided.iter().map(|(end, commits)| Outcome::judge(*end, commits)).collect();
    Point {
        setting,
        default,
        early_cutoffs: Rate::of(&judged, |(early, _)| *early),
        end_of_turn_delay_ms: Times::of(judged.iter().filter_map(|(_, delay)| *delay)),
        missed_ends: Rate::of(&judged, |(early, delay)| !early && delay.is_none()),
    }
}

/// What the curves are measured by, for the reader.
pub(super) fn note() -> String {
    format!(
        "Smart-turn alone is asked at each pause of our voice gate after {} ms of silence and ends \
         the turn where its score reaches the threshold, else after {} ms of silence (pipecat 1.14 \
         as shipped: 0.5). A fixed silence is counted from the end of speech at the same gate. \
         Neither waits for a transcript.",
        baseline::SMART_TURN_AFTER,
        SMART_TURN_FALLBACK
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_counts_what_its_decisions_come_to() {
        let decided = [
            (1_000, vec![1_300]),
            (1_000, vec![600, 1_500]),
            (1_000, vec![]),
            (2_000, vec![2_100]),
        ];
        let point = point("x".into(), false, &decided);
        assert_eq!((point.early_cutoffs.count, point.missed_ends.count), (1, 1));
        assert_eq!(point.end_of_turn_delay_ms.n, 2);
        assert_eq!(point.end_of_turn_delay_ms.p50, Some(100));
    }
}
