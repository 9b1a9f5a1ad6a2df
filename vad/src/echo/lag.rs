//! How late the assistant's voice comes back: the lag at which the caller's sound and the
//! assistant's are alike to the wave.
//!
//! A generalised cross-correlation with phase transform (Knapp and Carter 1976), whose spectra are
//! kept apart for each 32 ms of lag and summed over some blocks of sound. Every bin with sound
//! weighs the same, so that the result tells its own certainty: without an echo it is like Gaussian
//! noise of a known deviation.

use std::fmt;
use std::sync::Arc;

use codecs::SampleRate;
use realfft::num_complex::Complex;
use realfft::{ComplexToReal, RealToComplex};

use super::transform;

/// A block: 32 ms, as the detectors' windows.
pub(super) const BLOCK_MS: u32 = 32;

/// Blocks by which the reference is ahead of the caller's: a playhead is an estimate, and an echo
/// may come before it by as much.
pub(super) const AHEAD: usize = 2;

/// Spans of lag, of a block each: from -64 ms to 640 ms. A call over two mobile networks comes back
/// after 400 to 500 ms.
const SPANS: usize = 22;

/// The bins that are compared: 250 to 3,400 Hz, a telephone's band (ITU-T G.712), at 15.6 Hz each.
const FIRST_BIN: usize = 16;
const BINS: usize = 203;

/// What remains of a block's weight with each block of sound after it.
const FORGET: f32 = 0.9;

/// Bins whose noise is taken to be the same.
const GROUP: usize = 16;

/// A bin holds sound that is this many times its noise.
const SOUND: f32 = 4.0;

/// Fewest such bins of a block of sound.
const FEWEST_BINS: usize = 10;

/// A lag within so many samples is the same.
const SAME: i64 = 4;
/// What a lag that is the likeliest again gains in certainty, ...
const REPEATED: f32 = 0.7;
/// ... at most so many times.
const MOST_REPEATS: u32 = 5;

type Bins = [Complex<f32>; BINS];

/// An echo's lag.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Lag {
    /// In samples.
    pub(super) samples: i64,
    /// By how many standard deviations it stands out.
    pub(super) certainty: f32,
}

/// Looks for the lag. Allocates nothing once it is made.
pub(super) struct LagFinder {
    block: usize,
    forward: Arc<dyn RealToComplex<f32>>,
    backward: Arc<dyn ComplexToReal<f32>>,
    samples: Vec<f32>,
    spectrum: Vec<Complex<f32>>,
    scratch: Vec<Complex<f32>>,
    /// The phases of the reference's last blocks, each with the block before it: a ring.
    far: Box<[Bins; SPANS]>,
    /// The noise of the caller's line.
    noise: [f32; BINS.div_ceil(GROUP)],
    /// Summed cross-spectra.
    sums: Box<[Bins; SPANS]>,
    /// How many unit phasors were summed, their weights squared.
    weights: [f32; SPANS],
    /// The likeliest lag of the block of sound before.
    last: Option<i64>,
    /// For how many blocks it has been the likeliest.
    repeats: u32,
}

impl LagFinder {
    /// `None` for rates that the detectors do not know.
    pub(super) fn new(rate: SampleRate) -> Option<Self> {
        let block = block(rate)?;
        let (forward, backward) = (transform::forward(2 * block)?, transform::inverse(2 * block)?);
        let scratch = forward.get_scratch_len().max(backward.get_scratch_len());
        Some(Self {
            block,
            samples: vec![0.0; 2 * block],
            spectrum: forward.make_output_vec(),
            scratch: vec![Complex::default(); scratch],
            forward,
            backward,
            far: Box::new([[Complex::default(); BINS]; SPANS]),
            noise: [loudest_noise(block); BINS.div_ceil(GROUP)],
            sums: Box::new([[Complex::default(); BINS]; SPANS]),
            weights: [0.0; SPANS],
            last: None,
            repeats: 0,
        })
    }

    /// Takes the reference's block `number`, behind the block before it. What was taken for it
    /// before is forgotten: it was a forecast.
    pub(super) fn play(&mut self, number: usize, blocks: &[i16]) {
        let slot = &mut self.far[number % SPANS];
        slot.fill(Complex::default());
        if blocks.iter().all(|sample| sample.unsigned_abs() < 32) {
            return;
        }
        for (sample, &value) in self.samples.iter_mut().zip(blocks) {
            *sample = f32::from(value);
        }
        taper(&mut self.samples, self.block / 4);
        self.transform();
        for (phase, bin) in self.far[number % SPANS].iter_mut().zip(&self.spectrum[FIRST_BIN..]) {
            *phase = bin / (bin.norm() + 1.0);
        }
    }

    /// Takes the caller's next block, and returns the likeliest lag where the block held sound.
    /// `newest` is the number of the reference's last block, which is [`AHEAD`] blocks further;
    /// `None`: it learns the noise only.
    pub(super) fn hear(&mut self, block: &[i16], newest: Option<usize>) -> Option<Lag> {
        self.samples.fill(0.0);
        for (sample, &value) in self.samples.iter_mut().zip(block) {
            *sample = f32::from(value);
        }
        taper(&mut self.samples[..self.block], self.block / 4);
        self.transform();
        let mut near = [Complex::default(); BINS];
        let mut bins = 0;
        let groups = self.spectrum[FIRST_BIN..FIRST_BIN + BINS].chunks(GROUP);
        for ((group, noise), near) in groups.zip(&mut self.noise).zip(near.chunks_mut(GROUP)) {
            let power = group.iter().map(Complex::norm_sqr).sum::<f32>() / group.len() as f32;
            // Down within 100 ms, up by 3 dB a second.
            *noise = if power < *noise { *noise * 0.7 + power * 0.3 } else { *noise * 1.022 };
            for (bin, near) in group.iter().zip(near) {
                let power = bin.norm_sqr();
                if power > SOUND * *noise {
                    *near = bin.conj() / power.sqrt();
                    bins += 1;
                }
            }
        }
        let newest = newest.filter(|_| bins >= FEWEST_BINS)?;
        self.sum(&near, bins as f32, newest);
        let mut lag = self.search()?;
        let same = self.last.is_some_and(|last| (last - lag.samples).abs() <= SAME);
        self.repeats = if same { (self.repeats + 1).min(MOST_REPEATS) } else { 0 };
        self.last = Some(lag.samples);
        lag.certainty += REPEATED * self.repeats as f32;
        Some(lag)
    }

    fn sum(&mut self, near: &Bins, bins: f32, newest: usize) {
        for span in 0..SPANS {
            self.weights[span] *= FORGET * FORGET;
            // The newest of the reference is the span of the earliest lags.
            let Some(number) = newest.checked_sub(span) else { continue };
            let far = &self.far[number % SPANS];
            let sums = &mut self.sums[span];
            let sounds = far[BINS / 3] != Complex::default();
            self.weights[span] += if sounds { bins } else { 0.0 };
            for ((sum, near), far) in sums.iter_mut().zip(near).zip(far) {
                *sum = *sum * FORGET + near * far;
            }
        }
    }

    fn search(&mut self) -> Option<Lag> {
        let mut best: Option<Lag> = None;
        for span in 0..SPANS {
            if self.weights[span] < FEWEST_BINS as f32 {
                continue;
            }
            self.spectrum.fill(Complex::default());
            self.spectrum[FIRST_BIN..FIRST_BIN + BINS].copy_from_slice(&self.sums[span]);
            self.backward
                .process_with_scratch(&mut self.spectrum, &mut self.samples, &mut self.scratch)
                .expect("the buffers are the transform's own, and nothing is at its ends");
            let peak = self.samples[..self.block]
                .iter()
                .enumerate()
                .max_by(|(_, a), (_, b)| a.abs().total_cmp(&b.abs()));
            let Some((at, peak)) = peak else { continue };
            let certainty = peak.abs() / (2.0 * self.weights[span]).sqrt();
            if best.is_none_or(|best| best.certainty < certainty) {
                // The reference's samples `at` later are the caller's.
                let span = span as i64 + 1 - AHEAD as i64;
                best = Some(Lag { samples: span * self.block as i64 - at as i64, certainty });
            }
        }
        best
    }

    fn transform(&mut self) {
        self.forward
            .process_with_scratch(&mut self.samples, &mut self.spectrum, &mut self.scratch)
            .expect("the buffers are the transform's own");
    }
}

impl fmt::Debug for LagFinder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LagFinder").field("weights", &self.weights).finish_non_exhaustive()
    }
}

/// Fades both ends of a block: their steps would look alike in everything.
fn taper(samples: &mut [f32], length: usize) {
    let count = samples.len();
    for at in 0..length {
        let gain = 0.5 - 0.5 * (std::f32::consts::PI * (at as f32 + 0.5) / length as f32).cos();
        samples[at] *= gain;
        samples[count - 1 - at] *= gain;
    }
}

/// The power of a bin of white noise at -50 dBFS: what the noise is taken for at first.
fn loudest_noise(block: usize) -> f32 {
    block as f32 * (32_768.0 * 10.0_f32.powf(-50.0 / 20.0)).powi(2) / 2.0
}

/// Samples of a block; `None` for rates that the detectors do not know.
pub(super) const fn block(rate: SampleRate) -> Option<usize> {
    match rate.hz() {
        8_000 | 16_000 => Some((rate.hz() * BLOCK_MS / 1_000) as usize),
        _ => None,
    }
}
