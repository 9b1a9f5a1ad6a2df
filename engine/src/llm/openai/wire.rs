//! The JSON of chat completions
//! (<https://platform.openai.com/docs/api-reference/chat-streaming>).
//!
//! Requests are written as OpenAI documents them. Answers are read liberally: what a compatible
//! server leaves out, sends as null, or sends beside the documented fields does no harm.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::llm::{ChatMessage, ChatRequest};

/// The body of `POST /chat/completions`.
#[derive(Debug, Serialize)]
pub(super) struct Request<'a> {
    model: &'a str,
    messages: Vec<Message<'a>>,
    // An empty list is refused by OpenAI: `[] is too short - 'tools'`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<Tool<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_completion_tokens: Option<u32>,
    stream: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream_options: Option<StreamOptions>,
}

/// What the server's dialect asks for beyond the conversation.
#[derive(Clone, Copy, Debug)]
pub(super) struct Dialect<'a> {
    pub(super) model: &'a str,
    pub(super) include_usage: bool,
    pub(super) max_completion_tokens: bool,
}

impl<'a> Request<'a> {
    pub(super) fn new(dialect: Dialect<'a>, request: &'a ChatRequest) -> Self {
        let (max_tokens, max_completion_tokens) = if dialect.max_completion_tokens {
            (None, request.max_tokens)
        } else {
            (request.max_tokens, None)
        };
        Self {
            model: dialect.model,
            messages: request.messages.iter().map(Message::new).collect(),
            tools: request
                .tools
                .iter()
                .map(|tool| Tool {
                    r#type: "function",
                    function: FunctionDefinition {
                        name: &tool.name,
                        description: &tool.description,
                        parameters: &tool.parameters,
                        strict: tool.strict.then_some(true),
                    },
                })
                .collect(),
            temperature: request.temperature,
            max_tokens,
            max_completion_tokens,
            stream: true,
            stream_options: dialect.include_usage.then_some(StreamOptions { include_usage: true }),
        }
    }
}

#[derive(Debug, Serialize)]
struct StreamOptions {
    include_usage: bool,
}

#[derive(Debug, Serialize)]
#[serde(tag = "role", rename_all = "lowercase")]
enum Message<'a> {
    System {
        content: &'a str,
    },
    User {
        content: &'a str,
    },
    Assistant {
        // Null beside tool calls, and never absent: some servers insist on the field.
        content: Option<&'a str>,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        tool_calls: Vec<CalledTool<'a>>,
    },
    Tool {
        tool_call_id: &'a str,
        content: &'a str,
    },
}

impl<'a> Message<'a> {
    fn new(message: &'a ChatMessage) -> Self {
        match message {
            ChatMessage::System { content } => Self::System { content },
            ChatMessage::User { content } => Self::User { content },
            ChatMessage::Assistant { content, tool_calls } => Self::Assistant {
                content: (!content.is_empty() || tool_calls.is_empty()).then_some(content),
                tool_calls: tool_calls
                    .iter()
                    .map(|call| CalledTool {
                        id: &call.id,
                        r#type: "function",
                        function: CalledFunction { name: &call.name, arguments: &call.arguments },
                    })
                    .collect(),
            },
            ChatMessage::Tool { tool_call_id, content } => Self::Tool { tool_call_id, content },
        }
    }
}

#[derive(Debug, Serialize)]
struct CalledTool<'a> {
    id: &'a str,
    r#type: &'static str,
    function: CalledFunction<'a>,
}

#[derive(Debug, Serialize)]
struct CalledFunction<'a> {
    name: &'a str,
    arguments: &'a str,
}

#[derive(Debug, Serialize)]
struct Tool<'a> {
    r#type: &'static str,
    function: FunctionDefinition<'a>,
}

#[derive(Debug, Serialize)]
struct FunctionDefinition<'a> {
    name: &'a str,
    description: &'a str,
    parameters: &'a Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    strict: Option<bool>,
}

/// One event of the answer; or all of it, from a server that does not stream.
#[derive(Debug, Deserialize)]
pub(super) struct Chunk {
    pub(super) choices: Option<Vec<Choice>>,
    pub(super) usage: Option<Usage>,
    pub(super) error: Option<ServerError>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Choice {
    #[serde(default)]
    pub(super) index: Option<u32>,
    #[serde(alias = "message")]
    pub(super) delta: Option<Delta>,
    pub(super) finish_reason: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Delta {
    pub(super) content: Option<Content>,
    /// What the model says in place of an answer that it refuses to give.
    pub(super) refusal: Option<String>,
    pub(super) tool_calls: Option<Vec<ToolCallDelta>>,
}

/// Text, or (Mistral's reasoning models) parts of which only those with text are for the caller.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Content {
    Text(String),
    Parts(Vec<Part>),
}

impl Content {
    pub(super) fn into_text(self) -> String {
        match self {
            Self::Text(text) => text,
            Self::Parts(parts) => parts.into_iter().filter_map(|part| part.text).collect(),
        }
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct Part {
    text: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct ToolCallDelta {
    pub(super) index: Option<u32>,
    pub(super) id: Option<String>,
    pub(super) function: Option<FunctionDelta>,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct FunctionDelta {
    pub(super) name: Option<String>,
    /// A piece of JSON text; an object, from servers that do not quote it.
    pub(super) arguments: Option<Value>,
}

/// What the reply cost, in tokens.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(super) struct Usage {
    pub(super) prompt_tokens: Option<u64>,
    pub(super) completion_tokens: Option<u64>,
}

/// The `error` of a refusal, as an object (OpenAI) or a plain string (Ollama and others).
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum ServerError {
    Text(String),
    Object { message: Option<String> },
}

impl ServerError {
    pub(super) fn into_message(self) -> Option<String> {
        match self {
            Self::Text(message) => Some(message),
            Self::Object { message } => message,
        }
    }
}

/// The body of an HTTP error: OpenAI's `error`, or the fields other servers use.
#[derive(Debug, Deserialize)]
pub(super) struct ErrorBody {
    error: Option<ServerError>,
    message: Option<String>,
    /// FastAPI's.
    detail: Option<Value>,
}

impl ErrorBody {
    pub(super) fn into_message(self) -> Option<String> {
        let detail = |value: Value| match value {
            Value::String(text) => Some(text),
            Value::Null => None,
            other => Some(other.to_string()),
        };
        self.error
            .and_then(ServerError::into_message)
            .or(self.message)
            .or_else(|| self.detail.and_then(detail))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::llm::{ToolCall, ToolDefinition};

    const DIALECT: Dialect<'_> =
        Dialect { model: "gpt-4.1-mini", include_usage: false, max_completion_tokens: false };

    #[test]
    fn a_request_in_full() {
        let request = ChatRequest {
            messages: vec![
                ChatMessage::System { content: "Be brief.".to_owned() },
                ChatMessage::User { content: "A table, s'il vous plaît.".to_owned() },
                ChatMessage::Assistant {
                    content: String::new(),
                    tool_calls: vec![ToolCall {
                        id: "call_1".to_owned(),
                        name: "book".to_owned(),
                        arguments: r#"{"guests":4}"#.to_owned(),
                    }],
                },
                ChatMessage::Tool { tool_call_id: "call_1".to_owned(), content: "ok".to_owned() },
            ],
            tools: vec![ToolDefinition {
                name: "book".to_owned(),
                description: "Books a table.".to_owned(),
                parameters: json!({"type": "object"}),
                strict: false,
            }],
            temperature: Some(0.7),
            max_tokens: Some(250),
        };
        let dialect = Dialect { include_usage: true, ..DIALECT };
        assert_eq!(
            // As text: 0.7 must not become 0.699999988079071.
            serde_json::to_string(&Request::new(dialect, &request)).expect("plain data"),
            concat!(
                r#"{"model":"gpt-4.1-mini","messages":["#,
                r#"{"role":"system","content":"Be brief."},"#,
                r#"{"role":"user","content":"A table, s'il vous plaît."},"#,
                r#"{"role":"assistant","content":null,"tool_calls":[{"id":"call_1","#,
                r#""type":"function","function":{"name":"book","arguments":"{\"guests\":4}"}}]},"#,
                r#"{"role":"tool","tool_call_id":"call_1","content":"ok"}],"#,
                r#""tools":[{"type":"function","function":{"name":"book","#,
                r#""description":"Books a table.","parameters":{"type":"object"}}}],"#,
                r#""temperature":0.7,"max_tokens":250,"stream":true,"#,
                r#""stream_options":{"include_usage":true}}"#,
            )
        );
    }

    #[test]
    fn what_is_not_set_is_not_sent() {
        let request = ChatRequest {
            messages: vec![ChatMessage::Assistant {
                content: String::new(),
                tool_calls: Vec::new(),
            }],
            ..ChatRequest::default()
        };
        assert_eq!(
            serde_json::to_value(Request::new(DIALECT, &request)).expect("plain data"),
            json!({
                "model": "gpt-4.1-mini",
                "messages": [{"role": "assistant", "content": ""}],
                "stream": true,
            })
        );
    }

    #[test]
    fn the_token_limit_goes_under_the_name_the_server_knows() {
        let request = ChatRequest { max_tokens: Some(99), ..ChatRequest::default() };
        let dialect = Dialect { max_completion_tokens: true, ..DIALECT };
        let body = serde_json::to_value(Request::new(dialect, &request)).expect("plain data");
        assert_eq!(body["max_completion_tokens"], 99);
        assert_eq!(body.get("max_tokens"), None);
    }

    #[test]
    fn error_bodies_of_several_servers() {
        let message = |body: &str| {
            serde_json::from_str::<ErrorBody>(body).ok().and_then(ErrorBody::into_message)
        };
        assert_eq!(
            message(r#"{"error":{"message":"No such model.","type":"x","code":null}}"#),
            Some("No such model.".to_owned())
        );
        assert_eq!(message(r#"{"error":"no model"}"#), Some("no model".to_owned()));
        assert_eq!(message(r#"{"object":"error","message":"vLLM"}"#), Some("vLLM".to_owned()));
        assert_eq!(message(r#"{"detail":"Not Found"}"#), Some("Not Found".to_owned()));
        assert_eq!(message(r#"{"detail":[{"loc":1}]}"#), Some(r#"[{"loc":1}]"#.to_owned()));
        assert_eq!(message("{}"), None);
        assert_eq!(message("<html>"), None);
    }
}
