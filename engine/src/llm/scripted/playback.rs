//! A reply that is known in full, given word by word at a pace.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep};

use super::Pace;
use super::conversation::Turn;
use crate::llm::{ReplyEvent, ReplyStream};

/// A reply on its way. It has neither task nor channel; at full speed it needs no runtime either.
pub(super) struct Playback {
    events: VecDeque<ReplyEvent>,
    pace: Pace,
    /// Words given.
    given: u32,
    started: Option<Instant>,
    /// Runs until the next event is due.
    due: Option<Pin<Box<Sleep>>>,
}

impl Playback {
    pub(super) fn new(turn: Turn, pace: Pace) -> Self {
        let words = words(&turn.text).map(|word| ReplyEvent::Text(word.to_owned()));
        let calls = turn.calls.into_iter().map(ReplyEvent::ToolCall);
        let events = words.chain(calls).chain([ReplyEvent::Done]).collect();
        Self { events, pace, given: 0, started: None, due: None }
    }

    /// From the request to the next event. What is not text comes with the last word.
    fn due_after(&self) -> Duration {
        let is_word = matches!(self.events.front(), Some(ReplyEvent::Text(_)));
        let before = if is_word { self.given } else { self.given.saturating_sub(1) };
        let words = match self.pace.tokens_per_second {
            0 => Duration::ZERO,
            // Counted from the start, so that no rounding adds up.
            rate => Duration::from_secs(1) * before / rate,
        };
        Duration::from_millis(self.pace.first_token_ms.into()) + words
    }
}

impl ReplyStream for Playback {
    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<ReplyEvent> {
        if self.events.is_empty() {
            return Poll::Pending;
        }
        if self.pace != Pace::default() {
            let started = *self.started.get_or_insert_with(Instant::now);
            if self.due.is_none() {
                let due = started + self.due_after();
                self.due = Some(Box::pin(tokio::time::sleep_until(due)));
            }
            if let Some(due) = &mut self.due {
                ready!(due.as_mut().poll(cx));
            }
            self.due = None;
        }
        match self.events.pop_front() {
            Some(event) => {
                self.given += u32::from(matches!(event, ReplyEvent::Text(_)));
                Poll::Ready(event)
            }
            None => Poll::Pending,
        }
    }
}

/// The text in pieces of one word, each with the space before it, as models write.
fn words(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let word = rest.find(|c: char| !c.is_whitespace())?;
        let end = rest[word..].find(char::is_whitespace).map_or(rest.len(), |space| word + space);
        let (piece, after) = rest.split_at(end);
        rest = after;
        Some(piece)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::llm::ToolCall;

    #[test]
    fn words_carry_the_space_before_them() {
        let pieces: Vec<&str> = words("Of course,  déjà vu. ").collect();
        assert_eq!(pieces, ["Of", " course,", "  déjà", " vu."]);
        assert_eq!(words(" ").count(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn words_come_at_the_pace_and_the_rest_with_the_last_of_them() {
        let call =
            ToolCall { id: "a".to_owned(), name: "endCall".to_owned(), arguments: "{}".to_owned() };
        let turn = Turn { text: "one two three".to_owned(), calls: vec![call] };
        let pace = Pace { first_token_ms: 200, tokens_per_second: 50 };
        let mut playback = Playback::new(turn, pace);
        let start = Instant::now();
        let mut times = Vec::new();
        for _ in 0..5 {
            std::future::poll_fn(|cx| playback.poll_event(cx)).await;
            times.push(start.elapsed().as_millis());
        }
        assert_eq!(times, [200, 220, 240, 240, 240]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_that_was_away_finds_the_words_that_came() {
        let turn = Turn { text: "one two three".to_owned(), calls: Vec::new() };
        let pace = Pace { first_token_ms: 0, tokens_per_second: 10 };
        let mut playback = Playback::new(turn, pace);
        let start = Instant::now();
        std::future::poll_fn(|cx| playback.poll_event(cx)).await;
        tokio::time::sleep(Duration::from_millis(500)).await;
        for _ in 0..3 {
            std::future::poll_fn(|cx| playback.poll_event(cx)).await;
        }
        assert_eq!(start.elapsed().as_millis(), 500);
    }
}
