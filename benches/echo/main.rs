//! The assistant's own voice, come back: how often it stops itself, and how soon a caller stops it
//! nevertheless.
//!
//! Calls on virtual time, through the engine's own session with Silero and Moonshine. The assistant
//! speaks with flite's voices over lines that return them: a telephone's hybrid, and recorded rooms
//! with loudspeaker and microphone; -6 to -40 dB, after 20 to 400 ms, over noise. In some the caller
//! is silent, in others speaks over the voice, in the third part the line returns nothing.
//!
//! ```text
//! cargo bench -p benches --bench echo [-- SHARED [CALLS]]
//! ```
//!
//! `SHARED` is the folder with `audio/eval.tsv` and `audio/noise`, `../shared` otherwise; `CALLS` how
//! many calls of each kind there are.
#![forbid(unsafe_code)]

mod chance;
mod cost;
mod material;
mod stage;
mod trial;

use std::path::PathBuf;
use std::process::ExitCode;

use material::Material;
use stage::Stage;
use trial::{Kind, Outcome, Trial};

fn main() -> ExitCode {
    // Cargo adds `--bench`, and runs benchmarks in their package's directory.
    let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
    let shared = arguments.next().map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared")),
        PathBuf::from,
    );
    let calls = arguments.next().and_then(|calls| calls.parse().ok()).unwrap_or(100);
    cost::measure();
    let material = match Material::load(&shared) {
        Ok(material) => material,
        Err(reason) => {
            println!("skipped: {reason}");
            return ExitCode::SUCCESS;
        }
    };
    match run(&material, calls) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("echo: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(material: &Material, calls: usize) -> Result<(), Box<dyn std::error::Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()?;
    tokio::task::LocalSet::new().block_on(&runtime, async {
        let stage = Stage::new()?;
        println!("{:<34} {:>6}", "kind", "calls");
        for kind in Kind::ALL {
            let mut outcomes = Vec::new();
            for number in 0..calls {
                let trial = Trial::new(kind, number, material);
                let outcome = trial.play(&stage).await?;
                if std::env::var_os("ECHO_EACH").is_some() {
                    println!("{}: {outcome:?}", trial.name);
                }
                outcomes.push(outcome);
            }
            println!("{kind:<34} {calls:>6}  {}", Outcome::summary(kind, &outcomes));
        }
        Ok(())
    })
}
