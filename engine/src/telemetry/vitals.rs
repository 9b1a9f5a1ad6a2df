//! How the process is at this moment: what nobody counts because it can be read.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tts::CacheCounters;
use vad::{Counters, TurnCounters};

use crate::lag::LagCounts;
use crate::transport::egress_clock::Lateness;

/// Reads how the process is. Cheap to clone.
#[derive(Clone)]
pub struct Vitals(Arc<dyn Fn() -> Reading + Send + Sync>);

/// How the process is.
#[derive(Clone, Copy, Debug, Default)]
pub struct Reading {
    /// Calls in progress.
    pub calls: u32,
    /// The most calls at once.
    pub capacity: u32,
    /// New calls are refused, because tasks are woken late.
    pub overloaded: bool,
    /// Lateness of wake-ups in the last half second, at the 95th percentile, in ms.
    pub lag_ms: f64,
    /// Lateness of all wake-ups so far.
    pub lags: LagCounts,
    /// What waits.
    pub queues: Queues,
    /// Voice activity.
    pub vad: Counters,
    /// The turn model, where there is one.
    pub turn_model: Option<TurnCounters>,
    /// Samples of callers that recognisers did not take in time.
    pub lost_samples: u64,
    /// Phrases that were spoken before.
    pub cache: CacheCounters,
    /// The egress clock's thread.
    pub clock: Lateness,
    /// The resident set; `None`: the system does not tell.
    pub memory_bytes: Option<u64>,
}

/// What waits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Queues {
    /// Looks of the turn model.
    pub turn_model: u64,
    /// Decodes that callers' pauses wait for.
    pub decode: u64,
    /// Events of calls, to be written down.
    pub events: u64,
}

impl Vitals {
    /// Reads with `read`.
    pub fn new(read: impl Fn() -> Reading + Send + Sync + 'static) -> Self {
        Self(Arc::new(read))
    }

    /// How the process is now.
    pub fn read(&self) -> Reading {
        (self.0)()
    }
}

impl Default for Vitals {
    /// Of a process that does nothing.
    fn default() -> Self {
        Self::new(Reading::default)
    }
}

impl fmt::Debug for Vitals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Vitals").field(&self.read()).finish()
    }
}

/// The resident set of this process, in bytes (proc(5), `statm`).
pub fn resident_bytes() -> Option<u64> {
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = statm.split_whitespace().nth(1)?.parse().ok()?;
    Some(pages * rustix::param::page_size() as u64)
}
