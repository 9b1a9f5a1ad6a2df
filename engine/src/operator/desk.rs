//! Calls an operator for one caller.

use std::fmt;
use std::future::Future;
use std::time::Duration;

use tokio::time::Instant;
use uuid::Uuid;

use super::board::{Expected, Moment};
use super::{Board, Host, Treatment};
use crate::config::PublicUrl;
use crate::transport::twilio::rest::{LiveCall, Placement, RestError};
use crate::transport::twilio::twiml::{self, Party, TwimlError};

/// How long an operator may be spoken to, beyond the time that they may keep silent.
const LONGEST_BRIEFING: Duration = Duration::from_secs(180);

/// Where operators are called for one caller. Cheap to clone; its `Debug` shows no words.
#[derive(Clone)]
pub struct Desk {
    pub(crate) board: Board,
    pub(crate) public_url: PublicUrl,
    /// The caller's call.
    pub(crate) call: Uuid,
    /// Our number, which operators see where nothing else is chosen.
    pub(crate) ours: String,
    /// Who speaks to operators.
    pub(crate) host: Host,
}

impl fmt::Debug for Desk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Desk").field("call", &self.call).finish_non_exhaustive()
    }
}

/// Whom to call.
#[derive(Clone, Debug)]
pub(crate) struct Order<'a> {
    /// Who.
    pub(crate) target: &'a Party,
    /// Who is seen to call; `None`: our number.
    pub(crate) caller_id: Option<String>,
    /// How long it rings, in seconds.
    pub(crate) ring_seconds: u32,
    /// How long they may keep silent once they have answered.
    pub(crate) patience: Duration,
    /// The URL of a sound that they hear before the caller.
    pub(crate) chime: Option<String>,
}

/// Why a caller is not connected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotReached {
    #[error("the line is busy")]
    Busy,
    #[error("nobody answered")]
    NoAnswer,
    #[error("the call could not be connected")]
    Failed,
    #[error("whoever answered did not take the call")]
    Declined,
    #[error("whoever answered has hung up")]
    HungUp,
    #[error("whoever answered took too long")]
    TooLong,
    #[error("the caller has hung up")]
    CallerLeft,
    #[error(transparent)]
    Carrier(#[from] RestError),
    #[error(transparent)]
    Twiml(#[from] TwimlError),
}

/// An operator who waits for the caller in a conference.
pub(crate) struct Reached {
    /// As long as it is there, the carrier may ask about them.
    _expected: Expected,
    room: Uuid,
    sid: String,
}

impl Desk {
    /// Calls the operator, who is treated by what `treatment` comes to, and waits until they have
    /// heard it. Gives up when `caller_left` completes.
    ///
    /// # Errors
    ///
    /// Why there is nobody; the operator's call is over then.
    pub(crate) async fn reach(
        &self,
        line: &LiveCall,
        order: &Order<'_>,
        treatment: impl Future<Output = Treatment>,
        caller_left: impl Future<Output = ()>,
    ) -> Result<Reached, NotReached> {
        let room = Uuid::new_v4();
        let mut expected = self.board.expect(room, order.chime.clone());
        let url = self.public_url.http(&format!("/twilio/operator/{}/{room}", self.call));
        let status_url = format!("{url}/status");
        let digits = match order.target {
            // Half a second for the other side to listen (a `w` each).
            Party::Number { extension: Some(extension), .. } => format!("w{extension}"),
            Party::Number { extension: None, .. } | Party::Sip(_) => String::new(),
        };
        let placement = Placement {
            to: order.target.name(),
            from: order.caller_id.as_deref().unwrap_or(&self.ours),
            url: &url,
            status_url: &status_url,
            ring_seconds: order.ring_seconds,
            digits: &digits,
        };
        let sid = line.rest.place(&line.account, &placement).await?;
        let longest = Duration::from_secs(order.ring_seconds.into()) + order.patience;
        let until = Instant::now() + longest + LONGEST_BRIEFING;
        let waited = wait(&mut expected, treatment, caller_left, until).await;
        if let Err(error) = waited {
            let over = [NotReached::Busy, NotReached::NoAnswer, NotReached::Failed];
            if !over.contains(&error)
                && let Err(refused) = line.rest.hang_up(&line.account, &sid).await
            {
                // It may have ended by itself in the meantime.
                tracing::info!(call = %self.call, %refused, "an operator's call is not hung up");
            }
            return Err(error);
        }
        Ok(Reached { _expected: expected, room, sid })
    }
}

impl Reached {
    /// Brings the caller to the operator. The caller's media ends.
    ///
    /// # Errors
    ///
    /// Where the carrier does not; the operator's call is over then.
    pub(crate) async fn join(self, line: &LiveCall) -> Result<(), NotReached> {
        let twiml = twiml::conference(&self.room.to_string(), None)?;
        let joined = line.redirect(&twiml).await;
        if joined.is_err() {
            let _ = line.rest.hang_up(&line.account, &self.sid).await;
        }
        Ok(joined?)
    }
}

async fn wait(
    expected: &mut Expected,
    treatment: impl Future<Output = Treatment>,
    caller_left: impl Future<Output = ()>,
    until: Instant,
) -> Result<(), NotReached> {
    let mut treatment = std::pin::pin!(treatment);
    let mut caller_left = std::pin::pin!(caller_left);
    let mut is_treated = false;
    let mut was_answered = false;
    loop {
        tokio::select! {
            biased;
            () = &mut caller_left => return Err(NotReached::CallerLeft),
            () = tokio::time::sleep_until(until) => return Err(NotReached::TooLong),
            treated = &mut treatment, if !is_treated => {
                is_treated = true;
                expected.treat(treated);
            }
            moment = expected.moments.recv() => match moment {
                Some(Moment::Taken) => return Ok(()),
                Some(Moment::Declined) => return Err(NotReached::Declined),
                Some(Moment::Status(status)) => match status.as_str() {
                    "in-progress" | "answered" => was_answered = true,
                    "busy" => return Err(NotReached::Busy),
                    "no-answer" => return Err(NotReached::NoAnswer),
                    "failed" | "canceled" => return Err(NotReached::Failed),
                    "completed" if was_answered => return Err(NotReached::HungUp),
                    "completed" => return Err(NotReached::NoAnswer),
                    _ => {}
                },
                None => return Err(NotReached::Failed),
            },
        }
    }
}
