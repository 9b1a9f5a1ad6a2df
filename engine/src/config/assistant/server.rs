//! A server of the customer's: where a message is sent, and how; and which messages it wants.

use std::time::Duration;

use reqwest::header::{HeaderName, HeaderValue};
use serde_json::Value;
use uuid::Uuid;

use crate::config::validation::Validation;
use crate::config::{Secret, ServerUrl};

/// How long a server may take where nobody says: Vapi's default.
const TIMEOUT: Duration = Duration::from_secs(20);

/// The header that carries `server.secret`.
const SECRET_HEADER: &str = "X-Vapi-Secret";

/// What Vapi calls the messages it can send to a server.
const MESSAGES: &[&str] = &[
    "assistant.speechStarted",
    "assistant.started",
    "call.delete.failed",
    "call.deleted",
    "chat.created",
    "chat.deleted",
    "conversation-update",
    "end-of-call-report",
    "function-call",
    "handoff-destination-request",
    "hang",
    "language-change-detected",
    "language-changed",
    "model-output",
    "phone-call-control",
    "session.created",
    "session.deleted",
    "session.updated",
    "speech-update",
    "status-update",
    "tool-calls",
    "transcript",
    "transcript[transcriptType=\"final\"]",
    "transfer-destination-request",
    "transfer-update",
    "user-interrupted",
    "voice-input",
];

/// Those of them that nothing here gives occasion for.
const NOT_SENT: &[&str] = &[
    "call.delete.failed",
    "call.deleted",
    "chat.created",
    "chat.deleted",
    "language-change-detected",
    "language-changed",
    "phone-call-control",
    "session.created",
    "session.deleted",
    "session.updated",
];

/// What Vapi calls the messages it can send to a client.
const CLIENT_MESSAGES: &[&str] = &[
    "assistant.speechStarted",
    "assistant.started",
    "conversation-update",
    "function-call",
    "function-call-result",
    "hang",
    "language-changed",
    "metadata",
    "model-output",
    "speech-update",
    "status-update",
    "tool-calls",
    "tool-calls-result",
    "tool.completed",
    "transcript",
    "transfer-update",
    "user-interrupted",
    "voice-input",
    "workflow.node.started",
];

/// Those of them that nothing here gives occasion for.
const NOT_SENT_TO_CLIENTS: &[&str] = &[
    "function-call",
    "function-call-result",
    "language-changed",
    "metadata",
    "tool.completed",
    "workflow.node.started",
];

/// A server of the customer's.
#[derive(Clone, Debug, PartialEq)]
pub struct Server {
    /// Its address.
    pub url: ServerUrl,
    /// What goes with each request.
    pub headers: Vec<(String, Secret)>,
    /// How long it may take.
    pub timeout: Duration,
    /// When a request is made again; `None`: never.
    pub backoff: Option<wire::BackoffPlan>,
    /// The stored credential that requests to it are signed with.
    pub credential: Option<Uuid>,
}

impl Server {
    /// The server that `wire` describes; `None` where it is not sound.
    pub fn of(wire: &wire::Server) -> Option<Self> {
        server(wire, "server", &mut Validation::default())
    }
}

/// Reads the server at `path`.
pub(super) fn server(wire: &wire::Server, path: &str, check: &mut Validation) -> Option<Server> {
    let timeout = wire.timeout_seconds;
    let timeout = check.duration(&format!("{path}.timeoutSeconds"), timeout, 1.0..=300.0);
    let mut headers = Vec::new();
    if let Some(secret) = &wire.secret {
        if HeaderValue::try_from(secret).is_err() {
            check.problem(format!("{path}.secret must fit an HTTP header"));
        }
        headers.push((SECRET_HEADER.to_owned(), Secret::new(secret)));
    }
    for (name, value) in wire.headers.iter().flatten() {
        match value {
            Value::String(value) => {
                let fits =
                    HeaderName::try_from(name).is_ok() && HeaderValue::try_from(value).is_ok();
                if !fits {
                    check.problem(format!("{path}.headers.{name} must be an HTTP header"));
                }
                headers.push((name.clone(), Secret::new(value)));
            }
            _ => check.problem(format!("{path}.headers.{name} must be a string")),
        }
    }
    if let Some(plan) = &wire.backoff_plan {
        check.whole(&format!("{path}.backoffPlan.maxRetries"), plan.max_retries, 0..=10);
        let delay = plan.base_delay_seconds;
        check.range(&format!("{path}.backoffPlan.baseDelaySeconds"), delay, 0.0..=10.0);
    }
    let credential = wire.credential_id.as_deref().map(Uuid::parse_str);
    if matches!(credential, Some(Err(_))) {
        check.problem(format!("{path}.credentialId must be a UUID"));
    }
    match wire.url.as_deref().map(ServerUrl::exact) {
        Some(Ok(url)) => {
            let (timeout, backoff) = (timeout.unwrap_or(TIMEOUT), wire.backoff_plan.clone());
            let credential = credential.and_then(Result::ok);
            Some(Server { url, headers, timeout, backoff, credential })
        }
        Some(Err(_)) => {
            check.problem(format!("{path}.url must be a URL address"));
            None
        }
        None => {
            check.problem(format!("{path}.url should not be empty"));
            None
        }
    }
}

/// Checks the server at `path` of something else than an assistant.
pub(in crate::config) fn sound_server(wire: &wire::Server, path: &str, check: &mut Validation) {
    server(wire, path, check);
}

/// The server that messages about calls go to, by its new fields or its old ones.
pub(super) fn server_of(wire: &wire::Assistant, check: &mut Validation) -> Option<wire::Server> {
    let sent = wire.server.clone().unwrap_or_default();
    let url = sent.url.clone().or_else(|| wire.server_url.clone());
    let secret = sent.secret.clone().or_else(|| wire.server_url_secret.clone());
    let whole = wire::Server { url, secret, ..sent };
    if wire.server.is_none() && whole.url.is_none() {
        return None;
    }
    server(&whole, "server", check).map(|_| whole)
}

/// Which messages are wanted; `None`: Vapi's own choice.
pub(super) fn messages_of(wire: &wire::Assistant, check: &mut Validation) -> Option<Vec<String>> {
    let sent = wire.server_messages.as_ref()?;
    if sent.iter().any(|message| !MESSAGES.contains(&message.as_str())) {
        check.problem(format!(
            "each value in serverMessages must be one of the following values: {}",
            MESSAGES.join(", ")
        ));
    }
    for message in sent.iter().filter(|message| NOT_SENT.contains(&message.as_str())) {
        check.without_effect(format!("serverMessages {message}"));
    }
    Some(sent.clone())
}

/// Checks which messages a client wants. It is the call that reads them, where it has a client.
pub(super) fn client_messages_of(wire: &wire::Assistant, check: &mut Validation) {
    let Some(sent) = &wire.client_messages else { return };
    if sent.iter().any(|message| !CLIENT_MESSAGES.contains(&message.as_str())) {
        check.problem(format!(
            "each value in clientMessages must be one of the following values: {}",
            CLIENT_MESSAGES.join(", ")
        ));
    }
    for message in sent.iter().filter(|sent| NOT_SENT_TO_CLIENTS.contains(&sent.as_str())) {
        check.without_effect(format!("clientMessages {message}"));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::config::assistant::tests::read;

    #[test]
    fn the_new_fields_of_a_server_go_before_the_old_ones() {
        let assistant = read(&json!({"serverUrl": "https://old.example", "serverUrlSecret": "s"}))
            .expect("it is sound");
        let server = assistant.server.expect("a server");
        assert_eq!(server.url.as_deref(), Some("https://old.example"));
        assert_eq!(server.secret.as_deref(), Some("s"));
        let assistant = read(&json!({"serverUrl": "https://old.example",
            "server": {"url": "https://new.example", "timeoutSeconds": 5}}))
        .expect("it is sound");
        let server = assistant.server.expect("a server");
        assert_eq!(server.url.as_deref(), Some("https://new.example"));
        assert!(assistant.without_effect.is_empty(), "{:?}", assistant.without_effect);
    }

    #[test]
    fn what_is_wrong_with_a_server_is_told() {
        let error = read(&json!({
            "server": {"url": "nowhere", "timeoutSeconds": 0, "headers": {"a b": "c"},
                       "backoffPlan": {"maxRetries": 11}, "uri": ""},
            "serverMessages": ["hang", "shout"],
        }))
        .expect_err("it has problems");
        let mut told = error.problems().to_vec();
        told.sort();
        assert!(told[0].starts_with("each value in serverMessages must be one of"), "{told:?}");
        assert_eq!(
            told[1..],
            [
                "server.backoffPlan.maxRetries must not be greater than 10",
                "server.headers.a b must be an HTTP header",
                "server.property uri should not exist; did you mean url?",
                "server.timeoutSeconds must not be less than 1",
                "server.url must be a URL address",
            ]
        );
    }
}
