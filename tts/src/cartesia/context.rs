//! One reply at the service: what was sent for it, and what came back. Pure.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use codecs::SampleRate;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::PROVIDER;
use super::place::Placer;
use super::wire::{Message, Template, TimedWord};
use crate::{SpeechEvent, SynthesizerError, TextChunk};

/// A context that has been silent for so long is taken for expired: it does 1 s after its last
/// audio ("Contexts").
const EXPIRY: Duration = Duration::from_millis(800);

/// One reply.
pub(super) struct Context {
    reply: u64,
    template: Arc<Template>,
    events: mpsc::UnboundedSender<SpeechEvent>,
    rate: SampleRate,
    placer: Placer,
    /// Contexts that were begun for it: one, unless the model was slow in mid-reply.
    begun: u32,
    /// The last of them may still speak.
    open: bool,
    /// Where its first sample is in the reply.
    base: u64,
    /// When it last said something.
    last_message: Option<Instant>,
    finished: bool,
    /// Requests that wait to be sent.
    pub(super) outbox: VecDeque<String>,
    /// The socket it speaks through.
    pub(super) link: Option<u64>,
}

impl Context {
    pub(super) fn new(
        reply: u64,
        template: Arc<Template>,
        rate: SampleRate,
        events: mpsc::UnboundedSender<SpeechEvent>,
    ) -> Self {
        Self {
            reply,
            template,
            events,
            rate,
            placer: Placer::new(rate),
            begun: 0,
            open: false,
            base: 0,
            last_message: None,
            finished: false,
            outbox: VecDeque::new(),
            link: None,
        }
    }

    /// What the service calls it.
    pub(super) fn id(&self) -> String {
        format!("{}.{}", self.reply, self.begun)
    }

    /// The reply a context of the service belongs to.
    pub(super) fn reply_of(id: &str) -> Option<u64> {
        id.split_once('.')?.0.parse().ok()
    }

    /// The service knows of it.
    pub(super) fn is_open(&self) -> bool {
        self.open
    }

    /// Takes a phrase.
    pub(super) fn write(&mut self, chunk: &TextChunk, now: Instant) {
        let all_said = self.placer.is_caught_up();
        self.placer.write(chunk);
        // The service refuses a transcript that cannot be said.
        if !chunk.text.chars().any(char::is_alphanumeric) {
            return;
        }
        let silent = self.last_message.is_some_and(|last| now - last > EXPIRY);
        if self.open && silent && all_said {
            self.open = false;
        }
        if !self.open {
            self.begun += 1;
            self.open = true;
            self.base = self.placer.given();
            self.last_message = None;
        }
        self.outbox.push_back(self.template.request(&self.id(), &chunk.text, true));
    }

    /// No more text comes. True: the reply is over.
    pub(super) fn finish(&mut self) -> bool {
        self.finished = true;
        if self.open {
            self.outbox.push_back(self.template.request(&self.id(), "", false));
            return false;
        }
        self.conclude();
        true
    }

    /// Takes what the service says of context `id`. True: the reply is over.
    pub(super) fn take(&mut self, id: &str, message: Message, now: Instant) -> bool {
        if id != self.id() {
            // Of a context that was given up.
            return false;
        }
        self.last_message = Some(now);
        match message {
            Message::Audio(samples) => {
                if !samples.is_empty() {
                    self.placer.give(samples.len());
                    self.tell(SpeechEvent::Audio { rate: self.rate, samples });
                }
                false
            }
            Message::Words(words) => {
                let base = self.base as f64 / f64::from(self.rate.hz());
                let later = |word: TimedWord| TimedWord {
                    start: word.start + base,
                    end: word.end + base,
                    ..word
                };
                let words: Vec<TimedWord> = words.into_iter().map(later).collect();
                self.placer.say(&words);
                self.tell_spans();
                false
            }
            Message::Done => {
                self.open = false;
                if self.finished {
                    self.conclude();
                }
                self.finished
            }
            Message::Error(reason) => {
                self.fail(reason);
                true
            }
            Message::Other => false,
        }
    }

    /// There will be no audio.
    pub(super) fn fail(&self, reason: String) {
        self.tell(SpeechEvent::Failed(SynthesizerError::Stream { provider: PROVIDER, reason }));
    }

    fn conclude(&mut self) {
        self.placer.finish();
        self.tell_spans();
        self.tell(SpeechEvent::Done);
    }

    fn tell_spans(&mut self) {
        while let Some((text, audio)) = self.placer.poll() {
            self.tell(SpeechEvent::Span { text, audio });
        }
    }

    fn tell(&self, event: SpeechEvent) {
        // A stream that is dropped says so itself.
        let _ = self.events.send(event);
    }
}

#[cfg(test)]
mod tests {
    use super::super::CartesiaConfig;
    use super::*;

    fn context() -> (Context, mpsc::UnboundedReceiver<SpeechEvent>) {
        let template = Template::new(&CartesiaConfig::default(), "a-voice", "en", 1.0);
        let (events, received) = mpsc::unbounded_channel();
        (Context::new(7, Arc::new(template), SampleRate::HZ_8000, events), received)
    }

    fn chunk(text: &str, at: u32) -> TextChunk {
        TextChunk { text: text.to_owned(), range: at..at + text.len() as u32 }
    }

    fn word(text: &str, start: f64, end: f64) -> Message {
        Message::Words(vec![TimedWord { text: text.to_owned(), start, end }])
    }

    fn told(events: &mut mpsc::UnboundedReceiver<SpeechEvent>) -> Vec<SpeechEvent> {
        std::iter::from_fn(|| events.try_recv().ok()).collect()
    }

    #[test]
    fn text_without_words_asks_nothing_of_the_service() {
        let (mut context, mut events) = context();
        context.write(&chunk("...", 0), Instant::now());
        assert!(context.finish() && context.outbox.is_empty());
        let span = SpeechEvent::Span { text: 0..3, audio: 0..0 };
        assert_eq!(told(&mut events), [span, SpeechEvent::Done]);
    }

    #[test]
    fn a_context_that_expired_is_followed_by_another() {
        let (mut context, mut events) = context();
        let now = Instant::now();
        context.write(&chunk("One,", 0), now);
        assert!(!context.take("7.1", word("One", 0.0, 0.1), now));
        assert!(!context.take("7.1", Message::Audio(vec![5; 800]), now));
        let later = now + Duration::from_secs(2);
        context.write(&chunk(" two.", 4), later);
        assert_eq!(context.id(), "7.2");
        assert!(!context.take("7.1", Message::Done, later), "that one is over");
        assert!(!context.take("7.2", word("two", 0.0, 0.1), later));
        assert!(!context.finish());
        assert!(context.take("7.2", Message::Done, later));
        let spans: Vec<_> = told(&mut events)
            .into_iter()
            .filter_map(|event| match event {
                SpeechEvent::Span { text, audio } => Some((text, audio)),
                _ => None,
            })
            .collect();
        assert_eq!(spans, [(0..4, 0..800), (4..9, 800..1_600)]);
    }

    #[test]
    fn an_error_ends_the_reply_in_the_services_words() {
        let (mut context, mut events) = context();
        context.write(&chunk("One", 0), Instant::now());
        assert!(context.take("7.1", Message::Error("no credit".to_owned()), Instant::now()));
        let [SpeechEvent::Failed(error)] = &told(&mut events)[..] else { panic!("it failed") };
        assert!(error.to_string().ends_with("no credit"), "{error}");
    }
}
