//! Why a model of this crate could not be put to work.

use std::path::{Path, PathBuf};

use ort::session::Session;

/// Why a detector or a turn model could not be loaded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// ONNX Runtime or the model file could not be opened.
    #[error(transparent)]
    Onnx(#[from] onnx::Error),
    /// The file is a model, but another one.
    #[error(
        "{path} is not {expected}: its inputs are {inputs:?} and its outputs {outputs:?}; \
         run `causerie models verify`",
        path = path.display()
    )]
    WrongModel {
        /// The file.
        path: PathBuf,
        /// What was wanted.
        expected: &'static str,
        /// The names of the inputs it has.
        inputs: Vec<String>,
        /// The names of the outputs it has.
        outputs: Vec<String>,
    },
    /// The model does not run on this ONNX Runtime.
    #[error("the model {path} does not run: {reason}; run `causerie doctor`", path = path.display())]
    Trial {
        /// The file.
        path: PathBuf,
        /// ONNX Runtime's own words.
        reason: String,
    },
    /// The system refused a thread.
    #[error("cannot start the thread {name}: {source}; raise the limit on threads")]
    Thread {
        /// The thread's name.
        name: &'static str,
        /// The system's words.
        source: std::io::Error,
    },
}

/// Checks that a model has the inputs and outputs that `expected` has, in any order.
pub(crate) fn check_signature(
    session: &Session,
    path: &Path,
    expected: &'static str,
    inputs: &[&str],
    outputs: &[&str],
) -> Result<(), LoadError> {
    let names = |outlets: &[ort::value::Outlet]| -> Vec<String> {
        outlets.iter().map(|outlet| outlet.name().to_owned()).collect()
    };
    let (has_inputs, has_outputs) = (names(session.inputs()), names(session.outputs()));
    let same = |wanted: &[&str], has: &[String]| {
        wanted.len() == has.len() && wanted.iter().all(|name| has.iter().any(|have| have == name))
    };
    if same(inputs, &has_inputs) && same(outputs, &has_outputs) {
        return Ok(());
    }
    Err(LoadError::WrongModel {
        path: path.to_owned(),
        expected,
        inputs: has_inputs,
        outputs: has_outputs,
    })
}
