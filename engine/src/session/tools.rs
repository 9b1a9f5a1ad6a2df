//! A call's tools at work: begun on the Floor's order, each a task of its own, heard of as they go.

use std::collections::VecDeque;
use std::task::{Context, Poll};

use serde_json::{Map, Value, json};
use tokio::sync::{mpsc, oneshot};
use turntaking::input::{EndReason, Input, TurnId};

use super::transcript::{Transcript, open_ai};
use crate::llm::ChatMessage;
use crate::tools::{Answer, Invocation, Progress, Report, Spoken, Toolset};

/// What running tools have to tell, all of a call together.
const QUEUE: usize = 16;

/// The tools of one call.
pub(super) struct Tools {
    set: Option<Toolset>,
    running: Vec<Running>,
    sender: mpsc::Sender<(TurnId, String, Progress)>,
    progress: mpsc::Receiver<(TurnId, String, Progress)>,
    inputs: VecDeque<Input<'static>>,
    /// Where the caller is being connected to.
    forwarding: Option<Value>,
    /// How many were begun: chooses among variants of messages.
    begun: u64,
    seed: u64,
}

/// A tool at work.
struct Running {
    turn: TurnId,
    id: String,
    /// Resolved when what it said was heard.
    heard: Option<oneshot::Sender<()>>,
}

/// An order of the Floor's.
pub(super) struct Order<'a> {
    pub(super) turn: TurnId,
    pub(super) id: &'a str,
    pub(super) name: &'a str,
    pub(super) arguments: &'a str,
    /// The model said something before.
    pub(super) announced: bool,
}

impl Tools {
    pub(super) fn new(set: Option<Toolset>, seed: u64) -> Self {
        let (sender, progress) = mpsc::channel(QUEUE);
        let (running, inputs) = (Vec::new(), VecDeque::new());
        Self { set, running, sender, progress, inputs, forwarding: None, begun: 0, seed }
    }

    /// Runs a tool. Returns what the Floor must know at once: that it cannot be run.
    pub(super) fn run(
        &mut self,
        order: &Order<'_>,
        transcript: &Transcript,
        messages: &[ChatMessage],
    ) -> Option<Input<'static>> {
        let &Order { turn, id, name, arguments, announced } = order;
        let refuse = |reason: String| {
            Some(Input::ToolResult {
                turn,
                id: id.to_owned().into(),
                result: format!("Error: {reason}").into(),
                answered: false,
            })
        };
        let Some((set, tool)) = self.set.as_ref().and_then(|set| Some((set, set.find(name)?)))
        else {
            tracing::warn!(tool = name, "the model calls a tool that is not there");
            return refuse(format!("there is no tool {name}"));
        };
        let Some(arguments) = read_arguments(arguments) else {
            tracing::warn!(tool = name, "the model calls a tool with arguments that are no JSON");
            return refuse("the arguments are not a JSON object".to_owned());
        };
        let call = Invocation {
            turn,
            id: id.to_owned(),
            arguments,
            artifact: json!({
                "messages": transcript.rows(),
                "messagesOpenAIFormatted": open_ai(messages),
            }),
            announced,
            choice: self.seed.wrapping_add(self.begun),
        };
        self.begun += 1;
        let (said, heard) = oneshot::channel();
        self.running.push(Running { turn, id: id.to_owned(), heard: Some(said) });
        let report = Report { progress: self.sender.clone(), heard };
        tokio::spawn(set.clone().run(tool.clone(), call, report));
        None
    }

    /// What a tool said was heard, or will not be.
    pub(super) fn on_said(&mut self, turn: TurnId, id: &str) {
        let of = |running: &&mut Running| running.turn == turn && running.id == id;
        if let Some(heard) = self.running.iter_mut().find(of).and_then(|found| found.heard.take()) {
            // A tool that does not wait has dropped its end.
            let _ = heard.send(());
        }
    }

    /// Where the carrier has taken the caller, as far as is known when its leg ends.
    pub(super) const fn forwarded(&mut self) -> Option<Value> {
        self.forwarding.take()
    }

    /// What the Floor is to be told, once there is something.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Input<'static>> {
        if let Some(input) = self.inputs.pop_front() {
            return Poll::Ready(input);
        }
        while let Poll::Ready(Some((turn, id, progress))) = self.progress.poll_recv(cx) {
            match progress {
                Progress::Forwarding(to) => self.forwarding = Some(to),
                Progress::Forwarded => {
                    let reason = EndReason::AssistantForwardedCall;
                    return Poll::Ready(Input::EndCall { reason });
                }
                Progress::Say(text) => {
                    let (id, text) = (id.into(), text.into());
                    return Poll::Ready(Input::ToolMessage { turn, id, text });
                }
                Progress::Done(answer) => return Poll::Ready(self.on_done(turn, id, answer)),
            }
        }
        Poll::Pending
    }

    fn on_done(&mut self, turn: TurnId, id: String, answer: Answer) -> Input<'static> {
        let Answer { result, spoken } = answer;
        self.forwarding = None;
        self.running.retain(|running| running.turn != turn || running.id != id);
        let answered = spoken.is_some();
        if let Some(Spoken { text, end_call_after }) = spoken {
            self.inputs.push_back(Input::Say { text: text.into(), end_call_after });
        }
        Input::ToolResult { turn, id: id.into(), result: result.into(), answered }
    }
}

/// A model that gives no arguments gives none, or an empty text.
fn read_arguments(text: &str) -> Option<Map<String, Value>> {
    if text.trim().is_empty() {
        return Some(Map::new());
    }
    serde_json::from_str(text).ok()
}
