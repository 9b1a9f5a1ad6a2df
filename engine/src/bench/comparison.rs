//! Other engines under the same load, beside ours in the report.
//!
//! The rules are those of ours, but for what a peer gets wrong at one call already. Each is measured
//! as shipped and with equal endpointing, one after the other, on the same cores with the same
//! services; the seed turns their order, so that several runs have several.

use std::path::Path;

use serde::Serialize;

use super::BenchError;
use super::figures::Figures;
use super::peer::{Endpointing, Peer};
use super::report::Search;
use super::run::{Load, Outcome};
use super::scenario::{Bench, GAPS, Part, SLOWER};
use super::server::Engine;

/// What was found of a peer.
#[derive(Clone, Debug, Serialize)]
pub struct PeerReport {
    /// Which.
    pub peer: Peer,
    /// The version that was measured.
    pub version: String,
    /// How it took turns.
    pub endpointing: Endpointing,
    /// One call.
    pub latency: Outcome,
    /// The search for the most calls, where it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capacity: Option<Search>,
}

impl PeerReport {
    /// `pipecat, shipped`
    pub fn name(&self) -> String {
        format!("{}, {}", self.peer.name(), self.endpointing.name())
    }
}

/// Where the search for a peer's most calls begins, and how exactly they are known: to a quarter.
const FIRST_CALLS: usize = 4;
const PRECISION: f64 = 0.25;

impl Bench<'_> {
    /// Measures every peer, its agents in `folder`: one call, and the most calls where capacity is
    /// asked for.
    pub(super) async fn peers(&mut self, folder: &Path) -> Result<Vec<PeerReport>, BenchError> {
        let mut kinds = Vec::new();
        for endpointing in Endpointing::ALL {
            for peer in Peer::ALL {
                kinds.push((peer, endpointing, peer.version(folder)?));
            }
        }
        let turn = usize::try_from(self.options.seed).unwrap_or(0) % kinds.len();
        kinds.rotate_left(turn);
        let mut reports = Vec::new();
        for (peer, endpointing, version) in kinds {
            let engine = Engine::Peer { peer, endpointing, folder };
            let load = Load { duration: self.options.latency, ..self.load_of(engine, 1) };
            let latency = self.attempt("latency", load).await?;
            let wanted = self.options.parts.contains(&Part::Capacity);
            let capacity = match latency.figures.audible_ms.p95 {
                Some(p95) if wanted => {
                    let limit_ms = p95 * SLOWER;
                    let range = (FIRST_CALLS, self.options.most_calls, PRECISION);
                    let broken = |outcome: &Outcome| broken(outcome, &latency, limit_ms);
                    let steps = self.search(engine, range, &broken).await?;
                    Some(Search::new(endpointing.name(), limit_ms, steps))
                }
                // Where nothing was heard at one call there is nothing to search for.
                Some(_) | None => None,
            };
            reports.push(PeerReport { peer, version, endpointing, latency, capacity });
        }
        Ok(reports)
    }
}

/// Why a run was too much for a peer: only what load does. Replies that come early, barge-ins that
/// it does not notice and turns that it leaves without an answer at one call already are shown, and
/// are no reason; ours has to do without them.
fn broken(outcome: &Outcome, alone: &Outcome, limit_ms: f64) -> Option<String> {
    let figures = &outcome.figures;
    let counts = [
        (figures.cut_off, "calls cut off"),
        (outcome.refused, "calls refused"),
        (outcome.failed, "calls failed"),
    ];
    if let Some((count, what)) = counts.into_iter().find(|(count, _)| *count > 0) {
        return Some(format!("{count} {what}"));
    }
    if lost(figures) > lost(&alone.figures) + SPREAD {
        let share = lost(figures) * 100.0;
        return Some(format!("{share:.0} % of the turns without an answer"));
    }
    let Some(p95) = figures.audible_ms.p95 else { return Some("no reply was heard".to_owned()) };
    if p95 > limit_ms {
        return Some(format!("audible p95 {p95:.0} ms, above {limit_ms:.0}"));
    }
    if figures.gaps_ratio > GAPS {
        return Some(format!("gaps are {:.2} % of the speech", figures.gaps_ratio * 100.0));
    }
    outcome.void.then(|| format!("the load side was {:.1} ms late", figures.client_late_p99_ms))
}

/// By how much more turns may be lost than at one call, as a part of them.
const SPREAD: f64 = 0.1;

fn lost(figures: &Figures) -> f64 {
    figures.unanswered as f64 / figures.turns.max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::super::figures::Quantiles;
    use super::*;

    const LIMIT_MS: f64 = 1_200.0;

    fn outcome(figures: Figures) -> Outcome {
        Outcome::of_figures(figures)
    }

    fn good() -> Figures {
        Figures { turns: 20, audible_ms: Quantiles::of(vec![1_000.0]), ..Figures::default() }
    }

    #[test]
    fn what_a_peer_does_at_one_call_is_no_reason() {
        let alone = outcome(Figures { early: 5, unanswered: 2, ..good() });
        let reason = |figures: Figures| broken(&outcome(figures), &alone, LIMIT_MS);
        assert_eq!(reason(Figures { early: 9, missed_barge_ins: 3, ..good() }), None);
        assert_eq!(reason(Figures { unanswered: 3, ..good() }), None);
        assert!(reason(Figures { unanswered: 8, ..good() }).is_some());
    }

    #[test]
    fn gaps_delays_and_lost_calls_are() {
        let reason = |figures: Figures| broken(&outcome(figures), &outcome(good()), LIMIT_MS);
        assert_eq!(reason(good()), None);
        assert!(reason(Figures { gaps_ratio: 0.002, ..good() }).is_some());
        assert!(reason(Figures { cut_off: 1, ..good() }).is_some());
        let slow = Figures { audible_ms: Quantiles::of(vec![1_300.0]), ..good() };
        assert_eq!(reason(slow).as_deref(), Some("audible p95 1300 ms, above 1200"));
        assert!(reason(Figures::default()).is_some(), "nothing was heard");
    }
}
