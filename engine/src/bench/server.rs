//! The engine that is measured: a child process with cores of its own.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use rustix::thread::{CpuSet, sched_getaffinity};
use serde::Serialize;
use serde_json::{Value, json};

use super::BenchError;
use super::peer::{self, Endpointing, Peer};
use super::services::Services;
use crate::api::{TWILIO_INBOUND, TWILIO_MEDIA};
use crate::config::Config;
use crate::placement;
use crate::store::CallReport;
use crate::telemetry::live::Live;

/// How long the engine may take to stop; its calls are over by then.
const GOODBYE: Duration = Duration::from_secs(10);

/// What the engine is asked with. It listens on a loopback port, for as long as a run takes.
const PRIVATE_KEY: &str = "bench";

/// How the engine takes turns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// As shipped: with the turn model.
    TurnModel,
    /// Without it, and without smart endpointing: voice activity, and the silences that Vapi's
    /// `transcriptionEndpointingPlan` asks for after words with and without punctuation.
    VadOnly,
    /// The turn is over as soon as its words are settled: what is left is the engine's own work.
    NoWait,
    /// The assistant speaks first, and its voice keeps nothing.
    FreshGreeting,
    /// The assistant speaks first, as shipped.
    PreparedGreeting,
}

impl Mode {
    /// Its name in the report.
    pub const fn name(self) -> &'static str {
        match self {
            Self::TurnModel => "turn_model",
            Self::VadOnly => "vad_only",
            Self::NoWait => "no_wait",
            Self::FreshGreeting => "fresh",
            Self::PreparedGreeting => "prepared",
        }
    }

    fn assistant(self) -> Value {
        let mut assistant = json!({
            "name": "bench",
            "firstMessageMode": "assistant-waits-for-user",
            "model": {"messages": [{"role": "system", "content": "You are brief."}]},
        });
        if self == Self::VadOnly {
            assistant["startSpeakingPlan"] = json!({"smartEndpointingEnabled": false});
        }
        if self == Self::NoWait {
            assistant["startSpeakingPlan"] = json!({
                "waitSeconds": 0,
                "smartEndpointingEnabled": false,
                "transcriptionEndpointingPlan": {
                    "onPunctuationSeconds": 0,
                    "onNoPunctuationSeconds": 0,
                    "onNumberSeconds": 0,
                },
            });
        }
        if matches!(self, Self::FreshGreeting | Self::PreparedGreeting) {
            assistant["firstMessageMode"] = "assistant-speaks-first".into();
            assistant["firstMessage"] = "Good morning, this is the front desk, can I help?".into();
            assistant["voice"] = json!({"cachingEnabled": self == Self::PreparedGreeting});
        }
        assistant
    }
}

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine<'a> {
    /// This program.
    Causerie(Mode),
    /// Another's.
    Peer {
        /// Which.
        peer: Peer,
        /// How it takes turns.
        endpointing: Endpointing,
        /// Where the peers' agents are: `benches/peers`.
        folder: &'a Path,
    },
}

impl Engine<'_> {
    /// What its mode is called in the report.
    pub const fn mode(self) -> &'static str {
        match self {
            Self::Causerie(mode) => mode.name(),
            Self::Peer { endpointing, .. } => endpointing.name(),
        }
    }

    /// Which engine it is.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Causerie(_) => "causerie",
            Self::Peer { peer, .. } => peer.name(),
        }
    }
}

/// Which cores are whose.
#[derive(Clone, Debug, Serialize)]
pub struct Placement {
    /// The engine's; empty: any.
    pub engine: Vec<usize>,
    /// The load side's; empty: any.
    pub load: Vec<usize>,
}

impl Placement {
    /// The first core for the engine and the others for the load; all for both where there is only
    /// one.
    pub fn of_machine() -> Self {
        let cores: Vec<usize> = match sched_getaffinity(None) {
            Ok(set) => (0..CpuSet::MAX_CPU).filter(|core| set.is_set(*core)).collect(),
            Err(_) => Vec::new(),
        };
        match cores.split_first() {
            Some((first, rest)) if !rest.is_empty() => {
                Self { engine: vec![*first], load: rest.to_vec() }
            }
            _ => Self { engine: Vec::new(), load: Vec::new() },
        }
    }

    /// Puts this thread, and those it will start, on the load side.
    ///
    /// # Errors
    ///
    /// Where the system does not allow it.
    pub fn take_load_side(&self) -> std::io::Result<()> {
        pin(&self.load)
    }
}

fn pin(cores: &[usize]) -> std::io::Result<()> {
    if cores.is_empty() { Ok(()) } else { placement::pin(cores) }
}

/// What the process takes of the machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Usage {
    /// Processor time so far, in seconds.
    pub cpu_s: f64,
    /// Memory, in kB (resident set).
    pub memory_kb: u64,
    /// Open files and sockets.
    pub files: usize,
    /// Threads.
    pub threads: usize,
}

/// A running engine. Dropping it kills it.
#[derive(Debug)]
pub struct Server {
    child: Child,
    address: String,
    /// Paths of the webhook, where calls are announced by one, and of the media socket.
    webhook: Option<&'static str>,
    media: &'static str,
    folder: tempfile::TempDir,
}

impl Server {
    /// Starts `causerie serve` against `services`. Blocks until it takes calls.
    ///
    /// # Errors
    ///
    /// Where it does not start; its last words are in the error.
    pub fn start(
        config: &Config,
        services: &Services,
        mode: Mode,
        calls: usize,
        placement: &Placement,
    ) -> Result<Self, BenchError> {
        Self::start_guarded(config, services, (mode, Duration::ZERO), calls, placement)
    }

    /// The same, which refuses calls while tasks are woken later than `limit`.
    ///
    /// # Errors
    ///
    /// As [`Self::start`].
    pub fn start_guarded(
        config: &Config,
        services: &Services,
        (mode, limit): (Mode, Duration),
        calls: usize,
        placement: &Placement,
    ) -> Result<Self, BenchError> {
        let system = BenchError::system;
        let folder = tempfile::tempdir().map_err(system("make a folder for the engine"))?;
        let assistant = folder.path().join("assistant.json");
        fs::write(&assistant, mode.assistant().to_string())
            .map_err(system("write the engine's assistant"))?;
        let program = std::env::current_exe().map_err(system("find this program"))?;
        let absolute = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let library = match config.onnxruntime.components().count() {
            // A name for the dynamic linker.
            1 => config.onnxruntime.clone(),
            _ => absolute(&config.onnxruntime),
        };
        let path = |path: PathBuf| path.display().to_string();
        let settings = [
            ("LISTEN", "127.0.0.1:0".to_owned()),
            ("DATA_DIR", path(folder.path().join("data"))),
            ("MODELS_DIR", path(absolute(&config.models_dir))),
            ("ONNXRUNTIME", path(library)),
            ("MAX_CONCURRENT_CALLS", (calls + 8).to_string()),
            ("DRAIN_SECONDS", "1".to_owned()),
            // What is too much shows in the figures, unless refusing is what is measured.
            ("MAX_SCHEDULING_LAG_MS", limit.as_millis().to_string()),
            ("PRIVATE_KEY", PRIVATE_KEY.to_owned()),
            ("ASSISTANT", path(assistant)),
            ("TWILIO_VALIDATE_SIGNATURES", "false".to_owned()),
            // The peers record nothing.
            ("RECORDING_ENABLED", "false".to_owned()),
            ("JOURNAL_ENABLED", "false".to_owned()),
            ("TRANSCRIBER_PROVIDER", "deepgram".to_owned()),
            ("TRANSCRIBER_BASE_URL", services.deepgram.base_url()),
            ("TRANSCRIBER_TURN_MODEL", (mode == Mode::TurnModel).to_string()),
            ("VOICE_PROVIDER", "cartesia".to_owned()),
            ("VOICE_BASE_URL", services.cartesia.base_url()),
            ("MODEL_PROVIDER", "openai".to_owned()),
            ("MODEL_NAME", "stand-in".to_owned()),
            ("MODEL_BASE_URL", services.openai.base_url()),
            ("LOG_FILTER", "warn".to_owned()),
        ];
        let mut command = Command::new(program);
        command
            .arg("serve")
            // Nothing of this process's settings, nor a causerie.toml that lies about.
            .env_clear()
            .envs(settings.map(|(name, value)| (format!("CAUSERIE_{name}"), value)))
            .current_dir(folder.path());
        Self::launch(command, folder, (Some(TWILIO_INBOUND), TWILIO_MEDIA), placement)
    }

    /// Starts a peer whose agents are in `agents`. Blocks until it takes calls.
    ///
    /// # Errors
    ///
    /// Where it does not start; its last words are in the error.
    pub fn start_peer(
        peer: Peer,
        endpointing: Endpointing,
        agents: &Path,
        services: &Services,
        placement: &Placement,
    ) -> Result<Self, BenchError> {
        let system = BenchError::system;
        let folder = tempfile::tempdir().map_err(system("make a folder for the peer"))?;
        let command = peer.command(agents, endpointing, services);
        let command = command.map_err(system("find the peers' folder"))?;
        Self::launch(command, folder, (None, peer::MEDIA), placement)
    }

    fn launch(
        mut command: Command,
        folder: tempfile::TempDir,
        (webhook, media): (Option<&'static str>, &'static str),
        placement: &Placement,
    ) -> Result<Self, BenchError> {
        let system = BenchError::system;
        let log = File::create(folder.path().join("engine.log")).map_err(system("make a log"))?;
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log);
        let cores = placement.engine.clone();
        // A child has the cores of the thread that starts it.
        let spawned = std::thread::spawn(move || {
            pin(&cores)?;
            command.spawn()
        });
        let mut child = spawned
            .join()
            .map_err(|_| BenchError::Engine("the thread that starts it panicked".to_owned()))?
            .map_err(system("start the engine"))?;
        let ready = child.stdout.take().map(BufReader::new).and_then(|mut output| {
            let mut line = String::new();
            output.read_line(&mut line).ok()?;
            let ready: Value = serde_json::from_str(&line).ok()?;
            Some(ready["listen"].as_str()?.to_owned())
        });
        let Some(address) = ready else {
            let _ = child.kill();
            let _ = child.wait();
            return Err(BenchError::Engine(last_words(folder.path())));
        };
        Ok(Self { child, address, webhook, media, folder })
    }

    /// Where a call is announced, if it is.
    pub fn webhook_url(&self) -> Option<String> {
        self.webhook.map(|path| format!("http://{}{path}", self.address))
    }

    /// Where its media goes.
    pub fn media_url(&self) -> String {
        format!("ws://{}{}", self.address, self.media)
    }

    /// What it takes now; `None`: it is gone.
    pub fn usage(&self) -> Option<Usage> {
        let process = PathBuf::from(format!("/proc/{}", self.child.id()));
        let stat = fs::read_to_string(process.join("stat")).ok()?;
        // After the name, which may hold anything, in parentheses: the third field is the state.
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        let ticks = |field: usize| fields.get(field)?.parse::<f64>().ok();
        let status = fs::read_to_string(process.join("status")).ok()?;
        let value = |name: &str| {
            let line = status.lines().find(|line| line.starts_with(name))?;
            line.split_whitespace().nth(1)?.parse::<u64>().ok()
        };
        Some(Usage {
            // USER_HZ is 100 on every Linux that matters.
            cpu_s: (ticks(11)? + ticks(12)?) / 100.0,
            memory_kb: value("VmRSS:")?,
            files: fs::read_dir(process.join("fd")).ok()?.count(),
            threads: usize::try_from(value("Threads:")?).ok()?,
        })
    }

    /// How it is by its own account; `None`: it does not say.
    pub async fn live(&self, client: &reqwest::Client) -> Option<Live> {
        let url = format!("http://{}/live", self.address);
        let asked = client.get(url).bearer_auth(PRIVATE_KEY).timeout(Duration::from_secs(2));
        asked.send().await.ok()?.json().await.ok()
    }

    /// The reports of the calls that have ended.
    pub fn reports(&self) -> Vec<CallReport> {
        let calls = fs::read_dir(self.folder.path().join("data/calls"));
        let files = calls.into_iter().flatten().flatten().map(|call| call.path().join("call.json"));
        let read = |path: PathBuf| serde_json::from_str(&fs::read_to_string(path).ok()?).ok();
        files.filter_map(read).collect()
    }

    /// What it had to complain about: its last lines.
    pub fn complaints(&self) -> String {
        last_words(self.folder.path())
    }

    /// Stops it as an operator would. Then all reports are written.
    pub fn stop(&mut self) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        if let Some(pid) = pid
            && kill_process(pid, Signal::TERM).is_ok()
        {
            let deadline = Instant::now() + GOODBYE;
            while Instant::now() < deadline {
                match self.child.try_wait() {
                    Ok(None) => std::thread::sleep(Duration::from_millis(50)),
                    Ok(Some(_)) | Err(_) => return,
                }
            }
        }
        // What does not stop is killed when this is dropped.
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn last_words(folder: &Path) -> String {
    let log = fs::read_to_string(folder.join("engine.log")).unwrap_or_default();
    let lines: Vec<&str> = log.lines().rev().take(6).collect();
    lines.into_iter().rev().collect::<Vec<_>>().join("\n")
}
