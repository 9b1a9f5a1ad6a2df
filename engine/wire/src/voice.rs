//! Speech synthesis.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which voice speaks.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Voice {
    /// Who.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// The provider's name of the voice.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub voice_id: Option<String>,
    /// The provider's name of the model, where it has several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// BCP 47 tag, for voices that speak several languages.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// Speaking rate; 1 is the voice's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub speed: Option<f64>,
    /// The audio of phrases that repeat may be kept and played again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub caching_enabled: Option<bool>,
    /// How text is cut into what is synthesised at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chunk_plan: Option<ChunkPlan>,
}

/// How text is cut into what is synthesised at once.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ChunkPlan {
    /// Text is cut at all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// A shorter piece waits for more: 1 to 80.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_characters: Option<f64>,
    /// Where text may be cut.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub punctuation_boundaries: Option<Vec<String>>,
}
