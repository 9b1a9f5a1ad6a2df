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
    /// Why they are not.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

/// The process answers.
pub(super) async fn live() -> &'static str {
    "ok\n"
}

/// 200 while new calls are taken; 503 while draining, full or overloaded, so that a balancer sends
/// the next call elsewhere.
pub(super) async fn ready(State(app): State<App>) -> (StatusCode, Json<Readiness>) {
    let calls = app.registry().running();
    let capacity = app.registry().capacity();
    let refused = app.registry().refusal();
    let status = if refused.is_none() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let reason = refused.map(|refused| refused.to_string());
    (status, Json(Readiness { ready: refused.is_none(), calls, capacity, reason }))
}
