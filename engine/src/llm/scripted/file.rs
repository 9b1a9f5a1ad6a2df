//! How a dialogue is written: the keys of its YAML file. What they mean is checked in
//! `dialogue.rs`.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, SeqAccess, Visitor, value::SeqAccessDeserializer};
use serde_json::{Map, Value};

use super::Pace;

/// The whole file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DialogueFile {
    pub(super) language: String,
    #[serde(default = "start")]
    pub(super) start: String,
    #[serde(default)]
    pub(super) slots: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) fragments: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) pace: Pace,
    pub(super) greeting: Option<ReplyEntry>,
    #[serde(default)]
    pub(super) rules: Vec<RuleEntry>,
    pub(super) fallback: ReplyEntry,
}

fn start() -> String {
    "start".to_owned()
}

/// One of `rules`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RuleEntry {
    #[serde(default)]
    pub(super) when: WhenEntry,
    // The fields of `ReplyEntry`: serde cannot both flatten and refuse unknown keys.
    pub(super) say: Option<String>,
    #[serde(default)]
    pub(super) set: BTreeMap<String, String>,
    pub(super) goto: Option<String>,
    pub(super) tool: Option<ToolEntry>,
    #[serde(default)]
    pub(super) end_call: bool,
    pub(super) then: Option<Box<ReplyEntry>>,
}

/// A rule's `when`.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WhenEntry {
    pub(super) user: Option<OneOrMany>,
    pub(super) state: Option<OneOrMany>,
}

/// `greeting`, `fallback`, `then`, and what a rule holds beside `when`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ReplyEntry {
    pub(super) say: Option<String>,
    #[serde(default)]
    pub(super) set: BTreeMap<String, String>,
    pub(super) goto: Option<String>,
    pub(super) tool: Option<ToolEntry>,
    #[serde(default)]
    pub(super) end_call: bool,
    pub(super) then: Option<Box<Self>>,
}

/// A reply's `tool`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ToolEntry {
    pub(super) name: String,
    #[serde(default)]
    pub(super) arguments: Map<String, Value>,
}

/// A text or a list of them. Written out, because serde's untagged enums lose the line of an error.
pub(super) enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

impl<'de> Deserialize<'de> for OneOrMany {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextOrList;

        impl<'de> Visitor<'de> for TextOrList {
            type Value = OneOrMany;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text or a list of texts")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<OneOrMany, E> {
                Ok(OneOrMany::One(text.to_owned()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<OneOrMany, A::Error> {
                let list: Vec<String> = Vec::deserialize(SeqAccessDeserializer::new(list))?;
                if list.is_empty() {
                    return Err(A::Error::custom("an empty list; leave the key out instead"));
                }
                Ok(OneOrMany::Many(list))
            }
        }

        deserializer.deserialize_any(TextOrList)
    }
}

impl RuleEntry {
    /// When it applies, and what it answers.
    pub(super) fn split(self) -> (WhenEntry, ReplyEntry) {
        let Self { when, say, set, goto, tool, end_call, then } = self;
        (when, ReplyEntry { say, set, goto, tool, end_call, then })
    }
}
