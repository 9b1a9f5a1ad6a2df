//! The assistant: Vapi's `CreateAssistantDTO`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    AnalysisPlan, Hook, MessagePlan, Model, Server, StartSpeakingPlan, StopSpeakingPlan,
    Transcriber, TransferDestination, Voice, VoicemailDetection,
};

/// Who answers a call, and how.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Assistant {
    /// At most 40 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What the assistant says first; empty: nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_message: Option<String>,
    /// Who speaks first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_message_mode: Option<FirstMessageMode>,
    /// The caller may interrupt the first message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_message_interruptions_enabled: Option<bool>,
    /// Speech recognition.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transcriber: Option<Transcriber>,
    /// The language model, its instructions and tools.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<Model>,
    /// Speech synthesis.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub voice: Option<Voice>,
    /// Who is asked and told what the call brings.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server: Option<Server>,
    /// When the assistant may start to speak.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_speaking_plan: Option<StartSpeakingPlan>,
    /// When the caller takes the floor.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_speaking_plan: Option<StopSpeakingPlan>,
    /// Silence of both that ends the call: 10 to 3600 s. No longer in Vapi's schema, still sent
    /// by its customers and obeyed by its runtime.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub silence_timeout_seconds: Option<f64>,
    /// The longest a call may last: 10 to 43,200 s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_duration_seconds: Option<f64>,
    /// Said by the assistant, they end the call: 2 to 140 characters each.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end_call_phrases: Option<Vec<String>>,
    /// Said before the assistant hangs up: at most 1000 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end_call_message: Option<String>,
    /// What is said when nobody says anything.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message_plan: Option<MessagePlan>,
    /// What is done when something happens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hooks: Option<Vec<Hook>>,
    /// Noise is taken out of what is recognised.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub background_speech_denoising_plan: Option<BackgroundSpeechDenoisingPlan>,
    /// The same, as older assistants say it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub background_denoising_enabled: Option<bool>,
    /// What is heard behind the voice: `off`, `office` or a URL of a recording.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub background_sound: Option<String>,
    /// Whether a machine answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub voicemail_detection: Option<VoicemailDetection>,
    /// Said to a machine, after its beep: at most 1000 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub voicemail_message: Option<String>,
    /// What the caller's keypad does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keypad_input_plan: Option<KeypadInputPlan>,
    /// What is kept of a call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub artifact_plan: Option<ArtifactPlan>,
    /// What is made of a call once it is over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub analysis_plan: Option<AnalysisPlan>,
    /// Older for a tool that transfers the call to this number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub forwarding_phone_number: Option<String>,
    /// The same with several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub forwarding_phone_numbers: Option<Vec<TransferDestination>>,
    /// Older for a tool that presses keys.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dial_keypad_function_enabled: Option<bool>,
    /// Older for a tool that ends the call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end_call_function_enabled: Option<bool>,
    /// Older for `server.url`, which goes before it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_url: Option<String>,
    /// Older for `server.secret`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_url_secret: Option<String>,
    /// Who may listen to its calls and give orders.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub monitor_plan: Option<MonitorPlan>,
    /// Which messages its client is sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_messages: Option<Vec<String>>,
    /// Which messages its server is sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_messages: Option<Vec<String>>,
    /// The customer's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Map<String, Value>>,
}

/// Who may listen to calls and give orders.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct MonitorPlan {
    /// `monitor.listenUrl` is there; `None`: it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listen_enabled: Option<bool>,
    /// It asks for a key; `None`: it does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listen_authentication_enabled: Option<bool>,
    /// `monitor.controlUrl` is there; `None`: it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub control_enabled: Option<bool>,
    /// It asks for a key; `None`: it does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub control_authentication_enabled: Option<bool>,
}

/// Who speaks first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum FirstMessageMode {
    /// The assistant says `firstMessage`.
    AssistantSpeaksFirst,
    /// The model writes the greeting.
    AssistantSpeaksFirstWithModelGeneratedMessage,
    /// The caller speaks first.
    AssistantWaitsForUser,
}

/// What the caller's keypad does.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct KeypadInputPlan {
    /// Digits are taken at all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// Pause after which the digits so far are an entry: 0 to 10 s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout_seconds: Option<f64>,
    /// Keys that end an entry: `#`, `*` or none. Vapi's schema has one string, its running API
    /// asks for a list.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delimiters: Option<OneOrMany>,
}

/// A string, or a list of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum OneOrMany {
    /// `"#"`
    One(String),
    /// `["#"]`
    Many(Vec<String>),
}

/// How noise is taken out of what is recognised.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct BackgroundSpeechDenoisingPlan {
    /// By a model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub smart_denoising_plan: Option<SmartDenoisingPlan>,
}

/// By a model.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct SmartDenoisingPlan {
    /// On where nothing is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
}

/// What is kept of a call.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ArtifactPlan {
    /// Its audio.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recording_enabled: Option<bool>,
}
