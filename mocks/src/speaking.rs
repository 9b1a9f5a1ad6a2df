//! What the stand-in for a voice says: pure. A word is a tone, of uneven length.

use std::f64::consts::TAU;

use codecs::SampleRate;

use crate::vocabulary::{PRICE, PRICE_WRITTEN, frequency, tone};

/// A word in sound.
#[derive(Clone, Debug, PartialEq)]
pub struct SpokenWord {
    /// As it is spoken: a written number has another form.
    pub text: String,
    /// When it begins, in seconds after the context's first sample.
    pub start: f64,
    /// When it ends.
    pub end: f64,
}

/// Silence between two words, in ms. It has to be there for a recording to be read.
const GAP_MS: u64 = 30;

/// One context's audio so far.
#[derive(Debug)]
pub struct Speaking {
    rate: SampleRate,
    speed: f64,
    position: u64,
    /// Words so far.
    count: u64,
}

impl Speaking {
    /// Nothing yet. `speed` 1 is 90 to 450 ms a word.
    pub fn new(rate: SampleRate, speed: f64) -> Self {
        Self { rate, speed: speed.clamp(0.25, 4.0), position: 0, count: 0 }
    }

    /// Says `text` after what was said; its audio and its words.
    pub fn say(&mut self, text: &str) -> (Vec<i16>, Vec<SpokenWord>) {
        let mut samples = Vec::new();
        let mut words = Vec::new();
        for word in spoken(text) {
            let start = self.position + samples.len() as u64;
            self.say_word(&word, &mut samples);
            let length = samples.len() as u64 + self.position - start;
            let end = start + length - self.gap();
            let hz = f64::from(self.rate.hz());
            let seconds = |position: u64| position as f64 / hz;
            words.push(SpokenWord { text: word, start: seconds(start), end: seconds(end) });
        }
        self.position += samples.len() as u64;
        (samples, words)
    }

    fn gap(&self) -> u64 {
        u64::from(self.rate.hz()) * GAP_MS / 1_000
    }

    fn say_word(&mut self, word: &str, samples: &mut Vec<i16>) {
        // 15 characters a second on average, uneven by a fixed pattern.
        let letters = word.chars().count().clamp(1, 12) as f64;
        let uneven = [0.6, 1.4, 0.9, 1.2, 0.5, 1.5, 1.0][(self.count % 7) as usize];
        let seconds = (letters / 15.0 * uneven / self.speed).clamp(0.09, 0.9);
        let hz = f64::from(self.rate.hz());
        let length = (seconds * hz) as u64;
        let step = TAU * frequency(tone(word)) / hz;
        let fade = (hz / 200.0).max(1.0);
        samples.extend((0..length).map(|at| {
            let edge = at.min(length - at) as f64;
            (9_000.0 * (edge / fade).min(1.0) * (step * at as f64).sin()) as i16
        }));
        samples.extend((0..self.gap()).map(|_| 0));
        self.count += 1;
    }
}

/// The words of a text as they are spoken; what has neither letter nor digit is silent.
fn spoken(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    for written in text.split_whitespace() {
        let plain = written.trim_end_matches(['.', ',', '!', '?', ';', ':']);
        if plain == PRICE_WRITTEN[0] {
            words.extend(PRICE.map(str::to_owned));
        } else if plain.chars().any(char::is_alphanumeric) {
            words.push(written.to_owned());
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: SampleRate = SampleRate::HZ_8000;

    #[test]
    fn a_price_is_spoken_in_other_words() {
        let mut speaking = Speaking::new(RATE, 1.0);
        let (samples, words) = speaking.say(" costs 42,50 € today.");
        let said: Vec<_> = words.iter().map(|word| word.text.as_str()).collect();
        assert_eq!(said, ["costs", "forty-two", "euros", "fifty", "today."]);
        let (_, next) = speaking.say(" And");
        assert_eq!(next[0].start, samples.len() as f64 / 8_000.0);
    }

    #[test]
    fn each_word_has_its_tone_where_it_says() {
        let (samples, words) = Speaking::new(RATE, 1.0).say("Lemon orchid amber.");
        for word in &words {
            let part = &samples[(word.start * 8_000.0) as usize..(word.end * 8_000.0) as usize];
            let rises = part.windows(2).filter(|pair| pair[0] < 0 && pair[1] >= 0).count();
            let hz = rises as f64 * 8_000.0 / part.len() as f64;
            let expected = frequency(tone(&word.text));
            assert!((hz - expected).abs() < 12.0, "{hz} Hz, {expected} Hz");
        }
    }
}
