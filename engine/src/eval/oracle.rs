//! An oracle in the place of a recogniser: it knows what is said, and tells it as a streaming
//! recogniser without any sense for sentences would.
//!
//! Each word comes 300 ms after its end, in lower case and without punctuation. All of it is
//! partial: no transcript is final, none is stable, and no end of turn is reported. Once 300 ms of
//! a pause were heard, the words so far are told again with that position, as a recogniser's
//! interim results do: no word has come that ended before it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use asr::{
    Hint, Recognizer, RecognizerError, RecognizerEvent, RecognizerStream, Stability, StreamConfig,
    Transcript,
};

use super::line::samples;

/// How late it is, in ms.
pub const LATE_MS: u64 = 300;

/// A word and where it ends, in samples of the line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpokenWord {
    /// As it is told.
    pub text: String,
    /// One past its last sample.
    pub end: u64,
}

/// A recogniser that is told beforehand.
#[derive(Clone, Debug)]
pub struct Oracle {
    words: Arc<[SpokenWord]>,
}

impl Oracle {
    /// It will hear these words, in order.
    pub fn new(words: Vec<SpokenWord>) -> Self {
        Self { words: words.into() }
    }

    /// Places the words of `transcript` over the stretches of voice (samples of the line), each
    /// word the longer the more letters it has; the last ends where the voice does.
    pub fn place(transcript: &str, voiced: &[std::ops::Range<u64>]) -> Vec<SpokenWord> {
        let words: Vec<String> = transcript.split_whitespace().filter_map(told).collect();
        let total: u64 = words.iter().map(|word| weight(word)).sum();
        let voice: u64 = voiced.iter().map(|range| range.end - range.start).sum();
        let mut before = 0;
        words
            .into_iter()
            .map(|text| {
                before += weight(&text);
                let mut into = voice * before / total.max(1);
                let mut end = 0;
                for range in voiced {
                    let length = range.end - range.start;
                    end = range.start + into.min(length);
                    if into <= length {
                        break;
                    }
                    into -= length;
                }
                SpokenWord { text, end }
            })
            .collect()
    }
}

/// A word as it is told; `None` where nothing is left of it.
fn told(word: &str) -> Option<String> {
    let kept = |c: char| c.is_alphanumeric() || matches!(c, '\'' | '’' | '-');
    let word: String = word.to_lowercase().chars().filter(|c| kept(*c)).collect();
    word.chars().any(char::is_alphanumeric).then_some(word)
}

/// A letter takes half as long as a short word.
fn weight(word: &str) -> u64 {
    word.chars().count() as u64 + 2
}

impl Recognizer for Oracle {
    fn open(&self, _: &StreamConfig) -> Result<Box<dyn RecognizerStream>, RecognizerError> {
        Ok(Box::new(Stream {
            words: Arc::clone(&self.words),
            position: 0,
            told: 0,
            closed: 0,
            segment: 0,
            pause: None,
            events: VecDeque::new(),
            waker: None,
        }))
    }
}

struct Stream {
    words: Arc<[SpokenWord]>,
    position: u64,
    /// Words told so far; those before `closed` belong to turns that are over.
    told: usize,
    closed: usize,
    segment: u32,
    /// A pause that has not been heard for long enough: where it began.
    pause: Option<u64>,
    events: VecDeque<RecognizerEvent>,
    waker: Option<Waker>,
}

impl Stream {
    fn tell(&mut self, covers: u64) {
        let words: Vec<&str> =
            self.words[self.closed..self.told].iter().map(|word| word.text.as_str()).collect();
        if words.is_empty() {
            return;
        }
        self.events.push_back(RecognizerEvent::Transcript(Transcript {
            segment: self.segment,
            text: words.join(" "),
            words: Vec::new(),
            stability: Stability::Partial,
            covers,
        }));
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

impl RecognizerStream for Stream {
    fn push(&mut self, block: &[i16]) {
        self.position += block.len() as u64;
        let heard = self.position.saturating_sub(samples(LATE_MS) as u64);
        while let Some(word) = self.words.get(self.told)
            && word.end <= heard
        {
            let end = word.end;
            self.told += 1;
            self.tell(end);
        }
        if self.pause.is_some_and(|pause| pause <= heard) {
            self.pause = None;
            self.tell(heard);
        }
    }

    fn hint(&mut self, hint: Hint) {
        match hint {
            Hint::SpeechStarted { .. } => self.pause = None,
            Hint::Pause { at } => self.pause = Some(at),
            Hint::TurnEnded => {
                self.closed = self.told;
                self.segment += 1;
            }
        }
    }

    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<RecognizerEvent> {
        match self.events.pop_front() {
            Some(event) => Poll::Ready(event),
            None => {
                self.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> u64 {
        samples(ms) as u64
    }

    fn words() -> Vec<SpokenWord> {
        Oracle::place("Zéro SIX, douze !", &[ms(100)..ms(600), ms(1_000)..ms(1_300)])
    }

    #[test]
    fn words_are_placed_over_the_voice_only() {
        let words = words();
        let texts: Vec<&str> = words.iter().map(|word| word.text.as_str()).collect();
        assert_eq!(texts, ["zéro", "six", "douze"]);
        // Weights 6, 5 and 7 of 18, over 800 ms.
        assert_eq!(words[0].end, ms(100) + ms(800) * 6 / 18);
        assert_eq!(words[1].end, ms(100) + ms(800) * 11 / 18);
        assert_eq!(words[2].end, ms(1_300), "with the end of the voice");
        let voiced = ms(1)..ms(2);
        assert!(Oracle::place("…", std::slice::from_ref(&voiced)).is_empty());
    }

    #[test]
    fn words_come_300_ms_late_and_a_pause_is_told_of_once() {
        let config = StreamConfig { rate: codecs::SampleRate::HZ_8000, language: "fr".into() };
        let mut stream = Oracle::new(words()).open(&config).expect("speaks everything");
        let mut cx = Context::from_waker(Waker::noop());
        let mut heard = Vec::new();
        for at in (20..2_500).step_by(20) {
            if at == 660 {
                stream.hint(Hint::Pause { at: ms(600) });
            }
            if at == 2_000 {
                stream.hint(Hint::TurnEnded);
            }
            stream.push(&vec![0; samples(20)]);
            while let Poll::Ready(RecognizerEvent::Transcript(told)) = stream.poll_event(&mut cx) {
                assert_eq!(told.stability, Stability::Partial);
                heard.push((at, told.text, told.covers / 8));
            }
        }
        assert_eq!(
            heard,
            [
                (680, "zéro".to_owned(), 366),
                (900, "zéro six".to_owned(), 588),
                (900, "zéro six".to_owned(), 600),
                (1_600, "zéro six douze".to_owned(), 1_300),
            ]
        );
    }
}
