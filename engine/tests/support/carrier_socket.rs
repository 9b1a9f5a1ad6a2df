//! A WebSocket without a network: for what takes seconds, on paused time.

use std::pin::Pin;
use std::task::{Context, Poll};

use axum::extract::ws::Message;
use futures_util::{Sink, Stream};
use serde_json::{Value, json};
use tokio::sync::mpsc;

/// The engine's end.
pub(crate) struct EngineSocket {
    incoming: mpsc::UnboundedReceiver<Message>,
    /// As many frames as may be underway before the engine must wait.
    outgoing: mpsc::Sender<Message>,
    /// A place among them, once there was one.
    permit: Option<mpsc::OwnedPermit<Message>>,
    reserving: Option<Reserving>,
}

type Reserving = Pin<
    Box<dyn Future<Output = Result<mpsc::OwnedPermit<Message>, mpsc::error::SendError<()>>> + Send>,
>;

/// The carrier's end. Dropping it is a socket that closes without a close frame.
pub(crate) struct CarrierSocket {
    outgoing: mpsc::UnboundedSender<Message>,
    incoming: mpsc::Receiver<Message>,
    /// Answers pings, as a WebSocket does that is being read.
    pub(crate) pongs: bool,
}

/// A pair of ends, with room for `room` frames towards the carrier.
pub(crate) fn pair(room: usize) -> (EngineSocket, CarrierSocket) {
    let (to_engine, from_carrier) = mpsc::unbounded_channel();
    let (to_carrier, from_engine) = mpsc::channel(room);
    let engine = EngineSocket {
        incoming: from_carrier,
        outgoing: to_carrier,
        permit: None,
        reserving: None,
    };
    (engine, CarrierSocket { outgoing: to_engine, incoming: from_engine, pongs: true })
}

impl CarrierSocket {
    pub(crate) fn send(&self, message: Value) {
        // The engine may have closed: the test will see that elsewhere.
        let _ = self.outgoing.send(Message::text(message.to_string()));
    }

    pub(crate) fn send_raw(&self, message: Message) {
        let _ = self.outgoing.send(message);
    }

    /// `connected` and `start`.
    pub(crate) fn start(&self) {
        self.send(json!({"event": "connected", "protocol": "Call", "version": "1.0.0"}));
        self.send(start());
    }

    /// A frame of the caller, of a code that tells frames apart.
    pub(crate) fn media(&self, chunk: u64, timestamp_ms: u64, payload: &[u8]) {
        use base64::Engine as _;
        self.send(json!({
            "event": "media",
            "sequenceNumber": (chunk + 1).to_string(),
            "streamSid": "MZ1",
            "media": {
                "track": "inbound",
                "chunk": chunk.to_string(),
                "timestamp": timestamp_ms.to_string(),
                "payload": base64::engine::general_purpose::STANDARD.encode(payload),
            },
        }));
    }

    /// What the engine has sent so far.
    pub(crate) fn received(&mut self) -> Vec<Message> {
        let mut received = Vec::new();
        while let Ok(message) = self.incoming.try_recv() {
            if let Message::Ping(payload) = &message
                && self.pongs
            {
                let _ = self.outgoing.send(Message::Pong(payload.clone()));
            }
            received.push(message);
        }
        received
    }

    /// The events among them, by name, and whether a close frame came.
    pub(crate) fn received_events(&mut self) -> Vec<String> {
        self.received().iter().filter_map(event_of).collect()
    }

    /// The engine's end is gone.
    pub(crate) fn is_closed(&self) -> bool {
        self.outgoing.is_closed()
    }
}

/// `media`, `mark`, `clear`; `close 1000` for a close frame.
pub(crate) fn event_of(message: &Message) -> Option<String> {
    match message {
        Message::Text(text) => {
            let value: Value = serde_json::from_str(text.as_str()).expect("JSON");
            Some(value["event"].as_str().expect("an event").to_owned())
        }
        Message::Close(frame) => {
            Some(format!("close {}", frame.as_ref().map_or(0, |frame| frame.code)))
        }
        Message::Binary(_) | Message::Ping(_) | Message::Pong(_) => None,
    }
}

pub(crate) fn start() -> Value {
    json!({
        "event": "start",
        "sequenceNumber": "1",
        "streamSid": "MZ1",
        "start": {
            "accountSid": "AC1",
            "streamSid": "MZ1",
            "callSid": "CA1",
            "tracks": ["inbound"],
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
            "customParameters": {"token": "secret"},
        },
    })
}

impl Stream for EngineSocket {
    type Item = Result<Message, axum::Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.incoming.poll_recv(cx).map(|message| message.map(Ok))
    }
}

impl Sink<Message> for EngineSocket {
    type Error = axum::Error;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), axum::Error>> {
        if self.permit.is_some() {
            return Poll::Ready(Ok(()));
        }
        let outgoing = self.outgoing.clone();
        let reserving = self.reserving.get_or_insert_with(|| Box::pin(outgoing.reserve_owned()));
        match reserving.as_mut().poll(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(permit) => {
                self.reserving = None;
                self.permit = Some(permit.map_err(axum::Error::new)?);
                Poll::Ready(Ok(()))
            }
        }
    }

    fn start_send(mut self: Pin<&mut Self>, message: Message) -> Result<(), axum::Error> {
        self.permit.take().expect("poll_ready was ready").send(message);
        Ok(())
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Result<(), axum::Error>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Result<(), axum::Error>> {
        Poll::Ready(Ok(()))
    }
}
