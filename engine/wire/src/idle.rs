//! What follows on the caller's silence, and what else is hooked to a call: Vapi's `messagePlan`
//! and `hooks`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Function, Message, OneOrMany, Server, Tool, TransferDestination};

/// What is said when nobody says anything. No longer in Vapi's schema, still sent by its
/// customers and obeyed by its runtime.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct MessagePlan {
    /// One of these is said: at most 1000 characters each.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idle_messages: Option<Vec<String>>,
    /// How often in a call: 1 to 10.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idle_message_max_spoken_count: Option<f64>,
    /// The count starts again when the caller speaks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idle_message_reset_count_on_user_speech_enabled: Option<bool>,
    /// Silence of the caller before one is said: 5 to 60 s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idle_timeout_seconds: Option<f64>,
    /// Said before `silenceTimeoutSeconds` ends the call: at most 1000 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub silence_timeout_message: Option<String>,
}

/// Something to do when something happens.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Hook {
    /// When: `customer.speech.timeout` and others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on: Option<String>,
    /// What.
    #[serde(rename = "do", skip_serializing_if = "Option::is_none")]
    pub actions: Option<Vec<HookAction>>,
    /// What else must hold.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filters: Option<Vec<HookFilter>>,
    /// How `on` is meant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub options: Option<HookOptions>,
    /// The customer's name for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// What must hold for a hook.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct HookFilter {
    /// `oneOf`.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// `call.endedReason`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// One of these is in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub one_of: Option<Vec<String>>,
}

/// What a hook does.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct HookAction {
    /// `say`, `tool`, `message.add`.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// `say`: these words, or one of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exact: Option<OneOrMany>,
    /// `say`: what the model is told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prompt: Option<Prompt>,
    /// `tool`: which.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool: Option<Tool>,
    /// `tool`: which, by its id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_id: Option<String>,
    /// `transfer`: where to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub destination: Option<TransferDestination>,
    /// `function`: what is called; the older form of `tool`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub function: Option<Function>,
    /// `function`: who is asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server: Option<Server>,
    /// `message.add`: what is added to the conversation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<Value>,
    /// `message.add`: whether it is answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trigger_response_enabled: Option<bool>,
}

/// What the model is told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Prompt {
    /// In one piece.
    Text(String),
    /// As messages.
    Messages(Vec<Message>),
}

/// How `customer.speech.timeout` is meant.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct HookOptions {
    /// Silence of the caller: 1 to 1000 s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout_seconds: Option<f64>,
    /// How often in a call: 1 to 10.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trigger_max_count: Option<f64>,
    /// `never` or `onUserSpeech`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trigger_reset_mode: Option<String>,
}
