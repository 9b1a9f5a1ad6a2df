//! `/chat`: an exchange in text, whole or as it is written; in the form of OpenAI's Responses under
//! `/chat/responses`; and for a browser, with a public key, under `/chat/web`.

use std::convert::Infallible;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse as _, Response};
use futures_util::stream;
use serde_json::{Map, Value, json};
use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

use super::auth::{Caller, Owner};
use super::document::Document;
use super::error::ApiError;
use super::resource::{Answer, shown, uuid};
use super::{session, sheet};
use crate::app::App;
use crate::chat::{NoChat, Piece, Prepared};
use crate::config;
use crate::store::{Conversations, Resource};

/// What a list can be filtered by.
const FIELDS: &[&str] = &["id", "assistantId", "sessionId", "previousChatId"];

/// Events that wait for a client that reads slowly.
const EVENTS: usize = 64;

impl From<NoChat> for ApiError {
    fn from(error: NoChat) -> Self {
        match error {
            NoChat::Invalid(error) => Self::invalid(error.problems().to_vec()),
            NoChat::Store(error) => error.into(),
            NoChat::Silent(_) => Self::with(StatusCode::BAD_GATEWAY, error.to_string()),
            NoChat::Unknown(_) | NoChat::Unserved(_) => Self::bad_request(error.to_string()),
        }
    }
}

/// `POST /chat`.
pub(super) async fn create(
    State(app): State<App>,
    Owner(owner): Owner,
    Document(sent): Document,
) -> Result<Response, ApiError> {
    let chat = read(&sent)?;
    let is_streamed = chat.stream == Some(true);
    let prepared = app.prepare_chat(owner, chat).await?;
    if is_streamed {
        return Ok(stream_pieces(app, prepared, None));
    }
    whole(&app, prepared).await
}

/// `POST /chat/web`: from a browser, in a session of its own where none is named.
pub(super) async fn web(
    State(app): State<App>,
    caller: Caller,
    Document(sent): Document,
) -> Result<Response, ApiError> {
    let owner = caller.organisation;
    let mut chat = read(&sent)?;
    if chat.assistant.is_some() || chat.assistant_id.is_some() {
        // A conversation that goes on was begun by somebody who might.
        caller.may_start(chat.assistant_id.as_deref())?;
    }
    if chat.session_id.is_none() && chat.previous_chat_id.is_none() {
        let fields = ["assistantId", "assistant", "assistantOverrides"];
        let of_session = sent.into_iter().filter(|(name, _)| fields.contains(&name.as_str()));
        let session = session::new(&app, owner, of_session.collect()).await?;
        chat.session_id = Some(session.id.to_string());
    }
    let is_streamed = chat.stream != Some(false);
    let prepared = app.prepare_chat(owner, chat).await?;
    if is_streamed {
        return Ok(stream_pieces(app, prepared, Some("[DONE]")));
    }
    whole(&app, prepared).await
}

/// `POST /chat/responses`: OpenAI's Responses API. `model` is the assistant's own.
pub(super) async fn responses(
    State(app): State<App>,
    Owner(owner): Owner,
    Document(mut sent): Document,
) -> Result<Response, ApiError> {
    sent.remove("model");
    let chat = read(&sent)?;
    // The schema's default.
    let is_streamed = chat.stream != Some(false);
    let prepared = app.prepare_chat(owner, chat).await?;
    if is_streamed {
        return Ok(stream_response(app, prepared));
    }
    let (pieces, _) = App::pieces();
    let chat = app.chat(prepared, pieces).await?;
    Ok((StatusCode::CREATED, Json(response_of(&chat))).into_response())
}

fn read(sent: &Map<String, Value>) -> Result<wire::NewChat, ApiError> {
    config::new_chat(&Value::from(sent.clone()).to_string()).map_err(ApiError::from)
}

async fn whole(app: &App, prepared: Prepared) -> Result<Response, ApiError> {
    // Nobody reads the pieces.
    let (pieces, _) = App::pieces();
    let chat = app.chat(prepared, pieces).await?;
    Ok((StatusCode::CREATED, Json(show_one(chat))).into_response())
}

/// The answer as Vapi streams it, and `last` where the client waits for that.
fn stream_pieces(app: App, prepared: Prepared, last: Option<&'static str>) -> Response {
    let id = prepared.id;
    let session = prepared.session;
    let shape = move |piece: &Piece| {
        let path = format!("chat.output[{}].content", piece.index);
        let mut shown = json!({"id": id.to_string(), "path": path, "delta": piece.delta});
        if let Some(session) = session {
            shown["sessionId"] = session.to_string().into();
        }
        Event::default().data(shown.to_string())
    };
    answer(app, prepared, move |mut pieces, chat, events| async move {
        while let Some(piece) = pieces.recv().await {
            if events.send(shape(&piece)).await.is_err() {
                return;
            }
        }
        if let Ok(Err(error)) = chat.await {
            let _ = events.send(failed(&error)).await;
        }
        if let Some(last) = last {
            let _ = events.send(Event::default().data(last)).await;
        }
    })
}

/// The answer as OpenAI's Responses stream it.
fn stream_response(app: App, prepared: Prepared) -> Response {
    let item = message_id(prepared.id);
    answer(app, prepared, move |mut pieces, chat, events| async move {
        let event = |kind: &str, body: Value| Event::default().event(kind).data(body.to_string());
        let (mut index, mut text) = (0, String::new());
        while let Some(piece) = pieces.recv().await {
            if piece.index != index {
                (index, text) = (piece.index, String::new());
            }
            text.push_str(&piece.delta);
            let kind = "response.output_text.delta";
            let body = json!({"type": kind, "item_id": item, "output_index": 0,
                "content_index": 0, "delta": piece.delta});
            if events.send(event(kind, body)).await.is_err() {
                return;
            }
        }
        match chat.await {
            Ok(Ok(chat)) => {
                let kind = "response.output_text.done";
                let done = json!({"type": kind, "item_id": item, "output_index": 0,
                    "content_index": 0, "text": text});
                let _ = events.send(event(kind, done)).await;
                let kind = "response.completed";
                let body = json!({"type": kind, "response": response_of(&chat)});
                let _ = events.send(event(kind, body)).await;
            }
            Ok(Err(error)) => {
                let body = json!({"type": "error", "code": "server_error",
                    "message": error.to_string(), "param": null, "sequence_number": 0});
                let _ = events.send(event("error", body)).await;
            }
            // The task stopped early, which its own message has told.
            Err(_) => {}
        }
    })
}

type Outcome = oneshot::Receiver<Result<Resource, NoChat>>;

/// Answers the chat in a task of its own: it is kept although its client leaves. `tell` makes
/// events of it.
fn answer<T>(
    app: App,
    prepared: Prepared,
    tell: impl FnOnce(mpsc::Receiver<Piece>, Outcome, mpsc::Sender<Event>) -> T,
) -> Response
where
    T: Future<Output = ()> + Send + 'static,
{
    let (pieces, to_tell) = App::pieces();
    let (events, to_send) = mpsc::channel(EVENTS);
    let (done, outcome) = oneshot::channel();
    tokio::spawn(async move {
        // A client that has left does not wait for it.
        let _ = done.send(app.chat(prepared, pieces).await);
    });
    tokio::spawn(tell(to_tell, outcome, events));
    let events = stream::unfold(to_send, |mut to_send| async {
        let event = to_send.recv().await?;
        Some((Ok::<_, Infallible>(event), to_send))
    });
    Sse::new(events).into_response()
}

fn failed(error: &NoChat) -> Event {
    let body = json!({"type": "error", "message": error.to_string()});
    Event::default().data(body.to_string())
}

fn show_one(chat: Resource) -> Value {
    let mut shown = shown(chat);
    session::hide_secrets(&mut shown);
    shown.into()
}

/// A chat as OpenAI shows a response.
fn response_of(chat: &Resource) -> Value {
    let output = chat.document.get("output").and_then(Value::as_array);
    let said = output.into_iter().flatten().rfind(|message| message["role"] == "assistant");
    let text = said.map(|message| message["content"].clone()).unwrap_or_default();
    json!({
        "id": chat.id.to_string(),
        "object": "response",
        "created_at": chat.created_at.as_millis() / 1_000,
        "status": "completed",
        "error": null,
        "output": [{
            "id": message_id(chat.id),
            "type": "message",
            "role": "assistant",
            "status": "completed",
            "content": [{"type": "output_text", "text": text, "annotations": []}],
        }],
    })
}

fn message_id(chat: Uuid) -> String {
    format!("msg_{}", chat.simple())
}

pub(super) async fn list(
    State(app): State<App>,
    Owner(owner): Owner,
    Query(query): Query<Vec<(String, String)>>,
) -> Answer {
    let sheet = sheet::sheet(&query, FIELDS)?;
    let of = Conversations::Chats;
    let (found, total) = app.store().conversations(of, owner, &sheet).await?;
    let found = found.into_iter().map(show_one).collect();
    Ok(Json(sheet::show(found, total, &sheet)))
}

pub(super) async fn show(
    State(app): State<App>,
    Owner(owner): Owner,
    Path(id): Path<String>,
) -> Answer {
    let found = app.store().conversation(Conversations::Chats, owner, uuid(&id)?).await?;
    found.map(|chat| Json(show_one(chat))).ok_or_else(|| ApiError::not_found("Chat"))
}

pub(super) async fn delete(
    State(app): State<App>,
    Owner(owner): Owner,
    Path(id): Path<String>,
) -> Answer {
    let deleted = app.store().delete_conversation(Conversations::Chats, owner, uuid(&id)?).await?;
    deleted.map(|chat| Json(show_one(chat))).ok_or_else(|| ApiError::not_found("Chat"))
}
