//! A media stream without a network: both ends of a WebSocket in memory, for whole calls on
//! virtual time. The engine's end is what `transport::twilio` takes for a socket, the carrier's
//! what [`carry`](super::client::carry) does.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message as EngineMessage};
use futures_util::{Sink, Stream};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::{Instant, Sleep, sleep_until};
use tokio_tungstenite::tungstenite::{self, Message};

/// The engine's end. Dropping it closes the socket.
#[derive(Debug)]
pub struct EngineEnd(End);

/// The carrier's end. It answers pings by itself, as a WebSocket that is being read does.
#[derive(Debug)]
pub struct CarrierEnd(End);

#[derive(Debug)]
struct End {
    incoming: UnboundedReceiver<(Instant, Message)>,
    outgoing: UnboundedSender<(Instant, Message)>,
    delay: Duration,
    /// The next message, until it is through the network.
    underway: Option<(Pin<Box<Sleep>>, Message)>,
}

/// Both ends of a socket on which everything, pings included, takes `delay` each way. There is no
/// bound: the carrier's model and the engine's lead keep what is underway small. To be used on a
/// tokio runtime with time.
pub fn pair(delay: Duration) -> (EngineEnd, CarrierEnd) {
    let (to_engine, from_carrier) = unbounded_channel();
    let (to_carrier, from_engine) = unbounded_channel();
    let end = |incoming, outgoing| End { incoming, outgoing, delay, underway: None };
    (EngineEnd(end(from_carrier, to_carrier)), CarrierEnd(end(from_engine, to_engine)))
}

impl End {
    /// Sends a message; an error where the other end is gone.
    fn send(&self, message: Message) -> Result<(), tungstenite::Error> {
        let arrives = Instant::now() + self.delay;
        self.outgoing.send((arrives, message)).map_err(|_| tungstenite::Error::ConnectionClosed)
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Message>> {
        if self.underway.is_none() {
            let Some((arrives, message)) = ready!(self.incoming.poll_recv(cx)) else {
                return Poll::Ready(None);
            };
            self.underway = Some((Box::pin(sleep_until(arrives)), message));
        }
        if let Some((network, _)) = &mut self.underway {
            ready!(network.as_mut().poll(cx));
        }
        Poll::Ready(self.underway.take().map(|(_, message)| message))
    }
}

impl Stream for EngineEnd {
    type Item = Result<EngineMessage, axum::Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            let Some(message) = ready!(self.0.poll(cx)) else { return Poll::Ready(None) };
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
        self.0.send(to_carrier(message)).map_err(axum::Error::new)
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
        let message = ready!(self.0.poll(cx));
        if let Some(Message::Ping(payload)) = &message {
            // The engine may be gone; that shows elsewhere.
            let _ = self.0.send(Message::Pong(payload.clone()));
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
        self.0.send(message)
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

    #[tokio::test(start_paused = true)]
    async fn messages_pass_both_ways_and_pings_are_answered() {
        let (mut engine, mut carrier) = pair(Duration::from_millis(30));
        let began = Instant::now();
        carrier.send(Message::text("hello")).await.expect("open");
        let heard = engine.next().await.expect("open").expect("a message");
        assert_eq!(heard, EngineMessage::text("hello"));
        assert_eq!(began.elapsed(), Duration::from_millis(30));
        engine.send(EngineMessage::Ping(vec![7].into())).await.expect("open");
        assert!(matches!(carrier.next().await, Some(Ok(Message::Ping(_)))));
        let answer = engine.next().await.expect("open").expect("a message");
        assert_eq!(answer, EngineMessage::Pong(vec![7].into()));
        assert_eq!(began.elapsed(), Duration::from_millis(90), "there and back");
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
