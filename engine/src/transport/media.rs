//! The plug point for carriers.
//!
//! A transport belongs to one call and is owned by its task. It hides the carrier's framing and
//! its playout: the session queues a reply's samples, holds, resumes or stops, and is told where
//! the playhead stands. Positions are samples at [`MediaTransport::rate`]; those of the caller's
//! audio count from the stream's beginning on the carrier's timestamps, those of a reply from its
//! first sample. `now` is the call's clock.
//!
//! The playhead of a reply, as [`TransportEvent::Played`] reports it and as `hold` and `stop`
//! return it, goes back by a `resume` only. After a command, poll again: what it sends leaves with
//! the next poll.

use std::ops::Range;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use codecs::SampleRate;
use codecs::ambience::Ambience;
use turntaking::input::TurnId;
use turntaking::time::Instant;

/// One call's media leg.
pub trait MediaTransport: Send {
    /// The rate of both directions, in Hz.
    fn rate(&self) -> SampleRate;

    /// The next event of the leg, if there is one. [`TransportEvent::Audio`] leaves its samples
    /// in `audio` (which is emptied first). Also sends what is due: call it whenever the task
    /// wakes.
    fn poll_event(
        &mut self,
        cx: &mut Context<'_>,
        now: Instant,
        audio: &mut Vec<i16>,
    ) -> Poll<TransportEvent>;

    /// Appends samples to the reply `turn`. A new turn replaces one that was stopped or heard; it
    /// waits for one that is still being heard. Samples of older turns are dropped and counted.
    fn queue(&mut self, turn: TurnId, samples: &[i16]);

    /// No more samples will come for `turn`.
    fn finish(&mut self, turn: TurnId);

    /// Clears what the carrier has not played and keeps it. Returns the reply in progress and its
    /// playhead as it will stand when the clear takes effect, or `None` where nothing was playing.
    fn hold(&mut self, now: Instant) -> Option<(TurnId, u64)>;

    /// Plays the held reply on from sample `from`.
    fn resume(&mut self, now: Instant, from: u64);

    /// Clears what the carrier has not played and forgets it. Returns the reply in progress and
    /// its playhead, or `None` where nothing was playing.
    fn stop(&mut self, now: Instant) -> Option<(TurnId, u64)>;

    /// Numbers the stretch of playback without a break that the last reported position belongs
    /// to. A new number means that silence was heard before those samples: playback began, went on
    /// after a hold, or had run dry.
    fn run(&self) -> u64;

    /// Appends the samples of `range` of the reply in progress to `out`: those that
    /// [`TransportEvent::Played`] has just reported are still there, and after a `stop` what was
    /// heard last, until the next reply is queued.
    fn reply_samples(&self, turn: TurnId, range: Range<u64>, out: &mut Vec<i16>);

    /// When the samples of the last stretch of playback are heard, by the best estimate there is;
    /// `None` where nothing was played yet. Beyond the samples there are, silence is heard.
    fn playback(&self) -> Option<Playback>;

    /// Plays a sound of the leg's own rate behind everything that is said, and where nothing is,
    /// until the leg closes or another takes its place; `None`: there is none any more. It is no part of any reply: no position counts it, and
    /// [`Self::reply_samples`] are without it. At each moment of the call it is the sound's sample
    /// of that moment, so that a recording made elsewhere has it too.
    fn set_background(&mut self, ambience: Option<Arc<Ambience>>);

    /// How long a frame travels to the carrier, at best; `None`: it is not known.
    fn one_way(&self) -> Option<Duration> {
        None
    }

    /// How late the leg's task was woken at worst since this was last asked.
    fn take_wake_lag(&mut self) -> Duration {
        Duration::ZERO
    }

    /// Lets the caller hear silence in the place of replies, or the replies again. They go on
    /// being played, and count as played.
    fn set_muted(&mut self, muted: bool);

    /// Closes the leg from our side, once what was queued was heard (a carrier drops what it has
    /// not played). To close at once, `stop` first. Poll until [`TransportEvent::Ended`].
    fn close(&mut self, now: Instant);
}

/// A stretch of playback without a break, and its place in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Playback {
    /// The reply.
    pub turn: TurnId,
    /// The first of its samples in this stretch.
    pub first: u64,
    /// When that is heard.
    pub at: Instant,
    /// Where it was cut: nothing of it is heard from this sample on.
    pub until: Option<u64>,
}

/// What happens on a leg.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TransportEvent {
    /// Caller audio; the samples are in the caller's buffer.
    Audio {
        /// Position of the first sample on the carrier's timestamps. A jump is a gap.
        at: u64,
    },
    /// A key of the caller's keypad.
    Digit(char),
    /// The playhead of the reply moved.
    Played {
        /// The reply.
        turn: TurnId,
        /// One past the last sample heard.
        until: u64,
        /// The carrier said so; otherwise it is an estimate.
        acknowledged: bool,
    },
    /// The leg is over. Reported once, and last.
    Ended(LegEnd),
}

/// How a leg ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LegEnd {
    /// The carrier said the call is over.
    Stopped,
    /// The peer closed the socket.
    PeerClosed,
    /// The socket vanished without a close.
    Disconnected,
    /// Nothing came for too long.
    Silent,
    /// The peer stopped reading.
    Stalled,
    /// The peer broke the protocol.
    ProtocolError,
    /// We closed it.
    Closed,
}
