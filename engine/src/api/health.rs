//! `/healthz` and `/readyz`: for load balancers and process managers.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;

use crate::app::App;

/// What `/readyz` says.
#[derive(Debug, Serialize)]
pub(super) struct Readiness {
    /// New calls are taken.
    ready: bool,
    /// Calls in progress.
    calls: u32,
    /// The most calls taken at once.
    capacity: u32,
}

/// The process answers.
pub(super) async fn live() -> &'static str {
    "ok\n"
}

/// 200 while new calls are taken; 503 while draining or full, so that a balancer sends the next
/// call elsewhere.
pub(super) async fn ready(State(app): State<App>) -> (StatusCode, Json<Readiness>) {
    let calls = app.registry().running();
    let capacity = app.registry().capacity();
    let ready = app.registry().is_open() && calls < capacity;
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(Readiness { ready, calls, capacity }))
}
