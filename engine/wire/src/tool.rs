//! What the model may call: Vapi's tools.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{BackoffPlan, Function, Server, TransferDestination, VariableExtractionPlan};

/// Something the model may call. Its `Debug` shows no secret.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Tool {
    /// `function`, `apiRequest`, `endCall` and others.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// What the model sees.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub function: Option<Function>,
    /// What the caller hears while it runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub messages: Option<Vec<ToolMessage>>,
    /// Nobody waits for the answer.
    #[serde(rename = "async", skip_serializing_if = "Option::is_none")]
    pub is_async: Option<bool>,
    /// Who is asked; where absent, the assistant's server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server: Option<Server>,
    /// Sent beside what the model gives.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parameters: Option<Vec<ToolParameter>>,
    /// What its answer teaches about the call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub variable_extraction_plan: Option<VariableExtractionPlan>,
    /// When a call of it is refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rejection_plan: Option<RejectionPlan>,
    /// `sms`: who is seen to send it, as `from`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Map<String, Value>>,
    /// `handoff`: what the model is told of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_result: Option<String>,
    /// `transferCall` and `handoff`: whom the caller may be connected to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub destinations: Option<Vec<TransferDestination>>,
    /// `apiRequest`: what the model calls it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// `apiRequest`: for the model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// `apiRequest`: where to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// `apiRequest`: how.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// `apiRequest`: a JSON schema of what the model gives.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<Value>,
    /// `apiRequest`: a JSON schema whose properties have a `value`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub headers: Option<Map<String, Value>>,
    /// `apiRequest`: how long it may take.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout_seconds: Option<f64>,
    /// `apiRequest`: when it is made again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backoff_plan: Option<BackoffPlan>,
}

impl fmt::Debug for Tool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tool")
            .field("kind", &self.kind)
            .field("function", &self.function)
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// When a call of a tool is refused: where all conditions hold.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct RejectionPlan {
    /// Of what was said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conditions: Option<Vec<RejectionCondition>>,
}

/// A condition on what was said.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct RejectionCondition {
    /// `regex`, `liquid` or `group`.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// `regex`: the pattern.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub regex: Option<String>,
    /// `regex`: which message is looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<MessageTarget>,
    /// `regex`: it holds where the pattern is not found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub negate: Option<bool>,
    /// `liquid`: what must come to `true`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub liquid: Option<String>,
    /// `group`: `AND` or `OR`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operator: Option<String>,
    /// `group`: of these.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conditions: Option<Vec<Self>>,
}

/// Which message.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct MessageTarget {
    /// Whose: `user` or `assistant`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// From the first on, or from the last backwards, which is -1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub position: Option<f64>,
}

/// Something the caller hears about a tool.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ToolMessage {
    /// `request-start`, `request-response-delayed`, `request-complete` or `request-failed`.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// The words; empty: silence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
    /// The words in several languages.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contents: Option<Vec<TextContent>>,
    /// `request-start`: the tool runs once it was heard.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blocking: Option<bool>,
    /// `request-response-delayed`: 100 to 120,000 ms after the call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timing_milliseconds: Option<f64>,
    /// At the end: `assistant` says it, `system` tells the model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// At the end: the call ends once it was heard.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end_call_after_spoken_enabled: Option<bool>,
    /// What must hold for the arguments.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conditions: Option<Vec<ToolMessageCondition>>,
}

/// Words in one language.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct TextContent {
    /// `text`.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// The words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// ISO 639-1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
}

/// What must hold for an argument.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ToolMessageCondition {
    /// `eq`, `neq`, `gt`, `gte`, `lt` or `lte`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operator: Option<String>,
    /// The argument's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub param: Option<String>,
    /// What it is compared with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<Value>,
}

/// Something that is sent beside what the model gives.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ToolParameter {
    /// Its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Texts in it may name variables.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<Value>,
}
