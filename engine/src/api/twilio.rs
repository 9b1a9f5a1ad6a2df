//! Twilio's two ways in: the webhook that announces a call, and the socket that carries it.

use axum::body::Bytes;
use axum::extract::ws::{WebSocket, WebSocketUpgrade};
use axum::extract::{OriginalUri, Path, State};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use serde_json::Value;
use uuid::Uuid;
use wire::{Call, CallStatus, Customer, Transport};

use super::TWILIO_MEDIA;
use super::phone_number::SECRETS;
use crate::app::{App, SignatureCheck};
use crate::inbound::{Announcement, Answered};
use crate::session::{CallClock, Direction};
use crate::store::{CallRecord, Resource, StoreError};
use crate::transport::twilio::signature::{AuthToken, HEADER};
use crate::transport::twilio::{self, StartInfo, twiml};
use crate::transport::{socket, token};

/// `POST /twilio/inbound`: a call has reached one of our numbers. Answered with TwiML that
/// connects it to our socket, or turns it away where no place is free.
pub(super) async fn inbound(
    State(app): State<App>,
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let params: Params = form_urlencoded::parse(&body).into_owned().collect();
    let url = app.public_url().http(path_and_query(&uri));
    let param = |wanted| param(&params, wanted);
    let direction = Direction::of_twilio(&param("Direction").unwrap_or_default());
    let (kind, ours, theirs) = match direction {
        Direction::Inbound => ("inboundPhoneCall", param("To"), param("From")),
        Direction::Outbound => ("outboundPhoneCall", param("From"), param("To")),
    };
    let number = match stored_number(&app, ours.as_deref()).await {
        Ok(number) => number,
        Err(error) => return unavailable(&error),
    };
    let own_key = number.as_ref().and_then(auth_token);
    if let Some(refusal) = refusal(&app, own_key.as_ref(), &headers, &url, &params) {
        return refusal;
    }
    let Some(call_sid) = param("CallSid") else {
        return (StatusCode::BAD_REQUEST, "CallSid is missing: this is Twilio's voice webhook\n")
            .into_response();
    };
    if let Err(refused) = app.registry().knock() {
        tracing::warn!(call_sid, %refused, "a call was refused");
        app.metrics().refused(refused);
        return xml(twiml::reject_busy());
    }
    let call = Call {
        kind: kind.to_owned(),
        phone_number_id: number.as_ref().map(|number| number.id.to_string()),
        customer: Some(Customer { number: theirs, ..Customer::default() }),
        phone_call_provider: Some("twilio".to_owned()),
        phone_call_provider_id: Some(call_sid.clone()),
        phone_call_transport: Some("pstn".to_owned()),
        transport: Some(Transport {
            provider: "twilio".to_owned(),
            conversation_type: "voice".to_owned(),
            call_sid: Some(call_sid.clone()),
            account_sid: param("AccountSid"),
            ..Transport::default()
        }),
        ..Call::default()
    };
    let announcement = Announcement { call, number: number.map(shown) };
    match app.announce(announcement).await {
        Ok(Answered::Taken) => {}
        Ok(Answered::Refused) => return xml(twiml::reject()),
        Ok(Answered::Told(answer)) => return xml(answer),
        Err(error) => return unavailable(&error),
    }
    connect(&app, &call_sid)
}

/// `POST /twilio/outbound/{call}`: a call of ours was answered. Answered with TwiML that connects it
/// to our socket.
pub(super) async fn outbound(
    State(app): State<App>,
    Path(call): Path<String>,
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let (record, params) = match verified(&app, &call, &uri, &headers, &body).await {
        Ok(verified) => verified,
        Err(refusal) => return *refusal,
    };
    let Some(call_sid) = param(&params, "CallSid") else {
        return (StatusCode::BAD_REQUEST, "CallSid is missing\n").into_response();
    };
    if record.call.status == CallStatus::Ended {
        tracing::info!(call_sid, "an answered call is hung up: it was ended meanwhile");
        return xml(twiml::hang_up());
    }
    if let Err(refused) = app.registry().knock() {
        tracing::warn!(call_sid, %refused, "an answered call is hung up");
        app.metrics().refused(refused);
        return xml(twiml::hang_up());
    }
    // The answer may overtake Twilio's answer to the request that placed the call.
    if let Err(error) = app.store().carried(record.id, &call_sid).await {
        return unavailable(&error);
    }
    connect(&app, &call_sid)
}

/// `POST /twilio/status/{call}`: what becomes of a call of ours.
pub(super) async fn status(
    State(app): State<App>,
    Path(call): Path<String>,
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let (record, params) = match verified(&app, &call, &uri, &headers, &body).await {
        Ok(verified) => verified,
        Err(refusal) => return *refusal,
    };
    let status = param(&params, "CallStatus").unwrap_or_default();
    match app.on_carrier_status(&record, &status).await {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(error) => unavailable(&error),
    }
}

pub(super) type Params = Vec<(String, String)>;

pub(super) fn param(params: &Params, wanted: &str) -> Option<String> {
    let found = params.iter().find(|(name, _)| name == wanted);
    found.map(|(_, value)| value.clone()).filter(|value| !value.is_empty())
}

/// The call that a request about one of ours names, once it is known that Twilio sent it.
pub(super) async fn verified(
    app: &App,
    call: &str,
    uri: &Uri,
    headers: &HeaderMap,
    body: &Bytes,
) -> Result<(CallRecord, Params), Box<Response>> {
    let unknown = || Box::new((StatusCode::NOT_FOUND, "there is no such call\n").into_response());
    let failed = |error: StoreError| Box::new(unavailable(&error));
    let id = Uuid::parse_str(call).map_err(|_| unknown())?;
    let record = app.store().any_call(id).await.map_err(failed)?.ok_or_else(unknown)?;
    let number = app.number_of(&record).await.map_err(failed)?;
    let own_key = number.as_ref().and_then(auth_token);
    let params: Params = form_urlencoded::parse(body).into_owned().collect();
    let url = app.public_url().http(path_and_query(uri));
    match refusal(app, own_key.as_ref(), headers, &url, &params) {
        Some(refusal) => Err(Box::new(refusal)),
        None => Ok((record, params)),
    }
}

/// Connects the call to our socket.
fn connect(app: &App, call_sid: &str) -> Response {
    let token = app.tokens().issue(call_sid, std::time::Instant::now());
    match twiml::connect_stream(
        &app.public_url().websocket(TWILIO_MEDIA),
        &[(token::PARAMETER, &token)],
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
        && let Some(refusal) = refusal::<&str, &str>(&app, None, &headers, &url, &[])
        && !signed_by_some_number(&app, &headers, &url).await
    {
        return refusal;
    }
    socket::limit_buffers(upgrade).on_upgrade(move |socket| serve(app, socket))
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
        Ok((leg, start, ())) => match app.operators().claim(&start.call_sid) {
            Some(operator) => {
                app.brief(operator, start.call_sid, clock, Box::new(leg)).await;
            }
            None => app.answer(start.call_sid, clock, Box::new(leg), None).await,
        },
        Err(error) => tracing::warn!(%error, "a media socket was closed"),
    }
}

async fn stored_number(app: &App, ours: Option<&str>) -> Result<Option<Resource>, StoreError> {
    match ours {
        Some(number) => app.store().phone_number(number).await,
        None => Ok(None),
    }
}

/// What the account of a number that was imported with its token signs with.
fn auth_token(number: &Resource) -> Option<AuthToken> {
    number.document.get("twilioAuthToken").and_then(Value::as_str).map(AuthToken::new)
}

/// The handshake does not say which number was called, so any account's signature will do: the
/// token in `start` decides.
async fn signed_by_some_number(app: &App, headers: &HeaderMap, url: &str) -> bool {
    let Some(signature) = headers.get(HEADER).and_then(|signature| signature.to_str().ok()) else {
        return false;
    };
    let numbers = match app.store().all_phone_numbers().await {
        Ok(numbers) => numbers,
        Err(error) => {
            tracing::error!(%error, "the numbers cannot be read");
            return false;
        }
    };
    let verify = |key: AuthToken| key.verify::<&str, &str>(url, &[], signature);
    numbers.iter().filter_map(auth_token).any(verify)
}

/// A number as it may be shown.
fn shown(number: Resource) -> Resource {
    let mut number = number;
    for secret in SECRETS {
        number.document.remove(*secret);
    }
    number
}

fn unavailable(error: &StoreError) -> Response {
    tracing::error!(%error, "a call cannot be taken");
    (StatusCode::SERVICE_UNAVAILABLE, "the call cannot be taken\n").into_response()
}

/// The answer to what Twilio did not sign. `own_key`: of the number's account, where it has its
/// own.
fn refusal<N: AsRef<str>, V: AsRef<str>>(
    app: &App,
    own_key: Option<&AuthToken>,
    headers: &HeaderMap,
    url: &str,
    params: &[(N, V)],
) -> Option<Response> {
    let key = match (app.twilio_check(), own_key) {
        (SignatureCheck::Off, _) => return None,
        (_, Some(key)) | (SignatureCheck::Key(key), None) => key,
        (SignatureCheck::Unconfigured, None) => {
            let message = "`twilio.auth_token` is not set: set it to the account's, or \
                           `twilio.validate_signatures` to false\n";
            return Some((StatusCode::SERVICE_UNAVAILABLE, message).into_response());
        }
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

pub(super) fn xml(document: String) -> Response {
    ([(header::CONTENT_TYPE, twiml::CONTENT_TYPE)], document).into_response()
}

/// The path and query of a request, as they stand in the URL Twilio signed.
fn path_and_query(uri: &Uri) -> &str {
    uri.path_and_query().map_or("/", |both| both.as_str())
}
