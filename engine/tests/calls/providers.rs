//! Providers that watch and providers that fail.

use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use engine::llm::{ChatRequest, LanguageModel, ModelError, ReplyEvent, ReplyStream};
use tokio::time::Sleep;
use tts::{SpeechEvent, SpeechStream, Synthesizer, SynthesizerError, TextChunk, VoiceConfig};

/// What was seen of a call's model and voice.
#[derive(Clone, Debug, Default)]
pub(crate) struct Watch(Arc<Seen>);

#[derive(Debug, Default)]
struct Seen {
    requests: Mutex<Vec<ChatRequest>>,
    streams: AtomicUsize,
}

impl Watch {
    /// Streams that are open.
    pub(crate) fn streams(&self) -> usize {
        self.0.streams.load(Ordering::Relaxed)
    }

    /// What the model was asked so far.
    pub(crate) fn requests(&self) -> Vec<ChatRequest> {
        self.0.requests.lock().expect("no panic while it is held").clone()
    }

    fn open<S: ?Sized>(&self, stream: Box<S>) -> Open<S> {
        self.0.streams.fetch_add(1, Ordering::Relaxed);
        Open { stream, watch: self.clone() }
    }
}

/// A provider under watch.
#[derive(Debug)]
pub(crate) struct Watched<P: ?Sized> {
    provider: Arc<P>,
    watch: Watch,
}

impl<P: ?Sized> Watched<P> {
    pub(crate) fn new(provider: Arc<P>, watch: &Watch) -> Self {
        Self { provider, watch: watch.clone() }
    }
}

/// A stream that is counted until it is dropped.
struct Open<S: ?Sized> {
    watch: Watch,
    stream: Box<S>,
}

impl<S: ?Sized> Drop for Open<S> {
    fn drop(&mut self) {
        self.watch.0.streams.fetch_sub(1, Ordering::Relaxed);
    }
}

impl LanguageModel for Watched<dyn LanguageModel> {
    fn start(&self, request: ChatRequest) -> Box<dyn ReplyStream> {
        self.watch.0.requests.lock().expect("no panic while it is held").push(request.clone());
        Box::new(self.watch.open(self.provider.start(request)))
    }
}

impl ReplyStream for Open<dyn ReplyStream> {
    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<ReplyEvent> {
        self.stream.poll_event(cx)
    }
}

impl Synthesizer for Watched<dyn Synthesizer> {
    fn open(&self, voice: &VoiceConfig) -> Result<Box<dyn SpeechStream>, SynthesizerError> {
        Ok(Box::new(self.watch.open(self.provider.open(voice)?)))
    }
}

impl SpeechStream for Open<dyn SpeechStream> {
    fn push(&mut self, chunk: TextChunk) {
        self.stream.push(chunk);
    }

    fn finish(&mut self) {
        self.stream.finish();
    }

    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<SpeechEvent> {
        self.stream.poll_event(cx)
    }
}

/// A model that begins each reply with `words` and then does not go on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DeadModel {
    pub(crate) words: &'static str,
    /// It fails this long after its words; `None`: it says nothing more.
    pub(crate) fails_after: Option<Duration>,
}

struct DeadReply {
    words: Option<&'static str>,
    failure: Option<Pin<Box<Sleep>>>,
}

impl LanguageModel for DeadModel {
    fn start(&self, _: ChatRequest) -> Box<dyn ReplyStream> {
        Box::new(DeadReply {
            words: Some(self.words).filter(|words| !words.is_empty()),
            failure: self.fails_after.map(|after| Box::pin(tokio::time::sleep(after))),
        })
    }
}

impl ReplyStream for DeadReply {
    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<ReplyEvent> {
        if let Some(words) = self.words.take() {
            return Poll::Ready(ReplyEvent::Text(words.to_owned()));
        }
        let Some(failure) = &mut self.failure else { return Poll::Pending };
        ready!(failure.as_mut().poll(cx));
        self.failure = None;
        let reason = "the line is cut".to_owned();
        Poll::Ready(ReplyEvent::Failed(ModelError::Connection { provider: "dead", reason }))
    }
}

/// A voice that takes text and never gives audio.
#[derive(Debug)]
pub(crate) struct MuteVoice;

struct MuteSpeech;

impl Synthesizer for MuteVoice {
    fn open(&self, _: &VoiceConfig) -> Result<Box<dyn SpeechStream>, SynthesizerError> {
        Ok(Box::new(MuteSpeech))
    }
}

impl SpeechStream for MuteSpeech {
    fn push(&mut self, _: TextChunk) {}

    fn finish(&mut self) {}

    fn poll_event(&mut self, _: &mut Context<'_>) -> Poll<SpeechEvent> {
        Poll::Pending
    }
}

/// The scripted voice, whose audio comes in pieces of 50 ms, one each `pace`.
#[derive(Debug)]
pub(crate) struct SlowVoice {
    pub(crate) pace: Duration,
}

struct SlowSpeech {
    stream: Box<dyn SpeechStream>,
    pace: Duration,
    due: Option<Pin<Box<Sleep>>>,
}

impl Synthesizer for SlowVoice {
    fn open(&self, voice: &VoiceConfig) -> Result<Box<dyn SpeechStream>, SynthesizerError> {
        let stream = tts::scripted::Scripted::default().open(voice)?;
        Ok(Box::new(SlowSpeech { stream, pace: self.pace, due: None }))
    }
}

impl SpeechStream for SlowSpeech {
    fn push(&mut self, chunk: TextChunk) {
        self.stream.push(chunk);
    }

    fn finish(&mut self) {
        self.stream.finish();
    }

    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<SpeechEvent> {
        if let Some(due) = &mut self.due {
            ready!(due.as_mut().poll(cx));
            self.due = None;
        }
        let event = ready!(self.stream.poll_event(cx));
        if matches!(event, SpeechEvent::Audio { .. }) {
            self.due = Some(Box::pin(tokio::time::sleep(self.pace)));
        }
        Poll::Ready(event)
    }
}
