//! The HTTP side: one file per resource.

mod health;
mod twilio;

use axum::Router;
use axum::routing::{get, post};

use crate::app::App;

/// Where Twilio opens its media stream.
pub(crate) const TWILIO_MEDIA: &str = "/twilio/media";

/// Where Twilio announces a call.
pub(crate) const TWILIO_INBOUND: &str = "/twilio/inbound";

/// All routes.
pub fn router(app: App) -> Router {
    Router::new()
        .route("/healthz", get(health::live))
        .route("/readyz", get(health::ready))
        .route(TWILIO_INBOUND, post(twilio::inbound))
        .route(TWILIO_MEDIA, get(twilio::media))
        .with_state(app)
}
