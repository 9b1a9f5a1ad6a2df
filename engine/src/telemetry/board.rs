//! The calls in progress, as `GET /live` and `causerie top` show them.
//!
//! It is written once per event of a call (a handful in a second), in the task that takes the
//! events, and read when somebody looks: no call ever waits for it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use serde::{Deserialize, Serialize};
use turntaking::output::{Event, Role};

use crate::session::{CallId, Direction, SessionEvent, SessionEventKind};
use crate::store::StageTimes;

/// The calls in progress. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Board {
    #[expect(
        clippy::disallowed_types,
        reason = "written per event by one task and read by who looks: no call waits for it"
    )]
    calls: Arc<std::sync::Mutex<BTreeMap<CallId, Entry>>>,
}

#[derive(Debug)]
struct Entry {
    began: Instant,
    shown: LiveCall,
}

/// Who is in a call.
#[derive(Clone, Debug, Default)]
pub struct Parties {
    /// The other side's number.
    pub customer: Option<String>,
    /// The assistant's name.
    pub assistant: Option<String>,
}

/// A call in progress.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LiveCall {
    /// The call.
    pub id: CallId,
    /// The other side's number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub customer: Option<String>,
    /// The assistant's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub assistant: Option<String>,
    /// `inbound` or `outbound`.
    pub direction: String,
    /// How long it has been connected, in seconds.
    pub seconds: f64,
    /// What the Floor's state is called: `listening`, `hearing`, `thinking`, `speaking`...
    pub state: String,
    /// Replies to the caller that were heard.
    pub turns: u64,
    /// The last of them, from the end of the caller's speech to its first audible sample, in ms.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub turn_ms: Option<f64>,
    /// How often the caller cut the assistant short.
    pub interruptions: u64,
    /// How late the call's task was woken at worst in the last two seconds, in ms.
    pub lag_ms: f64,
    /// Frames of the caller's that came late.
    pub frames_late: u64,
}

impl Board {
    /// A call has begun.
    pub fn enter(&self, id: CallId, direction: Direction, parties: Parties) {
        let Parties { customer, assistant } = parties;
        let shown = LiveCall {
            id,
            customer,
            assistant,
            direction: direction.as_str().to_owned(),
            seconds: 0.0,
            state: "listening".to_owned(),
            turns: 0,
            turn_ms: None,
            interruptions: 0,
            lag_ms: 0.0,
            frames_late: 0,
        };
        self.lock().insert(id, Entry { began: Instant::now(), shown });
    }

    /// A call is over.
    pub fn leave(&self, id: CallId) {
        self.lock().remove(&id);
    }

    /// Something happened in a call.
    pub fn note(&self, event: &SessionEvent) {
        let mut calls = self.lock();
        let Some(Entry { shown, .. }) = calls.get_mut(&event.call) else { return };
        let mut state = |state: &str| state.clone_into(&mut shown.state);
        match &event.kind {
            SessionEventKind::Audible(measure) => {
                if let Some(ms) = StageTimes::new(measure).first_audio_ms {
                    shown.turns += 1;
                    shown.turn_ms = Some(ms);
                }
            }
            SessionEventKind::Pulse(pulse) => {
                state(pulse.state);
                shown.lag_ms = (pulse.lag.as_secs_f64() * 10_000.0).round() / 10.0;
                shown.frames_late = pulse.frames_late;
            }
            SessionEventKind::Floor(Event::SpeechUpdate { role, started }) => match (role, started)
            {
                (Role::User, true) => state("hearing"),
                (Role::User, false) => state("settling"),
                (Role::Assistant, true) => state("speaking"),
                (Role::Assistant, false) => state("listening"),
            },
            SessionEventKind::Floor(Event::TurnEnded { .. }) => state("thinking"),
            SessionEventKind::Floor(Event::UserInterrupted { .. }) => shown.interruptions += 1,
            _ => {}
        }
    }

    /// All calls, the longest first.
    pub fn calls(&self) -> Vec<LiveCall> {
        let calls = self.lock();
        let shown = calls.values().map(|entry| LiveCall {
            seconds: (entry.began.elapsed().as_secs_f64() * 10.0).round() / 10.0,
            ..entry.shown.clone()
        });
        let mut all: Vec<_> = shown.collect();
        all.sort_by(|a, b| b.seconds.total_cmp(&a.seconds));
        all
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<CallId, Entry>> {
        self.calls.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use turntaking::input::TurnId;
    use turntaking::output::TurnTimes;
    use turntaking::time::Instant as Moment;

    use super::*;
    use crate::session::{Pulse, TurnMeasure};

    #[test]
    fn a_call_is_shown_as_it_is() {
        let (board, id) = (Board::default(), CallId::random());
        let note = |kind| {
            board.note(&SessionEvent { call: id, at: Moment::START, kind });
            board.calls().pop()
        };
        let pulse = Pulse { state: "hearing", lag: Duration::from_micros(1_240), frames_late: 3 };
        assert_eq!(note(SessionEventKind::Pulse(pulse)), None, "not there yet");
        let parties = Parties { customer: Some("+336".to_owned()), assistant: None };
        board.enter(id, Direction::Inbound, parties);
        let shown = note(SessionEventKind::Pulse(pulse)).expect("there");
        assert_eq!((shown.state.as_str(), shown.lag_ms, shown.frames_late), ("hearing", 1.2, 3));
        assert_eq!(shown.customer.as_deref(), Some("+336"));
        let times = TurnTimes {
            speech_ended: Some(Moment::from_millis(1_000)),
            first_played: Some(Moment::from_millis(1_480)),
            ..TurnTimes::default()
        };
        let measure =
            TurnMeasure { turn: TurnId(1), times, speculative: false, onset: Duration::ZERO };
        let shown = note(SessionEventKind::Audible(measure)).expect("there");
        assert_eq!((shown.turns, shown.turn_ms), (1, Some(480.0)));
        board.leave(id);
        assert_eq!(board.calls(), []);
    }
}
