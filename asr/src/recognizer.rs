//! The plug point for speech recognition.
//!
//! A [`Recognizer`] belongs to the process and opens one [`RecognizerStream`] per call. A stream
//! is fed from the call's task and polled by it; neither ever blocks. Positions are samples of
//! the stream at its rate, counted from the first one pushed.

use std::fmt;
use std::task::{Context, Poll};

use codecs::SampleRate;

/// A provider of speech recognition, shared by all calls.
pub trait Recognizer: Send + Sync + fmt::Debug {
    /// Opens a stream for one call.
    ///
    /// # Errors
    ///
    /// Where the language, the rate or the provider's capacity does not allow it.
    fn open(&self, config: &StreamConfig) -> Result<Box<dyn RecognizerStream>, RecognizerError>;

    /// A call will open a stream like this in a moment: makes ready what that takes. Never blocks.
    fn prepare(&self, config: &StreamConfig) {
        let _ = config;
    }

    /// Decodes that callers' pauses wait for and no thread has taken up yet; none, where decoding is
    /// done elsewhere.
    fn backlog(&self) -> usize {
        0
    }

    /// Samples of callers that were dropped since they could not be taken in time, of all streams.
    fn lost_samples(&self) -> u64 {
        0
    }
}

/// What a call asks of its recogniser.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamConfig {
    /// Rate of the samples that will be pushed, in Hz.
    pub rate: SampleRate,
    /// BCP 47 language tag: `en`, `fr-FR`.
    pub language: String,
}

impl StreamConfig {
    /// Refuses a language that is none of `spoken`, whatever its region (`en` is spoken where
    /// `en-GB` is asked for).
    pub(crate) fn expect_language<S: AsRef<str>>(
        &self,
        provider: &'static str,
        spoken: &[S],
    ) -> Result<(), RecognizerError> {
        let primary = |tag: &str| tag.split(['-', '_']).next().unwrap_or_default().to_owned();
        let asked = primary(&self.language);
        if spoken.iter().any(|tag| primary(tag.as_ref()).eq_ignore_ascii_case(&asked)) {
            return Ok(());
        }
        Err(RecognizerError::Language { provider, language: self.language.clone() })
    }
}

/// One call's recognition. Dropping it stops all its work.
pub trait RecognizerStream: Send {
    /// Takes the next samples. Never blocks and, after warm-up, never allocates; where the
    /// provider cannot keep up the oldest unheard audio is dropped and counted.
    fn push(&mut self, samples: &[i16]);

    /// Says where the caller's turn stands, as the Floor sees it.
    fn hint(&mut self, hint: Hint);

    /// The next event, if there is one. After [`RecognizerEvent::Failed`] the stream is dead.
    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<RecognizerEvent>;
}

/// What the Floor knows of the caller's turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hint {
    /// Speech began (again) at this sample.
    SpeechStarted {
        /// First sample of the first voiced window.
        at: u64,
    },
    /// Silence began at this sample: decode now what was said.
    Pause {
        /// First sample of the silence.
        at: u64,
    },
    /// The turn is over; the next speech opens a new segment.
    TurnEnded,
}

/// How much a transcript may still change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stability {
    /// A guess in mid-speech.
    Partial,
    /// Everything up to `covers` was decoded; only more speech would change it.
    Stable,
    /// The segment will not change again.
    Final,
}

/// A word with its place in the stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    /// As written by the model.
    pub text: String,
    /// First sample.
    pub start: u64,
    /// One past the last sample.
    pub end: u64,
}

/// Words of one segment of speech. A later transcript of the same segment replaces an earlier
/// one; a new segment starts after a [`Stability::Final`] or a [`Hint::TurnEnded`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transcript {
    /// Counts up within the stream.
    pub segment: u32,
    /// The segment's words so far.
    pub text: String,
    /// Words with times, where the provider knows them; else empty.
    pub words: Vec<Word>,
    /// How much may still change.
    pub stability: Stability,
    /// The audio up to this sample is in the text.
    pub covers: u64,
}

/// What a stream reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecognizerEvent {
    /// Words.
    Transcript(Transcript),
    /// The provider's own end of turn (`eager`: a guess worth preparing a reply for).
    EndOfTurn {
        /// Not certain yet.
        eager: bool,
    },
    /// The provider takes its end of turn back.
    TurnResumed,
    /// The stream is dead.
    Failed(RecognizerError),
}

/// Why recognition is not to be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RecognizerError {
    /// The provider does not speak this language; choose another transcriber.
    #[error("transcriber {provider} does not support the language {language}")]
    Language {
        /// Who.
        provider: &'static str,
        /// The tag that was asked for.
        language: String,
    },
    /// The provider cannot take audio at this rate; choose a standard one.
    #[error("transcriber {provider}: {reason}")]
    Rate {
        /// Who.
        provider: &'static str,
        /// Which rate, and what would do.
        reason: String,
    },
    /// The model files are missing or unusable.
    #[error("transcriber {provider}: {reason}")]
    Model {
        /// Who.
        provider: &'static str,
        /// What is wrong and what to do.
        reason: String,
    },
    /// The provider stopped working in mid-call.
    #[error("transcriber {provider} failed: {reason}")]
    Stream {
        /// Who.
        provider: &'static str,
        /// What happened.
        reason: String,
    },
}
