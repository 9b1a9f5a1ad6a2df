//! Twilio's webhooks about calls to operators: what is to be done with whoever answers, and what
//! becomes of the call.

use axum::body::Bytes;
use axum::extract::{OriginalUri, Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use uuid::Uuid;

use super::TWILIO_MEDIA;
use super::twilio::{param, verified, xml};
use crate::app::App;
use crate::operator::Treatment;
use crate::transport::token;
use crate::transport::twilio::twiml;

/// `POST /twilio/operator/{call}/{operator}`: they have answered.
pub(super) async fn answered(
    State(app): State<App>,
    Path((call, operator)): Path<(String, String)>,
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let params = match verified(&app, &call, &uri, &headers, &body).await {
        Ok((_, params)) => params,
        Err(refusal) => return *refusal,
    };
    let (Ok(id), Some(call_sid)) = (Uuid::parse_str(&operator), param(&params, "CallSid")) else {
        return (StatusCode::BAD_REQUEST, "CallSid is missing, or there is no such operator\n")
            .into_response();
    };
    let next = app.public_url().http(&format!("/twilio/operator/{call}/{operator}/next"));
    let twiml = match app.operators().answered(id, &call_sid).await {
        Some(Treatment::Brief(_)) => {
            let token = app.tokens().issue(&call_sid, std::time::Instant::now());
            let url = app.public_url().websocket(TWILIO_MEDIA);
            twiml::connect_stream_then(&url, &[(token::PARAMETER, &token)], &next)
        }
        Some(Treatment::Follow(verbs)) => twiml::follow_then(&verbs, &next),
        // The caller is gone.
        None => Ok(twiml::hang_up()),
    };
    twiml.map_or_else(
        |error| {
            tracing::error!(call, %error, "an operator cannot be told anything");
            xml(twiml::hang_up())
        },
        xml,
    )
}

/// `POST /twilio/operator/{call}/{operator}/next`: they have heard what there was to hear.
pub(super) async fn next(
    State(app): State<App>,
    Path((call, operator)): Path<(String, String)>,
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    if let Err(refusal) = verified(&app, &call, &uri, &headers, &body).await {
        return *refusal;
    }
    let joins = match Uuid::parse_str(&operator) {
        Ok(id) => app.operators().joins(id).await,
        Err(_) => None,
    };
    let joined = joins.map(|chime| twiml::conference(&operator, chime.as_deref()));
    match joined {
        Some(Ok(twiml)) => xml(twiml),
        Some(Err(_)) | None => xml(twiml::hang_up()),
    }
}

/// `POST /twilio/operator/{call}/{operator}/status`: what becomes of their call.
pub(super) async fn status(
    State(app): State<App>,
    Path((call, operator)): Path<(String, String)>,
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let params = match verified(&app, &call, &uri, &headers, &body).await {
        Ok((_, params)) => params,
        Err(refusal) => return *refusal,
    };
    if let (Ok(id), Some(status)) = (Uuid::parse_str(&operator), param(&params, "CallStatus")) {
        app.operators().tell(id, &status);
    }
    StatusCode::NO_CONTENT.into_response()
}
