//! The HTTP side: one file per resource.

mod analytics;
mod assistant;
mod auth;
mod call;
mod chat;
mod control;
mod credential;
mod document;
mod error;
mod file;
mod health;
mod knowledge_base;
mod list;
mod log;
mod openapi;
mod operator;
mod phone_number;
mod recording;
mod resource;
mod session;
mod sheet;
mod squad;
mod structured_output;
mod telemetry;
mod token;
mod tool;
mod twilio;
mod websocket;

use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::{get, post};
use tower_http::cors::{AllowHeaders, AllowMethods, AllowOrigin, CorsLayer};

use crate::app::App;
use error::ApiError;

/// Where Twilio opens its media stream.
pub(crate) const TWILIO_MEDIA: &str = "/twilio/media";

/// Where Twilio announces a call.
pub(crate) const TWILIO_INBOUND: &str = "/twilio/inbound";

/// All routes.
pub fn router(app: App) -> Router {
    Router::new()
        .route("/healthz", get(health::live))
        .route("/readyz", get(health::ready))
        .route("/metrics", get(telemetry::metrics))
        .route("/live", get(telemetry::live))
        .route(TWILIO_INBOUND, post(twilio::inbound))
        .route(TWILIO_MEDIA, get(twilio::media))
        .merge(resources())
        .merge(file::routes())
        .merge(phone_number::routes())
        .merge(token::routes())
        .route("/openapi.json", get(openapi::show))
        .route("/docs", get(openapi::pages))
        .route("/twilio/outbound/{call}", post(twilio::outbound))
        .route("/twilio/status/{call}", post(twilio::status))
        .route("/twilio/operator/{call}/{operator}", post(operator::answered))
        .route("/twilio/operator/{call}/{operator}/next", post(operator::next))
        .route("/twilio/operator/{call}/{operator}/status", post(operator::status))
        .route("/analytics", post(analytics::answer))
        .route("/session", get(session::list).post(session::create))
        .route("/session/{id}", get(session::show).patch(session::update).delete(session::delete))
        .route("/chat", get(chat::list).post(chat::create))
        .route("/chat/responses", post(chat::responses))
        .route("/chat/web", post(chat::web))
        .route("/chat/{id}", get(chat::show).delete(chat::delete))
        .route("/call", get(call::list).post(call::place))
        .route("/call/phone", post(call::place))
        .route("/call/web", post(call::not_served_web))
        .route("/call/{id}/control", post(control::order))
        .route("/call/{id}/listen", get(websocket::listen))
        .route("/call/{id}/transport", get(websocket::transport))
        .route("/call/{id}", get(call::show).patch(call::update).delete(call::delete))
        .route("/call/{id}/call-logs", get(log::redirect))
        .route("/call/{id}/{artifact}", get(recording::redirect))
        .route("/log/{call}/call.jsonl", get(log::download))
        .route("/logs", get(log::list))
        .route("/recording/{call}/{file}", get(recording::download))
        .layer(cors())
        .fallback(|| async { ApiError::with(StatusCode::NOT_FOUND, "there is nothing here") })
        .with_state(app)
}

/// Every kind of stored resource: what is described is what is served.
fn resources() -> Router<App> {
    let kinds = openapi::RESOURCES.iter();
    kinds.fold(Router::new(), |router, (kind, ..)| router.merge(kind.routes()))
}

/// Any page may ask: what it may do is said by its key, which no browser sends by itself.
fn cors() -> CorsLayer {
    CorsLayer::new()
        .allow_origin(AllowOrigin::any())
        .allow_methods(AllowMethods::mirror_request())
        // `*` would not cover Authorization (the Fetch standard, "CORS-preflight fetch").
        .allow_headers(AllowHeaders::mirror_request())
        .max_age(Duration::from_secs(3_600))
}
