//! What a session tells the rest of the engine.

use std::time::Duration;

use turntaking::input::{EndReason, TurnId};
use turntaking::time::Instant;

use super::CallId;
use super::measure::TurnMeasure;

/// Something happened in a call. Sent over a bounded queue; a consumer that does not keep up
/// loses events, which are counted, and never the call. Room for the last one is taken when the
/// call begins.
#[derive(Clone, Debug)]
pub struct SessionEvent {
    /// The call.
    pub call: CallId,
    /// When, on the call's clock.
    pub at: Instant,
    /// What.
    pub kind: SessionEventKind,
}

/// What happened.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum SessionEventKind {
    /// The caller is connected.
    Started {
        /// The carrier's id of the call.
        carrier_call: String,
    },
    /// What the Floor saw.
    Floor(turntaking::output::Event),
    /// The next words of a reply went to the voice. It may still be dropped unheard.
    Phrase {
        /// The reply.
        turn: TurnId,
        /// The words.
        text: String,
    },
    /// A reply has become audible: how fast it was.
    Audible(TurnMeasure),
    /// How the call is, about every two seconds.
    Pulse(Pulse),
    /// The model called a tool.
    ToolCalled {
        /// The model's id for the call.
        id: String,
        /// The tool's name.
        name: String,
        /// A JSON object, as text.
        arguments: String,
    },
    /// A tool answered.
    ToolAnswered {
        /// The model's id for the call.
        id: String,
        /// What the model is told.
        result: String,
    },
    /// A message was put into the conversation from outside.
    MessageAdded {
        /// The message.
        message: crate::llm::ChatMessage,
    },
    /// The caller waits for a reply, longer than anybody should.
    Hangs,
    /// We hang up; what is still to be heard is heard.
    HangingUp {
        /// Why.
        reason: EndReason,
    },
    /// The carrier connects the caller to somebody else.
    Forwarded {
        /// Whom, as the assistant has it.
        destination: serde_json::Value,
    },
    /// Another assistant has taken the call over.
    HandedOver {
        /// Its name; may be empty.
        name: String,
        /// Where it is a stored one.
        assistant_id: Option<String>,
        /// As it is shown to servers.
        assistant: serde_json::Map<String, serde_json::Value>,
        /// Where the call was handed over to, as the assistant before has it.
        destination: serde_json::Value,
    },
    /// A tool has taught something about the call: variables.
    Learnt {
        /// Their names and values.
        variables: serde_json::Map<String, serde_json::Value>,
    },
    /// The call is over; nothing follows.
    Ended {
        /// Why.
        reason: EndReason,
        /// How it went.
        stats: CallStats,
    },
}

/// How a call in progress is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pulse {
    /// What the Floor's state is called.
    pub state: &'static str,
    /// How late the call's task was woken at worst since the last pulse.
    pub lag: Duration,
    /// Frames of the caller's that came late so far.
    pub frames_late: u64,
}

/// Counts of one call, for its report and for those who look for trouble.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct CallStats {
    /// How long the call lasted, in ms.
    pub duration_ms: u64,
    /// Frames of caller audio.
    pub frames_in: u64,
    /// Gaps in the caller's audio that were filled with silence.
    pub gaps: u64,
    /// How much of the caller's audio a voice was found in that was the assistant's own, come back,
    /// in ms.
    #[serde(default)]
    pub echo_ms: u64,
    /// Times it was taken for the caller's at first.
    #[serde(default)]
    pub echoes_mistaken: u64,
    /// Inputs the Floor dropped as late, duplicate or foreign.
    pub inputs_dropped: u64,
    /// Replies that were prepared before the turn's end was certain.
    #[serde(default)]
    pub speculations: u64,
    /// Those of them that were dropped unheard.
    pub speculations_wasted: u64,
    /// Pieces of text (tokens, as a rule) that the model had written for those.
    #[serde(default)]
    pub tokens_wasted: u64,
    /// Characters of them that had gone to the voice.
    #[serde(default)]
    pub characters_wasted: u64,
    /// Frames of caller audio that came later than the carrier's fastest by more than 60 ms.
    #[serde(default)]
    pub frames_late: u64,
    /// How long a frame of the caller's was on its way, in the mean, in µs: half of the best round
    /// trip, where it was measured, and what frames came later than the carrier's fastest.
    #[serde(default)]
    pub from_transport_us: u64,
    /// How late the call's task was woken at worst, in µs.
    #[serde(default)]
    pub worst_lag_us: u64,
    /// Events a slow consumer lost.
    pub events_lost: u64,
}
