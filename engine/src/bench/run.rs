//! A number of calls at once, and what came of them.

use std::sync::Arc;
use std::time::Duration;

use mocks::openai::Asked;
use serde::Serialize;
use tokio::task::JoinSet;
use tokio::time::{Instant, interval, sleep};

use super::BenchError;
use super::figures::{Figures, Quantiles};
use super::line::{self, NoCall, Order};
use super::material::Material;
use super::referee::{self, Verdict};
use super::server::{Engine, Mode, Placement, Server, Usage};
use super::services::{Paces, Services};
use crate::carrier::Webhook;
use crate::config::Config;

/// A load side that was later than this at the 99th percentile measured itself, in ms.
pub const LATEST_MS: f64 = 5.0;

/// Calls do not all begin at once: so long for each, up to [`LONGEST_RAMP`].
const RAMP: Duration = Duration::from_millis(50);
const LONGEST_RAMP: Duration = Duration::from_secs(12);

/// Between two looks at the engine's memory.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// What is to be run.
#[derive(Clone, Copy, Debug)]
pub struct Load<'a> {
    /// On what.
    pub engine: Engine<'a>,
    /// Calls at once.
    pub calls: usize,
    /// How long each lasts.
    pub duration: Duration,
    /// Decides what callers do.
    pub seed: u64,
    /// How fast the services are.
    pub paces: Paces,
}

/// What came of it.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    /// How the engine took turns.
    pub mode: &'static str,
    /// Calls at once.
    pub calls: usize,
    /// What callers noticed.
    pub figures: Figures,
    /// Whether the model was told what was heard.
    pub verdict: Verdict,
    /// Calls that were refused.
    pub refused: usize,
    /// Calls that failed, and why the first did.
    pub failed: usize,
    /// Why the first of them did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
    /// The engine's processor time per time, in cores.
    pub cores: f64,
    /// Memory the calls took together, in kB: the most, less what the engine had before them.
    pub memory_kb: u64,
    /// The engine before the calls, after a first one.
    pub before: Usage,
    /// After them.
    pub after: Usage,
    /// Memory over time: seconds and MB.
    #[serde(skip)]
    pub memory: Vec<(f64, f64)>,
    /// Each stage's time as the engine noted it, in ms.
    pub stages: Stages,
    /// The end of a conversation as the model was told it, role by role.
    pub conversation: Vec<String>,
    /// The load side was late: the figures say nothing.
    pub void: bool,
}

/// Messages of a conversation that are kept.
const CONVERSATION: usize = 12;

#[cfg(test)]
impl Outcome {
    /// Ten calls of which callers noticed this.
    pub(super) fn of_figures(figures: Figures) -> Self {
        Self {
            mode: "vad_only",
            calls: 10,
            figures,
            verdict: Verdict::default(),
            refused: 0,
            failed: 0,
            failure: None,
            cores: 0.1,
            memory_kb: 2_000,
            before: Usage::default(),
            after: Usage::default(),
            memory: Vec::new(),
            stages: Stages::default(),
            conversation: Vec::new(),
            void: false,
        }
    }
}

/// Each stage's time, in ms.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Stages {
    /// End of speech to the turn being taken for over.
    pub endpointing: Quantiles,
    /// End of speech to the words that made the turn.
    pub transcriber: Quantiles,
    /// Request to the first phrase.
    pub model: Quantiles,
    /// First phrase to its first audio.
    pub voice: Quantiles,
    /// First audio that may be heard to its playback.
    pub transport: Quantiles,
    /// End of speech to the first sample heard.
    pub first_audio: Quantiles,
    /// Part of the replies that were prepared before the turn's end was certain.
    pub speculative: f64,
}

/// Runs `load` on an engine of its own.
///
/// # Errors
///
/// Where the engine or a stand-in does not start. What happens to calls is in the outcome.
pub async fn run(
    load: Load<'_>,
    config: &Config,
    material: &Arc<Material>,
    placement: &Placement,
) -> Result<Outcome, BenchError> {
    let services = Services::start(material, load.paces).await?;
    let mut server = tokio::task::block_in_place(|| match load.engine {
        Engine::Causerie(mode) => Server::start(config, &services, mode, load.calls, placement),
        Engine::Peer { peer, endpointing, folder } => {
            Server::start_peer(peer, endpointing, folder, &services, placement)
        }
    })?;
    let client = reqwest::Client::new();
    // The first call finds nothing warm; it is nobody's figure. A peer's has a turn and a reply, for
    // what it loads only then.
    let first = match load.engine {
        Engine::Causerie(_) => Duration::from_secs(1),
        Engine::Peer { .. } => Duration::from_secs(20),
    };
    if let Err(NoCall::Failed(reason)) =
        line::place(order(&server, 1, first), &client, material).await
    {
        let complaints = server.complaints();
        return Err(BenchError::Engine(format!("the first call failed: {reason}\n{complaints}")));
    }
    let before = server.usage().unwrap_or_default();
    let began = Instant::now();
    let asked_before = services.openai.requests().len();

    let mut calls = JoinSet::new();
    let ramp = (RAMP * u32::try_from(load.calls).unwrap_or(u32::MAX)).min(LONGEST_RAMP);
    for index in 0..load.calls {
        let delay = ramp.mul_f64(index as f64 / load.calls as f64);
        let order = order(&server, load.seed.wrapping_add(index as u64 * 7_919), load.duration);
        let (client, material) = (client.clone(), Arc::clone(material));
        calls.spawn(async move {
            sleep(delay).await;
            line::place(order, &client, &material).await
        });
    }
    let mut logs = Vec::new();
    let (mut refused, mut failed, mut failure) = (0, 0, None);
    let mut memory = Vec::new();
    let mut most = 0;
    let mut look = interval(LOOK_EVERY);
    loop {
        tokio::select! {
            ended = calls.join_next() => match ended {
                Some(Ok(Ok(log))) => logs.push(log),
                Some(Ok(Err(NoCall::Refused))) => refused += 1,
                Some(Ok(Err(NoCall::Failed(reason)))) => {
                    failed += 1;
                    failure.get_or_insert(reason);
                }
                Some(Err(error)) => return Err(BenchError::Engine(error.to_string())),
                None => break,
            },
            _ = look.tick() => {
                let Some(usage) = server.usage() else {
                    return Err(BenchError::Engine(server.complaints()));
                };
                most = most.max(usage.memory_kb);
                let mb = usage.memory_kb as f64 / 1_024.0;
                memory.push((began.elapsed().as_secs_f64(), mb));
            }
        }
    }
    let spent = began.elapsed();
    let after = server.usage().unwrap_or_default();
    tokio::task::block_in_place(|| server.stop());
    let mut requests = services.openai.requests();
    requests.drain(..asked_before);
    // Replies that do not wait for the end of a turn follow upon each other, and cannot be told
    // apart by ear.
    let verdict = match load.engine {
        Engine::Causerie(Mode::NoWait) => Verdict::default(),
        _ => referee::judge(&logs, &requests),
    };
    let outcome = Outcome {
        mode: load.engine.mode(),
        calls: load.calls,
        verdict,
        figures: Figures::of(&logs, 0),
        refused,
        failed,
        failure,
        cores: (after.cpu_s - before.cpu_s) / spent.as_secs_f64(),
        memory_kb: most.saturating_sub(before.memory_kb),
        before,
        after,
        memory,
        stages: stages(&server),
        conversation: conversation(&requests),
        void: false,
    };
    Ok(Outcome { void: outcome.figures.client_late_p99_ms > LATEST_MS, ..outcome })
}

fn conversation(requests: &[Asked]) -> Vec<String> {
    let longest = requests.iter().max_by_key(|request| request.messages.len());
    let messages = longest.map(|request| request.messages.as_slice()).unwrap_or_default();
    let last = &messages[messages.len().saturating_sub(CONVERSATION)..];
    last.iter().map(|(role, content)| format!("{role}: {content}")).collect()
}

pub(super) fn order(server: &Server, seed: u64, duration: Duration) -> Order {
    let webhook = server.webhook_url().map(|url| Webhook {
        url,
        signed_url: String::new(),
        auth_token: None,
        call_sid: String::new(),
        account_sid: String::new(),
        from: "+33612345678".to_owned(),
        to: "+33123456789".to_owned(),
    });
    let connecting = Duration::ZERO;
    Order { webhook, media_url: server.media_url(), seed, duration, connecting }
}

/// The stages of every reply to a caller.
fn stages(server: &Server) -> Stages {
    let reports = server.reports();
    let turns = || {
        reports
            .iter()
            .flat_map(|call| &call.turns)
            .filter(|turn| turn.stages.endpointing_ms.is_some())
    };
    let all = |of: fn(&crate::store::StageTimes) -> Option<f64>| {
        Quantiles::of(turns().filter_map(|turn| of(&turn.stages)).collect())
    };
    let count = turns().count();
    let speculative = turns().filter(|turn| turn.speculative).count();
    Stages {
        endpointing: all(|stages| stages.endpointing_ms),
        transcriber: all(|stages| stages.transcriber_ms),
        model: all(|stages| stages.model_ms),
        voice: all(|stages| stages.voice_ms),
        transport: all(|stages| stages.transport_ms),
        first_audio: all(|stages| stages.first_audio_ms),
        speculative: speculative as f64 / count.max(1) as f64,
    }
}
