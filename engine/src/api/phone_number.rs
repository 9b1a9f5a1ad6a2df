//! `/phone-number`.

use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use uuid::Uuid;

use super::TWILIO_INBOUND;
use super::auth::Owner;
use super::document::Document;
use super::error::ApiError;
use super::resource::{Answer, Fields, Kind, Reference, server_credential, without};
use crate::app::App;
use crate::config;
use crate::outbound::own_account;
use crate::store::Collection;
use crate::transport::twilio::rest::RestError;

/// Of a phone number: kept, and never shown or sent.
pub(super) const SECRETS: &[&str] = &["twilioAuthToken", "twilioApiSecret"];

pub(super) const PHONE_NUMBER: Kind = Kind {
    references: |number| {
        let assistant = Reference::of(number, "", "assistantId", Collection::Assistants);
        let squad = Reference::of(number, "", "squadId", Collection::Squads);
        let server = server_credential(number, "");
        assistant.into_iter().chain(squad).chain(server).collect()
    },
    shown,
    before: Some(configure),
    ..Kind::new("/phone-number", Collection::PhoneNumbers, "Phone number", |_, json| {
        config::phone_number_check(json)
    })
};

/// Beside what all resources have: the aliases by which numbers are imported, and the list in pages.
pub(super) fn routes() -> Router<App> {
    Router::new()
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

/// Has Twilio announce the calls of a number here, where it came with what that takes.
fn configure<'a>(
    app: &'a App,
    _owner: Uuid,
    before: Option<&'a Fields>,
    number: &'a Fields,
) -> BoxFuture<'a, Result<(), ApiError>> {
    /// What Twilio is asked by.
    const BY: &[&str] = &[
        "number",
        "provider",
        "twilioAccountSid",
        "twilioApiKey",
        "twilioApiSecret",
        "twilioAuthToken",
    ];
    Box::pin(async move {
        let text = |name: &str| number.get(name).and_then(Value::as_str);
        let is_new = before
            .is_none_or(|before| BY.iter().any(|field| before.get(*field) != number.get(*field)));
        let wanted = app.config().twilio.configure_numbers && text("provider") == Some("twilio");
        let (Some(account), Some(number)) = (own_account(number), text("number")) else {
            return Ok(());
        };
        if !is_new || !wanted {
            return Ok(());
        }
        if app.config().public_url.is_none() {
            return Err(ApiError::bad_request(
                "Twilio cannot be told where to announce the number's calls: set `public_url` to \
                 where it reaches this server, or `twilio.configure_numbers` to false",
            ));
        }
        let url = app.public_url().http(TWILIO_INBOUND);
        let asked = app.twilio_rest().announce_calls(&account, number, &url).await;
        asked.map_err(|error| {
            let status = match &error {
                RestError::Unreachable(_) => StatusCode::BAD_GATEWAY,
                _ => StatusCode::BAD_REQUEST,
            };
            let message = format!("the number's calls cannot be announced here: {error}");
            ApiError::with(status, message)
        })
    })
}

/// Without its secrets, and with what Vapi says of one that can be used.
fn shown(number: Fields) -> Fields {
    let mut shown = without(number, SECRETS);
    shown.insert("status".to_owned(), "active".into());
    shown
}
