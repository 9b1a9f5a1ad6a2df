//! The sockets of a call: `/call/{id}/transport`, which carries it, and `/call/{id}/listen`, where
//! it is listened to.

use std::time::Duration;

use axum::extract::ws::{Message, Utf8Bytes, WebSocket, WebSocketUpgrade};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::{MissedTickBehavior, interval, timeout};
use uuid::Uuid;

use super::auth;
use super::control::{self, Giver};
use super::error::ApiError;
use crate::app::App;
use crate::monitoring::Monitoring;
use crate::recording::{ListenerEnd, listener};
use crate::session::{CallId, Command};
use crate::store::CallRecord;
use crate::transport::socket::limit_buffers;
use crate::websocket_call::{Answers, Orders};

/// How often a listener is sent what was said.
const STEP: Duration = Duration::from_millis(20);

/// A listener that takes nothing for this long is let go.
const PATIENCE: Duration = Duration::from_secs(5);

/// What opens the socket of a call, once.
#[derive(Debug, Deserialize)]
pub(super) struct Token {
    #[serde(default)]
    token: String,
}

/// `WS /call/{id}/transport?token=...`: the call itself.
pub(super) async fn transport(
    State(app): State<App>,
    Path(id): Path<String>,
    Query(Token { token }): Query<Token>,
    upgrade: WebSocketUpgrade,
) -> Result<Response, ApiError> {
    let record = find(&app, &id).await?;
    let format = App::socket_format(&record)
        .ok_or_else(|| ApiError::bad_request("this call is not carried by a WebSocket"))?;
    let (id, now) = (record.id, std::time::Instant::now());
    app.tokens().redeem(&token, &id.to_string(), now).map_err(|error| {
        tracing::warn!(call = %id, %error, "a socket was refused");
        ApiError::with(StatusCode::FORBIDDEN, error.to_string())
    })?;
    Ok(limit_buffers(upgrade).on_upgrade(move |socket| async move {
        let asked = app.clone();
        let take = move |orders, answers| take_orders(asked, id, orders, answers);
        app.answer_socket(id, format, socket, take).await;
    }))
}

/// Carries out what the client of a call orders, and tells it what was not.
async fn take_orders(app: App, id: Uuid, mut orders: Orders, answers: Answers) {
    while let Some(text) = orders.recv().await {
        let Err(error) = control::carry_out(&app, id, &text, Giver::Client).await else { continue };
        tracing::debug!(call = %id, ?error, "an order of the client was not carried out");
        if let Some(answers) = answers.upgrade() {
            // A client that does not read misses it.
            let _ = answers.try_send(told(&error));
        }
    }
}

fn told(error: &ApiError) -> Utf8Bytes {
    let body = json!({"type": "error", "error": error.body()});
    Utf8Bytes::from(body.to_string())
}

/// `WS /call/{id}/listen`: both voices while the call goes on, as stereo PCM. The first frame is
/// text and says in which format; whoever may give orders may do so here too.
pub(super) async fn listen(
    State(app): State<App>,
    Path(id): Path<String>,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Result<Response, ApiError> {
    let record = find(&app, &id).await?;
    let plan = Monitoring::of(&record.assistant);
    if !plan.listen {
        return Err(ApiError::with(StatusCode::FORBIDDEN, "monitorPlan.listenEnabled is false"));
    }
    if plan.listen_with_key {
        auth::require_key(&app, &headers, record.organisation).await?;
    }
    let may_order = plan.control
        && (!plan.control_with_key
            || auth::require_key(&app, &headers, record.organisation).await.is_ok());
    let (call, end) = listener();
    if !app.registry().order(CallId::from(record.id), Command::Listen(call)).await {
        return Err(ApiError::not_found("Call in progress"));
    }
    let id = record.id;
    Ok(limit_buffers(upgrade).on_upgrade(move |socket| play(app, id, socket, end, may_order)))
}

/// Sends what is said until the call or the listener is gone.
async fn play(app: App, id: Uuid, mut socket: WebSocket, mut end: ListenerEnd, may_order: bool) {
    let mut steps = interval(STEP);
    steps.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut is_told = false;
    loop {
        tokio::select! {
            _ = steps.tick() => {
                // Asked first: what was said before is read below.
                let is_over = end.is_over();
                let mut messages = Vec::new();
                if let Some(rate) = end.rate().filter(|_| !is_told) {
                    is_told = true;
                    messages.push(text(&json!({"type": "start", "encoding": "linear16",
                        "container": "raw", "sampleRate": rate.hz(), "channels": 2})));
                }
                let lost = end.take_lost();
                if lost > 0 {
                    messages.push(text(&json!({"type": "audio-lost", "samples": lost})));
                }
                let mut bytes = Vec::new();
                end.read_into(&mut bytes);
                if !bytes.is_empty() {
                    messages.push(Message::Binary(bytes.into()));
                }
                if is_over {
                    messages.push(Message::Close(None));
                }
                for message in messages {
                    match timeout(PATIENCE, socket.send(message)).await {
                        Ok(Ok(())) => {}
                        Ok(Err(_)) | Err(_) => return,
                    }
                }
                if is_over {
                    return;
                }
            }
            message = socket.recv() => match message {
                Some(Ok(Message::Text(order))) if may_order => {
                    if let Err(error) = control::carry_out(&app, id, &order, Giver::Operator).await {
                        let _ = timeout(PATIENCE, socket.send(Message::Text(told(&error)))).await;
                    }
                }
                Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                Some(Ok(_)) => {}
            },
        }
    }
}

fn text(value: &Value) -> Message {
    Message::Text(Utf8Bytes::from(value.to_string()))
}

async fn find(app: &App, id: &str) -> Result<CallRecord, ApiError> {
    let id = Uuid::parse_str(id).map_err(|_| ApiError::bad_request("id must be a UUID"))?;
    app.store().any_call(id).await?.ok_or_else(|| ApiError::not_found("Call"))
}
