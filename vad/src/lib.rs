//! Voice activity detection.
#![forbid(unsafe_code)]

pub mod detector;

pub use detector::{Score, Vad, VadStream};
