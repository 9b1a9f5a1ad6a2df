//! Who is told what about a call in progress: the product's server, and the client at the other end
//! of a raw WebSocket. Both are told the same, each what it wants to know.

use axum::extract::ws::Utf8Bytes;
use serde_json::Value;
use tokio::sync::mpsc::{self, error::TrySendError};

use super::report::Fields;
use super::subscription::Subscription;
use crate::store::{NewMessage, Progress};

/// What Vapi tells a client where `clientMessages` is absent.
const BY_DEFAULT: &[&str] = &[
    "assistant.started",
    "conversation-update",
    "function-call",
    "hang",
    "model-output",
    "speech-update",
    "status-update",
    "tool-calls",
    "transcript",
    "transfer-update",
    "user-interrupted",
    "voice-input",
    "workflow.node.started",
];

/// The way to the client of a call. A client that does not take its messages misses some; the leg
/// closes the socket of one that takes none.
#[derive(Debug)]
pub(crate) struct Client(mpsc::Sender<Utf8Bytes>);

impl Client {
    /// Over this queue.
    pub(crate) const fn new(texts: mpsc::Sender<Utf8Bytes>) -> Self {
        Self(texts)
    }
}

/// Everybody who is told about one call.
#[derive(Debug, Default)]
pub(super) struct Audience {
    pub(super) server: Option<Subscription>,
    client: Option<Listening>,
}

#[derive(Debug)]
struct Listening {
    client: Client,
    /// Which messages; `None`: Vapi's own choice.
    messages: Option<Vec<String>>,
    lost: u64,
}

impl Audience {
    /// This server, and this client of a call that `assistant` answers.
    pub(super) fn new(
        server: Option<Subscription>,
        client: Option<Client>,
        assistant: &Fields,
    ) -> Self {
        let messages = assistant.get("clientMessages").and_then(Value::as_array).map(|sent| {
            sent.iter().filter_map(Value::as_str).map(str::to_owned).collect::<Vec<_>>()
        });
        let client = client.map(|client| Listening { client, messages, lost: 0 });
        Self { server, client }
    }

    /// Somebody wants the messages named `name`.
    pub(super) fn wants(&self, name: &str) -> bool {
        self.server.as_ref().is_some_and(|server| server.wants(name))
            || self.client.as_ref().is_some_and(|client| client.wants(name))
    }

    /// Somebody wants a transcript.
    pub(super) fn wants_transcript(&self, is_final: bool) -> bool {
        self.server.as_ref().is_some_and(|server| server.wants_transcript(is_final))
            || self.client.as_ref().is_some_and(|client| client.wants("transcript"))
    }

    /// Tells the client, and leaves what the server is told.
    pub(super) fn tell(&mut self, progress: &mut Progress) {
        if let Some(client) = &mut self.client {
            for message in &progress.messages {
                client.tell(message);
            }
        }
        let server = self.server.as_ref();
        progress.messages.retain(|message| {
            let is_final = message.body.get("transcriptType").is_none_or(|kind| kind == "final");
            server.is_some_and(|server| match message.kind {
                "transcript" => server.wants_transcript(is_final),
                kind => server.wants(kind),
            })
        });
    }

    /// Tells the client alone.
    pub(super) fn tell_client(&mut self, message: &NewMessage) {
        if let Some(client) = &mut self.client {
            client.tell(message);
        }
    }

    /// There is nothing more to tell the client.
    pub(super) fn dismiss_client(&mut self) {
        self.client = None;
    }
}

impl Listening {
    fn wants(&self, name: &str) -> bool {
        match &self.messages {
            Some(messages) => messages.iter().any(|message| message == name),
            None => BY_DEFAULT.contains(&name),
        }
    }

    /// A client is told bare: without an envelope, and without what it can know.
    fn tell(&mut self, message: &NewMessage) {
        if !self.wants(message.kind) {
            return;
        }
        let mut fields = message.body.clone();
        fields.insert("type".to_owned(), message.kind.into());
        fields.insert("timestamp".to_owned(), message.at.as_millis().into());
        let text = Utf8Bytes::from(Value::from(fields).to_string());
        match self.client.0.try_send(text) {
            // Its socket is gone: the call is about to end.
            Ok(()) | Err(TrySendError::Closed(_)) => {}
            Err(TrySendError::Full(_)) => {
                if self.lost == 0 {
                    tracing::warn!("a client does not take its messages: it misses some");
                }
                self.lost += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::store::Timestamp;

    fn message(kind: &'static str, body: Value) -> NewMessage {
        let Value::Object(body) = body else { panic!("an object") };
        NewMessage { kind, at: Timestamp::from_micros(7_000), body }
    }

    fn progress(messages: Vec<NewMessage>) -> Progress {
        Progress { id: uuid::Uuid::nil(), call: None, messages, awaits_report: None }
    }

    #[test]
    fn each_is_told_what_it_wants() {
        let (texts, mut told) = mpsc::channel(8);
        let server = Subscription {
            server: wire::Server::default(),
            messages: Some(vec!["transcript[transcriptType=\"final\"]".to_owned()]),
        };
        let Value::Object(assistant) = json!({"clientMessages": ["transcript", "hang"]}) else {
            panic!("an object")
        };
        let mut audience = Audience::new(Some(server), Some(Client::new(texts)), &assistant);
        assert!(audience.wants("hang") && !audience.wants("speech-update"));
        assert!(audience.wants_transcript(false));
        let mut progress = progress(vec![
            message("transcript", json!({"transcriptType": "partial", "transcript": "Je"})),
            message("transcript", json!({"transcriptType": "final", "transcript": "Je vois."})),
            message("hang", json!({})),
        ]);
        audience.tell(&mut progress);
        let kinds: Vec<_> = progress.messages.iter().map(|message| &message.body).collect();
        assert_eq!(kinds.len(), 1, "{kinds:?}");
        assert_eq!(kinds[0]["transcriptType"], "final");
        let mut texts = Vec::new();
        while let Ok(text) = told.try_recv() {
            texts.push(serde_json::from_str::<Value>(text.as_str()).expect("JSON"));
        }
        assert_eq!(texts.len(), 3);
        assert_eq!(texts[2], json!({"type": "hang", "timestamp": 7}));
    }

    #[test]
    fn a_client_that_takes_nothing_holds_nobody() {
        let (texts, _told) = mpsc::channel(1);
        let mut audience = Audience::new(None, Some(Client::new(texts)), &Fields::new());
        for _ in 0..10 {
            audience.tell_client(&message("hang", json!({})));
        }
        assert_eq!(audience.client.expect("there").lost, 9);
    }
}
