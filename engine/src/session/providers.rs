//! What a call is served by: one implementation of each plug point, chosen by configuration.

use std::sync::Arc;

use asr::Recognizer;
use codecs::ambience::Ambience;
use tts::{ChunkPlan, Synthesizer, VoiceConfig};
use vad::{TurnWorker, Vad};

use crate::endpointing::EndpointingModel;
use crate::llm::{ChatMessage, LanguageModel, ToolDefinition};

/// The providers of a call. Cheap to clone; shared by all calls of an assistant.
#[derive(Clone, Debug)]
pub struct Providers {
    /// Voice activity.
    pub vad: Arc<dyn Vad>,
    /// The end-of-turn model; `None`: silence and transcript decide alone.
    pub turn_model: Option<Arc<TurnWorker>>,
    /// A server of the customer's that says when a turn ends; `None`: ours decides.
    pub endpointing: Option<Arc<EndpointingModel>>,
    /// Speech recognition.
    pub recognizer: Arc<dyn Recognizer>,
    /// Replies.
    pub model: Arc<dyn LanguageModel>,
    /// Speech synthesis.
    pub synthesizer: Arc<dyn Synthesizer>,
}

/// What of an assistant's configuration the session needs beside the Floor's settings.
#[derive(Clone, Debug, PartialEq)]
pub struct Persona {
    /// BCP 47 tag of the language both speak.
    pub language: String,
    /// What the conversation begins with: the system prompt, as a rule.
    pub preamble: Vec<ChatMessage>,
    /// What the model may call.
    pub tools: Vec<ToolDefinition>,
    /// Sampling temperature, 0 to 2.
    pub temperature: Option<f32>,
    /// Longest reply, in tokens.
    pub max_tokens: Option<u32>,
    /// The voice.
    pub voice: VoiceConfig,
    /// How replies are cut into phrases (Vapi's `voice.chunkPlan`).
    pub chunk_plan: ChunkPlan,
    /// What is heard behind the voice, and where nothing is said.
    pub background: Option<Arc<Ambience>>,
}
