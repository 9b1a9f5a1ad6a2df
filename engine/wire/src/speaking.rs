//! Who may speak when: Vapi's `startSpeakingPlan` and `stopSpeakingPlan`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Server;

/// When the assistant may start to speak.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct StartSpeakingPlan {
    /// Least pause before the assistant's audio: 0 to 5 s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wait_seconds: Option<f64>,
    /// The end of a turn is guessed by a model. Goes before `transcription_endpointing_plan`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub smart_endpointing_plan: Option<SmartEndpointingPlan>,
    /// The older form of `smart_endpointing_plan`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub smart_endpointing_enabled: Option<SmartEndpointingEnabled>,
    /// The end of a turn is told by what was said. Goes before everything else.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub custom_endpointing_rules: Option<Vec<EndpointingRule>>,
    /// The end of a turn is told by silence and the transcript's last character.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transcription_endpointing_plan: Option<TranscriptionEndpointingPlan>,
}

/// `true`, `false` or `"livekit"`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum SmartEndpointingEnabled {
    /// Vapi's own, or none.
    Flag(bool),
    /// A provider's name: `livekit`.
    Provider(String),
}

/// How the end of a turn is guessed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct SmartEndpointingPlan {
    /// `vapi` (here: our own), `livekit` or `custom-endpointing-model`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// `livekit`: milliseconds to wait, from the probability x that the caller is still speaking.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wait_function: Option<String>,
    /// `custom-endpointing-model`: who is asked; the assistant's server where it is not sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server: Option<Server>,
}

/// Where the last words match, the turn ends after this pause. The first rule that matches holds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct EndpointingRule {
    /// Whose last words: `assistant`, `customer` or `both`.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// `assistant`, `customer`: the pattern.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub regex: Option<String>,
    /// How `regex` matches.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub regex_options: Option<Vec<RegexOption>>,
    /// `both`: the assistant's pattern.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub assistant_regex: Option<String>,
    /// How `assistant_regex` matches.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub assistant_regex_options: Option<Vec<RegexOption>>,
    /// `both`: the caller's pattern.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub customer_regex: Option<String>,
    /// How `customer_regex` matches.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub customer_regex_options: Option<Vec<RegexOption>>,
    /// The pause: 0 to 15 s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout_seconds: Option<f64>,
}

/// How a pattern matches.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct RegexOption {
    /// `ignore-case`, `whole-word` or `multi-line`.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// On or off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
}

/// Silences that end a turn, by how its transcript ends. 0 to 3 s each.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct TranscriptionEndpointingPlan {
    /// In punctuation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_punctuation_seconds: Option<f64>,
    /// In none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_no_punctuation_seconds: Option<f64>,
    /// In a number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_number_seconds: Option<f64>,
}

/// When the caller takes the floor.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct StopSpeakingPlan {
    /// Words that make an interruption: 0 to 10; 0: `voice_seconds` decides.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub num_words: Option<f64>,
    /// Voice that makes an interruption: 0 to 0.5 s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub voice_seconds: Option<f64>,
    /// Silence of the assistant after an interruption: 0 to 10 s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backoff_seconds: Option<f64>,
    /// These never interrupt: at most 240 characters each.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub acknowledgement_phrases: Option<Vec<String>>,
    /// These always interrupt: at most 240 characters each.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interruption_phrases: Option<Vec<String>>,
}
