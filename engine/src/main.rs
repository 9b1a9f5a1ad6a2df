//! `causerie`: reads the configuration, starts what was asked for.

use std::num::NonZeroUsize;
use std::process::ExitCode;

use clap::Parser;
use engine::cli::{self, Cli, Command};
use engine::config::{self, Config};
use engine::models::Library;
use engine::placement::Seats;
use engine::telemetry;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let config = Config::load(&cli.sources());
    match &cli.command {
        Command::Config => {
            print!("{}", config::annotated());
            return ExitCode::SUCCESS;
        }
        Command::Doctor(args) => {
            return cli::doctor::run(args, &config).unwrap_or(ExitCode::FAILURE);
        }
        _ => {}
    }
    let config = match config {
        Ok(config) => config,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::from(config::EXIT_CODE);
        }
    };
    telemetry::start(&config.log);
    if let Command::Eval(args) = &cli.command {
        // On a runtime of its own, whose clock is virtual.
        return cli::eval::run(args, &config);
    }
    if let Command::Bench(args) = &cli.command {
        // On a runtime of its own, which leaves a core to the engine.
        return cli::bench::run(args, &config);
    }
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let workers = config.runtime.worker_threads.unwrap_or(cores);
    runtime.worker_threads(workers);
    if let (Command::Serve(_), Some(cores)) = (&cli.command, &config.runtime.worker_cores) {
        // The first threads that a runtime starts are its workers.
        let seats = Seats::new(cores.clone(), workers);
        runtime.on_thread_start(move || seats.take());
    }
    match runtime.enable_all().build() {
        Ok(runtime) => runtime.block_on(run(cli.command, &config)),
        Err(error) => {
            eprintln!("causerie: cannot start the runtime: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(command: Command, config: &Config) -> ExitCode {
    match command {
        Command::Serve(_) => cli::serve::run(config).await,
        Command::Demo(args) => cli::demo::run(config, &args.out).await,
        Command::Call(args) => cli::call::run(&args, config).await,
        Command::Replay(args) => cli::replay::run(&args, config),
        Command::Top(args) => cli::top::run(&args, config).await,
        Command::Check(args) => cli::check::run(&args, config).unwrap_or(ExitCode::FAILURE),
        Command::Organisation(args) => cli::organisation::run(&args, config).await,
        Command::Models(args) => {
            let library = Library::new(&config.models_dir);
            cli::models::run(args.command, &library).await.unwrap_or(ExitCode::FAILURE)
        }
        // Answered before there is a runtime.
        Command::Bench(_) | Command::Config | Command::Doctor(_) | Command::Eval(_) => {
            ExitCode::SUCCESS
        }
    }
}
