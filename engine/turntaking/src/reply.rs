//! One reply, from the order to prepare it to its last word.

use crate::idle::IdleAction;
use crate::input::{Offset, Stage, TurnId};
use crate::ledger::Ledger;
use crate::output::TurnTimes;
use crate::time::Instant;

/// Why the assistant speaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// The call was answered.
    Greeting,
    /// The caller's turn, of that many pieces.
    Turn {
        /// How many pieces of the caller's words it answers.
        pieces: usize,
    },
    /// The caller's turn, which is over: some of the reply was heard, or a tool was run.
    ClosedTurn,
    /// Tools answered.
    Results,
    /// An operator's or a tool's order.
    Order(Order),
    /// The caller says nothing.
    Idle {
        /// By which rule.
        rule: usize,
        /// What of it.
        action: IdleAction,
    },
    /// The call is being closed.
    Farewell,
}

/// An order to say something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Order {
    pub(crate) text: String,
    /// Hang up once it was heard.
    pub(crate) end_call_after: bool,
    /// The tool's call it is about, by the reply that made it and its id: it is said only while
    /// the tool runs.
    pub(crate) tool: Option<(TurnId, String)>,
}

/// A tool a reply asked for.
#[derive(Clone, Debug)]
pub(crate) struct ToolCall {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) arguments: String,
    /// What it answered, once it has.
    pub(crate) result: Option<ToolResult>,
}

/// What a tool answered.
#[derive(Clone, Debug)]
pub(crate) struct ToolResult {
    pub(crate) text: String,
    /// The model need not answer it.
    pub(crate) answered: bool,
}

/// A reply that was asked for and is neither over nor cancelled.
#[derive(Debug)]
pub struct Reply {
    pub(crate) turn: TurnId,
    pub(crate) cause: Cause,
    /// The caller's words it answers.
    pub(crate) user: String,
    /// The history's revision it was asked with.
    pub(crate) asked_with: u64,
    /// It was prepared in advance.
    pub(crate) speculative: bool,
    /// It may be heard, and run tools.
    pub(crate) committed: bool,
    pub(crate) ledger: Ledger,
    /// The model has finished the text.
    pub(crate) text_done: bool,
    /// The voice has finished the audio.
    pub(crate) voiced_all: bool,
    /// The caller heard the first sample.
    pub(crate) audible: bool,
    /// A stage failed in mid-reply: what is ready is still played.
    pub(crate) failed: Option<Stage>,
    /// Tools it asked for; run as soon as it is committed.
    pub(crate) tools: Vec<ToolCall>,
    /// It called `endCall`.
    pub(crate) end_call: bool,
    pub(crate) times: TurnTimes,
    /// When anything last happened to it.
    pub(crate) progress: Instant,
}

impl Reply {
    pub(crate) fn new(turn: TurnId, cause: Cause, now: Instant) -> Self {
        Self {
            turn,
            cause,
            user: String::new(),
            asked_with: 0,
            speculative: false,
            committed: true,
            ledger: Ledger::default(),
            text_done: false,
            voiced_all: false,
            audible: false,
            failed: None,
            tools: Vec::new(),
            end_call: false,
            times: TurnTimes { requested: Some(now), ..TurnTimes::default() },
            progress: now,
        }
    }

    /// The reply's id, as providers know it.
    pub const fn turn(&self) -> TurnId {
        self.turn
    }

    /// The text that went to the voice so far.
    pub fn text(&self) -> &str {
        self.ledger.text()
    }

    /// It was prepared in advance and may still be dropped unheard.
    pub const fn is_draft(&self) -> bool {
        !self.committed
    }

    /// Tools were run for it: it cannot be undone.
    pub(crate) const fn has_acted(&self) -> bool {
        self.committed && !self.tools.is_empty()
    }

    /// Audio of it exists, so that some of it may have been heard.
    pub(crate) fn may_be_heard(&self) -> bool {
        self.committed && self.ledger.voiced() > Offset(0)
    }

    /// Nothing more will be heard of it.
    pub(crate) fn is_over(&self) -> bool {
        let silent = self.ledger.text().trim().is_empty();
        self.committed
            && self.text_done
            && (silent || (self.voiced_all && self.ledger.is_played_out()))
    }

    /// The words that were heard, and whether these are all.
    pub(crate) fn heard(&self) -> (&str, bool) {
        let whole = self.ledger.text().trim();
        if self.audible && self.is_over() && self.failed.is_none() {
            return (whole, true);
        }
        let heard = self.ledger.heard();
        (heard, self.text_done && self.failed.is_none() && heard.len() == whole.len())
    }
}
