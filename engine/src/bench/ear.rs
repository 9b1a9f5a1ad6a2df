//! Reads the words from the tones that were heard. Pure.
//!
//! Each word of the stand-in's voice is a tone of its own with silence after it (`mocks::speaking`).
//! A word that was cut short has no end: its last samples are as loud as its middle.

use mocks::vocabulary::nearest_tone;

/// A sample below this is silence.
const SILENCE: u16 = 250;

/// Silence that ends a word, in samples: 12 ms. A tone is below [`SILENCE`] for less than 1.
const END: u64 = 96;

/// A shorter sound is no word, in samples: 12 ms.
const SHORTEST: usize = 96;

/// The end of a word, in samples: 1.5 ms, the last of the 5 in which it fades, and half a period of
/// the lowest tone, so that a word that was cut is loud somewhere in it.
const FADE: usize = 12;

/// A word that was heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeardWord {
    /// Its tone; `None`: no word sounds like that.
    pub tone: Option<usize>,
    /// It was heard to its end.
    pub whole: bool,
    /// Its first sample in the call.
    pub start: u64,
    /// One past its last.
    pub end: u64,
}

/// One call's ear.
#[derive(Debug, Default)]
pub struct Ear {
    position: u64,
    /// The word under way and where it began.
    word: Vec<i16>,
    start: u64,
    /// One past the last sample that was no silence.
    last: u64,
    words: Vec<HeardWord>,
}

impl Ear {
    /// Hears the next samples.
    pub fn hear(&mut self, samples: &[i16]) {
        for sample in samples {
            let sounds = sample.unsigned_abs() >= SILENCE;
            if sounds && self.word.is_empty() {
                self.start = self.position;
            }
            if sounds || !self.word.is_empty() {
                self.word.push(*sample);
            }
            self.position += 1;
            if sounds {
                self.last = self.position;
            } else if !self.word.is_empty() && self.position - self.last >= END {
                self.end_word();
            }
        }
    }

    /// A frame of silence.
    pub fn skip(&mut self, samples: u64) {
        if !self.word.is_empty() {
            self.end_word();
        }
        self.position += samples;
    }

    /// The words so far.
    pub fn into_words(mut self) -> Vec<HeardWord> {
        if !self.word.is_empty() {
            self.end_word();
        }
        self.words
    }

    fn end_word(&mut self) {
        let length = usize::try_from(self.last - self.start).unwrap_or(0).min(self.word.len());
        let word = &self.word[..length];
        if length >= SHORTEST {
            let tone = pitch(word).and_then(nearest_tone);
            let whole = fades(word);
            self.words.push(HeardWord { tone, whole, start: self.start, end: self.last });
        }
        self.word.clear();
    }
}

/// The frequency of a tone in Hz, from its first to its last rise through zero.
fn pitch(word: &[i16]) -> Option<f64> {
    let mut first = None;
    let mut last = 0.0;
    let mut periods = -1;
    for (at, pair) in word.windows(2).enumerate() {
        let [before, after] = [pair[0], pair[1]].map(f64::from);
        if before < 0.0 && after >= 0.0 {
            let crossing = at as f64 + before / (before - after);
            first.get_or_insert(crossing);
            last = crossing;
            periods += 1;
        }
    }
    let first = first?;
    (periods > 2).then(|| f64::from(periods) * 8_000.0 / (last - first))
}

fn fades(word: &[i16]) -> bool {
    let loudest = |samples: &[i16]| samples.iter().map(|s| s.unsigned_abs()).max().unwrap_or(0);
    let end = &word[word.len().saturating_sub(FADE)..];
    u32::from(loudest(end)) * 20 < u32::from(loudest(word)) * 11
}

#[cfg(test)]
mod tests {
    use codecs::SampleRate;
    use codecs::g711;
    use mocks::speaking::Speaking;
    use mocks::vocabulary::tone;

    use super::*;

    /// What a carrier plays of `text`.
    fn played(text: &str) -> Vec<i16> {
        let (mut samples, _) = Speaking::new(SampleRate::HZ_8000, 1.0).say(text);
        let mut codes = vec![0; samples.len()];
        g711::mulaw_encode_into(&samples, &mut codes);
        g711::mulaw_decode_into(&codes, &mut samples);
        samples
    }

    fn heard(samples: &[i16]) -> Vec<(Option<usize>, bool)> {
        let mut ear = Ear::default();
        for frame in samples.chunks(160) {
            ear.hear(frame);
        }
        ear.into_words().iter().map(|word| (word.tone, word.whole)).collect()
    }

    #[test]
    fn words_are_read_from_their_tones() {
        for number in [0, 41, 999] {
            let tokens = mocks::vocabulary::reply(number).concat();
            let expected: Vec<_> = tokens
                .split_whitespace()
                .flat_map(mocks::vocabulary::tones_of)
                .map(|tone| (Some(tone), true))
                .collect();
            assert_eq!(heard(&played(&tokens)), expected, "{tokens}");
        }
    }

    #[test]
    fn a_word_that_is_cut_is_not_whole() {
        let samples = played("Amber orchid");
        let cut = samples.len() - 600;
        let mut frames = samples[..cut].to_vec();
        frames.extend([0; 160]);
        assert_eq!(heard(&frames), [(Some(tone("amber")), true), (Some(tone("orchid")), false)]);
    }
}
