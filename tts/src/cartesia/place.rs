//! Which written word a spoken one is. Pure.
//!
//! The service tells its words with their times, and may say a written word in several others
//! ("42,50 €" as "forty-two euros fifty"). Words are matched in order; what is said between two
//! matches belongs to what is written between them.

use std::collections::VecDeque;
use std::ops::Range;

use codecs::SampleRate;

use super::wire::TimedWord;
use crate::TextChunk;

/// How many written words a spoken one may be ahead of the last match.
const LOOK_AHEAD: usize = 6;

/// One reply's words.
#[derive(Debug)]
pub(super) struct Placer {
    rate: SampleRate,
    /// Written words that have no place yet. Together they cover the text from the last span on.
    written: VecDeque<Written>,
    /// End of the text so far, in bytes of the reply.
    text_end: u32,
    /// Samples of spoken words that match nothing so far.
    unmatched: Option<Range<u64>>,
    /// End of the last span, in samples.
    audio_end: u64,
    /// Samples that were given to the call.
    given: u64,
    spans: VecDeque<(Range<u32>, Range<u64>)>,
}

#[derive(Debug)]
struct Written {
    /// From the end of the word before to the beginning of the next.
    range: Range<u32>,
    /// Letters and digits alone; empty for a sign.
    key: String,
}

impl Placer {
    pub(super) fn new(rate: SampleRate) -> Self {
        Self {
            rate,
            written: VecDeque::new(),
            text_end: 0,
            unmatched: None,
            audio_end: 0,
            given: 0,
            spans: VecDeque::new(),
        }
    }

    /// The next span: bytes of the reply, and samples of its audio.
    pub(super) fn poll(&mut self) -> Option<(Range<u32>, Range<u64>)> {
        self.spans.pop_front()
    }

    /// Takes text that will be said.
    pub(super) fn write(&mut self, chunk: &TextChunk) {
        let base = chunk.range.start;
        let offset = |part: &str| part.as_ptr() as usize - chunk.text.as_ptr() as usize;
        let words: Vec<&str> = chunk.text.split_whitespace().collect();
        for (index, word) in words.iter().enumerate() {
            let end = words.get(index + 1).map_or(chunk.text.len(), |next| offset(next));
            self.write_word(base + end as u32, key(word));
        }
        if words.is_empty() {
            self.write_word(chunk.range.end, String::new());
        }
    }

    /// A word with all that stands before it, up to `end`.
    fn write_word(&mut self, end: u32, key: String) {
        match self.written.back_mut() {
            // A sign that stands alone is part of the word before it.
            Some(before) if key.is_empty() => before.range.end = before.range.end.max(end),
            _ if end > self.text_end => {
                self.written.push_back(Written { range: self.text_end..end, key });
            }
            _ => {}
        }
        self.text_end = self.text_end.max(end);
    }

    /// All that was written has its place.
    pub(super) fn is_caught_up(&self) -> bool {
        self.written.is_empty()
    }

    /// Takes words that are said, in order.
    pub(super) fn say(&mut self, words: &[TimedWord]) {
        let samples = |seconds: f64| (seconds.max(0.0) * f64::from(self.rate.hz())).round() as u64;
        let timed: Vec<(String, Range<u64>)> = words
            .iter()
            .map(|word| {
                let start = samples(word.start);
                (key(&word.text), start..samples(word.end).max(start))
            })
            .collect();
        for (key, audio) in timed {
            let ahead = self.written.iter().take(LOOK_AHEAD);
            match ahead.into_iter().position(|written| written.key == key) {
                Some(skipped) if !key.is_empty() => {
                    self.place_unmatched(skipped);
                    if let Some(word) = self.written.pop_front() {
                        self.place(word.range, audio);
                    }
                }
                _ => {
                    let start = self.unmatched.as_ref().map_or(audio.start, |range| range.start);
                    self.unmatched = Some(start..audio.end);
                }
            }
        }
        // What is left over is the next word in another form. Its audio must not pass unplaced.
        if self.unmatched.is_some() && !self.written.is_empty() {
            self.place_unmatched(1);
        }
    }

    /// Samples were given to the call.
    pub(super) fn give(&mut self, samples: usize) {
        self.given += samples as u64;
    }

    /// Samples given so far.
    pub(super) const fn given(&self) -> u64 {
        self.given
    }

    /// Nothing more will be said: what is written and has no place is where the audio ends.
    pub(super) fn finish(&mut self) {
        let rest = self.written.len();
        self.place_unmatched(rest);
    }

    /// The first `count` written words are what was said and matched nothing.
    fn place_unmatched(&mut self, count: usize) {
        let unmatched = self.unmatched.take();
        let Some(last) = count.checked_sub(1).and_then(|last| self.written.get(last)) else {
            return;
        };
        let end = last.range.end;
        let Some(first) = self.written.front() else { return };
        let text = first.range.start..end;
        self.written.drain(..count);
        let audio = unmatched.unwrap_or(self.audio_end..self.audio_end);
        self.place(text, audio);
    }

    fn place(&mut self, text: Range<u32>, audio: Range<u64>) {
        // Times that come after the audio they speak of: it is heard by now.
        let start = audio.start.max(self.audio_end);
        let end = audio.end.max(start).max(if audio.is_empty() { 0 } else { self.given });
        self.audio_end = end;
        self.spans.push_back((text, start..end));
    }
}

/// Letters and digits of a word, in lower case.
fn key(word: &str) -> String {
    word.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn placer(texts: &[&str]) -> Placer {
        let mut placer = Placer::new(SampleRate::HZ_8000);
        let mut at = 0;
        for text in texts {
            let range = at..at + text.len() as u32;
            at = range.end;
            placer.write(&TextChunk { text: (*text).to_owned(), range });
        }
        placer
    }

    /// Words of 100 ms each.
    fn say(placer: &mut Placer, words: &[&str], from: u32) {
        let word = |(text, index): (&&str, u32)| TimedWord {
            text: (*text).to_owned(),
            start: f64::from(index) / 10.0,
            end: f64::from(index + 1) / 10.0,
        };
        let words: Vec<TimedWord> = words.iter().zip(from..).map(word).collect();
        placer.say(&words);
    }

    fn spans(placer: &mut Placer, text: &str) -> Vec<(String, Range<u64>)> {
        let mut spans = Vec::new();
        while let Some((range, audio)) = placer.poll() {
            let text = text[range.start as usize..range.end as usize].to_owned();
            spans.push((text, audio.start / 800..audio.end / 800));
        }
        spans
    }

    fn expect(parts: &[(&str, Range<u64>)]) -> Vec<(String, Range<u64>)> {
        parts.iter().map(|(text, audio)| ((*text).to_owned(), audio.clone())).collect()
    }

    #[test]
    fn each_word_is_where_it_is_said() {
        let mut placer = placer(&["Sure, I", " can - help."]);
        say(&mut placer, &["Sure", "I", "can", "help"], 0);
        placer.finish();
        let expected = [("Sure, ", 0..1), ("I", 1..2), (" can - ", 2..3), ("help.", 3..4)];
        assert_eq!(spans(&mut placer, "Sure, I can - help."), expect(&expected));
    }

    #[test]
    fn another_spoken_form_is_what_is_written_between_matches() {
        let text = "It costs 42,50 € today.";
        let mut placer = placer(&[text]);
        say(&mut placer, &["It", "costs", "forty-two", "euros", "fifty", "today."], 0);
        placer.finish();
        let expected = [("It ", 0..1), ("costs ", 1..2), ("42,50 € ", 2..5), ("today.", 5..6)];
        assert_eq!(spans(&mut placer, text), expect(&expected));
    }

    #[test]
    fn a_form_that_ends_a_phrase_has_its_place_before_the_next_is_said() {
        let text = "Now 42,50 €. Yes";
        let mut placer = placer(&["Now 42,50 €."]);
        say(&mut placer, &["Now", "forty-two", "euros", "fifty"], 0);
        assert_eq!(spans(&mut placer, text), expect(&[("Now ", 0..1), ("42,50 €.", 1..4)]));
        let range = text.len() as u32 - 4..text.len() as u32;
        placer.write(&TextChunk { text: " Yes".to_owned(), range });
        say(&mut placer, &["Yes"], 4);
        assert_eq!(spans(&mut placer, text), expect(&[(" Yes", 4..5)]));
    }

    #[test]
    fn what_is_not_said_is_where_the_audio_ends() {
        let text = "Hello *** there";
        let mut placer = placer(&[text]);
        say(&mut placer, &["Hello"], 0);
        placer.finish();
        let expected = [("Hello *** ", 0..1), ("there", 1..1)];
        assert_eq!(spans(&mut placer, text), expect(&expected));
    }

    #[test]
    fn times_that_come_late_say_that_it_was_heard() {
        let mut placer = placer(&["Hello there"]);
        placer.give(1_600);
        say(&mut placer, &["Hello", "there"], 0);
        let expected = [("Hello ", 0..2), ("there", 2..2)];
        assert_eq!(spans(&mut placer, "Hello there"), expect(&expected));
    }
}
