//! `causerie eval`: recordings through the true pipeline, on virtual time.
//!
//! ```text
//! eval.tsv ─▶ recording ─▶ 8 kHz µ-law ─▶ + 4 s of its line's noise ─▶ scripted leg
//!                                                                          │
//!       report ◀─ score ◀─ decisions ◀─ journal ◀─ Session (driver, ingress, Floor, egress)
//!                                                     │
//!                         Silero, smart-turn, Moonshine: tasks on tokio's paused clock
//! ```
//!
//! **The same code as in a call:** the session's driver with its ingress, egress and clock; the
//! Floor; Silero with its energy gate, batches and hysteresis gate; smart-turn with its history and
//! queue; Moonshine with its utterances, re-decoding schedule and queue of decodes; the models
//! themselves. **Not the same:** an ideal loudspeaker stands in for the carrier ([`ScriptedLeg`]);
//! the language model and the voice are scripted and answer at once; inference threads are tasks,
//! whose results come after a stated cost ([`Costs`]) instead of a measured time; and where no
//! recogniser is installed for a language an [`oracle`] takes its place.
//!
//! Nothing here depends on the machine's speed, on chance that is not seeded by a file's name, or
//! on the order in which threads run: two runs are the same, byte for byte.
//!
//! [`ScriptedLeg`]: crate::transport::scripted::ScriptedLeg

mod barge_in;
mod baseline;
mod call;
mod chance;
mod conversation;
mod costs;
mod curve;
mod decision;
mod heard;
mod html;
mod line;
mod machine;
mod measure;
mod memo;
pub mod oracle;
mod plot;
mod report;
mod score;
mod set;
mod slow;
mod sound;
mod table;
mod utterance;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use sha2::{Digest, Sha256};
use turntaking::settings::Settings;

pub use barge_in::{BargeIn, BargeInFigures, Expected, Interruption};
pub use baseline::Pause;
pub use call::CallError;
pub use conversation::CallFigures;
pub use costs::Costs;
pub use curve::{Curve, PATIENCES, Point};
pub use decision::{Decisions, Moment, Speech};
pub use heard::{Cut, HeardFigures, HeardReport};
pub use html::page as html_page;
pub use machine::MachineError;
pub use measure::{MeasureError, measure};
pub use report::{Figures, Report, Share};
pub use score::{Rate, Times};
pub use set::{Entry, LIST, SetError, Skipped};
pub use table::write as write_table;
pub use utterance::{Outcome, Variant};

use crate::assemble::{SILERO, SMART_TURN};
use crate::config::{Assistant, Config};
use barge_in::material::Material;
use curve::Pass;
use machine::{MOONSHINE, Machine};
use memo::Memo;
use utterance::Prepared;

/// What can be looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Part {
    /// Ends of turns: early cut-offs, delays, missed ends.
    Turns,
    /// Interruptions: what stops the voice, how fast, and what ought not to.
    BargeIn,
    /// Recorded calls with each side in a channel of its own, beside the human agent.
    Calls,
    /// History after interruptions at random instants, against what was audible. Needs no set.
    History,
}

/// What to evaluate, and how.
#[derive(Clone, Debug)]
pub struct Options {
    /// The folder with the list.
    pub folder: PathBuf,
    /// What to look at.
    pub parts: Vec<Part>,
    /// The assistant whose settings the Floor decides by, as Vapi's `POST /assistant` takes it. A
    /// recording's language is its transcriber's, unless it names one.
    pub assistant: serde_json::Value,
    /// Dictated utterances are played slowed, too.
    pub slow: bool,
    /// Patiences at which the set is played again for the curve, in percent (see
    /// [`StartSpeakingPlan::patience`](turntaking::settings::StartSpeakingPlan::patience)).
    pub patiences: Vec<u32>,
    /// The oracle transcribes everything.
    pub oracle: bool,
    /// How often each voice is interrupted for [`Part::History`].
    pub interruptions: usize,
    /// What inference costs.
    pub costs: Costs,
    /// Where answers of the models are kept between runs.
    pub memo: Option<PathBuf>,
    /// Only files whose path holds this.
    pub only: Option<String>,
}

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EvalError {
    /// The set.
    #[error(transparent)]
    Set(#[from] SetError),
    /// The models.
    #[error(transparent)]
    Machine(#[from] MachineError),
    /// A call.
    #[error("{file}: {error}")]
    Call {
        /// The recording.
        file: String,
        /// What went wrong.
        #[source]
        error: CallError,
    },
    /// The file of kept answers.
    #[error("{}: {source}; give another --memo, or none", path.display())]
    Memo {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The assistant.
    #[error(transparent)]
    Assistant(#[from] crate::config::AssistantError),
    /// The runtime.
    #[error("cannot start the runtime: {0}")]
    Runtime(io::Error),
}

/// Evaluates a set. `say` is told of the progress.
///
/// # Errors
///
/// Where the set or the models cannot be read, or a call cannot be played. A recording that cannot
/// be read is no error: it is listed as skipped.
pub fn run(
    options: &Options,
    config: &Config,
    say: &mut dyn FnMut(&str),
) -> Result<Report, EvalError> {
    let (mut entries, mut skipped) = set::read(&options.folder)?;
    entries.retain(|entry| options.only.as_ref().is_none_or(|only| entry.file.contains(only)));
    let memo = open_memo(options, config)?;
    let found = on_virtual_time(async {
        let machine = Machine::start(config, &options.costs, &memo)?;
        let plans = Plans::new(options, &entries, config)?;
        let stage = Stage { machine, options, entries, plans };
        let mut found = Found { plans: stage.plans.0.clone(), ..Found::default() };
        if options.parts.contains(&Part::Turns) {
            stage.turns(&mut found, &mut skipped, say).await?;
        }
        let material = Material::find(&options.folder);
        if options.parts.contains(&Part::BargeIn) {
            skipped.extend(material.skipped.iter().cloned());
            stage.barge_in(&mut found, &material, &mut skipped, say).await?;
        }
        if options.parts.contains(&Part::Calls) {
            let settings = stage.plans.of(ENGLISH);
            for call in &material.calls {
                say(&call.name);
                let figures = conversation::play(call, &stage.machine, &settings).await;
                let failed = |error| EvalError::Call { file: call.name.clone(), error };
                found.calls.push(figures.map_err(failed)?);
            }
        }
        if options.parts.contains(&Part::History) {
            let history = heard::play(options.interruptions, &stage.plans.of(ENGLISH), say).await;
            let failed = |error| EvalError::Call { file: "history".to_owned(), error };
            found.history = Some(history.map_err(failed)?);
        }
        Ok::<_, EvalError>(found)
    })
    .map_err(EvalError::Runtime)??;
    if let Some(path) = &options.memo {
        let failed = |source| EvalError::Memo { path: path.clone(), source };
        memo.borrow().save(path).map_err(failed)?;
    }
    Ok(Report::new(options, skipped, found))
}

/// What the Floor decides by, by the language that is spoken.
#[derive(Clone, Debug)]
struct Plans(BTreeMap<String, Settings>);

/// The language of trials that have none of their own.
const ENGLISH: &str = "en";

impl Plans {
    fn new(options: &Options, entries: &[Entry], config: &Config) -> Result<Self, EvalError> {
        let spoken = entries.iter().map(|entry| entry.language.as_str()).chain([ENGLISH]);
        let languages: BTreeSet<&str> = spoken.collect();
        let plan = |language: &str| {
            let mut assistant = options.assistant.clone();
            if assistant.pointer("/transcriber/language").is_none() {
                assistant["transcriber"]["language"] = language.into();
            }
            let assistant = Assistant::from_json(&assistant.to_string(), config)?;
            Ok((language.to_owned(), assistant.settings))
        };
        languages.into_iter().map(plan).collect::<Result<_, _>>().map(Self)
    }

    /// Every language of the set has its own; others are asked as English is.
    fn of(&self, language: &str) -> Settings {
        self.0.get(language).or_else(|| self.0.get(ENGLISH)).cloned().unwrap_or_default()
    }

    /// The same with another patience.
    fn with_patience(&self, patience: u32) -> Self {
        let mut plans = self.clone();
        for settings in plans.0.values_mut() {
            settings.start_speaking.patience = patience;
        }
        plans
    }
}

/// What the parts of an evaluation found.
#[derive(Default)]
struct Found {
    plans: BTreeMap<String, Settings>,
    outcomes: Vec<Outcome>,
    curves: Vec<Curve>,
    barge_in: Option<BargeIn>,
    history: Option<HeardReport>,
    calls: Vec<CallFigures>,
}

/// A set, and what plays it.
struct Stage<'a> {
    machine: Machine,
    options: &'a Options,
    entries: Vec<Entry>,
    plans: Plans,
}

impl Stage<'_> {
    /// Ends of turns.
    async fn turns(
        &self,
        found: &mut Found,
        skipped: &mut Vec<Skipped>,
        say: &mut dyn FnMut(&str),
    ) -> Result<(), EvalError> {
        let prepared = self.prepare(skipped);
        found.outcomes = self.play(&prepared, &self.plans, say).await?;
        let mut passes = Vec::with_capacity(self.options.patiences.len());
        for &patience in &self.options.patiences {
            let plans = self.plans.with_patience(patience);
            let mut say = |line: &str| say(&format!("patience {patience} %: {line}"));
            let outcomes = self.play(&prepared, &plans, &mut say).await?;
            passes.push(Pass { patience, outcomes });
        }
        let look_ms = i64::try_from(self.options.costs.turn_look_us / 1_000).unwrap_or(i64::MAX);
        found.curves = curve::curves(&found.outcomes, &passes, look_ms);
        Ok(())
    }

    fn prepare(&self, skipped: &mut Vec<Skipped>) -> Vec<Prepared> {
        let mut prepared = Vec::new();
        for entry in &self.entries {
            for variant in [Variant::Natural, Variant::Slow] {
                if variant == Variant::Slow && !(self.options.slow && entry.is_dictated()) {
                    continue;
                }
                match Prepared::new(entry, &self.options.folder, variant) {
                    Ok(utterance) => prepared.push(utterance),
                    Err(reason) => {
                        let reason = match variant {
                            Variant::Natural => reason,
                            Variant::Slow => format!("slowed: {reason}"),
                        };
                        skipped.push(Skipped { file: entry.file.clone(), reason });
                    }
                }
            }
        }
        prepared
    }

    /// Plays utterances one after the other.
    async fn play(
        &self,
        prepared: &[Prepared],
        plans: &Plans,
        say: &mut dyn FnMut(&str),
    ) -> Result<Vec<Outcome>, EvalError> {
        let mut outcomes = Vec::with_capacity(prepared.len());
        for (at, utterance) in prepared.iter().enumerate() {
            let file = &utterance.entry.file;
            say(&format!("turn {}/{} {file}", at + 1, prepared.len()));
            let settings = plans.of(&utterance.entry.language);
            let outcome = utterance.play(&self.machine, &settings, self.options.oracle).await;
            outcomes.push(outcome.map_err(|error| EvalError::Call { file: file.clone(), error })?);
        }
        Ok(outcomes)
    }

    /// Interruptions.
    async fn barge_in(
        &self,
        found: &mut Found,
        material: &Material,
        skipped: &mut Vec<Skipped>,
        say: &mut dyn FnMut(&str),
    ) -> Result<(), EvalError> {
        let barge_in = barge_in::play(
            (&self.entries, &self.options.folder),
            material,
            &self.machine,
            (&self.plans, self.options.oracle),
            skipped,
            say,
        );
        let failed = |(file, error)| EvalError::Call { file, error };
        found.barge_in = Some(barge_in.await.map_err(failed)?);
        Ok(())
    }
}

/// Runs `work` to its end on a runtime whose clock stands still but for what is waited for.
fn on_virtual_time<T>(work: impl Future<Output = T>) -> io::Result<T> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build()?;
    let tasks = tokio::task::LocalSet::new();
    Ok(tasks.block_on(&runtime, work))
}

fn open_memo(options: &Options, config: &Config) -> Result<Rc<RefCell<Memo>>, EvalError> {
    let path = options.memo.as_deref();
    // Without a file nobody but this run has its answers.
    let models = path.map_or_else(String::new, |_| fingerprint(config));
    let memo = Memo::open(models, path).map_err(|source| EvalError::Memo {
        path: path.unwrap_or_else(|| Path::new("")).to_owned(),
        source,
    })?;
    Ok(Rc::new(RefCell::new(memo)))
}

/// Names the models that answer: the build, and the SHA-256 of their files.
fn fingerprint(config: &Config) -> String {
    let mut hash = Sha256::new();
    let moonshine = ["encoder_model.onnx", "decoder_model_merged.onnx", "tokenizer.bin"];
    let files = [SILERO.into(), SMART_TURN.into()]
        .into_iter()
        .chain(moonshine.map(|file| format!("{MOONSHINE}/{file}")));
    for file in files {
        hash.update(std::fs::read(config.models_dir.join(file)).unwrap_or_default());
    }
    let digest: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{} {digest}", env!("CARGO_PKG_VERSION"))
}
