//! A voice for tests: each word is a tone, its length and place known to the sample. No thread,
//! no clock, no randomness that is not seeded.

use std::collections::VecDeque;
use std::f32::consts::TAU;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use codecs::SampleRate;

use crate::{SpeechEvent, SpeechStream, Synthesizer, SynthesizerError, TextChunk, VoiceConfig};

/// When the audio of a scripted voice comes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Delivery {
    /// All of a phrase's audio is there as soon as its text is.
    #[default]
    AtOnce,
    /// Each event is followed by a poll that is pending (and wakes at once), so that whatever else
    /// is ready gets its turn between two events.
    Interleaved,
}

/// How a scripted voice sounds and behaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScriptedConfig {
    /// Samples per second.
    pub rate: SampleRate,
    /// The shortest word.
    pub shortest: Duration,
    /// The longest word.
    pub longest: Duration,
    /// Silence after each word.
    pub gap: Duration,
    /// Audio per event.
    pub event: Duration,
    /// When audio comes.
    pub delivery: Delivery,
    /// A span for each word, else one for each phrase.
    pub word_spans: bool,
    /// Fails once this many words were spoken.
    pub fail_after: Option<usize>,
    /// Decides the lengths of words.
    pub seed: u64,
}

impl Default for ScriptedConfig {
    fn default() -> Self {
        Self {
            rate: SampleRate::HZ_8000,
            shortest: Duration::from_millis(90),
            longest: Duration::from_millis(700),
            gap: Duration::from_millis(30),
            event: Duration::from_millis(50),
            delivery: Delivery::AtOnce,
            word_spans: true,
            fail_after: None,
            seed: 0,
        }
    }
}

/// The tone of word number `index` of a reply, in Hz: 64 steps between 300 and 3,000 Hz, those of
/// neighbours far apart, so that a recording shows which words were heard.
pub fn word_frequency(index: usize) -> f32 {
    let step = (index * 37) % 64;
    300.0 * 10_f32.powf(step as f32 / 63.0)
}

/// A provider of tones.
#[derive(Clone, Debug, Default)]
pub struct Scripted {
    config: ScriptedConfig,
}

impl Scripted {
    /// A voice that behaves as `config` says.
    pub fn new(config: ScriptedConfig) -> Self {
        Self { config }
    }
}

impl Synthesizer for Scripted {
    /// Any language is spoken. The voice `missing` is not to be had.
    fn open(&self, voice: &VoiceConfig) -> Result<Box<dyn SpeechStream>, SynthesizerError> {
        if voice.voice == "missing" {
            let voice = voice.voice.clone();
            return Err(SynthesizerError::Voice { provider: PROVIDER, voice });
        }
        Ok(Box::new(ScriptedStream {
            random: Random::new(self.config.seed),
            speed: crate::flite::speed(voice.speed),
            config: self.config.clone(),
            events: VecDeque::new(),
            words: 0,
            position: 0,
            finished: false,
            over: false,
            given: false,
            waker: None,
        }))
    }
}

const PROVIDER: &str = "scripted";

#[derive(Debug)]
struct ScriptedStream {
    config: ScriptedConfig,
    speed: f32,
    random: Random,
    events: VecDeque<SpeechEvent>,
    words: usize,
    position: u64,
    finished: bool,
    over: bool,
    /// The last poll gave an event (for [`Delivery::Interleaved`]).
    given: bool,
    waker: Option<Waker>,
}

impl ScriptedStream {
    fn speak(&mut self, chunk: &TextChunk) {
        let starts: Vec<usize> = word_starts(&chunk.text);
        let begin = self.position;
        for at in 0..starts.len() {
            if self.config.fail_after.is_some_and(|limit| self.words >= limit) {
                let reason = format!("scripted to fail after {} words", self.words);
                let error = SynthesizerError::Stream { provider: PROVIDER, reason };
                self.events.push_back(SpeechEvent::Failed(error));
                return;
            }
            let from = if at == 0 { 0 } else { starts[at] };
            let upto = starts.get(at + 1).copied().unwrap_or(chunk.text.len());
            self.speak_word(chunk.range.start + from as u32..chunk.range.start + upto as u32);
        }
        if starts.is_empty() || !self.config.word_spans {
            let audio = begin..self.position;
            let span = SpeechEvent::Span { text: chunk.range.clone(), audio };
            // Before the phrase's audio, which is at the end of the queue.
            let first = self.first_event_of(begin).unwrap_or(self.events.len());
            self.events.insert(first, span);
        }
    }

    /// The queue's first audio event at or after sample `begin`.
    fn first_event_of(&self, begin: u64) -> Option<usize> {
        let mut position = self.position;
        let mut first = None;
        for (at, event) in self.events.iter().enumerate().rev() {
            if let SpeechEvent::Audio { samples, .. } = event {
                position -= samples.len() as u64;
                if position < begin {
                    break;
                }
                first = Some(at);
            }
        }
        first
    }

    fn speak_word(&mut self, text: std::ops::Range<u32>) {
        let rate = self.config.rate;
        let shortest = rate.samples_in(self.config.shortest).max(1);
        let longest = rate.samples_in(self.config.longest).max(shortest);
        let length = shortest + self.random.below(longest - shortest + 1);
        let length = ((length as f32 / self.speed) as u64).max(1);
        if self.config.word_spans {
            let audio = self.position..self.position + length;
            self.events.push_back(SpeechEvent::Span { text, audio });
        }
        let step = TAU * word_frequency(self.words) / rate.hz() as f32;
        let fade = (rate.hz() as u64 / 200).min(length / 2).max(1);
        let gap = rate.samples_in(self.config.gap);
        let samples: Vec<i16> = (0..length + gap)
            .map(|at| {
                let edge = at.min(length.saturating_sub(at));
                let gain = edge.min(fade) as f32 / fade as f32;
                (8_000.0 * gain * (step * at as f32).sin()) as i16
            })
            .collect();
        let event = rate.samples_in(self.config.event).max(1) as usize;
        let events = samples.chunks(event);
        self.events.extend(events.map(|s| SpeechEvent::Audio { rate, samples: s.to_vec() }));
        self.position += length + gap;
        self.words += 1;
    }

    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

/// Where the words (letters or digits among them) of `text` begin.
fn word_starts(text: &str) -> Vec<usize> {
    text.split(char::is_whitespace)
        .filter(|word| word.chars().any(char::is_alphanumeric))
        .map(|word| word.as_ptr() as usize - text.as_ptr() as usize)
        .collect()
}

impl SpeechStream for ScriptedStream {
    fn push(&mut self, chunk: TextChunk) {
        if !self.finished && !self.over {
            self.speak(&chunk);
            self.wake();
        }
    }

    fn finish(&mut self) {
        self.finished = true;
        self.wake();
    }

    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<SpeechEvent> {
        if self.over {
            return Poll::Pending;
        }
        if self.config.delivery == Delivery::Interleaved && std::mem::take(&mut self.given) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let event = match self.events.pop_front() {
            Some(event) => event,
            None if self.finished => SpeechEvent::Done,
            None => {
                self.waker = Some(cx.waker().clone());
                return Poll::Pending;
            }
        };
        self.over = matches!(event, SpeechEvent::Done | SpeechEvent::Failed(_));
        self.given = true;
        Poll::Ready(event)
    }
}

/// SplitMix64 (Steele, Lea and Flood, 2014): small, seeded, the same everywhere.
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number below `limit` (0 where that is 0).
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)).checked_rem(limit).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every event of a reply, and how often a poll was pending.
    fn speak(config: ScriptedConfig, texts: &[&str]) -> (Vec<SpeechEvent>, usize) {
        let voice = VoiceConfig { voice: String::new(), language: "en".into(), speed: 1.0 };
        let mut stream = Scripted::new(config).open(&voice).expect("opens");
        let mut at = 0;
        for text in texts {
            let range = at..at + text.len() as u32;
            at = range.end;
            stream.push(TextChunk { text: (*text).to_owned(), range });
        }
        stream.finish();
        let mut cx = Context::from_waker(Waker::noop());
        let (mut events, mut pending) = (Vec::new(), 0);
        loop {
            match stream.poll_event(&mut cx) {
                Poll::Ready(event) => {
                    let over = matches!(event, SpeechEvent::Done | SpeechEvent::Failed(_));
                    events.push(event);
                    if over {
                        return (events, pending);
                    }
                }
                Poll::Pending => pending += 1,
            }
        }
    }

    fn samples(events: &[SpeechEvent]) -> Vec<i16> {
        let mut all = Vec::new();
        for event in events {
            if let SpeechEvent::Audio { samples, .. } = event {
                all.extend(samples);
            }
        }
        all
    }

    #[test]
    fn each_word_is_heard_where_its_span_says() {
        let (events, _) = speak(ScriptedConfig::default(), &["One two three,", " four five."]);
        let samples = samples(&events);
        let spans = events.iter().filter_map(|event| match event {
            SpeechEvent::Span { text, audio } => Some((text.clone(), audio.clone())),
            _ => None,
        });
        let mut words = 0;
        for (index, (_, audio)) in spans.enumerate() {
            let part = &samples[audio.start as usize..audio.end as usize];
            let rises = part.windows(2).filter(|pair| pair[0] < 0 && pair[1] >= 0).count();
            let heard = rises as f32 * 8_000.0 / part.len() as f32;
            let expected = word_frequency(index);
            assert!((heard - expected).abs() < 15.0 + expected * 0.02, "{heard} Hz, {expected} Hz");
            words += 1;
        }
        assert_eq!(words, 5);
    }

    #[test]
    fn the_same_seed_gives_the_same_reply() {
        let config = |seed| ScriptedConfig { seed, ..ScriptedConfig::default() };
        assert_eq!(speak(config(1), &["a b c"]), speak(config(1), &["a b c"]));
        assert_ne!(speak(config(1), &["a b c"]), speak(config(2), &["a b c"]));
    }

    #[test]
    fn events_can_be_interleaved_with_other_work() {
        let config =
            ScriptedConfig { delivery: Delivery::Interleaved, ..ScriptedConfig::default() };
        let (events, pending) = speak(config, &["One two"]);
        assert_eq!(pending, events.len() - 1);
        assert_eq!(events, speak(ScriptedConfig::default(), &["One two"]).0);
    }

    #[test]
    fn a_phrase_can_have_one_span() {
        let config = ScriptedConfig { word_spans: false, ..ScriptedConfig::default() };
        let (events, _) = speak(config, &["One two.", " Three"]);
        let total = samples(&events).len() as u64;
        let mut before = 0;
        let mut spans = Vec::new();
        for event in &events {
            match event {
                SpeechEvent::Audio { samples, .. } => before += samples.len() as u64,
                SpeechEvent::Span { text, audio } => {
                    assert_eq!(audio.start, before, "comes before its audio");
                    spans.push((text.clone(), audio.clone()));
                }
                _ => {}
            }
        }
        assert_eq!((spans[0].0.clone(), spans[1].0.clone()), (0..8, 8..14));
        assert_eq!(spans[1].1.end, total);
    }

    #[test]
    fn it_fails_when_told_to() {
        let config = ScriptedConfig { fail_after: Some(2), ..ScriptedConfig::default() };
        let (events, _) = speak(config, &["One two three"]);
        let Some(SpeechEvent::Failed(error)) = events.last() else { panic!("no failure") };
        assert!(error.to_string().contains("after 2 words"), "{error}");
        assert!(!samples(&events).is_empty());
    }
}
