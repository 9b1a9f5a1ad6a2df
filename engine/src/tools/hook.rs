//! What follows on something that happens in a call (Vapi's `hooks`), but for the caller's silence,
//! which is the Floor's.

use std::sync::Arc;

use super::Tool;

/// Something that happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Occasion {
    /// The caller took the floor from the assistant: `assistant.speech.interrupted`.
    AssistantInterrupted,
    /// The call is over: `call.ending`.
    CallEnding,
}

/// What follows on it.
#[derive(Clone, Debug, PartialEq)]
pub struct Hook {
    /// On what.
    pub on: Occasion,
    /// Of a call that is over: one of these is in Vapi's word for its end. Empty: any end.
    pub ended_reasons: Vec<String>,
    /// What is done, in this order.
    pub actions: Vec<HookAction>,
}

/// One thing that is done.
#[derive(Clone, Debug, PartialEq)]
pub enum HookAction {
    /// One of these is said.
    Say(Vec<String>),
    /// A tool is run; the model is not told.
    Run(Arc<Tool>),
}

impl Hook {
    /// Whether it is meant for an end of this name.
    pub(crate) fn is_for(&self, ended_reason: &str) -> bool {
        let named = |reason: &String| ended_reason.contains(reason.as_str());
        self.ended_reasons.is_empty() || self.ended_reasons.iter().any(named)
    }
}
