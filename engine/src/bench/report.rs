//! What `causerie bench` found.

use serde::Serialize;

use super::comparison::PeerReport;
use super::greeting::Greeting;
use super::overload::Overload;
use super::run::Outcome;
use super::server::Placement;

/// Everything that was measured.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The version that was measured.
    pub build: String,
    /// What it ran on.
    pub machine: Machine,
    /// What callers said.
    pub speech: String,
    /// The figures that are compared.
    pub summary: Summary,
    /// One call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency: Option<Outcome>,
    /// How soon calls are greeted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub greeting: Vec<Greeting>,
    /// Many calls, for the stops and the words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub barge_in: Option<Outcome>,
    /// Services that take no time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub overhead: Option<Outcome>,
    /// The search for the most calls, by mode.
    pub capacity: Vec<Search>,
    /// More calls than there is room for, and back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub overload: Option<Overload>,
    /// Many short calls.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub soak: Option<Soak>,
    /// Services and callers that misbehave.
    pub adversarial: Vec<Trial>,
    /// Other engines, under the same load.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub peers: Vec<PeerReport>,
}

/// What it ran on.
#[derive(Clone, Debug, Serialize)]
pub struct Machine {
    /// Its processor.
    pub processor: String,
    /// Which cores were whose.
    pub cores: Placement,
    /// What else ran: the load of the last minute before the first run.
    pub load_before: f64,
}

/// The figures that are compared, by the names that everybody uses for them. Absent: not measured.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Summary {
    /// From the true end of speech to the first audible sample, at one call.
    pub audible_ms: Percentiles,
    /// Replies that were audible before the caller had finished, at one call.
    pub early: Option<usize>,
    /// Barge-ins over which the voice went on.
    pub missed_barge_ins: Option<usize>,
    /// From the beginning of a barge-in to the last audible sample.
    pub barge_in_stop_ms: Percentiles,
    /// Silence in mid-reply, as a part of the speech.
    pub gaps_ratio: Option<f64>,
    /// Words that the model was told and nobody heard, or that were heard and not told.
    pub heard_errors: Option<usize>,
    /// Replies whose words were compared.
    pub heard_checked: Option<usize>,
    /// The engine's own part, with services that take no time.
    pub overhead_ms: Percentiles,
    /// Memory of a call, in kB, beside the models.
    pub memory_per_call_kb: Option<f64>,
    /// Calls per core.
    pub capacity: Capacity,
    /// A run of these was void: the load side was late.
    pub void: bool,
}

/// Three places of a distribution, in ms.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Percentiles {
    /// The median.
    pub p50: Option<f64>,
    /// 95 in 100.
    pub p95: Option<f64>,
    /// 99 in 100.
    pub p99: Option<f64>,
}

impl From<&super::figures::Quantiles> for Percentiles {
    fn from(of: &super::figures::Quantiles) -> Self {
        Self { p50: of.p50, p95: of.p95, p99: of.p99 }
    }
}

/// The most calls at which all is well.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Capacity {
    /// As shipped.
    pub turn_model: Option<usize>,
    /// Without the turn model.
    pub vad_only: Option<usize>,
}

/// A search for the most calls.
#[derive(Clone, Debug, Serialize)]
pub struct Search {
    /// `turn_model` or `vad_only`; of a peer `shipped` or `equal`.
    pub mode: &'static str,
    /// The audible p95 that may not be exceeded: 1.2 times that of one call.
    pub limit_ms: f64,
    /// The most calls at which all was well.
    pub calls: Option<usize>,
    /// Each step, in the order in which they were taken.
    pub steps: Vec<Step>,
}

impl Search {
    /// Of these steps.
    pub fn new(mode: &'static str, limit_ms: f64, steps: Vec<Step>) -> Self {
        let well = steps.iter().filter(|step| step.broken.is_none());
        let calls = well.map(|step| step.outcome.calls).max();
        Self { mode, limit_ms, calls, steps }
    }
}

/// A step of the search.
#[derive(Clone, Debug, Serialize)]
pub struct Step {
    /// Why it was too much; `None`: all was well.
    pub broken: Option<String>,
    /// The run.
    pub outcome: Outcome,
}

/// Many short calls, one after the other.
#[derive(Clone, Debug, Serialize)]
pub struct Soak {
    /// Calls that ended.
    pub finished: usize,
    /// Memory that a finished call leaves, in kB: the slope over the second half.
    pub leak_kb_per_call: f64,
    /// Open files and sockets after the first calls, and at the end.
    pub files: [usize; 2],
    /// Threads after the first calls, and at the end.
    pub threads: [usize; 2],
    /// Calls that were refused or failed.
    pub failed: usize,
    /// Memory in MB over finished calls.
    #[serde(skip)]
    pub memory: Vec<(f64, f64)>,
}

/// A run with something wrong.
#[derive(Clone, Debug, Serialize)]
pub struct Trial {
    /// What was wrong.
    pub name: &'static str,
    /// What came of it.
    pub outcome: Outcome,
}
