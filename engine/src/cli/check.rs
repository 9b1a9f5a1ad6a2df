//! `causerie check`.

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use serde_json::{Value, json};

use super::CheckArgs;
use crate::config::{Assistant, AssistantError, Config, Unserved};

/// Says of each file whether the assistant in it can be used, and what of it is not acted on. The
/// status is 1 where one cannot be used, or its calls would be refused.
///
/// # Errors
///
/// Where standard output cannot be written.
pub fn run(args: &CheckArgs, config: &Config) -> io::Result<ExitCode> {
    let mut out = io::stdout().lock();
    let mut all_served = true;
    let mut reports = Vec::new();
    for file in &args.files {
        let read = Assistant::from_file(file, config);
        all_served &= read.as_ref().is_ok_and(|assistant| assistant.unserved.is_empty());
        if args.json {
            reports.push(report(file, &read));
        } else {
            print(&mut out, file, &read)?;
        }
    }
    if args.json {
        serde_json::to_writer(&mut out, &reports)?;
        writeln!(out)?;
    }
    Ok(if all_served { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn print(
    out: &mut impl Write,
    file: &Path,
    read: &Result<Assistant, AssistantError>,
) -> io::Result<()> {
    let file = file.display();
    let assistant = match read {
        Ok(assistant) => assistant,
        Err(error) => {
            writeln!(out, "{file}: it cannot be used")?;
            for problem in error.problems() {
                writeln!(out, "  {problem}")?;
            }
            return Ok(());
        }
    };
    match assistant.unserved.is_empty() {
        true => writeln!(out, "{file}: it can be used")?,
        false => writeln!(out, "{file}: its calls are refused")?,
    }
    for unserved in &assistant.unserved {
        let (field, provider) = (unserved.field(), &unserved.provider);
        writeln!(
            out,
            "  {field}.provider {provider} is not here, and `{field}.stand_in` is off: set it to \
             true to have the configured {field} take its place"
        )?;
    }
    for field in &assistant.without_effect {
        writeln!(out, "  no effect: {field}")?;
    }
    Ok(())
}

fn report(file: &Path, read: &Result<Assistant, AssistantError>) -> Value {
    let file = file.display().to_string();
    match read {
        Ok(assistant) => json!({
            "file": file,
            "problems": [],
            "providersNotServed":
                assistant.unserved.iter().map(|Unserved { provider, .. }| provider).collect::<Vec<_>>(),
            "fieldsWithoutEffect": assistant.without_effect,
        }),
        Err(error) => json!({"file": file, "problems": error.problems()}),
    }
}
