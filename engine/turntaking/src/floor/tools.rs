//! Tools a reply asks for, and what they answer.

use super::Floor;
use crate::input::TurnId;
use crate::output::{Event, Output};
use crate::reply::{Order, Reply, ToolCall, ToolResult};
use crate::state::State;
use crate::time::Instant;

/// The tool that ends the call. It is run by the Floor itself.
const END_CALL: &str = "endCall";

impl Floor {
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

    pub(super) fn on_tool_result(
        &mut self,
        now: Instant,
        turn: TurnId,
        id: &str,
        result: ToolResult,
    ) {
        if !self.toolbox.finish(turn, id) {
            self.count_stray(turn);
            return;
        }
        self.quiet_since = now;
        // There is nothing to wait for any more.
        self.orders
            .retain(|order| order.tool.as_ref().is_none_or(|of| *of != (turn, id.to_owned())));
        let of_reply = |reply: &&mut Reply| reply.turn == turn;
        let of_cut = self.cut.as_mut().map(|cut| &mut cut.reply).filter(of_reply);
        let asked_by = self.state.reply_mut().filter(of_reply).or(of_cut);
        if let Some(reply) = asked_by {
            if let Some(tool) = reply.tools.iter_mut().find(|tool| tool.id == id) {
                tool.result = Some(result);
            }
            return;
        }
        self.enter_result(turn, id, &result);
        match &self.state {
            State::Listening => self.take_floor(now),
            State::Closing(_) => self.hang_up_if_done(now),
            _ => {}
        }
    }

    /// Puts a result behind its call.
    pub(super) fn enter_result(&mut self, turn: TurnId, id: &str, result: &ToolResult) {
        if self.history.insert_result(turn, id, &result.text) && !result.answered {
            self.toolbox.result_entered(self.history.revision());
        }
    }

    pub(super) fn on_tool_message(&mut self, now: Instant, turn: TurnId, id: &str, text: &str) {
        if !self.toolbox.runs(turn, id) {
            self.count_stray(turn);
            return;
        }
        let (text, tool) = (text.to_owned(), Some((turn, id.to_owned())));
        self.on_say(now, Order { text, end_call_after: false, tool });
    }

    /// The caller waits, and knows it.
    pub(super) fn on_tool_at_work(&mut self, now: Instant, turn: TurnId, id: &str) {
        if self.toolbox.runs(turn, id) {
            self.quiet_since = now;
        } else {
            self.count_stray(turn);
        }
    }

    /// An order that nobody heard anything of is carried out later, unless its tool has answered.
    pub(super) fn put_back(&mut self, order: Order) {
        if order.tool.as_ref().is_none_or(|(turn, id)| self.toolbox.runs(*turn, id)) {
            self.orders.push_front(order);
        } else {
            self.tell_said(order.tool);
        }
    }

    /// Nothing more is said about tools that run.
    pub(super) fn drop_tool_messages(&mut self) {
        for order in std::mem::take(&mut self.orders) {
            match order.tool {
                Some(tool) => self.tell_said(Some(tool)),
                None => self.orders.push_back(order),
            }
        }
    }

    /// Tells that a message about a tool was said, or will not be.
    pub(super) fn tell_said(&mut self, tool: Option<(TurnId, String)>) {
        if let Some((turn, id)) = tool {
            self.tell(Event::ToolMessageSaid { turn, id });
        }
    }
}

/// The order to run a tool.
pub(super) fn run_tool(turn: TurnId, tool: &ToolCall) -> Output {
    Output::RunTool {
        turn,
        id: tool.id.clone(),
        name: tool.name.clone(),
        arguments: tool.arguments.clone(),
    }
}
