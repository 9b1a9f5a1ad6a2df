//! `causerie eval`.

use std::fs;
use std::io::{IsTerminal as _, Write as _};
use std::path::Path;
use std::process::ExitCode;

use clap::ValueEnum as _;

use super::EvalArgs;
use crate::config::Config;
use crate::eval::{self, Costs, Options, Part, Report};

/// Runs the evaluation. Results go to standard output and into files, everything else to standard
/// error. To be called outside any runtime: it has one of its own, whose clock stands still.
pub fn run(args: &EvalArgs, config: &Config) -> ExitCode {
    match evaluate(args, config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("causerie: {error}");
            ExitCode::FAILURE
        }
    }
}

fn evaluate(args: &EvalArgs, config: &Config) -> Result<(), String> {
    if args.measure_costs {
        let costs = eval::measure(config).map_err(|error| error.to_string())?;
        let json = serde_json::to_string_pretty(&costs).map_err(|error| error.to_string())?;
        println!("{json}");
        return Ok(());
    }
    let folder = args.folder.clone().ok_or("no folder is given")?;
    let assistant = match &args.plan {
        Some(path) => plan(path)?,
        None => serde_json::json!({}),
    };
    let options = Options {
        folder,
        assistant,
        parts: if args.parts.is_empty() {
            Part::value_variants().to_vec()
        } else {
            args.parts.clone()
        },
        slow: args.slow,
        patiences: if args.curve { eval::PATIENCES.to_vec() } else { Vec::new() },
        interruptions: args.interruptions,
        oracle: args.oracle,
        costs: args.costs.as_deref().map_or_else(|| Ok(Costs::default()), costs)?,
        memo: args.memo.clone(),
        only: args.only.clone(),
    };
    let terminal = std::io::stderr().is_terminal();
    let mut say = |line: &str| {
        if terminal {
            // One line, written over and over.
            eprint!("\r\x1b[K{line}");
            let _ = std::io::stderr().flush();
        }
    };
    let report = eval::run(&options, config, &mut say).map_err(|error| error.to_string())?;
    if terminal {
        eprint!("\r\x1b[K");
    }
    let mut table = String::new();
    eval::write_table(&report, &mut table).map_err(|error| error.to_string())?;
    print!("{table}");
    if let Some(path) = &args.json {
        write_json(&report, path)?;
    }
    if let Some(path) = &args.html {
        let page = eval::html_page(&report).map_err(|error| error.to_string())?;
        fs::write(path, page).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    Ok(())
}

fn write_json(report: &Report, path: &Path) -> Result<(), String> {
    let json = serde_json::to_string_pretty(report).map_err(|error| error.to_string())?;
    fs::write(path, json + "\n").map_err(|error| format!("{}: {error}", path.display()))
}

fn costs(path: &Path) -> Result<Costs, String> {
    let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    serde_json::from_str(&text).map_err(|error| {
        format!("{}: {error}; write it with `causerie eval --measure-costs`", path.display())
    })
}

/// The assistant in the file at `path`.
fn plan(path: &Path) -> Result<serde_json::Value, String> {
    let failed = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    let text = fs::read_to_string(path).map_err(|error| failed(&error))?;
    let value: serde_json::Value = serde_json::from_str(&text).map_err(|error| failed(&error))?;
    if value.is_object() { Ok(value) } else { Err(failed(&"an assistant is a JSON object")) }
}
