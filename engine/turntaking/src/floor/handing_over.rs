//! Another assistant takes the call over.

use super::{Floor, phrases_of, wait_function_of};
use crate::idle::Idle;
use crate::rules::Rules;
use crate::settings::Settings;
use crate::state::State;
use crate::time::Instant;

impl Floor {
    /// Goes on by `settings`. What was said stays said, what is being said is said to its end; then
    /// the new assistant has its first message. The call's own length goes on, and a machine that was
    /// listened for is listened for still.
    pub(super) fn on_hand_over(&mut self, now: Instant, settings: &Settings) {
        if matches!(self.state, State::Closing(_)) {
            self.counters.late += 1;
            return;
        }
        let voicemail = self.settings.voicemail.take();
        self.settings = Settings { voicemail, ..settings.clone() };
        self.phrases = phrases_of(&self.settings);
        self.greeting_phrases = self.phrases.over_a_greeting();
        self.rules = Rules::new(&self.settings.start_speaking.rules);
        self.wait_function = wait_function_of(&self.settings);
        self.idle = Idle::new(&self.settings.idle);
        self.quiet_since = now;
        self.greeting_due = self.greets();
        if self.connected && matches!(self.state, State::Listening) {
            self.take_floor(now);
        }
    }
}
