//! What an assistant looks things up in, as older clients describe it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::Server;

/// Vapi's `CreateCustomKnowledgeBaseDTO` and its kin of 2024.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct KnowledgeBase {
    /// `custom-knowledge-base`, `canonical` or `trieve`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// At most 80 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Who is asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server: Option<Server>,
    /// The files in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file_ids: Option<Vec<String>>,
    /// How it is searched.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub search_plan: Option<Map<String, Value>>,
    /// What it is made of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub create_plan: Option<Map<String, Value>>,
}
