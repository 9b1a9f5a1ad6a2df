//! The conversation as the model sees it: the Floor's history in OpenAI's message shapes.

use turntaking::dictation::{Dictated, Kind, Progress};
use turntaking::history::Entry;

use super::notes::Notes;
use super::providers::Persona;
use crate::llm::{ChatMessage, ChatRequest, ToolCall};

/// What the model is told of a tool that has not answered yet: the protocol wants an answer to
/// every call before the conversation goes on.
const STILL_RUNNING: &str = "The tool is still running.";

/// The request for a reply to `history`, with what was put between its entries, followed by the
/// caller's words `user` that are not in it yet and what they dictate, and by the instruction
/// `prompt` for this reply alone (empty: none).
pub(super) fn request(
    persona: &Persona,
    (history, notes): (&[Entry], &Notes),
    (user, dictated): (&str, Option<&Dictated>),
    prompt: &str,
) -> ChatRequest {
    let mut messages = Vec::with_capacity(persona.preamble.len() + history.len() + 1);
    messages.extend_from_slice(&persona.preamble);
    let mut unanswered = Vec::new();
    for (index, entry) in history.iter().enumerate() {
        notes.put(index, &mut messages);
        match entry {
            Entry::User { text, dictated } => {
                answer(&mut messages, &mut unanswered);
                messages.push(user_message(text, dictated.as_ref()));
            }
            Entry::Assistant { text, .. } => {
                answer(&mut messages, &mut unanswered);
                messages
                    .push(ChatMessage::Assistant { content: text.clone(), tool_calls: Vec::new() });
            }
            Entry::ToolCall { id, name, arguments, .. } => {
                unanswered.push(id.clone());
                let call =
                    ToolCall { id: id.clone(), name: name.clone(), arguments: arguments.clone() };
                // Consecutive calls are one message.
                match messages.last_mut() {
                    Some(ChatMessage::Assistant { tool_calls, .. }) => tool_calls.push(call),
                    _ => messages.push(ChatMessage::Assistant {
                        content: String::new(),
                        tool_calls: vec![call],
                    }),
                }
            }
            Entry::ToolResult { id, result } => {
                unanswered.retain(|call| call != id);
                messages.push(tool(id, result));
            }
        }
    }
    answer(&mut messages, &mut unanswered);
    notes.put_rest(history.len(), &mut messages);
    if !user.is_empty() {
        messages.push(user_message(user, dictated));
    }
    if !prompt.is_empty() {
        messages.push(ChatMessage::System { content: prompt.to_owned() });
    }
    ChatRequest {
        messages,
        tools: persona.tools.clone(),
        temperature: persona.temperature,
        max_tokens: persona.max_tokens,
    }
}

/// The caller's words, and beside them what they dictate as it is written: a model that is told
/// "jean point dupont arobase gmail point com" alone spells it in as many ways as there are.
fn user_message(words: &str, dictated: Option<&Dictated>) -> ChatMessage {
    let written = dictated.filter(|found| !is_written(words, &found.value));
    let content = match written {
        Some(found) => {
            let missing = match found.progress {
                Progress::InProgress => ", not complete",
                Progress::Extensible | Progress::Likely | Progress::Complete => "",
            };
            format!("{words} ({}{missing}: {})", name(found.kind), found.value)
        }
        None => words.to_owned(),
    };
    ChatMessage::User { content }
}

/// The words have it in the same form.
fn is_written(words: &str, value: &str) -> bool {
    let bare = |text: &str| -> String {
        text.chars().filter(|c| c.is_alphanumeric() || *c == '@').collect::<String>().to_lowercase()
    };
    value.is_empty()
        || words.contains(value)
        || (bare(words) == bare(value) && !value.contains('@'))
}

/// What the model is told it is.
const fn name(kind: Kind) -> &'static str {
    match kind {
        Kind::Email => "e-mail",
        Kind::Spelling => "spelled",
        Kind::Phone => "telephone number",
        Kind::PostalCode => "postal code",
        Kind::BirthDate | Kind::Date => "date",
        Kind::Address => "address",
        Kind::Iban => "IBAN",
        Kind::Plate => "number plate",
        Kind::Code => "code",
        Kind::Number => "number",
    }
}

/// Answers the calls that no tool has answered.
fn answer(messages: &mut Vec<ChatMessage>, unanswered: &mut Vec<String>) {
    messages.extend(unanswered.drain(..).map(|id| tool(&id, STILL_RUNNING)));
}

fn tool(id: &str, content: &str) -> ChatMessage {
    ChatMessage::Tool { tool_call_id: id.to_owned(), content: content.to_owned() }
}

#[cfg(test)]
mod tests {
    use tts::{ChunkPlan, VoiceConfig};
    use turntaking::input::TurnId;

    use super::*;

    fn persona() -> Persona {
        Persona {
            language: "en".to_owned(),
            preamble: vec![ChatMessage::System { content: "Be brief.".to_owned() }],
            tools: Vec::new(),
            temperature: None,
            max_tokens: None,
            voice: VoiceConfig { voice: String::new(), language: "en".to_owned(), speed: 1.0 },
            chunk_plan: ChunkPlan::default(),
            background: None,
        }
    }

    fn user(text: &str) -> Entry {
        Entry::User { text: text.to_owned(), dictated: None }
    }

    fn told(words: &str, kind: Kind, progress: Progress, value: &str) -> String {
        let dictated = Dictated { kind, progress, value: value.to_owned() };
        match user_message(words, Some(&dictated)) {
            ChatMessage::User { content } => content,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_was_dictated_stands_beside_the_words() {
        let words = "jean point dupont arobase gmail point com";
        assert_eq!(
            told(words, Kind::Email, Progress::Complete, "jean.dupont@gmail.com"),
            format!("{words} (e-mail: jean.dupont@gmail.com)")
        );
        assert_eq!(
            told("zéro six douze", Kind::Phone, Progress::InProgress, "06 12"),
            "zéro six douze (telephone number, not complete: 06 12)"
        );
    }

    #[test]
    fn what_the_words_have_already_is_not_repeated() {
        for (words, value) in [
            ("C'est le 06 12 34 56 78.", "06 12 34 56 78"),
            ("0612345678", "06 12 34 56 78"),
            ("jean@exemple.fr", "jean@exemple.fr"),
            ("euh", ""),
        ] {
            assert_eq!(told(words, Kind::Phone, Progress::Complete, value), words);
        }
    }

    fn call(id: &str) -> Entry {
        Entry::ToolCall {
            turn: TurnId(1),
            id: id.to_owned(),
            name: "book".to_owned(),
            arguments: "{}".to_owned(),
        }
    }

    #[test]
    fn words_that_are_not_in_history_come_last() {
        let request = request(
            &persona(),
            (&[user("Hello.")], &Notes::default()),
            ("Are you there?", None),
            "",
        );
        assert_eq!(request.messages.len(), 3);
        assert_eq!(request.messages[2], ChatMessage::User { content: "Are you there?".to_owned() });
    }

    #[test]
    fn an_instruction_for_one_reply_stands_at_the_end_of_it() {
        let request = request(
            &persona(),
            (&[user("Hello.")], &Notes::default()),
            ("", None),
            "Ask whether they are there.",
        );
        let content = "Ask whether they are there.".to_owned();
        assert_eq!(request.messages.last(), Some(&ChatMessage::System { content }));
    }

    #[test]
    fn every_call_is_answered_before_the_caller_goes_on() {
        let answered = Entry::ToolResult { id: "a".to_owned(), result: "done".to_owned() };
        let history = [user("Book it."), call("a"), call("b"), answered, user("Well?")];
        let request = request(&persona(), (&history, &Notes::default()), ("", None), "");
        let [_, _, ChatMessage::Assistant { tool_calls, .. }, first, second, last] =
            &request.messages[..]
        else {
            panic!("{:?}", request.messages);
        };
        assert_eq!(tool_calls.len(), 2);
        assert_eq!(*first, tool("a", "done"));
        assert_eq!(*second, tool("b", STILL_RUNNING));
        assert_eq!(*last, ChatMessage::User { content: "Well?".to_owned() });
    }
}
