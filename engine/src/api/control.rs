//! Orders to a call in progress: at the URL that `monitor.controlUrl` names, on the socket of a
//! call that is carried by one, and on that of a listener.
//!
//! As with Vapi, who knows the URL may give orders (its id is drawn by chance), unless the
//! assistant's `monitorPlan` asks for a key, or allows nobody to.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use serde_json::{Map, Value, json};
use turntaking::input::EndReason;
use uuid::Uuid;
use wire::CallStatus;

use super::auth;
use super::document::Document;
use super::error::ApiError;
use super::resource::Answer;
use crate::app::App;
use crate::llm::ChatMessage;
use crate::monitoring::Monitoring;
use crate::session::{CallId, Command};

/// Orders of Vapi's that are not carried out here.
const NOT_SERVED: &[&str] = &["handoff", "send-transport-message", "transfer"];

/// Orders that are.
const SERVED: &[&str] = &["add-message", "control", "end-call", "hangup", "say"];

/// What `control` may be.
const CONTROLS: &[&str] = &[
    "mute-assistant",
    "unmute-assistant",
    "mute-customer",
    "unmute-customer",
    "say-first-message",
];

/// Who gives an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Giver {
    /// Somebody beside the call.
    Operator,
    /// The other end of the call itself.
    Client,
}

impl Giver {
    /// Why the call ends when they end it.
    const fn reason(self) -> EndReason {
        match self {
            Self::Operator => EndReason::ManuallyCanceled,
            Self::Client => EndReason::CustomerEndedCall,
        }
    }
}

/// `POST /call/{id}/control`.
pub(super) async fn order(
    State(app): State<App>,
    Path(id): Path<String>,
    headers: HeaderMap,
    Document(sent): Document,
) -> Answer {
    let id = Uuid::parse_str(&id).map_err(|_| ApiError::bad_request("id must be a UUID"))?;
    let record = app.store().any_call(id).await?.ok_or_else(|| ApiError::not_found("Call"))?;
    let plan = Monitoring::of(&record.assistant);
    if !plan.control {
        return Err(ApiError::with(StatusCode::FORBIDDEN, "monitorPlan.controlEnabled is false"));
    }
    if plan.control_with_key {
        auth::require_key(&app, &headers, record.organisation).await?;
    }
    give(&app, id, &sent, Giver::Operator).await?;
    Ok(Json(json!({})))
}

/// Carries out an order that came as text.
///
/// # Errors
///
/// Why it is not carried out.
pub(super) async fn carry_out(
    app: &App,
    id: Uuid,
    text: &str,
    giver: Giver,
) -> Result<(), ApiError> {
    let sent = serde_json::from_str(text).map_err(|error| {
        ApiError::bad_request(format!("the order is not a JSON object: {error}"))
    })?;
    give(app, id, &sent, giver).await
}

async fn give(
    app: &App,
    id: Uuid,
    sent: &Map<String, Value>,
    giver: Giver,
) -> Result<(), ApiError> {
    let commands = match sent.get("type").and_then(Value::as_str) {
        Some("say") => say(sent)?,
        Some("add-message") => vec![add_message(sent)?],
        Some("control") => vec![control(sent)?],
        Some("end-call" | "hangup") => return end_call(app, id, giver.reason()).await,
        Some(other) if NOT_SERVED.contains(&other) => {
            let status = StatusCode::NOT_IMPLEMENTED;
            return Err(ApiError::with(status, format!("type {other} is not served here yet")));
        }
        _ => {
            let all: Vec<_> = SERVED.iter().chain(NOT_SERVED).copied().collect();
            let types = all.join(", ");
            let problem = format!("type must be one of the following values: {types}");
            return Err(ApiError::invalid(vec![problem]));
        }
    };
    for command in commands {
        if !app.registry().order(CallId::from(id), command).await {
            return Err(ApiError::not_found("Call in progress"));
        }
    }
    Ok(())
}

fn say(sent: &Map<String, Value>) -> Result<Vec<Command>, ApiError> {
    let text = |name| sent.get(name).and_then(Value::as_str);
    // The schema says `content`, the browser SDK sends `message`.
    let words = text("content").or_else(|| text("message")).unwrap_or_default().trim();
    if words.is_empty() {
        return Err(ApiError::invalid(vec!["content should not be empty".to_owned()]));
    }
    if sent.get("interruptionsEnabled") == Some(&Value::Bool(false)) {
        let message = "interruptionsEnabled false is not served here yet: leave it out";
        return Err(ApiError::with(StatusCode::NOT_IMPLEMENTED, message));
    }
    let is_true = |name| sent.get(name) == Some(&Value::Bool(true));
    let end_call_after = is_true("endCallAfterSpoken");
    let mut commands = vec![Command::Say { text: words.to_owned(), end_call_after }];
    if is_true("interruptAssistantEnabled") {
        commands.push(Command::Interrupt);
    }
    Ok(commands)
}

fn add_message(sent: &Map<String, Value>) -> Result<Command, ApiError> {
    let message = sent.get("message").and_then(Value::as_object);
    let message =
        message.ok_or_else(|| ApiError::invalid(vec!["message must be an object".to_owned()]))?;
    let text = |name| message.get(name).and_then(Value::as_str).map(str::to_owned);
    let content = text("content").unwrap_or_default();
    let message = match text("role").as_deref() {
        Some("system" | "developer") => ChatMessage::System { content },
        Some("user") => ChatMessage::User { content },
        Some("assistant") => ChatMessage::Assistant { content, tool_calls: Vec::new() },
        Some("tool") => {
            let tool_call_id = text("tool_call_id").unwrap_or_default();
            ChatMessage::Tool { tool_call_id, content }
        }
        _ => {
            let problem = "message.role must be one of the following values: assistant, \
                           developer, system, tool, user";
            return Err(ApiError::invalid(vec![problem.to_owned()]));
        }
    };
    let respond = sent.get("triggerResponseEnabled") != Some(&Value::Bool(false));
    Ok(Command::AddMessage { message, respond })
}

fn control(sent: &Map<String, Value>) -> Result<Command, ApiError> {
    match sent.get("control").and_then(Value::as_str) {
        Some("mute-assistant") => Ok(Command::MuteAssistant(true)),
        Some("unmute-assistant") => Ok(Command::MuteAssistant(false)),
        Some("mute-customer") => Ok(Command::MuteCustomer(true)),
        Some("unmute-customer") => Ok(Command::MuteCustomer(false)),
        Some("say-first-message") => Ok(Command::SayFirstMessage),
        _ => {
            let controls = CONTROLS.join(", ");
            let problem = format!("control must be one of the following values: {controls}");
            Err(ApiError::invalid(vec![problem]))
        }
    }
}

/// Hangs up, or stops the ringing.
async fn end_call(app: &App, id: Uuid, reason: EndReason) -> Result<(), ApiError> {
    if app.registry().order(CallId::from(id), Command::End { reason }).await {
        return Ok(());
    }
    let record = app.store().any_call(id).await?;
    let waiting =
        |status| matches!(status, CallStatus::Scheduled | CallStatus::Queued | CallStatus::Ringing);
    let Some(record) = record.filter(|record| waiting(record.call.status)) else {
        return Err(ApiError::not_found("Call in progress"));
    };
    if let Some(line) = app.live_call(&record).await?
        && let Err(error) = line.hang_up().await
    {
        tracing::warn!(call = %id, %error, "the carrier does not hang up");
    }
    app.end_unconnected(&record, "manually-canceled").await?;
    Ok(())
}
