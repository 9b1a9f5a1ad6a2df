//! Where messages about calls go: `server` and `serverMessages`.

use reqwest::Url;

use crate::config::validation::Validation;

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

/// The server that an assistant names, by its new fields or its old ones.
pub(super) fn server_of(wire: &wire::Assistant, check: &mut Validation) -> Option<wire::Server> {
    if let Some(sent) = &wire.server {
        server(sent, "server.", check);
    }
    let sent = wire.server.clone().unwrap_or_default();
    let url = sent.url.clone().or_else(|| wire.server_url.clone())?;
    if sent.url.is_none() && Url::parse(&url).is_err() {
        check.problem("serverUrl must be a URL address");
    }
    let secret = sent.secret.clone().or_else(|| wire.server_url_secret.clone());
    Some(wire::Server { url: Some(url), secret, ..sent })
}

/// Checks a server at `path`, which is empty or ends in a dot.
pub(in crate::config) fn server(wire: &wire::Server, path: &str, check: &mut Validation) {
    let url = wire.url.as_deref().map(Url::parse);
    if url.is_some_and(|url| !url.is_ok_and(|url| matches!(url.scheme(), "http" | "https"))) {
        check.problem(format!("{path}url must be a URL address"));
    }
    check.range(&format!("{path}timeoutSeconds"), wire.timeout_seconds, 1.0..=300.0);
    for (name, value) in wire.headers.iter().flatten() {
        let name_fits = reqwest::header::HeaderName::from_bytes(name.as_bytes()).is_ok();
        if !name_fits || reqwest::header::HeaderValue::from_str(value).is_err() {
            check.problem(format!("{path}headers.{name} must be an HTTP header"));
        }
    }
    if wire.secret.as_deref().is_some_and(|s| reqwest::header::HeaderValue::from_str(s).is_err()) {
        check.problem(format!("{path}secret must fit an HTTP header"));
    }
    if let Some(plan) = &wire.backoff_plan {
        check.whole(&format!("{path}backoffPlan.maxRetries"), plan.max_retries, 0..=10);
        let delay = plan.base_delay_seconds;
        check.range(&format!("{path}backoffPlan.baseDelaySeconds"), delay, 0.0..=10.0);
    }
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
    Some(sent.clone())
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
                "server.property uri should not exist",
                "server.timeoutSeconds must not be less than 1",
                "server.url must be a URL address",
            ]
        );
    }
}
