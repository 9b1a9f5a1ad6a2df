//! A media stream without a network: both ends of a WebSocket in memory, for whole calls on
//! virtual time. The engine's end is what `transport::twilio` takes for a socket, the carrier's
//! what [`carry`](super::client::carry) does.

use std::pin::Pin;
use std::task::{Context, Poll};

use axum::extract::ws::{CloseFrame, Message as EngineMessage};
use futures_util::{Sink, Stream};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio_tungstenite::tungstenite::{self, Message};

/// The engine's end. Dropping it closes the socket.
#[derive(Debug)]
pub struct EngineEnd {
    incoming: UnboundedReceiver<Message>,
    outgoing: UnboundedSender<Message>,
}

/// The carrier's end. It answers pings by itself, as a WebSocket that is being read does.
#[derive(Debug)]
pub struct CarrierEnd {
    incoming: UnboundedReceiver<Message>,
    outgoing: UnboundedSender<Message>,
}

/// Both ends of a socket that takes everything at once. There is no bound: the carrier's model and
/// the engine's lead keep what is underway small.
pub fn pair() -> (EngineEnd, CarrierEnd) {
    let (to_engine, from_carrier) = unbounded_channel();
    let (to_carrier, from_engine) = unbounded_channel();
    (
        EngineEnd { incoming: from_carrier, outgoing: to_carrier },
        CarrierEnd { incoming: from_engine, outgoing: to_engine },
    )
}

impl Stream for EngineEnd {
    type Item = Result<EngineMessage, axum::Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            let Some(message) = std::task::ready!(self.incoming.poll_recv(cx)) else {
                return Poll::Ready(None);
            };
            if let Some(message) = to_engine(message) {
                return Poll::Ready(Some(Ok(message)));
            }
        }
    }
}

impl Sink<EngineMessage> for EngineEnd {
    type Error = axum::Error;

    fn poll_ready(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), axum::Error>> {
        Poll::Ready(Ok(()))
    }

    fn start_send(self: Pin<&mut Self>, message: EngineMessage) -> Result<(), axum::Error> {
        self.outgoing.send(to_carrier(message)).map_err(axum::Error::new)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), axum::Error>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), axum::Error>> {
        Poll::Ready(Ok(()))
    }
}

impl Stream for CarrierEnd {
    type Item = Result<Message, tungstenite::Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let message = std::task::ready!(self.incoming.poll_recv(cx));
        if let Some(Message::Ping(payload)) = &message {
            // The engine may be gone; that shows elsewhere.
            let _ = self.outgoing.send(Message::Pong(payload.clone()));
        }
        Poll::Ready(message.map(Ok))
    }
}

impl Sink<Message> for CarrierEnd {
    type Error = tungstenite::Error;

    fn poll_ready(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn start_send(self: Pin<&mut Self>, message: Message) -> Result<(), Self::Error> {
        self.outgoing.send(message).map_err(|_| tungstenite::Error::ConnectionClosed)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }
}

/// The other library's message; raw frames are none.
fn to_engine(message: Message) -> Option<EngineMessage> {
    Some(match message {
        Message::Text(text) => EngineMessage::text(text.as_str()),
        Message::Binary(bytes) => EngineMessage::Binary(bytes),
        Message::Ping(payload) => EngineMessage::Ping(payload),
        Message::Pong(payload) => EngineMessage::Pong(payload),
        Message::Close(frame) => EngineMessage::Close(frame.map(|frame| CloseFrame {
            code: frame.code.into(),
            reason: frame.reason.as_str().into(),
        })),
        Message::Frame(_) => return None,
    })
}

fn to_carrier(message: EngineMessage) -> Message {
    match message {
        EngineMessage::Text(text) => Message::text(text.as_str()),
        EngineMessage::Binary(bytes) => Message::Binary(bytes),
        EngineMessage::Ping(payload) => Message::Ping(payload),
        EngineMessage::Pong(payload) => Message::Pong(payload),
        EngineMessage::Close(frame) => {
            Message::Close(frame.map(|frame| tungstenite::protocol::CloseFrame {
                code: frame.code.into(),
                reason: frame.reason.as_str().into(),
            }))
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::{SinkExt as _, StreamExt as _};

    use super::*;

    #[tokio::test]
    async fn messages_pass_both_ways_and_pings_are_answered() {
        let (mut engine, mut carrier) = pair();
        carrier.send(Message::text("hello")).await.expect("open");
        let heard = engine.next().await.expect("open").expect("a message");
        assert_eq!(heard, EngineMessage::text("hello"));
        engine.send(EngineMessage::Ping(vec![7].into())).await.expect("open");
        assert!(matches!(carrier.next().await, Some(Ok(Message::Ping(_)))));
        let answer = engine.next().await.expect("open").expect("a message");
        assert_eq!(answer, EngineMessage::Pong(vec![7].into()));
        let frame = CloseFrame { code: 1_000, reason: "bye".into() };
        engine.send(EngineMessage::Close(Some(frame))).await.expect("open");
        drop(engine);
        let Some(Ok(Message::Close(Some(frame)))) = carrier.next().await else {
            panic!("a close frame");
        };
        assert_eq!((u16::from(frame.code), frame.reason.as_str()), (1_000, "bye"));
        assert!(carrier.next().await.is_none(), "the engine's end is gone");
        assert!(carrier.send(Message::text("?")).await.is_err());
    }
}
