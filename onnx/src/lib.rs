//! One way to open ONNX Runtime.
//!
//! Every session of the engine has one intra-op and one inter-op thread with spinning off: the
//! engine decides which thread runs which model, and a spinning pool would take the core from the
//! media path. `vad` and `asr` load their models through here.
#![forbid(unsafe_code)]

pub mod metadata;
mod simulated;

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use ort::environment::Environment;
use ort::session::Session;
use ort::session::builder::GraphOptimizationLevel;

pub use simulated::{Runner, VirtualTime};

/// The name under which the dynamic linker knows ONNX Runtime. The library is already in the
/// process (sherpa-onnx links it), so the name alone finds the same copy.
pub const DEFAULT_LIBRARY: &str = "libonnxruntime.so";

/// Why ONNX Runtime or a model could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The shared library is missing or of another version; run `make setup`.
    #[error("cannot load ONNX Runtime from {path}: {reason}; run `make setup`", path = path.display())]
    Library {
        /// What was tried.
        path: PathBuf,
        /// The loader's own words.
        reason: String,
    },
    /// The model file is missing or not a model; run `causerie models verify`.
    #[error("cannot load the model {path}: {reason}; run `causerie models verify`", path = path.display())]
    Model {
        /// The file.
        path: PathBuf,
        /// ONNX Runtime's own words.
        reason: String,
    },
}

/// The process's ONNX Runtime. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Runtime {
    environment: Environment,
}

/// A process has one ONNX Runtime and one environment of it; `ort` refuses a second.
static LOADED: Mutex<Option<Runtime>> = Mutex::new(None);

impl Runtime {
    /// Loads ONNX Runtime from `library` (see [`DEFAULT_LIBRARY`]). Once it is loaded, the process
    /// keeps it: every later call gives the same one, whatever `library` it names. A failed load
    /// may be tried again with another path. For set-up only: it locks.
    ///
    /// # Errors
    ///
    /// [`Error::Library`] where the library cannot be loaded.
    pub fn load(library: &Path) -> Result<Self, Error> {
        let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(runtime) = &*loaded {
            return Ok(runtime.clone());
        }
        let runtime = Self::open(library)?;
        *loaded = Some(runtime.clone());
        Ok(runtime)
    }

    fn open(library: &Path) -> Result<Self, Error> {
        let failed = |reason: String| Error::Library { path: library.to_owned(), reason };
        let environment = ort::init_from(library)
            .map_err(|error| failed(error.to_string()))?
            .with_name("causerie")
            .with_telemetry(false)
            .build()
            .map_err(|error| failed(error.to_string()))?;
        Ok(Self { environment })
    }

    /// Loads the model at `path` into a session that runs on the calling thread alone.
    ///
    /// # Errors
    ///
    /// [`Error::Model`] where the file is missing or is not a model this runtime can run.
    pub fn session(&self, path: &Path) -> Result<Session, Error> {
        let failed = |reason: String| Error::Model { path: path.to_owned(), reason };
        let build = || -> Result<Session, String> {
            Session::builder(&self.environment)
                .map_err(|error| error.to_string())?
                .with_intra_threads(1)
                .map_err(|error| error.to_string())?
                .with_inter_threads(1)
                .map_err(|error| error.to_string())?
                .with_intra_op_spinning(false)
                .map_err(|error| error.to_string())?
                .with_inter_op_spinning(false)
                .map_err(|error| error.to_string())?
                .with_optimization_level(GraphOptimizationLevel::Level3)
                .map_err(|error| error.to_string())?
                .commit_from_file(path)
                .map_err(|error| error.to_string())
        };
        build().map_err(failed)
    }
}

/// Lowers the scheduling priority of the calling thread, so that turn models and decoders never
/// take a core from the media path. On Linux `nice` applies to the thread that calls it
/// (nice(2), "C library/kernel differences").
///
/// Returns whether the system agreed; a refusal costs latency under load, nothing else.
pub fn lower_thread_priority() -> bool {
    rustix::process::nice(5).is_ok()
}
