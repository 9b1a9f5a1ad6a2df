//! Conversations in text: Vapi's `CreateChatDTO` and `CreateSessionDTO`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// What `POST /chat` takes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct NewChat {
    /// The customer's own name for it: at most 40 characters.
    pub name: Option<String>,
    /// Who answers: a stored assistant.
    pub assistant_id: Option<String>,
    /// Who answers: an assistant for this chat alone.
    pub assistant: Option<Map<String, Value>>,
    /// Merged into the assistant, and its variables.
    pub assistant_overrides: Option<Map<String, Value>>,
    /// The session that it goes on.
    pub session_id: Option<String>,
    /// The chat that it goes on. Not beside `session_id`.
    pub previous_chat_id: Option<String>,
    /// What the customer writes.
    pub input: Option<ChatInput>,
    /// The answer comes as it is written.
    pub stream: Option<bool>,
    /// Several assistants.
    pub squad: Option<Value>,
    /// A stored squad.
    pub squad_id: Option<Value>,
    /// How the answer is carried, where not in the response: by SMS.
    pub transport: Option<Value>,
}

/// What a customer writes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum ChatInput {
    /// A text.
    Text(String),
    /// Messages as OpenAI has them.
    Messages(Vec<Map<String, Value>>),
}

/// What `POST /session` takes, and `PATCH /session/{id}` of it the first four.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct NewSession {
    /// The customer's own name for it: at most 40 characters.
    pub name: Option<String>,
    /// `active` or `completed`.
    pub status: Option<String>,
    /// How long it may be gone on: 60 to 2,592,000 s; a day where nothing is said.
    pub expiration_seconds: Option<f64>,
    /// What was said so far, as OpenAI has it.
    pub messages: Option<Vec<Map<String, Value>>>,
    /// Who answers: a stored assistant.
    pub assistant_id: Option<String>,
    /// Who answers: an assistant for this session alone.
    pub assistant: Option<Map<String, Value>>,
    /// Merged into the assistant, and its variables.
    pub assistant_overrides: Option<Map<String, Value>>,
    /// With whom.
    pub customer: Option<Map<String, Value>>,
    /// A stored customer.
    pub customer_id: Option<String>,
    /// Over which of our numbers.
    pub phone_number_id: Option<String>,
    /// A number for this session alone.
    pub phone_number: Option<Value>,
    /// Several assistants.
    pub squad: Option<Value>,
    /// A stored squad.
    pub squad_id: Option<Value>,
}
