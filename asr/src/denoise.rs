//! Noise taken out of what a recogniser hears (Vapi's `backgroundSpeechDenoisingPlan`), by RNNoise.
//!
//! It stands before the recogniser and nothing else: voice activity and the turn model are trained
//! on noise and tell more with it. RNNoise works on 10 ms at 48 kHz and answers one such frame
//! late, so audio comes to the recogniser [`DELAY_MS`] late in all. Its place in the stream is kept:
//! sample `n` that goes in is sample `n` that the recogniser gets.
//!
//! Half of what comes out is what came in: recognisers are trained on noise too, and miss what a
//! denoiser takes out of speech more than they gain by silence between the words.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use codecs::resample::UnsupportedRates;
use codecs::{Resampler, SampleRate};
use nnnoiseless::DenoiseState;

use crate::{Hint, Recognizer, RecognizerError, RecognizerEvent, RecognizerStream, StreamConfig};

/// How late audio comes to the recogniser: two frames of RNNoise and both resamplers.
pub const DELAY_MS: u64 = 29;

const PROVIDER: &str = "denoising";

/// What RNNoise works at.
const RATE: SampleRate = SampleRate::HZ_48000;

/// A recogniser that hears its callers without the noise around them.
#[derive(Clone)]
pub struct Denoising(Arc<dyn Recognizer>);

impl Denoising {
    /// The same recogniser, behind a denoiser for each stream.
    pub fn new(recognizer: Arc<dyn Recognizer>) -> Self {
        Self(recognizer)
    }
}

impl fmt::Debug for Denoising {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Denoising").field(&self.0).finish()
    }
}

impl Recognizer for Denoising {
    fn prepare(&self, config: &StreamConfig) {
        self.0.prepare(config);
    }

    fn backlog(&self) -> usize {
        self.0.backlog()
    }

    fn lost_samples(&self) -> u64 {
        self.0.lost_samples()
    }

    fn open(&self, config: &StreamConfig) -> Result<Box<dyn RecognizerStream>, RecognizerError> {
        let denoiser = Denoiser::new(config.rate).map_err(|error| RecognizerError::Rate {
            provider: PROVIDER,
            reason: error.to_string(),
        })?;
        let recognizer = self.0.open(config)?;
        Ok(Box::new(Stream { denoiser, recognizer, clean: Vec::with_capacity(CLEAN) }))
    }
}

/// Samples of one push, beyond which the buffer grows: 100 ms at 16 kHz.
const CLEAN: usize = 1_600;

struct Stream {
    denoiser: Denoiser,
    recognizer: Box<dyn RecognizerStream>,
    clean: Vec<i16>,
}

impl RecognizerStream for Stream {
    fn push(&mut self, samples: &[i16]) {
        self.clean.clear();
        self.denoiser.process(samples, &mut self.clean);
        self.recognizer.push(&self.clean);
    }

    fn hint(&mut self, hint: Hint) {
        self.recognizer.hint(hint);
    }

    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<RecognizerEvent> {
        self.recognizer.poll_event(cx)
    }
}

/// Takes noise out of one stream.
pub struct Denoiser {
    up: Resampler,
    down: Resampler,
    state: Box<DenoiseState<'static>>,
    /// What came in and is not clean yet.
    noisy: VecDeque<i16>,
    /// At 48 kHz, less than a frame.
    waiting: Vec<i16>,
    /// At 48 kHz, without noise.
    clean: Vec<i16>,
    input: [f32; DenoiseState::FRAME_SIZE],
    output: [f32; DenoiseState::FRAME_SIZE],
    /// The first frame only brings out what was before the stream.
    first: bool,
}

impl fmt::Debug for Denoiser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Denoiser").field("waiting", &self.waiting.len()).finish_non_exhaustive()
    }
}

impl Denoiser {
    /// A denoiser at the beginning of a stream of `rate`.
    ///
    /// # Errors
    ///
    /// Where `rate` cannot be brought to 48 kHz.
    pub fn new(rate: SampleRate) -> Result<Self, UnsupportedRates> {
        let frame = DenoiseState::FRAME_SIZE;
        Ok(Self {
            up: Resampler::new(rate, RATE)?,
            down: Resampler::new(RATE, rate)?,
            state: DenoiseState::new(),
            noisy: VecDeque::with_capacity(4_800),
            waiting: Vec::with_capacity(20 * frame),
            clean: Vec::with_capacity(20 * frame),
            input: [0.0; DenoiseState::FRAME_SIZE],
            output: [0.0; DenoiseState::FRAME_SIZE],
            first: true,
        })
    }

    /// Takes the next samples and appends those that are clean by now to `out`: in the end as many,
    /// each in its place. Allocates only where more than 200 ms come at once.
    pub fn process(&mut self, samples: &[i16], out: &mut Vec<i16>) {
        self.noisy.extend(samples);
        self.up.process(samples, &mut self.waiting);
        self.clean.clear();
        let frames = self.waiting.chunks_exact(DenoiseState::FRAME_SIZE);
        let rest = frames.remainder().len();
        for frame in frames {
            for (input, &sample) in self.input.iter_mut().zip(frame) {
                *input = f32::from(sample);
            }
            self.state.process_frame(&mut self.output, &self.input);
            if std::mem::take(&mut self.first) {
                continue;
            }
            self.clean.extend(self.output.iter().map(|&sample| quantise(sample)));
        }
        let taken = self.waiting.len() - rest;
        self.waiting.drain(..taken);
        let begin = out.len();
        self.down.process(&self.clean, out);
        let noisy = self.noisy.drain(..out.len() - begin);
        for (clean, noisy) in out[begin..].iter_mut().zip(noisy) {
            // The mean of two samples is one.
            *clean = i32::midpoint(i32::from(*clean), i32::from(noisy)) as i16;
        }
    }
}

/// Rounds, and clips at full scale.
fn quantise(sample: f32) -> i16 {
    // A cast saturates.
    sample.round() as i16
}

#[cfg(test)]
mod tests {
    use codecs::noise::Noise;
    use codecs::pcm::level_dbfs;

    use super::*;

    fn clean(rate: SampleRate, samples: &[i16], block: usize) -> Vec<i16> {
        let mut denoiser = Denoiser::new(rate).expect("a rate in use");
        let mut clean = Vec::new();
        for block in samples.chunks(block) {
            denoiser.process(block, &mut clean);
        }
        clean
    }

    #[test]
    fn each_sample_comes_in_its_place_and_not_much_later() {
        for rate in [SampleRate::HZ_8000, SampleRate::HZ_16000] {
            // Clicks, which RNNoise lets through in part.
            let period = rate.hz() as usize / 4;
            let samples: Vec<i16> = (0..rate.hz() as usize * 2)
                .map(|n| if n % period < 4 { 16_000 } else { 0 })
                .collect();
            let clean = clean(rate, &samples, 160);
            let late = rate.duration_of((samples.len() - clean.len()) as u64).as_millis();
            assert!(u64::try_from(late).expect("short") <= DELAY_MS, "{late} ms at {rate:?}");
            let around = |at: usize| {
                let window = &clean[at - period / 2..at + period / 2];
                window.iter().map(|s| s.unsigned_abs()).enumerate().max_by_key(|&(_, s)| s)
            };
            for click in 2..7 {
                let (at, _) = around(click * period).expect("a window");
                let off = at.abs_diff(period / 2);
                assert!(off <= rate.hz() as usize / 500, "click {click}: {off} samples off");
            }
        }
    }

    #[test]
    fn steady_noise_is_halved() {
        let mut noise = vec![0; 40_000];
        Noise::new(-35.0, 1).fill_into(&mut noise);
        let clean = clean(SampleRate::HZ_8000, &noise, 160);
        // Half of it is left, and nothing of the other half.
        let level = level_dbfs(&clean[16_000..]);
        assert!((-42.0..-40.0).contains(&level), "{level} dBFS of -35");
    }

    #[test]
    fn blocks_of_any_length_give_the_same() {
        let mut noise = vec![0; 8_000];
        Noise::new(-35.0, 2).fill_into(&mut noise);
        let one = clean(SampleRate::HZ_8000, &noise, 160);
        let other = clean(SampleRate::HZ_8000, &noise, 33);
        let length = one.len().min(other.len());
        assert!(length > 7_700);
        assert_eq!(one[..length], other[..length]);
    }
}
