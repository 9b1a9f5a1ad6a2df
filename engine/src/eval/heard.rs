//! Heard means heard: what history says of a reply that was cut, against what was audible of it.
//!
//! An assistant tells something with figures, abbreviations and words of all lengths, and is
//! interrupted at a moment left to seeded chance, at a carrier with a playout queue, 20 to 120 ms
//! away. What was
//! audible is known to the sample; what entered history is in the journal. The word in progress at
//! the cut may stand on either side.
//!
//! The **timed** voice says where each word is; their lengths have nothing to do with their
//! letters (90 to 700 ms, and 30 ms between them). The **untimed** one says only where each phrase
//! is; its words take 60 ms a letter and 350 ms a digit, by up to a quarter more or less, with
//! pauses behind commas and stops, as synthesised speech does.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use asr::scripted::{Scripted as ScriptedRecognizer, Utterance};
use serde::Serialize;
use tts::{SpeechEvent, SpeechStream, Synthesizer, SynthesizerError, TextChunk, VoiceConfig};
use turntaking::input::TurnId;
use turntaking::journal::Record;
use turntaking::output::{Event, Output};
use turntaking::settings::{FirstMessageMode, Settings};
use vad::ScriptedVad;

use super::barge_in::furthest;
use super::call::{self, CallError, Line, Staged};
use super::chance::Chance;
use super::line::{RATE, samples};
use super::score::{Rate, Times};
use crate::carrier::{Action, CallerScript, When};
use crate::session::Providers;

/// What the assistant says.
const REPORT: &str = "Your order 40712 left on 3 March, by express; it weighs 12.5 kg, costs $1,299 \
    altogether, and Mr O'Connor, at 221B Baker Street, has to sign for it before 6 p.m. Otherwise, \
    I could send it back, or leave it with a neighbour.";
/// What the caller says over it.
const OBJECTION: &str = "Please wait a moment.";
/// How long that takes.
const OBJECTION_MS: u64 = 600;
/// How far away the carrier is, one way, in ms.
const NETWORK_MS: std::ops::RangeInclusive<u64> = 20..=120;
/// The call goes on for this long afterwards, in ms.
const AFTER_MS: u64 = 1_200;

/// One interruption.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Cut {
    /// The voice says where its words are.
    pub timed: bool,
    /// When the caller began to speak, in ms of the call.
    pub at_ms: u64,
    /// How far the reply was audible, in ms of it.
    pub audible_ms: u64,
    /// Words that were audible to their end.
    pub audible_words: usize,
    /// The word in progress at the cut is one more.
    pub in_progress: bool,
    /// Words in history.
    pub history_words: usize,
    /// Words in history of which nothing was audible.
    pub unheard: usize,
    /// Words that were audible to their end and are not in history.
    pub lost: usize,
    /// History goes beyond the first mark that had not come back.
    pub past_mark: bool,
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct HeardFigures {
    /// Interruptions.
    pub cuts: usize,
    /// Those after which history holds a word that was not audible.
    pub with_unheard: Rate,
    /// Those after which it lacks a word that was.
    pub with_lost: Rate,
    /// Words that were not audible, of all of them.
    pub unheard_words: usize,
    /// Words that are missing, of all of them.
    pub lost_words: usize,
    /// How many words history is off.
    pub words_off: Times,
    /// Those after which history goes beyond the next unplayed mark.
    pub past_mark: Rate,
}

impl HeardFigures {
    fn of(cuts: &[&Cut]) -> Self {
        Self {
            cuts: cuts.len(),
            with_unheard: Rate::of(cuts, |cut| cut.unheard > 0),
            with_lost: Rate::of(cuts, |cut| cut.lost > 0),
            unheard_words: cuts.iter().map(|cut| cut.unheard).sum(),
            lost_words: cuts.iter().map(|cut| cut.lost).sum(),
            words_off: Times::of(cuts.iter().map(|cut| (cut.unheard + cut.lost) as i64)),
            past_mark: Rate::of(cuts, |cut| cut.past_mark),
        }
    }
}

/// History against what was audible, with both voices.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct HeardReport {
    /// With a voice that says where its words are.
    pub timed: HeardFigures,
    /// With one that does not.
    pub untimed: HeardFigures,
    /// Interruptions after which history was wrong.
    pub wrong: Vec<Cut>,
}

/// Interrupts each voice `count` times.
pub(super) async fn play(
    count: usize,
    settings: &Settings,
    say: &mut dyn FnMut(&str),
) -> Result<HeardReport, CallError> {
    let mut cuts = Vec::with_capacity(2 * count);
    for timed in [true, false] {
        for number in 0..count {
            if number % 50 == 0 {
                say(&format!("interrupted reply {number}/{count}"));
            }
            cuts.push(cut(timed, number, settings).await?);
        }
    }
    let part = |timed| -> Vec<&Cut> { cuts.iter().filter(|cut| cut.timed == timed).collect() };
    Ok(HeardReport {
        timed: HeardFigures::of(&part(true)),
        untimed: HeardFigures::of(&part(false)),
        wrong: cuts.iter().filter(|cut| cut.unheard + cut.lost > 0).cloned().collect(),
    })
}

async fn cut(timed: bool, number: usize, settings: &Settings) -> Result<Cut, CallError> {
    let mut chance = Chance::of(&format!("cut {timed} {number}"));
    let voice = WordVoice { timed, seed: chance.bits() };
    let words = voice.words(REPORT);
    let length = words.last().map_or(0, |word| word.end) / 8;
    let at_ms = chance.within(250..=length.saturating_sub(500));
    let objection = Duration::from_millis(OBJECTION_MS);
    let script = CallerScript { cues: Vec::new(), noise_dbfs: None, seed: 0 }
        .then(
            When::At(Duration::from_millis(at_ms)),
            Action::Say(tone(samples(OBJECTION_MS), 440.0)),
        )
        .then(When::AfterPrevious(Duration::from_millis(AFTER_MS)), Action::HangUp);
    let staged = Staged {
        settings: Settings {
            first_message: REPORT.to_owned(),
            first_message_mode: FirstMessageMode::AssistantSpeaksFirst,
            first_message_interruptions: true,
            ..settings.clone()
        },
        language: "en".to_owned(),
        providers: Providers {
            endpointing: None,
            vad: Arc::new(ScriptedVad::level(-40.0)),
            turn_model: None,
            recognizer: Arc::new(ScriptedRecognizer::new([Utterance::evenly(
                OBJECTION, objection,
            )])),
            model: call::okay(),
            synthesizer: Arc::new(voice),
        },
        script,
        line: Line::Carrier(Duration::from_millis(chance.within(NETWORK_MS))),
    };
    let played = call::play(staged).await?;
    let audible = furthest(&played);
    let heard = heard(&played.records);
    let next_mark = played.clears.first().and_then(|cleared| cleared.next_mark);
    Ok(judge(timed, at_ms, &words, audible, &heard, next_mark))
}

/// What history says was heard of the reply.
fn heard(records: &[Record]) -> String {
    let outputs = records.iter().flat_map(|record| &record.outputs);
    let mut heard = outputs.filter_map(|output| match output {
        Output::Event { event: Event::AssistantHeard { turn: TurnId(1), text, .. } } => {
            Some(text.clone())
        }
        _ => None,
    });
    heard.next().unwrap_or_default()
}

/// Compares `heard` with the `words`, each in its samples, of which those up to `audible` were
/// heard.
fn judge(
    timed: bool,
    at_ms: u64,
    words: &[Range<u64>],
    audible: u64,
    heard: &str,
    next_mark: Option<u64>,
) -> Cut {
    let history_words = heard.split_whitespace().count();
    let audible_words = words.iter().filter(|word| word.end <= audible).count();
    let in_progress = words.iter().any(|word| word.start < audible && audible < word.end);
    let begun = audible_words + usize::from(in_progress);
    let last = history_words.checked_sub(1).and_then(|last| words.get(last));
    Cut {
        timed,
        at_ms,
        audible_ms: audible / 8,
        audible_words,
        in_progress,
        history_words,
        unheard: history_words.saturating_sub(begun),
        lost: audible_words.saturating_sub(history_words),
        past_mark: next_mark.zip(last).is_some_and(|(mark, last)| last.start >= mark),
    }
}

/// A voice whose words are where its seed puts them.
#[derive(Clone, Debug)]
struct WordVoice {
    timed: bool,
    seed: u64,
}

/// The silence behind a word of the timed voice, in ms.
const GAP_MS: u64 = 30;

impl WordVoice {
    /// How long the word `index` takes and the silence behind it, in ms.
    fn length(&self, index: usize, word: &str) -> (u64, u64) {
        let mut chance = Chance::of(&format!("{} {index}", self.seed));
        if self.timed {
            return (chance.within(90..=700), GAP_MS);
        }
        let count = |is: fn(char) -> bool| word.chars().filter(|c| is(*c)).count() as u64;
        let length = 350 * count(|c| c.is_ascii_digit()) + 60 * count(char::is_alphabetic);
        let pause = match word.chars().last() {
            Some(',' | ';') => 150,
            Some('.') => 300,
            _ => 0,
        };
        (length.max(100) * chance.within(75..=125) / 100, pause)
    }

    /// Where each word of `text` is, in samples.
    fn words(&self, text: &str) -> Vec<Range<u64>> {
        let mut position = 0;
        text.split_whitespace()
            .enumerate()
            .map(|(index, word)| {
                let (length, gap) = self.length(index, word);
                let range = position..position + samples(length) as u64;
                position = range.end + samples(gap) as u64;
                range
            })
            .collect()
    }
}

impl Synthesizer for WordVoice {
    fn open(&self, _: &VoiceConfig) -> Result<Box<dyn SpeechStream>, SynthesizerError> {
        Ok(Box::new(Stream {
            voice: self.clone(),
            words: 0,
            position: 0,
            events: VecDeque::new(),
            finished: false,
            waker: None,
        }))
    }
}

struct Stream {
    voice: WordVoice,
    words: usize,
    position: u64,
    events: VecDeque<SpeechEvent>,
    finished: bool,
    waker: Option<Waker>,
}

impl Stream {
    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

impl SpeechStream for Stream {
    fn push(&mut self, chunk: TextChunk) {
        let (begin, mut audio) = (self.position, Vec::new());
        for word in chunk.text.split_whitespace() {
            let (length, gap) = self.voice.length(self.words, word);
            let from = begin + audio.len() as u64;
            // The pitch tells words apart, for who listens.
            audio.extend(tone(samples(length), 200.0 + 20.0 * (self.words % 8) as f32));
            if self.voice.timed {
                let at = chunk.range.start
                    + (word.as_ptr() as usize - chunk.text.as_ptr() as usize) as u32;
                let text = at..at + word.len() as u32;
                let audio = from..begin + audio.len() as u64;
                self.events.push_back(SpeechEvent::Span { text, audio });
            }
            audio.resize(audio.len() + samples(gap), 0);
            self.words += 1;
        }
        self.position += audio.len() as u64;
        if !self.voice.timed {
            let audio = begin..self.position;
            self.events.push_back(SpeechEvent::Span { text: chunk.range, audio });
        }
        for block in audio.chunks(samples(50)) {
            self.events.push_back(SpeechEvent::Audio { rate: RATE, samples: block.to_vec() });
        }
        self.wake();
    }

    fn finish(&mut self) {
        self.finished = true;
        self.wake();
    }

    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<SpeechEvent> {
        if let Some(event) = self.events.pop_front() {
            return Poll::Ready(event);
        }
        if std::mem::take(&mut self.finished) {
            return Poll::Ready(SpeechEvent::Done);
        }
        self.waker = Some(cx.waker().clone());
        Poll::Pending
    }
}

/// A tone of `length` samples, well above what is silence.
fn tone(length: usize, hz: f32) -> Vec<i16> {
    let step = std::f32::consts::TAU * hz / RATE.hz() as f32;
    (0..length).map(|at| (8_000.0 * (step * at as f32).sin()) as i16).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_word_in_progress_may_stand_on_either_side() {
        let words = [0..800, 900..1_800, 2_000..2_400];
        let cut = |audible, heard| {
            let cut = judge(true, 0, &words, audible, heard, Some(1_900));
            (cut.unheard, cut.lost, cut.past_mark)
        };
        assert_eq!(cut(1_000, "one"), (0, 0, false));
        assert_eq!(cut(1_000, "one two"), (0, 0, false));
        assert_eq!(cut(1_000, "one two three"), (1, 0, true));
        assert_eq!(cut(1_800, "one"), (0, 1, false));
        assert_eq!(cut(1_000, ""), (0, 1, false));
        assert_eq!(cut(850, "one two"), (1, 0, false), "between two words none is in progress");
    }

    #[test]
    fn a_stream_puts_the_words_where_the_voice_says() {
        for timed in [true, false] {
            let voice = WordVoice { timed, seed: 7 };
            let words = voice.words("one, two 3");
            let config = VoiceConfig { voice: String::new(), language: "en".into(), speed: 1.0 };
            let mut stream = voice.open(&config).expect("it says everything");
            stream.push(TextChunk { text: "one, ".into(), range: 0..5 });
            stream.push(TextChunk { text: "two 3".into(), range: 5..10 });
            stream.finish();
            let mut cx = Context::from_waker(Waker::noop());
            let (mut spans, mut length) = (Vec::new(), 0);
            loop {
                match stream.poll_event(&mut cx) {
                    Poll::Ready(SpeechEvent::Span { text, audio }) => spans.push((text, audio)),
                    Poll::Ready(SpeechEvent::Audio { samples, .. }) => length += samples.len(),
                    Poll::Ready(SpeechEvent::Done) => break,
                    other => panic!("{other:?}"),
                }
            }
            let expected: Vec<(Range<u32>, Range<u64>)> = if timed {
                [0..4, 5..8, 9..10].into_iter().zip(words.clone()).collect()
            } else {
                vec![(0..5, 0..words[1].start), (5..10, words[1].start..length as u64)]
            };
            assert_eq!(spans, expected);
        }
    }
}
