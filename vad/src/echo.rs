//! Which of the caller's sounds are the assistant's own voice, come back.

mod frames;
mod judge;
mod outlet;
mod path;
mod reference;
mod spectrum;

use std::ops::Range;

use codecs::SampleRate;

use judge::Judge;
use outlet::Outlet;
use reference::Reference;
use spectrum::Spectrum;

/// Tells echo from the caller.
#[derive(Debug)]
pub struct EchoGate {
    hop: u64,
    spectrum: Spectrum,
    reference: Reference,
    judge: Judge,
    outlet: Outlet,
    /// The caller's samples so far.
    received: u64,
}

/// Frames after the assistant's last sound in which there may be echo of it: the longest delay, and
/// a room's fading.
const LISTENS: i64 = path::LATEST + 10;
/// Otherwise one frame in so many is measured, for the noise: 8 a second.
const NOISE_EVERY: i64 = 8;
/// The excess in dB from which a window is the caller's, while the caller is silent, ...
const OPEN: f32 = 3.5;
/// ... and while the caller speaks.
const KEEP: f32 = 2.0;
/// Silence in place of a reference that was not given.
const QUIET: [i16; 256] = [0; 256];

impl EchoGate {
    /// `None` for rates that the detectors do not know.
    pub fn new(rate: SampleRate) -> Option<Self> {
        Some(Self {
            hop: spectrum::hop(rate)? as u64,
            spectrum: Spectrum::new(rate)?,
            reference: Reference::new(rate)?,
            judge: Judge::new(),
            outlet: Outlet::new(rate.hz() as usize),
            received: 0,
        })
    }

    /// What is to be told by [`Self::play`] before `samples` more of the caller's are pushed, as
    /// positions of the caller's stream. It reaches a little ahead of the caller's samples.
    pub fn wanted(&self, samples: usize) -> Range<u64> {
        let ahead = path::EARLIEST.unsigned_abs() * self.hop;
        let played = self.reference.played();
        played..(self.received + samples as u64 + ahead).max(played)
    }

    /// What the caller hears of the assistant, from the beginning of [`Self::wanted`] on.
    pub fn play(&mut self, samples: &[i16]) {
        self.reference.push(samples);
    }

    /// Takes the caller's next samples, and gives `heard` those that it is sure of, with silence
    /// in place of mere echo: at once while there can be none, else up to 32 ms late. What was
    /// wanted of the assistant and not played is silence.
    pub fn push(&mut self, samples: &[i16], mut heard: impl FnMut(&[i16])) {
        loop {
            let missing = self.wanted(samples.len());
            if missing.is_empty() {
                break;
            }
            let count = (missing.end - missing.start).min(QUIET.len() as u64);
            self.reference.push(&QUIET[..count as usize]);
        }
        self.received += samples.len() as u64;
        self.outlet.push(samples);
        let Self { hop, spectrum, reference, judge, outlet, received } = self;
        let listens = |number| reference.sounded_within(LISTENS, number);
        let wanted = |number| listens(number) || number % NOISE_EVERY == 0;
        spectrum.push(samples, wanted, |number, levels| match levels {
            Some(levels) if listens(number) => {
                judge.hear(&levels, reference.frames(), OPEN);
                // Of this frame's samples the first half are in no other that is to come.
                let until = (number as u64 + 1) * *hop;
                outlet.give(until, judge.is_mere_echo(number), &mut heard);
            }
            levels => judge.pass(levels.as_ref(), NOISE_EVERY),
        });
        if !listens(judge.next()) {
            outlet.give(*received, false, &mut heard);
        }
    }

    /// Whether the detector's window that ends at `end` holds nothing but echo. `speaking`: the
    /// caller is believed to be speaking.
    pub fn is_echo(&self, end: u64, speaking: bool) -> bool {
        self.judge.is_echo(self.last_frame(end), if speaking { KEEP } else { OPEN })
    }

    /// Whether everything in `range` was nothing but echo.
    pub fn was_echo(&self, range: Range<u64>) -> bool {
        let first = (range.start / self.hop) as i64;
        self.judge.is_echo_since(first, self.last_frame(range.end), OPEN)
    }

    /// Whether it was found, since this was last asked, that past windows were echo.
    pub fn take_revised(&mut self) -> bool {
        self.judge.take_revised()
    }

    /// The last frame that is whole at `end`.
    const fn last_frame(&self, end: u64) -> i64 {
        (end / self.hop) as i64 - 2
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
            let range = (wanted.start as usize).min(far.len())..(wanted.end as usize).min(far.len());
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
        let over = heard.echoes(6_000, 9_900);
        assert!(over < 24, "{over} of 122 windows");
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
        assert!(near.len() - heard.samples.len() <= 32 * MS, "{}", heard.samples.len());
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
        let kept = heard[during.clone()].iter().zip(&near[during]).filter(|(a, b)| a == b).count();
        assert!(kept > 3_800 * MS * 9 / 10, "{kept}");
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
            assert_eq!(other.windows, whole.windows, "in blocks of {step}");
            let length = other.samples.len().min(whole.samples.len());
            assert_eq!(other.samples[..length], whole.samples[..length], "in blocks of {step}");
        }
    }

    #[test]
    fn other_rates_are_not_known() {
        assert!(EchoGate::new(SampleRate::HZ_48000).is_none());
        assert!(EchoGate::new(SampleRate::HZ_16000).is_some());
    }
}
