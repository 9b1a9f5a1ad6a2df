//! `/tool`.

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use serde_json::Value;

use super::auth::Owner;
use super::document::Document;
use super::error::ApiError;
use super::resource::{Answer, Kind};
use crate::app::App;
use crate::config;
use crate::store::Collection;

const TOOL: Kind = Kind {
    collection: Collection::Tools,
    name: "Tool",
    problems: |_, json| config::tool_problems(json),
    secret: &[],
    status: None,
};

pub(super) async fn create(
    State(app): State<App>,
    Owner(owner): Owner,
    Document(document): Document,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    TOOL.create(&app, owner, document).await
}

pub(super) async fn list(
    State(app): State<App>,
    Owner(owner): Owner,
    Query(query): Query<Vec<(String, String)>>,
) -> Answer {
    TOOL.list(&app, owner, &query).await
}

pub(super) async fn show(
    State(app): State<App>,
    Owner(owner): Owner,
    Path(id): Path<String>,
) -> Answer {
    TOOL.show_one(&app, owner, &id).await
}

pub(super) async fn update(
    State(app): State<App>,
    Owner(owner): Owner,
    Path(id): Path<String>,
    Document(sent): Document,
) -> Answer {
    TOOL.update(&app, owner, &id, sent).await
}

pub(super) async fn delete(
    State(app): State<App>,
    Owner(owner): Owner,
    Path(id): Path<String>,
) -> Answer {
    TOOL.delete(&app, owner, &id).await
}
