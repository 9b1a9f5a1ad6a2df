//! How a call's turns are taken: Vapi's plans (names and meanings of `startSpeakingPlan` and
//! `stopSpeakingPlan`), with our defaults where the assistant says nothing.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::idle::IdleRule;
use crate::language::Language;
use crate::phrases;
use crate::rules::EndpointingRule;
use crate::voicemail::VoicemailPlan;
use crate::wait_function;

/// Who speaks first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FirstMessageMode {
    /// The assistant says `first_message`.
    #[default]
    AssistantSpeaksFirst,
    /// The model writes the greeting.
    AssistantSpeaksFirstWithModelGeneratedMessage,
    /// The caller speaks first.
    AssistantWaitsForUser,
}

/// When the assistant may start to speak.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StartSpeakingPlan {
    /// Least silence before audio is played, counted from the end of speech. Ours: 0.
    pub wait: Duration,
    /// Rules that go before everything else; the first that matches holds. Vapi: none.
    #[serde(default)]
    pub rules: Vec<EndpointingRule>,
    /// Smart endpointing, which goes before the recogniser's own end of turn.
    pub smart_endpointing: SmartEndpointing,
    /// Smart endpointing's silences in percent of what it would take. 100 is the setting it is
    /// made for; others are for measuring how cut-offs are traded for delay.
    #[serde(default = "as_made")]
    pub patience: u32,
    /// Silence that ends a turn whose transcript ends in punctuation. Vapi: 0.1 s.
    pub on_punctuation: Duration,
    /// Silence that ends a turn whose transcript does not. Vapi: 1.5 s.
    pub on_no_punctuation: Duration,
    /// Silence that ends a turn whose transcript ends in a number. Vapi: 0.5 s.
    pub on_number: Duration,
}

/// What guesses the end of a turn.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SmartEndpointing {
    /// Nothing: the recogniser's own end of turn and the silences of the plan decide.
    Off,
    /// Silence, turn model, words and what was asked ([`crate::endpointing`]).
    #[default]
    Own,
    /// The turn model's score alone, by a function of the assistant's (Vapi's `livekit`).
    WaitFunction {
        /// Milliseconds from x, the probability that the caller is still speaking
        /// ([`wait_function`]).
        expression: String,
    },
    /// A server of the assistant's (Vapi's `custom-endpointing-model`); ours where it is late.
    Model,
}

impl SmartEndpointing {
    /// Vapi's `livekit` with its own default.
    pub fn livekit() -> Self {
        Self::WaitFunction { expression: wait_function::DEFAULT.to_owned() }
    }

    /// The turn model is asked.
    pub const fn listens(&self) -> bool {
        !matches!(self, Self::Off)
    }
}

/// When the caller takes the floor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StopSpeakingPlan {
    /// Words needed to interrupt; 0: `voice` decides. Vapi: 0.
    pub num_words: u32,
    /// Voiced time needed to interrupt, where `num_words` is 0. Vapi: 0.2 s.
    pub voice: Duration,
    /// Silence after an interruption before the assistant may speak again. Vapi: 1 s.
    pub backoff: Duration,
    /// Never interrupt (compared without case and punctuation). Ours: those of the
    /// [`Settings::languages`].
    pub acknowledgement_phrases: Vec<String>,
    /// Always interrupt. Ours: the same.
    pub interruption_phrases: Vec<String>,
}

const fn as_made() -> u32 {
    100
}

impl Default for StartSpeakingPlan {
    fn default() -> Self {
        Self {
            wait: Duration::ZERO,
            rules: Vec::new(),
            smart_endpointing: SmartEndpointing::Own,
            patience: as_made(),
            on_punctuation: Duration::from_millis(100),
            on_no_punctuation: Duration::from_millis(1_500),
            on_number: Duration::from_millis(500),
        }
    }
}

impl Default for StopSpeakingPlan {
    fn default() -> Self {
        Self {
            num_words: 0,
            voice: Duration::from_millis(200),
            // The end of the caller's turn already is a silence; a second on top of it is the
            // most audible difference between a machine and a person.
            backoff: Duration::ZERO,
            acknowledgement_phrases: phrases::acknowledgements(&default_languages()),
            interruption_phrases: phrases::interruptions(&default_languages()),
        }
    }
}

/// Keys of the caller's keypad taken as words (Vapi's `keypadInputPlan`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeypadPlan {
    /// An entry ends when no key was pressed for this long. Vapi: 2 s. Zero: only a delimiter ends
    /// it, and where there is none, each key is an entry.
    pub timeout: Duration,
    /// Each of these keys ends an entry and is no part of it. Vapi: none; customers send `#`.
    pub delimiters: String,
}

impl Default for KeypadPlan {
    fn default() -> Self {
        Self { timeout: Duration::from_secs(2), delimiters: "#".to_owned() }
    }
}

/// Everything the Floor decides by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// What callers speak: whose fillers are no words, and whose greetings ask for no answer.
    #[serde(default = "default_languages")]
    pub languages: Vec<Language>,
    /// The greeting; empty: none.
    pub first_message: String,
    /// Who speaks first.
    pub first_message_mode: FirstMessageMode,
    /// The caller may interrupt the greeting.
    pub first_message_interruptions: bool,
    /// When the assistant may start to speak.
    pub start_speaking: StartSpeakingPlan,
    /// When the caller takes the floor.
    pub stop_speaking: StopSpeakingPlan,
    /// The reply is prepared before the end of turn is certain.
    pub speculation: bool,
    /// Silence of both that ends the call.
    pub silence_timeout: Duration,
    /// The longest a call may last.
    pub max_duration: Duration,
    /// Said by the assistant, they end the call (substring, without case).
    pub end_call_phrases: Vec<String>,
    /// Said before the call is ended by the assistant or a timer; empty: nothing.
    pub end_call_message: String,
    /// What follows on the caller's silence.
    #[serde(default)]
    pub idle: Vec<IdleRule>,
    /// Said before `silence_timeout` ends the call; empty: `end_call_message` is.
    #[serde(default)]
    pub silence_timeout_message: String,
    /// Whether a machine answers is listened for; `None`: it is not.
    #[serde(default)]
    pub voicemail: Option<VoicemailPlan>,
    /// Keypad input; `None`: keys are ignored, and counted.
    #[serde(default)]
    pub keypad: Option<KeypadPlan>,
}

impl Default for Settings {
    /// Ours, where the assistant says nothing: Vapi's, with smart endpointing of our own,
    /// speculation, and no silence that serves nobody (`wait`, `backoff`).
    fn default() -> Self {
        Self {
            languages: default_languages(),
            first_message: String::new(),
            first_message_mode: FirstMessageMode::default(),
            first_message_interruptions: false,
            start_speaking: StartSpeakingPlan::default(),
            stop_speaking: StopSpeakingPlan::default(),
            speculation: true,
            silence_timeout: Duration::from_secs(30),
            max_duration: Duration::from_secs(600),
            end_call_phrases: Vec::new(),
            end_call_message: String::new(),
            idle: Vec::new(),
            silence_timeout_message: String::new(),
            voicemail: None,
            keypad: None,
        }
    }
}

/// Callers mix them.
fn default_languages() -> Vec<Language> {
    vec![Language::English, Language::French]
}

impl Settings {
    /// Callers speak these languages, and acknowledge and interrupt as one does in them.
    pub fn speak(&mut self, languages: Vec<Language>) {
        self.stop_speaking.acknowledgement_phrases = phrases::acknowledgements(&languages);
        self.stop_speaking.interruption_phrases = phrases::interruptions(&languages);
        self.languages = languages;
    }

    /// Vapi's own defaults (`defaults = "vapi"` in the configuration).
    pub fn vapi() -> Self {
        let ours = Self::default();
        let (acknowledgement_phrases, interruption_phrases) = phrases::vapi();
        Self {
            start_speaking: StartSpeakingPlan {
                wait: Duration::from_millis(400),
                smart_endpointing: SmartEndpointing::Off,
                ..ours.start_speaking
            },
            stop_speaking: StopSpeakingPlan {
                backoff: Duration::from_secs(1),
                acknowledgement_phrases,
                interruption_phrases,
                ..ours.stop_speaking
            },
            speculation: false,
            ..ours
        }
    }
}
