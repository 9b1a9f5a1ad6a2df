//! Whisper's log-mel features, as smart-turn hears them.
//!
//! Recipe: `WhisperFeatureExtractor` of Hugging Face transformers with `chunk_length=8` and
//! `do_normalize=True` (feature_extraction_whisper.py and audio_utils.py), which smart-turn was
//! trained on: the waveform brought to zero mean and unit variance, frames of 400 samples every
//! 160 under a periodic Hann window, centred with reflected ends, power spectrum, 80 triangular
//! bands on Slaney's mel scale, log10, cut off 8 below the largest, `(x + 4) / 4`.
//!
//! What lies before the first sample is zeros. After normalising they are one constant, so all
//! frames inside them are equal: one is computed and copied, and a short call costs little.

use std::fmt;
use std::sync::Arc;

use realfft::num_complex::Complex;
use realfft::{RealFftPlanner, RealToComplex};

/// Samples per second.
pub const RATE: u32 = 16_000;
/// Samples the features cover: 8 s.
pub const SAMPLES: usize = 8 * RATE as usize;
/// Mel bands.
pub const BANDS: usize = 80;
/// Frames, one every 10 ms.
pub const FRAMES: usize = SAMPLES / HOP;

const HOP: usize = 160;
const SIZE: usize = 400;
const BINS: usize = SIZE / 2 + 1;
/// Below this a band's power counts as this.
const FLOOR: f32 = 1e-10;

/// Computes the features in its own buffers; tables are made once.
pub struct LogMel {
    fft: Arc<dyn RealToComplex<f32>>,
    window: [f32; SIZE],
    bands: Vec<Band>,
    /// The normalised waveform with its reflected ends.
    wave: Vec<f32>,
    frame: Vec<f32>,
    spectrum: Vec<Complex<f32>>,
    scratch: Vec<Complex<f32>>,
    power: [f32; BINS],
}

/// A triangular filter: its first bin, and the weights from there on.
struct Band {
    first: usize,
    weights: Vec<f32>,
}

impl LogMel {
    /// Makes the tables.
    pub fn new() -> Self {
        let fft = RealFftPlanner::<f32>::new().plan_fft_forward(SIZE);
        Self {
            window: std::array::from_fn(|n| {
                let turn = std::f64::consts::TAU * n as f64 / SIZE as f64;
                (0.5 - 0.5 * turn.cos()) as f32
            }),
            bands: bands(),
            wave: vec![0.0; SAMPLES + SIZE],
            frame: fft.make_input_vec(),
            spectrum: fft.make_output_vec(),
            scratch: fft.make_scratch_vec(),
            power: [0.0; BINS],
            fft,
        }
    }

    /// Writes the features of the last 8 s of `pcm` (16 kHz; zeros go before it where it is
    /// shorter) to `features`, band after band, [`FRAMES`] values each.
    ///
    /// # Panics
    ///
    /// Where `features` has not [`BANDS`] · [`FRAMES`] values.
    pub fn compute(&mut self, pcm: &[i16], features: &mut [f32]) {
        assert_eq!(features.len(), BANDS * FRAMES, "80 bands of 800 frames");
        let pcm = &pcm[pcm.len().saturating_sub(SAMPLES)..];
        let zeros = SAMPLES - pcm.len();
        self.normalise(pcm, zeros);
        // Frame t reads the waveform, with its 200 reflected samples, from 160 t on; the reflection
        // of zeros is zeros.
        let constant = if zeros > SIZE / 2 { (zeros - SIZE / 2) / HOP + 1 } else { 0 };
        let mut largest = f32::MIN;
        for t in 0..FRAMES {
            if t > 0 && t < constant {
                for band in features.chunks_exact_mut(FRAMES) {
                    band[t] = band[0];
                }
                continue;
            }
            self.transform(t);
            for (band, values) in self.bands.iter().zip(features.chunks_exact_mut(FRAMES)) {
                let bins = &self.power[band.first..band.first + band.weights.len()];
                let power: f32 = bins.iter().zip(&band.weights).map(|(bin, by)| bin * by).sum();
                let log = power.max(FLOOR).log10();
                largest = largest.max(log);
                values[t] = log;
            }
        }
        let least = largest - 8.0;
        for value in features {
            *value = (value.max(least) + 4.0) / 4.0;
        }
    }

    /// Zero mean and unit variance over all 8 s, zeros included; the ends reflected.
    fn normalise(&mut self, pcm: &[i16], zeros: usize) {
        let (mut sum, mut squares) = (0_i64, 0_i64);
        for &sample in pcm {
            let sample = i64::from(sample);
            sum += sample;
            squares += sample * sample;
        }
        let scale = 32_768.0;
        let mean = sum as f64 / SAMPLES as f64;
        let variance = (squares as f64 / SAMPLES as f64 - mean * mean) / (scale * scale);
        let gain = 1.0 / (variance + 1e-7).sqrt() / scale;
        let (gain, offset) = (gain as f32, (-mean * gain) as f32);
        let (before, rest) = self.wave.split_at_mut(SIZE / 2);
        let (body, after) = rest.split_at_mut(SAMPLES);
        body[..zeros].fill(offset);
        for (to, &sample) in body[zeros..].iter_mut().zip(pcm) {
            *to = f32::from(sample).mul_add(gain, offset);
        }
        // numpy's "reflect": the end itself is not repeated.
        for (index, to) in before.iter_mut().rev().enumerate() {
            *to = body[index + 1];
        }
        for (index, to) in after.iter_mut().enumerate() {
            *to = body[SAMPLES - 2 - index];
        }
    }

    /// The power spectrum of frame `t`.
    fn transform(&mut self, t: usize) {
        let wave = &self.wave[t * HOP..t * HOP + SIZE];
        for ((to, sample), weight) in self.frame.iter_mut().zip(wave).zip(&self.window) {
            *to = sample * weight;
        }
        self.fft
            .process_with_scratch(&mut self.frame, &mut self.spectrum, &mut self.scratch)
            .expect("the buffers are the plan's own");
        for (power, bin) in self.power.iter_mut().zip(&self.spectrum) {
            *power = bin.norm_sqr();
        }
    }
}

impl Default for LogMel {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for LogMel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogMel").finish_non_exhaustive()
    }
}

/// Slaney's mel scale: linear to 1 kHz, logarithmic above (27 mels to a factor of 6.4).
fn mel_to_hz(mel: f64) -> f64 {
    if mel < 15.0 { 200.0 * mel / 3.0 } else { 1_000.0 * 6.4_f64.powf((mel - 15.0) / 27.0) }
}

fn hz_to_mel(hz: f64) -> f64 {
    if hz < 1_000.0 { 3.0 * hz / 200.0 } else { 15.0 + (hz / 1_000.0).ln() / 6.4_f64.ln() * 27.0 }
}

/// Triangles between equal steps of mel from 0 Hz to half the rate, each of area 1 in Hz.
fn bands() -> Vec<Band> {
    let nyquist = f64::from(RATE) / 2.0;
    let top = hz_to_mel(nyquist);
    let corner = |index: usize| mel_to_hz(top * index as f64 / (BANDS + 1) as f64);
    let bin_hz = nyquist / (BINS - 1) as f64;
    (0..BANDS)
        .map(|index| {
            let (low, centre, high) = (corner(index), corner(index + 1), corner(index + 2));
            let weight = |bin: usize| {
                let hz = bin as f64 * bin_hz;
                let rising = (hz - low) / (centre - low);
                let falling = (high - hz) / (high - centre);
                (rising.min(falling).max(0.0) * 2.0 / (high - low)) as f32
            };
            let first = (0..BINS).find(|&bin| weight(bin) > 0.0).unwrap_or(0);
            let weights = (first..BINS).map(weight).take_while(|&weight| weight > 0.0).collect();
            Band { first, weights }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mel_scale_goes_there_and_back() {
        for hz in [0.0, 440.0, 999.0, 1_000.0, 3_400.0, 8_000.0] {
            assert!((mel_to_hz(hz_to_mel(hz)) - hz).abs() < 1e-9);
        }
        assert!((hz_to_mel(6_400.0) - 42.0).abs() < 1e-12);
    }

    #[test]
    fn every_band_hears_something() {
        let bands = bands();
        assert_eq!(bands.len(), BANDS);
        assert!(bands.iter().all(|band| !band.weights.is_empty()));
        assert!(bands.windows(2).all(|pair| pair[0].first <= pair[1].first));
    }

    #[test]
    fn frames_inside_the_leading_zeros_are_copied_rightly() {
        // A second of sound alone, and the same after seven seconds of explicit zeros.
        let sound: Vec<i16> =
            (0..16_000).map(|n| ((f64::from(n) * 0.2).sin() * 9_000.0) as i16 + 50).collect();
        let mut explicit = vec![0; SAMPLES - sound.len()];
        explicit.extend_from_slice(&sound);
        let mut mel = LogMel::new();
        let (mut short, mut long) = (vec![0.0; BANDS * FRAMES], vec![0.0; BANDS * FRAMES]);
        mel.compute(&sound, &mut short);
        mel.compute(&explicit, &mut long);
        assert_eq!(short, long);
    }

    #[test]
    fn a_tone_is_loudest_in_its_band() {
        let tone: Vec<i16> = (0..SAMPLES)
            .map(|n| {
                let turn = n as f64 * 1_000.0 / f64::from(RATE) * std::f64::consts::TAU;
                (turn.sin() * 9_000.0) as i16
            })
            .collect();
        let mut features = vec![0.0; BANDS * FRAMES];
        LogMel::new().compute(&tone, &mut features);
        let loudest = (0..BANDS)
            .max_by(|&a, &b| features[a * FRAMES + 400].total_cmp(&features[b * FRAMES + 400]))
            .expect("there are bands");
        // 15 mels of 45.2 in 81 steps: between the corners 26 and 27.
        assert!((25..=26).contains(&loudest), "{loudest}");
    }

    #[test]
    fn silence_is_a_plain() {
        let mut features = vec![1.0; BANDS * FRAMES];
        LogMel::new().compute(&[], &mut features);
        assert!(features.iter().all(|&value| value == (-10.0 + 4.0) / 4.0));
    }
}
