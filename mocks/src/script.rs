//! What callers say, as the stand-in for a recogniser knows it.

use std::time::Duration;

use codecs::SampleRate;

/// The rate of a script's clips.
pub const RATE: SampleRate = SampleRate::HZ_8000;

/// The window in which energy is looked at.
pub const WINDOW: Duration = Duration::from_millis(10);

/// A window of this power is voiced: 8 dB above the noise of the line, -60 dBFS.
pub const VOICED_DBFS: f64 = -52.0;

/// A word of an utterance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScriptWord {
    /// As it is written.
    pub text: String,
    /// When it begins, after the first voiced window of the utterance.
    pub start: Duration,
    /// When it ends, after the same.
    pub end: Duration,
}

/// Something that callers say.
#[derive(Clone, Debug, PartialEq)]
pub struct Utterance {
    /// Its words; none for a cough.
    pub words: Vec<ScriptWord>,
    /// From its first voiced window to the end of its last.
    pub length: Duration,
    /// The power of its first windows, in dBFS, by which it is known again.
    outline: Vec<f64>,
}

/// Everything that callers may say, in no order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Script {
    utterances: Vec<Utterance>,
}

/// How much of an utterance tells which one it is, in windows: a quarter of a second.
pub(crate) const OUTLINE: usize = 25;

impl Utterance {
    /// What is said in `clip`, at [`RATE`] and beginning at any place: its words, with times after
    /// the clip's beginning.
    pub fn new(clip: &[i16], words: Vec<ScriptWord>) -> Self {
        let window = window_samples(RATE);
        let powers: Vec<f64> = clip.chunks(window).map(codecs::pcm::level_dbfs).collect();
        let voiced = |power: &f64| *power > VOICED_DBFS;
        let first = powers.iter().position(voiced).unwrap_or(0);
        let last = powers.iter().rposition(voiced).map_or(first, |last| last + 1);
        let windows = |count: usize| WINDOW * u32::try_from(count).unwrap_or(u32::MAX);
        let lead = windows(first);
        let words = words
            .into_iter()
            .map(|word| ScriptWord {
                text: word.text,
                start: word.start.saturating_sub(lead),
                end: word.end.saturating_sub(lead),
            })
            .collect();
        let outline = powers[first..].iter().copied().take(OUTLINE).collect();
        Self { words, length: windows(last - first), outline }
    }

    /// Words that come evenly, whatever the audio is: for a script with one utterance.
    pub fn evenly(text: &str, word: Duration) -> Self {
        let words: Vec<ScriptWord> = text
            .split_whitespace()
            .zip(0_u32..)
            .map(|(text, index)| ScriptWord {
                text: text.to_owned(),
                start: word * index,
                end: word * (index + 1),
            })
            .collect();
        let length = words.last().map_or(Duration::ZERO, |last| last.end);
        Self { words, length, outline: Vec::new() }
    }

    /// How far `heard` is from its beginning: the mean difference in dB.
    fn distance(&self, heard: &[f64]) -> f64 {
        // Below the line's noise nothing is known.
        let floor = |power: f64| power.max(-60.0);
        let pairs = self.outline.iter().copied().chain(std::iter::repeat(-60.0)).zip(heard);
        let sum: f64 = pairs.map(|(known, heard)| (floor(known) - floor(*heard)).abs()).sum();
        sum / heard.len().max(1) as f64
    }
}

impl Script {
    /// A script of `utterances`.
    pub fn new(utterances: Vec<Utterance>) -> Self {
        Self { utterances }
    }

    /// The utterance that begins with windows of these powers, in dBFS.
    pub(crate) fn recognise(&self, heard: &[f64]) -> Option<&Utterance> {
        let distance = |utterance: &&Utterance| utterance.distance(heard);
        self.utterances.iter().min_by(|a, b| distance(a).total_cmp(&distance(b)))
    }
}

/// A window at `rate`, in samples.
pub(crate) fn window_samples(rate: SampleRate) -> usize {
    usize::try_from(rate.samples_in(WINDOW)).unwrap_or(1).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 10 ms windows of these levels.
    fn clip(levels: &[i16]) -> Vec<i16> {
        levels.iter().flat_map(|level| [*level, -*level].repeat(40)).collect()
    }

    fn word(start: u64, end: u64) -> ScriptWord {
        let ms = Duration::from_millis;
        ScriptWord { text: "word".to_owned(), start: ms(start), end: ms(end) }
    }

    #[test]
    fn times_count_from_the_first_voiced_window() {
        let utterance = Utterance::new(&clip(&[0, 10, 4_000, 0, 4_000, 0]), vec![word(20, 50)]);
        assert_eq!(utterance.words, [word(0, 30)]);
        assert_eq!(utterance.length, Duration::from_millis(30));
    }

    #[test]
    fn an_utterance_is_known_by_its_outline() {
        let rising = Utterance::new(&clip(&[500, 1_000, 2_000, 4_000, 8_000]), Vec::new());
        let falling = Utterance::new(&clip(&[8_000, 4_000, 2_000, 1_000, 500]), Vec::new());
        let script = Script::new(vec![rising.clone(), falling.clone()]);
        let db = |level: f64| 20.0 * (level / 32_768.0).log10();
        let heard = [db(7_000.0), db(4_400.0), db(1_900.0)];
        assert_eq!(script.recognise(&heard), Some(&falling));
        let heard = [db(600.0), db(900.0), db(1_900.0), db(4_100.0), db(7_000.0), -70.0];
        assert_eq!(script.recognise(&heard), Some(&rising));
    }
}
