//! Serde types of the Vapi-compatible API, by Vapi's names. No logic.
//!
//! Every field is optional, as in Vapi's schema, and holds what was sent: defaults, ranges and
//! meaning belong to the engine's configuration. Only what the engine acts upon has a field here.
//! The types do not use `deny_unknown_fields`, because it stops at the first unknown field: the
//! reader collects them all and answers as Vapi does, `voice.property speeed should not exist`.
#![forbid(unsafe_code)]

mod analysis;
mod analytics;
mod assistant;
mod call;
mod chat;
mod destination;
mod ended_reason;
mod error;
mod idle;
mod key;
mod knowledge_base;
mod model;
mod new_call;
mod phone_number;
mod server;
mod speaking;
mod squad;
mod structured_output;
mod tool;
mod transcriber;
mod voice;
mod voicemail;

pub use analysis::{Analysis, AnalysisPlan, AnalysisTask};
pub use analytics::{Analytics, AnalyticsOperation, AnalyticsQuery, TimeRange};
pub use assistant::{
    ArtifactPlan, Assistant, BackgroundSpeechDenoisingPlan, FirstMessageMode, KeypadInputPlan,
    MonitorPlan, OneOrMany, SmartDenoisingPlan,
};
pub use call::{
    Artifact, AudioFormat, Call, CallStatus, Customer, Monitor, MonoRecording, PerformanceMetrics,
    Recording, SchedulePlan, Speculation, Transport, TurnLatency,
};
pub use chat::{ChatInput, NewChat, NewSession};
pub use destination::{
    TransferDestination, TransferFallbackPlan, TransferMessage, TransferPlan,
    VariableExtractionPlan,
};
pub use ended_reason::EndedReason;
pub use error::ErrorBody;
pub use idle::{Hook, HookAction, HookFilter, HookOptions, MessagePlan, Prompt};
pub use key::{KeyRestrictions, NewToken};
pub use knowledge_base::KnowledgeBase;
pub use model::{Function, Message, MessageRole, Model};
pub use new_call::{NewCall, NewCustomer, NewTransport};
pub use phone_number::PhoneNumber;
pub use server::{BackoffKind, BackoffPlan, Server};
pub use speaking::{
    EndpointingRule, RegexOption, SmartEndpointingEnabled, SmartEndpointingPlan, StartSpeakingPlan,
    StopSpeakingPlan, TranscriptionEndpointingPlan,
};
pub use squad::{AssistantDestination, ContextEngineeringPlan, Squad, SquadMember};
pub use structured_output::{StructuredOutput, StructuredOutputCondition};
pub use tool::{
    MessageTarget, RejectionCondition, RejectionPlan, TextContent, Tool, ToolMessage,
    ToolMessageCondition, ToolParameter,
};
pub use transcriber::Transcriber;
pub use voice::{ChunkPlan, Voice};
pub use voicemail::{VoicemailBackoffPlan, VoicemailDetection, VoicemailDetectionPlan};
