//! `causerie serve`.

use std::io::Write as _;
use std::process::ExitCode;

use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};

use crate::app::Engine;
use crate::config::Config;
use crate::store::KeyKind;

/// Answers calls until SIGTERM or SIGINT. One line of JSON on standard output says that calls are
/// taken, and where.
pub async fn run(config: &Config) -> ExitCode {
    match serve(config).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("causerie: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn serve(config: &Config) -> Result<(), Box<dyn std::error::Error>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let engine = Engine::start(config, None).await?;
    for (kind, key) in engine.new_keys() {
        // Once: only its hash is kept.
        let (name, variable) = match kind {
            KeyKind::Private => ("private", "CAUSERIE_PRIVATE_KEY"),
            KeyKind::Public => ("public", "CAUSERIE_PUBLIC_KEY"),
        };
        let key = key.expose();
        eprintln!("a {name} key was made; it is shown this once ({variable} sets another): {key}");
    }
    let ready = json!({
        "ready": true,
        "listen": engine.address()?,
        "public_url": engine.app().public_url().to_string(),
        "version": env!("CARGO_PKG_VERSION"),
        "pid": std::process::id(),
    });
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{ready}")?;
    stdout.flush()?;
    drop(stdout);
    engine
        .serve(async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        })
        .await?;
    Ok(())
}
