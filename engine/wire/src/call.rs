//! A call, as `GET /call/{id}` and every message about it show it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::Analysis;

/// Vapi's `Call`, as far as this engine has something to say. What is absent is not sent.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Call {
    /// `inboundPhoneCall`, `outboundPhoneCall` or `vapi.websocketCall`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Where the call is on its way.
    pub status: CallStatus,
    /// Why it ended, in Vapi's words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended_reason: Option<String>,
    /// When the caller was connected: ISO 8601.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_at: Option<String>,
    /// When the call was over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<String>,
    /// The customer's own name for it: at most 40 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The stored assistant that answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub assistant_id: Option<String>,
    /// The assistant, where it is for this call alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub assistant: Option<Map<String, Value>>,
    /// The stored squad that answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub squad_id: Option<String>,
    /// The squad, where it is for this call alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub squad: Option<Map<String, Value>>,
    /// What this call changes of the assistant, and its variables.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub assistant_overrides: Option<Map<String, Value>>,
    /// The product's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Map<String, Value>>,
    /// Our number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phone_number_id: Option<String>,
    /// The other side.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub customer: Option<Customer>,
    /// `twilio`. Deprecated by Vapi, and still read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phone_call_provider: Option<String>,
    /// The carrier's id of the call. Deprecated by Vapi, and still read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phone_call_provider_id: Option<String>,
    /// `pstn`. Deprecated by Vapi, and still read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phone_call_transport: Option<String>,
    /// How it is carried.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transport: Option<Transport>,
    /// When it is placed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schedule_plan: Option<SchedulePlan>,
    /// Where it is controlled while it goes on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub monitor: Option<Monitor>,
    /// Whom the caller was connected to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub destination: Option<Value>,
    /// What was said: a copy of the artifact's, as older clients read it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub messages: Option<Vec<Value>>,
    /// The same as text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transcript: Option<String>,
    /// Both sides on one channel.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recording_url: Option<String>,
    /// Caller left, assistant right.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stereo_recording_url: Option<String>,
    /// What a model made of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub analysis: Option<Analysis>,
    /// The summary: a copy, as older clients read it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub summary: Option<String>,
    /// What is left of the call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub artifact: Option<Artifact>,
}

/// When a call is placed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct SchedulePlan {
    /// Not before: ISO 8601.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub earliest_at: Option<String>,
    /// Not after; `None`: however late.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latest_at: Option<String>,
}

/// Where a call is on its way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum CallStatus {
    /// It is to be placed at its time.
    Scheduled,
    /// The carrier was asked to place it.
    Queued,
    /// The carrier has announced it, or the other side's telephone rings.
    #[default]
    Ringing,
    /// The caller is connected.
    InProgress,
    /// The caller is being connected to somebody else.
    Forwarding,
    /// It is over.
    Ended,
}

impl CallStatus {
    /// Vapi's word.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Scheduled => "scheduled",
            Self::Queued => "queued",
            Self::Ringing => "ringing",
            Self::InProgress => "in-progress",
            Self::Forwarding => "forwarding",
            Self::Ended => "ended",
        }
    }
}

/// The other side of a call.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Customer {
    /// E.164, where the carrier tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub number: Option<String>,
    /// As the product names them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// An address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// The product's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external_id: Option<String>,
    /// Dialled once the call was answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub extension: Option<String>,
}

/// Where a call is controlled.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Monitor {
    /// Takes orders; absent: it takes none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub control_url: Option<String>,
    /// Where the call is listened to; absent: nowhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listen_url: Option<String>,
}

/// How a call is carried.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Transport {
    /// `twilio` or `vapi.websocket`.
    pub provider: String,
    /// `voice`.
    pub conversation_type: String,
    /// Twilio's id of the call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub call_sid: Option<String>,
    /// Twilio's id of the account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account_sid: Option<String>,
    /// Of a raw WebSocket: what its frames hold.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audio_format: Option<AudioFormat>,
    /// Of a raw WebSocket: where the client opens it, once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub websocket_call_url: Option<String>,
}

/// What the binary frames of a raw WebSocket hold.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct AudioFormat {
    /// `pcm_s16le` or `mulaw`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<String>,
    /// `raw`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
    /// In Hz.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sample_rate: Option<f64>,
}

/// What is left of a call.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Artifact {
    /// What was said, in Vapi's rows.
    pub messages: Vec<Value>,
    /// The same in OpenAI's.
    #[serde(rename = "messagesOpenAIFormatted")]
    pub messages_openai_formatted: Vec<Value>,
    /// `AI: ...\nUser: ...\n`.
    pub transcript: String,
    /// Both sides on one channel.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recording_url: Option<String>,
    /// Caller left, assistant right.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stereo_recording_url: Option<String>,
    /// Every form of the recording.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recording: Option<Recording>,
    /// How fast the replies were.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub performance_metrics: Option<PerformanceMetrics>,
    /// The call's variables: those it was given, and what tools have taught it.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub variable_values: Map<String, Value>,
}

/// Every form of a recording.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Recording {
    /// Caller left, assistant right.
    pub stereo_url: String,
    /// One channel each.
    pub mono: MonoRecording,
}

/// The forms of a recording that have one channel.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct MonoRecording {
    /// Both sides.
    pub combined_url: String,
    /// The assistant.
    pub assistant_url: String,
    /// The caller.
    pub customer_url: String,
}

/// How fast the replies were.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct PerformanceMetrics {
    /// Each reply to the caller.
    pub turn_latencies: Vec<TurnLatency>,
    /// The mean of `model_latency`, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model_latency_average: Option<f64>,
    /// Likewise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub voice_latency_average: Option<f64>,
    /// Likewise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transcriber_latency_average: Option<f64>,
    /// Likewise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpointing_latency_average: Option<f64>,
    /// Likewise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub turn_latency_average: Option<f64>,
    /// How long a frame of the caller's was on its way to us, in the mean: half of the best round
    /// trip, and what frames came later than the carrier's fastest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from_transport_latency_average: Option<f64>,
    /// From the first audio that might be played to its playback at the carrier, in the mean.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to_transport_latency_average: Option<f64>,
    /// How often the assistant cut the caller short: a reply began to be heard while the caller
    /// spoke, or the caller went on within half a second of it.
    pub num_user_interrupted: u64,
    /// How often the caller cut the assistant short.
    pub num_assistant_interrupted: u64,
    /// Ours, not Vapi's: what was prepared before it was certain to be wanted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub speculation: Option<Speculation>,
}

/// Replies that were prepared before the end of the caller's turn was certain, and what those cost
/// that were dropped unheard.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Speculation {
    /// Replies prepared.
    pub started: u64,
    /// Those that were heard.
    pub kept: u64,
    /// Those that were not.
    pub dropped: u64,
    /// Pieces of text (tokens, as a rule) that the model wrote for those.
    pub tokens_wasted: u64,
    /// Characters of them that went to the voice.
    pub characters_wasted: u64,
}

/// How long each stage of a reply took, in ms; absent where it was skipped.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct TurnLatency {
    /// Request to first phrase.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model_latency: Option<f64>,
    /// First phrase to first audio.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub voice_latency: Option<f64>,
    /// End of speech to its words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transcriber_latency: Option<f64>,
    /// End of speech to the turn being taken for over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpointing_latency: Option<f64>,
    /// End of speech to the first sample that can be heard at the carrier.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub turn_latency: Option<f64>,
    /// Ours, not Vapi's: from the first audio that might be played to its playback at the carrier.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transport_latency: Option<f64>,
    /// Ours: the reply had been prepared before the end of the turn was certain.
    pub speculative: bool,
}
