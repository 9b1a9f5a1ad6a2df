//! What the model begins with: `model.messages` and `model.tools`.

use serde_json::Value;

use crate::config::validation::Validation;
use crate::llm::{ChatMessage, ToolDefinition};

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

pub(super) fn tools(wire: &[wire::Tool], check: &mut Validation) -> Vec<ToolDefinition> {
    let mut tools = Vec::with_capacity(wire.len());
    for (index, tool) in wire.iter().enumerate() {
        let path = format!("model.tools.{index}");
        let kind = tool.kind.as_deref();
        check.required_one_of(&format!("{path}.type"), kind, &["endCall", "function"]);
        let function = tool.function.clone().unwrap_or_default();
        let name = match (kind, function.name) {
            (_, Some(name)) => name,
            (Some("endCall"), None) => "endCall".to_owned(),
            (_, None) => {
                check.problem(format!("{path}.function.name should not be empty"));
                continue;
            }
        };
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
        if name.is_empty() || name.len() > 64 || !name.chars().all(fits) {
            check.problem(format!(
                "{path}.function.name must match /^[a-zA-Z0-9_-]{{1,64}}$/ regular expression"
            ));
        }
        let parameters = function.parameters.unwrap_or_else(no_parameters);
        if !parameters.is_object() {
            check.problem(format!("{path}.function.parameters must be an object"));
        }
        let description = function.description.unwrap_or_else(|| match kind {
            Some("endCall") => "Ends the call.".to_owned(),
            _ => String::new(),
        });
        tools.push(ToolDefinition { name, description, parameters });
    }
    tools
}

fn no_parameters() -> Value {
    serde_json::json!({"type": "object", "properties": {}})
}
