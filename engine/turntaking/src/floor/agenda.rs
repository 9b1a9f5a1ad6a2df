//! Nobody speaks: what the assistant has to say of its own accord, and how long it waits.

use std::time::Duration;

use super::Floor;
use crate::reply::{Cause, Order, Reply};
use crate::settings::FirstMessageMode;
use crate::state::State;
use crate::time::Instant;
use crate::timers::{Reason, Soonest};

/// Orders to say something that may wait. An operator who types faster than that repeats
/// themselves.
pub(super) const MOST_ORDERS: usize = 8;

/// Silence allowed on top of `silence_timeout` while a tool runs: Vapi's longest default (20 s),
/// and some. A tool that is never answered must not keep a call open until `max_duration`.
const TOOL_PATIENCE: Duration = Duration::from_secs(30);

impl Floor {
    pub(super) fn on_say(&mut self, now: Instant, order: Order) {
        // A tool may say nothing, and wait until nobody speaks.
        if order.text.trim().is_empty() && order.tool.is_none() {
            self.counters.invalid += 1;
            return;
        }
        if matches!(self.state, State::Closing(_)) || self.orders.len() >= MOST_ORDERS {
            self.counters.dropped_orders += 1;
            self.tell_said(order.tool);
            return;
        }
        self.orders.push_back(order);
        if self.connected && matches!(self.state, State::Listening) && self.cut.is_none() {
            self.take_floor(now);
        }
    }

    /// An operator's words go before the assistant's that are being heard; a farewell is said to
    /// its end.
    pub(super) fn on_interrupt(&mut self, now: Instant) {
        let is_heard = self.state.reply().is_some_and(|reply| reply.audible);
        if !is_heard || matches!(self.state, State::Closing(_)) {
            return;
        }
        self.cut_reply(now);
        if self.cut.is_none() {
            self.take_floor(now);
        } else {
            // Once it is known how far it was heard, unless the caller has the floor.
            self.listen_first(now);
        }
    }

    /// The model has something new to see, as when a tool has answered.
    pub(super) fn on_respond(&mut self, now: Instant) {
        self.history.touch();
        self.toolbox.result_entered(self.history.revision());
        if self.connected && matches!(self.state, State::Listening) && self.cut.is_none() {
            self.take_floor(now);
        }
    }

    /// Nobody speaks: whose turn is it now?
    pub(super) fn take_floor(&mut self, now: Instant) {
        debug_assert!(self.state.reply().is_none(), "a reply in progress is not forgotten");
        self.settle_cut(now);
        self.state = State::Listening;
        if self.listen_first(now) {
            return;
        }
        if now < self.backoff_until || self.keypad.deadline().is_some() {
            return;
        }
        while self.orders.front().is_some_and(|order| order.text.trim().is_empty()) {
            let silent = self.orders.pop_front();
            self.tell_said(silent.and_then(|order| order.tool));
        }
        let reply = if self.greeting_due {
            self.greeting_due = false;
            Some(self.greet(now))
        } else if let Some(order) = self.orders.pop_front() {
            let text = order.text.clone();
            Some(self.say(now, Cause::Order(order), text))
        } else if self.toolbox.next_round() {
            Some(self.ask_model(now, Cause::Results, String::new(), false))
        } else {
            self.break_silence(now)
        };
        if let Some(reply) = reply {
            self.think(now, reply, None);
        }
    }

    /// The caller speaks, or has said something that is not answered: they go before whatever the
    /// assistant has to say.
    fn listen_first(&mut self, now: Instant) -> bool {
        if self.caller.voicing().is_some() {
            self.state = State::Hearing;
            return true;
        }
        let has_words = self.caller.has_words();
        if has_words {
            let since = self.caller.spoke_until().unwrap_or(now);
            self.settle(now, since);
        }
        has_words
    }

    /// The assistant has something to say of its own accord.
    pub(super) fn has_something_to_say(&self) -> bool {
        let due = self.greeting_due
            || !self.orders.is_empty()
            || self.toolbox.has_news()
            || self.idle.is_due();
        // Who presses keys is not spoken to.
        due && self.keypad.deadline().is_none()
    }

    pub(super) fn greet(&mut self, now: Instant) -> Reply {
        match self.settings.first_message_mode {
            FirstMessageMode::AssistantSpeaksFirstWithModelGeneratedMessage => {
                self.ask_model(now, Cause::Greeting, String::new(), false)
            }
            FirstMessageMode::AssistantSpeaksFirst | FirstMessageMode::AssistantWaitsForUser => {
                let text = self.settings.first_message.clone();
                self.say(now, Cause::Greeting, text)
            }
        }
    }

    pub(super) fn listening_deadlines(&self, soonest: &mut Soonest) {
        if !self.connected {
            return;
        }
        if let Some(cut) = &self.cut {
            soonest.at(cut.overdue_at(), Reason::Held);
        } else if self.has_something_to_say() {
            soonest.at(self.backoff_until, Reason::Release);
        } else {
            let patience = if self.toolbox.is_idle() { Duration::ZERO } else { TOOL_PATIENCE };
            let silence = self.settings.silence_timeout + patience;
            let silent_since = self.idle.silent_since(self.quiet_since);
            self.idle_deadline(soonest);
            soonest.at(silent_since + silence, Reason::SilenceTimeout);
        }
    }
}
