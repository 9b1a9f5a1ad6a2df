//! Streaming speech recognition: the [`Recognizer`] trait and its providers.
#![forbid(unsafe_code)]

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
