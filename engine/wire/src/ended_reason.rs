//! Why a call ended, in Vapi's words.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `call.endedReason`, as far as this engine can have a reason. Products compare these strings,
/// so they are Vapi's to the letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum EndedReason {
    /// The assistant called its `endCall` tool.
    AssistantEndedCall,
    /// The assistant said one of `endCallPhrases`.
    AssistantSaidEndCallPhrase,
    /// The caller hung up.
    CustomerEndedCall,
    /// `maxDurationSeconds` is over.
    ExceededMaxDuration,
    /// The API or an operator.
    ManuallyCanceled,
    /// The language model failed, and nothing could take its place.
    #[serde(rename = "call.in-progress.error-providerfault-openai-llm-failed")]
    ModelFailed,
    /// The media leg closed or went silent.
    PhoneCallProviderClosedWebsocket,
    /// Nobody said anything for `silenceTimeoutSeconds`.
    SilenceTimedOut,
    /// Speech recognition failed, and nothing could take its place.
    #[serde(rename = "call.in-progress.error-providerfault-vapi-transcriber-failed")]
    TranscriberFailed,
    /// Speech synthesis failed, and nothing could take its place.
    #[serde(rename = "call.in-progress.error-providerfault-vapi-voice-failed")]
    VoiceFailed,
    /// A machine answered.
    Voicemail,
    /// The process ended before the call did.
    WorkerShutdown,
}
