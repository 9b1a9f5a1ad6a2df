//! Streaming speech recognition: the [`Recognizer`] trait and its providers.
//!
//! | provider | languages | how it streams |
//! |---|---|---|
//! | [`moonshine`] | English | decodes the utterance again as it grows, and at once when it pauses |
//! | [`sherpa`] | those of the model | a streaming transducer, all calls in one batch |
//! | [`scripted`] | any | knows the words beforehand: for tests on virtual time |
//!
//! [`denoise`] puts a denoiser before any of them.
//!
//! A stream is fed and polled by its call's task, which never blocks, locks or (per frame)
//! allocates; inference runs on the provider's own threads of lower priority. `tests/conformance.rs`
//! is what every provider must pass. [`wer`] measures how many words were wrong.
#![forbid(unsafe_code)]

pub mod denoise;
mod history;
mod link;
pub mod moonshine;
pub mod recognizer;
mod schedule;
pub mod scripted;
pub mod sherpa;
mod utterance;
pub mod wer;
mod worker;

pub use recognizer::{
    Hint, Recognizer, RecognizerError, RecognizerEvent, RecognizerStream, Stability, StreamConfig,
    Transcript, Word,
};
pub use worker::DecodeCounts;
