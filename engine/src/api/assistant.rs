//! `/assistant`.

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use serde_json::{Value, json};

use super::auth::Owner;
use super::document::Document;
use super::error::ApiError;
use super::resource::{Answer, Kind};
use crate::app::App;
use crate::config;
use crate::store::Collection;

const ASSISTANT: Kind = Kind {
    collection: Collection::Assistants,
    name: "Assistant",
    problems: |app, json| match config::Assistant::from_json(json, app.config()) {
        Ok(_) => Vec::new(),
        Err(error) => error.problems().to_vec(),
    },
    secret: &["serverUrlSecret"],
    status: None,
};

pub(super) async fn create(
    State(app): State<App>,
    Owner(owner): Owner,
    Document(document): Document,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    ASSISTANT.create(&app, owner, document).await
}

pub(super) async fn list(
    State(app): State<App>,
    Owner(owner): Owner,
    Query(query): Query<Vec<(String, String)>>,
) -> Answer {
    ASSISTANT.list(&app, owner, &query).await
}

pub(super) async fn show(
    State(app): State<App>,
    Owner(owner): Owner,
    Path(id): Path<String>,
) -> Answer {
    ASSISTANT.show_one(&app, owner, &id).await
}

pub(super) async fn update(
    State(app): State<App>,
    Owner(owner): Owner,
    Path(id): Path<String>,
    Document(sent): Document,
) -> Answer {
    ASSISTANT.update(&app, owner, &id, sent).await
}

pub(super) async fn delete(
    State(app): State<App>,
    Owner(owner): Owner,
    Path(id): Path<String>,
) -> Answer {
    ASSISTANT.delete(&app, owner, &id).await
}

/// `GET /assistant/{id}/compatibility`: what of it has no effect here, and which of its providers
/// are not here, so that its calls are refused. Not Vapi's.
pub(super) async fn compatibility(
    State(app): State<App>,
    Owner(owner): Owner,
    Path(id): Path<String>,
) -> Answer {
    let found = ASSISTANT.find(&app, owner, &id).await?;
    let text = serde_json::to_string(&found.document)?;
    let (without_effect, unserved) = match config::Assistant::from_json(&text, app.config()) {
        Ok(assistant) => (assistant.without_effect, assistant.unserved),
        // It was sound when it was stored; a later version may be stricter.
        Err(error) => return Err(ApiError::invalid(error.problems().to_vec())),
    };
    let unserved: Vec<_> = unserved.iter().map(|unserved| &unserved.provider).collect();
    Ok(Json(json!({"fieldsWithoutEffect": without_effect, "providersNotServed": unserved})))
}
