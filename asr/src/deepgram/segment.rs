//! From the service's results and the Floor's hints to transcripts. Pure.
//!
//! The service cuts the stream where it likes: a final settles words up to a place, the next
//! result begins there. A segment of ours is the caller's turn; which one a word belongs to is
//! decided by its time, so that a result that comes after the turn's end adds nothing to the next.

use std::collections::VecDeque;

use super::wire::{Heard, HeardWord};
use crate::{Hint, Stability, Transcript, Word};

/// One stream's words.
#[derive(Debug, Default)]
pub(super) struct Segments {
    segment: u32,
    phase: Phase,
    /// Words of the segment that will not change, and those that may.
    settled: Vec<Word>,
    guessed: Vec<Word>,
    /// Words before this belong to a segment that has ended.
    boundary: u64,
    /// Everything up to here is settled.
    settled_until: u64,
    /// A pause that waits for its words began here.
    pause: Option<u64>,
    /// What the last transcript covered.
    covers: u64,
    told: VecDeque<Transcript>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Phase {
    #[default]
    Idle,
    Speech,
    Pause,
}

impl Segments {
    /// The next transcript, if there is one.
    pub(super) fn poll(&mut self) -> Option<Transcript> {
        self.told.pop_front()
    }

    /// Takes a result; `position` is what was pushed so far.
    pub(super) fn take(&mut self, heard: Heard, position: u64) {
        let boundary = self.boundary;
        let ours = |word: &HeardWord| word.start.midpoint(word.end) >= boundary;
        let words = heard.words.into_iter().filter(ours).map(|word| Word {
            text: word.text,
            start: word.start,
            end: word.end,
        });
        let until = heard.until.min(position);
        if heard.is_final {
            self.guessed.clear();
            let before = self.settled.len();
            self.settled.extend(words);
            self.settled_until = self.settled_until.max(until);
            let answered =
                self.pause.is_some_and(|at| heard.from_finalize || self.settled_until >= at);
            if answered {
                self.answer(until);
            } else if self.settled.len() > before {
                let stability = match self.phase {
                    // They were told as settled before these came.
                    Phase::Pause if self.pause.is_none() => Stability::Stable,
                    _ => Stability::Partial,
                };
                self.tell(stability, until);
            }
        } else {
            let before = self.guessed.len();
            self.guessed.clear();
            self.guessed.extend(words);
            if before + self.guessed.len() > 0 {
                self.tell(Stability::Partial, until);
            }
        }
    }

    /// Takes a hint. True: the words up to now are wanted.
    pub(super) fn hint(&mut self, hint: Hint, position: u64) -> bool {
        match hint {
            Hint::SpeechStarted { .. } => {
                self.phase = Phase::Speech;
                self.pause = None;
                false
            }
            Hint::Pause { at } => {
                if self.phase != Phase::Speech {
                    return false;
                }
                self.phase = Phase::Pause;
                let at = at.min(position);
                self.pause = Some(at);
                if self.settled_until >= at {
                    self.answer(self.settled_until);
                    return false;
                }
                true
            }
            Hint::TurnEnded => {
                self.end_turn(position);
                false
            }
        }
    }

    fn end_turn(&mut self, position: u64) {
        if self.phase == Phase::Idle {
            return;
        }
        if self.phase == Phase::Speech || self.pause.is_some() {
            self.tell(Stability::Final, self.covers);
        }
        // What is said before the silence that ended the turn is the turn's; in mid-speech, what
        // was told of it.
        self.boundary = match self.phase {
            Phase::Pause => position,
            Phase::Speech | Phase::Idle => self.covers,
        };
        if self.phase == Phase::Pause {
            self.phase = Phase::Idle;
        }
        self.pause = None;
        self.segment += 1;
        self.settled.clear();
        self.guessed.clear();
    }

    /// The pause has its words.
    fn answer(&mut self, until: u64) {
        let at = self.pause.take().unwrap_or(0);
        self.tell(Stability::Stable, until.max(at));
    }

    fn tell(&mut self, stability: Stability, covers: u64) {
        self.covers = self.covers.max(covers);
        let words: Vec<Word> = self.settled.iter().chain(&self.guessed).cloned().collect();
        let text = words.iter().map(|word| word.text.as_str()).collect::<Vec<_>>().join(" ");
        let segment = self.segment;
        self.told.push_back(Transcript { segment, text, words, stability, covers: self.covers });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 8;

    fn heard(words: &[(&str, u64, u64)], until: u64, is_final: bool) -> Heard {
        let word = |&(text, start, end): &(&str, u64, u64)| HeardWord {
            text: text.to_owned(),
            start: start * MS,
            end: end * MS,
        };
        Heard {
            is_final,
            from_finalize: false,
            until: until * MS,
            words: words.iter().map(word).collect(),
        }
    }

    fn told(segments: &mut Segments) -> Vec<String> {
        let mut told = Vec::new();
        while let Some(Transcript { segment, text, stability, covers, .. }) = segments.poll() {
            told.push(format!("{segment} {stability:?} {text} {}", covers / MS));
        }
        told
    }

    #[test]
    fn partials_grow_and_the_final_answers_the_pause() {
        let mut segments = Segments::default();
        assert!(!segments.hint(Hint::SpeechStarted { at: 0 }, 100 * MS));
        segments.take(heard(&[("hello", 0, 300)], 400, false), 450 * MS);
        segments.take(heard(&[("hello", 0, 300), ("you", 400, 600)], 700, false), 700 * MS);
        assert_eq!(told(&mut segments), ["0 Partial hello 400", "0 Partial hello you 700"]);
        assert!(segments.hint(Hint::Pause { at: 650 * MS }, 720 * MS));
        assert_eq!(told(&mut segments), [""; 0]);
        segments.take(heard(&[("Hello", 0, 300), ("you.", 400, 600)], 800, true), 800 * MS);
        assert_eq!(told(&mut segments), ["0 Stable Hello you. 800"]);
        segments.hint(Hint::TurnEnded, 900 * MS);
        assert_eq!(told(&mut segments), [""; 0]);
    }

    #[test]
    fn a_final_before_the_pause_answers_it() {
        let mut segments = Segments::default();
        segments.hint(Hint::SpeechStarted { at: 0 }, 0);
        segments.take(heard(&[("yes.", 0, 300)], 450, true), 450 * MS);
        assert!(!segments.hint(Hint::Pause { at: 300 * MS }, 460 * MS), "nothing to ask for");
        assert_eq!(told(&mut segments), ["0 Partial yes. 450", "0 Stable yes. 450"]);
    }

    #[test]
    fn a_late_final_adds_nothing_to_the_next_turn() {
        let mut segments = Segments::default();
        segments.hint(Hint::SpeechStarted { at: 0 }, 0);
        segments.take(heard(&[("book", 0, 300)], 400, false), 500 * MS);
        segments.hint(Hint::Pause { at: 400 * MS }, 500 * MS);
        segments.hint(Hint::TurnEnded, 600 * MS);
        assert_eq!(told(&mut segments), ["0 Partial book 400", "0 Final book 400"]);
        segments.take(heard(&[("Book", 0, 300)], 650, true), 660 * MS);
        assert_eq!(told(&mut segments), [""; 0]);
        segments.hint(Hint::SpeechStarted { at: 900 * MS }, 1_000 * MS);
        segments.take(heard(&[("two", 900, 1_100)], 1_200, false), 1_200 * MS);
        assert_eq!(told(&mut segments), ["1 Partial two 1200"]);
    }

    #[test]
    fn what_is_said_over_the_end_of_a_turn_opens_the_next() {
        let mut segments = Segments::default();
        segments.hint(Hint::SpeechStarted { at: 0 }, 0);
        segments.take(heard(&[("five", 0, 300)], 400, false), 400 * MS);
        segments.hint(Hint::TurnEnded, 500 * MS);
        segments.take(heard(&[("five", 0, 300), ("six", 500, 800)], 900, true), 900 * MS);
        assert_eq!(
            told(&mut segments),
            ["0 Partial five 400", "0 Final five 400", "1 Partial six 900"]
        );
    }

    #[test]
    fn a_pause_without_words_is_answered() {
        let mut segments = Segments::default();
        segments.hint(Hint::SpeechStarted { at: 0 }, 0);
        assert!(segments.hint(Hint::Pause { at: 200 * MS }, 300 * MS));
        let empty = Heard { from_finalize: true, ..heard(&[], 100, true) };
        segments.take(empty, 300 * MS);
        assert_eq!(told(&mut segments), ["0 Stable  200"]);
    }
}
