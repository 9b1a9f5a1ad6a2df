//! What was said so far, in the rows of Vapi's messages: for servers that are asked in mid-call.

use serde_json::{Value, json};
use turntaking::output::Event;
use turntaking::time::Instant;

use super::CallClock;
use crate::llm::{ChatMessage, ToolCall};

/// The conversation so far. The assistant's words are those that were heard.
#[derive(Debug)]
pub(super) struct Transcript {
    clock: CallClock,
    rows: Vec<Value>,
}

impl Transcript {
    pub(super) const fn new(clock: CallClock) -> Self {
        Self { clock, rows: Vec::new() }
    }

    /// Takes note of what was said.
    pub(super) fn note(&mut self, event: &Event, now: Instant) {
        match event {
            Event::UserTranscript { text, is_final: true } => {
                self.rows.push(self.message("user", text, now));
            }
            Event::AssistantHeard { text, .. } => {
                self.rows.push(self.message("bot", text, now));
            }
            Event::TurnReopened => {
                self.rows.pop_if(|last| last["role"] == "user");
            }
            _ => {}
        }
    }

    /// The rows so far.
    pub(super) fn rows(&self) -> &[Value] {
        &self.rows
    }

    /// A row.
    pub(super) fn message(&self, role: &str, text: &str, now: Instant) -> Value {
        json!({
            "role": role,
            "message": text,
            "time": self.clock.unix_millis(now),
            "secondsFromStart": now.since_start().as_secs_f64(),
        })
    }
}

/// Messages in OpenAI's form.
pub(super) fn open_ai(messages: &[ChatMessage]) -> Value {
    messages.iter().map(message).collect()
}

fn message(message: &ChatMessage) -> Value {
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
