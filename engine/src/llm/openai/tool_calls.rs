//! Tool calls, put together from the pieces a stream brings.
//!
//! OpenAI sends a call's id and name once and its arguments in pieces, all under the call's
//! `index`. Compatible servers differ: some leave the index out, some give every parallel call the
//! index 0 (Gemini), some repeat the id with each piece, some send whole calls, some send the
//! arguments as an object. All of these come out as the same calls.

use serde_json::Value;
use uuid::Uuid;

use super::wire::ToolCallDelta;
use crate::llm::ToolCall;

/// More calls than any model makes in one reply: what exceeds it is a broken server.
const MOST_CALLS: usize = 64;

/// Why the pieces are no calls. Says nothing of the arguments: they may hold the caller's words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum BrokenCall {
    #[error("a piece of a tool call that had not begun")]
    NoBeginning,
    #[error("a tool call without a name")]
    NoName,
    #[error("more than {MOST_CALLS} tool calls")]
    TooMany,
    #[error("arguments of tool `{tool}` that are no JSON object")]
    NoObject { tool: String },
}

/// The calls of one reply.
#[derive(Debug, Default)]
pub(super) struct ToolCalls {
    calls: Vec<Call>,
}

#[derive(Debug, Default)]
struct Call {
    index: Option<u32>,
    id: String,
    name: String,
    arguments: String,
}

impl Call {
    fn is_whole(&self) -> bool {
        !self.name.is_empty() && is_object(&self.arguments)
    }
}

impl ToolCalls {
    /// Takes the next piece.
    pub(super) fn add(&mut self, delta: ToolCallDelta) -> Result<(), BrokenCall> {
        let id = delta.id.unwrap_or_default();
        let function = delta.function.unwrap_or_default();
        let name = function.name.unwrap_or_default();

        let call = match self.continued(delta.index, &id, &name) {
            Some(position) => &mut self.calls[position],
            None if name.is_empty() && id.is_empty() => return Err(BrokenCall::NoBeginning),
            None if self.calls.len() == MOST_CALLS => return Err(BrokenCall::TooMany),
            None => {
                self.calls.push(Call { index: delta.index, ..Call::default() });
                self.calls.last_mut().expect("just pushed")
            }
        };
        if call.id.is_empty() {
            call.id = id;
        }
        if call.name.is_empty() {
            call.name = name;
        }
        match function.arguments {
            None | Some(Value::Null) => {}
            Some(Value::String(piece)) => call.arguments.push_str(&piece),
            Some(whole) => call.arguments.push_str(&whole.to_string()),
        }
        Ok(())
    }

    /// The call that a piece continues; `None` where it begins one.
    fn continued(&self, index: Option<u32>, id: &str, name: &str) -> Option<usize> {
        let found = match index {
            Some(_) => self.calls.iter().rposition(|call| call.index == index),
            None if !id.is_empty() => self.calls.iter().rposition(|call| call.id == id),
            None => self.calls.len().checked_sub(1),
        }?;
        let call = &self.calls[found];
        let another_id = !id.is_empty() && !call.id.is_empty() && call.id != id;
        // Without an id, a name after a whole call is the next call and not a repetition.
        let another_name = id.is_empty() && !name.is_empty() && call.is_whole();
        (!another_id && !another_name).then_some(found)
    }

    /// The whole calls, in the order they began.
    pub(super) fn finish(&mut self) -> Result<Vec<ToolCall>, BrokenCall> {
        std::mem::take(&mut self.calls).into_iter().map(whole).collect()
    }

    /// No call has begun.
    pub(super) fn is_empty(&self) -> bool {
        self.calls.is_empty()
    }
}

fn whole(call: Call) -> Result<ToolCall, BrokenCall> {
    if call.name.is_empty() {
        return Err(BrokenCall::NoName);
    }
    let arguments = if call.arguments.trim().is_empty() {
        // A tool without parameters.
        "{}".to_owned()
    } else if is_object(&call.arguments) {
        call.arguments
    } else {
        return Err(BrokenCall::NoObject { tool: call.name });
    };
    let id = if call.id.is_empty() { format!("call_{}", Uuid::new_v4().simple()) } else { call.id };
    Ok(ToolCall { id, name: call.name, arguments })
}

fn is_object(text: &str) -> bool {
    matches!(serde_json::from_str(text), Ok(Value::Object(_)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assemble(deltas: &[&str]) -> Result<Vec<ToolCall>, BrokenCall> {
        let mut calls = ToolCalls::default();
        for delta in deltas {
            calls.add(serde_json::from_str(delta).expect("the test's own JSON"))?;
        }
        calls.finish()
    }

    fn call(id: &str, name: &str, arguments: &str) -> ToolCall {
        ToolCall { id: id.to_owned(), name: name.to_owned(), arguments: arguments.to_owned() }
    }

    #[test]
    fn parallel_calls_in_interleaved_pieces() {
        let calls = assemble(&[
            r#"{"index":0,"id":"a","type":"function","function":{"name":"f","arguments":""}}"#,
            r#"{"index":0,"function":{"arguments":"{\"x\""}}"#,
            r#"{"index":1,"id":"b","type":"function","function":{"name":"g","arguments":"{"}}"#,
            r#"{"index":0,"function":{"arguments":":1}"}}"#,
            r#"{"index":1,"function":{"arguments":"}"}}"#,
        ]);
        assert_eq!(calls, Ok(vec![call("a", "f", r#"{"x":1}"#), call("b", "g", "{}")]));
    }

    #[test]
    fn whole_calls_that_share_the_index_zero() {
        let calls = assemble(&[
            r#"{"index":0,"id":"a","function":{"name":"f","arguments":"{\"c\":\"Paris\"}"}}"#,
            r#"{"index":0,"id":"b","function":{"name":"f","arguments":"{\"c\":\"Rome\"}"}}"#,
        ]);
        let expected = [call("a", "f", r#"{"c":"Paris"}"#), call("b", "f", r#"{"c":"Rome"}"#)];
        assert_eq!(calls, Ok(expected.to_vec()));
    }

    #[test]
    fn calls_without_an_index() {
        let calls = assemble(&[
            r#"{"id":"a","function":{"name":"f","arguments":"{\"x\""}}"#,
            r#"{"function":{"arguments":":1}"}}"#,
            r#"{"id":"b","function":{"name":"g","arguments":"{}"}}"#,
        ]);
        assert_eq!(calls, Ok(vec![call("a", "f", r#"{"x":1}"#), call("b", "g", "{}")]));
    }

    #[test]
    fn an_id_and_a_name_repeated_with_every_piece() {
        let calls = assemble(&[
            r#"{"index":0,"id":"a","function":{"name":"f","arguments":"{"}}"#,
            r#"{"index":0,"id":"a","function":{"name":"f","arguments":"}"}}"#,
        ]);
        assert_eq!(calls, Ok(vec![call("a", "f", "{}")]));
    }

    #[test]
    fn an_empty_or_null_id_and_name_in_later_pieces() {
        let calls = assemble(&[
            r#"{"index":0,"id":"a","function":{"name":"f","arguments":null}}"#,
            r#"{"index":0,"id":"","function":{"name":"","arguments":"{"}}"#,
            r#"{"index":0,"id":null,"function":{"name":null,"arguments":"}"}}"#,
        ]);
        assert_eq!(calls, Ok(vec![call("a", "f", "{}")]));
    }

    #[test]
    fn calls_without_index_or_id_get_ids_of_their_own() {
        let calls = assemble(&[
            r#"{"function":{"name":"f","arguments":{"x":1}}}"#,
            r#"{"function":{"name":"f","arguments":{"x":2}}}"#,
        ])
        .expect("two calls");
        assert_eq!(calls.len(), 2);
        assert_eq!(calls[0].arguments, r#"{"x":1}"#);
        assert_eq!(calls[1].arguments, r#"{"x":2}"#);
        assert!(calls[0].id.starts_with("call_"));
        assert_ne!(calls[0].id, calls[1].id);
    }

    #[test]
    fn no_arguments_are_an_empty_object() {
        assert_eq!(
            assemble(&[r#"{"index":0,"id":"a","function":{"name":"endCall"}}"#]),
            Ok(vec![call("a", "endCall", "{}")])
        );
    }

    #[test]
    fn what_is_no_call_is_named() {
        assert_eq!(assemble(&[r#"{"index":0}"#]), Err(BrokenCall::NoBeginning));
        assert_eq!(assemble(&[r#"{"index":0,"id":"a"}"#]), Err(BrokenCall::NoName));
        assert_eq!(
            assemble(&[r#"{"index":0,"id":"a","function":{"name":"f","arguments":"{\"x\":"}}"#]),
            Err(BrokenCall::NoObject { tool: "f".to_owned() })
        );
        assert_eq!(
            assemble(&[r#"{"index":0,"id":"a","function":{"name":"f","arguments":"[1]"}}"#]),
            Err(BrokenCall::NoObject { tool: "f".to_owned() })
        );
        let many: Vec<String> = (0..=MOST_CALLS)
            .map(|n| format!(r#"{{"index":{n},"function":{{"name":"f"}}}}"#))
            .collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert_eq!(assemble(&many), Err(BrokenCall::TooMany));
    }
}
