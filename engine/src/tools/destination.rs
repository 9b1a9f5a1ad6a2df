//! Somebody on the telephone to whom a caller may be connected.

use std::fmt;
use std::time::Duration;

use serde_json::{Map, Value};

use super::Context;
use crate::analysis::Task;
use crate::config::ServerUrl;
use crate::transport::twilio::twiml::Party;

/// Where a call may be transferred to.
#[derive(Clone, Debug, PartialEq)]
pub struct Destination {
    /// A number or a SIP address.
    pub target: Party,
    /// Who is seen to call; may name variables. `None`: the caller, or our number where they are
    /// called beside the caller's call.
    pub caller_id: Option<String>,
    /// Said before; empty: nothing. `None`: nobody chose.
    pub message: Option<String>,
    /// For the model, which chooses.
    pub description: String,
    /// How long it rings, in seconds.
    pub ring_seconds: Option<u32>,
    /// Names and values that go with a call to a SIP address.
    pub headers: Vec<(String, String)>,
    /// How it is done.
    pub way: Way,
    /// As it was sent.
    pub document: Value,
}

/// How a call is transferred.
#[derive(Clone, Debug, PartialEq)]
pub enum Way {
    /// The carrier connects the two, and that is all.
    Blind {
        /// What was said goes with the call, in a header of SIP's.
        summary: Option<Task>,
    },
    /// Whoever answers is told what it is about first.
    Warm(Box<Warm>),
}

/// What whoever answers is told, and what becomes of the caller meanwhile.
#[derive(Clone, Debug, PartialEq)]
pub struct Warm {
    /// What they are told.
    pub words: Words,
    /// Not before they have said something.
    pub operator_first: bool,
    /// How long they may say nothing.
    pub patience: Duration,
    /// What the caller hears; `None`: a ringing tone.
    pub hold: Option<ServerUrl>,
    /// The URL of what they hear before the caller.
    pub chime: Option<String>,
    /// What follows where nobody takes the call; `None`: the model finds the words.
    pub fallback: Option<Fallback>,
}

/// What whoever answers is told.
#[derive(Clone, PartialEq)]
pub enum Words {
    /// This; may name variables.
    Message(String),
    /// What was said so far.
    Summary(Task),
    /// What the carrier does with this TwiML.
    Twiml(String),
    /// What an assistant finds to say, who decides whether they take the call.
    Conversation {
        /// One of the customer's own; `None`: a plain one with the voice the caller knows.
        assistant: Option<Map<String, Value>>,
        /// What is said first; empty: the model finds the words.
        first: String,
        /// What the assistant is told of the conversation.
        context: Context,
    },
}

/// What follows where nobody takes the call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fallback {
    /// What the caller is told.
    pub message: String,
    /// The call ends then.
    pub end_call: bool,
}

impl fmt::Debug for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Message(_) => "Message",
            Self::Summary(_) => "Summary",
            Self::Twiml(_) => "Twiml",
            Self::Conversation { .. } => "Conversation",
        })
    }
}
