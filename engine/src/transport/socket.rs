//! What every leg on a WebSocket has in common: the socket, its limits, and how it ends.

use std::pin::Pin;
use std::task::{Context, Poll};

use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocketUpgrade, close_code};
use futures_util::{Sink, Stream};
use tokio_tungstenite::tungstenite;

use super::media::LegEnd;

/// A WebSocket of [`axum`] messages: the real one, or a test's.
pub trait Socket:
    Stream<Item = Result<Message, axum::Error>> + Sink<Message, Error = axum::Error> + Unpin + Send
{
}

impl<S> Socket for S where
    S: Stream<Item = Result<Message, axum::Error>>
        + Sink<Message, Error = axum::Error>
        + Unpin
        + Send
{
}

/// Keeps a socket's buffers small: 4 KiB in, nothing held back on the way out, no message beyond
/// 64 KiB (Twilio's are under 2 KiB; two seconds of 16-bit samples at 16 kHz fit).
pub fn limit_buffers(upgrade: WebSocketUpgrade) -> WebSocketUpgrade {
    upgrade
        .read_buffer_size(4 * 1_024)
        .write_buffer_size(0)
        .max_write_buffer_size(64 * 1_024)
        .max_message_size(64 * 1_024)
        .max_frame_size(64 * 1_024)
}

/// A close frame with this code (RFC 6455 §7.4.1).
pub(super) fn close_frame(code: u16) -> Message {
    Message::Close(Some(CloseFrame { code, reason: Utf8Bytes::from_static("") }))
}

/// Whether the peer broke the protocol or just went.
pub(super) fn classify(error: &axum::Error) -> LegEnd {
    use tungstenite::Error;
    use tungstenite::error::ProtocolError;

    let source = std::error::Error::source(error).and_then(|source| source.downcast_ref());
    match source {
        Some(Error::Protocol(ProtocolError::ResetWithoutClosingHandshake)) => LegEnd::Disconnected,
        Some(Error::Protocol(_) | Error::Capacity(_) | Error::Utf8(_)) => LegEnd::ProtocolError,
        _ => LegEnd::Disconnected,
    }
}

/// Lets go of a socket whose leg ends so, after a close frame where somebody may still read it.
pub(super) fn let_go<S: Socket>(mut socket: S, end: LegEnd, cx: &mut Context<'_>) {
    let code = match end {
        LegEnd::Stopped => Some(close_code::NORMAL),
        LegEnd::ProtocolError => Some(close_code::PROTOCOL),
        _ => None,
    };
    let mut farewell = Pin::new(&mut socket);
    // One try: a peer that is not there is not waited for.
    if let Some(code) = code
        && matches!(farewell.as_mut().poll_ready(cx), Poll::Ready(Ok(())))
    {
        let _ = farewell.as_mut().start_send(close_frame(code));
    }
    if code.is_some() || end == LegEnd::PeerClosed {
        let _ = farewell.poll_flush(cx);
    }
}
