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

/// Converts samples to floats in -1.0..1.0 (32768 is 1.0), as models take them.
///
/// # Panics
///
/// Where the slices differ in length.
pub fn to_f32_into(samples: &[i16], out: &mut [f32]) {
    assert_eq!(samples.len(), out.len(), "one float for each sample");
    for (out, &sample) in out.iter_mut().zip(samples) {
        *out = f32::from(sample) * (1.0 / 32_768.0);
    }
}

/// Converts floats in -1.0..1.0 to samples: rounded to the nearest, clipped at full scale; NaN
/// is silence.
///
/// # Panics
///
/// Where the slices differ in length.
pub fn from_f32_into(floats: &[f32], out: &mut [i16]) {
    assert_eq!(floats.len(), out.len(), "one sample for each float");
    for (out, &float) in out.iter_mut().zip(floats) {
        *out = quantise(float * 32_768.0);
    }
}

/// The sample nearest to `value`, where full scale is 32768. A float-to-integer cast saturates,
/// and takes NaN to 0.
#[inline]
pub(crate) fn quantise(value: f32) -> i16 {
    // Half away from zero without a call to `round`, which baseline x86-64 has no instruction for.
    (value + 0.5_f32.copysign(value)) as i16
}

/// Root-mean-square level relative to a full-scale sine (AES17), in dB; negative infinity for
/// digital silence and for no samples.
pub fn level_dbfs(samples: &[i16]) -> f64 {
    let energy: f64 = samples.iter().map(|&s| f64::from(s) * f64::from(s)).sum();
    let mean = energy / samples.len().max(1) as f64;
    10.0 * (mean / (32_768.0 * 32_768.0 / 2.0)).log10()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sample_survives_the_way_through_float() {
        let samples: Vec<i16> = (i16::MIN..=i16::MAX).collect();
        let mut floats = vec![0.0; samples.len()];
        to_f32_into(&samples, &mut floats);
        let mut back = vec![0; samples.len()];
        from_f32_into(&floats, &mut back);
        assert_eq!(samples, back);
    }

    #[test]
    fn floats_beyond_full_scale_clip_and_nan_is_silent() {
        let mut out = [1; 5];
        from_f32_into(&[1.0, -3.0, f32::NAN, f32::INFINITY, 0.4 / 32_768.0], &mut out);
        assert_eq!(out, [32_767, -32_768, 0, 32_767, 0]);
    }

    #[test]
    fn a_full_scale_sine_is_at_0_dbfs() {
        let sine: Vec<i16> = (0..8_000)
            .map(|n| {
                let phase = f64::from(n) * 440.0 / 8_000.0 * std::f64::consts::TAU;
                (phase.sin() * 32_767.0).round() as i16
            })
            .collect();
        assert!(level_dbfs(&sine).abs() < 0.01);
        assert_eq!(level_dbfs(&[]), f64::NEG_INFINITY);
    }

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
