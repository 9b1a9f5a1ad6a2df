//! `causerie replay`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use turntaking::journal::{self, ReplayReport};

use super::{ReplayArgs, what_if};
use crate::config::Config;
use crate::recording::JOURNAL_FILE;

/// Runs the journal of a call (an id, or a path) through a fresh Floor and compares every output.
/// Succeeds where all of them are the same. With a plan, compares its decisions instead.
pub fn run(args: &ReplayArgs, config: &Config) -> ExitCode {
    let path = journal_path(&args.call, &config.data_dir);
    if let Some(plan) = &args.plan {
        return match what_if::run(&path, plan, args.json.as_deref(), config) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("causerie: {error}");
                ExitCode::FAILURE
            }
        };
    }
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) => {
            eprintln!(
                "causerie: cannot read the journal {}: {error}; give a call's id with --data-dir, \
                 or the path of its {JOURNAL_FILE}",
                path.display()
            );
            return ExitCode::FAILURE;
        }
    };
    match journal::replay(text.lines()) {
        Ok(report) => tell(&report),
        Err(error) => {
            eprintln!("causerie: {}: {error}", path.display());
            ExitCode::FAILURE
        }
    }
}

fn journal_path(call: &str, data_dir: &Path) -> PathBuf {
    let path = Path::new(call);
    if path.is_file() {
        return path.to_owned();
    }
    if path.is_dir() {
        return path.join(JOURNAL_FILE);
    }
    data_dir.join("calls").join(call).join(JOURNAL_FILE)
}

fn tell(report: &ReplayReport) -> ExitCode {
    println!(
        "{} inputs replayed, {} outputs compared (written by build {}, seed {})",
        report.inputs, report.outputs, report.header.build, report.header.seed
    );
    if let Some(line) = report.torn_line {
        println!("line {line} is torn: the process died while it wrote");
    }
    let Some(difference) = &report.difference else {
        println!("every output is the same, bit for bit");
        return if report.is_identical() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    };
    println!(
        "line {}, {:.3} s into the call: the outputs differ\n  recorded {:?}\n  replayed {:?}",
        difference.line,
        difference.at.since_start().as_secs_f64(),
        difference.recorded,
        difference.replayed
    );
    ExitCode::FAILURE
}
