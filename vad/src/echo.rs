//! Which of the caller's sounds are the assistant's own voice, come back.
//!
//! What the caller hears is known, up to the way of a telephone network. Where the caller's sound
//! is like it to the wave at some lag (`lag`), and as loud in each band as it was there
//! (`path`), it is echo; what is louder than that is the caller. No filter has to converge: some
//! 100 ms of echo are enough to know it, and what was taken for the caller's until then is taken
//! back.

mod frames;
mod judge;
mod lag;
mod outlet;
mod path;
mod reference;
mod spectrum;
mod transform;

use std::ops::Range;

use codecs::SampleRate;

use judge::Judge;
use lag::{AHEAD, LagFinder};
use outlet::Outlet;
use reference::Reference;

/// Tells echo from the caller.
#[derive(Debug)]
pub struct EchoGate {
    /// Samples of a block: a detector's window.
    block: usize,
    reference: Reference,
    /// The reference was told for what is to be pushed.
    told: bool,
    finder: LagFinder,
    judge: Judge,
    outlet: Outlet,
    /// The caller's last block and as much of this one as has come.
    near: Vec<i16>,
    /// The caller's samples so far.
    received: u64,
    /// Blocks in a row in which nothing was heard, though the assistant was speaking.
    silent: u32,
    /// The line is believed to return nothing.
    clean: bool,
    /// How certain the likeliest lag was.
    certainty: f32,
}

/// How long after the assistant's last sound there may be echo of it, in ms: the longest lag, and a
/// room's fading.
const LISTENS_MS: u64 = 640 + 200;
/// The excess in dB from which a window is the caller's, while the caller is silent, ...
const OPEN: f32 = 3.5;
/// ... and while the caller speaks.
const KEEP: f32 = 2.0;
/// The certainty from which a lag is considered.
const LIKELY: f32 = 5.0;
/// The certainty of a lag from which echo is possible.
const DOUBTFUL: f32 = 5.0;
/// Blocks of silence while the assistant speaks after which a line is clean: 1 s, more than the
/// longest lag.
const CLEAN_AFTER: u32 = 31;
/// Silence in place of a reference that was not given.
const QUIET: [i16; 256] = [0; 256];

impl EchoGate {
    /// `None` for rates that the detectors do not know.
    pub fn new(rate: SampleRate) -> Option<Self> {
        let block = lag::block(rate)?;
        Some(Self {
            block,
            reference: Reference::new(rate.hz() as usize * 3 / 2),
            told: false,
            finder: LagFinder::new(rate)?,
            judge: Judge::new(rate)?,
            // The longest gap that is filled at once is 0.4 s, and 48 ms are held.
            outlet: Outlet::new(rate.hz() as usize / 2),
            near: {
                let mut near = Vec::with_capacity(2 * block);
                near.resize(block, 0);
                near
            },
            received: 0,
            silent: 0,
            clean: false,
            certainty: 0.0,
        })
    }

    /// What is to be told by [`Self::play`] before `samples` more of the caller's are pushed, as
    /// positions of the caller's stream. It reaches 64 ms ahead of the caller's samples: a forecast,
    /// for which the next call asks again.
    pub fn wanted(&self, samples: usize) -> Range<u64> {
        let ahead = AHEAD * self.block;
        self.received..self.received + (samples + ahead) as u64
    }

    /// What the caller hears of the assistant, from the beginning of [`Self::wanted`] on.
    pub fn play(&mut self, samples: &[i16]) {
        self.reference.forget_from(self.received);
        self.reference.push(samples);
        self.told = true;
    }

    /// Takes the caller's next samples, and gives `heard` those that it is sure of, with silence
    /// in place of mere echo: at once while there can be none, else up to 48 ms late. What was
    /// wanted of the assistant and not played is silence.
    pub fn push(&mut self, samples: &[i16], mut heard: impl FnMut(&[i16])) {
        if !std::mem::take(&mut self.told) {
            self.reference.forget_from(self.received);
        }
        let wanted = self.wanted(samples.len());
        while self.reference.played() < wanted.end {
            let missing = wanted.end - self.reference.played();
            self.reference.push(&QUIET[..missing.min(QUIET.len() as u64) as usize]);
        }
        let mut rest = samples;
        while !rest.is_empty() {
            let (part, later) = rest.split_at(rest.len().min(2 * self.block - self.near.len()));
            rest = later;
            self.near.extend_from_slice(part);
            self.received += part.len() as u64;
            self.outlet.push(part);
            if self.near.len() == 2 * self.block {
                self.judge_block(&mut heard);
                self.near.copy_within(self.block.., 0);
                self.near.truncate(self.block);
            }
            if !self.listens() {
                self.outlet.give(self.received, false, &mut heard);
            }
        }
    }

    fn listens(&self) -> bool {
        let span = LISTENS_MS * self.block as u64 / u64::from(lag::BLOCK_MS);
        self.reference.sounds(span, self.received)
    }

    fn judge_block(&mut self, heard: &mut impl FnMut(&[i16])) {
        let listens = self.listens();
        let newest = (self.received / self.block as u64) as usize - 1 + AHEAD;
        let mut blocks = [0; 2 * spectrum::MAX_FRAME];
        let blocks = &mut blocks[..2 * self.block];
        for number in newest - AHEAD..=newest {
            self.reference.copy((number as i64 - 1) * self.block as i64, blocks);
            self.finder.play(number, blocks);
        }
        let hop = self.block / 2;
        let mut unexplained = false;
        for begin in [hop, self.block] {
            let frame = &self.near[begin..begin + self.block];
            if listens {
                unexplained |= self.judge.hear(frame, &self.reference, OPEN);
            } else {
                self.judge.pass(frame);
            }
        }
        let newest = (listens && unexplained).then_some(newest);
        let lag = self.finder.hear(&self.near[self.block..], newest);
        if let Some(lag) = lag {
            self.certainty = lag.certainty;
        }
        let block = u64::from(lag::BLOCK_MS);
        let speaking = self.reference.sounds(200 / block * self.block as u64, self.received);
        self.silent = if speaking && !self.judge.sounds() { self.silent + 1 } else { 0 };
        self.clean = !self.judge.knows_path() && (self.clean || self.silent >= CLEAN_AFTER);
        if let Some(lag) = lag.filter(|lag| lag.certainty > LIKELY) {
            self.judge.consider(lag, &self.reference);
        }
        if listens {
            let last = self.last_frame(self.received);
            let hop = hop as u64;
            for (late, number) in [(1, last - 1), (0, last)] {
                // Of a frame's samples the first half are in no other that is to come.
                let until = self.received - hop - late * hop;
                self.outlet.give(until, self.judge.is_mere_echo(number), heard);
            }
        }
    }

    /// Whether the detector's window that ends at `end` holds nothing but echo. `speaking`: the
    /// caller is believed to be speaking.
    pub fn is_echo(&self, end: u64, speaking: bool) -> bool {
        self.judge.is_echo(self.last_frame(end), if speaking { KEEP } else { OPEN })
    }

    /// Whether what is heard may yet turn out to be echo: the line was not heard without it for
    /// long enough, or there are signs of it.
    pub fn is_in_doubt(&self) -> bool {
        self.listens() && !self.judge.knows_path() && (!self.clean || self.certainty > DOUBTFUL)
    }

    /// Whether everything in `range` was nothing but echo.
    pub fn was_echo(&self, range: Range<u64>) -> bool {
        let first = (2 * range.start / self.block as u64) as i64 + 1;
        self.judge.is_echo_since(first, self.last_frame(range.end), OPEN)
    }

    /// Whether it was found, since this was last asked, that past windows were echo.
    pub fn take_revised(&mut self) -> bool {
        self.judge.take_revised()
    }

    /// The last frame that is whole at `end`. The first begins half a block before the stream.
    const fn last_frame(&self, end: u64) -> i64 {
        (2 * end / self.block as u64) as i64 - 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use codecs::noise::Noise;

    const RATE: SampleRate = SampleRate::HZ_8000;
    const MS: usize = 8;

    /// Something like speech: syllables of two resonances each, of other heights and lengths, with
    /// short pauses, at about -20 dBFS.
    fn speech(seed: u64, seconds: usize) -> Vec<i16> {
        let mut dice = Noise::new(-10.0, seed);
        let mut draw = || {
            let mut value = [0];
            dice.fill_into(&mut value);
            (f32::from(value[0]) / 9_000.0 + 0.5).clamp(0.0, 1.0)
        };
        let mut excitation = Noise::new(-14.0, seed ^ 0xff);
        let mut samples = Vec::new();
        while samples.len() < 8_000 * seconds {
            let length = (90.0 + 160.0 * draw()) as usize * MS;
            let heights = [250.0 + 600.0 * draw(), 900.0 + 2_000.0 * draw()];
            let loud = 0.3 + 0.7 * draw();
            let mut syllable = vec![0; length];
            excitation.fill_into(&mut syllable);
            let mut memory = [[0.0_f32; 2]; 2];
            for (at, sample) in syllable.iter_mut().enumerate() {
                let turn = std::f32::consts::PI * at as f32 / length as f32;
                let mut sum = 0.0;
                for (height, memory) in heights.iter().zip(&mut memory) {
                    let angle = std::f32::consts::TAU * height / 8_000.0;
                    let next = f32::from(*sample) * 0.1 + 1.88 * angle.cos() * memory[0]
                        - 0.884 * memory[1];
                    *memory = [next, memory[0]];
                    sum += next;
                }
                *sample = (sum * turn.sin() * loud).clamp(-30_000.0, 30_000.0) as i16;
            }
            samples.extend(syllable);
            let pause = if draw() > 0.8 { 300 } else { 25 };
            samples.resize(samples.len() + pause * MS, 0);
        }
        samples.truncate(8_000 * seconds);
        samples
    }

    /// What comes back of `far` after `delay` ms, `loss` dB fainter.
    fn echo(far: &[i16], delay: usize, loss: f32) -> Vec<i16> {
        let gain = 10.0_f32.powf(-loss / 20.0);
        let late = std::iter::repeat_n(0, delay * MS).chain(far.iter().copied());
        late.take(far.len()).map(|sample| (f32::from(sample) * gain) as i16).collect()
    }

    fn add(one: &[i16], other: &[i16]) -> Vec<i16> {
        one.iter().zip(other).map(|(a, b)| a.saturating_add(*b)).collect()
    }

    fn line_noise(length: usize) -> Vec<i16> {
        let mut noise = vec![0; length];
        Noise::new(-60.0, 77).fill_into(&mut noise);
        noise
    }

    struct Heard {
        gate: EchoGate,
        /// Of each window of 32 ms, whether it was taken for echo as soon as it was whole.
        windows: Vec<bool>,
        /// What is left for the recogniser.
        samples: Vec<i16>,
        /// When the path was found, in ms.
        revised: Vec<usize>,
    }

    impl Heard {
        fn echoes(&self, from_ms: usize, to_ms: usize) -> usize {
            self.windows[from_ms / 32..to_ms / 32].iter().filter(|echo| **echo).count()
        }
    }

    fn hear_in(step: usize, near: &[i16], far: &[i16]) -> Heard {
        let gate = EchoGate::new(RATE).expect("a known rate");
        let mut heard = Heard { gate, windows: vec![], samples: vec![], revised: vec![] };
        let mut pushed = 0;
        for block in near.chunks(step) {
            let wanted = heard.gate.wanted(block.len());
            let range =
                (wanted.start as usize).min(far.len())..(wanted.end as usize).min(far.len());
            heard.gate.play(&far[range]);
            heard.gate.push(block, |samples| heard.samples.extend_from_slice(samples));
            pushed += block.len();
            if heard.gate.take_revised() {
                heard.revised.push(pushed / MS);
            }
            while (heard.windows.len() + 1) * 256 <= pushed {
                let end = (heard.windows.len() as u64 + 1) * 256;
                heard.windows.push(heard.gate.is_echo(end, false));
            }
        }
        heard
    }

    fn hear(near: &[i16], far: &[i16]) -> Heard {
        hear_in(160, near, far)
    }

    fn with_silence(ms: usize, samples: Vec<i16>) -> Vec<i16> {
        let mut all = vec![0; ms * MS];
        all.extend(samples);
        all
    }

    #[test]
    fn echo_is_found_within_the_time_of_a_verdict_whatever_its_delay_and_loss() {
        for (delay, loss) in [(0, 0.0), (40, 6.0), (120, 12.0), (260, 20.0), (590, 30.0)] {
            let far = with_silence(1_000, speech(5, 8));
            let near = add(&echo(&far, delay, loss), &line_noise(far.len()));
            let heard = hear(&near, &far);
            let began = 1_000 + delay;
            let found = *heard.revised.first().expect("it is found");
            assert!((began..began + 256).contains(&found), "{delay} ms: {found} of {began}");
            assert!(
                heard.gate.was_echo((near.len() - 8_000) as u64..near.len() as u64 / 256 * 256),
                "{delay} ms"
            );
            let windows = heard.windows.len() - found / 32;
            let others = windows - heard.echoes(found, heard.windows.len() * 32);
            // Those of pauses, in which no echo was expected, are not voiced.
            assert!(others * 5 < windows, "{delay} ms, -{loss} dB: {others} of {windows}");
        }
    }

    #[test]
    fn an_echo_may_seem_to_come_before_the_voice() {
        let far = with_silence(1_000, speech(5, 6));
        let near = add(&echo(&far, 0, 12.0), &line_noise(far.len()));
        let late = with_silence(48, far);
        let heard = hear(&near, &late[..near.len()]);
        let found = *heard.revised.first().expect("it is found");
        assert!((1_000..1_300).contains(&found), "{found}");
    }

    #[test]
    fn another_voice_is_no_echo() {
        let (mut taken, mut windows) = (0, 0);
        for seed in 0..12 {
            let far = with_silence(1_000, speech(100 + seed, 6));
            let near = with_silence(1_400, speech(200 + seed, 6));
            let near = add(&near[..far.len()], &line_noise(far.len()));
            let heard = hear(&near, &far);
            taken += heard.echoes(1_400, 6_900);
            windows += (6_900 - 1_400) / 32;
        }
        assert!(taken * 30 < windows, "{taken} of {windows} windows");
    }

    #[test]
    fn who_speaks_over_the_echo_is_heard() {
        let far = with_silence(1_000, speech(31, 9));
        let over = with_silence(6_000, speech(32, 4));
        let near = add(&add(&echo(&far, 120, 12.0), &over), &line_noise(far.len()));
        let heard = hear(&near, &far);
        assert!(heard.echoes(3_000, 5_900) > 80);
        // A third of it are pauses.
        let taken = heard.echoes(6_000, 9_900);
        assert!(taken < 45, "{taken} of 122 windows");
        let first = heard.windows[6_000 / 32..].iter().position(|echo| !echo);
        assert!(first.is_some_and(|first| first <= 2), "{first:?}");
    }

    #[test]
    fn a_line_that_returns_nothing_is_left_alone() {
        let far = with_silence(1_000, speech(41, 6));
        let near = line_noise(far.len());
        let heard = hear(&near, &far);
        assert_eq!(heard.echoes(0, 6_900), 0);
        assert_eq!(heard.samples, near[..heard.samples.len()]);
        assert!(near.len() - heard.samples.len() <= 48 * MS, "{}", heard.samples.len());
    }

    #[test]
    fn without_the_assistants_voice_samples_pass_at_once() {
        let near = speech(51, 3);
        let heard = hear(&near, &[]);
        assert_eq!(heard.samples, near);
        assert!(heard.revised.is_empty());
        assert_eq!(heard.echoes(0, 2_900), 0);
    }

    #[test]
    fn the_recogniser_hears_the_caller_and_not_the_echo() {
        let far = with_silence(1_000, speech(61, 9));
        let over = with_silence(6_000, speech(62, 4));
        let near = add(&add(&echo(&far, 120, 12.0), &over), &line_noise(far.len()));
        let heard = hear(&near, &far).samples;
        let power = |samples: &[i16]| samples.iter().map(|&s| f64::from(s).powi(2)).sum::<f64>();
        let before = 2_000 * MS..5_900 * MS;
        assert!(power(&heard[before.clone()]) < 0.1 * power(&near[before]));
        let during = 6_000 * MS..9_800 * MS;
        let lost: Vec<i16> =
            during.filter(|&at| heard[at] != near[at]).map(|at| over[at]).collect();
        assert!(power(&lost) < 0.03 * power(&over), "{}", power(&lost) / power(&over));
    }

    #[test]
    fn an_echo_that_becomes_louder_is_learnt_anew() {
        let far = with_silence(1_000, speech(71, 10));
        let (faint, loud) = (echo(&far, 200, 30.0), echo(&far, 200, 10.0));
        let change = 6_000 * MS;
        let returned: Vec<i16> = faint[..change].iter().chain(&loud[change..]).copied().collect();
        let heard = hear(&add(&returned, &line_noise(far.len())), &far);
        assert!(heard.gate.was_echo(10_000 * MS as u64..10_880 * MS as u64));
    }

    #[test]
    fn the_size_of_blocks_does_not_matter() {
        let far = with_silence(500, speech(81, 4));
        let near = add(&echo(&far, 100, 10.0), &line_noise(far.len()));
        let whole = hear_in(160, &near, &far);
        for step in [1, 77, 256, 800] {
            let other = hear_in(step, &near, &far);
            // With longer blocks, windows are asked about when more is known.
            assert!(step > 256 || other.windows == whole.windows, "in blocks of {step}");
            let length = other.samples.len().min(whole.samples.len());
            assert_eq!(other.samples[..length], whole.samples[..length], "in blocks of {step}");
        }
    }

    /// Of the loud windows of what a loudspeaker in saturation makes of a voice: how many were taken
    /// for echo, and how many there are.
    fn taken_of_overdriven(delay: usize, loss: f32) -> (usize, usize) {
        let (mut taken, mut windows) = (0, 0);
        for seed in 0..6 {
            let far = with_silence(1_000, vowels(300 + seed, 8));
            let drive = |&sample: &i16| (2_500.0 * (f32::from(sample) / 2_500.0).tanh()) as i16;
            let driven: Vec<i16> = far.iter().map(drive).collect();
            let near = add(&echo(&driven, delay, loss), &line_noise(far.len()));
            let heard = hear(&near, &far);
            let loud = |window: usize| {
                let samples = &near[window * 256..(window + 1) * 256];
                samples.iter().map(|&s| f64::from(s).powi(2)).sum::<f64>() > 256.0 * 60.0 * 60.0
            };
            for window in (2_000 / 32..heard.windows.len()).filter(|&window| loud(window)) {
                taken += usize::from(heard.windows[window]);
                windows += 1;
            }
        }
        (taken, windows)
    }

    /// A voice: harmonics of a pitch under two resonances that move.
    fn vowels(seed: u64, seconds: usize) -> Vec<i16> {
        let mut dice = Noise::new(-10.0, seed);
        let mut draw = || {
            let mut value = [0];
            dice.fill_into(&mut value);
            f64::from((f32::from(value[0]) / 9_000.0 + 0.5).clamp(0.0, 1.0))
        };
        let mut samples = Vec::new();
        while samples.len() < 8_000 * seconds {
            let length = (120.0 + 160.0 * draw()) as usize * MS;
            let pitch = 90.0 + 90.0 * draw();
            let heights = [250.0 + 500.0 * draw(), 900.0 + 1_600.0 * draw()];
            let loud = 4_000.0 + 12_000.0 * draw();
            let harmonics: Vec<(f64, f64)> = (1..)
                .map(|n| pitch * f64::from(n))
                .take_while(|hz| *hz < 3_600.0)
                .map(|hz| {
                    let near = |height: f64| 1.0 / (1.0 + ((hz - height) / 90.0).powi(2));
                    (hz, near(heights[0]) + 0.3 * near(heights[1]))
                })
                .collect();
            for at in 0..length {
                let time = at as f64 / 8_000.0;
                let shape = (std::f64::consts::PI * at as f64 / length as f64).sin();
                let sum: f64 = harmonics
                    .iter()
                    .map(|(hz, level)| level * (std::f64::consts::TAU * hz * time).sin())
                    .sum();
                samples.push((0.5 * loud * shape * sum).clamp(-30_000.0, 30_000.0) as i16);
            }
            let pause = if draw() > 0.8 { 300 } else { 30 };
            samples.resize(samples.len() + pause * MS, 0);
        }
        samples.truncate(8_000 * seconds);
        samples
    }

    #[test]
    fn what_an_overdriven_loudspeaker_adds_is_echo_too() {
        for (delay, loss) in [(120, 12.0), (40, 6.0)] {
            let (taken, windows) = taken_of_overdriven(delay, loss);
            assert!(taken * 20 > windows * 19, "-{loss} dB: {taken} of {windows} windows");
        }
    }

    #[test]
    fn other_rates_are_not_known() {
        assert!(EchoGate::new(SampleRate::HZ_48000).is_none());
        assert!(EchoGate::new(SampleRate::HZ_16000).is_some());
    }
}
