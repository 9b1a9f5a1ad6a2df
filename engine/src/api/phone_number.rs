//! `/phone-number`.

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::auth::Owner;
use super::document::Document;
use super::error::ApiError;
use super::resource::{Answer, Kind};
use crate::app::App;
use crate::config;
use crate::store::Collection;

/// Of a phone number: kept, and never shown or sent.
pub(super) const SECRETS: &[&str] = &["twilioAuthToken", "twilioApiSecret"];

const PHONE_NUMBER: Kind = Kind {
    collection: Collection::PhoneNumbers,
    name: "Phone number",
    problems: |_, json| config::phone_number_problems(json),
    secret: SECRETS,
    status: Some("active"),
};

pub(super) async fn create(
    State(app): State<App>,
    Owner(owner): Owner,
    Document(document): Document,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    known_assistant(&app, owner, &document).await?;
    PHONE_NUMBER.create(&app, owner, document).await
}

/// `POST /phone-number/import` and `/import/twilio`: older forms, in which the number is called
/// `twilioPhoneNumber`.
pub(super) async fn import_twilio(
    State(app): State<App>,
    Owner(owner): Owner,
    Document(mut document): Document,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    if let Some(number) = document.remove("twilioPhoneNumber") {
        document.insert("number".to_owned(), number);
    }
    document.entry("provider").or_insert_with(|| "twilio".into());
    if let Some(url) = document.remove("serverUrl") {
        document.entry("server").or_insert_with(|| serde_json::json!({"url": url}));
    }
    known_assistant(&app, owner, &document).await?;
    PHONE_NUMBER.create(&app, owner, document).await
}

pub(super) async fn list(
    State(app): State<App>,
    Owner(owner): Owner,
    Query(query): Query<Vec<(String, String)>>,
) -> Answer {
    PHONE_NUMBER.list(&app, owner, &query).await
}

pub(super) async fn show(
    State(app): State<App>,
    Owner(owner): Owner,
    Path(id): Path<String>,
) -> Answer {
    PHONE_NUMBER.show_one(&app, owner, &id).await
}

pub(super) async fn update(
    State(app): State<App>,
    Owner(owner): Owner,
    Path(id): Path<String>,
    Document(sent): Document,
) -> Answer {
    known_assistant(&app, owner, &sent).await?;
    PHONE_NUMBER.update(&app, owner, &id, sent).await
}

pub(super) async fn delete(
    State(app): State<App>,
    Owner(owner): Owner,
    Path(id): Path<String>,
) -> Answer {
    PHONE_NUMBER.delete(&app, owner, &id).await
}

/// A number that rings nobody is found out before the first caller does.
async fn known_assistant(
    app: &App,
    owner: Uuid,
    document: &Map<String, Value>,
) -> Result<(), ApiError> {
    let Some(id) = document.get("assistantId").and_then(Value::as_str) else { return Ok(()) };
    let id = Uuid::parse_str(id)
        .map_err(|_| ApiError::invalid(vec!["assistantId must be a UUID".to_owned()]))?;
    match app.store().resource(Collection::Assistants, owner, id).await? {
        Some(_) => Ok(()),
        None => Err(ApiError::bad_request(format!("assistantId {id} does not exist"))),
    }
}
