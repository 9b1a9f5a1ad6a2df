//! `causerie models list | pull | verify`.

use std::io::{self, Write};
use std::process::ExitCode;

use super::ModelsCommand;
use crate::models::{Clients, Library, Model, Pull};

/// A package client that is not installed could have fetched a file.
const CLIENT_MISSING: u8 = 3;

/// Carries out `command` on `library`. Results go to standard output, everything else to
/// standard error.
///
/// # Errors
///
/// Where standard output cannot be written.
pub async fn run(command: ModelsCommand, library: &Library) -> io::Result<ExitCode> {
    match command {
        ModelsCommand::List => list(library, &mut io::stdout().lock()),
        ModelsCommand::Pull { ids, all } => Ok(pull(library, &chosen(library, &ids, all)).await),
        ModelsCommand::Verify { ids } => {
            verify(library, &to_verify(library, &ids), &mut io::stdout().lock())
        }
    }
}

fn chosen<'a>(library: &'a Library, ids: &'a [String], all: bool) -> Vec<&'a str> {
    if !ids.is_empty() {
        return ids.iter().map(String::as_str).collect();
    }
    let models = library.manifest().models.iter();
    models.filter(|model| all || model.default).map(|model| model.id.as_str()).collect()
}

fn to_verify<'a>(library: &'a Library, ids: &'a [String]) -> Vec<&'a str> {
    if !ids.is_empty() {
        return ids.iter().map(String::as_str).collect();
    }
    let models = library.manifest().models.iter();
    models
        .filter(|model| model.default || library.root().join(&model.id).is_dir())
        .map(|model| model.id.as_str())
        .collect()
}

fn list(library: &Library, out: &mut dyn Write) -> io::Result<ExitCode> {
    let models = &library.manifest().models;
    let width = |text: fn(&Model) -> &str| models.iter().map(|m| text(m).len()).max().unwrap_or(0);
    let (id, language, licence) = (width(|m| &m.id), width(|m| &m.language), width(|m| &m.licence));
    for model in models {
        let here = model.files.iter().filter(|file| library.has(model, file)).count();
        let state = match here {
            0 => "missing",
            some if some == model.files.len() => "installed",
            _ => "incomplete",
        };
        writeln!(
            out,
            "{:id$}  {state:10}  {:11}  {:>5.1} MB  {:language$}  {:licence$}  {}{}",
            model.id,
            model.purpose,
            model.size() as f64 / 1e6,
            model.language,
            model.licence,
            model.about,
            if model.default { " (default)" } else { "" },
        )?;
    }
    Ok(ExitCode::SUCCESS)
}

async fn pull(library: &Library, ids: &[&str]) -> ExitCode {
    let clients = Clients::default();
    let mut say = |line: &str| eprintln!("models: {line}");
    match Pull::new(library, &clients).run(ids, &mut say).await {
        Ok(0) => ExitCode::SUCCESS,
        Ok(fetched) => {
            let files = if fetched == 1 { "file" } else { "files" };
            eprintln!("models: {fetched} {files} fetched into {}", library.root().display());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("models: {error}");
            ExitCode::from(if error.lacks_client() { CLIENT_MISSING } else { 1 })
        }
    }
}

fn verify(library: &Library, ids: &[&str], out: &mut dyn Write) -> io::Result<ExitCode> {
    let mut code = ExitCode::SUCCESS;
    for id in ids {
        match library.verify(id) {
            Ok(_) => writeln!(out, "{id}: intact")?,
            Err(error) => {
                writeln!(out, "{id}: {error}")?;
                code = ExitCode::FAILURE;
            }
        }
    }
    Ok(code)
}
