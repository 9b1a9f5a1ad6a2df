//! The conversation as the model sees it: the Floor's history in OpenAI's message shapes.

use turntaking::history::Entry;

use super::providers::Persona;
use crate::llm::{ChatMessage, ChatRequest, ToolCall};

/// The request for a reply to `history`, followed by the caller's words `user` that are not in
/// it yet (empty: none).
///
/// Consecutive tool calls of the assistant become one message, as the protocol wants them.
pub(super) fn request(persona: &Persona, history: &[Entry], user: &str) -> ChatRequest {
    let mut messages = Vec::with_capacity(persona.preamble.len() + history.len() + 1);
    messages.extend_from_slice(&persona.preamble);
    for entry in history {
        match entry {
            Entry::User { text } => messages.push(ChatMessage::User { content: text.clone() }),
            Entry::Assistant { text, .. } => messages
                .push(ChatMessage::Assistant { content: text.clone(), tool_calls: Vec::new() }),
            Entry::ToolCall { id, name, arguments, .. } => {
                let call =
                    ToolCall { id: id.clone(), name: name.clone(), arguments: arguments.clone() };
                match messages.last_mut() {
                    Some(ChatMessage::Assistant { tool_calls, .. }) => tool_calls.push(call),
                    _ => messages.push(ChatMessage::Assistant {
                        content: String::new(),
                        tool_calls: vec![call],
                    }),
                }
            }
            Entry::ToolResult { id, result } => messages
                .push(ChatMessage::Tool { tool_call_id: id.clone(), content: result.clone() }),
        }
    }
    if !user.is_empty() {
        messages.push(ChatMessage::User { content: user.to_owned() });
    }
    ChatRequest {
        messages,
        tools: persona.tools.clone(),
        temperature: persona.temperature,
        max_tokens: persona.max_tokens,
    }
}
