//! `/call`.

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use serde_json::{Value, json};
use uuid::Uuid;
use wire::CallStatus;

use super::auth::{Caller, Owner};
use super::document::Document;
use super::error::ApiError;
use super::list;
use super::resource::Answer;
use crate::app::App;
use crate::config;
use crate::outbound::NotPlaced;
use crate::schedule;
use crate::store::{CallFilter, CallRecord};
use crate::transport::twilio::rest::RestError;

pub(super) async fn list(
    State(app): State<App>,
    Owner(owner): Owner,
    Query(query): Query<Vec<(String, String)>>,
) -> Answer {
    let filter = CallFilter {
        page: list::page(&query)?,
        id: list::parameter(&query, "id"),
        assistant_id: list::parameter(&query, "assistantId"),
        phone_number_id: list::parameter(&query, "phoneNumberId"),
    };
    let calls = app.store().calls(owner, &filter).await?;
    let calls: Result<Vec<_>, _> = calls.iter().map(show_record).collect();
    Ok(Json(calls?.into()))
}

/// `POST /call`, and `/call/phone` as older clients call it: places one call, or one for each of
/// `customers`.
pub(super) async fn place(
    State(app): State<App>,
    Owner(owner): Owner,
    Document(sent): Document,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    let order = config::new_call(&Value::from(sent).to_string())?;
    if let Some(customers) = &order.customers {
        let (mut results, mut errors) = (Vec::new(), Vec::new());
        for customer in customers {
            match app.place(owner, &order, customer).await {
                Ok(record) => results.push(show_record(&record)?),
                Err(error) => errors.push(json!({
                    "customer": {"number": customer.number, "name": customer.name},
                    "error": error.to_string(),
                })),
            }
        }
        let limits = app.limits();
        let all = json!({"results": results, "errors": errors, "subscriptionLimits": limits});
        return Ok((StatusCode::CREATED, Json(all)));
    }
    let placed = if order.transport.is_some() {
        app.await_socket(owner, &order).await
    } else {
        let customer = order.customer.clone().unwrap_or_default();
        app.place(owner, &order, &customer).await
    };
    let record = placed.map_err(|error| match error {
        NotPlaced::Invalid(error) => ApiError::invalid(error.problems().to_vec()),
        NotPlaced::Store(error) => error.into(),
        NotPlaced::Carrier(RestError::Unreachable(_)) => {
            ApiError::with(StatusCode::BAD_GATEWAY, error.to_string())
        }
        other => ApiError::bad_request(other.to_string()),
    })?;
    let mut shown = show_record(&record)?;
    shown["subscriptionLimits"] = app.limits();
    Ok((StatusCode::CREATED, Json(shown)))
}

/// `POST /call/web`: browsers are not served yet. Who may not ask is told so first.
pub(super) async fn not_served_web(
    caller: Caller,
    Document(sent): Document,
) -> Result<(), ApiError> {
    caller.may_start(sent.get("assistantId").and_then(Value::as_str))?;
    Err(config::CallProblem::NotServed("webCall").into())
}

pub(super) async fn show(
    State(app): State<App>,
    Owner(owner): Owner,
    Path(id): Path<String>,
) -> Answer {
    Ok(Json(show_record(&find(&app, owner, &id).await?)?))
}

/// A call's name is all that can be changed.
pub(super) async fn update(
    State(app): State<App>,
    Owner(owner): Owner,
    Path(id): Path<String>,
    Document(sent): Document,
) -> Answer {
    let mut problems: Vec<_> = sent
        .keys()
        .filter(|name| *name != "name")
        .map(|name| format!("property {name} should not exist"))
        .collect();
    let name = match sent.get("name") {
        None | Some(Value::Null) => None,
        Some(Value::String(name)) => {
            if name.chars().count() > 40 {
                problems.push("name must be shorter than or equal to 40 characters".to_owned());
            }
            Some(name.clone())
        }
        Some(_) => {
            problems.push("name must be a string".to_owned());
            None
        }
    };
    if !problems.is_empty() {
        return Err(ApiError::invalid(problems));
    }
    if !sent.contains_key("name") {
        return show(State(app), Owner(owner), Path(id)).await;
    }
    let renamed = app.store().rename_call(owner, uuid(&id)?, name).await?;
    Ok(Json(show_record(&renamed.ok_or_else(|| ApiError::not_found("Call"))?)?))
}

/// Deletes what is left of a call: its row, its messages on their way, its files. It does not hang
/// up, so a call in progress must end first.
pub(super) async fn delete(
    State(app): State<App>,
    Owner(owner): Owner,
    Path(id): Path<String>,
) -> Answer {
    let mut record = find(&app, owner, &id).await?;
    if record.call.status == CallStatus::Scheduled {
        // It is not placed any more, whatever becomes of its row.
        app.end_unconnected(&record, schedule::NOT_PLACED).await?;
        record = find(&app, owner, &id).await?;
    }
    if record.call.status != CallStatus::Ended {
        return Err(ApiError::bad_request("the call is in progress: it can be deleted once over"));
    }
    // The files first: what has no row cannot be asked to be deleted again.
    let folder = app.call_folder(record.id);
    match tokio::fs::remove_dir_all(&folder).await {
        Ok(()) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => {
            tracing::error!(%error, folder = %folder.display(), "a call's files are not deleted");
            let status = StatusCode::SERVICE_UNAVAILABLE;
            return Err(ApiError::with(status, "the call's files cannot be deleted"));
        }
    }
    app.store().delete_call(owner, record.id).await?;
    Ok(Json(show_record(&record)?))
}

pub(super) async fn find(app: &App, owner: Uuid, id: &str) -> Result<CallRecord, ApiError> {
    let found = app.store().call(owner, uuid(id)?).await?;
    found.ok_or_else(|| ApiError::not_found("Call"))
}

fn uuid(id: &str) -> Result<Uuid, ApiError> {
    Uuid::parse_str(id).map_err(|_| ApiError::bad_request("id must be a UUID"))
}

fn show_record(record: &CallRecord) -> Result<Value, ApiError> {
    Ok(record.to_json()?.into())
}
