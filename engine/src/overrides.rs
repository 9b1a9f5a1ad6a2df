//! An assistant for one call: what the call changes of it, and the variables in its texts.

use serde_json::{Map, Value, json};
use time::OffsetDateTime;

use crate::tools::render;

type Fields = Map<String, Value>;

/// Variables, in `assistantOverrides`.
const VARIABLES: &str = "variableValues";

/// Tools beside those the assistant has, in `assistantOverrides`.
const MORE_TOOLS: &str = "tools:append";

/// Merges `overrides` into `assistant`, objects field by field, everything else whole. Variables are
/// no field of an assistant and stay out.
pub(crate) fn merge(assistant: &mut Fields, overrides: &Fields) {
    for (name, value) in overrides {
        match name.as_str() {
            VARIABLES => {}
            MORE_TOOLS => append_tools(assistant, value),
            _ => put(assistant, name, value),
        }
    }
}

/// The same for two sets of overrides: the later one wins, variables key by key.
pub(crate) fn combined(first: Option<&Fields>, second: Option<&Fields>) -> Option<Fields> {
    let (mut all, second) = match (first, second) {
        (None, None) => return None,
        (Some(only), None) | (None, Some(only)) => return Some(only.clone()),
        (Some(first), Some(second)) => (first.clone(), second),
    };
    for (name, value) in second {
        put(&mut all, name, value);
    }
    Some(all)
}

fn put(object: &mut Fields, name: &str, value: &Value) {
    match (object.get_mut(name), value) {
        (Some(Value::Object(into)), Value::Object(from)) => {
            for (name, value) in from {
                put(into, name, value);
            }
        }
        _ => {
            object.insert(name.to_owned(), value.clone());
        }
    }
}

fn append_tools(assistant: &mut Fields, more: &Value) {
    let model = assistant.entry("model").or_insert_with(|| json!({}));
    let Some(model) = model.as_object_mut() else { return };
    let tools = model.entry("tools").or_insert_with(|| json!([]));
    if let (Some(tools), Some(more)) = (tools.as_array_mut(), more.as_array()) {
        tools.extend_from_slice(more);
    }
}

/// What the texts of an assistant may name: the call's own variables, who is on the line, and when.
pub(crate) fn variables(about: &Fields, overrides: Option<&Fields>) -> Fields {
    let mut variables = now(OffsetDateTime::now_utc());
    for name in ["customer", "phoneNumber", "call"] {
        if let Some(value) = about.get(name) {
            variables.insert(name.to_owned(), value.clone());
        }
    }
    variables.extend(own_variables(overrides));
    variables
}

/// The variables that `overrides` set.
pub(crate) fn own_variables(overrides: Option<&Fields>) -> Fields {
    let own = overrides.and_then(|overrides| overrides.get(VARIABLES)).and_then(Value::as_object);
    own.cloned().unwrap_or_default()
}

/// Vapi's built-in variables of time, in UTC.
fn now(now: OffsetDateTime) -> Fields {
    let clock = format!("{:02}:{:02}", now.hour(), now.minute());
    let date = format!("{} {} {}", now.month(), now.day(), now.year());
    let fields = [
        ("now", format!("{date} {clock} UTC")),
        ("date", date),
        ("time", clock),
        ("month", now.month().to_string()),
        ("day", now.day().to_string()),
        ("year", now.year().to_string()),
    ];
    fields.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect()
}

/// The assistant with the variables in its texts. Those of its tools' messages wait for the
/// arguments.
pub(crate) fn personal(assistant: &Fields, variables: &Fields) -> Fields {
    let mut personal = assistant.clone();
    for name in ["firstMessage", "voicemailMessage", "endCallMessage", "endCallPhrases"] {
        fill(personal.get_mut(name), variables);
    }
    if let Some(Value::Object(plan)) = personal.get_mut("messagePlan") {
        for name in ["idleMessages", "silenceTimeoutMessage"] {
            fill(plan.get_mut(name), variables);
        }
    }
    if let Some(Value::Object(model)) = personal.get_mut("model") {
        for message in model.get_mut("messages").and_then(Value::as_array_mut).into_iter().flatten()
        {
            fill(message.get_mut("content"), variables);
        }
        for tool in model.get_mut("tools").and_then(Value::as_array_mut).into_iter().flatten() {
            fill(tool.get_mut("description"), variables);
            if let Some(function) = tool.get_mut("function") {
                fill(function.get_mut("description"), variables);
                fill(function.get_mut("parameters"), variables);
            }
        }
    }
    personal
}

fn fill(value: Option<&mut Value>, variables: &Fields) {
    match value {
        Some(Value::String(text)) if text.contains("{{") => *text = render(text, &[variables]),
        Some(Value::Array(values)) => {
            for value in values {
                fill(Some(value), variables);
            }
        }
        Some(Value::Object(fields)) => {
            for value in fields.values_mut() {
                fill(Some(value), variables);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(value: Value) -> Fields {
        let Value::Object(fields) = value else { panic!("an object") };
        fields
    }

    #[test]
    fn overrides_go_deep_and_lists_are_replaced() {
        let mut assistant = fields(json!({
            "name": "Camille", "model": {"provider": "openai", "temperature": 0.5, "messages": [1]},
        }));
        merge(
            &mut assistant,
            &fields(
                json!({"model": {"temperature": 0.7, "messages": [2]}, "firstMessage": "Bonjour",
                           "variableValues": {"a": 1}, "tools:append": [{"type": "endCall"}]}),
            ),
        );
        assert_eq!(
            Value::from(assistant),
            json!({"name": "Camille", "firstMessage": "Bonjour", "model": {"provider": "openai",
                   "temperature": 0.7, "messages": [2], "tools": [{"type": "endCall"}]}})
        );
        let first = fields(json!({"variableValues": {"a": 1, "b": 1}}));
        let second = fields(json!({"variableValues": {"b": 2}}));
        let both = combined(Some(&first), Some(&second)).expect("there are some");
        assert_eq!(both["variableValues"], json!({"a": 1, "b": 2}));
    }

    #[test]
    fn texts_name_variables_and_tool_messages_wait() {
        let about = fields(json!({"customer": {"number": "+336", "name": "Mme Martin"}}));
        let overrides = fields(json!({"variableValues": {"heure": "15 h"}}));
        let variables = variables(&about, Some(&overrides));
        let assistant = fields(json!({
            "firstMessage": "Bonjour {{customer.name}}, rendez-vous à {{heure}} ?",
            "model": {"messages": [{"role": "system", "content": "Nous sommes en {{year}}."}],
                      "tools": [{"messages": [{"content": "Je note {{guests}}."}]}]},
        }));
        let personal = personal(&assistant, &variables);
        assert_eq!(personal["firstMessage"], "Bonjour Mme Martin, rendez-vous à 15 h ?");
        let prompt = personal["model"]["messages"][0]["content"].as_str().expect("text");
        assert!(prompt.starts_with("Nous sommes en 2"), "{prompt}");
        let message = &personal["model"]["tools"][0]["messages"][0]["content"];
        assert_eq!(message, "Je note {{guests}}.");
    }
}
