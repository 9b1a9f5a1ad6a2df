//! `/session`: conversations in text that go on.

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::auth::Owner;
use super::document::{Document, patched};
use super::error::ApiError;
use super::resource::{Answer, uuid};
use super::sheet;
use crate::app::App;
use crate::chat::session_status;
use crate::config;
use crate::store::{Conversations, Resource, Timestamp};
use crate::webhook;

/// What of a session can be changed.
const CHANGEABLE: &[&str] = &["expirationSeconds", "messages", "name", "status"];

/// What a list can be filtered by.
const FIELDS: &[&str] = &["id", "name", "assistantId", "phoneNumberId"];

pub(super) async fn create(
    State(app): State<App>,
    Owner(owner): Owner,
    Document(sent): Document,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    let session = new(&app, owner, sent).await?;
    Ok((StatusCode::CREATED, Json(show_one(session))))
}

/// Makes a session of what was sent.
pub(super) async fn new(
    app: &App,
    owner: Uuid,
    sent: Map<String, Value>,
) -> Result<Resource, ApiError> {
    let session = check(&sent)?;
    if let Some(id) = &session.assistant_id
        && app.stored_assistant(owner, id).await?.is_none()
    {
        return Err(ApiError::bad_request(format!("assistantId {id} does not exist")));
    }
    if let Some(assistant) = &session.assistant {
        app.describe_document(assistant)
            .map_err(|error| ApiError::invalid(error.problems().to_vec()))?;
    }
    let mut document = sent;
    document.entry("messages").or_insert_with(|| Value::Array(Vec::new()));
    let lasts = document.entry("expirationSeconds");
    lasts.or_insert_with(|| config::SESSION_SECONDS.into());
    let resource = Resource::new(owner, document);
    app.store().insert_conversation(Conversations::Sessions, &resource).await?;
    Ok(resource)
}

fn check(sent: &Map<String, Value>) -> Result<wire::NewSession, ApiError> {
    config::new_session(&Value::from(sent.clone()).to_string()).map_err(ApiError::from)
}

pub(super) async fn list(
    State(app): State<App>,
    Owner(owner): Owner,
    Query(query): Query<Vec<(String, String)>>,
) -> Answer {
    let sheet = sheet::sheet(&query, FIELDS)?;
    let of = Conversations::Sessions;
    let (found, total) = app.store().conversations(of, owner, &sheet).await?;
    Ok(Json(sheet::show(found.into_iter().map(show_one).collect(), total, &sheet)))
}

pub(super) async fn show(
    State(app): State<App>,
    Owner(owner): Owner,
    Path(id): Path<String>,
) -> Answer {
    let found = app.store().conversation(Conversations::Sessions, owner, uuid(&id)?).await?;
    found.map(|session| Json(show_one(session))).ok_or_else(not_found)
}

pub(super) async fn update(
    State(app): State<App>,
    Owner(owner): Owner,
    Path(id): Path<String>,
    Document(sent): Document,
) -> Answer {
    let fixed = sent.keys().filter(|name| !CHANGEABLE.contains(&name.as_str()));
    let mut problems: Vec<String> =
        fixed.map(|name| format!("property {name} should not exist")).collect();
    let changeable: Map<_, _> = sent
        .iter()
        .filter(|(name, _)| CHANGEABLE.contains(&name.as_str()))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    if !problems.is_empty() {
        if let Err(error) = check(&changeable) {
            problems.extend(error.messages());
        }
        return Err(ApiError::invalid(problems));
    }
    check(&changeable)?;
    let change = |document: &mut Map<String, Value>| *document = patched(document, changeable);
    let of = Conversations::Sessions;
    let changed = app.store().change_conversation(of, owner, uuid(&id)?, change).await?;
    changed.map(|session| Json(show_one(session))).ok_or_else(not_found)
}

pub(super) async fn delete(
    State(app): State<App>,
    Owner(owner): Owner,
    Path(id): Path<String>,
) -> Answer {
    let of = Conversations::Sessions;
    let deleted = app.store().delete_conversation(of, owner, uuid(&id)?).await?;
    deleted.map(|session| Json(show_one(session))).ok_or_else(not_found)
}

fn show_one(session: Resource) -> Value {
    let status = session_status(&session, Timestamp::now());
    let mut shown = super::resource::shown(session);
    shown.insert("status".to_owned(), status.into());
    hide_secrets(&mut shown);
    shown.into()
}

/// An assistant that was written out may hold secrets.
pub(super) fn hide_secrets(shown: &mut Map<String, Value>) {
    if let Some(Value::Object(assistant)) = shown.get("assistant") {
        let assistant = webhook::without_secrets(assistant);
        shown.insert("assistant".to_owned(), assistant.into());
    }
}

fn not_found() -> ApiError {
    ApiError::not_found("Session")
}
