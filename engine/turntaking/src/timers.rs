//! Why the Floor wants to be called again.
//!
//! Deadlines are not stored apart from the state they belong to: they are computed from it, so
//! that none can outlive it. This file names them and finds the soonest.

use serde::{Deserialize, Serialize};

use crate::time::Instant;

/// What a timeout is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Reason {
    /// Enough silence to ask the turn model.
    AskTurnModel,
    /// Enough silence to prepare a reply.
    Speculate,
    /// Enough silence: the caller has finished.
    EndOfTurn,
    /// The words of the caller's last speech are overdue.
    Transcript,
    /// Speech over the assistant's has lasted `voice`.
    Voice,
    /// The speech that held the assistant is over, and was none to stop for.
    FalseAlarm,
    /// A held reply has waited long enough for evidence.
    Verdict,
    /// `Input::Held` is overdue.
    Held,
    /// `wait` or `backoff` is over: the reply may be heard.
    Release,
    /// Keys were pressed, and no more came.
    Keypad,
    /// The caller has said nothing for as long as one of `idle` says.
    Idle,
    /// A reply makes no progress.
    ReplyStalled,
    /// Nobody said anything for `silence_timeout`.
    SilenceTimeout,
    /// The call has lasted `max_duration`.
    MaxDuration,
    /// The first speech of the call has gone on for as long as only a machine's does.
    Voicemail,
    /// The machine's beep is over, or was waited for long enough.
    Beep,
    /// The farewell, or a tool that still runs, has had its time.
    ClosingLimit,
}

/// The soonest of several deadlines. Of two at the same moment the first added wins.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Soonest(Option<(Instant, Reason)>);

impl Soonest {
    /// Adds a deadline.
    pub(crate) fn at(&mut self, at: Instant, reason: Reason) {
        if self.0.is_none_or(|(soonest, _)| at < soonest) {
            self.0 = Some((at, reason));
        }
    }

    /// The soonest, if there is one.
    pub(crate) const fn get(self) -> Option<(Instant, Reason)> {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_soonest_wins_and_among_equals_the_first() {
        let mut soonest = Soonest::default();
        assert_eq!(soonest.get(), None);
        soonest.at(Instant::from_millis(20), Reason::EndOfTurn);
        soonest.at(Instant::from_millis(30), Reason::MaxDuration);
        soonest.at(Instant::from_millis(20), Reason::SilenceTimeout);
        assert_eq!(soonest.get(), Some((Instant::from_millis(20), Reason::EndOfTurn)));
    }
}
