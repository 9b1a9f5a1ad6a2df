//! A server of the customer's that is asked or told something.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Where a message is sent, and how.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Server {
    /// Its address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Sent as `X-Vapi-Secret`. No longer in Vapi's schema, still sent by its customers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
    /// More headers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub headers: Option<Map<String, Value>>,
    /// How long it may take: 1 to 300 s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout_seconds: Option<f64>,
}

/// Without what is secret.
impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server")
            .field("timeout_seconds", &self.timeout_seconds)
            .finish_non_exhaustive()
    }
}
