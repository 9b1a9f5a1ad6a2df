//! A reply on its way: asked for, written, voiced, heard.

use std::ops::Range;
use std::time::Duration;

use super::Floor;
use super::yielding::HELD_WITHIN;
use crate::history::Entry;
use crate::input::{EndReason, Offset, Stage, TurnId};
use crate::output::{Event, Output, Role, TurnTimes};
use crate::phrases::Meaning;
use crate::reply::{Cause, Reply, ToolCall};
use crate::state::{Speaking, State, Thinking};
use crate::time::Instant;

/// A reply that makes no progress for this long has failed: Vapi's own limit for a model, and
/// longer than any caller stays on the line.
const STALLED_AFTER: Duration = Duration::from_secs(20);

/// The tool that ends the call. It is run by the Floor itself.
const END_CALL: &str = "endCall";

/// An acknowledgement that ended this long before the reply did was one. A later one answers it:
/// callers say "yes" into the last words of a question.
const ANSWER_WITHIN: Duration = Duration::from_secs(1);

/// A cancelled reply of which it is not known yet how far it was heard.
#[derive(Debug)]
pub(super) struct Cut {
    reply: Reply,
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

pub(super) fn stalled_at(reply: &Reply) -> Instant {
    reply.progress + STALLED_AFTER
}

impl Floor {
    pub(super) fn ask_model(
        &mut self,
        now: Instant,
        cause: Cause,
        user: String,
        speculative: bool,
    ) -> Reply {
        self.settle_cut(now);
        let turn = self.new_turn();
        let mut reply = Reply::new(turn, cause, now);
        reply.asked_with = self.history.revision();
        reply.user.clone_from(&user);
        reply.speculative = speculative && !user.is_empty();
        reply.committed = !speculative;
        self.outputs.push_back(Output::StartReply { turn, speculative, user });
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

    fn live(&mut self, turn: TurnId) -> Option<&mut Reply> {
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
        let began = now - Duration::from_micros(until.0);
        reply.times.first_played = Some(began.max(reply.times.first_audio.unwrap_or(began)));
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

    /// Concludes the reply once its last sample was heard.
    pub(super) fn finish_if_over(&mut self, now: Instant) {
        let over = match &self.state {
            State::Thinking(thinking) => thinking.release.is_none() && thinking.reply.is_over(),
            State::Yielding(yielding) => yielding.held.is_some() && yielding.reply.is_over(),
            State::Speaking(Speaking { reply }) => reply.is_over(),
            State::Closing(closing) => closing.farewell.as_ref().is_some_and(Reply::is_over),
            _ => false,
        };
        if !over {
            return;
        }
        match std::mem::replace(&mut self.state, State::Listening) {
            State::Thinking(Thinking { mut reply, .. }) => {
                self.close_turn(&mut reply);
                self.conclude(now, reply);
            }
            State::Speaking(Speaking { reply }) => self.conclude(now, reply),
            State::Yielding(yielding) => self.conclude(now, yielding.reply),
            State::Closing(mut closing) => {
                if let Some(farewell) = closing.farewell.take() {
                    if farewell.audible {
                        self.tell(Event::SpeechUpdate { role: Role::Assistant, started: false });
                    }
                    self.enter_heard(farewell);
                }
                self.state = State::Closing(closing);
                self.hang_up_if_done(now);
            }
            other => self.state = other,
        }
    }

    /// All of the reply that will be heard was heard.
    fn conclude(&mut self, now: Instant, reply: Reply) {
        self.quiet_since = now;
        if reply.failed.is_some() {
            self.outputs.push_back(Output::CancelReply { turn: reply.turn });
        } else {
            self.failures = 0;
        }
        if reply.audible {
            self.tell(Event::SpeechUpdate { role: Role::Assistant, started: false });
        }
        let (heard, complete) = reply.heard();
        let said_end = complete && contains_any(heard, &self.settings.end_call_phrases);
        let failed = reply.failed;
        let end_call = reply.end_call && failed.is_none();
        let ordered = matches!(&reply.cause, Cause::Order(order) if order.end_call_after);
        self.enter_heard(reply);
        if let Some(stage) = failed
            && self.failures > 1
        {
            self.end(now, EndReason::ProviderFailed(stage));
        } else if end_call {
            self.close(now, EndReason::AssistantEndedCall, true);
        } else if ordered {
            self.close(now, EndReason::AssistantEndedCall, false);
        } else if said_end {
            self.close(now, EndReason::AssistantSaidEndCallPhrase, false);
        } else {
            self.pass_over_backchannel(now);
            self.take_floor(now);
        }
    }

    /// An acknowledgement said well before the reply ended asks for no answer.
    fn pass_over_backchannel(&mut self, now: Instant) {
        let before = self.caller.spoke_until().is_some_and(|until| until + ANSWER_WITHIN <= now);
        if self.caller.voicing().is_none()
            && before
            && self.phrases.meaning(self.caller.text()) == Meaning::Acknowledgement
        {
            self.drop_words();
        }
    }

    /// What was heard of a reply enters history, and the tools it ran.
    pub(super) fn enter_heard(&mut self, reply: Reply) {
        let (heard, complete) = reply.heard();
        if !heard.is_empty() {
            let text = heard.to_owned();
            self.history.push(Entry::Assistant { turn: reply.turn, text: text.clone(), complete });
            self.tell(Event::AssistantHeard { turn: reply.turn, text, complete });
        }
        self.enter_tools(reply);
    }

    fn enter_tools(&mut self, reply: Reply) {
        if !reply.committed {
            return;
        }
        let turn = reply.turn;
        let mut results = Vec::new();
        for ToolCall { id, name, arguments, result } in reply.tools {
            if let Some(result) = result {
                results.push((id.clone(), result));
            }
            self.history.push(Entry::ToolCall { turn, id, name, arguments });
        }
        for (id, result) in results {
            self.history.insert_result(turn, &id, &result);
            self.toolbox.result_entered(self.history.revision());
        }
    }

    /// A reply is taken back before anything of it was heard; what it was for stands.
    pub(super) fn take_back(&mut self, now: Instant, reply: Reply) {
        self.outputs.push_back(Output::CancelReply { turn: reply.turn });
        let certain = !reply.may_be_heard();
        self.cut = Some(Cut::new(reply, now));
        if certain {
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
            Cause::Order(order) => self.orders.push_front(order),
            Cause::Results | Cause::Farewell | Cause::ClosedTurn => {}
        }
    }

    pub(super) fn on_tool_call(
        &mut self,
        now: Instant,
        turn: TurnId,
        id: &str,
        name: &str,
        arguments: &str,
    ) {
        let Some(reply) = self.live(turn) else { return };
        reply.progress = now;
        if name == END_CALL {
            if std::mem::replace(&mut reply.end_call, true) {
                self.counters.duplicate += 1;
            }
            return;
        }
        if reply.tools.iter().any(|tool| tool.id == id) {
            self.counters.duplicate += 1;
            return;
        }
        let tool = ToolCall {
            id: id.to_owned(),
            name: name.to_owned(),
            arguments: arguments.to_owned(),
            result: None,
        };
        let run = reply.committed.then(|| run_tool(turn, &tool));
        reply.tools.push(tool);
        if let Some(run) = run {
            self.toolbox.run(turn, id);
            self.outputs.push_back(run);
        }
    }

    pub(super) fn on_tool_result(&mut self, now: Instant, turn: TurnId, id: &str, result: &str) {
        if !self.toolbox.finish(turn, id) {
            self.count_stray(turn);
            return;
        }
        self.quiet_since = now;
        let of_reply = |reply: &&mut Reply| reply.turn == turn;
        let of_cut = self.cut.as_mut().map(|cut| &mut cut.reply).filter(of_reply);
        let asked_by = self.state.reply_mut().filter(of_reply).or(of_cut);
        if let Some(reply) = asked_by {
            if let Some(tool) = reply.tools.iter_mut().find(|tool| tool.id == id) {
                tool.result = Some(result.to_owned());
            }
            return;
        }
        if self.history.insert_result(turn, id, result) {
            self.toolbox.result_entered(self.history.revision());
        }
        match &self.state {
            State::Listening => self.take_floor(now),
            State::Closing(_) => self.hang_up_if_done(now),
            _ => {}
        }
    }

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
            self.end(now, EndReason::ProviderFailed(stage));
            return;
        }
        let again = match reply.cause.clone() {
            Cause::Greeting => self.greet(now),
            Cause::Order(order) => {
                let text = order.text.clone();
                self.say(now, Cause::Order(order), text)
            }
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

fn run_tool(turn: TurnId, tool: &ToolCall) -> Output {
    Output::RunTool {
        turn,
        id: tool.id.clone(),
        name: tool.name.clone(),
        arguments: tool.arguments.clone(),
    }
}

/// Whether `text` contains one of `phrases`, without case.
fn contains_any(text: &str, phrases: &[String]) -> bool {
    let text = text.to_lowercase();
    phrases
        .iter()
        .map(|phrase| phrase.to_lowercase())
        .any(|phrase| !phrase.trim().is_empty() && text.contains(phrase.trim()))
}
