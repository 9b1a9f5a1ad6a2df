//! What the caller hears of the assistant.

use codecs::SampleRate;

use super::frames::Frames;
use super::spectrum::{BANDS, Levels, SILENCE, Spectrum};

/// How fast the sound of a room fades, in dB a frame: 60 dB in 200 ms. Rooms in which people
/// telephone take longer, but the first 20 dB, which are all that a voice leaves audible, go faster.
const FADE: f32 = 5.0;

/// Fainter than this the reference is silent, in dB.
const AUDIBLE: f32 = -55.0;

/// The assistant's voice, on the timeline of the caller's samples.
#[derive(Debug)]
pub(super) struct Reference {
    spectrum: Spectrum,
    /// Each frame with what is left of those before it.
    frames: Frames<Levels>,
    /// The last frame with sound.
    sounded: Option<i64>,
    /// Samples so far.
    played: u64,
}

impl Reference {
    /// `None` for rates that the detectors do not know.
    pub(super) fn new(rate: SampleRate) -> Option<Self> {
        Some(Self {
            spectrum: Spectrum::new(rate)?,
            frames: Frames::new([SILENCE; BANDS]),
            sounded: None,
            played: 0,
        })
    }

    pub(super) const fn played(&self) -> u64 {
        self.played
    }

    pub(super) const fn frames(&self) -> &Frames<Levels> {
        &self.frames
    }

    pub(super) fn push(&mut self, samples: &[i16]) {
        let Self { spectrum, frames, sounded, played } = self;
        *played += samples.len() as u64;
        spectrum.push(samples, |_| true, |number, levels| {
            let levels = levels.unwrap_or([SILENCE; BANDS]);
            if levels.iter().any(|&level| level > AUDIBLE) {
                *sounded = Some(number);
            }
            let before = *frames.at(number - 1);
            frames.push(std::array::from_fn(|band| levels[band].max(before[band] - FADE)));
        });
    }

    /// Whether there was sound within `frames` frames before the frame `number`.
    pub(super) fn sounded_within(&self, frames: i64, number: i64) -> bool {
        self.sounded.is_some_and(|last| number - last <= frames)
    }
}
