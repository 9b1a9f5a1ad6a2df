//! The vocabulary of mono 16-bit PCM: rates, durations and borrowed blocks of samples.

use std::num::NonZeroU32;
use std::time::Duration;

/// Samples per second of a mono stream, in Hz.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SampleRate(NonZeroU32);

impl SampleRate {
    /// Telephone band: G.711, and every Twilio media stream.
    pub const HZ_8000: Self = Self(NonZeroU32::new(8_000).unwrap());
    /// Wide band: what recognisers and the turn model listen to.
    pub const HZ_16000: Self = Self(NonZeroU32::new(16_000).unwrap());
    /// What most cloud voices speak at.
    pub const HZ_24000: Self = Self(NonZeroU32::new(24_000).unwrap());
    /// Full band: WebRTC's Opus clock (RFC 7587 §4.1).
    pub const HZ_48000: Self = Self(NonZeroU32::new(48_000).unwrap());

    /// A rate in Hz, or `None` for 0.
    pub const fn new(hz: u32) -> Option<Self> {
        match NonZeroU32::new(hz) {
            Some(hz) => Some(Self(hz)),
            None => None,
        }
    }

    /// The rate in Hz.
    pub const fn hz(self) -> u32 {
        self.0.get()
    }

    /// How long `samples` samples last, rounded down to the nanosecond.
    pub const fn duration_of(self, samples: u64) -> Duration {
        let hz = self.hz() as u64;
        let seconds = samples / hz;
        let nanos = (samples % hz) * 1_000_000_000 / hz;
        Duration::new(seconds, nanos as u32)
    }

    /// How many whole samples fit in `duration`.
    pub const fn samples_in(self, duration: Duration) -> u64 {
        let hz = self.hz() as u64;
        duration.as_secs() * hz + duration.subsec_nanos() as u64 * hz / 1_000_000_000
    }
}

/// A borrowed block of mono 16-bit samples at a known rate.
#[derive(Clone, Copy, Debug)]
pub struct Pcm<'a> {
    /// Samples per second.
    pub rate: SampleRate,
    /// The samples, oldest first.
    pub samples: &'a [i16],
}

impl<'a> Pcm<'a> {
    /// A block of `samples` at `rate`.
    pub const fn new(rate: SampleRate, samples: &'a [i16]) -> Self {
        Self { rate, samples }
    }

    /// How long the block lasts.
    pub const fn duration(self) -> Duration {
        self.rate.duration_of(self.samples.len() as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_samples_convert_both_ways() {
        let rate = SampleRate::HZ_8000;
        assert_eq!(rate.duration_of(160), Duration::from_millis(20));
        assert_eq!(rate.samples_in(Duration::from_millis(20)), 160);
        assert_eq!(rate.samples_in(Duration::from_micros(124)), 0);
        let odd = SampleRate::new(22_050).expect("not zero");
        assert_eq!(odd.samples_in(odd.duration_of(22_050 * 3_600)), 22_050 * 3_600);
    }

    #[test]
    fn zero_is_not_a_rate() {
        assert!(SampleRate::new(0).is_none());
    }
}
