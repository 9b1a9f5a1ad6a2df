//! A tool that connects the caller to somebody else (Vapi's `transferCall`).

use serde_json::{Map, Value, json};

use super::run::{Invocation, Lost};
use super::template::render;
use crate::transport::twilio::rest::LiveCall;
use crate::transport::twilio::twiml::{self, Dial, Party};

/// Said where the assistant names no message: Vapi's words in English.
const ANNOUNCEMENTS: &[(&str, &str)] =
    &[("en", "Transferring the call now."), ("fr", "Je vous transfère, ne quittez pas.")];

/// How long the other telephone rings where nobody says: Vapi's default, in seconds.
const RING_SECONDS: u32 = 60;

/// Where a call may be transferred to.
#[derive(Clone, Debug, PartialEq)]
pub struct Destination {
    /// A number or a SIP address.
    pub target: Party,
    /// Who is seen to call; may name variables. `None`: the caller.
    pub caller_id: Option<String>,
    /// Said before; empty: nothing. `None`: nobody chose.
    pub message: Option<String>,
    /// For the model, which chooses.
    pub description: String,
    /// How long it rings, in seconds.
    pub ring_seconds: Option<u32>,
    /// As it was sent.
    pub document: Value,
}

/// The destination that the model asks for: by its number, by its description, or the only one.
pub(super) fn chosen<'a>(
    destinations: &'a [Destination],
    arguments: &Map<String, Value>,
) -> Result<&'a Destination, Lost> {
    let asked = arguments.get("destination").and_then(Value::as_str).unwrap_or_default().trim();
    let named = |destination: &&Destination| {
        destination.target.name() == asked || destination.description == asked
    };
    match destinations {
        [only] if asked.is_empty() => Ok(only),
        _ => destinations.iter().find(named).ok_or_else(|| Lost::Destination(asked.to_owned())),
    }
}

/// What is said before a transfer to `destination`, where no message of the tool is.
pub(super) fn announcement(destination: &Destination, language: &str) -> String {
    if let Some(message) = &destination.message {
        return message.clone();
    }
    let primary = language.split(['-', '_']).next().unwrap_or_default();
    let known = ANNOUNCEMENTS.iter().find(|(tag, _)| tag.eq_ignore_ascii_case(primary));
    known.map(|(_, text)| (*text).to_owned()).unwrap_or_default()
}

/// Has the carrier connect the caller. What it connects them to is no business of ours any more.
pub(super) async fn redirect(
    line: Option<&LiveCall>,
    destination: &Destination,
    call: &Invocation,
    scopes: &[&Map<String, Value>],
) -> Result<(), Lost> {
    let line = line.ok_or(Lost::NoCarrier)?;
    let mut all = vec![&call.arguments];
    all.extend_from_slice(scopes);
    let caller_id = destination.caller_id.as_ref().map(|template| render(template, &all));
    let dial = Dial {
        caller_id: caller_id.filter(|caller| !caller.is_empty()),
        ring_seconds: destination.ring_seconds.unwrap_or(RING_SECONDS),
        target: &destination.target,
    };
    let twiml = twiml::dial(&dial).map_err(|error| Lost::Carrier(error.to_string()))?;
    line.redirect(&twiml).await.map_err(|error| Lost::Carrier(error.to_string()))
}

/// What the model sees of the tool.
pub(crate) fn parameters(destinations: &[Destination]) -> Value {
    let names: Vec<&str> = destinations.iter().map(|to| to.target.name()).collect();
    let described: Vec<String> = destinations
        .iter()
        .filter(|to| !to.description.is_empty())
        .map(|to| format!("{}: {}", to.target.name(), to.description))
        .collect();
    json!({
        "type": "object",
        "properties": {"destination": {
            "type": "string",
            "enum": names,
            "description": format!("Where the call is transferred to. {}", described.join(" ")),
        }},
        "required": ["destination"],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn destination(number: &str, description: &str) -> Destination {
        Destination {
            target: Party::Number { number: number.to_owned(), extension: None },
            caller_id: None,
            message: None,
            description: description.to_owned(),
            ring_seconds: None,
            document: Value::Null,
        }
    }

    #[test]
    fn a_destination_is_chosen_by_number_or_description() {
        let destinations = [destination("+331", "la cuisine"), destination("+332", "le gérant")];
        let asked = |json: Value| {
            let Value::Object(arguments) = json else { panic!("an object") };
            chosen(&destinations, &arguments).map(|to| to.target.name().to_owned())
        };
        assert_eq!(asked(json!({"destination": "+332"})), Ok("+332".to_owned()));
        assert_eq!(asked(json!({"destination": "la cuisine"})), Ok("+331".to_owned()));
        assert!(asked(json!({"destination": "+339"})).is_err());
        assert!(asked(json!({})).is_err(), "there are two");
        assert!(chosen(&destinations[..1], &Map::new()).is_ok());
    }

    #[test]
    fn a_transfer_is_announced_in_the_calls_language() {
        let silent = Destination { message: Some(String::new()), ..destination("+331", "") };
        assert_eq!(announcement(&silent, "fr"), "");
        let usual = destination("+331", "");
        assert_eq!(announcement(&usual, "fr-FR"), "Je vous transfère, ne quittez pas.");
        assert_eq!(announcement(&usual, "en"), "Transferring the call now.");
    }
}
