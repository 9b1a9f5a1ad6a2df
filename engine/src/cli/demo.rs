//! `causerie demo`.

use std::path::Path;
use std::process::ExitCode;

use crate::config::Config;
use crate::demo;

/// Runs the demo. Fails where there was no call, or the call was not what it should be.
pub async fn run(config: &Config, out: &Path) -> ExitCode {
    match demo::run(config, out).await {
        Ok(_) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("causerie: {error}");
            ExitCode::FAILURE
        }
    }
}
