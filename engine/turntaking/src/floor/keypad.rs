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
    /// When the entry ends if no key follows.
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
        self.keypad.keys.push(digit);
        self.keypad.until = Some(now + plan.timeout);
    }

    /// The entry is complete: it is the caller's turn, or the end of it.
    pub(super) fn submit_keys(&mut self, now: Instant) {
        self.keypad.until = None;
        if self.keypad.keys.is_empty() || matches!(self.state, State::Closing(_)) {
            return;
        }
        let keys = std::mem::take(&mut self.keypad.keys);
        let stopped = match &self.state {
            State::Thinking(thinking) => !self.is_uninterruptible(&thinking.reply),
            State::Speaking(speaking) => !self.is_uninterruptible(&speaking.reply),
            _ => false,
        };
        if stopped && matches!(self.state, State::Speaking(_)) {
            self.interrupt(now);
        } else if stopped
            && let State::Thinking(thinking) = std::mem::replace(&mut self.state, State::Listening)
        {
            self.take_back(now, thinking.reply);
        } else if matches!(self.state, State::Yielding(_)) {
            self.interrupt(now);
        }
        // Vapi's wording, which prompts refer to.
        self.caller.type_in(now, format!("User's Keypad Entry: {keys}"));
        match &self.state {
            State::Settling(_) => self.reconsider(),
            State::Listening if self.caller.voicing().is_some() => self.state = State::Hearing,
            State::Listening => self.settle(now, now),
            _ => {}
        }
    }
}
