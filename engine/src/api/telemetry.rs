//! `GET /metrics` and `GET /live`: the engine as a whole. For its operator only, which is the
//! organisation that the configured private key belongs to.

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::auth::Owner;
use super::error::ApiError;
use crate::app::App;
use crate::telemetry::live::Live;
use crate::telemetry::metrics;

/// For Prometheus, whose `authorization` setting holds the key.
pub(super) async fn metrics(State(app): State<App>, owner: Owner) -> Result<Response, ApiError> {
    operator(&app, owner)?;
    let page = app.metrics().text().map_err(|error| {
        tracing::error!(%error, "the metrics cannot be written");
        ApiError::with(StatusCode::INTERNAL_SERVER_ERROR, "Internal server error")
    })?;
    Ok(([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], page).into_response())
}

/// For `causerie top`.
pub(super) async fn live(State(app): State<App>, owner: Owner) -> Result<Json<Live>, ApiError> {
    operator(&app, owner)?;
    Ok(Json(app.live()))
}

fn operator(app: &App, Owner(organisation): Owner) -> Result<(), ApiError> {
    if organisation == app.organisation() {
        return Ok(());
    }
    let problem = "this is about all organisations: ask with the private key of the configuration";
    Err(ApiError::with(StatusCode::FORBIDDEN, problem))
}
