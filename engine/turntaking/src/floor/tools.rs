//! Tools a reply asks for, and what they answer.

use super::Floor;
use crate::input::TurnId;
use crate::output::Output;
use crate::reply::{Reply, ToolCall};
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
