//! The conversation as it was heard: what the next request to the model is made of.

use serde::{Deserialize, Serialize};

use crate::dictation::Dictated;
use crate::input::TurnId;

/// One entry of the conversation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "role")]
pub enum Entry {
    /// A turn of the caller.
    User {
        /// The words of the whole turn.
        text: String,
        /// What they dictate, as it is written.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        dictated: Option<Dictated>,
    },
    /// What the caller heard of a reply.
    Assistant {
        /// The reply.
        turn: TurnId,
        /// Exactly what was played, to the word.
        text: String,
        /// All of it was.
        complete: bool,
    },
    /// A tool that was run.
    ToolCall {
        /// The reply that asked for it.
        turn: TurnId,
        /// The model's id for the call.
        id: String,
        /// The tool's name.
        name: String,
        /// A JSON object, as text.
        arguments: String,
    },
    /// What a tool answered. Stands right behind the calls it belongs to, even where the caller
    /// has spoken since; a call without a result is still running.
    ToolResult {
        /// The model's id for the call.
        id: String,
        /// What the model is told, as text.
        result: String,
    },
}

/// All entries, with a revision that tells whether anything changed.
#[derive(Debug, Default)]
pub(crate) struct History {
    entries: Vec<Entry>,
    revision: u64,
}

impl History {
    pub(crate) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Grows with each change.
    pub(crate) const fn revision(&self) -> u64 {
        self.revision
    }

    /// Something changed that only the model sees.
    pub(crate) const fn touch(&mut self) {
        self.revision += 1;
    }

    /// The words of the assistant's last entry; empty where there is none.
    pub(crate) fn last_of_assistant(&self) -> &str {
        let last = self.entries.iter().rev().find_map(|entry| match entry {
            Entry::Assistant { text, .. } => Some(text.as_str()),
            Entry::User { .. } | Entry::ToolCall { .. } | Entry::ToolResult { .. } => None,
        });
        last.unwrap_or_default()
    }

    /// The words of the caller's last turn.
    pub(crate) fn last_of_caller(&self) -> Option<&str> {
        self.entries.iter().rev().find_map(|entry| match entry {
            Entry::User { text, .. } => Some(text.as_str()),
            Entry::Assistant { .. } | Entry::ToolCall { .. } | Entry::ToolResult { .. } => None,
        })
    }

    pub(crate) fn push(&mut self, entry: Entry) {
        self.entries.push(entry);
        self.revision += 1;
    }

    /// Takes the caller's last turn back, where nothing followed it.
    pub(crate) fn reopen_user(&mut self) -> Option<String> {
        let Some(Entry::User { .. }) = self.entries.last() else { return None };
        let Some(Entry::User { text, .. }) = self.entries.pop() else { return None };
        self.revision += 1;
        Some(text)
    }

    /// Puts a tool's answer behind its call and the answers already there. Returns false where
    /// there is no such call.
    pub(crate) fn insert_result(&mut self, turn: TurnId, id: &str, result: &str) -> bool {
        let is_call = |entry: &Entry| matches!(entry, Entry::ToolCall { turn: of, id: called, .. } if *of == turn && called == id);
        let Some(call) = self.entries.iter().rposition(is_call) else { return false };
        let behind = self.entries[call..]
            .iter()
            .take_while(|entry| matches!(entry, Entry::ToolCall { .. } | Entry::ToolResult { .. }))
            .count();
        let result = Entry::ToolResult { id: id.to_owned(), result: result.to_owned() };
        self.entries.insert(call + behind, result);
        self.revision += 1;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(text: &str) -> Entry {
        Entry::User { text: text.to_owned(), dictated: None }
    }

    fn call(id: &str) -> Entry {
        Entry::ToolCall {
            turn: TurnId(1),
            id: id.to_owned(),
            name: "search".to_owned(),
            arguments: "{}".to_owned(),
        }
    }

    #[test]
    fn a_late_result_stands_behind_its_call() {
        let mut history = History::default();
        history.push(call("a"));
        history.push(call("b"));
        history.push(user("hello?"));
        assert!(history.insert_result(TurnId(1), "b", "2"));
        assert!(history.insert_result(TurnId(1), "a", "1"));
        let kinds: Vec<_> = history
            .entries()
            .iter()
            .map(|entry| match entry {
                Entry::User { .. } => "user".to_owned(),
                Entry::Assistant { .. } => "assistant".to_owned(),
                Entry::ToolCall { id, .. } => format!("call {id}"),
                Entry::ToolResult { id, .. } => format!("result {id}"),
            })
            .collect();
        assert_eq!(kinds, ["call a", "call b", "result b", "result a", "user"]);
    }

    #[test]
    fn a_result_without_a_call_is_refused() {
        let mut history = History::default();
        history.push(call("a"));
        assert!(!history.insert_result(TurnId(2), "a", "1"), "another reply's");
        assert!(!history.insert_result(TurnId(1), "b", "1"));
    }

    #[test]
    fn only_the_last_entry_can_be_reopened() {
        let mut history = History::default();
        history.push(user("one"));
        history.push(call("a"));
        assert_eq!(history.reopen_user(), None);
        history.push(user("two"));
        assert_eq!(history.reopen_user().as_deref(), Some("two"));
        assert_eq!(history.entries().len(), 2);
    }
}
