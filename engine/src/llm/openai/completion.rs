//! One chat completion, from the data of its events to the events of a reply. Pure.

use std::collections::VecDeque;

use serde_json::error::Category;

use super::tool_calls::{BrokenCall, ToolCalls};
use super::wire::{Chunk, Content, Delta, Usage};
use crate::llm::ReplyEvent;

/// The data of the event that ends the stream.
const END: &str = "[DONE]";

/// Why the rest of the completion cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Broken {
    /// Not JSON, or not that of a completion. Never quotes the data: it is what the caller hears.
    #[error("{problem} at column {column} of an event of {length} bytes")]
    Chunk { problem: &'static str, column: usize, length: usize },
    #[error(transparent)]
    Call(#[from] BrokenCall),
    #[error("the tool call was cut off by the reply's token limit")]
    CutCall,
    #[error("the server's content filter withheld the reply")]
    Withheld,
    #[error("the stream ended before the reply did")]
    Incomplete,
    /// The server gave up in mid-stream; its own words.
    #[error("{0}")]
    Server(String),
}

/// Reads a completion event by event.
#[derive(Debug, Default)]
pub(super) struct Completion {
    calls: ToolCalls,
    finish_reason: Option<String>,
    has_text: bool,
    ended: bool,
    pub(super) usage: Option<Usage>,
}

impl Completion {
    /// Takes the data of one event, and adds what the caller may hear of it to `ready`.
    pub(super) fn handle(
        &mut self,
        data: &str,
        ready: &mut VecDeque<ReplyEvent>,
    ) -> Result<(), Broken> {
        if self.ended {
            return Ok(());
        }
        let data = data.trim();
        if data == END {
            return self.end(ready);
        }
        if data.is_empty() {
            return Ok(());
        }
        let chunk: Chunk = serde_json::from_str(data).map_err(|error| Broken::Chunk {
            problem: match error.classify() {
                Category::Data => "JSON that is no part of a chat completion",
                Category::Eof => "JSON that ends too early",
                Category::Syntax | Category::Io => "data that is not JSON",
            },
            column: error.column(),
            length: data.len(),
        })?;
        if let Some(error) = chunk.error {
            let words = error.into_message();
            return Err(Broken::Server(
                words.unwrap_or_else(|| "an error, unexplained".to_owned()),
            ));
        }
        self.usage = chunk.usage.or(self.usage);
        for choice in chunk.choices.unwrap_or_default() {
            // We ask for one choice; a second one would be spoken between the words of the first.
            if choice.index.unwrap_or(0) != 0 {
                continue;
            }
            if let Some(delta) = choice.delta {
                self.delta(delta, ready)?;
            }
            if choice.finish_reason.is_some() {
                self.finish_reason = choice.finish_reason;
            }
        }
        Ok(())
    }

    fn delta(&mut self, delta: Delta, ready: &mut VecDeque<ReplyEvent>) -> Result<(), Broken> {
        let content = delta.content.map(Content::into_text);
        for text in [content, delta.refusal].into_iter().flatten() {
            if !text.is_empty() {
                self.has_text = true;
                ready.push_back(ReplyEvent::Text(text));
            }
        }
        for call in delta.tool_calls.into_iter().flatten() {
            self.calls.add(call)?;
        }
        Ok(())
    }

    /// The model has begun: there is text, or a piece of a tool call.
    pub(super) fn has_begun(&self) -> bool {
        self.has_text || !self.calls.is_empty()
    }

    /// The model has finished; the server may still send the usage and the end mark.
    pub(super) fn is_finished(&self) -> bool {
        self.finish_reason.is_some()
    }

    /// The events end here, by the end mark or without one.
    pub(super) fn end(&mut self, ready: &mut VecDeque<ReplyEvent>) -> Result<(), Broken> {
        if std::mem::replace(&mut self.ended, true) {
            return Ok(());
        }
        let reason = self.finish_reason.as_deref();
        if reason == Some("content_filter") && !self.has_begun() {
            return Err(Broken::Withheld);
        }
        let calls = self.calls.finish().map_err(|broken| match broken {
            BrokenCall::NoObject { .. } if reason == Some("length") => Broken::CutCall,
            other => other.into(),
        })?;
        ready.extend(calls.into_iter().map(ReplyEvent::ToolCall));
        ready.push_back(ReplyEvent::Done);
        Ok(())
    }

    /// The connection was closed in order, without the end mark: some servers leave it out.
    pub(super) fn closed(&mut self, ready: &mut VecDeque<ReplyEvent>) -> Result<(), Broken> {
        if self.ended || self.is_finished() { self.end(ready) } else { Err(Broken::Incomplete) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::llm::ToolCall;

    fn read(data: &[&str]) -> (Vec<ReplyEvent>, Result<(), Broken>) {
        let mut completion = Completion::default();
        let mut ready = VecDeque::new();
        let result = data
            .iter()
            .try_for_each(|data| completion.handle(data, &mut ready))
            .and_then(|()| completion.closed(&mut ready));
        (ready.into(), result)
    }

    fn text(text: &str) -> ReplyEvent {
        ReplyEvent::Text(text.to_owned())
    }

    #[test]
    fn a_stream_as_openai_sends_it() {
        let (events, result) = read(&[
            r#"{"id":"chatcmpl-B9","object":"chat.completion.chunk","created":1741569952,"model":"gpt-4.1","service_tier":"default","system_fingerprint":"fp","choices":[{"index":0,"delta":{"role":"assistant","content":"","refusal":null},"logprobs":null,"finish_reason":null}],"usage":null,"obfuscation":"x"}"#,
            r#"{"choices":[{"index":0,"delta":{"content":"Hello"},"logprobs":null,"finish_reason":null}],"usage":null}"#,
            r#"{"choices":[{"index":0,"delta":{"content":"!"},"finish_reason":null}]}"#,
            r#"{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#,
            r#"{"choices":[],"usage":{"prompt_tokens":19,"completion_tokens":2,"total_tokens":21}}"#,
            "[DONE]",
        ]);
        assert_eq!(events, [text("Hello"), text("!"), ReplyEvent::Done]);
        assert_eq!(result, Ok(()));
    }

    #[test]
    fn a_whole_completion_from_a_server_that_does_not_stream() {
        let (events, result) = read(&[
            r#"{"object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","content":"Hello.","tool_calls":[{"id":"a","type":"function","function":{"name":"endCall","arguments":"{}"}}]},"finish_reason":"tool_calls"}],"usage":{"prompt_tokens":1}}"#,
        ]);
        let call =
            ToolCall { id: "a".to_owned(), name: "endCall".to_owned(), arguments: "{}".to_owned() };
        assert_eq!(events, [text("Hello."), ReplyEvent::ToolCall(call), ReplyEvent::Done]);
        assert_eq!(result, Ok(()));
    }

    #[test]
    fn refusals_and_text_parts_are_spoken_and_reasoning_is_not() {
        let (events, _) = read(&[
            r#"{"choices":[{"delta":{"reasoning_content":"Hm.","content":null}}]}"#,
            r#"{"choices":[{"delta":{"content":[{"type":"thinking","thinking":[]},{"type":"text","text":"Yes."}]}}]}"#,
            r#"{"choices":[{"delta":{"refusal":"I cannot."}}]}"#,
            r#"{"choices":[{"index":1,"delta":{"content":"Another choice."}}]}"#,
            "[DONE]",
        ]);
        assert_eq!(events, [text("Yes."), text("I cannot."), ReplyEvent::Done]);
    }

    #[test]
    fn the_end_mark_alone_ends_a_reply_and_nothing_comes_after_it() {
        let late = r#"{"choices":[{"delta":{"content":"late"}}]}"#;
        assert_eq!(read(&["[DONE]", late, "[DONE]"]), (vec![ReplyEvent::Done], Ok(())));
    }

    #[test]
    fn a_finish_reason_is_enough_where_the_end_mark_is_missing() {
        let (events, result) =
            read(&[r#"{"choices":[{"delta":{"content":"Yes."},"finish_reason":"length"}]}"#]);
        assert_eq!((events, result), (vec![text("Yes."), ReplyEvent::Done], Ok(())));
    }

    #[test]
    fn a_stream_cut_short_is_no_reply() {
        let (events, result) = read(&[r#"{"choices":[{"delta":{"content":"Ye"}}]}"#]);
        assert_eq!((events, result), (vec![text("Ye")], Err(Broken::Incomplete)));
    }

    #[test]
    fn an_error_in_mid_stream() {
        let (_, result) = read(&[r#"{"error":{"message":"overloaded","code":502},"choices":[]}"#]);
        assert_eq!(result, Err(Broken::Server("overloaded".to_owned())));
        let (_, result) = read(&[r#"{"error":{}}"#]);
        assert_eq!(result, Err(Broken::Server("an error, unexplained".to_owned())));
    }

    #[test]
    fn what_is_not_a_completion_is_refused_without_quoting_it() {
        let words = |data: &str| read(&[data]).1.expect_err("broken").to_string();
        assert_eq!(words("{'a'}"), "data that is not JSON at column 2 of an event of 5 bytes");
        assert_eq!(
            words(r#"{"choices":"secret words"}"#),
            "JSON that is no part of a chat completion at column 25 of an event of 26 bytes"
        );
        assert_eq!(words("{"), "JSON that ends too early at column 1 of an event of 1 bytes");
    }

    #[test]
    fn a_call_cut_by_the_token_limit_and_a_withheld_reply_fail() {
        let (_, result) = read(&[
            r#"{"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"name":"f","arguments":"{\"a"}}]},"finish_reason":"length"}]}"#,
        ]);
        assert_eq!(result, Err(Broken::CutCall));
        let (_, result) = read(&[r#"{"choices":[{"delta":{},"finish_reason":"content_filter"}]}"#]);
        assert_eq!(result, Err(Broken::Withheld));
    }
}
