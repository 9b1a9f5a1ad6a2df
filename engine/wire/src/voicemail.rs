//! Whether a machine answers: Vapi's `voicemailDetection`.

use std::fmt;

use schemars::JsonSchema;
use serde::de::{self, MapAccess, Visitor, value::MapAccessDeserializer};
use serde::{Deserialize, Deserializer, Serialize};

/// `"off"`, or how a machine is told from a person.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum VoicemailDetection {
    /// A word; only `off` has a meaning.
    Word(String),
    /// How.
    Plan(Box<VoicemailDetectionPlan>),
}

/// How a machine is told from a person: of all providers, by their `provider`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct VoicemailDetectionPlan {
    /// `google`, `openai`, `twilio` or `vapi`: here they are all our own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// `audio` or `transcript`.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Longest wait for the beep, from the beginning of the call: 0 to 60 s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub beep_max_await_seconds: Option<f64>,
    /// When it is looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backoff_plan: Option<VoicemailBackoffPlan>,
    /// `twilio`: on or off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// `twilio`: what counts as a machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub voicemail_detection_types: Option<Vec<String>>,
    /// `twilio`: no verdict after this: 3 to 59 s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub machine_detection_timeout: Option<f64>,
    /// `twilio`: longer speech is a machine's: 1,000 to 6,000 ms.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub machine_detection_speech_threshold: Option<f64>,
    /// `twilio`: silence behind speech that ends a greeting: 500 to 5,000 ms.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub machine_detection_speech_end_threshold: Option<f64>,
    /// `twilio`: silence before any speech: 2,000 to 10,000 ms.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub machine_detection_silence_timeout: Option<f64>,
}

/// When whether a machine answers is looked at.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct VoicemailBackoffPlan {
    /// First: 0 s or more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_at_seconds: Option<f64>,
    /// Then each: 2.5 s or more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frequency_seconds: Option<f64>,
    /// So many times: 1 to 10.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_retries: Option<f64>,
}

/// By hand, so that a field which does not exist is still seen by whoever looks for them.
impl<'de> Deserialize<'de> for VoicemailDetection {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct WordOrPlan;

        impl<'de> Visitor<'de> for WordOrPlan {
            type Value = VoicemailDetection;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("\"off\" or a plan")
            }

            fn visit_str<E: de::Error>(self, word: &str) -> Result<Self::Value, E> {
                Ok(VoicemailDetection::Word(word.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                let plan = Deserialize::deserialize(MapAccessDeserializer::new(map))?;
                Ok(VoicemailDetection::Plan(plan))
            }
        }

        deserializer.deserialize_any(WordOrPlan)
    }
}
