//! A language model that follows a script: for the demo, for tests, and as the model of load
//! tests. It needs no network, and answers the same request the same way, always.
//!
//! A dialogue is a YAML file:
//!
//! ```yaml
//! language: en
//! start: open                       # the state it begins in; `start` where this is left out
//! slots: { name: "there", count: "two" }   # every slot, with the value it begins with
//! fragments: { number: "two|three|four" }  # parts of patterns, put in as {number}
//! pace: { first_token_ms: 200, tokens_per_second: 50 }   # left out: at once
//! greeting: { say: "Hello." }       # asked before the caller has said anything
//! rules:                            # the first that fits is taken
//!   - when:
//!       user: 'table for (?P<count>{number})'   # a regular expression, or a list of phrases
//!       state: open                             # a state or a list of them; left out: any
//!     say: "A table for {count}. Under which name?"
//!     goto: name
//!   - when: { user: 'my name is (?P<name>\w+)', state: name }
//!     say: "One moment."
//!     set: { count: "{count} people" }
//!     tool: { name: book_table, arguments: { guests: "{count}" } }
//!     then:                         # the reply to the tool's answer
//!       say: "Table {result.table|seven} is yours, {name}."
//!   - when: { user: [goodbye, that is all] }
//!     say: "Goodbye, {name}."
//!     end_call: true                # calls the tool endCall after the text
//! fallback: { say: "I am sorry, could you say that again?" }
//! ```
//!
//! Patterns see what the caller said in lower case, without accents and punctuation; a slot gets
//! the words as they were said. An unknown key, slot, state or fragment is refused by name.

mod conversation;
mod dialogue;
mod file;
mod pattern;
mod playback;
mod template;

use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use self::dialogue::Dialogue;
use self::playback::Playback;
use super::{ChatRequest, LanguageModel, ReplyStream};

/// How fast a scripted reply comes. The default is at once, which needs no clock and no runtime.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Pace {
    /// From the first poll to the first word, in ms.
    pub first_token_ms: u32,
    /// Words a second from then on; 0: all at once.
    pub tokens_per_second: u32,
}

/// Why there is no dialogue.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DialogueError {
    /// The file cannot be read.
    #[error("cannot read the dialogue {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The text is no YAML, or has an unknown, missing or mistyped key.
    #[error("{reason}")]
    Yaml {
        /// What is wrong, with path, line and column.
        reason: String,
    },
    /// A value cannot be used.
    #[error("{place}: {reason}")]
    Invalid {
        /// The value's path, such as `rules[2].when.user`; rules are counted from 0.
        place: String,
        /// What is wrong, and the remedy.
        reason: String,
    },
    /// A file holds no dialogue.
    #[error("{}: {error}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        error: Box<Self>,
    },
}

/// A [`LanguageModel`] that follows a dialogue.
///
/// With a [`Pace`] other than the default its replies must be polled within a tokio runtime with
/// time enabled.
#[derive(Debug)]
pub struct ScriptedModel {
    dialogue: Dialogue,
    pace: Pace,
}

impl ScriptedModel {
    /// Reads a dialogue.
    ///
    /// # Errors
    /// [`DialogueError::Yaml`] or [`DialogueError::Invalid`], naming the place.
    pub fn from_yaml(yaml: &str) -> Result<Self, DialogueError> {
        let dialogue = Dialogue::parse(yaml)?;
        Ok(Self { pace: dialogue.pace, dialogue })
    }

    /// Reads a dialogue from a file.
    ///
    /// # Errors
    /// As [`from_yaml`](Self::from_yaml), naming the file; [`DialogueError::Read`].
    pub fn from_path(path: &Path) -> Result<Self, DialogueError> {
        let yaml = std::fs::read_to_string(path)
            .map_err(|source| DialogueError::Read { path: path.to_owned(), source })?;
        Self::from_yaml(&yaml)
            .map_err(|error| DialogueError::File { path: path.to_owned(), error: Box::new(error) })
    }

    /// The same dialogue at another pace than its own.
    #[must_use]
    pub fn with_pace(mut self, pace: Pace) -> Self {
        self.pace = pace;
        self
    }

    /// The dialogue's language, as it gives it: `en`, `fr`.
    pub fn language(&self) -> &str {
        &self.dialogue.language
    }
}

impl LanguageModel for ScriptedModel {
    fn start(&self, request: ChatRequest) -> Box<dyn ReplyStream> {
        let turn = conversation::answer(&self.dialogue, &request.messages);
        Box::new(Playback::new(turn, self.pace))
    }
}
