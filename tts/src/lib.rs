//! Streaming speech synthesis: the [`Synthesizer`] trait and its providers.
#![forbid(unsafe_code)]

pub mod synthesizer;

pub use synthesizer::{
    SpeechEvent, SpeechStream, Synthesizer, SynthesizerError, TextChunk, VoiceConfig,
};
