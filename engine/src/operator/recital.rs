//! A model that says what it was given and ends the call: whatever an operator says first.

use std::collections::VecDeque;
use std::task::{Context, Poll};

use crate::llm::{ChatRequest, LanguageModel, ReplyEvent, ReplyStream, ToolCall};

/// The tool by which the Floor ends a call.
const END_CALL: &str = "endCall";

/// Says the same each time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Recital(pub(crate) String);

impl LanguageModel for Recital {
    fn start(&self, _request: ChatRequest) -> Box<dyn ReplyStream> {
        let end = ToolCall {
            id: "recited".to_owned(),
            name: END_CALL.to_owned(),
            arguments: "{}".to_owned(),
        };
        let events =
            [ReplyEvent::Text(self.0.clone()), ReplyEvent::ToolCall(end), ReplyEvent::Done];
        Box::new(Recited(events.into()))
    }
}

struct Recited(VecDeque<ReplyEvent>);

impl ReplyStream for Recited {
    fn poll_event(&mut self, _cx: &mut Context<'_>) -> Poll<ReplyEvent> {
        self.0.pop_front().map_or(Poll::Pending, Poll::Ready)
    }
}
