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

/// Tools of Vapi's that are taken and not offered to the model: nothing here runs them yet.
const NOT_OFFERED: &[&str] = &[
    "apiRequest",
    "bash",
    "code",
    "computer",
    "dtmf",
    "gohighlevel.calendar.availability.check",
    "gohighlevel.calendar.event.create",
    "gohighlevel.contact.create",
    "gohighlevel.contact.get",
    "google.calendar.availability.check",
    "google.calendar.event.create",
    "google.sheets.row.append",
    "handoff",
    "mcp",
    "query",
    "sipRequest",
    "slack.message.send",
    "sms",
    "textEditor",
    "transferCall",
    "voicemail",
];

pub(super) fn tools(wire: &[wire::Tool], check: &mut Validation) -> Vec<ToolDefinition> {
    let named = wire.iter().enumerate();
    named.filter_map(|(index, sent)| tool(sent, &format!("model.tools.{index}."), check)).collect()
}

/// The tool at `path`, which is empty or ends in a dot. `None` where it is not offered.
pub(in crate::config) fn tool(
    wire: &wire::Tool,
    path: &str,
    check: &mut Validation,
) -> Option<ToolDefinition> {
    let kind = wire.kind.as_deref();
    if let Some(kind) = kind.filter(|kind| NOT_OFFERED.contains(kind)) {
        let without_index = path.trim_end_matches(|c: char| c == '.' || c.is_ascii_digit());
        let dot = if without_index.is_empty() { "" } else { "." };
        check.without_effect(format!("{without_index}{dot}type {kind}"));
        return None;
    }
    let mut kinds = vec!["endCall", "function"];
    kinds.extend_from_slice(NOT_OFFERED);
    check.required_one_of(&format!("{path}type"), kind, &kinds);
    let function = wire.function.clone().unwrap_or_default();
    let name = match (kind, function.name) {
        (_, Some(name)) => name,
        (Some("endCall"), None) => "endCall".to_owned(),
        (_, None) => {
            check.problem(format!("{path}function.name should not be empty"));
            return None;
        }
    };
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    if name.is_empty() || name.len() > 64 || !name.chars().all(fits) {
        check.problem(format!(
            "{path}function.name must match /^[a-zA-Z0-9_-]{{1,64}}$/ regular expression"
        ));
    }
    let parameters = function.parameters.unwrap_or_else(no_parameters);
    if !parameters.is_object() {
        check.problem(format!("{path}function.parameters must be an object"));
    }
    let description = function.description.unwrap_or_else(|| match kind {
        Some("endCall") => "Ends the call.".to_owned(),
        _ => String::new(),
    });
    Some(ToolDefinition { name, description, parameters })
}

fn no_parameters() -> Value {
    serde_json::json!({"type": "object", "properties": {}})
}
