//! Tones with smooth edges: DTMF digits, call-progress tones, test signals.

use std::f64::consts::{FRAC_PI_2, TAU};
use std::time::Duration;

use crate::SampleRate;

/// How long a tone takes to rise and to fall. A raised-cosine edge of 2 ms keeps the click of a
/// hard edge more than 40 dB down outside the tone's band, and is short against the 40 ms of the
/// shortest DTMF digit.
const EDGE: Duration = Duration::from_millis(2);

/// One sine of a tone.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Partial {
    /// Frequency in Hz.
    pub hz: f64,
    /// Level relative to a full-scale sine (AES17), in dB.
    pub level_dbfs: f64,
}

impl Partial {
    /// A sine of `hz` at `level_dbfs`.
    pub const fn new(hz: f64, level_dbfs: f64) -> Self {
        Self { hz, level_dbfs }
    }
}

/// A finite tone of up to two sines, rendered in blocks of any length.
#[derive(Clone, Debug)]
pub struct Tone {
    /// Amplitude and phase step of each sine; a single tone has a second one of amplitude 0.
    partials: [(f64, f64); 2],
    position: u64,
    length: u64,
    edge: u64,
}

impl Tone {
    /// One sine for `length`.
    pub fn single(rate: SampleRate, partial: Partial, length: Duration) -> Self {
        Self::dual(rate, [partial, Partial::new(0.0, f64::NEG_INFINITY)], length)
    }

    /// Two sines at once for `length`.
    pub fn dual(rate: SampleRate, partials: [Partial; 2], length: Duration) -> Self {
        let length = rate.samples_in(length);
        Self {
            partials: partials.map(|partial| {
                let amplitude = 32_767.0 * 10_f64.powf(partial.level_dbfs / 20.0);
                (amplitude, partial.hz / f64::from(rate.hz()) * TAU)
            }),
            position: 0,
            length,
            edge: rate.samples_in(EDGE).min(length / 2),
        }
    }

    /// Samples still to come.
    pub fn remaining(&self) -> u64 {
        self.length - self.position
    }

    /// Writes the next samples to the beginning of `out` and returns how many: fewer than asked
    /// for at the tone's end, then 0.
    pub fn fill_into(&mut self, out: &mut [i16]) -> usize {
        let count = usize::try_from(self.remaining()).unwrap_or(usize::MAX).min(out.len());
        for sample in &mut out[..count] {
            let value: f64 = self
                .partials
                .iter()
                .map(|(amplitude, step)| amplitude * (step * self.position as f64).sin())
                .sum();
            // The cast saturates: two loud sines clip, they do not wrap.
            *sample = (value * self.envelope()).round() as i16;
            self.position += 1;
        }
        count
    }

    fn envelope(&self) -> f64 {
        let from_edge = self.position.min(self.length - 1 - self.position);
        if from_edge >= self.edge {
            1.0
        } else {
            ((from_edge as f64 + 0.5) / self.edge as f64 * FRAC_PI_2).sin().powi(2)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pcm::level_dbfs;

    fn render(mut tone: Tone, block: usize) -> Vec<i16> {
        let mut samples = Vec::new();
        let mut buffer = vec![0; block];
        loop {
            let count = tone.fill_into(&mut buffer);
            if count == 0 {
                return samples;
            }
            samples.extend_from_slice(&buffer[..count]);
        }
    }

    #[test]
    fn length_and_level_are_as_asked() {
        let tone = Tone::single(
            SampleRate::HZ_8000,
            Partial::new(1_004.0, -10.0),
            Duration::from_millis(500),
        );
        let samples = render(tone, 160);
        assert_eq!(samples.len(), 4_000);
        assert!((level_dbfs(&samples[100..3_900]) + 10.0).abs() < 0.05);
    }

    #[test]
    fn blocks_make_the_same_tone_as_one_piece() {
        let tone = Tone::dual(
            SampleRate::HZ_8000,
            [Partial::new(350.0, -13.0), Partial::new(440.0, -13.0)],
            Duration::from_millis(100),
        );
        assert_eq!(render(tone.clone(), 7), render(tone, 800));
    }

    #[test]
    fn edges_are_smooth_and_symmetric() {
        let tone = Tone::single(
            SampleRate::HZ_8000,
            Partial::new(1_000.0, -3.0),
            Duration::from_millis(50),
        );
        let samples = render(tone, 400);
        let peak = |range: &[i16]| range.iter().map(|s| s.unsigned_abs()).max();
        assert!(peak(&samples[..3]) < Some(2_500));
        assert!(peak(&samples[397..]) < Some(2_500));
        assert!(peak(&samples[16..24]) > Some(20_000));
    }

    #[test]
    fn a_tone_shorter_than_its_edges_is_still_finite() {
        let one = Duration::from_micros(125);
        let tone = Tone::single(SampleRate::HZ_8000, Partial::new(1_000.0, -3.0), one);
        assert_eq!(render(tone, 4).len(), 1);
        let none = Tone::single(SampleRate::HZ_8000, Partial::new(1.0, 0.0), Duration::ZERO);
        assert!(render(none, 4).is_empty());
    }
}
