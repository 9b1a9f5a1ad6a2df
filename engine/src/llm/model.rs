//! The plug point for language models.
//!
//! A [`LanguageModel`] belongs to the process and opens one [`ReplyStream`] per reply. Dropping
//! the stream cancels the request down to the socket.

use std::fmt;
use std::task::{Context, Poll};

/// A provider of replies, shared by all calls.
pub trait LanguageModel: Send + Sync + fmt::Debug {
    /// Starts a reply. Never blocks; a request that cannot be sent fails on the stream.
    fn start(&self, request: ChatRequest) -> Box<dyn ReplyStream>;

    /// A call will ask for replies in a moment: makes ready what that takes. Never blocks.
    fn prepare(&self) {}
}

/// One reply as it is written.
pub trait ReplyStream: Send {
    /// The next event, if there is one. After [`ReplyEvent::Done`] or [`ReplyEvent::Failed`]
    /// there is none.
    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<ReplyEvent>;
}

/// What a model is asked.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ChatRequest {
    /// The conversation, system prompt first.
    pub messages: Vec<ChatMessage>,
    /// What the model may call.
    pub tools: Vec<ToolDefinition>,
    /// Sampling temperature, 0 to 2; `None`: the model's own.
    pub temperature: Option<f32>,
    /// Longest reply, in tokens; `None`: the model's own.
    pub max_tokens: Option<u32>,
}

/// One message of the conversation, as OpenAI's chat completions have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChatMessage {
    /// Instructions.
    System {
        /// The text.
        content: String,
    },
    /// The caller's words.
    User {
        /// The text.
        content: String,
    },
    /// What the caller heard of the assistant, and the tools it called.
    Assistant {
        /// The text; may be empty beside tool calls.
        content: String,
        /// The tools it called.
        tool_calls: Vec<ToolCall>,
    },
    /// A tool's answer.
    Tool {
        /// The call it answers.
        tool_call_id: String,
        /// The answer, as text.
        content: String,
    },
}

/// A model's call of a tool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToolCall {
    /// The model's id.
    pub id: String,
    /// The tool's name.
    pub name: String,
    /// A JSON object, as text.
    pub arguments: String,
}

/// A tool the model may call.
#[derive(Clone, Debug, PartialEq)]
pub struct ToolDefinition {
    /// `^[a-zA-Z0-9_-]{1,64}$`.
    pub name: String,
    /// For the model.
    pub description: String,
    /// JSON schema of the arguments.
    pub parameters: serde_json::Value,
    /// The model keeps to the schema to the letter (OpenAI's structured outputs).
    pub strict: bool,
}

/// What a reply consists of, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReplyEvent {
    /// The next piece of text, of any length.
    Text(String),
    /// A whole tool call.
    ToolCall(ToolCall),
    /// The reply is complete.
    Done,
    /// There will be no more.
    Failed(ModelError),
}

/// Why there is no reply.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// The server could not be reached, or went away.
    #[error("model {provider}: {reason}")]
    Connection {
        /// Who.
        provider: &'static str,
        /// What happened.
        reason: String,
    },
    /// The server refused the request.
    #[error("model {provider} answered {status}: {reason}")]
    Status {
        /// Who.
        provider: &'static str,
        /// HTTP status.
        status: u16,
        /// The server's own words, without any key.
        reason: String,
    },
    /// The server sent something that is not the protocol.
    #[error("model {provider} sent what it should not: {reason}")]
    Protocol {
        /// Who.
        provider: &'static str,
        /// What was wrong.
        reason: String,
    },
}
