//! A look at a running engine: what `GET /live` answers and `causerie top` shows.

use serde::{Deserialize, Serialize};

use super::board::{Board, LiveCall};
use super::vitals::{Queues, Vitals};

/// A running engine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Live {
    /// Its version.
    pub version: String,
    /// Calls in progress.
    pub running: u32,
    /// The most calls at once.
    pub capacity: u32,
    /// New calls are refused, because tasks are woken late.
    pub overloaded: bool,
    /// Lateness of wake-ups in the last half second, at the 95th percentile, in ms.
    pub lag_ms: f64,
    /// What waits.
    pub queues: Queues,
    /// Windows of speech that voice activity lost, so far.
    pub vad_lost: u64,
    /// Looks of the turn model that came too late, so far.
    pub turn_looks_late: u64,
    /// Memory of the process, in MB; absent where the system does not tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_mb: Option<f64>,
    /// The calls, the longest first.
    pub calls: Vec<LiveCall>,
}

impl Live {
    /// How it is now.
    pub fn read(vitals: &Vitals, board: &Board) -> Self {
        let now = vitals.read();
        let tenths = |number: f64| (number * 10.0).round() / 10.0;
        Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            running: now.calls,
            capacity: now.capacity,
            overloaded: now.overloaded,
            lag_ms: now.lag_ms,
            queues: now.queues,
            vad_lost: now.vad.lost + now.vad.failed,
            turn_looks_late: now.turn_model.map_or(0, |turn| turn.late),
            memory_mb: now.memory_bytes.map(|bytes| tenths(bytes as f64 / 1_048_576.0)),
            calls: board.calls(),
        }
    }
}
