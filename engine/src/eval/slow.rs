//! Slowed dictation: what a caller reads from a card, with a look at the card between groups.
//!
//! Pauses of 0.7 to 1.8 s, filled with the line's own noise, are put between groups of two or three
//! words, there where the recording already falls quiet between two words. The name of the file
//! decides all lengths, so the same recording is always slowed the same way.

use super::chance::Chance;
use super::line::{LineNoise, samples};

/// Lengths of a pause, in ms.
const PAUSE_MS: std::ops::RangeInclusive<u64> = 700..=1_800;
/// Words of a group.
const GROUP: std::ops::RangeInclusive<u64> = 2..=3;
/// How much quieter than the speech a gap is, in dB.
const GAP_DB: f64 = 10.0;
/// A gap is looked for over stretches this long, in ms.
const STRETCH_MS: u64 = 30;

/// A recording with pauses in it.
#[derive(Clone, Debug)]
pub(super) struct Slowed {
    /// At the line's rate.
    pub(super) samples: Vec<i16>,
    /// Where speech ends now, in ms.
    pub(super) end_ms: u64,
    /// Each pause: where it begins and how long it is, in ms.
    pub(super) pauses: Vec<(u64, u64)>,
}

/// Slows `recording`, in which `words` words are spoken from `start_ms` to `end_ms`; `None` where
/// there is no gap between groups.
pub(super) fn slow(
    recording: &[i16],
    (start_ms, end_ms): (u64, u64),
    words: usize,
    noise: &LineNoise,
    name: &str,
) -> Option<Slowed> {
    let mut chance = Chance::of(name);
    let cuts = cuts(recording, (start_ms, end_ms), words, &mut chance);
    let mut slowed = Slowed { samples: Vec::new(), end_ms, pauses: Vec::new() };
    let mut from = 0;
    for cut in cuts {
        let length = chance.within(PAUSE_MS);
        slowed.samples.extend(&recording[from..cut]);
        slowed.pauses.push((slowed.samples.len() as u64 / 8, length));
        slowed.samples.extend(noise.make(samples(length), &mut chance));
        slowed.end_ms += length;
        from = cut;
    }
    slowed.samples.extend(&recording[from..]);
    (!slowed.pauses.is_empty()).then_some(slowed)
}

/// Where groups end: samples of the recording.
fn cuts(
    recording: &[i16],
    (start_ms, end_ms): (u64, u64),
    words: usize,
    chance: &mut Chance,
) -> Vec<usize> {
    let length = end_ms.saturating_sub(start_ms);
    let word = length / words.max(1) as u64;
    let level = |from: usize, to: usize| {
        let stretch = recording.get(from..to.min(recording.len())).unwrap_or_default();
        let sum: f64 = stretch.iter().map(|&s| f64::from(s) * f64::from(s)).sum();
        10.0 * (sum / stretch.len().max(1) as f64).max(1e-3).log10()
    };
    let speech = level(samples(start_ms), samples(end_ms));
    let mut cuts: Vec<usize> = Vec::new();
    let mut spoken = chance.within(GROUP);
    while spoken < words as u64 {
        // Words are not equally long: the boundary is looked for half a word to either side.
        let middle = start_ms + length * spoken / words as u64;
        let from = samples((middle - word / 2).max(start_ms + word / 4));
        let to = samples((middle + word / 2).min(end_ms.saturating_sub(word / 4)));
        let from = from.max(cuts.last().map_or(0, |last| last + samples(word / 2)));
        let quietest = (from..to.saturating_sub(samples(STRETCH_MS)))
            .step_by(samples(5))
            .map(|at| (level(at, at + samples(STRETCH_MS)), at + samples(STRETCH_MS) / 2))
            .min_by(|a, b| a.0.total_cmp(&b.0));
        if let Some((quiet, at)) = quietest
            && quiet < speech - GAP_DB
        {
            cuts.push(at);
        }
        spoken += chance.within(GROUP);
    }
    cuts
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Six words of 300 ms with 60 ms of near silence between them, from 200 ms on.
    fn dictation() -> Vec<i16> {
        let mut recording = vec![2; samples(200)];
        for _ in 0..6 {
            recording.extend((0..samples(300)).map(|n| if n % 2 == 0 { 4_000 } else { -4_000 }));
            recording.extend(vec![2; samples(60)]);
        }
        recording.extend(vec![2; samples(300)]);
        recording
    }

    #[test]
    fn pauses_lie_between_words_and_move_the_end() {
        let recording = dictation();
        let noise = LineNoise::of(&recording, 200, 2_300);
        let slowed = slow(&recording, (200, 2_300), 6, &noise, "a").expect("there are gaps");
        assert!(!slowed.pauses.is_empty() && slowed.pauses.len() <= 2, "{:?}", slowed.pauses);
        let added: u64 = slowed.pauses.iter().map(|(_, length)| length).sum();
        assert_eq!(slowed.end_ms, 2_300 + added);
        assert_eq!(slowed.samples.len(), recording.len() + samples(added));
        for (at, length) in slowed.pauses {
            assert!(PAUSE_MS.contains(&length));
            let around = &slowed.samples[samples(at) - 80..samples(at + length) + 80];
            assert!(around.iter().all(|s| s.abs() < 100), "the pause at {at} cuts into a word");
        }
    }

    #[test]
    fn the_name_decides_the_pauses() {
        let recording = dictation();
        let noise = LineNoise::of(&recording, 200, 2_300);
        let slowed = |name| slow(&recording, (200, 2_300), 6, &noise, name).expect("gaps").pauses;
        assert_eq!(slowed("a"), slowed("a"));
        assert_ne!(slowed("a"), slowed("b"));
    }

    #[test]
    fn a_single_word_or_speech_without_a_gap_is_not_slowed() {
        let recording = dictation();
        let noise = LineNoise::of(&recording, 200, 2_300);
        assert!(slow(&recording, (200, 2_300), 1, &noise, "a").is_none());
        let unbroken = vec![4_000; samples(2_000)];
        assert!(slow(&unbroken, (200, 1_800), 6, &noise, "a").is_none());
    }
}
