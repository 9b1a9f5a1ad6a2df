//! Twilio's two ways in: the webhook that announces a call, and the socket that carries it.

use axum::body::Bytes;
use axum::extract::ws::{WebSocket, WebSocketUpgrade};
use axum::extract::{OriginalUri, State};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};

use super::TWILIO_MEDIA;
use crate::app::{App, SignatureCheck};
use crate::session::{CallClock, CallId, Direction};
use crate::transport::twilio::signature::HEADER;
use crate::transport::twilio::{self, StartInfo, token, twiml};

/// The name of the `<Parameter>` that says who called whom.
const DIRECTION: &str = "causerieDirection";

/// `POST /twilio/inbound`: a call has reached one of our numbers. Answered with TwiML that
/// connects it to our socket, or turns it away where no place is free.
pub(super) async fn inbound(
    State(app): State<App>,
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let params: Vec<(String, String)> = form_urlencoded::parse(&body).into_owned().collect();
    let url = app.public_url().http(path_and_query(&uri));
    if let Some(refusal) = refusal(&app, &headers, &url, &params) {
        return refusal;
    }
    let call_sid = params.iter().find(|(name, _)| name == "CallSid").map(|(_, value)| value);
    let Some(call_sid) = call_sid.filter(|sid| !sid.is_empty()) else {
        return (StatusCode::BAD_REQUEST, "CallSid is missing: this is Twilio's voice webhook\n")
            .into_response();
    };
    if !app.registry().has_room() {
        tracing::warn!(call_sid, "a call was refused: no place is free");
        return xml(twiml::reject_busy());
    }
    let token = app.tokens().issue(call_sid, std::time::Instant::now());
    let direction = params.iter().find(|(name, _)| name == "Direction");
    let direction = Direction::of_twilio(direction.map_or("", |(_, value)| value));
    match twiml::connect_stream(
        &app.public_url().websocket(TWILIO_MEDIA),
        &[(token::PARAMETER, &token), (DIRECTION, direction.as_str())],
    ) {
        Ok(answer) => xml(answer),
        Err(error) => {
            tracing::error!(%error, "the call cannot be connected: check `public_url`");
            (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response()
        }
    }
}

/// `WS /twilio/media`: the call's audio, both ways.
pub(super) async fn media(
    State(app): State<App>,
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Response {
    // The handshake is signed as a webhook without parameters. A proxy may drop the header: the
    // token in `start` decides, and a signature that is there must be right.
    let url = app.public_url().websocket(uri.path());
    if headers.contains_key(HEADER)
        && let Some(refusal) = refusal::<&str, &str>(&app, &headers, &url, &[])
    {
        return refusal;
    }
    twilio::limit_buffers(upgrade).on_upgrade(move |socket| serve(app, socket))
}

async fn serve(app: App, socket: WebSocket) {
    let clock = CallClock::start();
    let now = std::time::Instant::now();
    let verify = |start: &StartInfo| {
        let given = start.custom_parameters.get(token::PARAMETER).map_or("", String::as_str);
        app.tokens().redeem(given, &start.call_sid, now)
    };
    let ticker = app.egress_clock().ticker();
    let accepted = twilio::accept(socket, app.twilio_settings(), ticker, verify).await;
    match accepted {
        Ok((leg, start, ())) => {
            let direction = start.custom_parameters.get(DIRECTION).map_or("", String::as_str);
            let direction = Direction::of_twilio(direction);
            let id = CallId::random();
            app.run_call(id, start.call_sid, direction, clock, Box::new(leg)).await;
        }
        Err(error) => tracing::warn!(%error, "a media socket was closed"),
    }
}

/// The answer to what Twilio did not sign.
fn refusal<N: AsRef<str>, V: AsRef<str>>(
    app: &App,
    headers: &HeaderMap,
    url: &str,
    params: &[(N, V)],
) -> Option<Response> {
    let key = match app.twilio_check() {
        SignatureCheck::Off => return None,
        SignatureCheck::Unconfigured => {
            let message = "`twilio.auth_token` is not set: set it to the account's, or \
                           `twilio.validate_signatures` to false\n";
            return Some((StatusCode::SERVICE_UNAVAILABLE, message).into_response());
        }
        SignatureCheck::Key(key) => key,
    };
    let signature = headers.get(HEADER).and_then(|signature| signature.to_str().ok());
    if signature.is_some_and(|signature| key.verify(url, params, signature)) {
        return None;
    }
    tracing::warn!(
        url,
        "a request that Twilio did not sign was refused: is `public_url` the address Twilio \
         calls, and `twilio.auth_token` its account's?"
    );
    Some((StatusCode::FORBIDDEN, "X-Twilio-Signature does not match\n").into_response())
}

fn xml(document: String) -> Response {
    ([(header::CONTENT_TYPE, twiml::CONTENT_TYPE)], document).into_response()
}

/// The path and query of a request, as they stand in the URL Twilio signed.
fn path_and_query(uri: &Uri) -> &str {
    uri.path_and_query().map_or("/", |both| both.as_str())
}
