//! What the Floor is told. Every input carries the moment it concerns, never a clock.

use std::borrow::Cow;
use std::ops::Range;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::time::Instant;

/// One reply of the assistant, or one thing it says. Every message from a provider carries the
/// turn it belongs to; messages of an older turn are counted and dropped.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct TurnId(pub u32);

/// A position in the audio of one reply, in microseconds from its first sample.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Offset(pub u64);

/// A probability in ten-thousandths, so that a journal reads back bit for bit.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Probability(u16);

impl Probability {
    /// Rounds `value` (clamped to 0..=1; NaN counts as 0) to ten-thousandths.
    pub fn new(value: f32) -> Self {
        let scaled = (value.clamp(0.0, 1.0) * 10_000.0).round();
        Self(if scaled.is_nan() { 0 } else { scaled as u16 })
    }

    /// `value` ten-thousandths; more than all are all.
    pub const fn from_ten_thousandths(value: u16) -> Self {
        Self(if value > 10_000 { 10_000 } else { value })
    }

    /// The probability in ten-thousandths: what decisions are computed from, without rounding.
    pub const fn ten_thousandths(self) -> u16 {
        self.0
    }

    /// The probability as a number from 0 to 1.
    pub fn get(self) -> f32 {
        f32::from(self.0) / 10_000.0
    }
}

/// How much a transcript may still change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stability {
    /// A guess in mid-speech.
    Partial,
    /// Everything up to `covers` was heard and decoded; only more speech would change it.
    Stable,
    /// The recogniser will not change this segment again.
    Final,
}

/// The part of the pipeline a failure comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Speech recognition.
    Transcriber,
    /// The language model.
    Model,
    /// Speech synthesis.
    Voice,
}

/// Why a call ends. The session maps these to Vapi's `endedReason`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum EndReason {
    /// The assistant said one of `endCallPhrases`.
    AssistantSaidEndCallPhrase,
    /// The assistant called its `endCall` tool.
    AssistantEndedCall,
    /// The caller hung up.
    CustomerEndedCall,
    /// `maxDurationSeconds` is over.
    ExceededMaxDuration,
    /// Nobody said anything for `silenceTimeoutSeconds`.
    SilenceTimedOut,
    /// The carrier went away without a word.
    MediaLost,
    /// The carrier is connected but sends no audio.
    MediaSilent,
    /// The carrier stopped taking our audio.
    MediaStalled,
    /// The carrier does not keep to its protocol.
    MediaBroken,
    /// The engine is shutting down and takes no new calls, or the call did not finish within the
    /// limit.
    WorkerShutdown,
    /// All places are taken: the call never began.
    NoCapacity,
    /// A provider failed and nothing could take its place.
    ProviderFailed(Stage),
    /// An operator, the API, or the end of the process.
    ManuallyCanceled,
    /// A machine answered.
    Voicemail,
    /// The caller was connected to somebody else.
    AssistantForwardedCall,
}

/// What the Floor is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "type")]
pub enum Input<'a> {
    /// The time asked for by `poll_timeout` has come. Harmless when early or repeated.
    Timeout,
    /// Media flows both ways: the assistant may speak.
    Connected,

    /// The voice gate opened: two voiced windows, the first of which began at `since`.
    SpeechStarted {
        /// When the first voiced window began.
        since: Instant,
    },
    /// The voice gate closed; silence began at `since`.
    SpeechStopped {
        /// When the last voiced window ended.
        since: Instant,
    },
    /// What the voice gate is open for may be a noise that resembles a voice.
    NoiseSuspected,
    /// It is a voice after all.
    VoiceConfirmed,
    /// The speech that began last may be the assistant's own voice, come back over the line: it is
    /// not known yet whether the line does that.
    EchoSuspected,
    /// What was heard of the caller since `since` was the assistant's own voice.
    EchoFound {
        /// When it began.
        since: Instant,
    },
    /// The caller's line gave a single steady tone, as answering machines do.
    Beep {
        /// When it ended.
        until: Instant,
    },
    /// Words of the caller. A later transcript of the same segment replaces the earlier one.
    Transcript {
        /// Counts up within the call.
        segment: u32,
        /// The segment's words so far.
        text: Cow<'a, str>,
        /// How much of it may still change.
        stability: Stability,
        /// The caller's audio up to this moment is in the text.
        covers: Instant,
    },
    /// The recogniser's own end of turn, where it has one.
    EndOfTurn {
        /// A guess worth preparing a reply for, not yet the end.
        eager: bool,
    },
    /// The recogniser takes its end of turn back.
    TurnResumed,
    /// The recogniser is dead and nothing takes its place.
    RecognizerFailed,
    /// The turn model's answer to `Output::AskTurnModel`.
    TurnScore {
        /// The pause that was asked about.
        pause: u32,
        /// That the caller has finished.
        complete: Probability,
    },
    /// The answer of the assistant's endpointing server to `Output::AskEndpointing`.
    EndpointingAnswer {
        /// The look that was asked for.
        look: u32,
        /// The silence, from the asking, that ends the turn; `None`: it gave no answer.
        wait: Option<Duration>,
    },

    /// The next phrase of a reply, as it went to the voice.
    ReplyText {
        /// The reply.
        turn: TurnId,
        /// Appended to what came before, white space included.
        text: Cow<'a, str>,
    },
    /// The model asks for a tool.
    ReplyToolCall {
        /// The reply.
        turn: TurnId,
        /// The model's id for the call.
        id: Cow<'a, str>,
        /// The tool's name.
        name: Cow<'a, str>,
        /// A JSON object, as text.
        arguments: Cow<'a, str>,
    },
    /// The model has finished the reply's text.
    ReplyDone {
        /// The reply.
        turn: TurnId,
    },
    /// A stage failed for this reply. Audio that is ready (the last `Voiced`) is still played; no
    /// more will come.
    ReplyFailed {
        /// The reply.
        turn: TurnId,
        /// Which stage.
        stage: Stage,
    },
    /// A tool answered.
    ToolResult {
        /// The reply that called it.
        turn: TurnId,
        /// The model's id for the call.
        id: Cow<'a, str>,
        /// What the model is told, as text.
        result: Cow<'a, str>,
        /// What the caller hears of it is given: the model is not asked for words.
        #[serde(default, skip_serializing_if = "is_false")]
        answered: bool,
    },
    /// Say this as long as a tool runs: it is dropped once the tool has answered.
    ToolMessage {
        /// The reply that called it.
        turn: TurnId,
        /// The model's id for the call.
        id: Cow<'a, str>,
        /// The words.
        text: Cow<'a, str>,
    },

    /// The voice places words in its audio.
    Span {
        /// The reply.
        turn: TurnId,
        /// Bytes of the reply's text.
        text: Range<u32>,
        /// Where they are heard.
        audio: Range<Offset>,
    },
    /// Audio of the reply is ready up to `until`.
    Voiced {
        /// The reply.
        turn: TurnId,
        /// The end of what is synthesised.
        until: Offset,
        /// Nothing more will come.
        complete: bool,
    },
    /// The caller has heard the reply up to `until`.
    Played {
        /// The reply.
        turn: TurnId,
        /// The playhead.
        until: Offset,
        /// The carrier said so (a mark); otherwise it is our estimate.
        acknowledged: bool,
    },
    /// The answer to `Output::Hold`, and to `Output::CancelReply` of a reply that was playing:
    /// the carrier's queue is empty and playback stands here.
    Held {
        /// The reply.
        turn: TurnId,
        /// The playhead when the carrier's queue was cleared.
        at: Offset,
    },

    /// A key of the caller's keypad: 0-9, *, #, A-D.
    Digit {
        /// The key.
        digit: char,
    },
    /// Say this, on an operator's or a tool's order.
    Say {
        /// The words.
        text: Cow<'a, str>,
        /// Hang up once it was heard.
        end_call_after: bool,
    },
    /// What is being said gives way to what was ordered.
    Interrupt,
    /// The conversation was added to from outside: the model is asked what to say to it.
    Respond,
    /// End the call.
    EndCall {
        /// Why.
        reason: EndReason,
    },
}

/// serde calls it with a reference.
const fn is_false(value: &bool) -> bool {
    !*value
}
