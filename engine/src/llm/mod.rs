//! Language models: the [`LanguageModel`] trait and its providers.

pub mod model;

pub use model::{
    ChatMessage, ChatRequest, LanguageModel, ModelError, ReplyEvent, ReplyStream, ToolCall,
    ToolDefinition,
};
