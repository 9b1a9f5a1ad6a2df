//! `causerie demo`: an engine, a caller with real speech, and an honest account of the call.
//!
//! The engine and the caller are the real ones and talk over the Twilio protocol on the loopback
//! interface. What is said of the call is measured outside the engine: at the carrier's playout,
//! and by transcribing the recording.

mod conversation;
pub mod lines;
pub mod listen;
mod measure;
mod print;
mod summary;

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use crate::app::{Engine, StartError};
use crate::carrier::{self, CallRecord, CarrierConfig, CarrierError, Dialled, Webhook};
use crate::config::{Config, PublicUrl, Secret};
use crate::recording::{JOURNAL_FILE, RECORDING_FILE};
use crate::transport::twilio::signature::AuthToken;
pub use conversation::{Conversation, Part};
pub use lines::LineError;
pub use summary::Report;

/// The public URL the demo's engine believes it has: signed, never called.
const PUBLIC_URL: &str = "https://demo.causerie.example";

/// Why there was no demo.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DemoError {
    /// The engine did not start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The caller has nothing to say.
    #[error(transparent)]
    Line(#[from] LineError),
    /// The call was not announced or not taken.
    #[error("the call was not connected: {0}")]
    Dial(String),
    /// The media stream could not be opened.
    #[error(transparent)]
    Carrier(#[from] CarrierError),
    /// What the call left behind cannot be read.
    #[error("cannot read or write {path}: {reason}", path = path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
}

/// Where a finished call left its traces.
#[derive(Debug)]
pub(crate) struct Traces {
    /// What the carrier saw.
    pub(crate) record: CallRecord,
    /// The engine's recording.
    pub(crate) recording: PathBuf,
    /// The engine's journal.
    pub(crate) journal: PathBuf,
}

/// Runs the demo and leaves its results in `out`: `recording.wav`, `journal.jsonl`,
/// `transcript.txt`, `report.json`.
///
/// # Errors
///
/// Where something is missing. A call that went badly is no error: the report says so.
pub async fn run(config: &Config, out: &Path) -> Result<Report, DemoError> {
    let config = demo_config(config, out);
    let conversation = Conversation::prepare(&config).await?;
    println!("Starting the engine and loading the models...");
    let traces = place(&config, &conversation).await?;
    for (from, name) in [(&traces.recording, RECORDING_FILE), (&traces.journal, JOURNAL_FILE)] {
        let to = out.join(name);
        std::fs::copy(from, &to)
            .map_err(|error| DemoError::File { path: to, reason: error.to_string() })?;
    }
    let report = measure::report(&config, &conversation, &traces)?;
    report.save(out)?;
    print::report(&report, out);
    Ok(report)
}

/// The demo's own configuration: a port of its own, a secret of its own, everything kept.
fn demo_config(config: &Config, out: &Path) -> Config {
    let mut config = config.clone();
    config.listen = ([127, 0, 0, 1], 0).into();
    config.public_url = PublicUrl::parse(PUBLIC_URL).ok();
    config.data_dir = out.join("data");
    config.twilio.auth_token = Some(Secret::new(uuid::Uuid::new_v4().to_string()));
    config.twilio.validate_signatures = true;
    config.recording.enabled = true;
    config.journal.enabled = true;
    config
}

/// Starts an engine, calls it, and waits until it has put everything away.
async fn place(config: &Config, conversation: &Conversation) -> Result<Traces, DemoError> {
    let (observer, events) = mpsc::channel(1_024);
    let engine = Engine::start(config, Some(observer)).await?;
    let address = engine
        .address()
        .map_err(|error| DemoError::Dial(format!("the engine has no address: {error}")))?;
    let (stop, stopped) = oneshot::channel::<()>();
    let served = tokio::spawn(engine.serve(async {
        let _ = stopped.await;
    }));
    let printer = tokio::spawn(print::live(events));

    let mut line = CarrierConfig::new(format!("ws://{address}{}", crate::api::TWILIO_MEDIA));
    line.max_duration = Duration::from_secs(120);
    let secret = config.twilio.auth_token.as_ref().map_or("", Secret::expose);
    let webhook = Webhook {
        url: format!("http://{address}{}", crate::api::TWILIO_INBOUND),
        signed_url: format!("{PUBLIC_URL}{}", crate::api::TWILIO_INBOUND),
        auth_token: Some(AuthToken::new(secret)),
        call_sid: line.call_sid.clone(),
        account_sid: line.account_sid.clone(),
        from: "+33612345678".to_owned(),
        to: "+33123456789".to_owned(),
    };
    let dialled = webhook.dial(&reqwest::Client::new()).await;
    match dialled.map_err(|error| DemoError::Dial(error.to_string()))? {
        Dialled::Stream { parameters, .. } => line.custom_parameters = parameters,
        other => return Err(DemoError::Dial(format!("{other:?}"))),
    }
    let record = carrier::place_call(line, conversation.script()).await?;
    let _ = stop.send(());
    if let Ok(Err(error)) = served.await {
        return Err(DemoError::Dial(error.to_string()));
    }
    let id = printer.await.ok().flatten();
    let id = id.ok_or_else(|| DemoError::Dial("the engine saw no call".to_owned()))?;
    let folder = config.data_dir.join("calls").join(id.to_string());
    Ok(Traces {
        record,
        recording: folder.join(RECORDING_FILE),
        journal: folder.join(JOURNAL_FILE),
    })
}
