//! `causerie bench`: an engine under load, measured from outside.
//!
//! The load side (fake carriers and the stand-ins for Deepgram, OpenAI and Cartesia) is this
//! process, the engine a child of it; where the machine has two cores each has one of its own.
//! Every carrier follows the same script: [`script`] says what a caller does, [`material`] with
//! which speech. What is measured is what a caller would notice: when a reply becomes audible, how
//! long a voice goes on over a barge-in, where it breaks off, and whether the engine's idea of what
//! was heard is right ([`figures`], [`referee`]). A run in which the load side itself was late is
//! void.
//!
//! | part | what it is |
//! |---|---|
//! | [`material`] | the callers' speech: clips with their words, pauses and ends |
//! | [`script`] | one caller's turns, drawn by a seed. Pure |
//! | [`line`](mod@line) | one carrier's call over a WebSocket |
//! | [`ear`] | reads the words from the tones that were heard. Pure |
//! | [`referee`] | compares them with what the model was told. Pure |
//! | [`services`], [`server`] | the stand-ins, and the engine as a child process |
//! | [`peer`] | other engines, started in the engine's place |
//! | [`run`] | a number of calls at once |
//! | [`soak`] | many short calls |
//! | [`greeting`] | how soon a call is greeted |
//! | [`overload`] | more calls than it can carry, and back |
//! | [`scenario`] | the runs that make the report |
//! | [`comparison`] | those of other engines |
//! | [`report`], [`table`], [`html`], [`plot`] | what comes out |

pub mod comparison;
pub mod ear;
pub mod figures;
pub mod greeting;
pub mod html;
pub mod line;
pub mod material;
pub mod overload;
pub mod peer;
pub mod plot;
pub mod referee;
pub mod report;
pub mod run;
pub mod scenario;
pub mod script;
pub mod server;
pub mod services;
pub mod soak;
pub mod table;

pub use report::Report;
pub use scenario::{Options, Part, measure};

/// Why nothing was measured.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BenchError {
    /// The callers have nothing to say.
    #[error(transparent)]
    Speech(#[from] material::MaterialError),
    /// The engine did not start, or did not go on.
    #[error("the engine: {0}")]
    Engine(String),
    /// A stand-in, a file or a thread is not to be had.
    #[error("cannot {action}: {source}")]
    System {
        /// What was tried.
        action: &'static str,
        /// The system's words.
        source: std::io::Error,
    },
}

impl BenchError {
    fn system(action: &'static str) -> impl Fn(std::io::Error) -> Self {
        move |source| Self::System { action, source }
    }
}
