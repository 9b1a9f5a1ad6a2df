//! What the Floor asks for.

use serde::{Deserialize, Serialize};

use crate::dictation::Dictated;
use crate::endpointing::{Evidence, Ground};
use crate::input::{EndReason, Offset, TurnId};
use crate::time::Instant;

/// What the recogniser is told about the caller's turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecognizerHint {
    /// The caller began to speak.
    SpeechStarted,
    /// Silence has begun: a good moment for the final decode.
    Pause,
    /// The turn is over: what comes next is a new utterance.
    TurnEnded,
}

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The caller.
    User,
    /// The assistant.
    Assistant,
}

/// When each stage of a reply was reached. Absent stages were skipped (a greeting has no caller).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TurnTimes {
    /// The caller's last voiced window ended.
    pub speech_ended: Option<Instant>,
    /// The words that made the turn were complete.
    pub transcribed: Option<Instant>,
    /// The turn was taken to be over.
    pub committed: Option<Instant>,
    /// The model was asked (before `committed` where the reply was prepared in advance).
    pub requested: Option<Instant>,
    /// The first phrase went to the voice.
    pub first_text: Option<Instant>,
    /// The first audio came back.
    pub first_audio: Option<Instant>,
    /// The caller began to hear it.
    pub first_played: Option<Instant>,
}

/// What the world may want to know. The session passes these on; none of them is an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "type")]
pub enum Event {
    /// Words of the caller, so far or for good.
    UserTranscript {
        /// The whole turn's words.
        text: String,
        /// They entered history.
        is_final: bool,
    },
    /// The caller's turn was taken to be over, and why then. The final transcript follows.
    TurnEnded {
        /// Silence since the end of speech, in ms.
        silence_ms: u32,
        /// The silence that was wanted, in ms.
        wait_ms: u32,
        /// What decided it.
        ground: Ground,
        /// What was known.
        evidence: Evidence,
        /// What the words dictate, as it is written.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        dictated: Option<Dictated>,
    },
    /// The caller went on before a word of the reply was heard: the last final transcript is
    /// withdrawn, and its words come again with those that follow.
    TurnReopened,
    /// What the caller heard of a reply; it entered history with these words.
    AssistantHeard {
        /// The reply.
        turn: TurnId,
        /// Exactly what was played, to the word.
        text: String,
        /// All of it was.
        complete: bool,
    },
    /// Somebody began or stopped to speak.
    SpeechUpdate {
        /// Who.
        role: Role,
        /// Began, or stopped.
        started: bool,
    },
    /// The caller took the floor from the assistant.
    UserInterrupted {
        /// The reply that was cut.
        turn: TurnId,
    },
    /// A hold turned out to be no interruption, and playback goes on.
    FalseInterruption {
        /// The reply that goes on.
        turn: TurnId,
    },
    /// A message of `Input::ToolMessage` was heard, or will not be said: nobody need wait for it.
    ToolMessageSaid {
        /// The reply that called the tool.
        turn: TurnId,
        /// The model's id for the call.
        id: String,
    },
    /// A machine has answered.
    VoicemailDetected,
    /// The first sample of a reply was heard.
    TurnLatency {
        /// The reply.
        turn: TurnId,
        /// When each stage was reached.
        times: TurnTimes,
        /// It had been prepared before the turn was certain to be over.
        speculative: bool,
    },
}

/// What the Floor asks for. The session carries each one out, in order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "type")]
pub enum Output {
    /// Ask the language model for a reply to the history, followed by `user` where it is not
    /// empty (those words enter history when the reply is committed), and by `prompt`, an
    /// instruction for this reply alone, where that is not.
    StartReply {
        /// The new reply.
        turn: TurnId,
        /// It may be dropped unheard: prepare audio, play nothing, run no tool.
        speculative: bool,
        /// The caller's words that are not yet in history.
        user: String,
        /// What the model is told to say, where nobody has spoken.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        prompt: String,
    },
    /// The speculative reply is wanted: play it as it comes.
    CommitReply {
        /// The reply.
        turn: TurnId,
    },
    /// Stop the model and the voice of this reply; clear the carrier's queue and drop what is
    /// unplayed. Where audio of it was sent and not held, answer with `Input::Held`.
    CancelReply {
        /// The reply.
        turn: TurnId,
    },
    /// Synthesise and play these words.
    Say {
        /// The new reply.
        turn: TurnId,
        /// What to say.
        text: String,
    },
    /// Clear the carrier's queue and keep the unplayed audio; answer with `Input::Held`.
    Hold {
        /// The reply.
        turn: TurnId,
    },
    /// Play on from `from`.
    Resume {
        /// The reply.
        turn: TurnId,
        /// The start of the word that was cut.
        from: Offset,
    },
    /// Ask the turn model about the audio up to now; answer with `Input::TurnScore`.
    AskTurnModel {
        /// To be sent back with the answer.
        pause: u32,
    },
    /// Ask the assistant's endpointing server how long to wait, with the history followed by
    /// `user`; answer with `Input::EndpointingAnswer`.
    AskEndpointing {
        /// To be sent back with the answer.
        look: u32,
        /// The caller's words so far.
        user: String,
    },
    /// Tell the recogniser.
    Recognizer {
        /// What.
        hint: RecognizerHint,
    },
    /// Run this tool; answer with `Input::ToolResult`.
    RunTool {
        /// The reply that asked for it.
        turn: TurnId,
        /// The model's id for the call.
        id: String,
        /// The tool's name.
        name: String,
        /// A JSON object, as text.
        arguments: String,
    },
    /// Something happened.
    Event {
        /// What.
        event: Event,
    },
    /// Hang up. Nothing follows.
    Hangup {
        /// Why.
        reason: EndReason,
    },
}
