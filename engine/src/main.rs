//! `causerie`.

use std::process::ExitCode;

use clap::Parser;
use engine::cli::{self, Cli, Command};
use engine::models::Library;

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    match cli.command {
        Command::Models(args) => {
            cli::models::run(args.command, &Library::new("models")).await.expect("stdout")
        }
        Command::Config => {
            print!("{}", engine::config::annotated());
            ExitCode::SUCCESS
        }
        _ => ExitCode::FAILURE,
    }
}
