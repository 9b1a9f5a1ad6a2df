//! What the scripted voice makes of a text: the audio a caller should hear, word by word.
//! Positions are samples of the line.

use std::ops::Range;
use std::task::{Context, Poll, Waker};

use codecs::SampleRate;
use codecs::resample::Resampler;
use tts::scripted::{Scripted, ScriptedConfig};
use tts::{SpeechEvent, Synthesizer, TextChunk, VoiceConfig};

use crate::stage::RATE;

/// A text as it is spoken.
pub(crate) struct Spoken {
    /// Each word and where it lies, in samples of the voice.
    words: Vec<(String, Range<u64>)>,
    voice: SampleRate,
    pub(crate) samples: Vec<i16>,
}

impl Spoken {
    /// `text` in a voice of the line's own rate.
    pub(crate) fn new(text: &str) -> Self {
        Self::at(text, RATE)
    }

    /// `text` in a voice of this rate.
    pub(crate) fn at(text: &str, rate: SampleRate) -> Self {
        let config = ScriptedConfig { rate, ..ScriptedConfig::default() };
        let voice = VoiceConfig { voice: String::new(), language: "en".to_owned(), speed: 1.0 };
        let mut stream = Scripted::new(config).open(&voice).expect("a voice");
        let range = 0..u32::try_from(text.len()).expect("a short text");
        stream.push(TextChunk { text: text.to_owned(), range });
        stream.finish();
        let mut spoken = Self { words: Vec::new(), voice: rate, samples: Vec::new() };
        let mut resampler = Resampler::new(rate, RATE).expect("rates in use");
        let mut places = Vec::new();
        let mut cx = Context::from_waker(Waker::noop());
        while let Poll::Ready(event) = stream.poll_event(&mut cx) {
            match event {
                SpeechEvent::Audio { samples, .. } => {
                    resampler.process(&samples, &mut spoken.samples);
                }
                SpeechEvent::Span { audio, .. } => places.push(audio),
                SpeechEvent::Done => break,
                SpeechEvent::Failed(error) => panic!("{error}"),
            }
        }
        resampler.flush(&mut spoken.samples);
        let mut places = places.into_iter();
        for token in text.split_whitespace() {
            if token.contains(char::is_alphanumeric) {
                let place = places.next().expect("a place for each word");
                spoken.words.push((token.to_owned(), place));
            } else if let Some((word, _)) = spoken.words.last_mut() {
                // A mark set apart, as before French question marks, goes with its word.
                word.push(' ');
                word.push_str(token);
            }
        }
        assert_eq!(places.next(), None, "as many words as places");
        spoken
    }

    /// The words of which at least half was heard when the first `samples` were.
    pub(crate) fn heard(&self, samples: u64) -> String {
        let played = RATE.duration_of(samples);
        let middle = |audio: &Range<u64>| self.voice.duration_of((audio.start + audio.end) / 2);
        let heard = self.words.iter().filter(|(_, audio)| samples > 0 && middle(audio) <= played);
        heard.map(|(word, _)| word.as_str()).collect::<Vec<_>>().join(" ")
    }

    /// Where the word begins that is being spoken at `sample`; between words, `sample` itself.
    pub(crate) fn word_start(&self, sample: u64) -> u64 {
        assert_eq!(self.voice, RATE, "exact only without resampling");
        let word = self.words.iter().find(|(_, audio)| audio.contains(&sample));
        word.map_or(sample, |(_, audio)| audio.start)
    }
}
