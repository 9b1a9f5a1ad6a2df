//! The HTTP side: one file per resource.

mod analytics;
mod assistant;
mod auth;
mod call;
mod chat;
mod control;
mod document;
mod error;
mod health;
mod list;
mod phone_number;
mod recording;
mod resource;
mod session;
mod sheet;
mod squad;
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
        .merge(assistant::ASSISTANT.routes())
        .merge(squad::SQUAD.routes())
        .merge(tool::TOOL.routes())
        .merge(phone_number::routes())
        .merge(token::routes())
        .route("/twilio/outbound/{call}", post(twilio::outbound))
        .route("/twilio/status/{call}", post(twilio::status))
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
        .route("/call/{id}/{artifact}", get(recording::redirect))
        .route("/recording/{call}/{file}", get(recording::download))
        .layer(cors())
        .fallback(|| async { ApiError::with(StatusCode::NOT_FOUND, "there is nothing here") })
        .with_state(app)
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
