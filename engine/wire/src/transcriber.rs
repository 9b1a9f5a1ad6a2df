//! Speech recognition.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which recogniser hears the caller.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Transcriber {
    /// Who.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// The provider's name of the model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// BCP 47 tag: `en`, `fr-FR`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
}
