//! A customer's server: where messages about calls are sent.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Vapi's `Server`. Its `Debug` shows neither the secret nor the headers.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Server {
    /// Where to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Sent as `X-Vapi-Secret`. No longer in Vapi's schema, still sent by its customers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
    /// How long to wait for an answer: 1 to 300 s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout_seconds: Option<f64>,
    /// Sent with every request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub headers: Option<Map<String, Value>>,
    /// The stored credential that requests to it are signed with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credential_id: Option<String>,
    /// When to try again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backoff_plan: Option<BackoffPlan>,
}

/// When to try a request again.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct BackoffPlan {
    /// How the pauses grow.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<BackoffKind>,
    /// Tries after the first: 0 to 10.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_retries: Option<f64>,
    /// The first pause: 0 to 10 s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base_delay_seconds: Option<f64>,
    /// Answers after which there is no other try.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub excluded_status_codes: Option<Vec<u16>>,
}

/// How the pauses between tries grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum BackoffKind {
    /// Not at all.
    Fixed,
    /// Each is twice the one before.
    Exponential,
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The URL may hold a secret too.
        f.debug_struct("Server")
            .field("timeout_seconds", &self.timeout_seconds)
            .finish_non_exhaustive()
    }
}
