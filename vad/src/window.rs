//! Windows: the 32 ms blocks in which every detector of this crate listens.

use std::time::Duration;

use codecs::SampleRate;

/// How long a window lasts: 256 samples at 8 kHz, 512 at 16 kHz.
pub const WINDOW: Duration = Duration::from_millis(32);

/// Samples of the longest window.
pub(crate) const MAX_WINDOW: usize = 512;

/// How many samples a window has at `rate`; `None` where no detector knows the rate.
pub const fn window_samples(rate: SampleRate) -> Option<usize> {
    match rate.hz() {
        8_000 => Some(256),
        16_000 => Some(512),
        _ => None,
    }
}

/// Cuts a stream of samples, however it arrives, into windows.
#[derive(Clone, Debug)]
pub(crate) struct Windower {
    samples: [i16; MAX_WINDOW],
    size: usize,
    filled: usize,
    /// Samples seen, up to and including the last whole window.
    end: u64,
}

impl Windower {
    /// `None` where no detector knows the rate.
    pub(crate) fn new(rate: SampleRate) -> Option<Self> {
        let size = window_samples(rate)?;
        Some(Self { samples: [0; MAX_WINDOW], size, filled: 0, end: 0 })
    }

    /// Takes samples; calls `each` with every window that is whole, and one past its last sample.
    pub(crate) fn push(&mut self, mut samples: &[i16], mut each: impl FnMut(&[i16], u64)) {
        while !samples.is_empty() {
            let taken = samples.len().min(self.size - self.filled);
            let (head, rest) = samples.split_at(taken);
            self.samples[self.filled..self.filled + taken].copy_from_slice(head);
            self.filled += taken;
            samples = rest;
            if self.filled == self.size {
                self.filled = 0;
                self.end += self.size as u64;
                each(&self.samples[..self.size], self.end);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_the_same_however_the_samples_arrive() {
        let samples: Vec<i16> = (0..2_000).collect();
        let cut = |step: usize| {
            let mut windows = Vec::new();
            let mut windower = Windower::new(SampleRate::HZ_8000).expect("a known rate");
            for chunk in samples.chunks(step) {
                windower.push(chunk, |window, end| windows.push((window.to_vec(), end)));
            }
            windows
        };
        let whole = cut(2_000);
        assert_eq!(whole.len(), 7);
        assert_eq!(whole[6].1, 7 * 256);
        assert_eq!(whole[6].0, samples[6 * 256..7 * 256]);
        for step in [1, 80, 160, 255, 256, 257, 600] {
            assert_eq!(cut(step), whole, "in steps of {step}");
        }
    }

    #[test]
    fn a_window_lasts_32_ms_at_every_rate() {
        for rate in [SampleRate::HZ_8000, SampleRate::HZ_16000] {
            let samples = window_samples(rate).expect("a known rate");
            assert_eq!(rate.duration_of(samples as u64), WINDOW);
        }
        assert_eq!(window_samples(SampleRate::HZ_48000), None);
    }
}
