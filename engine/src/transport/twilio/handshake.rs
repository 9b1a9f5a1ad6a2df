//! The beginning of a stream: `connected`, then a `start` that we expect, in time.

use axum::extract::ws::Message;
use futures_util::{SinkExt as _, StreamExt as _};

use super::leg::{TwilioLeg, TwilioSettings};
use super::message::{self, Inbound, StartInfo};
use crate::transport::egress_clock::Ticker;
use crate::transport::socket::Socket;

/// Frames before `start` that are put up with.
const FRAMES_BEFORE_START: usize = 8;

/// Why a socket did not become a leg. It was closed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AcceptError {
    /// No `start` came in time.
    #[error("no `start` within {0:?} of the socket's opening")]
    TimedOut(std::time::Duration),
    /// The peer left first.
    #[error("the socket closed before `start`")]
    Closed,
    /// What came was not a Media Streams `start`.
    #[error("not a Media Streams handshake: {0}")]
    Malformed(String),
    /// The stream is in a format Twilio does not have.
    #[error("`start.mediaFormat` is {0:?}; only audio/x-mulaw, 8000 Hz, one channel is taken")]
    Format(message::MediaFormat),
    /// The caller of [`accept`] did not want it.
    #[error("refused: {0}")]
    Refused(String),
}

/// Waits for the stream's `start` and asks `verify` whether it is wanted; what `verify` makes of
/// it is returned with the leg. A socket that is not becomes closed (RFC 6455 §7.4.1: 1002 for a
/// broken handshake, 1008 for a refusal).
///
/// # Errors
///
/// Where no valid, wanted `start` came within [`TwilioSettings::handshake_limit`].
pub async fn accept<S, T, E>(
    mut socket: S,
    settings: TwilioSettings,
    ticker: Ticker,
    verify: impl FnOnce(&StartInfo) -> Result<T, E>,
) -> Result<(TwilioLeg<S>, StartInfo, T), AcceptError>
where
    S: Socket,
    E: std::fmt::Display,
{
    let started = tokio::time::timeout(settings.handshake_limit, read_start(&mut socket)).await;
    let outcome =
        started.unwrap_or(Err(AcceptError::TimedOut(settings.handshake_limit))).and_then(|start| {
            if !start.media_format.is_supported() {
                return Err(AcceptError::Format(start.media_format));
            }
            let wanted =
                verify(&start).map_err(|reason| AcceptError::Refused(reason.to_string()))?;
            Ok((start, wanted))
        });
    match outcome {
        Ok((start, wanted)) => {
            let leg = TwilioLeg::new(socket, &start.stream_sid, settings, ticker);
            Ok((leg, start, wanted))
        }
        Err(error) => {
            close(socket, &error, settings).await;
            Err(error)
        }
    }
}

async fn read_start<S: Socket>(socket: &mut S) -> Result<StartInfo, AcceptError> {
    for _ in 0..FRAMES_BEFORE_START {
        let text = match socket.next().await {
            Some(Ok(Message::Text(text))) => text,
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => continue,
            Some(Ok(Message::Binary(_))) => {
                return Err(AcceptError::Malformed("a binary frame".to_owned()));
            }
            Some(Ok(Message::Close(_)) | Err(_)) | None => return Err(AcceptError::Closed),
        };
        match message::parse(text.as_str()) {
            Ok(Inbound::Start(start)) => return Ok(*start),
            Ok(Inbound::Connected | Inbound::Unknown) => {}
            Ok(_) => return Err(AcceptError::Malformed("media before `start`".to_owned())),
            Err(error) => return Err(AcceptError::Malformed(error.to_string())),
        }
    }
    Err(AcceptError::Malformed(format!("no `start` among {FRAMES_BEFORE_START} frames")))
}

/// Says why, to a peer that may not listen.
async fn close<S: Socket>(mut socket: S, error: &AcceptError, settings: TwilioSettings) {
    use axum::extract::ws::{CloseFrame, Utf8Bytes, close_code};

    let code = match error {
        AcceptError::Closed => return,
        AcceptError::TimedOut(_) | AcceptError::Refused(_) => close_code::POLICY,
        AcceptError::Malformed(_) => close_code::PROTOCOL,
        AcceptError::Format(_) => close_code::UNSUPPORTED,
    };
    let frame = CloseFrame { code, reason: Utf8Bytes::from_static("") };
    let farewell = socket.send(Message::Close(Some(frame)));
    // Whether it arrived does not matter: the socket is dropped next.
    let _ = tokio::time::timeout(settings.stall_limit, farewell).await;
}
