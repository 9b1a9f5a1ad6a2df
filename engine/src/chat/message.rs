//! Messages as OpenAI's chat completions have them, to and from JSON.

use serde_json::{Map, Value, json};

use crate::llm::{ChatMessage, ToolCall};

/// Reads a message; `None`: its role is none of OpenAI's.
pub(crate) fn read(message: &Map<String, Value>) -> Option<ChatMessage> {
    let text = |name| message.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let content = content(message.get("content"));
    match message.get("role").and_then(Value::as_str)? {
        "system" | "developer" => Some(ChatMessage::System { content }),
        "user" => Some(ChatMessage::User { content }),
        "tool" => Some(ChatMessage::Tool { tool_call_id: text("tool_call_id"), content }),
        "assistant" => {
            let calls = message.get("tool_calls").and_then(Value::as_array);
            let tool_calls = calls.into_iter().flatten().filter_map(tool_call).collect();
            Some(ChatMessage::Assistant { content, tool_calls })
        }
        _ => None,
    }
}

/// A text, or the texts among its parts.
fn content(content: Option<&Value>) -> String {
    match content {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(parts)) => {
            let texts = parts.iter().filter_map(|part| part.get("text")?.as_str());
            texts.collect::<Vec<_>>().join("\n")
        }
        _ => String::new(),
    }
}

fn tool_call(call: &Value) -> Option<ToolCall> {
    let function = call.get("function")?;
    let arguments = match function.get("arguments") {
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
        None => "{}".to_owned(),
    };
    let text = |value: &Value, name| value.get(name)?.as_str().map(str::to_owned);
    Some(ToolCall { id: text(call, "id")?, name: text(function, "name")?, arguments })
}

/// Writes a message.
pub(crate) fn write(message: &ChatMessage) -> Value {
    match message {
        ChatMessage::System { content } => json!({"role": "system", "content": content}),
        ChatMessage::User { content } => json!({"role": "user", "content": content}),
        ChatMessage::Tool { tool_call_id, content } => {
            json!({"role": "tool", "tool_call_id": tool_call_id, "content": content})
        }
        ChatMessage::Assistant { content, tool_calls } => {
            let mut row = json!({"role": "assistant", "content": content});
            if !tool_calls.is_empty() {
                let call = |call: &ToolCall| {
                    json!({"id": call.id, "type": "function",
                           "function": {"name": call.name, "arguments": call.arguments}})
                };
                row["tool_calls"] = tool_calls.iter().map(call).collect();
            }
            row
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        for row in [
            json!({"role": "system", "content": "Be brief."}),
            json!({"role": "user", "content": "Bonjour"}),
            json!({"role": "assistant", "content": "", "tool_calls": [{"id": "a",
                "type": "function", "function": {"name": "book", "arguments": "{\"n\":4}"}}]}),
            json!({"role": "tool", "tool_call_id": "a", "content": "done"}),
        ] {
            let message = read(row.as_object().expect("an object")).expect("a message");
            assert_eq!(write(&message), row);
        }
    }

    #[test]
    fn parts_of_text_are_one_text() {
        let row = json!({"role": "user", "content": [{"type": "text", "text": "Un"},
            {"type": "image_url"}, {"type": "text", "text": "deux"}]});
        let read = read(row.as_object().expect("an object"));
        assert_eq!(read, Some(ChatMessage::User { content: "Un\ndeux".to_owned() }));
    }
}
