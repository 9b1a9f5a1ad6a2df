//! Sound behind the voice: a loop that plays from the beginning of a call to its end.
//!
//! It is a function of time: the same moment of the call has the same sample of it, whoever mixes
//! it in. So a carrier's queue may be cleared and filled again, and a recording be made elsewhere,
//! and both go on with the sound as if nothing had happened.

use std::f32::consts::{PI, TAU};
use std::time::Duration;

use crate::SampleRate;
use crate::noise::Noise;
use crate::pcm::{level_dbfs, quantise};

/// Loudness of the built-in office, in dBFS: 20 dB below a voice, loud enough to be missed when it
/// stops, and too faint for the caller's recogniser of echoes.
const OFFICE_DBFS: f64 = -45.0;

/// How long the built-in office is before it comes again.
const OFFICE_LENGTH: Duration = Duration::from_secs(24);

/// How long a loop's end is blended into its beginning.
const SEAM: Duration = Duration::from_millis(400);

/// A loop of sound at one rate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ambience {
    rate: SampleRate,
    samples: Box<[i16]>,
}

impl Ambience {
    /// A loop of `samples`; their end is blended into their beginning. `None` where there are too
    /// few to blend: less than a second.
    pub fn of(rate: SampleRate, mut samples: Vec<i16>) -> Option<Self> {
        let seam = rate.samples_in(SEAM) as usize;
        if samples.len() < rate.hz() as usize {
            return None;
        }
        let body = samples.len() - seam;
        for at in 0..seam {
            // Equal power: the two are unlike, so their powers add.
            let turn = (at as f32 + 0.5) / seam as f32 * PI / 2.0;
            let (rise, fall) = turn.sin_cos();
            let blended = f32::from(samples[at]) * rise + f32::from(samples[body + at]) * fall;
            samples[at] = quantise(blended);
        }
        samples.truncate(body);
        Some(Self { rate, samples: samples.into() })
    }

    /// An office of our own making: air, a far murmur of voices, keys now and then. The same each
    /// time.
    pub fn office(rate: SampleRate) -> Self {
        let count = rate.samples_in(OFFICE_LENGTH + SEAM) as usize;
        let mut sum = vec![0.0; count];
        let mut add = |part: fn(SampleRate, &mut [f32]), share: f32| {
            let mut samples = vec![0.0; count];
            part(rate, &mut samples);
            let gain = share / mean(&samples);
            for (sum, sample) in sum.iter_mut().zip(samples) {
                *sum += gain * sample;
            }
        };
        add(add_air, 1.0);
        add(add_murmur, 0.7);
        add(add_keys, 0.3);
        // That of a full-scale sine (AES17), `OFFICE_DBFS` down.
        let wanted = 32_768.0 / std::f64::consts::SQRT_2 * 10_f64.powf(OFFICE_DBFS / 20.0);
        let gain = wanted as f32 / mean(&sum);
        let samples = sum.into_iter().map(|sample| quantise(sample * gain)).collect();
        Self::of(rate, samples).expect("24 seconds are more than one")
    }

    /// The same sound, made as loud as [`Self::office`] where it is louder: a recording is mastered
    /// to be heard alone.
    #[must_use]
    pub fn quietened(mut self) -> Self {
        let excess = level_dbfs(&self.samples) - OFFICE_DBFS;
        if excess > 0.0 {
            let gain = 10_f64.powf(-excess / 20.0) as f32;
            for sample in &mut self.samples {
                *sample = quantise(f32::from(*sample) * gain);
            }
        }
        self
    }

    /// Its rate.
    pub const fn rate(&self) -> SampleRate {
        self.rate
    }

    /// The sample at `position`, in samples since it began.
    pub fn sample(&self, position: u64) -> i16 {
        // In range: a remainder of the length.
        self.samples[(position % self.samples.len() as u64) as usize]
    }

    /// Mixes it into `samples`, the first of which is at `position`. Never allocates.
    pub fn mix_into(&self, position: u64, samples: &mut [i16]) {
        let length = self.samples.len();
        let mut at = (position % length as u64) as usize;
        for sample in samples {
            *sample = sample.saturating_add(self.samples[at]);
            at += 1;
            if at == length {
                at = 0;
            }
        }
    }
}

/// Root of the mean power.
fn mean(samples: &[f32]) -> f32 {
    let power: f64 = samples.iter().map(|sample| f64::from(sample * sample)).sum();
    (power / samples.len() as f64).sqrt().max(f64::MIN_POSITIVE) as f32
}

/// Ventilation: noise without its treble, louder and fainter over seconds.
fn add_air(rate: SampleRate, sum: &mut [f32]) {
    let mut noise = Unit::new(11);
    let mut low = LowPass::new(rate, 350.0);
    let mut lower = LowPass::new(rate, 900.0);
    for (at, sample) in sum.iter_mut().enumerate() {
        let turn = at as f32 / rate.hz() as f32;
        let swell = 1.0 + 0.15 * (TAU * turn / 8.0).sin();
        *sample += swell * lower.next(low.next(noise.next()));
    }
}

/// People who talk at the other end of the room: noise as speech has it, at the pace of syllables,
/// of four who take turns.
fn add_murmur(rate: SampleRate, sum: &mut [f32]) {
    for voice in 0..4_u64 {
        let mut noise = Unit::new(100 + voice);
        let mut pace = Unit::new(200 + voice);
        // A vowel's first formant, of four people.
        let centre = 420.0 + 90.0 * voice as f32;
        let (mut above, mut below) =
            (LowPass::new(rate, centre * 1.5), LowPass::new(rate, centre / 2.0));
        let mut syllable = LowPass::new(rate, 5.0);
        let (mut talks, mut stress) = (0.0, 0.0);
        let second = rate.hz() as usize;
        for (at, sample) in sum.iter_mut().enumerate() {
            if at % (2 * second) == 0 {
                talks = if pace.next() > 0.0 { 1.0 } else { 0.0 };
            }
            if at % (second / 5) == 0 {
                stress = talks * pace.next().abs();
            }
            let formant = above.next(noise.next());
            *sample += syllable.next(stress) * (formant - below.next(formant));
        }
    }
}

/// Somebody types: bursts of clicks a few milliseconds long.
fn add_keys(rate: SampleRate, sum: &mut [f32]) {
    let mut chance = Unit::new(31);
    let mut noise = Unit::new(32);
    let hz = rate.hz() as usize;
    let mut at = hz;
    while at + hz < sum.len() {
        // A word's worth of keys, then a while of nothing.
        for _ in 0..(5 + (chance.next().abs() * 3.0) as usize) {
            let click = hz / 250;
            let loudness = 0.25 + 0.1 * chance.next();
            for (n, sample) in sum[at..at + click].iter_mut().enumerate() {
                *sample += loudness * noise.next() * (1.0 - n as f32 / click as f32);
            }
            at += hz / 8 + (chance.next().abs() * hz as f32 / 20.0) as usize;
            if at + hz >= sum.len() {
                return;
            }
        }
        at += 2 * hz + (chance.next().abs() * 2.0 * hz as f32) as usize;
    }
}

/// White noise of about unit power.
struct Unit(Noise);

impl Unit {
    fn new(seed: u64) -> Self {
        Self(Noise::new(-20.0, seed))
    }

    fn next(&mut self) -> f32 {
        let mut sample = [0];
        self.0.fill_into(&mut sample);
        f32::from(sample[0]) / (32_768.0 * std::f32::consts::FRAC_1_SQRT_2 * 0.1)
    }
}

/// A filter of one pole.
struct LowPass {
    share: f32,
    state: f32,
}

impl LowPass {
    fn new(rate: SampleRate, cutoff_hz: f32) -> Self {
        Self { share: 1.0 - (-TAU * cutoff_hz / rate.hz() as f32).exp(), state: 0.0 }
    }

    fn next(&mut self, input: f32) -> f32 {
        self.state += self.share * (input - self.state);
        self.state
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: SampleRate = SampleRate::HZ_8000;

    fn whole(ambience: &Ambience, from: u64, count: usize) -> Vec<i16> {
        let mut samples = vec![0; count];
        ambience.mix_into(from, &mut samples);
        samples
    }

    #[test]
    fn the_office_is_the_same_each_time_and_as_loud_as_it_says() {
        for rate in [RATE, SampleRate::HZ_16000] {
            let office = Ambience::office(rate);
            assert_eq!(office, Ambience::office(rate));
            let samples = whole(&office, 0, office.samples.len());
            let level = level_dbfs(&samples);
            assert!((level - OFFICE_DBFS).abs() < 1.0, "{level}");
            // No moment stands out by 15 dB, and none is silent.
            for (second, part) in samples.chunks_exact(rate.hz() as usize / 2).enumerate() {
                let level = level_dbfs(part);
                assert!((level - OFFICE_DBFS).abs() < 8.0, "{level} dBFS at {second} / 2 s");
            }
        }
    }

    #[test]
    fn it_comes_again_without_a_seam() {
        // A rising level would jump at the end of the loop.
        let ramp: Vec<i16> = (0..16_000).map(|n| (n / 4) as i16).collect();
        let ambience = Ambience::of(RATE, ramp).expect("long enough");
        let around = whole(&ambience, ambience.samples.len() as u64 - 800, 4_800);
        let jump = around.windows(2).map(|pair| (pair[1] - pair[0]).unsigned_abs()).max();
        assert!(jump < Some(20), "{jump:?}");
    }

    #[test]
    fn the_same_moment_has_the_same_sample_whoever_mixes_it() {
        let office = Ambience::office(RATE);
        let together = whole(&office, 190_000, 4_000);
        let mut apart = Vec::new();
        for part in 0..25 {
            apart.extend(whole(&office, 190_000 + part * 160, 160));
        }
        assert_eq!(apart, together);
        assert_eq!(office.sample(190_007), together[7]);
        assert_eq!(whole(&office, office.samples.len() as u64 * 3 + 5, 10), whole(&office, 5, 10));
    }

    #[test]
    fn a_voice_over_it_clips_instead_of_wrapping() {
        let ambience = Ambience::of(RATE, vec![100; 16_000]).expect("long enough");
        let mut voice = [i16::MAX, i16::MIN, 0];
        ambience.mix_into(0, &mut voice);
        assert_eq!(voice, [i16::MAX, i16::MIN + 100, 100]);
    }

    #[test]
    fn a_loud_recording_is_made_as_faint_as_the_office_and_a_faint_one_left() {
        let mut loud = vec![0; 16_000];
        Noise::new(-20.0, 1).fill_into(&mut loud);
        let quiet = Ambience::of(RATE, loud).expect("long enough").quietened();
        assert!((level_dbfs(&quiet.samples) - OFFICE_DBFS).abs() < 0.5);
        let mut faint = vec![0; 16_000];
        Noise::new(-60.0, 1).fill_into(&mut faint);
        let faint = Ambience::of(RATE, faint).expect("long enough");
        assert_eq!(faint.clone().quietened(), faint);
        assert_eq!(Ambience::of(RATE, vec![0; 4_000]), None, "too short to loop");
    }
}
