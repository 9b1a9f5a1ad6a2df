//! The stream of every voice that renders whole phrases: cuts chunks into pieces a voice takes,
//! keeps the next one rendering while the one before is delivered, and turns results into events.

use std::collections::VecDeque;
use std::future::Future;
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use codecs::SampleRate;

use crate::program::Ticket;
use crate::spoken::{SpokenWord, spoken_words};
use crate::{SpeechEvent, SpeechStream, SynthesizerError, TextChunk};

/// A voice that renders a phrase at a time, without silence around it.
pub(crate) trait PhraseVoice: Send + 'static {
    /// Begins to render. Never blocks; dropping the ticket cancels.
    fn render(&self, words: Arc<[SpokenWord]>) -> Ticket<Rendered>;

    /// The language whose spoken forms it is given (BCP 47).
    fn language(&self) -> &str;
}

/// A phrase in sound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rendered {
    /// Samples per second; the same for every phrase of a voice.
    pub rate: SampleRate,
    /// The samples, from the first sound to the last.
    pub samples: Vec<i16>,
    /// The samples of each word, in order; empty where the voice does not know.
    pub words: Vec<Range<usize>>,
}

/// Rendering at once: the piece that is wanted now, and the next.
const IN_FLIGHT: usize = 2;
/// More text than this is rendered in parts, in characters: a long sentence comes sooner so.
const LONGEST_PIECE: usize = 300;
/// A "word" longer than this is cut: some programs have fixed buffers.
const LONGEST_WORD: usize = 60;
/// The first event of a phrase is short, so that it is on the wire at once.
const FIRST_AUDIO: Duration = Duration::from_millis(40);
const AUDIO: Duration = Duration::from_millis(100);

/// What is rendered at once.
#[derive(Debug)]
struct Piece {
    /// Spoken words; their ranges are bytes of the reply.
    words: Arc<[SpokenWord]>,
    /// All of its text, in bytes of the reply.
    text: Range<u32>,
    /// Silence between it and the next.
    pause: Duration,
}

/// A piece that is being given to the caller.
#[derive(Debug)]
struct Delivery {
    samples: Vec<i16>,
    given: usize,
    /// Where it begins in the reply, in samples.
    start: u64,
    /// Text and samples (of the reply) of what is heard, in order.
    spans: VecDeque<(Range<u32>, Range<u64>)>,
}

/// One reply of a [`PhraseVoice`].
pub(crate) struct PhraseStream<V> {
    voice: V,
    provider: &'static str,
    waiting: VecDeque<Piece>,
    rendering: VecDeque<(Piece, Option<Ticket<Rendered>>)>,
    delivery: Option<Delivery>,
    rate: Option<SampleRate>,
    /// Samples given so far.
    position: u64,
    /// Silence to be given before the next sound.
    pause: Duration,
    finished: bool,
    over: bool,
    waker: Option<Waker>,
}

impl<V: PhraseVoice> PhraseStream<V> {
    pub(crate) fn new(voice: V, provider: &'static str) -> Self {
        Self {
            voice,
            provider,
            waiting: VecDeque::new(),
            rendering: VecDeque::new(),
            delivery: None,
            rate: None,
            position: 0,
            pause: Duration::ZERO,
            finished: false,
            over: false,
            waker: None,
        }
    }

    fn start_rendering(&mut self) {
        // Nothing competes with the first sound the caller is waiting for.
        let limit = if self.position == 0 { 1 } else { IN_FLIGHT };
        while self.rendering.len() < limit {
            let Some(piece) = self.waiting.pop_front() else { return };
            let ticket =
                (!piece.words.is_empty()).then(|| self.voice.render(Arc::clone(&piece.words)));
            self.rendering.push_back((piece, ticket));
        }
    }

    /// Places a rendered piece after what was given so far.
    fn deliver(&mut self, piece: &Piece, rendered: Rendered) -> Result<(), SynthesizerError> {
        let rate = *self.rate.get_or_insert(rendered.rate);
        if rate != rendered.rate {
            let reason = format!("{} Hz after {} Hz in one reply", rendered.rate.hz(), rate.hz());
            return Err(SynthesizerError::Stream { provider: self.provider, reason });
        }
        let silence = if rendered.samples.is_empty() { Duration::ZERO } else { self.pause };
        let silence = rate.samples_in(silence) as usize;
        let spans = spans(piece, &rendered, self.position + silence as u64);
        let mut samples = rendered.samples;
        samples.splice(0..0, std::iter::repeat_n(0, silence));
        if !samples.is_empty() {
            self.pause = piece.pause;
        }
        self.delivery = Some(Delivery { samples, given: 0, start: self.position, spans });
        Ok(())
    }

    fn next_event(&mut self) -> Option<SpeechEvent> {
        let delivery = self.delivery.as_mut()?;
        let rate = self.rate.unwrap_or(SampleRate::HZ_8000);
        let length = if delivery.given == 0 { FIRST_AUDIO } else { AUDIO };
        let length = rate.samples_in(length).max(1) as usize;
        let upto = (delivery.given + length).min(delivery.samples.len());
        // A span comes before the audio in which it ends.
        let end = delivery.start + upto as u64;
        if let Some((text, audio)) = delivery.spans.front().cloned()
            && audio.end <= end
        {
            delivery.spans.pop_front();
            return Some(SpeechEvent::Span { text, audio });
        }
        if delivery.given == upto {
            self.position = end;
            self.delivery = None;
            return None;
        }
        let samples = delivery.samples[delivery.given..upto].to_vec();
        delivery.given = upto;
        Some(SpeechEvent::Audio { rate, samples })
    }

    fn fail(&mut self, error: SynthesizerError) -> SpeechEvent {
        self.over = true;
        self.rendering.clear();
        self.waiting.clear();
        SpeechEvent::Failed(error)
    }
}

impl<V: PhraseVoice> SpeechStream for PhraseStream<V> {
    fn push(&mut self, chunk: TextChunk) {
        if self.finished || self.over {
            return;
        }
        let words = spoken_words(&chunk.text, self.voice.language());
        self.waiting.extend(pieces(&chunk, words));
        self.start_rendering();
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    fn finish(&mut self) {
        self.finished = true;
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<SpeechEvent> {
        loop {
            if self.over {
                return Poll::Pending;
            }
            if let Some(event) = self.next_event() {
                return Poll::Ready(event);
            }
            self.start_rendering();
            let Some((_, ticket)) = self.rendering.front_mut() else {
                if self.finished {
                    self.over = true;
                    return Poll::Ready(SpeechEvent::Done);
                }
                self.waker = Some(cx.waker().clone());
                return Poll::Pending;
            };
            let outcome = match ticket {
                None => Ok(None),
                Some(ticket) => match Pin::new(ticket).poll(cx) {
                    Poll::Ready(outcome) => outcome.map(Some),
                    Poll::Pending => {
                        self.waker = Some(cx.waker().clone());
                        return Poll::Pending;
                    }
                },
            };
            let Some((piece, _)) = self.rendering.pop_front() else { continue };
            // Before the delivery, so that the next phrase is rendered while this one is heard.
            self.start_rendering();
            let outcome = match outcome {
                Ok(Some(rendered)) => self.deliver(&piece, rendered),
                Ok(None) => {
                    let here = self.position..self.position;
                    return Poll::Ready(SpeechEvent::Span { text: piece.text, audio: here });
                }
                Err(error) => Err(error),
            };
            if let Err(error) = outcome {
                return Poll::Ready(self.fail(error));
            }
        }
    }
}

/// Cuts a chunk into what is rendered at once: at ends of sentences, and where it is too long.
fn pieces(chunk: &TextChunk, words: Vec<SpokenWord>) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut taken: Vec<SpokenWord> = Vec::new();
    let mut length = 0;
    let mut text_start = chunk.range.start;
    let mut words = words.into_iter().flat_map(short_words).peekable();
    while let Some(mut word) = words.next() {
        word.range.start += chunk.range.start as usize;
        word.range.end += chunk.range.start as usize;
        length += word.text.len() + 1;
        let ends = word.text.ends_with(['.', '!', '?']);
        taken.push(word);
        let next = words.peek();
        let full = next.is_some_and(|next| length + next.text.len() > LONGEST_PIECE);
        if next.is_none() || full || ends && length > 12 {
            let text_end = match next {
                Some(next) => chunk.range.start + next.range.start as u32,
                None => chunk.range.end,
            };
            let said = taken.last().map_or("", |word| word.text.as_str());
            let pause = pause_after(said);
            pieces.push(Piece {
                words: taken.drain(..).collect(),
                text: text_start..text_end,
                pause,
            });
            text_start = text_end;
            length = 0;
        }
    }
    if pieces.is_empty() {
        let text = chunk.range.clone();
        pieces.push(Piece { words: Arc::new([]), text, pause: Duration::ZERO });
    }
    pieces
}

/// Cuts a word no program could take. The whole of its text goes with its first part.
fn short_words(word: SpokenWord) -> Vec<SpokenWord> {
    if word.text.len() <= LONGEST_WORD {
        return vec![word];
    }
    let mut parts: Vec<String> = vec![String::new()];
    for c in word.text.chars() {
        let last = parts.last_mut().expect("starts with one part");
        if last.len() + c.len_utf8() > LONGEST_WORD || (c == ' ' && last.len() > LONGEST_WORD / 2) {
            parts.push(c.to_string());
        } else {
            last.push(c);
        }
    }
    let mut range = word.range;
    parts
        .into_iter()
        .map(|text| {
            let own = range.clone();
            range.start = range.end;
            SpokenWord { text: text.trim().to_owned(), range: own }
        })
        .collect()
}

/// The silence a listener expects after these words.
fn pause_after(said: &str) -> Duration {
    let ms = match said.chars().next_back() {
        Some('.' | '!' | '?') => 250,
        Some(':' | ';') => 180,
        Some(',') => 100,
        _ => 20,
    };
    Duration::from_millis(ms)
}

/// What is heard where: word by word, or the phrase as a whole.
fn spans(piece: &Piece, rendered: &Rendered, start: u64) -> VecDeque<(Range<u32>, Range<u64>)> {
    let known = rendered.words.len() == piece.words.len();
    if !known {
        let whole = start..start + rendered.samples.len() as u64;
        return VecDeque::from([(piece.text.clone(), whole)]);
    }
    let mut from = piece.text.start;
    let mut spans = VecDeque::with_capacity(piece.words.len());
    for (at, heard) in rendered.words.iter().enumerate() {
        // White space and marks between two words belong to the first.
        let upto = piece.words.get(at + 1).map_or(piece.text.end, |word| word.range.start as u32);
        let audio = start + heard.start as u64..start + heard.end as u64;
        spans.push_back((from..upto.max(from), audio));
        from = upto.max(from);
    }
    spans
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(text: &str, start: u32) -> Vec<(String, Range<u32>, u128)> {
        let chunk = TextChunk { text: text.into(), range: start..start + text.len() as u32 };
        let words = spoken_words(text, "en");
        pieces(&chunk, words)
            .into_iter()
            .map(|p| {
                let said: Vec<_> = p.words.iter().map(|w| w.text.as_str()).collect();
                (said.join(" "), p.text, p.pause.as_millis())
            })
            .collect()
    }

    #[test]
    fn sentences_are_rendered_one_by_one() {
        assert_eq!(
            cut(" Hello there friend. Sit down, please ", 100),
            [
                ("Hello there friend.".to_owned(), 100..121, 250),
                ("Sit down, please".to_owned(), 121..138, 20)
            ]
        );
    }

    #[test]
    fn text_without_words_keeps_its_place() {
        assert_eq!(cut(" 😀 **", 7), [(String::new(), 7..15, 0)]);
    }

    #[test]
    fn nothing_is_longer_than_a_program_takes() {
        let text = format!("{} {}", "word ".repeat(500), "x".repeat(5_000));
        let pieces = cut(&text, 0);
        assert!(pieces.iter().all(|(said, ..)| said.len() <= LONGEST_PIECE + LONGEST_WORD));
        assert!(pieces.windows(2).all(|p| p[0].1.end == p[1].1.start));
        assert_eq!(pieces.last().expect("some").1.end as usize, text.len());
        let said: usize = pieces.iter().map(|(said, ..)| said.matches('x').count()).sum();
        assert_eq!(said, 5_000);
    }
}
