//! A provider failed: once more, or the end.

use std::time::Duration;

use super::Floor;
use super::cut::Cut;
use crate::input::{EndReason, Stage, TurnId};
use crate::output::{Event, Output, Role, TurnTimes};
use crate::reply::{Cause, Reply};
use crate::state::{State, Thinking};
use crate::time::Instant;

/// A reply that makes no progress for this long has failed: Vapi's own limit for a model, and
/// longer than any caller stays on the line.
const STALLED_AFTER: Duration = Duration::from_secs(20);

/// When the reply has failed unless something happens to it.
pub(super) fn stalled_at(reply: &Reply) -> Instant {
    reply.progress + STALLED_AFTER
}

impl Floor {
    pub(super) fn on_reply_failed(&mut self, now: Instant, turn: TurnId, stage: Stage) {
        if self.live(turn).is_some() {
            self.fail(now, stage);
        }
    }

    pub(super) fn on_reply_stalled(&mut self, now: Instant) {
        let Some(reply) = self.state.reply() else { return };
        let stage = if reply.text_done { Stage::Voice } else { Stage::Model };
        if !reply.audible && !reply.may_be_heard() {
            self.fail(now, stage);
            return;
        }
        // What is ready is not played either: it never will be. Unheard, its turn stands, and is
        // answered again.
        let mut reply = match std::mem::replace(&mut self.state, State::Listening) {
            State::Thinking(thinking) => thinking.reply,
            State::Speaking(speaking) => speaking.reply,
            other => {
                self.state = other;
                return;
            }
        };
        self.failures += 1;
        self.quiet_since = now;
        reply.failed = Some(stage);
        self.outputs.push_back(Output::CancelReply { turn: reply.turn });
        if reply.audible {
            self.tell(Event::SpeechUpdate { role: Role::Assistant, started: false });
        }
        self.cut = Some(Cut::new(reply, now));
        if self.caller.voicing().is_some() {
            self.state = State::Hearing;
        }
        if self.failures > 1 {
            self.end(now, EndReason::ProviderFailed(stage));
        }
    }

    /// A stage of the reply in progress failed. Unheard it is tried once more; else what is ready
    /// is played.
    fn fail(&mut self, now: Instant, stage: Stage) {
        match std::mem::replace(&mut self.state, State::Listening) {
            State::Settling(mut settling) => {
                if let Some(draft) = settling.draft.take() {
                    self.cancel_draft(&draft);
                    self.caller.draft_failed = true;
                }
                self.state = State::Settling(settling);
                self.reconsider();
            }
            State::Closing(closing) => {
                self.state = State::Closing(closing);
                self.on_closing_limit(now);
            }
            State::Thinking(thinking) if !thinking.reply.may_be_heard() => {
                self.failures += 1;
                self.try_again(now, thinking, stage);
            }
            mut state => {
                self.failures += 1;
                if let Some(reply) = state.reply_mut() {
                    reply.failed = Some(stage);
                    reply.text_done = true;
                    reply.voiced_all = true;
                }
                self.state = state;
                self.finish_if_over(now);
            }
        }
    }

    fn try_again(&mut self, now: Instant, thinking: Thinking, stage: Stage) {
        let Thinking { mut reply, release } = thinking;
        self.outputs.push_back(Output::CancelReply { turn: reply.turn });
        if reply.has_acted() {
            // Its tools run; their results are answered.
            self.close_turn(&mut reply);
            self.enter_tools(reply);
            if self.failures > 1 {
                self.end(now, EndReason::ProviderFailed(stage));
            } else {
                self.take_floor(now);
            }
            return;
        }
        if self.failures > 1 {
            self.close_turn(&mut reply);
            self.end(now, EndReason::ProviderFailed(stage));
            return;
        }
        let again = match reply.cause.clone() {
            Cause::Greeting => self.greet(now),
            Cause::Order(order) => {
                let text = order.text.clone();
                self.say(now, Cause::Order(order), text)
            }
            Cause::Idle { rule, action } => match self.act_on_silence(now, rule, action) {
                Some(again) => again,
                None => return self.take_floor(now),
            },
            cause @ (Cause::Turn { .. } | Cause::ClosedTurn | Cause::Results | Cause::Farewell) => {
                let mut again = self.ask_model(now, cause, String::new(), release.is_some());
                again.user = reply.user;
                again.times = TurnTimes {
                    requested: again.times.requested,
                    first_text: None,
                    first_audio: None,
                    ..reply.times
                };
                again
            }
        };
        self.think(now, again, release);
    }
}
