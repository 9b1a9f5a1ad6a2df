//! Conversations in text: `POST /chat` and `POST /session`.

use serde_json::{Map, Value};

use super::call::CallProblem;
use super::validation::Validation;

/// A session that is not said to expire at another time.
pub const SESSION_SECONDS: f64 = 86_400.0;

/// Understands `json`, something a customer writes.
///
/// # Errors
///
/// What is wrong with it.
pub fn new_chat(json: &str) -> Result<wire::NewChat, CallProblem> {
    let mut check = Validation::of("chat");
    let Some(chat) = check.read::<wire::NewChat>(json) else {
        return Err(CallProblem::Invalid(check.finish().0));
    };
    check.length("name", chat.name.as_deref(), 0..=40);
    match &chat.input {
        None => check.problem("input should not be empty"),
        Some(wire::ChatInput::Text(text)) if text.trim().is_empty() => {
            check.problem("input should not be empty");
        }
        Some(wire::ChatInput::Messages(messages)) if messages.is_empty() => {
            check.problem("input should not be empty");
        }
        Some(wire::ChatInput::Messages(messages)) => roles("input", messages, &mut check),
        Some(wire::ChatInput::Text(_)) => {}
    }
    if chat.session_id.is_some() && chat.previous_chat_id.is_some() {
        check.problem("sessionId and previousChatId must not both be sent");
    }
    let fields = [
        ("squad", chat.squad.is_some()),
        ("squadId", chat.squad_id.is_some()),
        ("transport", chat.transport.is_some()),
    ];
    finish(chat, check, &fields)
}

/// Understands `json`, a session.
///
/// # Errors
///
/// What is wrong with it.
pub fn new_session(json: &str) -> Result<wire::NewSession, CallProblem> {
    let mut check = Validation::of("session");
    let Some(session) = check.read::<wire::NewSession>(json) else {
        return Err(CallProblem::Invalid(check.finish().0));
    };
    check.length("name", session.name.as_deref(), 0..=40);
    check.one_of("status", session.status.as_deref(), &["active", "completed"]);
    check.range("expirationSeconds", session.expiration_seconds, 60.0..=2_592_000.0);
    roles("messages", session.messages.as_deref().unwrap_or_default(), &mut check);
    let fields = [
        ("customerId", session.customer_id.is_some()),
        ("phoneNumber", session.phone_number.is_some()),
        ("squad", session.squad.is_some()),
        ("squadId", session.squad_id.is_some()),
    ];
    finish(session, check, &fields)
}

fn roles(path: &str, messages: &[Map<String, Value>], check: &mut Validation) {
    for (index, message) in messages.iter().enumerate() {
        let role = message.get("role").and_then(Value::as_str);
        let known = ["assistant", "developer", "system", "tool", "user"];
        check.required_one_of(&format!("{path}.{index}.role"), role, &known);
    }
}

fn finish<T>(
    read: T,
    check: Validation,
    not_served: &[(&'static str, bool)],
) -> Result<T, CallProblem> {
    let (problems, _) = check.finish();
    if !problems.is_empty() {
        return Err(CallProblem::Invalid(problems));
    }
    match not_served.iter().find(|(_, sent)| *sent) {
        Some((field, _)) => Err(CallProblem::NotServed(field)),
        None => Ok(read),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_chat_goes_on_one_conversation() {
        let read = |json: Value| new_chat(&json.to_string());
        assert!(read(json!({"assistantId": "a", "input": "Bonjour"})).is_ok());
        let both = json!({"input": [{"role": "usr"}], "sessionId": "s", "previousChatId": "c",
            "inputs": 1});
        assert_eq!(
            read(both),
            Err(CallProblem::Invalid(vec![
                "property inputs should not exist; did you mean input?".to_owned(),
                "input.0.role must be one of the following values: assistant, developer, system, \
                 tool, user"
                    .to_owned(),
                "sessionId and previousChatId must not both be sent".to_owned(),
            ]))
        );
        let squad = json!({"squadId": "s", "input": "Bonjour"});
        assert_eq!(read(squad), Err(CallProblem::NotServed("squadId")));
    }

    #[test]
    fn a_session_lasts_a_minute_at_least() {
        let told = new_session(&json!({"expirationSeconds": 5}).to_string());
        let problem = "expirationSeconds must not be less than 60".to_owned();
        assert_eq!(told, Err(CallProblem::Invalid(vec![problem])));
    }
}
