//! What an assistant is told of a conversation it takes over (Vapi's `transferMode` and
//! `contextEngineeringPlan`).

use serde_json::Value;

use crate::llm::ChatMessage;

/// What of the conversation before is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Context {
    /// All of it, with the instructions of the assistants before: `rolling-history`, `all`.
    Everything,
    /// All but those instructions: `swap-system-message-in-history`.
    WithoutInstructions,
    /// The same, without the tools by which calls are passed on.
    WithoutTransfers,
    /// Nothing: `delete-history`, `none`.
    Nothing,
    /// The last messages.
    Last(usize),
    /// What was said, without tools and instructions: `userAndAssistantMessages`.
    Spoken,
    /// What was said since the assistant before took the call over, with its instructions:
    /// `previousAssistantMessages`.
    Previous,
}

impl Context {
    /// What the next assistant's requests begin with. `before`: what those of the assistant before
    /// began with; `since`: what was said since; `own`: the next assistant's instructions;
    /// `passes_on`: names the tools by which calls are passed on.
    pub(crate) fn head(
        self,
        (before, since): (&[ChatMessage], &[ChatMessage]),
        own: &[ChatMessage],
        passes_on: impl Fn(&str) -> bool,
    ) -> Vec<ChatMessage> {
        let is_instruction = |message: &ChatMessage| matches!(message, ChatMessage::System { .. });
        let all = || before.iter().chain(since).cloned();
        let mut head = own.to_vec();
        match self {
            Self::Everything => {
                head = all().collect();
                head.extend_from_slice(own);
            }
            Self::WithoutInstructions => head.extend(all().filter(|m| !is_instruction(m))),
            Self::WithoutTransfers => {
                let kept = all().filter(|message| !is_instruction(message));
                head.extend(without_calls(kept, passes_on));
            }
            Self::Nothing => {}
            Self::Last(most) => {
                let kept: Vec<ChatMessage> = all().filter(|m| !is_instruction(m)).collect();
                let from = kept.len().saturating_sub(most);
                // An answer without its question is refused by every model.
                let is_answer =
                    |message: &&ChatMessage| matches!(message, ChatMessage::Tool { .. });
                head.extend(kept[from..].iter().skip_while(is_answer).cloned());
            }
            Self::Spoken => {
                let kept = all().filter(|message| !is_instruction(message));
                head.extend(without_calls(kept, |_| true));
            }
            Self::Previous => head.extend_from_slice(since),
        }
        head
    }

    /// The same as text, of `rows` in OpenAI's form: for an assistant who talks about the caller
    /// with somebody else.
    pub(crate) fn told(self, rows: &[Value]) -> String {
        let line = |row: &Value| {
            let who = match row["role"].as_str()? {
                "assistant" => "Assistant",
                "user" => "Caller",
                _ => return None,
            };
            let said = row["content"].as_str().filter(|said| !said.is_empty())?;
            Some(format!("{who}: {said}\n"))
        };
        let lines: Vec<String> = rows.iter().filter_map(line).collect();
        match self {
            Self::Nothing => String::new(),
            Self::Last(most) => lines[lines.len().saturating_sub(most)..].concat(),
            Self::Everything
            | Self::WithoutInstructions
            | Self::WithoutTransfers
            | Self::Spoken
            | Self::Previous => lines.concat(),
        }
    }
}

/// The messages without the calls of the tools that `left_out` names, and without their answers.
fn without_calls(
    messages: impl Iterator<Item = ChatMessage>,
    left_out: impl Fn(&str) -> bool,
) -> Vec<ChatMessage> {
    let mut gone = Vec::new();
    let mut kept = Vec::new();
    for message in messages {
        match message {
            ChatMessage::Assistant { content, mut tool_calls } => {
                tool_calls.retain(|call| {
                    let stays = !left_out(&call.name);
                    if !stays {
                        gone.push(call.id.clone());
                    }
                    stays
                });
                if !content.is_empty() || !tool_calls.is_empty() {
                    kept.push(ChatMessage::Assistant { content, tool_calls });
                }
            }
            ChatMessage::Tool { tool_call_id, .. } if gone.contains(&tool_call_id) => {}
            other => kept.push(other),
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::llm::ToolCall;

    fn system(text: &str) -> ChatMessage {
        ChatMessage::System { content: text.to_owned() }
    }

    fn user(text: &str) -> ChatMessage {
        ChatMessage::User { content: text.to_owned() }
    }

    fn called(name: &str) -> [ChatMessage; 2] {
        let call =
            ToolCall { id: name.to_owned(), name: name.to_owned(), arguments: "{}".to_owned() };
        [
            ChatMessage::Assistant { content: "Un instant.".to_owned(), tool_calls: vec![call] },
            ChatMessage::Tool { tool_call_id: name.to_owned(), content: "ok".to_owned() },
        ]
    }

    fn written(context: Context) -> Vec<String> {
        let before = [system("first"), user("bonjour")];
        let since = [called("search").to_vec(), vec![user("merci")], called("handoff").to_vec()];
        let head =
            context.head((&before, &since.concat()), &[system("second")], |name| name == "handoff");
        head.iter()
            .map(|message| match message {
                ChatMessage::System { content } | ChatMessage::User { content } => content.clone(),
                ChatMessage::Assistant { content, tool_calls } => {
                    format!("{content}{}", tool_calls.len())
                }
                ChatMessage::Tool { tool_call_id, .. } => format!("={tool_call_id}"),
            })
            .collect()
    }

    #[test]
    fn each_plan_keeps_its_part() {
        let all = ["bonjour", "Un instant.1", "=search", "merci", "Un instant.1", "=handoff"];
        assert_eq!(written(Context::Everything), [&["first"], &all[..], &["second"]].concat());
        assert_eq!(written(Context::WithoutInstructions), [&["second"], &all[..]].concat());
        let without = ["second", "bonjour", "Un instant.1", "=search", "merci", "Un instant.0"];
        assert_eq!(written(Context::WithoutTransfers), without);
        assert_eq!(written(Context::Nothing), ["second"]);
        let last = ["second", "merci", "Un instant.1", "=handoff"];
        assert_eq!(written(Context::Last(4)), last, "an answer alone is left out");
        let spoken = ["second", "bonjour", "Un instant.0", "merci", "Un instant.0"];
        assert_eq!(written(Context::Spoken), spoken);
        assert_eq!(written(Context::Previous), [&["second"], &all[1..]].concat());
    }
}
