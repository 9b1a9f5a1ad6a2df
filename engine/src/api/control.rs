//! `POST /call/{id}/control`: orders to a call in progress, at the URL that `monitor.controlUrl` names.
//!
//! As with Vapi, who knows the URL may give orders: its id is drawn by chance.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde_json::{Value, json};
use turntaking::input::EndReason;
use uuid::Uuid;
use wire::CallStatus;

use super::document::Document;
use super::error::ApiError;
use super::resource::Answer;
use crate::app::App;
use crate::session::{CallId, Command};

/// Orders of Vapi's that are not carried out here.
const NOT_SERVED: &[&str] =
    &["add-message", "control", "handoff", "send-transport-message", "transfer"];

pub(super) async fn order(
    State(app): State<App>,
    Path(id): Path<String>,
    Document(sent): Document,
) -> Answer {
    let text = |name| sent.get(name).and_then(Value::as_str);
    let id = Uuid::parse_str(&id).map_err(|_| ApiError::bad_request("id must be a UUID"))?;
    let command = match text("type") {
        Some("say") => {
            // The schema says `content`, the browser SDK sends `message`.
            let words = text("content").or_else(|| text("message")).unwrap_or_default().trim();
            if words.is_empty() {
                return Err(ApiError::invalid(vec!["content should not be empty".to_owned()]));
            }
            let end_call_after = sent.get("endCallAfterSpoken") == Some(&Value::Bool(true));
            Command::Say { text: words.to_owned(), end_call_after }
        }
        Some("end-call") => {
            return end_call(&app, id).await;
        }
        Some(other) if NOT_SERVED.contains(&other) => {
            let status = StatusCode::NOT_IMPLEMENTED;
            return Err(ApiError::with(status, format!("type {other} is not served here yet")));
        }
        _ => {
            let types = NOT_SERVED.join(", ");
            let problem =
                format!("type must be one of the following values: end-call, say, {types}");
            return Err(ApiError::invalid(vec![problem]));
        }
    };
    if app.registry().order(CallId::from(id), command).await {
        Ok(Json(json!({})))
    } else {
        Err(ApiError::not_found("Call in progress"))
    }
}

/// Hangs up, or stops the ringing.
async fn end_call(app: &App, id: Uuid) -> Answer {
    let command = Command::End { reason: EndReason::ManuallyCanceled };
    if app.registry().order(CallId::from(id), command).await {
        return Ok(Json(json!({})));
    }
    let record = app.store().any_call(id).await?;
    let waiting = |status| matches!(status, CallStatus::Queued | CallStatus::Ringing);
    let Some(record) = record.filter(|record| waiting(record.call.status)) else {
        return Err(ApiError::not_found("Call in progress"));
    };
    if let Some(line) = app.live_call(&record).await?
        && let Err(error) = line.hang_up().await
    {
        tracing::warn!(call = %id, %error, "the carrier does not hang up");
    }
    app.end_unconnected(&record, "manually-canceled").await?;
    Ok(Json(json!({})))
}
