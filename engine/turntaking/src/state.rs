//! The Floor's states. Each carries what only it needs.

use std::fmt;
use std::time::Duration;

use crate::endpointing::Ground;
use crate::input::{EndReason, Offset, Probability};
use crate::reply::Reply;
use crate::time::Instant;
use crate::timers::Reason;

/// Who holds the floor.
#[derive(Debug)]
#[non_exhaustive]
pub enum State {
    /// Nobody speaks.
    Listening,
    /// The caller speaks.
    Hearing,
    /// The caller was silent a moment ago; silence is running.
    Settling(Settling),
    /// The turn is the assistant's, and nothing of its reply was heard yet.
    Thinking(Thinking),
    /// The assistant is heard.
    Speaking(Speaking),
    /// The assistant is held: the caller made a sound.
    Yielding(Yielding),
    /// The call is ending: the farewell is said, and tools finish; or a machine has answered, and is
    /// left a message.
    Closing(Closing),
    /// The call is over.
    Closed(EndReason),
}

impl State {
    /// The state's name in lower case.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Listening => "listening",
            Self::Hearing => "hearing",
            Self::Settling(_) => "settling",
            Self::Thinking(_) => "thinking",
            Self::Speaking(_) => "speaking",
            Self::Yielding(_) => "yielding",
            Self::Closing(_) => "closing",
            Self::Closed(_) => "closed",
        }
    }

    /// The reply that was asked for and is not over, if there is one.
    pub const fn reply(&self) -> Option<&Reply> {
        match self {
            Self::Settling(settling) => settling.draft.as_ref(),
            Self::Thinking(thinking) => Some(&thinking.reply),
            Self::Speaking(speaking) => Some(&speaking.reply),
            Self::Yielding(yielding) => Some(&yielding.reply),
            Self::Closing(closing) => closing.farewell.as_ref(),
            Self::Listening | Self::Hearing | Self::Closed(_) => None,
        }
    }

    pub(crate) const fn reply_mut(&mut self) -> Option<&mut Reply> {
        match self {
            Self::Settling(settling) => settling.draft.as_mut(),
            Self::Thinking(thinking) => Some(&mut thinking.reply),
            Self::Speaking(speaking) => Some(&mut speaking.reply),
            Self::Yielding(yielding) => Some(&mut yielding.reply),
            Self::Closing(closing) => closing.farewell.as_mut(),
            Self::Listening | Self::Hearing | Self::Closed(_) => None,
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Silence is running.
#[derive(Debug)]
pub struct Settling {
    /// Counts the pauses of the call.
    pub(crate) pause: u32,
    /// When silence began.
    pub(crate) since: Instant,
    /// The voice gate did not hear it: silence began where the words end.
    pub(crate) whispered: bool,
    /// The turn model was asked.
    pub(crate) asked: bool,
    /// What it answered.
    pub(crate) score: Option<Probability>,
    /// What the assistant's endpointing server was asked last.
    pub(crate) look: Option<Look>,
    /// The recogniser says that the turn is over, or may be.
    pub(crate) ended: Option<RecognizerEnd>,
    /// The recogniser took that back: the caller is about to go on.
    pub(crate) resumed: bool,
    /// The reply in preparation.
    pub(crate) draft: Option<Reply>,
    /// When to prepare one.
    pub(crate) draft_at: Option<Instant>,
    /// The silence that the evidence wants, and what decided that.
    pub(crate) wanted: (Duration, Ground),
    /// When to decide, and why then.
    pub(crate) end: (Instant, Reason),
}

/// A question to the assistant's endpointing server.
#[derive(Clone, Debug)]
pub(crate) struct Look {
    pub(crate) number: u32,
    /// When it was asked.
    pub(crate) at: Instant,
    /// The words it was asked about.
    pub(crate) user: String,
    pub(crate) answer: Answer,
}

/// What the endpointing server answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Awaited,
    Wait(Duration),
    Failed,
}

/// The recogniser's own end of turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RecognizerEnd {
    Eager,
    Certain,
}

/// A reply is on its way.
#[derive(Debug)]
pub struct Thinking {
    pub(crate) reply: Reply,
    /// It may not be heard before; `None`: it may.
    pub(crate) release: Option<Instant>,
}

/// A reply is heard.
#[derive(Debug)]
pub struct Speaking {
    pub(crate) reply: Reply,
}

/// A reply is held.
#[derive(Debug)]
pub struct Yielding {
    pub(crate) reply: Reply,
    /// When it was held.
    pub(crate) since: Instant,
    /// When the evidence was last looked at.
    pub(crate) judged: Instant,
    /// Voice heard since then in stretches that are over.
    pub(crate) voiced: Duration,
    /// Where playback stands, once that is known.
    pub(crate) held: Option<Offset>,
    /// Playback shall go on, decided then, as soon as it is known from where.
    pub(crate) resume: Option<Instant>,
}

/// The call is ending.
#[derive(Debug)]
pub struct Closing {
    pub(crate) reason: EndReason,
    pub(crate) since: Instant,
    pub(crate) farewell: Option<Reply>,
    /// A machine has answered, and is to be told something.
    pub(crate) machine: Option<Machine>,
}

/// How far an answering machine is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Machine {
    /// It greets, and has not beeped yet.
    Greeting,
    /// Its beep ended then.
    Beeped(Instant),
    /// It is spoken to. `beeped`: it had beeped before.
    Listening { beeped: bool },
}

impl Closing {
    /// A call that ends for `reason`.
    pub(crate) const fn new(reason: EndReason, since: Instant) -> Self {
        Self { reason, since, farewell: None, machine: None }
    }

    /// A machine's beep is awaited, or has just been heard.
    pub(crate) const fn awaits_machine(&self) -> bool {
        matches!(self.machine, Some(Machine::Greeting | Machine::Beeped(_)))
    }
}
