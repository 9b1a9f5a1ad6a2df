//! A recording as it comes over a telephone line: 8 kHz µ-law, and the noise of its own line
//! before and behind it.

use codecs::g711::{mulaw_decode, mulaw_encode};
use codecs::{Resampler, SampleRate};
use realfft::RealFftPlanner;
use realfft::num_complex::Complex;

use super::chance::Chance;

/// The rate of the line.
pub(super) const RATE: SampleRate = SampleRate::HZ_8000;

/// Samples in a frame of the noise's spectrum.
const FRAME: usize = 256;
/// From one frame to the next.
const HOP: usize = FRAME / 2;
/// Sound this close to the speech is not taken for noise, in ms: breath and the room's echo.
const MARGIN_MS: u64 = 100;
/// Fewest frames a spectrum is taken from.
const FEWEST_FRAMES: usize = 8;

/// Samples of the line in `ms`.
pub(super) const fn samples(ms: u64) -> usize {
    ms as usize * 8
}

/// A recording at any rate, at the line's.
///
/// # Errors
///
/// Where the rate is none that can be resampled.
pub(super) fn at_line_rate(rate: SampleRate, recording: &[i16]) -> Result<Vec<i16>, String> {
    let mut resampler = Resampler::new(rate, RATE).map_err(|error| error.to_string())?;
    let mut narrow = Vec::with_capacity(resampler.output_bound(recording.len()));
    resampler.process(recording, &mut narrow);
    resampler.flush(&mut narrow);
    Ok(narrow)
}

/// What is left of samples once they were µ-law (ITU-T G.711).
pub(super) fn through_mulaw(samples: &mut [i16]) {
    for sample in samples {
        *sample = mulaw_decode(mulaw_encode(*sample));
    }
}

/// The noise of a line, by its spectrum: what can be heard of it where nobody speaks.
#[derive(Clone, Debug)]
pub(super) struct LineNoise {
    /// Mean power of each frequency of a frame.
    power: Vec<f64>,
}

impl LineNoise {
    /// The noise in `recording` (at the line's rate) outside the speech from `start_ms` to
    /// `end_ms`. Where there is little outside, the quietest tenth of it all is taken. The median
    /// over the frames counts, so that a click is none of it.
    pub(super) fn of(recording: &[i16], start_ms: u64, end_ms: u64) -> Self {
        let speech =
            samples(start_ms.saturating_sub(MARGIN_MS))..samples(end_ms.saturating_add(MARGIN_MS));
        let mut spectra: Vec<(bool, f64, Vec<f64>)> = Vec::new();
        let window = hann();
        let energy: f64 = window.iter().map(|w| w * w).sum();
        let fft = RealFftPlanner::<f64>::new().plan_fft_forward(FRAME);
        let mut spectrum = fft.make_output_vec();
        for at in (0..recording.len().saturating_sub(FRAME - 1)).step_by(HOP) {
            let frame = &recording[at..at + FRAME];
            let mut frame: Vec<f64> =
                frame.iter().zip(&window).map(|(&s, w)| f64::from(s) * w).collect();
            let level = frame.iter().map(|s| s * s).sum::<f64>();
            if fft.process(&mut frame, &mut spectrum).is_ok() {
                let outside = at + FRAME <= speech.start || at >= speech.end;
                let power = spectrum.iter().map(|bin| bin.norm_sqr() / energy).collect();
                spectra.push((outside, level, power));
            }
        }
        if spectra.iter().filter(|(outside, ..)| *outside).count() >= FEWEST_FRAMES {
            spectra.retain(|(outside, ..)| *outside);
        } else {
            spectra.sort_by(|a, b| a.1.total_cmp(&b.1));
            spectra.truncate((spectra.len() / 10).max(FEWEST_FRAMES));
        }
        let power = (0..=FRAME / 2).map(|bin| {
            let mut powers: Vec<f64> = spectra.iter().map(|(.., power)| power[bin]).collect();
            powers.sort_by(f64::total_cmp);
            // A frame's power is exponentially distributed: its median is ln 2 of its mean.
            powers.get(powers.len() / 2).map_or(0.0, |median| median / std::f64::consts::LN_2)
        });
        Self { power: power.collect() }
    }

    /// Its level in dB below a full-scale sine.
    pub(super) fn level_dbfs(&self) -> f64 {
        let inner: f64 = self.power[1..FRAME / 2].iter().sum();
        let mean = (2.0 * inner + self.power[0] + self.power[FRAME / 2]) / FRAME as f64;
        10.0 * (mean.max(1e-9) / (32_768.0 * 32_768.0 / 2.0)).log10()
    }

    /// `length` samples of it.
    pub(super) fn make(&self, length: usize, chance: &mut Chance) -> Vec<i16> {
        let fft = RealFftPlanner::<f64>::new().plan_fft_inverse(FRAME);
        // At half overlap the squares of this window sum to 1.
        let window: Vec<f64> = hann().iter().map(|w| w.sqrt()).collect();
        let mut noise = vec![0.0; length + 2 * FRAME];
        let mut frame = fft.make_output_vec();
        for at in (0..length + FRAME).step_by(HOP) {
            let mut spectrum: Vec<Complex<f64>> = self
                .power
                .iter()
                .map(|power| {
                    let scale = (power / FRAME as f64 / 2.0).sqrt();
                    Complex::new(chance.gaussian() * scale, chance.gaussian() * scale)
                })
                .collect();
            // The ends of a real signal's spectrum are real.
            for end in [0, FRAME / 2] {
                spectrum[end] = Complex::new(spectrum[end].re * std::f64::consts::SQRT_2, 0.0);
            }
            if fft.process(&mut spectrum, &mut frame).is_ok() {
                for ((out, sample), w) in noise[at..].iter_mut().zip(&frame).zip(&window) {
                    *out += sample * w;
                }
            }
        }
        noise[FRAME..FRAME + length]
            .iter()
            .map(|sample| sample.round().clamp(-32_768.0, 32_767.0) as i16)
            .collect()
    }
}

fn hann() -> Vec<f64> {
    let step = std::f64::consts::TAU / FRAME as f64;
    (0..FRAME).map(|n| 0.5 - 0.5 * (step * n as f64).cos()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use codecs::noise::Noise;
    use codecs::pcm::level_dbfs;

    #[test]
    fn noise_has_the_level_of_the_line() {
        let mut line = vec![0; 32_000];
        Noise::new(-50.0, 3).fill_into(&mut line);
        for sample in &mut line[8_000..24_000] {
            *sample = 9_000;
        }
        let noise = LineNoise::of(&line, 1_000, 3_000);
        let made = noise.make(80_000, &mut Chance::of("x"));
        assert!((level_dbfs(&made) + 50.0).abs() < 0.7, "{}", level_dbfs(&made));
        assert!((noise.level_dbfs() + 50.0).abs() < 0.7, "{}", noise.level_dbfs());
    }

    #[test]
    fn noise_has_the_colour_of_the_line() {
        // Each sample the mean of itself and the one before: 3 dB down at 2 kHz, nothing at 4.
        let mut white = vec![0; 40_001];
        Noise::new(-30.0, 3).fill_into(&mut white);
        let line: Vec<i16> = white.windows(2).map(|pair| pair[0] / 2 + pair[1] / 2).collect();
        let noise = LineNoise::of(&line, 4_990, 5_000);
        let low: f64 = noise.power[1..16].iter().sum();
        let high: f64 = noise.power[FRAME / 2 - 15..FRAME / 2].iter().sum();
        assert!(low > 50.0 * high, "{low} {high}");
        let made = noise.make(40_000, &mut Chance::of("x"));
        let again = LineNoise::of(&made, 4_990, 5_000);
        let again_low: f64 = again.power[1..16].iter().sum();
        assert!((again_low / low - 1.0).abs() < 0.3, "{again_low} {low}");
    }

    #[test]
    fn a_silent_line_stays_silent() {
        let noise = LineNoise::of(&[0; 8_000], 100, 200);
        assert_eq!(noise.make(500, &mut Chance::of("x")), [0; 500]);
        assert_eq!(LineNoise::of(&[], 0, 1).make(10, &mut Chance::of("x")), [0; 10]);
    }

    #[test]
    fn other_rates_and_mulaw() {
        let wide: Vec<i16> = (0..16_000).map(|n| ((n % 80) * 100) as i16).collect();
        let mut narrow = at_line_rate(SampleRate::HZ_16000, &wide).expect("a usual rate");
        assert_eq!(narrow.len(), 8_000);
        through_mulaw(&mut narrow);
        let once = narrow.clone();
        through_mulaw(&mut narrow);
        assert_eq!(once, narrow, "what was µ-law stays as it is");
    }
}
