//! Tools that run, and results the model has not seen.

use crate::input::TurnId;

/// Rounds of tools without a word to the caller before the model is stopped: it is calling
/// itself.
pub(crate) const MOST_ROUNDS: u8 = 8;

/// The call's tools.
#[derive(Debug, Default)]
pub(crate) struct Toolbox {
    running: Vec<(TurnId, String)>,
    /// The history's revision with the latest result.
    result_at: u64,
    /// The latest revision a reply that was not dropped was asked with.
    seen: u64,
    rounds: u8,
}

impl Toolbox {
    pub(crate) fn run(&mut self, turn: TurnId, id: &str) {
        self.running.push((turn, id.to_owned()));
    }

    /// This call of a tool has no answer yet.
    pub(crate) fn runs(&self, turn: TurnId, id: &str) -> bool {
        self.running.iter().any(|(of, run)| *of == turn && run == id)
    }

    /// A tool answered. Returns false where none such was running.
    pub(crate) fn finish(&mut self, turn: TurnId, id: &str) -> bool {
        let found = self.running.iter().position(|(of, run)| *of == turn && run == id);
        found.map(|at| self.running.remove(at)).is_some()
    }

    pub(crate) const fn is_idle(&self) -> bool {
        self.running.is_empty()
    }

    /// A result entered history, which is now at `revision`.
    pub(crate) fn result_entered(&mut self, revision: u64) {
        self.result_at = revision;
    }

    /// A reply that was asked with `revision` was heard, or acted.
    pub(crate) fn answered(&mut self, revision: u64) {
        self.seen = self.seen.max(revision);
    }

    /// The caller spoke, or heard something: the model may call tools again.
    pub(crate) fn restart(&mut self) {
        self.rounds = 0;
    }

    /// All tools answered, and the model has not seen every result. Each true answer is a round.
    pub(crate) fn next_round(&mut self) -> bool {
        let due = self.has_news();
        if due {
            self.rounds += 1;
        }
        due
    }

    /// [`Self::next_round`] would be true.
    pub(crate) fn has_news(&self) -> bool {
        self.is_idle() && self.result_at > self.seen && self.rounds < MOST_ROUNDS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_news_once_all_tools_answered() {
        let mut toolbox = Toolbox::default();
        toolbox.run(TurnId(1), "a");
        toolbox.run(TurnId(1), "b");
        assert!(toolbox.finish(TurnId(1), "a"));
        assert!(!toolbox.finish(TurnId(1), "a"), "twice");
        toolbox.result_entered(5);
        assert!(!toolbox.has_news(), "b runs");
        assert!(toolbox.finish(TurnId(1), "b"));
        assert!(toolbox.has_news());
        toolbox.answered(5);
        assert!(!toolbox.has_news());
    }

    #[test]
    fn a_model_that_calls_itself_is_stopped() {
        let mut toolbox = Toolbox::default();
        for revision in 1..=u64::from(MOST_ROUNDS) {
            toolbox.result_entered(revision);
            assert!(toolbox.next_round());
            toolbox.answered(revision - 1);
        }
        assert!(!toolbox.next_round());
        toolbox.restart();
        assert!(toolbox.next_round());
    }
}
