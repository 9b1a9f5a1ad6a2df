//! Which messages about a call a customer's server is sent.

use serde::{Deserialize, Serialize};

/// What Vapi sends where `serverMessages` is absent.
const BY_DEFAULT: &[&str] = &[
    "assistant.started",
    "conversation-update",
    "end-of-call-report",
    "function-call",
    "handoff-destination-request",
    "hang",
    "speech-update",
    "status-update",
    "tool-calls",
    "transfer-destination-request",
    "user-interrupted",
];

/// A server, and what it wants to know.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Subscription {
    /// Where to.
    pub server: wire::Server,
    /// Which; `None`: Vapi's own choice.
    pub messages: Option<Vec<String>>,
}

impl Subscription {
    /// The messages named `name` are wanted.
    pub fn wants(&self, name: &str) -> bool {
        match &self.messages {
            Some(messages) => messages.iter().any(|message| message == name),
            None => BY_DEFAULT.contains(&name),
        }
    }

    /// A transcript is wanted: by either of its two names.
    pub fn wants_transcript(&self, is_final: bool) -> bool {
        self.wants("transcript") || is_final && self.wants("transcript[transcriptType=\"final\"]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_named_is_vapis_choice() {
        let mut subscription = Subscription { server: wire::Server::default(), messages: None };
        assert!(subscription.wants("end-of-call-report") && !subscription.wants("transcript"));
        subscription.messages = Some(vec!["transcript[transcriptType=\"final\"]".to_owned()]);
        assert!(subscription.wants_transcript(true) && !subscription.wants_transcript(false));
        assert!(!subscription.wants("end-of-call-report"));
    }
}
