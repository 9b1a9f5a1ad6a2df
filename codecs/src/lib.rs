//! PCM vocabulary, telephone codecs, resampling, tones and pacing.
//!
//! Everything here is pure: samples and time come in as arguments, buffers belong to the caller,
//! and there is no runtime, clock, thread or file. Functions named `*_into` never allocate.
#![forbid(unsafe_code)]

pub mod ambience;
pub mod beep;
pub mod dtmf;
pub mod g711;
pub mod l16;
pub mod noise;
pub mod pacer;
pub mod pcm;
pub mod resample;
pub mod tone;
pub mod wav;

pub use pcm::{Pcm, SampleRate};
pub use resample::Resampler;
