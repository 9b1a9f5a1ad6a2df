//! Whom a caller may be connected to: the destinations of `transferCall` and `handoff`.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{AnalysisTask, ContextEngineeringPlan, Server, ToolMessage, ToolParameter};

/// Whom a caller may be connected to. Its `Debug` shows no secret.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct TransferDestination {
    /// `number`, `sip` or `assistant`; of a handoff `assistant`, `dynamic` or `squad`.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// E.164.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub number: Option<String>,
    /// The number is E.164; `false`: it is dialled as it stands.
    #[serde(rename = "numberE164CheckEnabled", skip_serializing_if = "Option::is_none")]
    pub is_e164: Option<bool>,
    /// Dialled once it answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub extension: Option<String>,
    /// `sip:...`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sip_uri: Option<String>,
    /// `sip`: sent with the call, their names begun with `X-`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sip_headers: Option<Map<String, Value>>,
    /// Who is seen to call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub caller_id: Option<String>,
    /// Said before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<TransferMessage>,
    /// For the model, which chooses.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// How it is done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transfer_plan: Option<TransferPlan>,
    /// `assistant`: the name of a member of the same squad.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub assistant_name: Option<String>,
    /// `assistant`: a stored one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub assistant_id: Option<String>,
    /// `assistant`: one for this call alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub assistant: Option<Map<String, Value>>,
    /// `assistant`: merged into it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub assistant_overrides: Option<Map<String, Value>>,
    /// `assistant`, of a transfer: what it is told of the conversation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transfer_mode: Option<String>,
    /// `assistant` and `squad`, of a handoff: the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context_engineering_plan: Option<ContextEngineeringPlan>,
    /// Of a handoff: what the model takes out of the conversation for the next assistant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub variable_extraction_plan: Option<VariableExtractionPlan>,
    /// `squad`: a stored one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub squad_id: Option<String>,
    /// `squad`: one for this call alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub squad: Option<Map<String, Value>>,
    /// `squad`: merged into each of its members.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub squad_overrides: Option<Map<String, Value>>,
    /// `squad`: the member who begins.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entry_assistant_name: Option<String>,
    /// `dynamic`: who is asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server: Option<Server>,
}

impl fmt::Debug for TransferDestination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TransferDestination")
            .field("kind", &self.kind)
            .field("description", &self.description)
            .finish_non_exhaustive()
    }
}

/// What is said before a transfer, or to whom the call goes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum TransferMessage {
    /// The words.
    Text(String),
    /// The words in several languages.
    Message(ToolMessage),
}

/// How a transfer is done.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct TransferPlan {
    /// `blind-transfer` and others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
    /// How long it rings: 1 to 600 s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dial_timeout: Option<f64>,
    /// What whoever answers is told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<TransferMessage>,
    /// How long whoever answers may say nothing, where they are to speak first: 1 to 600 s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<f64>,
    /// What the caller hears meanwhile.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hold_audio_url: Option<String>,
    /// What whoever answers hears before the caller.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transfer_complete_audio_url: Option<String>,
    /// What an assistant who speaks to whoever answers knows of the conversation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context_engineering_plan: Option<ContextEngineeringPlan>,
    /// What Twilio does with whoever answers before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub twiml: Option<String>,
    /// How the conversation is summed up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub summary_plan: Option<AnalysisTask>,
    /// What follows where nobody takes the call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fallback_plan: Option<TransferFallbackPlan>,
    /// Who speaks to whoever answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transfer_assistant: Option<Map<String, Value>>,
}

/// What follows where nobody takes the call.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct TransferFallbackPlan {
    /// What the caller is told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<TransferMessage>,
    /// The call ends then. `true` where nobody says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end_call_enabled: Option<bool>,
}

/// Variables that are taken out of an answer, or out of the conversation.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct VariableExtractionPlan {
    /// JSON schema: its properties are variables.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schema: Option<Value>,
    /// More variables, made of those.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aliases: Option<Vec<ToolParameter>>,
}
