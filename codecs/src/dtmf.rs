//! DTMF: the sixteen tone pairs of a keypad, made and recognised (ITU-T Q.23, Q.24).
//!
//! The detector works at 8 kHz on windows of 102 samples (12.75 ms) that advance by a third. A
//! Goertzel filter per frequency and third gives a complex amplitude; three of them added in
//! phase are the window's, and how the phase advances from one window to the next tells the
//! true frequency to a few Hz, which a window this short cannot by energy alone. That, and the
//! demand that the pair be nearly all there is, keeps speech from being taken for a digit.

use std::f32::consts::TAU;
use std::time::Duration;

use crate::SampleRate;
use crate::tone::{Partial, Tone};

/// The low and the high group, in Hz (Q.23 §4).
const LOW: [f32; 4] = [697.0, 770.0, 852.0, 941.0];
const HIGH: [f32; 4] = [1_209.0, 1_336.0, 1_477.0, 1_633.0];
/// The digits by low and high frequency.
const KEYPAD: [[char; 4]; 4] =
    [['1', '2', '3', 'A'], ['4', '5', '6', 'B'], ['7', '8', '9', 'C'], ['*', '0', '#', 'D']];

/// The shortest digit, and the shortest pause after it, that every receiver must take (Q.24
/// Annex A, Table A-1).
pub const MIN_DURATION: Duration = Duration::from_millis(40);

/// Level of the low group in dBFS. With the high group 2 dB above, to make up for the line, the
/// pair peaks at -2.5 dBFS.
const LOW_LEVEL_DBFS: f64 = -10.0;
const HIGH_LEVEL_DBFS: f64 = -8.0;

/// The tone of a digit (0-9, *, #, A-D in either case) at `rate`, at least [`MIN_DURATION`] long;
/// `None` where `digit` is none. Leave as long a pause after it.
pub fn tone(rate: SampleRate, digit: char, length: Duration) -> Option<Tone> {
    let digit = digit.to_ascii_uppercase();
    let (low, high) = KEYPAD.iter().zip(LOW).find_map(|(row, low)| {
        let column = row.iter().position(|&key| key == digit)?;
        Some((low, HIGH[column]))
    })?;
    let partials =
        [Partial::new(low.into(), LOW_LEVEL_DBFS), Partial::new(high.into(), HIGH_LEVEL_DBFS)];
    Some(Tone::dual(rate, partials, length.max(MIN_DURATION)))
}

/// Samples of a third of the window: 4.25 ms.
const HOP: usize = 34;
/// Thirds in a window.
const SPAN: usize = 3;
/// Windows in a row that make a digit. At least 6 lie within a tone of 40 ms; at most 4 find as
/// much of a tone of 23 ms as [`PURITY`] asks for.
const HITS: u32 = 6;
/// Windows in a row without the digit that end it: an interruption of 10 ms spoils at most 5, a
/// pause of 40 ms at least 11.
const MISSES: u32 = 7;
/// Least level of each tone of a pair: -33 dBFS, 30 dB below the overload of G.711.
const MIN_LEVEL: f32 = 32_768.0 * 0.022_4;
/// Share of the window's energy that the pair must have: noise may be 7 dB below. Speech comes
/// this near to a pair of tones for a window or two, not for six in a row.
const PURITY: f32 = 0.88;
/// Most difference of the two tones' power: 8 dB either way (AT&T: high up to 4 dB above and 8 dB
/// below the low; others more).
const TWIST: f32 = 6.31;
/// How far above the others of its group a tone stands in power: 6 dB.
const DOMINANCE: f32 = 4.0;
/// Most share that the high tone's second harmonic may have of its power: -10 dB. Voices have
/// strong harmonics. (That of a low tone is too near a high one to be told apart.)
const HARMONIC: f32 = 0.1;
/// Most deviation of a tone's frequency. Q.24: 1.5 % + 2 Hz must be taken, 3.5 % must not.
const DEVIATION: f32 = 0.025;

/// Eight tones, and the second harmonics of the high ones.
const FREQUENCIES: usize = 12;
type Lanes = [f32; FREQUENCIES];

/// A digit's beginning or end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DtmfEvent {
    /// A digit was recognised, about 38 ms after it began.
    Pressed {
        /// 0-9, *, # or A-D.
        digit: char,
        /// About where its tone began, in samples of the stream.
        at: u64,
    },
    /// The digit recognised before has ended.
    Released {
        /// The same digit.
        digit: char,
        /// About where its tone ended, in samples of the stream.
        at: u64,
    },
}

/// Finds digits in a stream at 8 kHz.
#[derive(Clone, Debug)]
pub struct DtmfDetector {
    coefficients: Lanes,
    /// cos and sin of one sample's phase advance, then of a hop's.
    sample_turn: [Lanes; 2],
    hop_turn: [Lanes; 2],
    /// Goertzel state within the current third.
    delayed: [Lanes; 2],
    energy: f32,
    filled: usize,
    /// The last thirds, oldest first: real and imaginary amplitudes, and energy.
    thirds: [([Lanes; 2], f32); SPAN],
    /// The window before the last one.
    previous: [Lanes; 2],
    position: u64,
    candidate: Option<char>,
    hits: u32,
    misses: u32,
    pressed: Option<char>,
}

impl Default for DtmfDetector {
    fn default() -> Self {
        Self::new()
    }
}

impl DtmfDetector {
    /// A detector at the beginning of a stream.
    pub fn new() -> Self {
        let mut step = [0.0; FREQUENCIES];
        for (n, &hz) in LOW.iter().chain(&HIGH).enumerate() {
            step[n] = hz * TAU / 8_000.0;
            if n >= 4 {
                step[n + 4] = 2.0 * step[n];
            }
        }
        let hop = step.map(|step| (step * HOP as f32).rem_euclid(TAU));
        Self {
            coefficients: step.map(|step| 2.0 * step.cos()),
            sample_turn: [step.map(f32::cos), step.map(f32::sin)],
            hop_turn: [hop.map(f32::cos), hop.map(f32::sin)],
            delayed: [[0.0; FREQUENCIES]; 2],
            energy: 0.0,
            filled: 0,
            thirds: [([[0.0; FREQUENCIES]; 2], 0.0); SPAN],
            previous: [[0.0; FREQUENCIES]; 2],
            position: 0,
            candidate: None,
            hits: 0,
            misses: 0,
            pressed: None,
        }
    }

    /// The digit whose tone is on, if one is.
    pub fn pressed(&self) -> Option<char> {
        self.pressed
    }

    /// Takes the stream's next samples and hands what they decide to `event`. Never allocates.
    pub fn process(&mut self, samples: &[i16], mut event: impl FnMut(DtmfEvent)) {
        for block in HopBlocks::new(samples, HOP - self.filled) {
            self.filter(block);
            self.filled += block.len();
            self.position += block.len() as u64;
            if self.filled == HOP {
                self.filled = 0;
                self.end_third();
                let found = self.judge();
                self.advance(found, &mut event);
            }
        }
    }

    /// Forgets everything, as at the beginning of a stream.
    pub fn reset(&mut self) {
        *self = Self::new();
    }

    fn filter(&mut self, block: &[i16]) {
        let [mut one, mut two] = self.delayed;
        for &sample in block {
            let value = f32::from(sample);
            self.energy += value * value;
            for lane in 0..FREQUENCIES {
                let next = value + self.coefficients[lane] * one[lane] - two[lane];
                two[lane] = one[lane];
                one[lane] = next;
            }
        }
        self.delayed = [one, two];
    }

    /// Turns the filters' state into amplitudes, as if by a Fourier sum whose phase is counted
    /// from the third's last sample.
    fn end_third(&mut self) {
        let [one, two] = self.delayed;
        let mut amplitude = [[0.0; FREQUENCIES]; 2];
        for lane in 0..FREQUENCIES {
            amplitude[0][lane] = one[lane] - two[lane] * self.sample_turn[0][lane];
            amplitude[1][lane] = two[lane] * self.sample_turn[1][lane];
        }
        self.previous = self.window();
        self.thirds.rotate_left(1);
        self.thirds[SPAN - 1] = (amplitude, self.energy);
        self.delayed = [[0.0; FREQUENCIES]; 2];
        self.energy = 0.0;
    }

    /// The window's amplitudes: each third turned forward to the last one's end, and added.
    fn window(&self) -> [Lanes; 2] {
        let mut sum = [[0.0; FREQUENCIES]; 2];
        for (third, _) in &self.thirds {
            for lane in 0..FREQUENCIES {
                let (cos, sin) = (self.hop_turn[0][lane], self.hop_turn[1][lane]);
                let (re, im) = (sum[0][lane], sum[1][lane]);
                sum[0][lane] = third[0][lane] + re * cos - im * sin;
                sum[1][lane] = third[1][lane] + re * sin + im * cos;
            }
        }
        sum
    }

    /// The digit of the last window.
    fn judge(&self) -> Option<char> {
        const SAMPLES: f32 = (HOP * SPAN) as f32;
        let window = self.window();
        let mut power = [0.0; FREQUENCIES];
        for (lane, power) in power.iter_mut().enumerate() {
            let (re, im) = (window[0][lane], window[1][lane]);
            // Half the square of the sine's amplitude: its mean power.
            *power = 2.0 * (re * re + im * im) / (SAMPLES * SAMPLES);
        }
        let low = strongest(&power[0..4])?;
        let high = 4 + strongest(&power[4..8])?;
        let low_power = power[low] / self.scalloping(&window, low)?;
        let high_power = power[high] / self.scalloping(&window, high)?;

        let least = MIN_LEVEL * MIN_LEVEL / 2.0;
        let loud = low_power >= least && high_power >= least;
        let twist = low_power <= high_power * TWIST && high_power <= low_power * TWIST;
        let total: f32 = self.thirds.iter().map(|(_, energy)| energy).sum::<f32>() / SAMPLES;
        let pure = low_power + high_power >= PURITY * total;
        let plain = power[high + 4] <= HARMONIC * high_power;
        (loud && twist && pure && plain).then(|| KEYPAD[low][high - 4])
    }

    /// The share of a tone's power that its lane finds, at the frequency by which its phase has
    /// advanced since the window before; `None` where that frequency is too far from the lane's.
    fn scalloping(&self, window: &[Lanes; 2], lane: usize) -> Option<f32> {
        let hz = if lane < 4 { LOW[lane] } else { HIGH[lane - 4] };
        let (cos, sin) = (self.hop_turn[0][lane], self.hop_turn[1][lane]);
        let (re, im) = (self.previous[0][lane], self.previous[1][lane]);
        let expected = (re * cos - im * sin, re * sin + im * cos);
        let advance = (
            window[0][lane] * expected.0 + window[1][lane] * expected.1,
            window[1][lane] * expected.0 - window[0][lane] * expected.1,
        );
        let radians_per_sample = advance.1.atan2(advance.0) / HOP as f32;
        if radians_per_sample.abs() > DEVIATION * hz * TAU / 8_000.0 {
            return None;
        }
        // The rectangular window's response: sinc squared. At most 0.52 of a bin off, so never 0.
        let half_turn = radians_per_sample * (HOP * SPAN) as f32 / 2.0;
        let sinc = if half_turn.abs() < 1e-3 { 1.0 } else { half_turn.sin() / half_turn };
        Some(sinc * sinc)
    }

    fn advance(&mut self, found: Option<char>, event: &mut impl FnMut(DtmfEvent)) {
        const WINDOW: u64 = (HOP * SPAN) as u64;
        if found.is_some() && found == self.candidate {
            self.hits += 1;
        } else {
            self.candidate = found;
            self.hits = u32::from(found.is_some());
        }
        if self.pressed.is_some() {
            self.misses = if found == self.pressed { 0 } else { self.misses + 1 };
            let replaced = self.hits >= HITS && self.candidate != self.pressed;
            if (self.misses >= MISSES || replaced)
                && let Some(digit) = self.pressed.take()
            {
                let since_end = u64::from(self.misses) * HOP as u64;
                event(DtmfEvent::Released { digit, at: self.position.saturating_sub(since_end) });
            }
        }
        if self.pressed.is_none()
            && self.hits >= HITS
            && let Some(digit) = self.candidate
        {
            let since_start = WINDOW + u64::from(self.hits - 1) * HOP as u64;
            event(DtmfEvent::Pressed { digit, at: self.position.saturating_sub(since_start) });
            self.pressed = Some(digit);
            self.misses = 0;
        }
    }
}

/// The lane that dominates its group.
fn strongest(powers: &[f32]) -> Option<usize> {
    let best = (0..powers.len()).max_by(|&a, &b| powers[a].total_cmp(&powers[b]))?;
    let dominates = powers
        .iter()
        .enumerate()
        .all(|(lane, &power)| lane == best || power * DOMINANCE <= powers[best]);
    dominates.then_some(best)
}

/// Cuts samples where thirds end.
struct HopBlocks<'a> {
    rest: &'a [i16],
    next: usize,
}

impl<'a> HopBlocks<'a> {
    fn new(samples: &'a [i16], first: usize) -> Self {
        Self { rest: samples, next: first }
    }
}

impl<'a> Iterator for HopBlocks<'a> {
    type Item = &'a [i16];

    fn next(&mut self) -> Option<&'a [i16]> {
        if self.rest.is_empty() {
            return None;
        }
        let (block, rest) = self.rest.split_at(self.next.min(self.rest.len()));
        self.rest = rest;
        self.next = HOP;
        Some(block)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::g711::Law;
    use crate::noise::Noise;

    const DIGITS: [char; 16] =
        ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', '*', '#', 'A', 'B', 'C', 'D'];

    fn millis(ms: f64) -> Duration {
        Duration::from_secs_f64(ms / 1_000.0)
    }

    /// A pair of tones given in Hz and dBFS, after `lead` samples of silence.
    fn pair(low: (f64, f64), high: (f64, f64), length: Duration, lead: usize) -> Vec<i16> {
        let partials = [Partial::new(low.0, low.1), Partial::new(high.0, high.1)];
        let mut tone = Tone::dual(SampleRate::HZ_8000, partials, length);
        let start = 160 + lead;
        let mut samples = vec![0; start + tone.remaining() as usize + 800];
        tone.fill_into(&mut samples[start..]);
        samples
    }

    fn digits(samples: &[i16]) -> String {
        let mut found = String::new();
        let mut detector = DtmfDetector::new();
        for block in samples.chunks(160) {
            detector.process(block, |event| {
                if let DtmfEvent::Pressed { digit, .. } = event {
                    found.push(digit);
                }
            });
        }
        found
    }

    #[test]
    fn every_digit_is_recognised_at_its_shortest_and_its_longest() {
        for digit in DIGITS {
            for (ms, lead) in [(40, 0), (40, 13), (50, 27), (100, 5), (3_000, 0)] {
                let length = Duration::from_millis(ms);
                let mut tone = tone(SampleRate::HZ_8000, digit, length).expect("a digit");
                let mut samples = vec![0; lead + tone.remaining() as usize + 400];
                tone.fill_into(&mut samples[lead..]);
                assert_eq!(digits(&samples), digit.to_string(), "{ms} ms after {lead} samples");
            }
        }
        assert!(tone(SampleRate::HZ_8000, 'x', MIN_DURATION).is_none());
    }

    #[test]
    fn a_string_dialled_as_fast_as_allowed_comes_out_whole() {
        let number = "00112233445566778899*#ABCD";
        let mut samples = vec![0; 77];
        for digit in number.chars() {
            let mut tone = tone(SampleRate::HZ_8000, digit, MIN_DURATION).expect("a digit");
            let start = samples.len();
            samples.resize(start + 320, 0);
            tone.fill_into(&mut samples[start..]);
            samples.resize(start + 640, 0);
        }
        samples.resize(samples.len() + 400, 0);
        assert_eq!(digits(&samples), number);

        let mut codes = vec![0; samples.len()];
        for law in [Law::Mu, Law::A] {
            law.encode_into(&samples, &mut codes);
            let mut decoded = vec![0; samples.len()];
            law.decode_into(&codes, &mut decoded);
            Noise::new(-30.0, 9).add_into(&mut decoded);
            assert_eq!(digits(&decoded), number, "through {law:?}-law and noise");
        }
    }

    #[test]
    fn tones_too_short_are_no_digits_and_those_long_enough_are() {
        for lead in 0..HOP {
            let at = |ms| digits(&pair((770.0, -9.0), (1_336.0, -9.0), millis(ms), lead));
            assert_eq!(at(23.0), "", "after {lead} samples");
            assert_eq!(at(40.0), "5", "after {lead} samples");
        }
    }

    #[test]
    fn a_short_interruption_is_bridged() {
        let mut samples = pair((852.0, -9.0), (1_477.0, -9.0), millis(200.0), 0);
        samples[900..980].fill(0);
        assert_eq!(digits(&samples), "9");
    }

    #[test]
    fn frequencies_may_be_off_by_so_much_and_no_more() {
        for (row, low) in LOW.into_iter().enumerate() {
            for (column, high) in HIGH.into_iter().enumerate() {
                let off = |factor: f64, hz: f64| {
                    let low = (f64::from(low) * factor + hz, -12.0);
                    let high = (f64::from(high) * factor + hz, -12.0);
                    digits(&pair(low, high, millis(60.0), 3))
                };
                let digit = KEYPAD[row][column].to_string();
                assert_eq!(off(1.015, 2.0), digit);
                assert_eq!(off(0.985, -2.0), digit);
                assert_eq!(off(1.035, 0.0), "", "{digit} 3.5 % high");
                assert_eq!(off(0.965, 0.0), "", "{digit} 3.5 % low");
            }
        }
    }

    #[test]
    fn levels_and_twist_are_taken_as_q24_wants() {
        let at = |low, high| digits(&pair((941.0, low), (1_336.0, high), millis(60.0), 0));
        for (low, high) in [(-3.5, -3.5), (-28.0, -28.0), (-20.0, -16.0), (-12.0, -19.5)] {
            assert_eq!(at(low, high), "0", "{low} and {high} dBFS");
        }
        for (low, high) in [(-58.0, -58.0), (-10.0, -25.0), (-25.0, -10.0)] {
            assert_eq!(at(low, high), "", "{low} and {high} dBFS");
        }
    }

    #[test]
    fn one_tone_noise_and_harmonics_are_no_digits() {
        let none = f64::NEG_INFINITY;
        assert_eq!(digits(&pair((770.0, -6.0), (1_336.0, none), millis(100.0), 0)), "");
        assert_eq!(digits(&pair((440.0, -9.0), (480.0, -9.0), millis(500.0), 0)), "");
        let mut noise = vec![0; 80_000];
        Noise::new(-12.0, 11).fill_into(&mut noise);
        assert_eq!(digits(&noise), "");
        // A buzz of 110 Hz has partials near many DTMF frequencies.
        let buzz: Vec<i16> = (0..8_000).map(|n| if n % 73 < 10 { 9_000 } else { -1_400 }).collect();
        assert_eq!(digits(&buzz), "");
    }

    #[test]
    fn beginning_and_end_are_near_the_truth() {
        let samples = pair((697.0, -9.0), (1_209.0, -9.0), millis(100.0), 11);
        let mut events = Vec::new();
        DtmfDetector::new().process(&samples, |event| events.push(event));
        let [DtmfEvent::Pressed { at: start, .. }, DtmfEvent::Released { digit: '1', at: end }] =
            events[..]
        else {
            panic!("{events:?}");
        };
        assert!(start.abs_diff(171) <= 60, "began at {start}");
        assert!(end.abs_diff(971) <= 60, "ended at {end}");
    }
}
