//! A call to be placed: Vapi's `CreateCallDTO`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{AudioFormat, SchedulePlan};

/// What `POST /call` takes. What is not acted on is taken as it is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct NewCall {
    /// The customer's own name for it: at most 40 characters.
    pub name: Option<String>,
    /// `outboundPhoneCall` or `vapi.websocketCall`. Older clients say it.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// Who speaks: a stored assistant.
    pub assistant_id: Option<String>,
    /// Who speaks: an assistant for this call alone.
    pub assistant: Option<Map<String, Value>>,
    /// Merged into the assistant, and its variables.
    pub assistant_overrides: Option<Map<String, Value>>,
    /// Over which of our numbers.
    pub phone_number_id: Option<String>,
    /// Who is called.
    pub customer: Option<NewCustomer>,
    /// Who are called, each by a call of their own.
    pub customers: Option<Vec<NewCustomer>>,
    /// The customer's own. No longer in Vapi's schema, still sent.
    pub metadata: Option<Map<String, Value>>,
    /// Which version of the assistant.
    pub assistant_version: Option<Value>,
    /// A stored customer.
    pub customer_id: Option<Value>,
    /// A number for this call alone.
    pub phone_number: Option<Value>,
    /// When it is placed.
    pub schedule_plan: Option<SchedulePlan>,
    /// Several assistants, for this call alone.
    pub squad: Option<Map<String, Value>>,
    /// A stored squad.
    pub squad_id: Option<String>,
    /// Merged into each of its assistants.
    pub squad_overrides: Option<Map<String, Value>>,
    /// How it is carried.
    pub transport: Option<NewTransport>,
    /// A workflow.
    pub workflow: Option<Value>,
    /// A stored workflow.
    pub workflow_id: Option<Value>,
    /// Merged into the workflow.
    pub workflow_overrides: Option<Value>,
}

/// How a call is carried.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct NewTransport {
    /// `vapi.websocket`.
    pub provider: Option<String>,
    /// `voice`.
    pub conversation_type: Option<String>,
    /// What its frames hold.
    pub audio_format: Option<AudioFormat>,
}

/// Somebody who is called.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct NewCustomer {
    /// E.164.
    pub number: Option<String>,
    /// The number is E.164; `false`: it is dialled as it stands.
    #[serde(rename = "numberE164CheckEnabled")]
    pub is_e164: Option<bool>,
    /// Dialled once the call is answered: at most 10 characters.
    pub extension: Option<String>,
    /// At most 40 characters.
    pub name: Option<String>,
    /// At most 40 characters.
    pub email: Option<String>,
    /// The product's own: at most 40 characters.
    pub external_id: Option<String>,
    /// Merged into the assistant, after those of the call.
    pub assistant_overrides: Option<Map<String, Value>>,
    /// A SIP address instead of a number.
    pub sip_uri: Option<Value>,
    /// Merged into each assistant of the squad.
    pub squad_overrides: Option<Map<String, Value>>,
}
