//! PCM vocabulary, telephone codecs, resampling, tones and pacing.
//!
//! Everything here is pure: samples and time come in as arguments, buffers belong to the caller,
//! and there is no runtime, clock, thread or file. Functions named `*_into` never allocate.
#![forbid(unsafe_code)]

pub mod pcm;

pub use pcm::{Pcm, SampleRate};
