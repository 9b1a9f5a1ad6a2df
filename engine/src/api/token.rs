//! `/token`: the keys of an organisation, as Vapi's dashboard makes them.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{delete, get};
use axum::{Json, Router};
use serde_json::{Value, json};

use super::auth::Owner;
use super::document::Document;
use super::error::ApiError;
use super::resource::{Answer, uuid};
use crate::app::App;
use crate::config;
use crate::store::{KeyKind, KeyRecord};

pub(super) fn routes() -> Router<App> {
    Router::new().route("/token", get(list).post(create)).route("/token/{id}", delete(remove))
}

async fn list(State(app): State<App>, Owner(owner): Owner) -> Answer {
    let keys = app.store().keys(owner).await?;
    Ok(Json(keys.iter().map(show).collect()))
}

/// A new key. `value` is shown this once.
async fn create(
    State(app): State<App>,
    Owner(owner): Owner,
    Document(sent): Document,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    let token = config::new_token(&Value::from(sent).to_string()).map_err(ApiError::invalid)?;
    let kind = match token.tag.as_deref() {
        Some("public") => KeyKind::Public,
        _ => KeyKind::Private,
    };
    let (record, key) = app.store().new_key(owner, kind, token.name, token.restrictions).await?;
    let mut shown = show(&record);
    shown["value"] = key.expose().into();
    Ok((StatusCode::CREATED, Json(shown)))
}

/// From now on the key opens nothing.
async fn remove(State(app): State<App>, Owner(owner): Owner, Path(id): Path<String>) -> Answer {
    let deleted = app.store().delete_key(owner, uuid(&id)?).await?;
    Ok(Json(show(&deleted.ok_or_else(|| ApiError::not_found("Token"))?)))
}

fn show(record: &KeyRecord) -> Value {
    json!({
        "id": record.id,
        "orgId": record.organisation,
        "createdAt": record.created_at.to_iso(),
        "updatedAt": record.created_at.to_iso(),
        "tag": record.kind.name(),
        "name": record.name,
        "restrictions": record.restrictions,
    })
}
