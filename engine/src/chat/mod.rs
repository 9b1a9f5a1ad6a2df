//! Conversations in text: the assistant of the telephone, asked in writing. Its model, its
//! instructions with their variables, and its tools are those of a call.

mod exchange;
mod message;

use std::sync::Arc;

use serde_json::{Map, Value, json};
use tokio::sync::mpsc;
use turntaking::input::Stage;
use uuid::Uuid;
use wire::{ChatInput, NewChat};

use crate::app::App;
use crate::config;
use crate::llm::{ChatMessage, ChatRequest};
use crate::overrides;
use crate::store::{Conversations, Resource, StoreError, Timestamp};
use crate::tools::Toolset;
use crate::webhook;
use crate::workshop::NotReady;

pub(crate) use exchange::{Exchange, Piece, Silent};
pub(crate) use message::{read, write};

/// Pieces of an answer that wait for who reads them.
const PIECES: usize = 64;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoChat {
    /// Somebody or something that does not exist is named.
    #[error("{0}")]
    Unknown(String),
    /// The assistant cannot be used.
    #[error("{0}")]
    Invalid(config::AssistantError),
    /// Its model cannot be served here.
    #[error(transparent)]
    Unserved(#[from] NotReady),
    /// Its model gives no answer.
    #[error(transparent)]
    Silent(#[from] Silent),
    /// The database fails.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A chat that is ready to be answered.
#[derive(Debug)]
pub(crate) struct Prepared {
    /// Its id.
    pub(crate) id: Uuid,
    /// The session that it goes on.
    pub(crate) session: Option<Uuid>,
    owner: Uuid,
    document: Map<String, Value>,
    /// What the customer writes.
    input: Vec<ChatMessage>,
    exchange: Exchange,
}

impl App {
    /// Finds who answers, and what was said before.
    ///
    /// # Errors
    ///
    /// Why nobody answers.
    pub(crate) async fn prepare_chat(
        &self,
        owner: Uuid,
        chat: NewChat,
    ) -> Result<Prepared, NoChat> {
        let id = Uuid::new_v4();
        let mut document = Map::new();
        let mut put = |name: &str, value: Option<Value>| {
            if let Some(value) = value {
                document.insert(name.to_owned(), value);
            }
        };
        let session = match &chat.session_id {
            Some(id) => Some(self.open_session(owner, id).await?),
            None => None,
        };
        let previous = match &chat.previous_chat_id {
            Some(id) => Some(self.known(Conversations::Chats, owner, "previousChatId", id).await?),
            None => None,
        };
        let behind = session.as_ref().or(previous.as_ref());
        let field = |name| behind.and_then(|resource| resource.document.get(name).cloned());
        let text = |value: Option<Value>| value.and_then(|v| v.as_str().map(str::to_owned));
        // Who answered before answers on, unless somebody else is named.
        let (assistant_id, transient) = match (chat.assistant_id, chat.assistant) {
            (None, None) => match field("assistant") {
                Some(Value::Object(assistant)) => (text(field("assistantId")), Some(assistant)),
                _ => (text(field("assistantId")), None),
            },
            named => named,
        };
        let before = match field("assistantOverrides") {
            Some(Value::Object(before)) => Some(before),
            _ => None,
        };
        let changes = overrides::combined(before.as_ref(), chat.assistant_overrides.as_ref());
        let mut assistant = match (&transient, &assistant_id) {
            (Some(transient), _) => {
                let mut assistant = transient.clone();
                self.with_stored_tools(owner, &mut assistant).await?;
                assistant
            }
            (None, Some(id)) => self
                .stored_assistant(owner, id)
                .await?
                .ok_or_else(|| NoChat::Unknown(format!("assistantId {id} does not exist")))?,
            (None, None) => {
                let problem = "assistant or assistantId should not be empty";
                return Err(NoChat::Unknown(problem.to_owned()));
            }
        };
        if let Some(changes) = &changes {
            overrides::merge(&mut assistant, changes);
        }
        let context = match (&session, &previous) {
            (Some(session), _) => rows(&session.document, "messages"),
            (None, Some(previous)) => {
                let mut all = rows(&previous.document, "messages");
                all.extend(rows(&previous.document, "input"));
                all.extend(rows(&previous.document, "output"));
                all
            }
            (None, None) => Vec::new(),
        };
        let input = match chat.input {
            Some(ChatInput::Text(content)) => vec![ChatMessage::User { content }],
            Some(ChatInput::Messages(messages)) => messages.iter().filter_map(read).collect(),
            None => Vec::new(),
        };
        let rows = |messages: &[ChatMessage]| Value::from_iter(messages.iter().map(write));
        put("name", chat.name.map(Value::from));
        put("assistantId", assistant_id.map(Value::from));
        put("assistant", transient.clone().map(Value::from));
        put("assistantOverrides", changes.clone().map(Value::from));
        put("sessionId", session.as_ref().map(|session| session.id.to_string().into()));
        put("previousChatId", chat.previous_chat_id.map(Value::from));
        put("messages", Some(rows(&context)));
        put("input", Some(rows(&input)));

        let about = about(&session, id, &document, &assistant);
        let variables = overrides::variables(&about, changes.as_ref());
        let personal = overrides::personal(&assistant, &variables);
        let described = self.describe_document(&personal).map_err(NoChat::Invalid)?;
        let exchange = self.exchange(owner, &described, about, variables, context, &input).await?;
        let session = session.map(|session| session.id);
        Ok(Prepared { id, session, owner, document, input, exchange })
    }

    async fn exchange(
        &self,
        owner: Uuid,
        described: &config::Assistant,
        about: Map<String, Value>,
        variables: Map<String, Value>,
        context: Vec<ChatMessage>,
        input: &[ChatMessage],
    ) -> Result<Exchange, NoChat> {
        if let Some(unserved) = described.unserved.iter().find(|u| u.stage == Stage::Model) {
            return Err(NotReady::unserved(unserved).into());
        }
        let model = self.model_of(described).await?;
        let mut messages = described.messages.clone();
        messages.extend(context);
        messages.extend_from_slice(input);
        let request = ChatRequest {
            messages,
            tools: described.tools.iter().map(|tool| tool.definition.clone()).collect(),
            temperature: described.temperature,
            max_tokens: Some(described.max_tokens),
        };
        let tools = Toolset {
            courier: Some(self.courier(owner)),
            server: described.server.as_ref().and_then(config::Server::of),
            about: Arc::new(about),
            variables: Arc::new(variables),
            language: described.language.clone(),
            ..Toolset::alone(
                described.tools.iter().cloned().map(Arc::new).collect(),
                self.client().clone(),
            )
        };
        Ok(Exchange::new(model, request, tools))
    }

    /// A session that may be gone on.
    async fn open_session(&self, owner: Uuid, id: &str) -> Result<Resource, NoChat> {
        let session = self.known(Conversations::Sessions, owner, "sessionId", id).await?;
        match session_status(&session, Timestamp::now()) {
            "completed" => {
                Err(NoChat::Unknown(format!("sessionId {id} has expired or is completed")))
            }
            _ => Ok(session),
        }
    }

    async fn known(
        &self,
        of: Conversations,
        owner: Uuid,
        field: &str,
        id: &str,
    ) -> Result<Resource, NoChat> {
        let unknown = || NoChat::Unknown(format!("{field} {id} does not exist"));
        let uuid = Uuid::parse_str(id).map_err(|_| unknown())?;
        self.store().conversation(of, owner, uuid).await?.ok_or_else(unknown)
    }

    /// Answers a chat, and keeps it. Pieces of the answer go to `pieces` as they are written;
    /// nobody need read them.
    ///
    /// # Errors
    ///
    /// Why there is no answer; nothing is kept then.
    pub(crate) async fn chat(
        &self,
        prepared: Prepared,
        pieces: mpsc::Sender<Piece>,
    ) -> Result<Resource, NoChat> {
        let Prepared { id, session, owner, mut document, input, exchange } = prepared;
        let output = exchange.run(&pieces).await?;
        document.insert("output".to_owned(), output.iter().map(write).collect());
        let now = Timestamp::now();
        let chat = Resource { id, organisation: owner, created_at: now, updated_at: now, document };
        self.store().insert_conversation(Conversations::Chats, &chat).await?;
        if let Some(session) = session {
            let said: Vec<Value> = input.iter().chain(&output).map(write).collect();
            let append = |document: &mut Map<String, Value>| {
                let messages = document.entry("messages").or_insert_with(|| json!([]));
                if let Some(messages) = messages.as_array_mut() {
                    messages.extend(said);
                }
            };
            let of = Conversations::Sessions;
            self.store().change_conversation(of, owner, session, append).await?;
        }
        Ok(chat)
    }

    /// Where the pieces of an answer go.
    pub(crate) fn pieces() -> (mpsc::Sender<Piece>, mpsc::Receiver<Piece>) {
        mpsc::channel(PIECES)
    }
}

/// `completed`: it was, or its time is over.
pub(crate) fn session_status(session: &Resource, now: Timestamp) -> &'static str {
    let seconds = session.document.get("expirationSeconds").and_then(Value::as_f64);
    let seconds = seconds.unwrap_or(config::SESSION_SECONDS);
    let lasts = std::time::Duration::try_from_secs_f64(seconds).unwrap_or_default();
    let over = now >= session.created_at.after(lasts);
    let completed = session.document.get("status") == Some(&Value::from("completed"));
    if over || completed { "completed" } else { "active" }
}

/// What servers are told of the chat.
fn about(
    session: &Option<Resource>,
    id: Uuid,
    document: &Map<String, Value>,
    assistant: &Map<String, Value>,
) -> Map<String, Value> {
    let mut chat = document.clone();
    if let Some(Value::Object(assistant)) = chat.get("assistant") {
        let shown = webhook::without_secrets(assistant);
        chat.insert("assistant".to_owned(), shown.into());
    }
    chat.insert("id".to_owned(), id.to_string().into());
    let mut about = Map::new();
    about.insert("chat".to_owned(), chat.into());
    about.insert("assistant".to_owned(), webhook::without_secrets(assistant).into());
    let customer = session.as_ref().and_then(|session| session.document.get("customer"));
    if let Some(customer) = customer {
        about.insert("customer".to_owned(), customer.clone());
    }
    about
}

fn rows(document: &Map<String, Value>, field: &str) -> Vec<ChatMessage> {
    let rows = document.get(field).and_then(Value::as_array);
    rows.into_iter().flatten().filter_map(Value::as_object).filter_map(read).collect()
}
