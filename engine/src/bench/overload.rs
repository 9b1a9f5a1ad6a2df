//! More calls than the engine can carry, and back: who is refused, and what it costs the others.
//!
//! Some calls last for the whole run. After a third of it many more try to join them, one after the
//! other, and leave with the second third. The engine's limit of calls is far away: what refuses is
//! its own lateness. Three things are to be seen: the calls that last keep their figures while the
//! others come, the others are refused rather than served badly, and afterwards all is as before.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use tokio::task::JoinSet;
use tokio::time::{Instant, interval, sleep, sleep_until};

use super::BenchError;
use super::figures::Figures;
use super::line::{self, CallLog, NoCall};
use super::material::Material;
use super::run::{LATEST_MS, order};
use super::server::{Mode, Placement, Server};
use super::services::{Paces, Services};
use crate::config::Config;

/// Between two looks at the engine.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The part of the second third in which the others come: the rest of it shows what it is like once
/// they are there.
const ARRIVING: f64 = 0.5;

/// What is to be run.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// Calls that last.
    pub calls: usize,
    /// Calls that try to join them.
    pub more: usize,
    /// How long a third of the run is.
    pub third: Duration,
    /// Decides what callers do.
    pub seed: u64,
}

/// What came of it.
#[derive(Clone, Debug, Serialize)]
pub struct Overload {
    /// Calls that lasted.
    pub calls: usize,
    /// Calls that tried to join them.
    pub tried: usize,
    /// Those that were taken.
    pub taken: usize,
    /// Those that were refused.
    pub refused: usize,
    /// Calls that failed, and why the first did.
    pub failed: usize,
    /// Why the first of them did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
    /// What the callers that lasted noticed before, while and after the others were there.
    pub phases: [Phase; 3],
    /// What the callers noticed that were taken in between.
    pub joined: Figures,
    /// The engine, second by second.
    pub curve: Vec<Moment>,
    /// The load side was late: the figures say nothing.
    pub void: bool,
}

/// A third of the run.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Phase {
    /// `before`, `while`, `after`.
    pub name: &'static str,
    /// What the callers that lasted noticed.
    pub figures: Figures,
    /// The engine's processor time per time, in cores.
    pub cores: f64,
}

/// The engine at some moment, by its own account.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Moment {
    /// Since the run began.
    pub seconds: f64,
    /// Calls in progress.
    pub calls: u32,
    /// Lateness of wake-ups at the 95th percentile, in ms.
    pub lag_ms: f64,
    /// Calls were refused.
    pub overloaded: bool,
}

/// Runs it on an engine of its own.
///
/// # Errors
///
/// Where the engine or a stand-in does not start, or the engine does not go on.
pub async fn run(
    load: Load,
    config: &Config,
    material: &Arc<Material>,
    placement: &Placement,
) -> Result<Overload, BenchError> {
    let services = Services::start(material, Paces::LOAD_SCRIPT).await?;
    let all = load.calls + load.more;
    let mut server = tokio::task::block_in_place(|| {
        let limit = config.max_scheduling_lag.unwrap_or_default();
        Server::start_guarded(config, &services, (Mode::VadOnly, limit), all, placement)
    })?;
    let client = reqwest::Client::new();
    let began = Instant::now();
    let mut lasting = JoinSet::new();
    let mut joining = JoinSet::new();
    let place = |set: &mut JoinSet<_>, index: usize, from: Duration, until: Duration| {
        let seed = load.seed.wrapping_add(index as u64 * 7_919);
        let order = order(&server, seed, until.saturating_sub(from));
        let (client, material) = (client.clone(), Arc::clone(material));
        set.spawn(async move {
            sleep_until(began + from).await;
            line::place(order, &client, &material).await
        });
    };
    for index in 0..load.calls {
        let from = Duration::from_secs(10).min(load.third / 4);
        let from = from.mul_f64(index as f64 / load.calls.max(1) as f64);
        place(&mut lasting, index, from, load.third * 3);
    }
    for index in 0..load.more {
        let part = ARRIVING * index as f64 / load.more.max(1) as f64;
        let from = load.third + load.third.mul_f64(part);
        place(&mut joining, load.calls + index, from, load.third * 2);
    }
    let mut logs = Calls::default();
    let mut joined = Calls::default();
    let mut curve = Vec::new();
    let mut spent = [0.0; 4];
    let mut look = interval(LOOK_EVERY);
    loop {
        tokio::select! {
            Some(ended) = lasting.join_next() => logs.take(ended)?,
            Some(ended) = joining.join_next() => joined.take(ended)?,
            _ = look.tick() => {
                let usage = server.usage().ok_or_else(|| BenchError::Engine(server.complaints()))?;
                let at = began.elapsed();
                for (third, spent) in (0..).zip(&mut spent) {
                    if at <= load.third * third + LOOK_EVERY {
                        *spent = usage.cpu_s;
                    }
                }
                if let Some(live) = server.live(&client).await {
                    curve.push(Moment {
                        seconds: (at.as_secs_f64() * 10.0).round() / 10.0,
                        calls: live.running,
                        lag_ms: live.lag_ms,
                        overloaded: live.overloaded,
                    });
                }
            }
            else => break,
        }
    }
    sleep(LOOK_EVERY).await;
    tokio::task::block_in_place(|| server.stop());

    let third = |number: u32| began + load.third * number;
    let phase = |number: u32, name| {
        let part = (third(number), third(number + 1));
        let logs: Vec<CallLog> = logs.logs.iter().map(|log| between(log, part)).collect();
        let index = number as usize;
        let cores = (spent[index + 1] - spent[index]) / load.third.as_secs_f64();
        Phase { name, figures: Figures::of(&logs, 0), cores }
    };
    let phases = [phase(0, "before"), phase(1, "while"), phase(2, "after")];
    let late = phases.iter().map(|phase| phase.figures.client_late_p99_ms).fold(0.0, f64::max);
    Ok(Overload {
        calls: load.calls,
        tried: load.more,
        taken: joined.logs.len(),
        refused: joined.refused,
        failed: logs.failed + logs.refused + joined.failed,
        failure: logs.failure.or(joined.failure),
        phases,
        joined: Figures::of(&joined.logs, 0),
        curve,
        void: late > LATEST_MS,
    })
}

/// What became of calls.
#[derive(Debug, Default)]
struct Calls {
    logs: Vec<CallLog>,
    refused: usize,
    failed: usize,
    failure: Option<String>,
}

type Ended = Result<Result<CallLog, NoCall>, tokio::task::JoinError>;

impl Calls {
    fn take(&mut self, ended: Ended) -> Result<(), BenchError> {
        match ended.map_err(|error| BenchError::Engine(error.to_string()))? {
            Ok(log) => self.logs.push(log),
            Err(NoCall::Refused) => self.refused += 1,
            Err(NoCall::Failed(reason)) => {
                self.failed += 1;
                self.failure.get_or_insert(reason);
            }
        }
        Ok(())
    }
}

/// What happened in a call in a part of the run.
fn between(log: &CallLog, (from, to): (Instant, Instant)) -> CallLog {
    let sample = |at: Instant| {
        let since = at.saturating_duration_since(log.began);
        u64::try_from(since.as_micros()).unwrap_or(u64::MAX) / 125
    };
    let part = sample(from)..sample(to).min(log.length);
    let is_in = |start: u64| part.contains(&start);
    CallLog {
        began: log.began,
        length: part.end,
        said: log.said.iter().filter(|said| is_in(said.start)).cloned().collect(),
        audible: log.audible.iter().filter(|heard| is_in(heard.start)).cloned().collect(),
        runs: log.runs.iter().filter(|run| is_in(run.range.start)).cloned().collect(),
        clears: log.clears,
        words: Vec::new(),
        lateness: log.lateness.clone(),
        lead: log.lead.clone(),
        malformed: log.malformed,
        cut_off: log.cut_off && log.length <= sample(to),
    }
}

#[cfg(test)]
mod tests {
    use super::super::figures::Histogram;
    use super::super::script::{Said, Sound};
    use super::*;
    use crate::carrier::playout_model::Run;

    #[test]
    fn a_part_has_what_began_in_it() {
        let began = Instant::now();
        let said = |start: u64| Said { sound: Sound::Turn(0), start, speech_end: start + 8_000 };
        let log = CallLog {
            began: began + Duration::from_secs(1),
            length: 8_000 * 59,
            said: vec![said(8_000), said(8_000 * 30)],
            audible: vec![8_000 * 3..8_000 * 4, 8_000 * 32..8_000 * 34],
            runs: vec![Run { range: 8_000 * 3..8_000 * 4, cleared: false }],
            clears: 0,
            words: Vec::new(),
            lateness: Histogram::default(),
            lead: Histogram::default(),
            malformed: 0,
            cut_off: true,
        };
        let second = |number| began + Duration::from_secs(number);
        let first = between(&log, (second(0), second(20)));
        assert_eq!((first.said.len(), first.audible.len(), first.runs.len()), (1, 1, 1));
        assert_eq!((first.length, first.cut_off), (8_000 * 19, false));
        let last = between(&log, (second(20), second(60)));
        assert_eq!(last.said[0].start, 8_000 * 30);
        assert_eq!(last.audible.len(), 1);
        assert_eq!(last.audible[0], 8_000 * 32..8_000 * 34);
        assert_eq!((last.runs.len(), last.length, last.cut_off), (0, 8_000 * 59, true));
    }
}
