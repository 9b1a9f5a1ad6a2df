//! A tool that a server of the customer's answers: the `tool-calls` message and its answer.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use reqwest::{RequestBuilder, StatusCode};
use serde_json::{Map, Value, json};

use super::run::{Invocation, Lost};
use super::{Ending, Tool, Toolset};
use crate::backoff::{Failure, pause};
use crate::config::Server;
use crate::http::{self, BodyError};

/// The longest answer that is read, in bytes: a model reads no more.
const LONGEST_ANSWER: usize = 256 << 10;

/// What the model is told where the server answered something else than it was asked.
const NO_RESULT: &str = "No result returned.";

/// What a server says about a call of a tool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answered {
    /// For the model.
    pub(super) result: String,
    /// It went wrong.
    pub(super) failed: bool,
    /// The server's own words for the caller, in the place of those that are configured.
    pub(super) message: Option<(String, Ending)>,
}

/// Asks `server`.
pub(super) async fn ask(
    set: &Toolset,
    server: &Server,
    tool: &Tool,
    call: &Invocation,
) -> Result<Answered, Lost> {
    let (status, text) = post(set, server, call, &body(tool, call, &set.about)).await?;
    match read(&text, &call.id) {
        Some(answered) if status.is_success() || answered.result != NO_RESULT => Ok(answered),
        _ => Err(Lost::Status(status.as_u16())),
    }
}

/// Asks `server` as older products are asked: with a `function-call` message.
pub(super) async fn ask_function(
    server: &Server,
    set: &Toolset,
    tool: &Tool,
    call: &Invocation,
) -> Result<Answered, Lost> {
    let function = json!({"name": tool.definition.name, "parameters": call.arguments});
    let asked = Map::from_iter([
        ("type".to_owned(), "function-call".into()),
        ("functionCall".to_owned(), function),
    ]);
    let body = json!({ "message": about(set, call, asked) });
    let (status, text) = post(set, server, call, &body).await?;
    match read(&text, &call.id) {
        Some(answered) if status.is_success() || answered.result != NO_RESULT => Ok(answered),
        _ => Err(Lost::Status(status.as_u16())),
    }
}

/// A message about a call of a tool.
fn about(set: &Toolset, call: &Invocation, fields: Map<String, Value>) -> Map<String, Value> {
    let mut message = Map::clone(&set.about);
    message.extend(fields);
    message.insert("timestamp".to_owned(), timestamp().into());
    message.insert("artifact".to_owned(), call.artifact.clone());
    message
}

/// Asks `server` something else about a call: `question` has a type, and what it needs beside the
/// call itself.
pub(super) async fn question(
    server: &Server,
    set: &Toolset,
    call: &Invocation,
    question: Map<String, Value>,
) -> Result<Value, Lost> {
    let body = json!({ "message": about(set, call, question) });
    let (status, text) = post(set, server, call, &body).await?;
    match serde_json::from_slice(&text) {
        Ok(answer) if status.is_success() => Ok(answer),
        Ok(_) => Err(Lost::Status(status.as_u16())),
        Err(_) => Err(Lost::NoDestination),
    }
}

/// ms since 1970.
fn timestamp() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
}

/// Posts `body` to `server`, signed as it wants, and as often as its plan says.
async fn post(
    set: &Toolset,
    server: &Server,
    call: &Invocation,
    body: &Value,
) -> Result<(StatusCode, Vec<u8>), Lost> {
    let courier = set.courier.as_ref().ok_or(Lost::NoServer)?;
    let signed = courier.post(server, &call.id, body.to_string().as_bytes()).await;
    let signed = signed.map_err(|error| Lost::Unreachable(error.to_string()))?;
    let request = || signed.try_clone().expect("its body is no stream");
    send(request, server.backoff.as_ref()).await
}

/// Makes a request, again as often as `plan` says. Returns the answer, whatever its status.
pub(super) async fn send(
    request: impl Fn() -> RequestBuilder,
    plan: Option<&wire::BackoffPlan>,
) -> Result<(StatusCode, Vec<u8>), Lost> {
    let mut attempts = 0;
    loop {
        attempts += 1;
        let answer = once(request()).await;
        let failure = match &answer {
            Ok((status, _)) if status.is_success() => return answer,
            Ok((status, _)) => Failure::Status(status.as_u16()),
            Err(_) => Failure::Unreachable,
        };
        let Some(wait) = plan.and_then(|plan| pause(plan, failure, attempts)) else {
            return answer;
        };
        tokio::time::sleep(wait).await;
    }
}

async fn once(request: RequestBuilder) -> Result<(StatusCode, Vec<u8>), Lost> {
    let answer = request.send().await.map_err(BodyError::from)?;
    let status = answer.status();
    Ok((status, http::body(answer, LONGEST_ANSWER).await?))
}

impl From<BodyError> for Lost {
    fn from(error: BodyError) -> Self {
        match error {
            BodyError::TooLong { .. } => Self::TooLong,
            BodyError::Lost(error) if error.is_timeout() => Self::TimedOut,
            BodyError::Lost(error) => Self::Unreachable(error.to_string()),
        }
    }
}

/// The message, in all the shapes that products read: arguments are objects.
fn body(tool: &Tool, call: &Invocation, about: &Map<String, Value>) -> Value {
    let Invocation { id, arguments, artifact, .. } = call;
    let name = &tool.definition.name;
    let function = json!({"name": name, "arguments": arguments});
    let plain = json!({"id": id, "type": "function", "function": function});
    let mut listed = plain.clone();
    listed["name"] = name.clone().into();
    listed["arguments"] = arguments.clone().into();
    listed["parameters"] = arguments.clone().into();
    let mut with_tool = Value::from(tool.document.clone());
    with_tool["name"] = name.clone().into();
    with_tool["toolCall"] = plain.clone();
    with_tool["toolCall"]["parameters"] = arguments.clone().into();
    let mut message = about.clone();
    let fields = [
        ("type", json!("tool-calls")),
        ("timestamp", timestamp().into()),
        ("toolCalls", json!([plain])),
        ("toolCallList", json!([listed])),
        ("toolWithToolCallList", json!([with_tool])),
        ("artifact", artifact.clone()),
    ];
    message.extend(fields.map(|(name, value)| (name.to_owned(), value)));
    json!({ "message": message })
}

/// What an answer says about the call `id`; `None`: it is no JSON.
fn read(text: &[u8], id: &str) -> Option<Answered> {
    let answer: Value = serde_json::from_slice(text).ok()?;
    let none = Answered { result: NO_RESULT.to_owned(), failed: false, message: None };
    let found = match answer.get("results").and_then(Value::as_array) {
        Some(results) => {
            let named = |result: &&Value| result["toolCallId"] == id;
            let only = || results.first().filter(|only| only.get("toolCallId").is_none());
            match results.iter().find(named).or_else(only) {
                Some(result) => result,
                None => return Some(none),
            }
        }
        // As servers of `function-call` answer, and those that refuse altogether.
        None => &answer,
    };
    let (result, failed) = match (found.get("error"), found.get("result")) {
        (Some(error), _) if !error.is_null() => (plain_text(error), true),
        (_, Some(result)) => (plain_text(result), false),
        _ => return Some(none),
    };
    Some(Answered { result, failed, message: message(&found["message"]) })
}

/// The words of a result's own message.
fn message(message: &Value) -> Option<(String, Ending)> {
    let text = message.get("content").or_else(|| message.get("message"))?.as_str()?.trim();
    let ending = Ending {
        to_model: message["role"] == "system",
        end_call_after: message["endCallAfterSpokenEnabled"] == true,
    };
    (!text.is_empty()).then(|| (text.to_owned(), ending))
}

/// Text is documented, objects are what many send.
fn plain_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn result(answer: &str) -> Option<(String, bool)> {
        read(answer.as_bytes(), "a").map(|answered| (answered.result, answered.failed))
    }

    #[test]
    fn results_are_found_in_every_shape_that_is_sent() {
        let ok = |text: &str| Some((text.to_owned(), false));
        assert_eq!(
            result(
                r#"{"results": [{"toolCallId": "b", "result": "x"},
            {"toolCallId": "a", "result": "libre"}]}"#
            ),
            ok("libre")
        );
        assert_eq!(
            result(r#"{"results": [{"result": {"libre": true}}]}"#),
            ok(r#"{"libre":true}"#)
        );
        assert_eq!(result(r#"{"result": "libre"}"#), ok("libre"));
        assert_eq!(
            result(r#"{"results": [{"toolCallId": "a", "error": "fermé"}]}"#),
            Some(("fermé".to_owned(), true))
        );
        assert_eq!(result(r#"{"results": [{"toolCallId": "b", "result": "x"}]}"#), ok(NO_RESULT));
        assert_eq!(result("OK"), None);
    }

    #[test]
    fn a_result_may_bring_its_own_words() {
        let answer = br#"{"results": [{"toolCallId": "a", "result": "ok", "message":
            {"type": "request-complete", "content": "Merci.", "endCallAfterSpokenEnabled": true}}]}"#;
        let answered = read(answer, "a").expect("JSON");
        let ending = Ending { to_model: false, end_call_after: true };
        assert_eq!(answered.message, Some(("Merci.".to_owned(), ending)));
    }
}
