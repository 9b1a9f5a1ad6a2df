//! The runs that make the report.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::ValueEnum;
use mocks::{Pace, ReplyPace};

use super::BenchError;
use super::figures::Quantiles;
use super::greeting::{self, Greeting};
use super::material::Material;
use super::overload::{self, Overload};
use super::report::{Machine, Percentiles, Report, Search, Soak, Step, Summary, Trial};
use super::run::{Load, Outcome, run};
use super::server::{Engine, Mode, Placement};
use super::services::Paces;
use super::soak;
use crate::config::Config;

/// What can be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Part {
    /// One call: when replies become audible
    Latency,
    /// Calls one after the other: how soon each is greeted, with and without what is kept
    Greeting,
    /// Many calls: how fast barge-ins stop the voice, and whether history is what was heard
    BargeIn,
    /// Services that take no time: the engine's own part
    Overhead,
    /// The most calls at which all is well, with and without the turn model
    Capacity,
    /// Many more calls than there is room for: who is refused, and whether the others notice
    Overload,
    /// Many short calls: what each leaves behind
    Soak,
    /// A voice that stands still, a model that does
    Adversarial,
}

/// How to measure.
#[derive(Clone, Debug)]
pub struct Options {
    /// What.
    pub parts: Vec<Part>,
    /// How long the one call of the latency lasts.
    pub latency: Duration,
    /// How long a run of many calls lasts.
    pub duration: Duration,
    /// Calls at once for barge-ins and overhead.
    pub calls: usize,
    /// The search for the most calls begins here, and does not go beyond `most_calls`.
    pub first_calls: usize,
    /// The most calls that are tried.
    pub most_calls: usize,
    /// Calls of the soak.
    pub soak_calls: usize,
    /// A collection of recordings instead of the one that comes with the models.
    pub speech: Option<PathBuf>,
    /// The folder of other engines to measure too: `benches/peers`.
    pub peers: Option<PathBuf>,
    /// Decides what callers do, and the order of the peers.
    pub seed: u64,
}

/// A capacity is known to a tenth of it.
const PRECISION: f64 = 0.1;

/// What p95 may be of that of one call.
pub(super) const SLOWER: f64 = 1.2;

/// Silence in mid-reply that is allowed, as a part of the speech.
pub(super) const GAPS: f64 = 0.001;

/// Two unvoiced windows close the voice gate: this is when the engine can know of the end.
const GATE_MS: f64 = 64.0;

/// A run whose load side was late is repeated once.
const ATTEMPTS: usize = 2;

/// Measures what `options` ask for. `say` is told of the progress. To be called on the load side's
/// cores.
///
/// # Errors
///
/// Where the speech, the engine or a stand-in is not to be had.
pub async fn measure(
    options: &Options,
    config: &Config,
    placement: &Placement,
    say: &mut dyn FnMut(&str),
) -> Result<Report, BenchError> {
    let material = match &options.speech {
        Some(folder) => Material::of_collection(folder)?,
        None => Material::of_models(&config.models_dir)?,
    };
    let mut bench = Bench { options, config, placement, material: Arc::new(material), say };
    let mut report = Report {
        build: env!("CARGO_PKG_VERSION").to_owned(),
        machine: machine(placement),
        speech: bench.material.source.clone(),
        summary: Summary::default(),
        latency: None,
        greeting: Vec::new(),
        barge_in: None,
        overhead: None,
        capacity: Vec::new(),
        overload: None,
        soak: None,
        adversarial: Vec::new(),
        peers: Vec::new(),
    };
    for part in &options.parts {
        match part {
            Part::Latency => {
                report.latency = Some(bench.latency(Mode::TurnModel).await?);
            }
            Part::Greeting => {
                for mode in [Mode::FreshGreeting, Mode::PreparedGreeting] {
                    report.greeting.push(bench.greeting(mode).await?);
                }
            }
            Part::BargeIn => {
                let load = bench.load(Mode::VadOnly, options.calls);
                report.barge_in = Some(bench.attempt("barge-in", load).await?);
            }
            Part::Overhead => {
                let load = bench.load(Mode::NoWait, options.calls);
                let load = Load { paces: Paces::AT_ONCE, ..load };
                report.overhead = Some(bench.attempt("overhead", load).await?);
            }
            Part::Capacity => {
                let known = report.latency.as_ref();
                let turn_model = bench.capacity(Mode::TurnModel, known).await?;
                let vad_only = bench.capacity(Mode::VadOnly, None).await?;
                report.capacity = vec![turn_model, vad_only];
            }
            Part::Overload => report.overload = Some(bench.overload().await?),
            Part::Soak => report.soak = Some(bench.soak().await?),
            Part::Adversarial => report.adversarial = bench.adversarial().await?,
        }
    }
    if let Some(folder) = &options.peers {
        report.peers = bench.peers(folder).await?;
    }
    report.summary = summary(&report);
    Ok(report)
}

pub(super) struct Bench<'a> {
    pub(super) options: &'a Options,
    config: &'a Config,
    placement: &'a Placement,
    material: Arc<Material>,
    say: &'a mut dyn FnMut(&str),
}

impl Bench<'_> {
    fn load(&self, mode: Mode, calls: usize) -> Load<'static> {
        self.load_of(Engine::Causerie(mode), calls)
    }

    pub(super) fn load_of<'a>(&self, engine: Engine<'a>, calls: usize) -> Load<'a> {
        let (duration, seed) = (self.options.duration, self.options.seed);
        Load { engine, calls, duration, seed, paces: Paces::LOAD_SCRIPT }
    }

    /// A run, and another where the load side was late in the first.
    pub(super) async fn attempt(
        &mut self,
        name: &str,
        load: Load<'_>,
    ) -> Result<Outcome, BenchError> {
        let mut attempt = 1;
        loop {
            let (calls, seconds) = (load.calls, load.duration.as_secs());
            let (engine, mode) = (load.engine.name(), load.engine.mode());
            (self.say)(&format!("{name}: {calls} calls, {seconds} s, {engine} {mode}"));
            let outcome = run(load, self.config, &self.material, self.placement).await?;
            if !outcome.void || attempt == ATTEMPTS {
                return Ok(outcome);
            }
            (self.say)(&format!(
                "{name}: void, the load side was {:.1} ms late; once more",
                outcome.figures.client_late_p99_ms
            ));
            attempt += 1;
        }
    }

    async fn latency(&mut self, mode: Mode) -> Result<Outcome, BenchError> {
        let load = Load { duration: self.options.latency, ..self.load(mode, 1) };
        self.attempt("latency", load).await
    }

    async fn greeting(&mut self, mode: Mode) -> Result<Greeting, BenchError> {
        (self.say)(&format!("greeting, {}: calls one after the other", mode.name()));
        greeting::run(mode, self.config, &self.material, self.placement).await
    }

    async fn capacity(
        &mut self,
        mode: Mode,
        alone: Option<&Outcome>,
    ) -> Result<Search, BenchError> {
        let p95 = |outcome: &Outcome| outcome.figures.audible_ms.p95;
        let alone = match alone.and_then(p95) {
            Some(p95) => p95,
            None => p95(&self.latency(mode).await?).unwrap_or(0.0),
        };
        let limit_ms = alone * SLOWER;
        let range = (self.options.first_calls, self.options.most_calls, PRECISION);
        let broken = |outcome: &Outcome| broken(outcome, limit_ms);
        let steps = self.search(Engine::Causerie(mode), range, &broken).await?;
        Ok(Search::new(mode.name(), limit_ms, steps))
    }

    /// Doubles the calls until something breaks, then halves the interval. The first, the most, and
    /// how exactly the most is to be known.
    pub(super) async fn search(
        &mut self,
        engine: Engine<'_>,
        (first, most, precision): (usize, usize, f64),
        broken: &dyn Fn(&Outcome) -> Option<String>,
    ) -> Result<Vec<Step>, BenchError> {
        let mut steps = Vec::new();
        let (mut good, mut bad) = (None, None);
        let mut calls = first;
        loop {
            let load = self.load_of(engine, calls);
            let outcome = self.attempt("capacity", load).await?;
            let broken = broken(&outcome);
            if let Some(reason) = &broken {
                (self.say)(&format!("capacity: {calls} calls are too many: {reason}"));
            }
            match broken {
                None => good = Some(calls),
                Some(_) => bad = Some(calls),
            }
            steps.push(Step { broken, outcome });
            let next = match (good, bad) {
                (Some(good), None) if good >= most => break,
                (Some(good), None) => (good * 2).min(most),
                (None, Some(bad)) if bad <= 1 => break,
                (None, Some(bad)) => bad / 2,
                (Some(good), Some(bad)) => {
                    if (bad - good) as f64 <= (good as f64 * precision).max(1.0) {
                        break;
                    }
                    good.midpoint(bad)
                }
                (None, None) => break,
            };
            calls = next.max(1);
        }
        Ok(steps)
    }

    async fn overload(&mut self) -> Result<Overload, BenchError> {
        let Options { calls, most_calls: more, duration: third, seed, .. } = *self.options;
        (self.say)(&format!("overload: {calls} calls, and {more} more in the second third"));
        let load = overload::Load { calls, more, third, seed };
        overload::run(load, self.config, &self.material, self.placement).await
    }

    async fn soak(&mut self) -> Result<Soak, BenchError> {
        let calls = self.options.soak_calls;
        (self.say)(&format!("soak: {calls} short calls"));
        let at_once = self.options.calls;
        soak::run(calls, at_once, self.config, &self.material, self.placement).await
    }

    async fn adversarial(&mut self) -> Result<Vec<Trial>, BenchError> {
        let stalls = Paces { voice_stall: Duration::from_millis(600), ..Paces::LOAD_SCRIPT };
        let reply =
            ReplyPace { stall_every: 3, stall: Duration::from_secs(3), ..ReplyPace::LOAD_SCRIPT };
        let silent = Paces { reply, ..Paces::LOAD_SCRIPT };
        let slow = Pace { first_byte: Duration::from_millis(1_500), speed: 2 };
        let slow = Paces { voice: slow, ..Paces::LOAD_SCRIPT };
        let mut trials = Vec::new();
        for (name, paces) in [
            ("the voice stands still for 0.6 s in mid-reply", stalls),
            ("the voice takes 1.5 s and speaks at twice real time", slow),
            ("every third answer of the model comes 3 s late", silent),
        ] {
            let load = Load { paces, ..self.load(Mode::TurnModel, 4) };
            trials.push(Trial { name, outcome: self.attempt(name, load).await? });
        }
        Ok(trials)
    }
}

/// Why a run was too much.
fn broken(outcome: &Outcome, limit_ms: f64) -> Option<String> {
    let figures = &outcome.figures;
    let counts = [
        (figures.early, "replies before the caller had finished"),
        (figures.missed_barge_ins, "barge-ins missed"),
        (figures.unanswered, "turns without an answer"),
        (figures.cut_off, "calls cut off"),
        (usize::try_from(figures.malformed).unwrap_or(usize::MAX), "messages of no known kind"),
        (outcome.refused, "calls refused"),
        (outcome.failed, "calls failed"),
    ];
    if let Some((count, what)) = counts.into_iter().find(|(count, _)| *count > 0) {
        return Some(format!("{count} {what}"));
    }
    match figures.audible_ms.p95 {
        Some(p95) if p95 > limit_ms => {
            return Some(format!("audible p95 {p95:.0} ms, above {limit_ms:.0}"));
        }
        Some(_) => {}
        None => return Some("no reply was heard".to_owned()),
    }
    if figures.gaps_ratio > GAPS {
        return Some(format!("gaps are {:.2} % of the speech", figures.gaps_ratio * 100.0));
    }
    outcome.void.then(|| format!("the load side was {:.1} ms late", figures.client_late_p99_ms))
}

fn summary(report: &Report) -> Summary {
    let latency = report.latency.as_ref();
    let loaded = report.barge_in.as_ref().or(latency);
    let figures = latency.or(loaded).map(|outcome| &outcome.figures);
    let overhead = report.overhead.as_ref().map(|outcome| {
        let own = outcome.stages.first_audio.values.iter().map(|ms| (ms - GATE_MS).max(0.0));
        Quantiles::of(own.collect())
    });
    let runs = [latency, report.barge_in.as_ref(), report.overhead.as_ref()];
    let capacity =
        |mode: Mode| report.capacity.iter().find(|search| search.mode == mode.name())?.calls;
    let percentiles = |of: Option<&Quantiles>| of.map(Percentiles::from).unwrap_or_default();
    Summary {
        audible_ms: percentiles(figures.map(|figures| &figures.audible_ms)),
        early: figures.map(|figures| figures.early),
        missed_barge_ins: loaded.map(|outcome| outcome.figures.missed_barge_ins),
        barge_in_stop_ms: percentiles(loaded.map(|outcome| &outcome.figures.barge_in_stop_ms)),
        gaps_ratio: loaded.map(|outcome| outcome.figures.gaps_ratio),
        heard_errors: loaded.map(|outcome| outcome.verdict.heard_errors()),
        heard_checked: loaded.map(|outcome| outcome.verdict.checked),
        overhead_ms: percentiles(overhead.as_ref()),
        memory_per_call_kb: report
            .barge_in
            .as_ref()
            .map(|outcome| outcome.memory_kb as f64 / outcome.calls as f64),
        capacity: super::report::Capacity {
            turn_model: capacity(Mode::TurnModel),
            vad_only: capacity(Mode::VadOnly),
        },
        void: runs.into_iter().flatten().any(|outcome| outcome.void),
    }
}

fn machine(placement: &Placement) -> Machine {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let cpu = read("/proc/cpuinfo");
    let name = cpu.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let load = read("/proc/loadavg");
    let load = load.split(' ').next().and_then(|load| load.parse().ok());
    Machine {
        processor: name.map_or_else(|| "unknown".to_owned(), |(_, name)| name.to_owned()),
        cores: placement.clone(),
        load_before: load.unwrap_or(0.0),
    }
}

#[cfg(test)]
mod tests {
    use super::super::figures::Figures;
    use super::super::run::Stages;
    use super::*;

    fn outcome(figures: Figures) -> Outcome {
        let stages = Stages { first_audio: Quantiles::of(vec![70.0, 80.0]), ..Stages::default() };
        Outcome { stages, ..Outcome::of_figures(figures) }
    }

    fn good() -> Figures {
        Figures { audible_ms: Quantiles::of(vec![450.0, 480.0]), ..Figures::default() }
    }

    #[test]
    fn a_run_is_good_until_one_of_the_rules_is_broken() {
        let reason = |figures: Figures| broken(&outcome(figures), 550.0);
        assert_eq!(reason(good()), None);
        assert_eq!(
            reason(Figures { early: 2, ..good() }).as_deref(),
            Some("2 replies before the caller had finished")
        );
        let slow = Figures { audible_ms: Quantiles::of(vec![600.0]), ..Figures::default() };
        assert_eq!(reason(slow).as_deref(), Some("audible p95 600 ms, above 550"));
        assert!(reason(Figures { gaps_ratio: 0.002, ..good() }).is_some());
        assert!(reason(Figures::default()).is_some(), "nothing was heard");
        let void = Outcome { void: true, ..outcome(good()) };
        assert!(broken(&void, 550.0).is_some());
    }

    #[test]
    fn the_summary_has_the_names_that_are_asked_for() {
        let report = Report {
            build: String::new(),
            machine: machine(&Placement { engine: vec![0], load: vec![1] }),
            speech: String::new(),
            summary: Summary::default(),
            latency: Some(outcome(good())),
            greeting: Vec::new(),
            barge_in: Some(outcome(good())),
            overhead: Some(outcome(good())),
            overload: None,
            capacity: vec![Search {
                mode: "vad_only",
                limit_ms: 500.0,
                calls: Some(40),
                steps: Vec::new(),
            }],
            soak: None,
            adversarial: Vec::new(),
            peers: Vec::new(),
        };
        let json = serde_json::to_value(summary(&report)).expect("it is plain");
        assert_eq!(json["audible_ms"]["p50"], 450.0);
        assert_eq!(json["audible_ms"]["p95"], 480.0);
        assert_eq!(json["overhead_ms"]["p50"], 6.0);
        assert_eq!(json["overhead_ms"]["p99"], 16.0);
        assert_eq!(json["memory_per_call_kb"], 200.0);
        assert_eq!(json["capacity"]["vad_only"], 40);
        assert!(json["capacity"]["turn_model"].is_null());
        for name in ["early", "missed_barge_ins", "gaps_ratio", "heard_errors"] {
            assert_eq!(json[name].as_f64(), Some(0.0), "{name}");
        }
    }
}
