//! What a dialogue answers to a conversation. Pure: the state and the slots are worked out anew
//! from the messages of each request, as a language model has no memory either.

use super::dialogue::{Dialogue, Reply, Rule};
use super::pattern::Spoken;
use super::template::Values;
use crate::llm::{ChatMessage, ToolCall};

/// The tool that hangs up, by Vapi's name.
const END_CALL: &str = "endCall";

/// What is said and called next.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Turn {
    pub(super) text: String,
    pub(super) calls: Vec<ToolCall>,
}

/// The dialogue's next turn after `messages`.
pub(super) fn answer(dialogue: &Dialogue, messages: &[ChatMessage]) -> Turn {
    let mut conversation = Conversation {
        dialogue,
        state: &dialogue.start,
        values: Values { slots: dialogue.slots.clone(), result: None },
        reply: None,
    };
    if let Some(greeting) = &dialogue.greeting {
        conversation.give(greeting);
    }
    let mut hangs_up = Vec::new();
    for message in messages {
        match message {
            ChatMessage::System { .. } => {}
            ChatMessage::User { content } => conversation.hear(content),
            ChatMessage::Assistant { tool_calls, .. } => {
                let ids = tool_calls.iter().filter(|call| call.name == END_CALL);
                hangs_up.extend(ids.map(|call| call.id.as_str()));
            }
            ChatMessage::Tool { tool_call_id, content } => {
                conversation.receive(content, hangs_up.contains(&tool_call_id.as_str()));
            }
        }
    }
    conversation.turn(messages.len())
}

struct Conversation<'a> {
    dialogue: &'a Dialogue,
    state: &'a str,
    values: Values,
    /// What is to be said next.
    reply: Option<&'a Reply>,
}

impl<'a> Conversation<'a> {
    fn hear(&mut self, words: &str) {
        let spoken = Spoken::new(words);
        for Rule { pattern, states, reply } in &self.dialogue.rules {
            if !states.is_empty() && !states.iter().any(|state| state == self.state) {
                continue;
            }
            if let Some(captures) = pattern.matches(&spoken) {
                for (slot, value) in captures {
                    self.values.slots.insert(slot, value.to_owned());
                }
                self.give(reply);
                return;
            }
        }
        self.give(&self.dialogue.fallback);
    }

    /// A tool's answer: what the reply that called it has to say to it.
    fn receive(&mut self, answer: &str, hung_up: bool) {
        let waits = self.reply.and_then(|reply| reply.then.as_deref());
        match waits {
            Some(_) if hung_up => {}
            Some(then) => {
                self.values.set_result(answer);
                self.give(then);
            }
            None => self.reply = None,
        }
    }

    fn give(&mut self, reply: &'a Reply) {
        for (slot, value) in &reply.set {
            let value = value.fill(&self.values);
            self.values.slots.insert(slot.clone(), value);
        }
        if let Some(state) = &reply.goto {
            self.state = state;
        }
        self.reply = Some(reply);
    }

    /// Ids are counted by message, so that no two calls of a conversation share one.
    fn turn(&self, messages: usize) -> Turn {
        let Some(reply) = self.reply else {
            return Turn::default();
        };
        let tool = reply.tool.as_ref().map(|tool| ToolCall {
            id: format!("call_{messages}"),
            name: tool.name.clone(),
            arguments: tool.arguments.fill(&self.values).to_string(),
        });
        let end = reply.end_call.then(|| ToolCall {
            id: format!("call_{messages}_end"),
            name: END_CALL.to_owned(),
            arguments: "{}".to_owned(),
        });
        Turn {
            text: reply.say.as_ref().map(|say| say.fill(&self.values)).unwrap_or_default(),
            calls: tool.into_iter().chain(end).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOOKING: &str = r#"
language: en
slots: { name: "there", count: "two" }
fragments: { number: "two|four|five" }
greeting: { say: "Hello." }
rules:
  - when: { user: 'table for (?P<count>{number})' }
    say: "For {count}. Your name?"
    goto: name
  - when: { user: 'name is (?P<name>\w+)', state: name }
    say: "One moment, {name}."
    tool: { name: book_table, arguments: { guests: "{count}", name: "{name}" } }
    goto: booked
    then:
      say: "Table {result.table|seven} is yours, {name}."
  - when: { user: 'make it (?P<count>{number})' }
    say: "Now for {count}."
  - when: { user: [goodbye, bye], state: booked }
    say: "Goodbye, {name}."
    end_call: true
  - when: { user: reset }
    say: "Again."
    set: { name: "you ({name})", count: "two" }
    goto: start
fallback: { say: "Pardon?" }
"#;

    fn user(words: &str) -> ChatMessage {
        ChatMessage::User { content: words.to_owned() }
    }

    fn said(messages: &[ChatMessage]) -> Turn {
        answer(&Dialogue::parse(BOOKING).expect("a valid dialogue"), messages)
    }

    fn text(messages: &[ChatMessage]) -> String {
        said(messages).text
    }

    #[test]
    fn the_state_and_the_slots_follow_from_the_messages() {
        let mut messages = vec![ChatMessage::System { content: "You book.".to_owned() }];
        assert_eq!(text(&messages), "Hello.");
        messages.push(user("My name is Martin."));
        assert_eq!(text(&messages), "Pardon?", "the name is not yet asked for");
        messages.push(user("A TABLE, for FOUR."));
        assert_eq!(text(&messages), "For FOUR. Your name?");
        messages.push(user("Well, my name is Martin."));
        let turn = said(&messages);
        assert_eq!(turn.text, "One moment, Martin.");
        assert_eq!(
            turn.calls,
            [ToolCall {
                id: "call_4".to_owned(),
                name: "book_table".to_owned(),
                arguments: r#"{"guests":"FOUR","name":"Martin"}"#.to_owned(),
            }]
        );
        assert_eq!(said(&messages), turn, "the same request has the same answer");

        let id = "call_4".to_owned();
        messages.push(ChatMessage::Assistant { content: turn.text, tool_calls: turn.calls });
        messages.push(ChatMessage::Tool { tool_call_id: id, content: r#"{"table": 12}"#.into() });
        assert_eq!(text(&messages), "Table 12 is yours, Martin.");
        messages.push(user("No, wait, make it five."));
        assert_eq!(text(&messages), "Now for five.");
        messages.push(user("Bye!"));
        let turn = said(&messages);
        assert_eq!(turn.text, "Goodbye, Martin.");
        assert_eq!(turn.calls.len(), 1);
        assert_eq!(turn.calls[0].name, "endCall");
        assert_eq!(turn.calls[0].arguments, "{}");

        // Once it has hung up there is nothing more to say.
        let id = turn.calls[0].id.clone();
        messages.push(ChatMessage::Assistant { content: turn.text, tool_calls: turn.calls });
        messages.push(ChatMessage::Tool { tool_call_id: id, content: "Success.".to_owned() });
        assert_eq!(said(&messages), Turn::default());
    }

    #[test]
    fn slots_are_set_and_states_left() {
        let messages = [
            user("table for five"),
            user("my name is Zoé"),
            user("reset"),
            user("my name is Ann"),
            user("table for four"),
            user("reset"),
        ];
        assert_eq!(text(&messages[..3]), "Again.");
        assert_eq!(text(&messages[..4]), "Pardon?", "the start state is back");
        let dialogue = Dialogue::parse(&BOOKING.replace("\"Again.\"", "\"{name}, {count}\""));
        let turn = answer(&dialogue.expect("a valid dialogue"), &messages);
        assert_eq!(turn.text, "you (you (Zoé)), two");
    }

    #[test]
    fn no_messages_and_strange_ones_have_an_answer() {
        assert_eq!(text(&[]), "Hello.");
        assert_eq!(text(&[user("")]), "Pardon?");
        let stray = ChatMessage::Tool { tool_call_id: "x".to_owned(), content: "?".to_owned() };
        assert_eq!(said(&[user("table for two"), stray]), Turn::default());
    }
}
