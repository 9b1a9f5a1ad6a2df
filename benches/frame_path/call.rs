//! The engine under measurement, and calls to it.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use engine::app::Engine;
use engine::assemble::{self, Assistant};
use engine::config::{Config, Sources};
use engine::session::{SessionEvent, SessionEventKind};
use tempfile::TempDir;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::carrier::{self, Caller, CarrierProcess};

/// From the first frames to the measurement: buffers have grown to their size, the caller's voice
/// has come on and gone off.
pub(crate) const WARM_UP: Duration = Duration::from_secs(3);

/// A frame of either direction.
pub(crate) const FRAME: Duration = Duration::from_millis(20);

/// What the assistant says, over and over. The scripted voice takes at least 4 s for it.
const SENTENCE: &str = "We have nine copies of that book, and all of them are blue. ";

/// A running engine.
pub(crate) struct Running {
    address: SocketAddr,
    events: mpsc::Receiver<SessionEvent>,
    stop: oneshot::Sender<()>,
    served: JoinHandle<std::io::Result<()>>,
    /// Recordings and journals; deleted with this.
    _data: TempDir,
}

impl Running {
    /// Starts an engine of which recogniser and voice are scripted. Its greeting lasts longer than
    /// `greeting`.
    pub(crate) async fn start(greeting: Duration) -> Result<Self, Box<dyn std::error::Error>> {
        let data = tempfile::tempdir()?;
        let config = config(data.path(), &[])?;
        let mut assistant = assemble::assistant(&config).await?;
        // It hears nothing: words are events, not frames.
        assistant.providers.recognizer = Arc::new(asr::scripted::Scripted::default());
        assistant.providers.synthesizer = Arc::new(tts::scripted::Scripted::default());
        Self::start_with(&config, assistant, greeting, data).await
    }

    /// Starts an engine whose recogniser and voice are services: stand-ins in this process.
    pub(crate) async fn start_with_services(
        greeting: Duration,
        (recogniser, voice): (&str, &str),
    ) -> Result<Self, Box<dyn std::error::Error>> {
        let data = tempfile::tempdir()?;
        let folder = data.path().to_owned();
        let services = [
            ("CAUSERIE_TRANSCRIBER_PROVIDER", "deepgram"),
            ("CAUSERIE_TRANSCRIBER_BASE_URL", recogniser),
            ("CAUSERIE_VOICE_PROVIDER", "cartesia"),
            ("CAUSERIE_VOICE_BASE_URL", voice),
        ];
        let config = config(&folder, &services)?;
        let assistant = assemble::assistant(&config).await?;
        Self::start_with(&config, assistant, greeting, data).await
    }

    async fn start_with(
        config: &Config,
        mut assistant: Assistant,
        greeting: Duration,
        data: TempDir,
    ) -> Result<Self, Box<dyn std::error::Error>> {
        assistant.settings.first_message = SENTENCE.repeat(greeting.as_secs() as usize / 4 + 1);
        assistant.settings.first_message_interruptions = false;
        let (observer, events) = mpsc::channel(1_024);
        let engine = Engine::with_assistant(config, assistant, Some(observer)).await?;
        let address = engine.address()?;
        let (stop, stopped) = oneshot::channel();
        let served = tokio::spawn(engine.serve(async {
            let _ = stopped.await;
        }));
        Ok(Self { address, events, stop, served, _data: data })
    }

    /// Has a process of its own place `calls` calls that last for `length`, and waits until all
    /// have begun.
    pub(crate) async fn call(
        &mut self,
        calls: usize,
        length: Duration,
        caller: Caller,
    ) -> Result<CarrierProcess, Box<dyn std::error::Error>> {
        let process = carrier::start(self.address, calls, length, caller)?;
        let mut begun = 0;
        while begun < calls {
            let event = tokio::time::timeout(Duration::from_secs(60), self.events.recv()).await;
            let event = event.map_err(|_| "the call did not begin within 60 s")?;
            let event = event.ok_or("the engine stopped")?;
            begun += usize::from(matches!(event.kind, SessionEventKind::Started { .. }));
        }
        Ok(process)
    }

    /// Waits for calls to end, then for the engine.
    pub(crate) async fn stop(self) -> Result<(), Box<dyn std::error::Error>> {
        let _ = self.stop.send(());
        self.served.await??;
        Ok(())
    }
}

/// A runtime as `causerie serve` has it.
pub(crate) fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()
}

fn config(data: &Path, settings: &[(&str, &str)]) -> Result<Config, Box<dyn std::error::Error>> {
    let mut sources = Sources::of_process();
    let settings = settings.iter().map(|&(name, value)| (name.to_owned(), value.to_owned()));
    sources.environment.extend(settings);
    // Cargo runs benchmarks in their package's directory.
    let models = concat!(env!("CARGO_MANIFEST_DIR"), "/../models");
    sources.command_line.entry("models_dir").or_insert_with(|| {
        let variable = sources.environment.get("CAUSERIE_MODELS_DIR");
        variable.cloned().unwrap_or_else(|| models.to_owned())
    });
    let mut config = Config::load(&sources)?;
    config.listen = ([127, 0, 0, 1], 0).into();
    config.data_dir = data.to_owned();
    config.public_url = None;
    config.twilio.validate_signatures = false;
    config.recording.enabled = true;
    config.journal.enabled = true;
    // Under callgrind everything is late.
    config.max_scheduling_lag = None;
    Ok(config)
}
