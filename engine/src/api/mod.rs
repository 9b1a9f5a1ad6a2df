//! The HTTP side: one file per resource.

mod assistant;
mod auth;
mod call;
mod control;
mod document;
mod error;
mod health;
mod list;
mod phone_number;
mod recording;
mod resource;
mod telemetry;
mod tool;
mod twilio;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::{get, post};

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
        .route("/assistant", get(assistant::list).post(assistant::create))
        .route(
            "/assistant/{id}",
            get(assistant::show).patch(assistant::update).delete(assistant::delete),
        )
        .route("/assistant/{id}/compatibility", get(assistant::compatibility))
        .route("/tool", get(tool::list).post(tool::create))
        .route("/tool/{id}", get(tool::show).patch(tool::update).delete(tool::delete))
        .route("/phone-number", get(phone_number::list).post(phone_number::create))
        .route("/phone-number/import", post(phone_number::import_twilio))
        .route("/phone-number/import/twilio", post(phone_number::import_twilio))
        .route(
            "/phone-number/{id}",
            get(phone_number::show).patch(phone_number::update).delete(phone_number::delete),
        )
        .route("/twilio/outbound/{call}", post(twilio::outbound))
        .route("/twilio/status/{call}", post(twilio::status))
        .route("/call", get(call::list).post(call::place))
        .route("/call/phone", post(call::place))
        .route("/call/web", post(call::not_served_web))
        .route("/call/{id}/control", post(control::order))
        .route("/call/{id}", get(call::show).patch(call::update).delete(call::delete))
        .route("/call/{id}/{artifact}", get(recording::redirect))
        .route("/recording/{call}/{file}", get(recording::download))
        .fallback(|| async { ApiError::with(StatusCode::NOT_FOUND, "there is nothing here") })
        .with_state(app)
}
