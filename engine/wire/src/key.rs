//! What a key may do: `restrictions` of Vapi's tokens.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a public key may do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct KeyRestrictions {
    /// `false`: nothing below holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// The pages it may be used from, as their `Origin`; none: every page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allowed_origins: Option<Vec<String>>,
    /// The assistants it may start; none: every one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allowed_assistant_ids: Option<Vec<String>>,
    /// It may start an assistant that is written out in the request. Absent: it may.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allow_transient_assistant: Option<bool>,
}

/// A key to be made: Vapi's `CreateTokenDTO`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct NewToken {
    /// `private` or `public`. Absent: `private`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    /// At most 40 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What a public one may do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restrictions: Option<KeyRestrictions>,
}
