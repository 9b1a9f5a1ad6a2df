//! `causerie bench`.

use std::fs;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use clap::ValueEnum as _;

use super::BenchArgs;
use crate::bench::server::Placement;
use crate::bench::{self, Options, Part, Report};
use crate::config::Config;

/// Measures an engine under load. Results go to standard output and into files, everything else to
/// standard error. To be called outside any runtime: the load side's has cores of its own.
pub fn run(args: &BenchArgs, config: &Config) -> ExitCode {
    match bench(args, config) {
        Ok(void) if void => ExitCode::from(VOID),
        Ok(_) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("causerie: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The load side was late: the figures say nothing.
const VOID: u8 = 3;

fn bench(args: &BenchArgs, config: &Config) -> Result<bool, String> {
    let placement = Placement::of_machine();
    placement
        .take_load_side()
        .map_err(|error| format!("the load side cannot be given its cores: {error}"))?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(placement.load.len().max(1))
        .enable_all()
        .build()
        .map_err(|error| format!("cannot start the runtime: {error}"))?;
    let options = Options {
        parts: if args.parts.is_empty() {
            Part::value_variants().to_vec()
        } else {
            args.parts.clone()
        },
        latency: Duration::from_secs(args.latency_seconds),
        duration: Duration::from_secs(args.seconds),
        calls: args.calls,
        first_calls: args.first_calls,
        most_calls: args.most_calls,
        soak_calls: args.soak_calls,
        speech: args.speech.clone(),
        peers: args.peers.clone(),
        seed: args.seed,
    };
    let mut say = |line: &str| eprintln!("{line}");
    let measuring = async {
        // On a worker, as everything else of the load side.
        bench::measure(&options, config, &placement, &mut say).await
    };
    let report = runtime.block_on(measuring).map_err(|error| error.to_string())?;
    let mut table = String::new();
    bench::table::write(&report, &mut table).map_err(|error| error.to_string())?;
    print!("{table}");
    if let Some(path) = &args.json {
        write_json(&report, path)?;
    }
    if let Some(path) = &args.html {
        let page = bench::html::page(&report).map_err(|error| error.to_string())?;
        fs::write(path, page).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    Ok(report.summary.void)
}

fn write_json(report: &Report, path: &Path) -> Result<(), String> {
    let json = serde_json::to_string_pretty(report).map_err(|error| error.to_string())?;
    fs::write(path, json + "\n").map_err(|error| format!("{}: {error}", path.display()))
}
