//! Streaming speech recognition: the [`Recognizer`] trait and its providers.
#![forbid(unsafe_code)]

pub mod recognizer;

pub use recognizer::{
    Hint, Recognizer, RecognizerError, RecognizerEvent, RecognizerStream, Stability, StreamConfig,
    Transcript, Word,
};
