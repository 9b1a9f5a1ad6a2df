//! What happened in a call, line by line: `/call/{id}/call-logs`, and `/logs` as older clients ask.

use std::time::Duration;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use super::auth::Owner;
use super::call;
use super::error::ApiError;
use super::list;
use super::resource::{Answer, uuid};
use crate::app::App;
use crate::store::{CallFilter, CallRecord, Timestamp};

/// How long the link holds that a key was exchanged for.
const LIFETIME: Duration = Duration::from_secs(3_600);

/// `GET /call/{id}/call-logs`: 302 to the lines.
pub(super) async fn redirect(
    State(app): State<App>,
    Owner(owner): Owner,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    let record = call::find(&app, owner, &id).await?;
    let location = app.links().log(record.id, Some(Timestamp::now().after(LIFETIME)));
    Ok((StatusCode::FOUND, [(header::LOCATION, location)]).into_response())
}

/// What makes a link.
#[derive(Debug, Deserialize)]
pub(super) struct Signed {
    expires: i64,
    signature: String,
}

/// `GET /log/{call}/call.jsonl`: the lines, to whoever has the link.
pub(super) async fn download(
    State(app): State<App>,
    Path(id): Path<String>,
    Query(signed): Query<Signed>,
) -> Result<Response, ApiError> {
    let id = uuid(&id)?;
    if !app.links().allows_log(id, signed.expires, &signed.signature, Timestamp::now()) {
        let message = "the link has expired or was changed";
        return Err(ApiError::with(StatusCode::FORBIDDEN, message));
    }
    let record = app.store().any_call(id).await?.ok_or_else(|| ApiError::not_found("Call"))?;
    let lines: String = entries(&record).iter().map(|entry| format!("{entry}\n")).collect();
    Ok(([(header::CONTENT_TYPE, "application/x-ndjson")], lines).into_response())
}

/// `GET /logs`: of one call with `callId`, else of the newest calls.
pub(super) async fn list(
    State(app): State<App>,
    Owner(owner): Owner,
    Query(query): Query<Vec<(String, String)>>,
) -> Answer {
    let calls = match list::parameter(&query, "callId") {
        Some(id) => vec![call::find(&app, owner, &id).await?],
        None => {
            let filter = CallFilter { page: list::page(&query)?, ..CallFilter::default() };
            app.store().calls(owner, &filter).await?
        }
    };
    let mut results: Vec<_> = calls.iter().flat_map(entries).collect();
    // The newest first, as every list.
    results.sort_by(|a, b| b["time"].as_str().cmp(&a["time"].as_str()));
    let total = results.len();
    let metadata = json!({"itemsPerPage": total, "totalItems": total, "currentPage": 1});
    Ok(Json(json!({"results": results, "metadata": metadata})))
}

/// What is known of a call, in order.
fn entries(record: &CallRecord) -> Vec<Value> {
    let call = &record.call;
    let entry = |time: String, message: String| {
        json!({
            "time": time,
            "type": "Call",
            "orgId": record.organisation,
            "callId": record.id,
            "assistantId": call.assistant_id,
            "phoneNumberId": call.phone_number_id,
            "message": message,
        })
    };
    let mut entries = vec![entry(record.created_at.to_iso(), format!("{} announced", call.kind))];
    if let Some(started) = &call.started_at {
        entries.push(entry(started.clone(), "connected".to_owned()));
    }
    for message in call.messages.iter().flatten() {
        let text = |name: &str| message[name].as_str().unwrap_or_default();
        let time = message["time"].as_f64().map_or_else(
            || record.created_at.to_iso(),
            |millis| Timestamp::from_micros((millis * 1_000.0) as i64).to_iso(),
        );
        let said = match text("role") {
            "tool_calls" => format!("tools called: {}", message["toolCalls"]),
            "tool_call_result" => format!("{} answered: {}", text("name"), text("result")),
            role => format!("{role}: {}", text("message")),
        };
        entries.push(entry(time, said));
    }
    if let Some(ended) = &call.ended_at {
        let reason = call.ended_reason.as_deref().unwrap_or("unknown");
        entries.push(entry(ended.clone(), format!("ended: {reason}")));
    }
    entries
}

#[cfg(test)]
mod tests {
    use serde_json::Map;
    use uuid::Uuid;
    use wire::Call;

    use super::*;

    #[test]
    fn a_call_is_told_line_by_line() {
        let call = Call {
            kind: "inboundPhoneCall".to_owned(),
            started_at: Some("2024-07-27T21:23:27.000Z".to_owned()),
            ended_at: Some("2024-07-27T21:24:09.100Z".to_owned()),
            ended_reason: Some("customer-ended-call".to_owned()),
            messages: Some(vec![
                json!({"role": "bot", "message": "Bonjour.", "time": 1_722_115_408_000.0}),
                json!({"role": "tool_call_result", "name": "stock", "result": "3",
                       "time": 1_722_115_410_000.0}),
            ]),
            ..Call::default()
        };
        let record = CallRecord {
            id: Uuid::nil(),
            organisation: Uuid::nil(),
            created_at: Timestamp::from_micros(1_722_115_406_000_000),
            updated_at: Timestamp::from_micros(1_722_115_406_000_000),
            call,
            assistant: Map::new(),
            phone_number: None,
            subscription: None,
        };
        let entries = entries(&record);
        let told: Vec<_> = entries.iter().filter_map(|entry| entry["message"].as_str()).collect();
        assert_eq!(
            told,
            [
                "inboundPhoneCall announced",
                "connected",
                "bot: Bonjour.",
                "stock answered: 3",
                "ended: customer-ended-call"
            ]
        );
        assert_eq!(entries[2]["time"], "2024-07-27T21:23:28.000Z");
    }
}
