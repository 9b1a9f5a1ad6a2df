//! The language model and its instructions.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{Tool, ToolMessage};

/// Which model replies.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Model {
    /// Who.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// The provider's name of the model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// What the conversation begins with; the system prompt is the first of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub messages: Option<Vec<Message>>,
    /// What the model may call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tools: Option<Vec<Tool>>,
    /// Stored tools that the model may call, too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_ids: Option<Vec<String>>,
    /// Older for tools: functions that the assistant's server answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub functions: Option<Vec<Function>>,
    /// 0 to 2.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    /// Longest reply: 50 to 10,000 tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<f64>,
    /// `custom-llm`: the base URL, to which `/chat/completions` is appended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// `custom-llm`: sent with every request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub headers: Option<Map<String, Value>>,
}

/// One message, as OpenAI's chat completions have it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Message {
    /// Who says it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<MessageRole>,
    /// What.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
}

/// Who says a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum MessageRole {
    /// The assistant.
    Assistant,
    /// A function's answer, as older APIs had it.
    Function,
    /// Instructions.
    System,
    /// A tool's answer.
    Tool,
    /// The caller.
    User,
}

/// A tool as the model sees it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Function {
    /// `^[a-zA-Z0-9_-]{1,64}$`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// For the model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// JSON schema of the arguments.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parameters: Option<Value>,
    /// The model keeps to the schema to the letter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub strict: Option<bool>,
    /// Of `functions`: nobody waits for the answer.
    #[serde(rename = "async", skip_serializing_if = "Option::is_none")]
    pub is_async: Option<bool>,
    /// Of `functions`: where it is answered, instead of the assistant's server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_url: Option<String>,
    /// Of `functions`: what the caller hears while it runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub messages: Option<Vec<ToolMessage>>,
}
