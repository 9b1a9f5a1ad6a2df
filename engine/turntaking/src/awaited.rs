//! What is awaited of the caller: what the assistant asked for, and what of it came already. Pure.

use crate::dictation::{self, Dictated, Progress};
use crate::expectation::{self, Expectation};

/// What is awaited of the caller.
#[derive(Debug, Default)]
pub(crate) struct Awaited {
    expectation: Expectation,
    /// What they dictated in turns before, and go on with: the assistant spoke too early.
    so_far: String,
}

impl Awaited {
    /// What the assistant asked for.
    pub(crate) const fn expectation(&self) -> Expectation {
        self.expectation
    }

    /// `heard` was heard of the assistant, wholly or not, after `answer` of the caller. What was
    /// asked before still stands where it only makes them go on, and where they go on dictating
    /// over a reply that asks for nothing else.
    pub(crate) fn on_heard(&mut self, heard: &str, complete: bool, answer: Option<&str>) {
        let Some(asked) = expectation::expectation(heard) else { return };
        let answer = answer.unwrap_or_default();
        let unfinished = self.read(answer).is_some_and(|found| found.progress < Progress::Complete);
        if !complete && asked == Expectation::Open && unfinished {
            self.so_far = self.joined(answer);
            return;
        }
        *self = Self { expectation: asked, so_far: String::new() };
    }

    /// What `words`, the caller's turn so far, dictate, with what came before.
    pub(crate) fn read(&self, words: &str) -> Option<Dictated> {
        if self.so_far.is_empty() || words.is_empty() {
            return dictation::dictated(words, self.expectation);
        }
        dictation::dictated(&self.joined(words), self.expectation)
    }

    fn joined(&self, words: &str) -> String {
        let pieces = [self.so_far.as_str(), words];
        pieces.into_iter().filter(|piece| !piece.is_empty()).collect::<Vec<_>>().join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUESTION: &str = "Quel est votre numéro de téléphone ?";

    fn value(awaited: &Awaited, words: &str) -> Option<(Progress, String)> {
        awaited.read(words).map(|found| (found.progress, found.value))
    }

    #[test]
    fn a_number_goes_on_over_a_reply_that_was_cut() {
        let mut awaited = Awaited::default();
        awaited.on_heard(QUESTION, true, None);
        awaited.on_heard("D'accord. Pour", false, Some("zéro six douze"));
        awaited.on_heard("Bien,", false, Some("trente-quatre"));
        let whole = Some((Progress::Complete, "06 12 34 56 78".to_owned()));
        assert_eq!(value(&awaited, "cinquante-six soixante-dix-huit"), whole);
    }

    #[test]
    fn a_question_and_a_reply_that_was_heard_end_it() {
        for (heard, complete) in [("Quel jour ?", false), ("C'est noté.", true)] {
            let mut awaited = Awaited::default();
            awaited.on_heard(QUESTION, true, None);
            awaited.on_heard(heard, complete, Some("zéro six douze"));
            assert_eq!(value(&awaited, "une table pour quatre"), None, "{heard}");
        }
    }

    #[test]
    fn a_number_that_is_whole_does_not_go_on() {
        let mut awaited = Awaited::default();
        awaited.on_heard(QUESTION, true, None);
        awaited.on_heard("C'est", false, Some("06 12 34 56 78"));
        assert_eq!(value(&awaited, "et une table pour quatre"), None);
    }
}
