//! Several assistants that share a call: Vapi's `CreateSquadDTO`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::TransferMessage;

/// Assistants that hand a call over to each other. The first one begins.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Squad {
    /// The customer's own name for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Who they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub members: Option<Vec<SquadMember>>,
    /// Merged into each of them, after its own overrides.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub members_overrides: Option<Map<String, Value>>,
}

/// One of a squad's assistants: a stored one, or one that is written out.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct SquadMember {
    /// The stored one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub assistant_id: Option<String>,
    /// The one that is written out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub assistant: Option<Map<String, Value>>,
    /// Merged into it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub assistant_overrides: Option<Map<String, Value>>,
    /// To whom it may hand the call over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub assistant_destinations: Option<Vec<AssistantDestination>>,
}

/// An assistant that takes a call over: Vapi's `TransferDestinationAssistant` and
/// `HandoffDestinationAssistant`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct AssistantDestination {
    /// `assistant`.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// A member of the squad, by its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub assistant_name: Option<String>,
    /// A stored one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub assistant_id: Option<String>,
    /// One that is written out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub assistant: Option<Map<String, Value>>,
    /// Merged into it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub assistant_overrides: Option<Map<String, Value>>,
    /// When the model is to choose it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Said before; empty: nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<TransferMessage>,
    /// What becomes of the conversation so far, as older squads say it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transfer_mode: Option<String>,
    /// The same, as handoffs say it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context_engineering_plan: Option<ContextEngineeringPlan>,
    /// What of the conversation becomes variables.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub variable_extraction_plan: Option<Map<String, Value>>,
}

/// What the next assistant is told of the conversation so far.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ContextEngineeringPlan {
    /// `all`, `none`, `lastNMessages`, `userAndAssistantMessages` or `previousAssistantMessages`.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// With `lastNMessages`: how many.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_messages: Option<f64>,
}
