//! The plug point for voice activity detection.

use std::fmt;
use std::task::{Context, Poll};

use codecs::SampleRate;

use crate::batcher::Counters;

/// A detector shared by all calls.
pub trait Vad: Send + Sync + fmt::Debug {
    /// Opens a stream for one call whose samples come at `rate`; `None` where the detector does
    /// not know that rate.
    fn open(&self, rate: SampleRate) -> Option<Box<dyn VadStream>>;

    /// What the detector has done so far; nothing, where it does not count.
    fn counters(&self) -> Counters {
        Counters::default()
    }
}

/// One call's voice activity. Fed and polled by the call's task; neither blocks, neither
/// allocates after [`Vad::open`].
pub trait VadStream: Send {
    /// Takes the next samples, any number of them. They are cut into the detector's windows
    /// (256 samples at 8 kHz, 512 at 16 kHz: 32 ms).
    fn push(&mut self, samples: &[i16]);

    /// The score of the next window, in order, if there is one.
    fn poll_score(&mut self, cx: &mut Context<'_>) -> Poll<Score>;
}

/// How much one window sounds like speech.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Score {
    /// One past the window's last sample, counted from the first one pushed.
    pub end: u64,
    /// That the window holds speech.
    pub probability: f32,
}
