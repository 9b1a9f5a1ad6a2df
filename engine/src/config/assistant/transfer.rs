//! Whom a caller may be connected to: the `destinations` of `transferCall`.

use super::tools::in_language;
use crate::config::phone_number::is_e164;
use crate::config::validation::Validation;
use crate::tools::Destination;
use crate::transport::twilio::twiml::Party;

/// The way it is done here.
const BLIND: &str = "blind-transfer";

/// The ways that Vapi knows.
const MODES: &[&str] = &[
    BLIND,
    "blind-transfer-add-summary-to-sip-header",
    "warm-transfer-experimental",
    "warm-transfer-say-message",
    "warm-transfer-say-summary",
    "warm-transfer-twiml",
    "warm-transfer-wait-for-operator-to-speak-first-and-then-say-message",
    "warm-transfer-wait-for-operator-to-speak-first-and-then-say-summary",
];

pub(super) fn destinations(
    sent: &[wire::TransferDestination],
    path: &str,
    language: &str,
    check: &mut Validation,
) -> Vec<Destination> {
    let each = sent.iter().enumerate();
    let read = |(index, sent)| destination(sent, &format!("{path}.{index}"), language, check);
    each.filter_map(read).collect()
}

pub(in crate::config) fn destination(
    sent: &wire::TransferDestination,
    path: &str,
    language: &str,
    check: &mut Validation,
) -> Option<Destination> {
    let kind = sent.kind.as_deref();
    check.required_one_of(&format!("{path}.type"), kind, &["number", "sip", "assistant"]);
    let general = without_indices(path);
    let target = match kind? {
        "number" => {
            Party::Number { number: number(sent, path, check)?, extension: sent.extension.clone() }
        }
        "sip" => {
            let uri = sent.sip_uri.clone().unwrap_or_default();
            if !uri.starts_with("sip:") && !uri.starts_with("sips:") {
                check.problem(format!("{path}.sipUri must begin with sip: or sips:"));
                return None;
            }
            Party::Sip(uri)
        }
        other => {
            check.without_effect(format!("{general}.type {other}"));
            return None;
        }
    };
    let plan = sent.transfer_plan.clone().unwrap_or_default();
    let mode = format!("{path}.transferPlan.mode");
    check.one_of(&mode, plan.mode.as_deref(), MODES);
    if let Some(mode) = plan.mode.as_deref().filter(|mode| *mode != BLIND && MODES.contains(mode)) {
        check.without_effect(format!("{general}.transferPlan.mode {mode}"));
    }
    let timeout = format!("{path}.transferPlan.dialTimeout");
    let message = match &sent.message {
        None => None,
        Some(wire::TransferMessage::Text(text)) => Some(text.clone()),
        Some(wire::TransferMessage::Message(message)) => Some(in_language(message, language)),
    };
    check.length(&format!("{path}.message"), message.as_deref(), 0..=1000);
    Some(Destination {
        target,
        caller_id: sent.caller_id.clone(),
        message,
        description: sent.description.clone().unwrap_or_default(),
        ring_seconds: check.whole(&timeout, plan.dial_timeout, 1..=600),
        document: serde_json::to_value(sent).unwrap_or_default(),
    })
}

fn number(sent: &wire::TransferDestination, path: &str, check: &mut Validation) -> Option<String> {
    match sent.number.clone() {
        Some(number) if sent.is_e164 != Some(false) && !is_e164(&number) => {
            check.problem(format!(
                "{path}.number must be in the E.164 format, such as +33123456789"
            ));
            None
        }
        None => {
            check.problem(format!("{path}.number should not be empty"));
            None
        }
        number => number,
    }
}

/// `a.0.b.1` as `a.b`: what has no effect is told once.
fn without_indices(path: &str) -> String {
    let is_index = |step: &&str| step.bytes().all(|byte| byte.is_ascii_digit());
    path.split('.').filter(|step| !is_index(step)).collect::<Vec<_>>().join(".")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::config::assistant::tests::read;
    use crate::tools::Work;
    use crate::transport::twilio::twiml::Party;

    #[test]
    fn destinations_are_offered_to_the_model() {
        let assistant = read(&json!({
            "transcriber": {"language": "fr"},
            "model": {"tools": [{"type": "transferCall", "destinations": [
                {"type": "number", "number": "+33123456789", "extension": "12",
                 "description": "La cuisine", "message": "Je vous passe la cuisine.",
                 "transferPlan": {"mode": "warm-transfer-say-summary", "dialTimeout": 20}},
                {"type": "sip", "sipUri": "sip:gerant@pbx.example", "callerId": "{{customer.number}}"},
                {"type": "assistant", "assistantName": "Autre"},
            ]}]},
        }))
        .expect("it is sound");
        let tool = &assistant.tools[0];
        assert_eq!(tool.definition.name, "transferCall");
        let choice = &tool.definition.parameters["properties"]["destination"];
        assert_eq!(choice["enum"], json!(["+33123456789", "sip:gerant@pbx.example"]));
        let Work::Transfer(destinations) = &tool.work else { panic!("{tool:?}") };
        assert_eq!(destinations[0].ring_seconds, Some(20));
        assert_eq!(destinations[1].target, Party::Sip("sip:gerant@pbx.example".to_owned()));
        let without: Vec<_> = assistant.without_effect.iter().map(String::as_str).collect();
        assert_eq!(
            without,
            [
                "model.tools.destinations.assistantName",
                "model.tools.destinations.transferPlan.mode warm-transfer-say-summary",
                "model.tools.destinations.type assistant",
            ]
        );
    }

    #[test]
    fn older_fields_make_the_tool() {
        let assistant =
            read(&json!({"forwardingPhoneNumber": "+33123456789"})).expect("it is sound");
        assert_eq!(assistant.tools[0].definition.name, "transferCall");
        assert!(assistant.without_effect.is_empty(), "{:?}", assistant.without_effect);
        let error = read(&json!({"forwardingPhoneNumber": "0123"})).expect_err("no number");
        assert_eq!(
            error.problems(),
            ["forwardingPhoneNumber.number must be in the E.164 format, such as +33123456789"]
        );
    }
}
