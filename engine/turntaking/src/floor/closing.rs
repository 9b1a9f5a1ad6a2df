//! The end of the call.

use std::time::Duration;

use super::Floor;
use crate::history::Entry;
use crate::input::EndReason;
use crate::output::{Event, Output, Role};
use crate::reply::{Cause, Reply};
use crate::state::{Closing, State};
use crate::time::Instant;
use crate::timers::{Reason, Soonest};

/// The longest a call takes to close: a farewell of Vapi's greatest length (1,000 characters, a
/// minute of speech) is cut at half; a tool has had Vapi's default time of 20 s.
const CLOSING_LIMIT: Duration = Duration::from_secs(30);

/// The longest a machine is spoken to: a message of Vapi's greatest length (1,000 characters) at an
/// easy pace. Nobody waits for it.
const MESSAGE_LIMIT: Duration = Duration::from_secs(90);

impl Floor {
    pub(super) fn on_end_call(&mut self, now: Instant, reason: EndReason) {
        self.end(now, reason);
    }

    pub(super) fn on_silence_timeout(&mut self, now: Instant) {
        let reason = EndReason::SilenceTimedOut;
        match self.settings.silence_timeout_message.trim() {
            "" => self.close(now, reason, true),
            message => {
                let message = message.to_owned();
                self.close_with(now, reason, message);
            }
        }
    }

    pub(super) fn on_max_duration(&mut self, now: Instant) {
        self.close(now, EndReason::ExceededMaxDuration, true);
    }

    pub(super) fn closing_deadlines(&self, closing: &Closing, soonest: &mut Soonest) {
        if let Some(at) = self.machine_deadline(closing) {
            soonest.at(at, Reason::Beep);
            return;
        }
        let limit = if closing.machine.is_some() { MESSAGE_LIMIT } else { CLOSING_LIMIT };
        soonest.at(closing.since + limit, Reason::ClosingLimit);
    }

    /// Ends the call with a farewell, where one is set, wanted, and can be heard.
    pub(super) fn close(&mut self, now: Instant, reason: EndReason, farewell: bool) {
        let text = if farewell { self.settings.end_call_message.clone() } else { String::new() };
        self.close_with(now, reason, text);
    }

    /// The same with a farewell of its own.
    fn close_with(&mut self, now: Instant, reason: EndReason, text: String) {
        self.drop_reply(now);
        self.drop_tool_messages();
        self.state = State::Closing(Closing::new(reason, now));
        if self.connected && !text.trim().is_empty() {
            let reply = self.say(now, Cause::Farewell, text);
            let farewell = Some(reply);
            self.state = State::Closing(Closing { farewell, ..Closing::new(reason, now) });
        }
        self.hang_up_if_done(now);
    }

    /// Hangs up once the farewell was heard and every tool has answered: an appointment made with
    /// the last words must not be lost.
    pub(super) fn hang_up_if_done(&mut self, now: Instant) {
        if let State::Closing(closing @ Closing { farewell: None, .. }) = &self.state
            && !closing.awaits_machine()
            && self.toolbox.is_idle()
        {
            self.hang_up(now, closing.reason);
        }
    }

    pub(super) fn on_closing_limit(&mut self, now: Instant) {
        if let State::Closing(Closing { reason, .. }) = self.state {
            self.end(now, reason);
        }
    }

    /// Ends the call at once.
    pub(super) fn end(&mut self, now: Instant, reason: EndReason) {
        let reason = match &self.state {
            State::Closing(closing) => closing.reason,
            _ => reason,
        };
        self.drop_reply(now);
        self.hang_up(now, reason);
    }

    /// Cancels the reply in progress; what was heard of it enters history.
    fn drop_reply(&mut self, now: Instant) {
        let heard: Option<Reply> = match std::mem::replace(&mut self.state, State::Listening) {
            State::Settling(settling) => {
                if let Some(draft) = settling.draft {
                    self.cancel_draft(&draft);
                }
                None
            }
            State::Thinking(thinking) => Some(thinking.reply),
            State::Speaking(speaking) => Some(speaking.reply),
            State::Yielding(yielding) => Some(yielding.reply),
            State::Closing(closing) => closing.farewell,
            State::Listening | State::Hearing | State::Closed(_) => None,
        };
        self.settle_cut(now);
        let Some(mut reply) = heard else { return };
        self.outputs.push_back(Output::CancelReply { turn: reply.turn });
        if reply.audible {
            self.tell(Event::SpeechUpdate { role: Role::Assistant, started: false });
        }
        self.close_turn(&mut reply);
        self.enter_heard(reply);
    }

    /// Words that were not answered were still said.
    pub(super) fn enter_unanswered(&mut self, now: Instant) {
        self.settle_cut(now);
        if self.caller.has_words() {
            let text = self.caller.text().to_owned();
            let dictated = self.dictated(&text);
            self.caller.close(self.caller.pieces(), now);
            self.history.push(Entry::User { text: text.clone(), dictated });
            self.tell(Event::UserTranscript { text, is_final: true });
        }
    }

    fn hang_up(&mut self, now: Instant, reason: EndReason) {
        self.enter_unanswered(now);
        self.outputs.push_back(Output::Hangup { reason });
        self.state = State::Closed(reason);
    }
}
