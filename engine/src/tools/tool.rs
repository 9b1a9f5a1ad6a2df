//! One tool.

use std::fmt;

use serde_json::{Map, Value};

use super::rejection::Condition;
use super::{ApiRequest, Extraction, Handoffs, ToolMessages, Transfers};
use crate::config::Server;
use crate::llm::ToolDefinition;

/// A tool of an assistant. Its `Debug` shows neither its document nor its parameters: they may hold
/// secrets.
#[derive(Clone, PartialEq)]
pub struct Tool {
    /// What the model sees.
    pub definition: ToolDefinition,
    /// What running it means.
    pub work: Work,
    /// The model is told at once that it went well, and nobody waits for the answer.
    pub is_async: bool,
    /// What the caller hears meanwhile.
    pub messages: ToolMessages,
    /// Sent beside the model's arguments, and before them.
    pub parameters: Map<String, Value>,
    /// What its answer teaches about the call.
    pub extraction: Option<Extraction>,
    /// A call of it is refused where all of these hold; empty: never.
    pub rejection: Vec<Condition>,
    /// The tool as it was sent, without secrets: its server is shown it.
    pub document: Map<String, Value>,
}

/// What running a tool means.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Work {
    /// The Floor ends the call.
    EndCall,
    /// A server is asked with a `tool-calls` message; `None`: the assistant's.
    Webhook(Option<Server>),
    /// The same with a `function-call` message, as older assistants have it.
    Function(Option<Server>),
    /// Keys are pressed.
    Keys,
    /// A text message is sent.
    Message {
        /// Who is seen to send it; `None`: our number.
        from: Option<String>,
    },
    /// A machine has answered: it is left this message, where there is one, and the call ends.
    Voicemail(String),
    /// An HTTP request is made.
    Request(ApiRequest),
    /// The caller is connected to somebody else.
    Transfer(Box<Transfers>),
    /// Another assistant takes the call over.
    Handoff(Box<Handoffs>),
    /// An operator takes a caller, or does not: the end of a briefing.
    Verdict {
        /// They do.
        taken: bool,
    },
}

impl fmt::Debug for Tool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tool")
            .field("name", &self.definition.name)
            .field("work", &self.work)
            .field("is_async", &self.is_async)
            .finish_non_exhaustive()
    }
}
