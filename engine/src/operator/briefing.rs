//! What an operator is told before they have the caller, and who tells them.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};
use turntaking::input::EndReason;
use turntaking::settings::{FirstMessageMode, Settings};

use super::Recital;
use crate::llm::ChatMessage;
use crate::session::{Persona, Providers};

/// The longest an operator is spoken to: as long as Vapi's transfer assistants may.
const LONGEST: Duration = Duration::from_secs(120);

/// Whose voice an operator hears: the assistant's that has the caller.
#[derive(Clone, Debug)]
pub(crate) struct Host {
    /// How turns are taken.
    pub(crate) settings: Settings,
    /// Who speaks.
    pub(crate) persona: Persona,
    /// With what.
    pub(crate) providers: Providers,
}

/// A session with an operator.
pub(crate) struct Briefing {
    /// Who speaks, and how.
    pub(crate) host: Host,
    /// An assistant of the customer's own speaks instead, who knows what the host's preamble says.
    pub(crate) assistant: Option<Map<String, Value>>,
    /// The end by which the operator takes the caller.
    pub(crate) taken_by: EndReason,
}

impl fmt::Debug for Briefing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Briefing").field("taken_by", &self.taken_by).finish_non_exhaustive()
    }
}

impl Briefing {
    /// Says `words`, at once or once the operator has spoken, who may keep silent for `patience`.
    pub(crate) fn recited(
        host: &Host,
        words: String,
        operator_first: bool,
        patience: Duration,
    ) -> Self {
        let mode = if operator_first {
            FirstMessageMode::AssistantWaitsForUser
        } else {
            FirstMessageMode::AssistantSpeaksFirstWithModelGeneratedMessage
        };
        let mut host = Self::plain(host, mode, patience);
        host.persona.preamble.clear();
        host.providers.model = Arc::new(Recital(words));
        Self { host, assistant: None, taken_by: EndReason::AssistantEndedCall }
    }

    /// Talks with the operator until one of two tools says what becomes of the caller.
    pub(crate) fn conversation(
        host: &Host,
        preamble: Vec<ChatMessage>,
        first_message: String,
        assistant: Option<Map<String, Value>>,
    ) -> Self {
        let mode = if first_message.is_empty() {
            FirstMessageMode::AssistantSpeaksFirstWithModelGeneratedMessage
        } else {
            FirstMessageMode::AssistantSpeaksFirst
        };
        let mut host = Self::plain(host, mode, Duration::from_secs(30));
        host.settings.first_message = first_message;
        host.persona.preamble = preamble;
        Self { host, assistant, taken_by: EndReason::AssistantForwardedCall }
    }

    /// The host without what belongs to the caller's conversation.
    fn plain(host: &Host, mode: FirstMessageMode, patience: Duration) -> Host {
        let mut host = host.clone();
        host.settings = Settings {
            first_message: String::new(),
            first_message_mode: mode,
            silence_timeout: patience,
            max_duration: LONGEST.max(patience + Duration::from_secs(60)),
            end_call_message: String::new(),
            end_call_phrases: Vec::new(),
            silence_timeout_message: String::new(),
            idle: Vec::new(),
            voicemail: None,
            keypad: None,
            speculation: false,
            ..host.settings
        };
        host.persona.tools.clear();
        host.persona.background = None;
        host
    }
}
