//! Streaming resampling of mono 16-bit audio between any two of the rates in use.
//!
//! A polyphase windowed sinc on rubato's `Async`, used where its `Nearest` interpolation is exact:
//! the sinc is tabulated at every phase the ratio of the rates can produce, so one dot product
//! makes one output sample and there is no interpolation error. The FFT resamplers would be
//! cheaper per sample at long blocks, but hold back a whole block; telephony wants the delay.
//!
//! The filter spans 64 samples of the slower rate under a Blackman window, cut off at 0.94 of its
//! half: flat within 0.01 dB up to 0.85 of it (3400 Hz at 8 kHz, the telephone band), and more
//! than 80 dB down from 1.15 of it on, so that nothing aliases into that band. That costs 4.1 ms
//! of delay where 8 kHz is the slower rate, and about 5 µs of a core for 20 ms of 8 to 16 kHz.

use rubato::audioadapter_buffers::direct::SequentialSlice;
use rubato::{
    Async, FixedAsync, Indexing, Resampler as _, Resizable, SincInterpolationParameters,
    SincInterpolationType, WindowFunction,
};

use crate::SampleRate;
use crate::pcm::quantise;

/// Length of the filter in samples of the slower rate.
const SPAN: u64 = 64;
/// Where the filter is 6 dB down, relative to half of the slower rate.
const CUTOFF: f32 = 0.94;
/// Most input samples worked on at once, so that the scratch is small and fixed.
const BLOCK: usize = 480;
/// Most phases of the sinc: 44100 Hz to 11025 Hz and all their relatives to 48 kHz need 640.
const MAX_PHASES: u64 = 640;

/// A pair of rates that cannot be resampled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "cannot resample from {input} Hz to {output} Hz: both must be from 4000 to 192000 Hz, with a \
     ratio whose lowest terms are at most 640 (choose a standard rate, such as 8000, 16000, 22050, \
     24000, 44100 or 48000)"
)]
pub struct UnsupportedRates {
    /// Input rate in Hz.
    pub input: u32,
    /// Output rate in Hz.
    pub output: u32,
}

/// A mono resampler for one stream at a time.
///
/// Give it input in blocks of any length; each call returns what can be said by now. The output
/// is aligned with the input (the filter's delay is trimmed from the beginning), and
/// [`flush`](Self::flush) brings out the rest: in total `input * ratio` samples, rounded to the
/// nearest. Nothing is allocated after [`new`](Self::new) except what a caller's `Vec` needs to
/// grow. Between equal rates samples pass unchanged.
pub struct Resampler {
    input: SampleRate,
    output: SampleRate,
    filter: Option<Filter>,
    /// Samples of the stream taken and given so far.
    taken: u64,
    given: u64,
}

impl Resampler {
    /// A resampler from `input` to `output`. Tabulates the filter: microseconds for the ratios of
    /// 8, 16, 24 and 48 kHz, a millisecond or two for those of 22050 Hz and its relatives.
    ///
    /// # Errors
    ///
    /// Where the rates are out of range or their ratio needs too large a table.
    pub fn new(input: SampleRate, output: SampleRate) -> Result<Self, UnsupportedRates> {
        let filter = if input == output { None } else { Some(Filter::new(input, output)?) };
        Ok(Self { input, output, filter, taken: 0, given: 0 })
    }

    /// Samples per second taken in.
    pub fn input_rate(&self) -> SampleRate {
        self.input
    }

    /// Samples per second given out.
    pub fn output_rate(&self) -> SampleRate {
        self.output
    }

    /// How far the output lags behind the input, in input samples: the output up to the instant
    /// of input sample `n` is there once sample `n + delay()` was given. 33 samples, 4.1 ms, from
    /// 8 kHz to 16 kHz.
    pub fn delay(&self) -> usize {
        self.filter.as_ref().map_or(0, |filter| filter.delay)
    }

    /// Most samples that [`process_into`](Self::process_into) may write for `input_len` samples.
    pub fn output_bound(&self, input_len: usize) -> usize {
        let samples = input_len as u128 * u128::from(self.output.hz());
        let whole = samples.div_ceil(u128::from(self.input.hz()));
        usize::try_from(whole).unwrap_or(usize::MAX).saturating_add(2)
    }

    /// Most samples that [`flush_into`](Self::flush_into) may write.
    pub fn flush_bound(&self) -> usize {
        self.output_bound(self.delay() + 1)
    }

    /// Takes a block of input and writes what it makes possible to the beginning of `output`.
    /// Returns the number of samples written. Never allocates.
    ///
    /// # Panics
    ///
    /// Where `output` is shorter than [`output_bound`](Self::output_bound) says.
    pub fn process_into(&mut self, input: &[i16], output: &mut [i16]) -> usize {
        assert!(
            output.len() >= self.output_bound(input.len()),
            "the output has room for what the input can become"
        );
        self.taken += input.len() as u64;
        let written = match &mut self.filter {
            None => {
                output[..input.len()].copy_from_slice(input);
                input.len()
            }
            Some(filter) => {
                let mut written = 0;
                for block in input.chunks(BLOCK) {
                    written += filter.process(Some(block), block.len(), &mut output[written..]);
                }
                written
            }
        };
        self.given += written as u64;
        written
    }

    /// Takes a block of input and appends what it makes possible to `output`.
    pub fn process(&mut self, input: &[i16], output: &mut Vec<i16>) {
        let start = output.len();
        output.resize(start + self.output_bound(input.len()), 0);
        let written = self.process_into(input, &mut output[start..]);
        output.truncate(start + written);
    }

    /// Ends the stream: writes the rest of its output to the beginning of `output`, returns how
    /// many samples that was, and is ready for the next stream. Never allocates.
    ///
    /// # Panics
    ///
    /// Where `output` is shorter than [`flush_bound`](Self::flush_bound) says.
    pub fn flush_into(&mut self, output: &mut [i16]) -> usize {
        assert!(output.len() >= self.flush_bound(), "the output has room for the tail");
        let mut written = 0;
        if let Some(filter) = &mut self.filter {
            let scaled = u128::from(self.taken) * u128::from(self.output.hz());
            let hz = u128::from(self.input.hz());
            let total = ((scaled + hz / 2) / hz) as u64;
            // At most a filter's length is missing, so this fits.
            let missing = total.saturating_sub(self.given) as usize;
            while written < missing {
                written += filter.process(None, BLOCK, &mut output[written..missing]);
            }
        }
        self.reset();
        written
    }

    /// Ends the stream and appends the rest of its output to `output`.
    pub fn flush(&mut self, output: &mut Vec<i16>) {
        let start = output.len();
        output.resize(start + self.flush_bound(), 0);
        let written = self.flush_into(&mut output[start..]);
        output.truncate(start + written);
    }

    /// Drops the stream: nothing of it is heard in the next one.
    pub fn reset(&mut self) {
        self.taken = 0;
        self.given = 0;
        if let Some(filter) = &mut self.filter {
            filter.reset();
        }
    }
}

impl std::fmt::Debug for Resampler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Resampler")
            .field("input", &self.input)
            .field("output", &self.output)
            .field("delay", &self.delay())
            .field("taken", &self.taken)
            .field("given", &self.given)
            .finish()
    }
}

struct Filter {
    inner: Async<f32>,
    indexing: Indexing,
    delay: usize,
    /// Zeros fed ahead of a stream so that an output sample falls exactly on its first sample.
    lead_in: usize,
    /// Output samples before that one.
    lead_out: usize,
    /// Output samples of this stream still to be dropped.
    trim: usize,
    input: Vec<f32>,
    output: Vec<f32>,
}

impl Filter {
    fn new(input: SampleRate, output: SampleRate) -> Result<Self, UnsupportedRates> {
        let unsupported = || UnsupportedRates { input: input.hz(), output: output.hz() };
        let in_range = |rate: SampleRate| (4_000..=192_000).contains(&rate.hz());
        let divisor = gcd(input.hz().into(), output.hz().into());
        let (step, phases) = (u64::from(input.hz()) / divisor, u64::from(output.hz()) / divisor);
        if !in_range(input) || !in_range(output) || step > MAX_PHASES || phases > MAX_PHASES {
            return Err(unsupported());
        }

        // The slower rate's samples, counted at the input; rubato rounds up to a multiple of 8.
        let taps = (SPAN * step.max(phases)).div_ceil(phases).next_multiple_of(8);
        let parameters = SincInterpolationParameters {
            sinc_len: taps as usize,
            f_cutoff: Some(CUTOFF),
            oversampling_factor: phases as usize,
            interpolation: SincInterpolationType::Nearest,
            window: WindowFunction::Blackman,
        };
        let inner = Async::new_sinc(
            phases as f64 / step as f64,
            1.0,
            &parameters,
            BLOCK,
            1,
            FixedAsync::Input,
        )
        .map_err(|_| unsupported())?;

        // Output sample k of a fresh `Async` stands at input position
        // ((k + 1) * step + 1) / phases - taps / 2. With `lead_in` zeros ahead, the one numbered
        // `lead_out` stands at 0 of the stream; step and phases have no common divisor, so there
        // is such a pair below `step`.
        let (lead_in, lead_out) = (0..step)
            .find_map(|zeros| {
                let first = (zeros + taps / 2) * phases - 1;
                first.is_multiple_of(step).then(|| (zeros, first / step - 1))
            })
            .ok_or_else(unsupported)?;

        let output_room = inner.output_frames_max();
        let mut filter = Self {
            inner,
            indexing: Indexing::new(),
            // Rubato asks for one sample more than the half filter.
            delay: taps as usize / 2 + 1,
            lead_in: lead_in as usize,
            lead_out: lead_out as usize,
            trim: 0,
            input: vec![0.0; BLOCK],
            output: vec![0.0; output_room],
        };
        filter.reset();
        Ok(filter)
    }

    /// Feeds `len` samples (at most [`BLOCK`]), zeros where `input` is `None`. Writes as much as
    /// fits into `output`; only a flush makes that less than all.
    fn process(&mut self, input: Option<&[i16]>, len: usize, output: &mut [i16]) -> usize {
        if let Some(input) = input {
            for (float, &sample) in self.input.iter_mut().zip(input) {
                *float = f32::from(sample);
            }
        }
        self.indexing.partial_len = if input.is_some() { None } else { Some(0) };

        self.inner.set_chunk_size(len).expect("a block is never empty and never above BLOCK");
        let source = SequentialSlice::new(&self.input, 1, BLOCK).expect("the scratch's own length");
        let room = self.output.len();
        let mut sink =
            SequentialSlice::new_mut(&mut self.output, 1, room).expect("the scratch's own length");
        let (_, made) = self
            .inner
            .process_into_buffer(&source, &mut sink, Some(&self.indexing))
            .expect("both scratch buffers have the largest size rubato asks for");

        let trimmed = self.trim.min(made);
        self.trim -= trimmed;
        let made = &self.output[trimmed..made];
        let written = made.len().min(output.len());
        for (sample, &float) in output.iter_mut().zip(made) {
            *sample = quantise(float);
        }
        written
    }

    fn reset(&mut self) {
        self.inner.reset();
        self.trim = self.lead_out;
        if self.lead_in > 0 {
            // All of this output is before the stream, so it needs no room.
            let written = self.process(None, self.lead_in, &mut []);
            debug_assert_eq!(written, 0);
        }
    }
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(hz: u32) -> SampleRate {
        SampleRate::new(hz).expect("not zero")
    }

    fn convert(resampler: &mut Resampler, input: &[i16], block: usize) -> Vec<i16> {
        let mut output = Vec::new();
        for block in input.chunks(block) {
            resampler.process(block, &mut output);
        }
        resampler.flush(&mut output);
        output
    }

    const PAIRS: [(u32, u32); 16] = [
        (8_000, 16_000),
        (16_000, 8_000),
        (8_000, 24_000),
        (24_000, 8_000),
        (8_000, 48_000),
        (48_000, 8_000),
        (16_000, 24_000),
        (24_000, 16_000),
        (16_000, 48_000),
        (48_000, 16_000),
        (22_050, 8_000),
        (8_000, 22_050),
        (11_025, 8_000),
        (44_100, 16_000),
        (44_100, 48_000),
        (22_050, 16_000),
    ];

    #[test]
    fn the_length_is_exact_for_any_input_in_any_blocks() {
        for (from, to) in PAIRS {
            let mut resampler = Resampler::new(rate(from), rate(to)).expect("supported");
            for (len, block) in [(0, 1), (1, 1), (7, 3), (160, 160), (1_001, 77), (5_000, 4_999)] {
                let output = convert(&mut resampler, &vec![1_000; len], block);
                let expected = (len as f64 * f64::from(to) / f64::from(from)).round();
                assert_eq!(output.len() as f64, expected, "{from} to {to}, {len} samples");
            }
        }
    }

    #[test]
    fn blocks_make_the_same_output_as_one_piece() {
        let input: Vec<i16> = (0..4_000).map(|n| ((n * n) % 20_011 - 10_000) as i16).collect();
        for (from, to) in PAIRS {
            let mut resampler = Resampler::new(rate(from), rate(to)).expect("supported");
            let whole = convert(&mut resampler, &input, input.len());
            for block in [1, 13, 160, 481] {
                assert_eq!(convert(&mut resampler, &input, block), whole, "{from} to {to}");
            }
        }
    }

    #[test]
    fn an_impulse_stays_in_its_place_and_symmetric() {
        for (from, to) in PAIRS {
            // On a sample that both rates have.
            let divisor = gcd(from.into(), to.into()) as u32;
            let (step, phases) = ((from / divisor) as usize, (to / divisor) as usize);
            let periods = 400_usize.div_ceil(step);
            let mut input = vec![0; 2 * periods * step + 1];
            input[periods * step] = 20_000;
            let mut resampler = Resampler::new(rate(from), rate(to)).expect("supported");
            let output = convert(&mut resampler, &input, 160);
            let centre = periods * phases;
            for n in 1..30 {
                let (left, right) = (output[centre - n], output[centre + n]);
                assert!((left - right).abs() <= 1, "{from} to {to}: {left}, {right} at {n}");
            }
            let peak = output.iter().max().expect("not empty");
            assert_eq!(*peak, output[centre], "{from} to {to}");
        }
    }

    #[test]
    fn output_comes_within_the_stated_delay() {
        for (from, to) in PAIRS {
            let mut resampler = Resampler::new(rate(from), rate(to)).expect("supported");
            let mut output = Vec::new();
            for fed in 1..2_000 {
                resampler.process(&[500], &mut output);
                let Some(n) = (fed - 1_u64).checked_sub(resampler.delay() as u64) else { continue };
                let expected = n * u64::from(to) / u64::from(from) + 1;
                assert!(output.len() as u64 >= expected, "{from} to {to}: {fed} samples in");
            }
        }
        let telephone = [(8_000, 16_000), (16_000, 8_000)];
        for (from, to) in telephone {
            let delay = Resampler::new(rate(from), rate(to)).expect("supported").delay();
            assert!(rate(from).duration_of(delay as u64).as_micros() <= 5_000);
        }
    }

    #[test]
    fn a_reset_and_a_flush_leak_nothing() {
        let loud: Vec<i16> = (0..999).map(|n| if n % 7 < 3 { 30_000 } else { -30_000 }).collect();
        for (from, to) in PAIRS {
            let mut resampler = Resampler::new(rate(from), rate(to)).expect("supported");
            let mut output = Vec::new();
            resampler.process(&loud, &mut output);
            resampler.reset();
            output.clear();
            resampler.process(&[0; 999], &mut output);
            resampler.flush(&mut output);
            assert!(output.iter().all(|&s| s == 0), "{from} to {to} after a reset");

            let first = convert(&mut resampler, &loud, 160);
            assert_eq!(convert(&mut resampler, &loud, 160), first, "{from} to {to} after a flush");
        }
    }

    #[test]
    fn equal_rates_pass_unchanged() {
        let mut resampler = Resampler::new(rate(8_000), rate(8_000)).expect("supported");
        assert_eq!(resampler.delay(), 0);
        assert_eq!(convert(&mut resampler, &[1, -2, 3], 2), [1, -2, 3]);
    }

    #[test]
    fn rates_out_of_reach_are_refused_by_name() {
        for (from, to) in [(1, 8_000), (8_000, 400_000), (8_000, 44_101)] {
            let error = Resampler::new(rate(from), rate(to)).expect_err("out of reach");
            assert!(error.to_string().contains(&format!("from {from} Hz to {to} Hz")));
        }
    }
}
