//! Asks the customer's endpointing server how long to wait.

use std::sync::Arc;
use std::task::{Context, Poll};

use serde_json::{Value, json};
use turntaking::input::Input;
use turntaking::output::Event;
use turntaking::time::Instant;

use super::CallId;
use crate::endpointing::{Answer, EndpointingModel};
use crate::llm::{ChatMessage, ToolCall};

/// The questions of one call to its endpointing server. At most one is open: a newer one takes
/// the place of the older, whose answer nobody wants any more.
pub(super) struct Endpointing {
    model: Option<Arc<EndpointingModel>>,
    call: CallId,
    /// What was said so far, as Vapi's `messages` have it.
    said: Vec<Value>,
    open: Option<(u32, Answer)>,
}

impl Endpointing {
    pub(super) fn new(model: Option<Arc<EndpointingModel>>, call: CallId) -> Self {
        Self { model, call, said: Vec::new(), open: None }
    }

    /// Takes note of what was said.
    pub(super) fn note(&mut self, event: &Event, now: Instant) {
        if self.model.is_none() {
            return;
        }
        match event {
            Event::UserTranscript { text, is_final: true } => {
                self.said.push(message("user", text, now));
            }
            Event::AssistantHeard { text, .. } => self.said.push(message("bot", text, now)),
            Event::TurnReopened => {
                self.said.pop_if(|last| last["role"] == "user");
            }
            _ => {}
        }
    }

    /// Asks how long to wait after `user`, the caller's words so far, at the end of `messages`.
    /// Returns what the Floor must know at once: that there is nobody to ask.
    pub(super) fn ask(
        &mut self,
        look: u32,
        user: &str,
        messages: &[ChatMessage],
        now: Instant,
    ) -> Option<Input<'static>> {
        let Some(model) = &self.model else {
            return Some(Input::EndpointingAnswer { look, wait: None });
        };
        let mut said = self.said.clone();
        said.push(message("user", user, now));
        let formatted: Vec<Value> = messages.iter().map(open_ai).collect();
        let request = json!({"message": {
            "type": "call.endpointing.request",
            "call": {"id": self.call},
            "messages": said,
            "messagesOpenAIFormatted": formatted,
        }});
        self.open = Some((look, model.ask(request.to_string().into_bytes())));
        None
    }

    /// The answer, once it is there.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Input<'static>> {
        let Some((look, answer)) = &mut self.open else { return Poll::Pending };
        let Poll::Ready(answered) = answer.as_mut().poll(cx) else { return Poll::Pending };
        let look = *look;
        self.open = None;
        let wait = match answered {
            Ok(wait) => Some(wait),
            Err(error) => {
                tracing::warn!(call = %self.call, %error, "no answer to an endpointing request");
                None
            }
        };
        Poll::Ready(Input::EndpointingAnswer { look, wait })
    }
}

fn message(role: &str, text: &str, now: Instant) -> Value {
    json!({"role": role, "message": text, "secondsFromStart": now.since_start().as_secs_f64()})
}

fn open_ai(message: &ChatMessage) -> Value {
    match message {
        ChatMessage::System { content } => json!({"role": "system", "content": content}),
        ChatMessage::User { content } => json!({"role": "user", "content": content}),
        ChatMessage::Assistant { content, tool_calls } if tool_calls.is_empty() => {
            json!({"role": "assistant", "content": content})
        }
        ChatMessage::Assistant { content, tool_calls } => {
            let calls: Vec<Value> = tool_calls.iter().map(tool_call).collect();
            json!({"role": "assistant", "content": content, "tool_calls": calls})
        }
        ChatMessage::Tool { tool_call_id, content } => {
            json!({"role": "tool", "tool_call_id": tool_call_id, "content": content})
        }
    }
}

fn tool_call(call: &ToolCall) -> Value {
    json!({
        "id": call.id,
        "type": "function",
        "function": {"name": call.name, "arguments": call.arguments},
    })
}
