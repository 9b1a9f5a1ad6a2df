//! `/phone-number`.

use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};

use super::auth::Owner;
use super::document::Document;
use super::error::ApiError;
use super::resource::{Answer, Fields, Kind, Reference, without};
use crate::app::App;
use crate::config;
use crate::store::Collection;

/// Of a phone number: kept, and never shown or sent.
pub(super) const SECRETS: &[&str] = &["twilioAuthToken", "twilioApiSecret"];

const PHONE_NUMBER: Kind = Kind {
    references: |number| {
        let assistant = Reference::of(number, "", "assistantId", Collection::Assistants);
        let squad = Reference::of(number, "", "squadId", Collection::Squads);
        assistant.into_iter().chain(squad).collect()
    },
    shown,
    ..Kind::new("/phone-number", Collection::PhoneNumbers, "Phone number", |_, json| {
        config::phone_number_check(json)
    })
};

/// What all resources have; the aliases by which numbers are imported; and the list in pages.
pub(super) fn routes() -> Router<App> {
    PHONE_NUMBER
        .routes()
        .route("/phone-number/import", post(import_twilio))
        .route("/phone-number/import/twilio", post(import_twilio))
        .route("/v2/phone-number", get(list_in_pages))
}

/// `POST /phone-number/import` and `/import/twilio`: older forms, in which the number is called
/// `twilioPhoneNumber`.
async fn import_twilio(
    State(app): State<App>,
    Owner(owner): Owner,
    Document(mut document): Document,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    if let Some(number) = document.remove("twilioPhoneNumber") {
        document.insert("number".to_owned(), number);
    }
    document.entry("provider").or_insert_with(|| "twilio".into());
    if let Some(url) = document.remove("serverUrl") {
        document.entry("server").or_insert_with(|| json!({"url": url}));
    }
    PHONE_NUMBER.create(&app, owner, document).await
}

/// `GET /v2/phone-number`.
async fn list_in_pages(
    State(app): State<App>,
    Owner(owner): Owner,
    Query(query): Query<Vec<(String, String)>>,
) -> Answer {
    PHONE_NUMBER.paged(&app, owner, &query).await
}

/// Without its secrets, and with what Vapi says of one that can be used.
fn shown(number: Fields) -> Fields {
    let mut shown = without(number, SECRETS);
    shown.insert("status".to_owned(), "active".into());
    shown
}
