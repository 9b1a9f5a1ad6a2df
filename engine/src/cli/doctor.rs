//! `causerie doctor`.

use std::io::{self, Write};
use std::process::ExitCode;

use super::DoctorArgs;
use crate::config::{Config, ConfigError};
use crate::doctor::Report;

/// Prints how this machine stands. The status is 1 where something is missing that calls need.
///
/// # Errors
///
/// Where standard output cannot be written.
pub fn run(args: &DoctorArgs, config: &Result<Config, ConfigError>) -> io::Result<ExitCode> {
    let report = Report::examine(config);
    let mut out = io::stdout().lock();
    if args.json {
        serde_json::to_writer(&mut out, &report)?;
        writeln!(out)?;
    } else {
        write!(out, "{report}")?;
    }
    Ok(if report.is_healthy() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
