//! A reply was cancelled: how far was it heard?

use super::Floor;
use super::yielding::HELD_WITHIN;
use crate::input::{Offset, TurnId};
use crate::output::{Event, Output, Role};
use crate::reply::{Cause, Reply};
use crate::state::State;
use crate::time::Instant;

/// A cancelled reply of which it is not known yet how far it was heard.
#[derive(Debug)]
pub(super) struct Cut {
    pub(super) reply: Reply,
    since: Instant,
}

impl Cut {
    pub(super) const fn new(reply: Reply, since: Instant) -> Self {
        Self { reply, since }
    }

    pub(super) const fn turn(&self) -> TurnId {
        self.reply.turn
    }

    pub(super) fn hold(&mut self, at: Offset) {
        self.reply.ledger.hold(at);
    }

    /// From then on the last estimate must do.
    pub(super) fn overdue_at(&self) -> Instant {
        self.since + HELD_WITHIN
    }
}

impl Floor {
    /// A reply is taken back before anything of it was heard; what it was for stands.
    pub(super) fn take_back(&mut self, now: Instant, reply: Reply) {
        self.outputs.push_back(Output::CancelReply { turn: reply.turn });
        let certain = !reply.may_be_heard();
        self.cut = Some(Cut::new(reply, now));
        if certain {
            self.settle_cut(now);
        }
    }

    /// Cancels the reply in progress, if there is one, for something that goes before it.
    pub(super) fn cut_reply(&mut self, now: Instant) {
        self.settle_cut(now);
        match std::mem::replace(&mut self.state, State::Listening) {
            State::Settling(settling) => {
                if let Some(draft) = settling.draft {
                    self.cancel_draft(&draft);
                }
            }
            State::Thinking(thinking) => self.take_back(now, thinking.reply),
            State::Speaking(speaking) => self.cut_off(now, speaking.reply, false),
            State::Yielding(yielding) => {
                self.cut_off(now, yielding.reply, yielding.held.is_some());
            }
            State::Closing(closing) => match closing.farewell {
                Some(farewell) if farewell.audible => self.cut_off(now, farewell, false),
                Some(farewell) => self.take_back(now, farewell),
                None => {}
            },
            State::Listening | State::Hearing | State::Closed(_) => {}
        }
    }

    /// A reply that is heard is cut. `known`: how far it was heard has been told.
    fn cut_off(&mut self, now: Instant, reply: Reply, known: bool) {
        self.outputs.push_back(Output::CancelReply { turn: reply.turn });
        self.tell(Event::SpeechUpdate { role: Role::Assistant, started: false });
        self.cut = Some(Cut::new(reply, now));
        if known {
            self.settle_cut(now);
        }
    }

    /// Settles how far the cancelled reply was heard.
    pub(super) fn settle_cut(&mut self, now: Instant) {
        let Some(Cut { mut reply, .. }) = self.cut.take() else { return };
        let slipped_out = !reply.audible && !reply.heard().0.is_empty();
        if slipped_out {
            // A word of it was heard before it was taken back: then it was an interruption.
            self.tell(Event::UserInterrupted { turn: reply.turn });
            self.backoff_until = now + self.settings.stop_speaking.backoff;
        }
        if slipped_out || reply.audible || reply.has_acted() {
            self.close_turn(&mut reply);
            self.enter_heard(reply);
            return;
        }
        match reply.cause {
            Cause::Turn { .. } => {
                self.history.reopen_user();
                self.tell(Event::TurnReopened);
            }
            Cause::Greeting => self.greeting_due = true,
            Cause::Order(order) => self.put_back(order),
            Cause::Idle { rule, action } => self.idle.put_back(rule, action),
            Cause::Results | Cause::Farewell | Cause::ClosedTurn => {}
        }
    }
}
