//! A phone number: `POST /phone-number`.

use super::assistant;
use super::checked::Checked;
use super::validation::Validation;
use crate::tools::{Candidate, Destination};

/// Whose numbers Vapi knows. Calls reach this engine over Twilio's alone.
const PROVIDERS: &[&str] = &["byo-phone-number", "telnyx", "twilio", "vapi", "vonage"];

/// Somebody to be called instead, as a server or a number names them; `None`: it is not sound.
pub fn destination(json: &serde_json::Value) -> Option<Destination> {
    let wire = serde_json::from_value(json.clone()).ok()?;
    assistant::transfer_destination(&wire, "destination", "", &mut Validation::default())
}

/// Another assistant to whom a server hands a call over; `None`: it is not sound.
pub fn candidate(json: &serde_json::Value, language: &str) -> Option<Candidate> {
    let wire = serde_json::from_value(json.clone()).ok()?;
    let mut check = Validation::default();
    let candidate = assistant::handoff_candidate(&wire, "destination", language, &mut check)?;
    let (problems, _) = check.finish();
    problems.is_empty().then_some(candidate)
}

/// Checks a phone number.
pub fn phone_number_check(json: &str) -> Checked {
    let mut check = Validation::of("phoneNumber");
    if let Some(wire) = check.read::<wire::PhoneNumber>(json) {
        validate(&wire, &mut check);
    }
    check.into()
}

fn validate(wire: &wire::PhoneNumber, check: &mut Validation) {
    check.required_one_of("provider", wire.provider.as_deref(), PROVIDERS);
    check.length("name", wire.name.as_deref(), 0..=40);
    let twilio = wire.provider.as_deref() == Some("twilio");
    match wire.number.as_deref() {
        Some(number) if !is_e164(number) => {
            check.problem("number must be in the E.164 format, such as +33123456789");
        }
        None if twilio => check.problem("number should not be empty"),
        Some(_) | None => {}
    }
    if twilio && wire.twilio_account_sid.is_none() {
        check.problem("twilioAccountSid should not be empty");
    }
    if let Some(fallback) = &wire.fallback_destination {
        assistant::transfer_destination(fallback, "fallbackDestination", "", check);
    }
    if let Some(server) = &wire.server {
        assistant::sound_server(server, "server", check);
    }
}

/// ITU-T E.164: a plus and at most 15 digits.
pub(super) fn is_e164(number: &str) -> bool {
    number.strip_prefix('+').is_some_and(|digits| {
        (3..=15).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit())
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_number_of_twilios_needs_its_account() {
        let problems = |json: serde_json::Value| phone_number_check(&json.to_string()).problems;
        let sound = json!({"provider": "twilio", "number": "+33123456789", "smsEnabled": false,
            "twilioAccountSid": "AC1", "twilioAuthToken": "t", "name": "Accueil"});
        assert_eq!(problems(sound), [""; 0]);
        assert_eq!(
            problems(json!({"provider": "twilio", "number": "0123456789", "numbr": ""})),
            [
                "property numbr should not exist; did you mean number?",
                "number must be in the E.164 format, such as +33123456789",
                "twilioAccountSid should not be empty",
            ]
        );
    }
}
