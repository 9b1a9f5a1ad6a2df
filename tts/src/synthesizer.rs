//! The plug point for speech synthesis.
//!
//! A [`Synthesizer`] belongs to the process and opens one [`SpeechStream`] per reply. Text goes
//! in phrase by phrase, audio and the places of words in it come out. Dropping a stream cancels
//! it at once: no later audio, no child process left.

use std::fmt;
use std::ops::Range;
use std::task::{Context, Poll};

use codecs::SampleRate;

/// A provider of voices, shared by all calls.
pub trait Synthesizer: Send + Sync + fmt::Debug {
    /// Opens a stream for one reply.
    ///
    /// # Errors
    ///
    /// Where the voice or the language is not to be had.
    fn open(&self, voice: &VoiceConfig) -> Result<Box<dyn SpeechStream>, SynthesizerError>;

    /// Says `phrases`, which make one reply, to nobody, so that they are there when a reply wants
    /// them: poll the stream to its end. `None` where nothing is kept, or all of it is there.
    fn prepare(&self, voice: &VoiceConfig, phrases: &[TextChunk]) -> Option<Box<dyn SpeechStream>> {
        let _ = (voice, phrases);
        None
    }
}

/// Which voice a reply is spoken with.
#[derive(Clone, Debug, PartialEq)]
pub struct VoiceConfig {
    /// The provider's name for the voice; empty: its default for the language.
    pub voice: String,
    /// BCP 47 language tag: `en`, `fr-FR`.
    pub language: String,
    /// Speaking rate; 1.0 is the voice's own.
    pub speed: f32,
}

/// A phrase to be spoken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextChunk {
    /// The words as the reply has them.
    pub text: String,
    /// Where they stand in the reply's text, in bytes.
    pub range: Range<u32>,
}

/// One reply's voice.
pub trait SpeechStream: Send {
    /// Takes the next phrase. Never blocks.
    fn push(&mut self, chunk: TextChunk);

    /// No more text will come.
    fn finish(&mut self);

    /// The next event, if there is one. After [`SpeechEvent::Done`] or [`SpeechEvent::Failed`]
    /// there is none.
    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<SpeechEvent>;
}

/// What a voice gives back, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SpeechEvent {
    /// The next samples of the reply.
    Audio {
        /// Their rate; constant within a stream.
        rate: SampleRate,
        /// The samples.
        samples: Vec<i16>,
    },
    /// These bytes of the reply's text are heard in these samples (positions at the stream's
    /// rate, from the reply's first sample). Comes before the audio it speaks of ends. A provider
    /// that does not know where its words are gives one span per phrase.
    Span {
        /// Bytes of the reply's text.
        text: Range<u32>,
        /// Samples of the reply's audio.
        audio: Range<u64>,
    },
    /// All audio has been given.
    Done,
    /// The stream is dead.
    Failed(SynthesizerError),
}

/// Why a voice is not to be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SynthesizerError {
    /// The provider has no voice for this language; choose another.
    #[error("voice provider {provider} has no voice for the language {language}")]
    Language {
        /// Who.
        provider: &'static str,
        /// The tag that was asked for.
        language: String,
    },
    /// No such voice.
    #[error("voice provider {provider} has no voice named {voice}")]
    Voice {
        /// Who.
        provider: &'static str,
        /// The name that was asked for.
        voice: String,
    },
    /// The program or the model files are missing or unusable.
    #[error("voice provider {provider}: {reason}")]
    Unavailable {
        /// Who.
        provider: &'static str,
        /// What is wrong and what to do.
        reason: String,
    },
    /// The provider stopped working in mid-reply.
    #[error("voice provider {provider} failed: {reason}")]
    Stream {
        /// Who.
        provider: &'static str,
        /// What happened.
        reason: String,
    },
}
