//! What the model begins with: `model.messages`.

use crate::config::validation::Validation;
use crate::llm::ChatMessage;

pub(super) fn messages(wire: &[wire::Message], check: &mut Validation) -> Vec<ChatMessage> {
    let mut messages = Vec::with_capacity(wire.len());
    for (index, message) in wire.iter().enumerate() {
        let content = message.content.clone().unwrap_or_default();
        messages.push(match message.role {
            Some(wire::MessageRole::System) => ChatMessage::System { content },
            Some(wire::MessageRole::User) => ChatMessage::User { content },
            Some(wire::MessageRole::Assistant) => {
                ChatMessage::Assistant { content, tool_calls: Vec::new() }
            }
            _ => {
                let roles = "assistant, system, user";
                check.problem(format!(
                    "model.messages.{index}.role must be one of the following values: {roles}"
                ));
                continue;
            }
        });
    }
    messages
}
