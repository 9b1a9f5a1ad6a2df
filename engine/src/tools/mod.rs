//! What the model may call, and what running it means.
//!
//! A call of a tool is a task of its own beside the session: it speaks ([`Progress::Say`]) while it
//! waits, and answers once ([`Progress::Done`]). However slow it is, the caller is heard and
//! answered meanwhile.

mod context;
mod destination;
mod extraction;
mod handoff;
mod hook;
mod message;
mod rejection;
mod request;
mod run;
mod template;
mod tool;
mod transfer;
mod webhook;

pub use context::Context;
pub use destination::{Destination, Fallback, Warm, Way, Words};
pub use extraction::Extraction;
pub(crate) use handoff::definition as handoff_definition;
pub use handoff::{Candidate, Handoffs, Recruited, Recruiter, Succession, Successor, Who};
pub use hook::{Hook, HookAction, Occasion};
pub use message::{Comparison, Condition, Ending, MessageKind, ToolMessage, ToolMessages};
pub use rejection::Condition as RejectionCondition;
pub use request::ApiRequest;
pub use run::{Answer, Invocation, Progress, Report, Spoken, Toolset};
pub use template::render;
pub use tool::{Tool, Work};
pub use transfer::Transfers;
pub(crate) use transfer::parameters as destination_parameters;
