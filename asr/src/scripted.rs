//! A recogniser that knows beforehand what the caller says, for tests on virtual time.
//!
//! It has no thread and hears nothing: the positions of what is pushed and the hints alone move
//! it, so the same calls give the same events. The audio may be anything; the hints say when
//! speech begins.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use codecs::SampleRate;

use crate::{
    Hint, Recognizer, RecognizerError, RecognizerEvent, RecognizerStream, Stability, StreamConfig,
    Transcript, Word,
};

const PROVIDER: &str = "scripted";

/// A recogniser whose every stream plays the same script from its beginning.
#[derive(Clone, Debug, Default)]
pub struct Scripted {
    script: Arc<[Utterance]>,
    delay: Duration,
    languages: Option<Arc<[String]>>,
}

/// What the caller says from one beginning of speech on: cues with their times after the first
/// voiced sample, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Utterance {
    cues: Vec<(Duration, Cue)>,
}

/// What happens at a moment of an utterance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cue {
    /// A word has been said.
    Word(String),
    /// The provider takes the turn to be over.
    EndOfTurn {
        /// Not certain yet.
        eager: bool,
    },
    /// It takes that back.
    TurnResumed,
    /// The provider fails.
    Failure(String),
}

impl Utterance {
    /// The words of `text`, said evenly over `duration`.
    pub fn evenly(text: &str, duration: Duration) -> Self {
        let words: Vec<&str> = text.split_whitespace().collect();
        let count = u32::try_from(words.len()).unwrap_or(u32::MAX);
        let end = |n: usize| duration * u32::try_from(n + 1).unwrap_or(u32::MAX) / count;
        Self::timed(words.iter().enumerate().map(|(n, word)| (*word, end(n))))
    }

    /// Words, each with the time of its end after the beginning of the utterance.
    pub fn timed<'a>(words: impl IntoIterator<Item = (&'a str, Duration)>) -> Self {
        let cues = words.into_iter().map(|(word, end)| (end, Cue::Word(word.to_owned())));
        Self { cues: cues.collect() }
    }

    /// Adds a cue; cues of the same moment happen in the order in which they were added.
    #[must_use]
    pub fn with(mut self, at: Duration, cue: Cue) -> Self {
        let place = self.cues.partition_point(|&(other, _)| other <= at);
        self.cues.insert(place, (at, cue));
        self
    }
}

impl Scripted {
    /// A recogniser that hears `script`, one utterance for each time that speech begins once the
    /// one before is over. After the last it hears nothing.
    pub fn new(script: impl IntoIterator<Item = Utterance>) -> Self {
        Self { script: script.into_iter().collect(), ..Self::default() }
    }

    /// Tells what it heard before a pause only once `delay` more of the stream was pushed.
    #[must_use]
    pub fn with_delay(self, delay: Duration) -> Self {
        Self { delay, ..self }
    }

    /// Refuses any language but those of these BCP 47 tags.
    #[must_use]
    pub fn with_languages<'a>(self, tags: impl IntoIterator<Item = &'a str>) -> Self {
        Self { languages: Some(tags.into_iter().map(str::to_owned).collect()), ..self }
    }
}

impl Recognizer for Scripted {
    fn open(&self, config: &StreamConfig) -> Result<Box<dyn RecognizerStream>, RecognizerError> {
        if let Some(languages) = &self.languages {
            config.expect_language(PROVIDER, languages)?;
        }
        Ok(Box::new(Stream {
            rate: config.rate,
            delay: config.rate.samples_in(self.delay),
            script: Arc::clone(&self.script),
            position: 0,
            utterance: 0,
            began: None,
            next_cue: 0,
            segment: 0,
            phase: Phase::Idle,
            words: Vec::new(),
            stable: None,
            events: VecDeque::new(),
            waker: None,
            failed: false,
        }))
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Idle,
    Speech,
    Pause,
}

/// One call's recognition.
struct Stream {
    rate: SampleRate,
    /// In samples.
    delay: u64,
    script: Arc<[Utterance]>,
    position: u64,
    /// Index of the present utterance, where in the stream it began, and its next cue.
    utterance: usize,
    began: Option<u64>,
    next_cue: usize,
    segment: u32,
    phase: Phase,
    /// The segment's words so far.
    words: Vec<Word>,
    /// A transcript that is told once the stream has come to a position.
    stable: Option<(u64, Transcript)>,
    events: VecDeque<RecognizerEvent>,
    waker: Option<Waker>,
    failed: bool,
}

impl Stream {
    /// Does all that is due at `position`.
    fn catch_up(&mut self) {
        if let Some((at, _)) = &self.stable
            && *at <= self.position
            && let Some((_, transcript)) = self.stable.take()
        {
            self.tell(RecognizerEvent::Transcript(transcript));
        }
        let Some(began) = self.began else { return };
        let script = Arc::clone(&self.script);
        let Some(utterance) = script.get(self.utterance) else { return };
        while let Some((after, cue)) = utterance.cues.get(self.next_cue)
            && let at = began + self.rate.samples_in(*after)
            && at <= self.position
            && !self.failed
        {
            self.next_cue += 1;
            match cue {
                Cue::Word(text) => {
                    let start = self.words.last().map_or(began, |word| word.end.min(at));
                    self.words.push(Word { text: text.clone(), start, end: at });
                    // Words of a pause wait for its transcript, as those of a late one would.
                    if self.phase == Phase::Speech {
                        let partial = self.transcript(Stability::Partial, at);
                        self.tell(RecognizerEvent::Transcript(partial));
                    }
                }
                Cue::EndOfTurn { eager } => self.tell(RecognizerEvent::EndOfTurn { eager: *eager }),
                Cue::TurnResumed => self.tell(RecognizerEvent::TurnResumed),
                Cue::Failure(reason) => {
                    let reason = reason.clone();
                    let error = RecognizerError::Stream { provider: PROVIDER, reason };
                    self.tell(RecognizerEvent::Failed(error));
                    self.failed = true;
                }
            }
        }
    }

    fn transcript(&self, stability: Stability, covers: u64) -> Transcript {
        let text = self.words.iter().map(|word| word.text.as_str()).collect::<Vec<_>>().join(" ");
        let words = self.words.clone();
        Transcript { segment: self.segment, text, words, stability, covers }
    }

    fn tell(&mut self, event: RecognizerEvent) {
        self.events.push_back(event);
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

impl RecognizerStream for Stream {
    fn push(&mut self, samples: &[i16]) {
        if !self.failed {
            self.position += samples.len() as u64;
            self.catch_up();
        }
    }

    fn hint(&mut self, hint: Hint) {
        if self.failed {
            return;
        }
        match hint {
            Hint::SpeechStarted { at } => {
                let said = self.script.get(self.utterance).map_or(0, |now| now.cues.len());
                if self.began.is_some() && self.next_cue >= said {
                    self.utterance += 1;
                    self.next_cue = 0;
                    self.began = None;
                }
                // Nothing begins later than now.
                let position = self.position;
                self.began.get_or_insert_with(|| at.min(position));
                self.stable = None;
                self.phase = Phase::Speech;
                self.catch_up();
            }
            Hint::Pause { .. } if self.phase == Phase::Speech => {
                self.phase = Phase::Pause;
                let stable = self.transcript(Stability::Stable, self.position);
                self.stable = Some((self.position + self.delay, stable));
                self.catch_up();
            }
            Hint::Pause { .. } => {}
            Hint::TurnEnded => {
                let closing = match (self.phase, self.stable.take()) {
                    (Phase::Speech, _) => Some(self.transcript(Stability::Final, self.position)),
                    (_, Some((_, late))) => {
                        Some(Transcript { stability: Stability::Final, ..late })
                    }
                    (_, None) => None,
                };
                if let Some(closing) = closing {
                    self.tell(RecognizerEvent::Transcript(closing));
                }
                if self.phase != Phase::Idle {
                    self.segment += 1;
                    self.words.clear();
                }
                if self.phase == Phase::Pause {
                    self.phase = Phase::Idle;
                }
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

    const MS: u64 = 8;

    fn open(recognizer: &Scripted) -> Box<dyn RecognizerStream> {
        let config = StreamConfig { rate: SampleRate::HZ_8000, language: "en".to_owned() };
        recognizer.open(&config).expect("speaks English")
    }

    /// Pushes `ms` of silence; returns what is told, shortly.
    fn push(stream: &mut dyn RecognizerStream, ms: u64) -> Vec<String> {
        for _ in 0..ms / 20 {
            stream.push(&[0; 20 * MS as usize]);
        }
        told(stream)
    }

    fn told(stream: &mut dyn RecognizerStream) -> Vec<String> {
        let mut told = Vec::new();
        while let Poll::Ready(event) = stream.poll_event(&mut Context::from_waker(Waker::noop())) {
            told.push(match event {
                RecognizerEvent::Transcript(Transcript { segment, text, stability, .. }) => {
                    format!("{segment} {stability:?} {text}")
                }
                other => format!("{other:?}"),
            });
        }
        told
    }

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn words_come_one_by_one_and_the_pause_makes_them_stable() {
        let recognizer = Scripted::new([
            Utterance::timed([("hello", ms(300)), ("there", ms(600))]),
            Utterance::evenly("all right", ms(400)),
        ]);
        let mut stream = open(&recognizer);
        assert!(push(&mut *stream, 1_000).is_empty());
        stream.hint(Hint::SpeechStarted { at: 900 * MS });
        assert_eq!(push(&mut *stream, 200), ["0 Partial hello"]);
        assert_eq!(push(&mut *stream, 300), ["0 Partial hello there"]);
        stream.hint(Hint::Pause { at: 1_500 * MS });
        assert_eq!(told(&mut *stream), ["0 Stable hello there"]);
        stream.hint(Hint::TurnEnded);
        assert!(push(&mut *stream, 500).is_empty());
        stream.hint(Hint::SpeechStarted { at: 2_000 * MS });
        assert_eq!(push(&mut *stream, 400), ["1 Partial all", "1 Partial all right"]);
    }

    #[test]
    fn a_turn_that_ends_too_early_leaves_the_rest_to_the_next_segment() {
        let script = [Utterance::timed([("five", ms(300)), ("six", ms(1_500))])];
        let mut stream = open(&Scripted::new(script));
        stream.hint(Hint::SpeechStarted { at: 0 });
        assert_eq!(push(&mut *stream, 500), ["0 Partial five"]);
        stream.hint(Hint::Pause { at: 400 * MS });
        stream.hint(Hint::TurnEnded);
        assert_eq!(told(&mut *stream), ["0 Stable five"]);
        assert!(push(&mut *stream, 800).is_empty());
        stream.hint(Hint::SpeechStarted { at: 1_200 * MS });
        assert_eq!(push(&mut *stream, 300), ["1 Partial six"]);
    }

    #[test]
    fn a_delay_is_counted_in_the_stream() {
        let script = [Utterance::evenly("yes", ms(300))];
        let mut stream = open(&Scripted::new(script).with_delay(ms(100)));
        stream.hint(Hint::SpeechStarted { at: 0 });
        assert_eq!(push(&mut *stream, 400), ["0 Partial yes"]);
        stream.hint(Hint::Pause { at: 300 * MS });
        assert!(push(&mut *stream, 80).is_empty());
        assert_eq!(push(&mut *stream, 20), ["0 Stable yes"]);
    }

    #[test]
    fn cues_tell_the_turns_end_and_failures() {
        let utterance = Utterance::evenly("bye", ms(200))
            .with(ms(300), Cue::EndOfTurn { eager: true })
            .with(ms(400), Cue::TurnResumed)
            .with(ms(500), Cue::Failure("gone".to_owned()))
            .with(ms(600), Cue::EndOfTurn { eager: false });
        let mut stream = open(&Scripted::new([utterance]));
        stream.hint(Hint::SpeechStarted { at: 0 });
        let events = push(&mut *stream, 1_000);
        assert_eq!(events.len(), 4, "nothing after the failure: {events:?}");
        assert_eq!(events[1..3], ["EndOfTurn { eager: true }", "TurnResumed"]);
        assert!(events[3].contains("gone"));
    }

    #[test]
    fn languages_are_refused_by_name() {
        let recognizer = Scripted::new([]).with_languages(["en"]);
        let config = StreamConfig { rate: SampleRate::HZ_8000, language: "fr".to_owned() };
        let error = recognizer.open(&config).err().expect("no French");
        assert!(error.to_string().contains("language fr"));
    }
}
