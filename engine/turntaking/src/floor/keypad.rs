//! Keys pressed by the caller, taken as words.

use super::Floor;
use crate::state::State;
use crate::time::Instant;

/// Longer entries are cut: no card or account number has more digits.
const MOST_KEYS: usize = 64;

/// The entry in progress.
#[derive(Debug, Default)]
pub(super) struct Keypad {
    keys: String,
    until: Option<Instant>,
}

impl Keypad {
    /// When the entry ends if no key follows. Until then the caller has not finished. `None`: no
    /// key was pressed, or only a delimiter ends it.
    pub(super) const fn deadline(&self) -> Option<Instant> {
        self.until
    }
}

impl Floor {
    pub(super) fn on_digit(&mut self, now: Instant, digit: char) {
        let Some(plan) = &self.settings.keypad else {
            self.counters.ignored_digits += 1;
            return;
        };
        if !matches!(digit, '0'..='9' | '*' | '#' | 'A'..='D')
            || self.keypad.keys.len() >= MOST_KEYS
        {
            self.counters.invalid += 1;
            return;
        }
        self.quiet_since = now;
        if plan.delimiters.contains(digit) {
            self.submit_keys(now);
            return;
        }
        let at_once = plan.timeout.is_zero() && plan.delimiters.is_empty();
        self.keypad.until = (!plan.timeout.is_zero()).then(|| now + plan.timeout);
        self.keypad.keys.push(digit);
        self.yield_to_keys(now);
        if at_once {
            self.submit_keys(now);
        }
    }

    /// A key is pressed: the assistant falls silent, as every menu on the telephone does, and has
    /// nothing to say until the entry is over.
    fn yield_to_keys(&mut self, now: Instant) {
        match std::mem::replace(&mut self.state, State::Listening) {
            State::Speaking(speaking) if !self.is_uninterruptible(&speaking.reply) => {
                self.state = State::Speaking(speaking);
                self.interrupt(now);
            }
            State::Yielding(yielding) => {
                self.state = State::Yielding(yielding);
                self.interrupt(now);
            }
            State::Thinking(thinking) if !self.is_uninterruptible(&thinking.reply) => {
                self.take_back(now, thinking.reply);
                if self.caller.voicing().is_some() {
                    self.state = State::Hearing;
                } else if self.caller.has_words() {
                    self.settle(now, now);
                }
            }
            State::Settling(mut settling) => {
                if let Some(draft) = settling.draft.take() {
                    self.cancel_draft(&draft);
                }
                self.state = State::Settling(settling);
                self.reconsider();
            }
            other => self.state = other,
        }
    }

    /// The entry is complete: it is the caller's turn, or the end of it.
    pub(super) fn submit_keys(&mut self, now: Instant) {
        self.keypad.until = None;
        if self.keypad.keys.is_empty() || matches!(self.state, State::Closing(_)) {
            return;
        }
        let keys = std::mem::take(&mut self.keypad.keys);
        // Vapi's wording, which prompts refer to.
        self.caller.type_in(now, format!("User's Keypad Entry: {keys}"));
        match &self.state {
            State::Settling(_) => self.reconsider(),
            State::Listening => self.settle(now, now),
            _ => {}
        }
    }
}
