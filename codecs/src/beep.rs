//! The beep of an answering machine: one steady tone, and then somebody listens.
//!
//! Machines beep at anything from 400 to 2,000 Hz for anything from 100 ms to 2 s. What tells a
//! beep from a voice, from music and from a keypad is that it is a single sine which changes
//! neither its frequency nor its level: of each block of 20 ms one sine must be nearly all there
//! is. A bank of Goertzel filters finds it roughly, the turn of its phase between the two halves
//! of the block finds it to a few Hz, and the sum over the whole block tells how much of the block
//! it is.

use std::f32::consts::TAU;

use crate::SampleRate;

/// Lowest frequency of a beep, in Hz. Below lie the fundamentals of voices.
const LOWEST_HZ: f32 = 400.0;
/// Between two filters, in Hz: half of what a block of 20 ms can tell apart.
const SPACING_HZ: f32 = 25.0;
/// Filters.
const FILTERS: usize = 65;
/// Highest frequency, in Hz: 2,000.
const HIGHEST_HZ: f32 = LOWEST_HZ + SPACING_HZ * (FILTERS - 1) as f32;
/// Blocks in a second.
const BLOCKS_PER_SECOND: u32 = 50;
/// Least mean power: that of a sine of -40 dBFS.
const LEAST_POWER: f32 = 32_768.0 * 32_768.0 / 2.0 * 1e-4;
/// Share of a block's power that its sine must have: noise may be 7.5 dB below. A vowel comes this
/// near where a single harmonic stands out, but not for five blocks at one frequency.
const PURITY: f32 = 0.85;
/// Most that the frequency may differ from block to block, in Hz. A held note of a voice wavers by
/// 1 %.
const WAVER_HZ: f32 = 6.0;
/// Most that the power may differ from the tone's so far: 3 dB.
const SWELL: f32 = 2.0;
/// Blocks that lie wholly within a tone of 100 ms, wherever it begins.
const LEAST_BLOCKS: u32 = 4;
/// Longest beep, in blocks: 2 s. Beyond, it is a fax, or the line.
const MOST_BLOCKS: u32 = 100;

/// A beep that has ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Beep {
    /// Its frequency, in Hz.
    pub hz: f32,
    /// About where it began, in samples of the stream.
    pub began: u64,
    /// About where it ended.
    pub ended: u64,
}

/// Finds beeps in a stream.
#[derive(Clone, Debug)]
pub struct BeepDetector {
    rate: SampleRate,
    coefficients: [f32; FILTERS],
    block: Box<[f32]>,
    filled: usize,
    /// Samples of the blocks that were judged.
    position: u64,
    tone: Option<Tone>,
}

/// The tone in progress.
#[derive(Clone, Copy, Debug)]
struct Tone {
    hz: f32,
    power: f32,
    blocks: u32,
    began: u64,
}

/// A block that is nearly all one sine.
#[derive(Clone, Copy, Debug)]
struct Sine {
    hz: f32,
    power: f32,
}

impl BeepDetector {
    /// A detector at the beginning of a stream of `rate`, 8 kHz or more.
    pub fn new(rate: SampleRate) -> Self {
        let hz = rate.hz() as f32;
        let mut coefficients = [0.0; FILTERS];
        for (filter, coefficient) in coefficients.iter_mut().enumerate() {
            *coefficient = 2.0 * (TAU * frequency(filter) / hz).cos();
        }
        let block = vec![0.0; (rate.hz() / BLOCKS_PER_SECOND) as usize].into();
        Self { rate, coefficients, block, filled: 0, position: 0, tone: None }
    }

    /// Takes the stream's next samples and hands each beep that has ended to `event`, within 40 ms
    /// of its end. Never allocates.
    pub fn process(&mut self, mut samples: &[i16], mut event: impl FnMut(Beep)) {
        while !samples.is_empty() {
            let taken = samples.len().min(self.block.len() - self.filled);
            let (block, rest) = samples.split_at(taken);
            for (slot, &sample) in self.block[self.filled..].iter_mut().zip(block) {
                *slot = f32::from(sample);
            }
            self.filled += taken;
            samples = rest;
            if self.filled == self.block.len() {
                self.filled = 0;
                let sine = self.sine();
                self.advance(sine, &mut event);
                self.position += self.block.len() as u64;
            }
        }
    }

    /// The sine that is nearly all of the block.
    fn sine(&self) -> Option<Sine> {
        let power = power(&self.block);
        if power < LEAST_POWER {
            return None;
        }
        let filter = self.strongest();
        let hz = self.rate.hz() as f32;
        let rough = frequency(filter);
        let (first, second) = self.block.split_at(self.block.len() / 2);
        let one = amplitude(first, rough / hz, 0);
        let two = amplitude(second, rough / hz, first.len());
        // A sine of another frequency turns against the filter's from one half to the next.
        let (re, im) = (one.0 * two.0 + one.1 * two.1, one.0 * two.1 - one.1 * two.0);
        let seconds = first.len() as f32 / hz;
        let found = rough + im.atan2(re) / (TAU * seconds);
        if !(LOWEST_HZ - WAVER_HZ..=HIGHEST_HZ + WAVER_HZ).contains(&found) {
            return None;
        }
        let (re, im) = amplitude(&self.block, found / hz, 0);
        let length = self.block.len() as f32;
        let share = 2.0 * (re * re + im * im) / (length * length) / power;
        (share >= PURITY).then_some(Sine { hz: found, power })
    }

    /// The filter that passes most of the block.
    fn strongest(&self) -> usize {
        let (mut one, mut two) = ([0.0_f32; FILTERS], [0.0_f32; FILTERS]);
        for &sample in &self.block {
            for filter in 0..FILTERS {
                let next = sample + self.coefficients[filter] * one[filter] - two[filter];
                two[filter] = one[filter];
                one[filter] = next;
            }
        }
        let passed = |filter: usize| {
            let (one, two) = (one[filter], two[filter]);
            one * one + two * two - self.coefficients[filter] * one * two
        };
        (0..FILTERS).max_by(|&a, &b| passed(a).total_cmp(&passed(b))).unwrap_or(0)
    }

    fn advance(&mut self, sine: Option<Sine>, event: &mut impl FnMut(Beep)) {
        if let (Some(tone), Some(sine)) = (&mut self.tone, sine)
            && (tone.hz - sine.hz).abs() <= WAVER_HZ
            && sine.power <= tone.power * SWELL
            && tone.power <= sine.power * SWELL
        {
            let blocks = tone.blocks as f32;
            tone.hz = (tone.hz * blocks + sine.hz) / (blocks + 1.0);
            tone.blocks += 1;
            return;
        }
        if let Some(tone) = self.tone.take()
            && (LEAST_BLOCKS..=MOST_BLOCKS).contains(&tone.blocks)
        {
            event(Beep { hz: tone.hz, began: tone.began, ended: self.position });
        }
        self.tone =
            sine.map(|Sine { hz, power }| Tone { hz, power, blocks: 1, began: self.position });
    }
}

fn frequency(filter: usize) -> f32 {
    LOWEST_HZ + SPACING_HZ * filter as f32
}

fn power(samples: &[f32]) -> f32 {
    samples.iter().map(|sample| sample * sample).sum::<f32>() / samples.len() as f32
}

/// The Fourier sum of `samples` at `turns` per sample; the phase counts from `from` samples before
/// the first.
fn amplitude(samples: &[f32], turns: f32, from: usize) -> (f32, f32) {
    let (step_sin, step_cos) = (TAU * turns).sin_cos();
    let (mut sin, mut cos) = (TAU * (turns * from as f32).fract()).sin_cos();
    let (mut re, mut im) = (0.0, 0.0);
    for &sample in samples {
        re += sample * cos;
        im += sample * sin;
        (sin, cos) = (sin * step_cos + cos * step_sin, cos * step_cos - sin * step_sin);
    }
    (re, -im)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::dtmf;
    use crate::g711;
    use crate::noise::Noise;
    use crate::tone::{Partial, Tone as Sound};

    const RATE: SampleRate = SampleRate::HZ_8000;

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn sound(mut tone: Sound) -> Vec<i16> {
        let mut samples = vec![0; usize::try_from(tone.remaining()).expect("short")];
        tone.fill_into(&mut samples);
        samples
    }

    fn sine(rate: SampleRate, hz: f64, level: f64, length: Duration) -> Vec<i16> {
        sound(Sound::single(rate, Partial::new(hz, level), length))
    }

    /// In 20 ms frames, after `lead` of silence and before half a second of it.
    fn found(rate: SampleRate, lead: Duration, samples: &[i16]) -> Vec<Beep> {
        let silence = |length| vec![0; rate.samples_in(length) as usize];
        let line = [silence(lead), samples.to_vec(), silence(ms(500))].concat();
        let mut beeps = Vec::new();
        let mut detector = BeepDetector::new(rate);
        for frame in line.chunks(rate.hz() as usize / 50) {
            detector.process(frame, |beep| beeps.push(beep));
        }
        beeps
    }

    #[test]
    fn a_beep_is_found_wherever_it_begins_and_however_it_sounds() {
        for rate in [RATE, SampleRate::HZ_16000] {
            for hz in [400.0, 440.0, 613.0, 987.5, 1_004.0, 1_400.0, 1_993.0] {
                for (offset, length) in [(0, 100), (7, 100), (13, 240), (19, 1_000), (3, 1_900)] {
                    let beeps = found(rate, ms(100 + offset), &sine(rate, hz, -15.0, ms(length)));
                    let [beep] = beeps[..] else { panic!("{hz} Hz, {length} ms: {beeps:?}") };
                    assert!((f64::from(beep.hz) - hz).abs() < 3.0, "{hz} Hz: {beep:?}");
                    let ended = rate.samples_in(ms(100 + offset + length));
                    let off = rate.duration_of(beep.ended.abs_diff(ended));
                    assert!(off <= ms(20), "{hz} Hz, {length} ms: ended {off:?} off");
                }
            }
        }
    }

    #[test]
    fn a_faint_beep_on_a_noisy_line_is_found_as_the_line_codes_it() {
        for seed in 0..20 {
            let mut line = sine(RATE, 1_000.0 + 7.0 * seed as f64, -32.0, ms(400));
            Noise::new(-45.0, seed).add_into(&mut line);
            for sample in &mut line {
                *sample = g711::mulaw_decode(g711::mulaw_encode(*sample));
            }
            assert_eq!(found(RATE, ms(50), &line).len(), 1, "seed {seed}");
        }
    }

    #[test]
    fn what_is_no_beep_is_not_taken_for_one() {
        let too_short = sine(RATE, 1_000.0, -15.0, ms(60));
        let too_long = sine(RATE, 1_000.0, -15.0, ms(2_500));
        let too_low = sine(RATE, 200.0, -15.0, ms(500));
        let too_faint = sine(RATE, 1_000.0, -45.0, ms(500));
        let key = dtmf::tone(RATE, '5', ms(500)).map(sound).expect("a key");
        let mut noise = vec![0; 8_000];
        Noise::new(-20.0, 1).fill_into(&mut noise);
        // American ringing is two tones.
        let pair = [Partial::new(440.0, -19.0), Partial::new(480.0, -19.0)];
        let ringing = sound(Sound::dual(RATE, pair, ms(1_500)));
        // A voice's vowel at 210 Hz, with four harmonics.
        let vowel: Vec<i16> = (0..4_000)
            .map(|n| {
                let turn = TAU * 210.0 * n as f32 / 8_000.0;
                let harmonics = [(1.0, 0.5), (2.0, 1.0), (3.0, 0.4), (4.0, 0.2)];
                let sum: f32 = harmonics.iter().map(|(k, level)| level * (turn * k).sin()).sum();
                (4_000.0 * sum) as i16
            })
            .collect();
        // A siren.
        let mut phase = 0.0;
        let siren: Vec<i16> = (0..8_000)
            .map(|n| {
                phase += TAU * (700.0 + n as f32 / 10.0) / 8_000.0;
                (8_000.0 * phase.sin()) as i16
            })
            .collect();
        for (what, samples) in [
            ("too short", too_short),
            ("too long", too_long),
            ("too low", too_low),
            ("too faint", too_faint),
            ("a key", key),
            ("noise", noise),
            ("ringing", ringing),
            ("a vowel", vowel),
            ("a siren", siren),
        ] {
            assert_eq!(found(RATE, ms(33), &samples), [], "{what}");
        }
    }

    #[test]
    fn blocks_of_any_length_give_the_same() {
        let line = [vec![0; 333], sine(RATE, 850.0, -12.0, ms(300)), vec![0; 999]].concat();
        let beeps = |size| {
            let mut beeps = Vec::new();
            let mut detector = BeepDetector::new(RATE);
            for block in line.chunks(size) {
                detector.process(block, |beep| beeps.push(beep));
            }
            beeps
        };
        assert_eq!(beeps(160).len(), 1);
        assert_eq!(beeps(1), beeps(160));
        assert_eq!(beeps(4_001), beeps(160));
    }
}
