//! Asks a number's server who answers a call (Vapi's `assistant-request`).

use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::config::{self, Server};
use crate::http::{self, Courier};
use crate::overrides;
use crate::store::Timestamp;
use crate::tools::Destination;

/// How long the server may take, whatever it says itself: the caller hears it ring meanwhile, and
/// Twilio waits 15 s. Vapi's bound.
const PATIENCE: Duration = Duration::from_millis(7_500);

/// The longest answer that is read, in bytes.
const LONGEST_ANSWER: usize = 1 << 20;

type Fields = Map<String, Value>;

/// What a server answers.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Requested {
    /// A stored assistant.
    Stored { id: String, overrides: Option<Fields> },
    /// An assistant for this call alone.
    Transient { assistant: Fields, overrides: Option<Fields> },
    /// Several assistants, stored or for this call alone.
    Squad { squad: Result<String, Fields>, overrides: Option<Fields> },
    /// Somebody else.
    Elsewhere(Box<Destination>),
    /// Nobody: the caller hears this.
    Said(String),
    /// Nobody, and Vapi's `endedReason`.
    Nobody(&'static str),
}

/// Asks `server`, of which `about` says what call it is.
pub(crate) async fn ask(courier: &Courier, server: &Server, about: Fields) -> Requested {
    let mut message = about;
    message.insert("type".to_owned(), "assistant-request".into());
    message.insert("timestamp".to_owned(), Timestamp::now().as_millis().into());
    let body = json!({ "message": message }).to_string();
    match post(courier, server, body).await {
        Ok(text) => read(&text),
        Err(error) => {
            tracing::warn!(error, "no answer to an assistant-request within 7.5 s");
            Requested::Nobody("assistant-request-failed")
        }
    }
}

async fn post(courier: &Courier, server: &Server, body: String) -> Result<Vec<u8>, String> {
    // A token that has to be asked for first is within the caller's patience too.
    let id = uuid::Uuid::new_v4().to_string();
    let asked = courier.send(server, &id, body.as_bytes(), |request| request.timeout(PATIENCE));
    let answer = tokio::time::timeout(PATIENCE, asked).await;
    let answer = answer.map_err(|_| "it took too long".to_owned())?;
    let answer = answer.map_err(|error| error.to_string())?;
    if !answer.status().is_success() {
        return Err(format!("the server answered {}", answer.status().as_u16()));
    }
    http::body(answer, LONGEST_ANSWER).await.map_err(|error| error.to_string())
}

/// An error goes before everything else, a destination before an assistant.
fn read(text: &[u8]) -> Requested {
    let Ok(Value::Object(mut answer)) = serde_json::from_slice(text) else {
        return Requested::Nobody("assistant-request-returned-no-assistant");
    };
    if let Some(error) = answer.get("error").and_then(Value::as_str) {
        return Requested::Said(error.to_owned());
    }
    if let Some(destination) = answer.get("destination").filter(|sent| !sent.is_null()) {
        return match config::destination(destination) {
            Some(destination) => Requested::Elsewhere(Box::new(destination)),
            None => Requested::Nobody("assistant-request-returned-error"),
        };
    }
    let overrides = match answer.remove("assistantOverrides") {
        Some(Value::Object(overrides)) => Some(overrides),
        _ => None,
    };
    match (answer.remove("assistantId"), answer.remove("assistant")) {
        (Some(Value::String(id)), _) => return Requested::Stored { id, overrides },
        (_, Some(Value::Object(assistant))) => {
            return Requested::Transient { assistant, overrides };
        }
        _ => {}
    }
    let of_squad = match answer.remove("squadOverrides") {
        Some(Value::Object(overrides)) => Some(overrides),
        _ => None,
    };
    let overrides = overrides::combined(of_squad.as_ref(), overrides.as_ref());
    match (answer.remove("squadId"), answer.remove("squad")) {
        (Some(Value::String(id)), _) => Requested::Squad { squad: Ok(id), overrides },
        (_, Some(Value::Object(squad))) => Requested::Squad { squad: Err(squad), overrides },
        _ => {
            for field in ["workflow", "workflowId"] {
                if answer.contains_key(field) {
                    tracing::error!(field, "an assistant-request is answered by what is not here");
                }
            }
            Requested::Nobody("assistant-request-returned-no-assistant")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(json: &Value) -> Requested {
        read(json.to_string().as_bytes())
    }

    #[test]
    fn an_answer_names_an_assistant_a_destination_or_nobody() {
        let overrides = json!({"variableValues": {"nom": "Martin"}});
        let stored = answer(&json!({"assistantId": "a", "assistantOverrides": overrides}));
        assert_eq!(
            stored,
            Requested::Stored { id: "a".to_owned(), overrides: overrides.as_object().cloned() }
        );
        let transient = answer(&json!({"assistant": {"firstMessage": "Bonjour"}}));
        assert!(matches!(transient, Requested::Transient { .. }), "{transient:?}");
        let both =
            json!({"assistantId": "a", "destination": {"type": "number", "number": "+331234"}});
        assert!(matches!(answer(&both), Requested::Elsewhere(_)));
        let error = answer(&json!({"error": "Fermé.", "assistantId": "a"}));
        assert_eq!(error, Requested::Said("Fermé.".to_owned()));
        let nobody = "assistant-request-returned-no-assistant";
        let squad = answer(&json!({"squadId": "s", "squadOverrides": {"firstMessage": "Bonjour"}}));
        let overrides = json!({"firstMessage": "Bonjour"}).as_object().cloned();
        assert_eq!(squad, Requested::Squad { squad: Ok("s".to_owned()), overrides });
        assert_eq!(answer(&json!({"workflowId": "w"})), Requested::Nobody(nobody));
        assert_eq!(read(b"OK"), Requested::Nobody(nobody));
    }
}
