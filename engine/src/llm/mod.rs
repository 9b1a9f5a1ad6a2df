//! Language models: the [`LanguageModel`] trait and its providers.

pub mod model;
pub mod openai;
pub mod scripted;
pub mod sse;

pub use model::{
    ChatMessage, ChatRequest, LanguageModel, ModelError, ReplyEvent, ReplyStream, ToolCall,
    ToolDefinition,
};
pub use openai::{OpenAi, OpenAiSettings};
pub use scripted::{DialogueError, Pace, ScriptedModel};
