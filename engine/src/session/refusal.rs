//! A call that is not served: its leg is closed, and its report says why.

use std::fmt;
use std::future::poll_fn;
use std::task::Poll;

use tokio::sync::mpsc;
use turntaking::input::{EndReason, Stage};

use super::driver::CLOSING_LIMIT;
use super::event::{CallStats, SessionEvent, SessionEventKind};
use super::{CallClock, CallId, Refused};
use crate::transport::{MediaTransport, TransportEvent};

/// Why a call cannot be served.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The recogniser refuses the call.
    #[error(transparent)]
    Recognizer(#[from] asr::RecognizerError),
    /// The voice detector does not know the carrier's rate.
    #[error("the voice detector does not take audio at {hz} Hz")]
    Rate {
        /// The carrier's rate.
        hz: u32,
    },
}

/// A call that cannot be served, and its leg.
pub struct Unserved {
    /// Why.
    pub error: OpenError,
    /// For [`turn_away`].
    pub leg: Box<dyn MediaTransport>,
}

impl fmt::Debug for Unserved {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Unserved").field("error", &self.error).finish_non_exhaustive()
    }
}

impl From<&OpenError> for EndReason {
    fn from(error: &OpenError) -> Self {
        match error {
            // Speech that cannot be found is not recognised either.
            OpenError::Recognizer(_) | OpenError::Rate { .. } => {
                Self::ProviderFailed(Stage::Transcriber)
            }
        }
    }
}

impl From<Refused> for EndReason {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Full { .. } | Refused::Overloaded { .. } => Self::NoCapacity,
            Refused::Draining => Self::WorkerShutdown,
        }
    }
}

/// Closes the leg of a call that nobody serves, so that the carrier goes on at once, and tells
/// the rest of the engine that the call was there and why it is over.
pub async fn turn_away(
    id: CallId,
    carrier_call: String,
    reason: EndReason,
    clock: CallClock,
    mut leg: Box<dyn MediaTransport>,
    events: &mpsc::Sender<SessionEvent>,
) {
    leg.close(clock.now());
    let mut audio = Vec::new();
    let closed = poll_fn(|cx| {
        loop {
            match leg.poll_event(cx, clock.now(), &mut audio) {
                Poll::Ready(TransportEvent::Ended(_)) => return Poll::Ready(()),
                Poll::Ready(_) => {}
                Poll::Pending => return Poll::Pending,
            }
        }
    });
    // A peer that does not let go is dropped.
    let _ = tokio::time::timeout(CLOSING_LIMIT, closed).await;
    let at = clock.now();
    let duration_ms = u64::try_from(at.since_start().as_millis()).unwrap_or(u64::MAX);
    let stats = CallStats { duration_ms, ..CallStats::default() };
    for kind in
        [SessionEventKind::Started { carrier_call }, SessionEventKind::Ended { reason, stats }]
    {
        // The receiver is gone only when the engine is.
        let _ = events.send(SessionEvent { call: id, at, kind }).await;
    }
}
