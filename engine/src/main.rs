//! `causerie`: reads the configuration, starts what was asked for.

use std::process::ExitCode;

use clap::Parser;
use engine::cli::{self, Cli, Command};
use engine::config::{self, Config, Sources};
use engine::models::Library;
use engine::telemetry;

fn main() -> ExitCode {
    let cli = Cli::parse();
    if matches!(cli.command, Command::Config) {
        print!("{}", config::annotated());
        return ExitCode::SUCCESS;
    }
    let config = match Config::load(&sources(&cli)) {
        Ok(config) => config,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::from(config::EXIT_CODE);
        }
    };
    telemetry::start(&config.log);
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    if let Some(threads) = config.runtime.worker_threads {
        runtime.worker_threads(threads);
    }
    match runtime.enable_all().build() {
        Ok(runtime) => runtime.block_on(run(cli.command, &config)),
        Err(error) => {
            eprintln!("causerie: cannot start the runtime: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The configuration's sources, the command line included.
fn sources(cli: &Cli) -> Sources {
    let mut sources = Sources::of_process();
    if cli.config.is_some() {
        sources.file.clone_from(&cli.config);
    }
    let mut set = |key, value: Option<String>| {
        if let Some(value) = value {
            sources.command_line.insert(key, value);
        }
    };
    match &cli.command {
        Command::Serve(args) => {
            set("listen", args.listen.map(|address| address.to_string()));
            set("data_dir", args.data_dir.clone());
        }
        Command::Replay(args) => set("data_dir", args.data_dir.clone()),
        _ => {}
    }
    sources
}

async fn run(command: Command, config: &Config) -> ExitCode {
    match command {
        Command::Serve(_) => cli::serve::run(config).await,
        Command::Call(args) => cli::call::run(&args, config).await,
        Command::Demo(args) => cli::demo::run(config, &args.out).await,
        Command::Replay(args) => cli::replay::run(&args.call, &config.data_dir),
        Command::Models(args) => {
            let library = Library::new(&config.models_dir);
            cli::models::run(args.command, &library).await.unwrap_or(ExitCode::FAILURE)
        }
        _ => ExitCode::FAILURE,
    }
}
