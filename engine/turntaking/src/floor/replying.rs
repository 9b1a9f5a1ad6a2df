//! A reply on its way: asked for, written, voiced, heard.

use std::ops::Range;
use std::time::Duration;

use super::Floor;
use super::tools::run_tool;
use crate::input::{Offset, TurnId};
use crate::output::{Event, Output, Role};
use crate::reply::{Cause, Reply};
use crate::state::{Speaking, State, Thinking};
use crate::time::Instant;

impl Floor {
    pub(super) fn ask_model(
        &mut self,
        now: Instant,
        cause: Cause,
        user: String,
        speculative: bool,
    ) -> Reply {
        self.start_reply(now, cause, user, String::new(), speculative)
    }

    /// Asks the model for something to say, with an instruction of its own.
    pub(super) fn ask_model_to(&mut self, now: Instant, cause: Cause, prompt: String) -> Reply {
        self.start_reply(now, cause, String::new(), prompt, false)
    }

    fn start_reply(
        &mut self,
        now: Instant,
        cause: Cause,
        user: String,
        prompt: String,
        speculative: bool,
    ) -> Reply {
        self.settle_cut(now);
        let turn = self.new_turn();
        let mut reply = Reply::new(turn, cause, now);
        reply.asked_with = self.history.revision();
        reply.user.clone_from(&user);
        reply.speculative = speculative && !user.is_empty();
        reply.committed = !speculative;
        self.outputs.push_back(Output::StartReply { turn, speculative, user, prompt });
        reply
    }

    pub(super) fn say(&mut self, now: Instant, cause: Cause, text: String) -> Reply {
        self.settle_cut(now);
        let turn = self.new_turn();
        self.outputs.push_back(Output::Say { turn, text });
        let mut reply = Reply::new(turn, cause, now);
        // What is said by order shows the model nothing: results stay news.
        reply.asked_with = 0;
        reply
    }

    /// The floor is the assistant's. `release`: not to be heard before.
    pub(super) fn think(&mut self, now: Instant, reply: Reply, release: Option<Instant>) {
        self.state = State::Thinking(Thinking { reply, release });
        if release.is_none() {
            self.on_release(now);
        }
    }

    /// The reply may be heard now.
    pub(super) fn on_release(&mut self, now: Instant) {
        let State::Thinking(thinking) = &mut self.state else {
            self.take_floor(now);
            return;
        };
        thinking.release = None;
        let reply = &mut thinking.reply;
        if !reply.committed {
            reply.committed = true;
            let turn = reply.turn;
            self.outputs.push_back(Output::CommitReply { turn });
            for tool in &reply.tools {
                self.toolbox.run(turn, &tool.id);
                self.outputs.push_back(run_tool(turn, tool));
            }
        }
        self.finish_if_over(now);
    }

    pub(super) fn live(&mut self, turn: TurnId) -> Option<&mut Reply> {
        let found = self.state.reply().is_some_and(|reply| reply.turn == turn);
        if !found {
            self.count_stray(turn);
        }
        self.state.reply_mut().filter(|_| found)
    }

    pub(super) fn on_reply_text(&mut self, now: Instant, turn: TurnId, text: &str) {
        let Some(reply) = self.live(turn) else { return };
        if reply.text_done {
            self.counters.late += 1;
            return;
        }
        reply.progress = now;
        reply.times.first_text.get_or_insert(now);
        reply.ledger.push_text(text);
    }

    pub(super) fn on_reply_done(&mut self, now: Instant, turn: TurnId) {
        let Some(reply) = self.live(turn) else { return };
        if std::mem::replace(&mut reply.text_done, true) {
            self.counters.duplicate += 1;
            return;
        }
        reply.progress = now;
        self.finish_if_over(now);
    }

    pub(super) fn on_span(&mut self, turn: TurnId, text: Range<u32>, audio: Range<Offset>) {
        let Some(reply) = self.live(turn) else { return };
        if !reply.ledger.push_span(text, audio) {
            self.counters.invalid += 1;
        }
    }

    pub(super) fn on_voiced(&mut self, now: Instant, turn: TurnId, until: Offset, all: bool) {
        let Some(reply) = self.live(turn) else { return };
        reply.progress = now;
        if until > Offset(0) {
            reply.times.first_audio.get_or_insert(now);
        }
        reply.ledger.voice(until);
        reply.voiced_all |= all;
        self.finish_if_over(now);
    }

    pub(super) fn on_played(
        &mut self,
        now: Instant,
        turn: TurnId,
        until: Offset,
        acknowledged: bool,
    ) {
        if let Some(cut) = &mut self.cut
            && cut.turn() == turn
        {
            cut.reply.ledger.play(until, acknowledged);
            return;
        }
        let Some(reply) = self.live(turn) else { return };
        if !reply.committed {
            self.counters.invalid += 1;
            return;
        }
        reply.progress = now;
        // What was played was ready, whichever of the two is told first.
        reply.ledger.voice(until);
        reply.ledger.play(until, acknowledged);
        if until > Offset(0) && !reply.audible {
            self.on_first_sample(now, until);
        }
        self.finish_if_over(now);
    }

    fn on_first_sample(&mut self, now: Instant, until: Offset) {
        let Some(reply) = self.state.reply_mut() else { return };
        reply.audible = true;
        // The playhead tells when it began, but for the error of its estimate.
        let times = &reply.times;
        let earliest = times.first_audio.max(times.committed).max(times.requested);
        reply.times.first_played = earliest.max(Some(now - Duration::from_micros(until.0)));
        let (turn, times, speculative) = (reply.turn, reply.times, reply.speculative);
        self.toolbox.restart();
        self.tell(Event::SpeechUpdate { role: Role::Assistant, started: true });
        self.tell(Event::TurnLatency { turn, times, speculative });
        if let State::Thinking(_) = self.state
            && let State::Thinking(Thinking { mut reply, .. }) =
                std::mem::replace(&mut self.state, State::Listening)
        {
            self.close_turn(&mut reply);
            self.state = State::Speaking(Speaking { reply });
        }
    }

    /// The caller's turn that `reply` answers can no longer be taken back.
    pub(super) fn close_turn(&mut self, reply: &mut Reply) {
        if let Cause::Turn { pieces } = reply.cause {
            self.caller.close(pieces, reply.times.committed.unwrap_or(self.now));
            reply.cause = Cause::ClosedTurn;
        }
        self.toolbox.answered(reply.asked_with);
    }
}
