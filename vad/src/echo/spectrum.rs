//! The levels of a signal's bands, frame by frame.

use std::fmt;
use std::sync::Arc;

use codecs::SampleRate;
use realfft::RealToComplex;
use realfft::num_complex::Complex;

use super::transform;

/// Bands of a frame.
pub(super) const BANDS: usize = 16;

/// What a frame holds: the mean power density of each band, in dB below that of white noise at full
/// scale.
pub(super) type Levels = [f32; BANDS];

/// The level of silence, a little above the idle noise of a µ-law line.
pub(super) const SILENCE: f32 = -66.0;

/// Milliseconds from one frame to the next. A frame is twice as long.
const HOP_MS: u32 = 16;

/// Samples of the longest frame, at 16 kHz.
pub(super) const MAX_FRAME: usize = 512;

/// The bands' edges in Hz. The telephone's band (ITU-T G.712: 300 to 3400 Hz), in steps that widen
/// as the ear's do, none narrower than three bins.
const EDGES: [u32; BANDS + 1] = [
    250, 344, 438, 540, 650, 780, 920, 1_080, 1_250, 1_430, 1_630, 1_850, 2_090, 2_350, 2_640,
    2_970, 3_350,
];

/// Measures frames. Allocates nothing once it is made.
pub(super) struct Spectrum {
    fft: Arc<dyn RealToComplex<f32>>,
    window: Box<[f32]>,
    /// First bin of each band, and one past the last band's.
    edges: [usize; BANDS + 1],
    /// Makes the power of a frame that of its samples.
    scale: f32,
    input: Vec<f32>,
    bins: Vec<Complex<f32>>,
    scratch: Vec<Complex<f32>>,
}

impl Spectrum {
    /// `None` for rates that the detectors do not know.
    pub(super) fn new(rate: SampleRate) -> Option<Self> {
        let size = 2 * hop(rate)?;
        let fft = transform::forward(size)?;
        let step = std::f64::consts::TAU / size as f64;
        let window: Box<[f32]> =
            (0..size).map(|n| (0.5 - 0.5 * (step * n as f64).cos()) as f32).collect();
        let energy: f32 = window.iter().map(|w| w * w).sum();
        Some(Self {
            edges: EDGES.map(|hz| (hz as usize * size).div_ceil(rate.hz() as usize)),
            scale: 1.0 / (energy * 32_768.0 * 32_768.0),
            input: fft.make_input_vec(),
            bins: fft.make_output_vec(),
            scratch: fft.make_scratch_vec(),
            fft,
            window,
        })
    }

    /// The levels of a frame: twice [`hop`] samples.
    pub(super) fn measure(&mut self, frame: &[i16]) -> Levels {
        if frame.iter().all(|&sample| sample == 0) {
            return [SILENCE; BANDS];
        }
        for ((input, &sample), window) in self.input.iter_mut().zip(frame).zip(&self.window) {
            *input = f32::from(sample) * window;
        }
        self.fft
            .process_with_scratch(&mut self.input, &mut self.bins, &mut self.scratch)
            .expect("the buffers are the transform's own");
        std::array::from_fn(|band| {
            let bins = &self.bins[self.edges[band]..self.edges[band + 1]];
            let power: f32 = bins.iter().map(Complex::norm_sqr).sum();
            let mean = power * self.scale / bins.len() as f32;
            // The silence is added and not cut off, so that near it levels do not jump.
            10.0 * (mean + 2.5e-7).log10()
        })
    }
}

impl fmt::Debug for Spectrum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Spectrum").field("scale", &self.scale).finish_non_exhaustive()
    }
}

/// Samples from one frame to the next; `None` for rates that the detectors do not know.
pub(super) const fn hop(rate: SampleRate) -> Option<usize> {
    match rate.hz() {
        8_000 | 16_000 => Some((rate.hz() * HOP_MS / 1_000) as usize),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use codecs::noise::Noise;

    fn levels(rate: SampleRate, samples: &[i16]) -> Vec<Levels> {
        let mut spectrum = Spectrum::new(rate).expect("a known rate");
        let hop = hop(rate).expect("a known rate");
        samples.windows(2 * hop).step_by(hop).map(|frame| spectrum.measure(frame)).collect()
    }

    #[test]
    fn white_noise_has_its_level_in_every_band_at_both_rates() {
        for (rate, length) in [(SampleRate::HZ_8000, 80_000), (SampleRate::HZ_16000, 160_000)] {
            let mut samples = vec![0; length];
            Noise::new(-30.0, 3).fill_into(&mut samples);
            let all = levels(rate, &samples);
            assert_eq!(all.len(), 624);
            for band in 0..BANDS {
                let power = |levels: &Levels| 10_f32.powf(levels[band] / 10.0);
                let mean = all.iter().map(power).sum::<f32>() / all.len() as f32;
                // A sine at 0 dBFS is 3 dB below a square wave, full scale of these levels.
                let level = 10.0 * mean.log10();
                assert!((level + 33.0).abs() < 0.8, "{rate:?}, band {band}: {level} dB");
            }
        }
    }

    #[test]
    fn a_tone_is_in_its_band() {
        let step = std::f32::consts::TAU * 1_000.0 / 8_000.0;
        let tone: Vec<i16> =
            (0..2_000).map(|n| (10_000.0 * (step * n as f32).sin()) as i16).collect();
        let last = levels(SampleRate::HZ_8000, &tone)[10];
        let loudest = (0..BANDS).max_by(|&a, &b| last[a].total_cmp(&last[b]));
        assert_eq!(loudest.map(|band| EDGES[band]), Some(920));
        assert!(last[0] < last[6] - 40.0 && last[15] < last[6] - 40.0, "{last:?}");
    }

    #[test]
    fn silence_has_a_level() {
        assert_eq!(levels(SampleRate::HZ_8000, &[0; 256]), [[SILENCE; BANDS]]);
    }

    #[test]
    fn other_rates_are_not_known() {
        assert!(Spectrum::new(SampleRate::HZ_48000).is_none());
    }
}
