//! Streaming speech synthesis: the [`Synthesizer`] trait and its providers.
//!
//! The way of a reply: the model's deltas go into a [`Chunker`], whose phrases go into a
//! [`SpeechStream`]; there each phrase becomes [spoken words](spoken), a voice renders them, and
//! audio comes out with the place of each word. Phrases that repeat are [kept](cache).
#![forbid(unsafe_code)]

mod align;
pub mod cache;
mod card;
pub mod cartesia;
pub mod chunk;
pub mod espeak;
mod estimate;
pub mod flite;
mod phonemes;
mod phrase;
pub mod piper;
pub mod program;
mod riff;
pub mod scripted;
pub mod sherpa;
pub mod spoken;
pub mod synthesizer;
mod trim;

pub use cache::{CacheCounters, Cached, PhraseCache};
pub use cartesia::{Cartesia, CartesiaConfig};
pub use chunk::{ChunkPlan, Chunker};
pub use espeak::{Espeak, EspeakConfig};
pub use flite::{Flite, FliteConfig};
pub use program::{PoolLimits, ProgramPool};
pub use scripted::{Delivery, Scripted, ScriptedConfig};
pub use sherpa::{Sherpa, SherpaConfig};
pub use synthesizer::{
    SpeechEvent, SpeechStream, Synthesizer, SynthesizerError, TextChunk, VoiceConfig,
};
