//! How fast a reply reached the caller, once its voice was heard.
//!
//! The Floor notes when each stage was reached, the last of them being the first sample that was
//! played. A voice often begins with silence, which nobody takes for an answer: what counts is the
//! first sample that can be heard, and it counts when the playhead has passed it.

use std::time::Duration;

use turntaking::input::TurnId;
use turntaking::output::{Event, TurnTimes};

/// A sample louder than this is heard: about -44 dBFS, above the noise of a voice between its words.
pub(super) const AUDIBLE: u16 = 200;

/// One reply's way to the caller's ear.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TurnMeasure {
    /// The reply.
    pub turn: TurnId,
    /// When each stage was reached.
    pub times: TurnTimes,
    /// It had been prepared before the turn was certain to be over.
    pub speculative: bool,
    /// Silence that the voice begins with: what was played before the first audible sample.
    pub onset: Duration,
}

/// The reply whose first sample was played and whose first audible one is still to come.
#[derive(Debug, Default)]
pub(super) struct Measures {
    begun: Option<TurnMeasure>,
}

impl Measures {
    /// Notes what the Floor saw.
    pub(super) const fn note(&mut self, event: &Event) {
        if let Event::TurnLatency { turn, times, speculative } = event {
            let (turn, times, speculative) = (*turn, *times, *speculative);
            self.begun = Some(TurnMeasure { turn, times, speculative, onset: Duration::ZERO });
        }
    }

    /// The reply `turn` has become audible after `onset`. Tells its measure, once.
    pub(super) fn audible(&mut self, turn: TurnId, onset: Duration) -> Option<TurnMeasure> {
        let begun = self.begun.take_if(|begun| begun.turn == turn)?;
        Some(TurnMeasure { onset, ..begun })
    }
}
