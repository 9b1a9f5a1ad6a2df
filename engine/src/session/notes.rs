//! Messages that were put into the conversation from outside: what an operator or a product wants
//! the model to know. They are no part of what was said, so the Floor does not have them.

use crate::llm::ChatMessage;

/// The messages, each behind the entries of history that were there when it came.
#[derive(Debug, Default)]
pub(super) struct Notes(Vec<(usize, ChatMessage)>);

impl Notes {
    /// Puts a message behind `entries` entries of history.
    pub(super) fn add(&mut self, entries: usize, message: ChatMessage) {
        self.0.push((entries, message));
    }

    /// Appends those that stand before entry `index`.
    pub(super) fn put(&self, index: usize, messages: &mut Vec<ChatMessage>) {
        messages.extend(self.0.iter().filter(|(at, _)| *at == index).map(|(_, note)| note.clone()));
    }

    /// Appends those that stand behind all `entries` entries: also where history has become shorter
    /// since, because a turn was withdrawn.
    pub(super) fn put_rest(&self, entries: usize, messages: &mut Vec<ChatMessage>) {
        messages
            .extend(self.0.iter().filter(|(at, _)| *at >= entries).map(|(_, note)| note.clone()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(text: &str) -> ChatMessage {
        ChatMessage::System { content: text.to_owned() }
    }

    #[test]
    fn a_note_keeps_its_place_and_none_is_lost() {
        let mut notes = Notes::default();
        notes.add(0, note("first"));
        notes.add(2, note("second"));
        notes.add(2, note("third"));
        let woven = |entries: usize| {
            let mut messages = Vec::new();
            for index in 0..entries {
                notes.put(index, &mut messages);
                messages.push(note("entry"));
            }
            notes.put_rest(entries, &mut messages);
            messages
        };
        let entry = || note("entry");
        let all = [note("first"), entry(), entry(), note("second"), note("third"), entry()];
        assert_eq!(woven(3), all);
        assert_eq!(woven(1), [note("first"), entry(), note("second"), note("third")]);
    }
}
