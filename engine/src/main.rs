//! `causerie`: reads the command line and the configuration, and hands over.

use std::process::ExitCode;

use clap::Parser;
use engine::cli::{self, Cli, Command};
use engine::config::{self, Config};
use engine::models::Library;

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    let config = Config::load(&cli.sources());
    if let Command::Doctor(args) = &cli.command {
        return cli::doctor::run(args, &config).expect("stdout");
    }
    let config = match config {
        Ok(config) => config,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::from(config::EXIT_CODE);
        }
    };
    match cli.command {
        Command::Serve(_) => cli::serve::run(&config).await,
        Command::Demo(args) => cli::demo::run(&config, &args.out).await,
        Command::Models(args) => {
            cli::models::run(args.command, &Library::new(&config.models_dir)).await.expect("stdout")
        }
        Command::Replay(args) => cli::replay::run(&args.call, &config.data_dir),
        Command::Config => {
            print!("{}", config::annotated());
            ExitCode::SUCCESS
        }
        _ => ExitCode::FAILURE,
    }
}
