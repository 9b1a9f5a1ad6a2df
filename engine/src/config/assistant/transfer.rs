//! Whom a caller may be connected to: the `destinations` of `transferCall`.

use std::time::Duration;

use serde_json::Value;

use super::analysis::summing_up;
use super::handoff::context;
use super::tools::in_language;
use crate::config::ServerUrl;
use crate::config::phone_number::is_e164;
use crate::config::validation::Validation;
use crate::tools::{Context, Destination, Fallback, Warm, Way, Words};
use crate::transport::twilio::twiml::{self, Party};

const BLIND: &str = "blind-transfer";
const WITH_SUMMARY: &str = "blind-transfer-add-summary-to-sip-header";
const EXPERIMENTAL: &str = "warm-transfer-experimental";
const SAY_MESSAGE: &str = "warm-transfer-say-message";
const SAY_SUMMARY: &str = "warm-transfer-say-summary";
const TWIML: &str = "warm-transfer-twiml";
const WAIT_MESSAGE: &str = "warm-transfer-wait-for-operator-to-speak-first-and-then-say-message";
const WAIT_SUMMARY: &str = "warm-transfer-wait-for-operator-to-speak-first-and-then-say-summary";

/// The ways that Vapi knows.
const MODES: &[&str] = &[
    BLIND,
    WITH_SUMMARY,
    EXPERIMENTAL,
    SAY_MESSAGE,
    SAY_SUMMARY,
    TWIML,
    WAIT_MESSAGE,
    WAIT_SUMMARY,
];

/// How long whoever answers may say nothing where nobody says: Vapi's default.
const PATIENCE: Duration = Duration::from_secs(60);

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

/// Somebody on the telephone; `None` where `sent` is not sound, or another assistant.
pub(in crate::config) fn destination(
    sent: &wire::TransferDestination,
    path: &str,
    language: &str,
    check: &mut Validation,
) -> Option<Destination> {
    let kind = sent.kind.as_deref();
    check.required_one_of(&format!("{path}.type"), kind, &["number", "sip", "assistant"]);
    let target = match kind? {
        "number" => {
            check.length(&format!("{path}.extension"), sent.extension.as_deref(), 1..=10);
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
        _ => return None,
    };
    let plan = sent.transfer_plan.clone().unwrap_or_default();
    let timeout = format!("{path}.transferPlan.dialTimeout");
    let message = sent.message.as_ref().map(|message| words(message, language));
    check.length(&format!("{path}.message"), message.as_deref(), 0..=1000);
    Some(Destination {
        caller_id: sent.caller_id.clone(),
        message,
        description: sent.description.clone().unwrap_or_default(),
        ring_seconds: check.whole(&timeout, plan.dial_timeout, 1..=600),
        headers: headers(sent, path, check),
        way: way(&plan, &target, &format!("{path}.transferPlan"), language, check)?,
        document: shown(sent),
        target,
    })
}

/// As servers may be shown it.
fn shown(sent: &wire::TransferDestination) -> Value {
    let mut sent = sent.clone();
    if let Some(plan) = &mut sent.transfer_plan {
        plan.transfer_assistant = None;
    }
    serde_json::to_value(sent).unwrap_or_default()
}

pub(super) fn words(message: &wire::TransferMessage, language: &str) -> String {
    match message {
        wire::TransferMessage::Text(text) => text.clone(),
        wire::TransferMessage::Message(message) => in_language(message, language),
    }
}

fn headers(
    sent: &wire::TransferDestination,
    path: &str,
    check: &mut Validation,
) -> Vec<(String, String)> {
    let mut headers = Vec::new();
    for (name, value) in sent.sip_headers.iter().flatten() {
        match value {
            Value::String(value) if name.starts_with("X-") || name.starts_with("x-") => {
                headers.push((name.clone(), value.clone()));
            }
            _ => check.problem(format!(
                "{path}.sipHeaders.{name} must be a string, and its name begin with X-"
            )),
        }
    }
    headers
}

/// How it is done; `None` where that is not sound.
fn way(
    plan: &wire::TransferPlan,
    target: &Party,
    path: &str,
    language: &str,
    check: &mut Validation,
) -> Option<Way> {
    let mode = format!("{path}.mode");
    check.one_of(&mode, plan.mode.as_deref(), MODES);
    let patience = check.duration(&format!("{path}.timeout"), plan.timeout, 1.0..=600.0);
    let message = plan.message.as_ref().map(|message| words(message, language));
    check.length(&format!("{path}.message"), message.as_deref(), 0..=1000);
    let sent = plan.summary_plan.clone().unwrap_or_default();
    let words = match plan.mode.as_deref().unwrap_or(BLIND) {
        WITH_SUMMARY => {
            let summary = summing_up(sent, path, check);
            if let Party::Number { .. } = target {
                // A call to a number has no headers.
                let general = without_indices(&mode);
                check.without_effect(format!("{general} {WITH_SUMMARY} of a number"));
                return Some(Way::Blind { summary: None });
            }
            return Some(Way::Blind { summary: Some(summary) });
        }
        SAY_MESSAGE | WAIT_MESSAGE => match message {
            Some(message) if !message.trim().is_empty() => Words::Message(message),
            _ => {
                check.problem(format!("{path}.message should not be empty"));
                return None;
            }
        },
        SAY_SUMMARY | WAIT_SUMMARY => Words::Summary(summing_up(sent, path, check)),
        TWIML => {
            let verbs = plan.twiml.clone().unwrap_or_default();
            check.length(&format!("{path}.twiml"), Some(&verbs), 1..=4096);
            if let Err(error) = twiml::check_verbs(&verbs) {
                check.problem(format!("{path}.twiml: {error}"));
                return None;
            }
            Words::Twiml(verbs)
        }
        EXPERIMENTAL => Words::Conversation {
            assistant: plan.transfer_assistant.clone(),
            first: message.unwrap_or_default(),
            context: match &plan.context_engineering_plan {
                Some(plan) => context(plan, &format!("{path}.contextEngineeringPlan"), check),
                None => Context::Everything,
            },
        },
        _ => return Some(Way::Blind { summary: None }),
    };
    let operator_first = matches!(plan.mode.as_deref(), Some(WAIT_MESSAGE | WAIT_SUMMARY));
    let fallback = plan.fallback_plan.as_ref().and_then(|plan| {
        let message = plan.message.as_ref().map(|message| self::words(message, language));
        Some(Fallback { message: message?, end_call: plan.end_call_enabled.unwrap_or(true) })
    });
    let hold = plan.hold_audio_url.as_deref();
    let hold = hold.and_then(|url| sound(url, &format!("{path}.holdAudioUrl"), check));
    let chime = plan.transfer_complete_audio_url.as_deref();
    let chime =
        chime.and_then(|url| sound(url, &format!("{path}.transferCompleteAudioUrl"), check));
    Some(Way::Warm(Box::new(Warm {
        words,
        operator_first,
        patience: patience.unwrap_or(PATIENCE),
        hold,
        chime: chime.map(|url| url.expose().to_owned()),
        fallback,
    })))
}

fn sound(url: &str, path: &str, check: &mut Validation) -> Option<ServerUrl> {
    let parsed = ServerUrl::exact(url).ok();
    if parsed.is_none() {
        check.problem(format!("{path} must be a URL address"));
    }
    parsed
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
pub(super) fn without_indices(path: &str) -> String {
    let is_index = |step: &&str| step.bytes().all(|byte| byte.is_ascii_digit());
    path.split('.').filter(|step| !is_index(step)).collect::<Vec<_>>().join(".")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::config::assistant::tests::read;
    use crate::tools::Work;

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
        assert_eq!(choice["enum"], json!(["+33123456789", "sip:gerant@pbx.example", "Autre"]));
        let Work::Transfer(transfers) = &tool.work else { panic!("{tool:?}") };
        let [kitchen, manager] = &transfers.parties[..] else { panic!("{tool:?}") };
        assert_eq!(kitchen.ring_seconds, Some(20));
        let Way::Warm(warm) = &kitchen.way else { panic!("{kitchen:?}") };
        assert!(matches!(&warm.words, Words::Summary(_)) && !warm.operator_first, "{warm:?}");
        assert_eq!(manager.target, Party::Sip("sip:gerant@pbx.example".to_owned()));
        assert_eq!(transfers.assistants[0].name(), "Autre");
        assert!(assistant.without_effect.is_empty(), "{:?}", assistant.without_effect);
    }

    fn plan(plan: Value) -> Result<(Way, Vec<String>), Vec<String>> {
        let assistant =
            read(&json!({"model": {"tools": [{"type": "transferCall", "destinations": [
            {"type": "number", "number": "+33123456789", "transferPlan": plan}]}]}}));
        let assistant = assistant.map_err(|error| error.problems().to_vec())?;
        let Work::Transfer(transfers) = &assistant.tools[0].work else { panic!("a transfer") };
        Ok((transfers.parties[0].way.clone(), assistant.without_effect.into_iter().collect()))
    }

    #[test]
    fn a_plan_says_what_whoever_answers_is_told() {
        let (way, _) = plan(json!({"mode": "warm-transfer-experimental", "message": "Un appel.",
            "holdAudioUrl": "https://x.io/hold.mp3", "contextEngineeringPlan": {"type": "none"},
            "fallbackPlan": {"message": "Personne ne répond.", "endCallEnabled": false},
            "transferAssistant": {"firstMessage": "Bonjour", "model": {"provider": "openai"}}}))
        .expect("it is sound");
        let Way::Warm(warm) = way else { panic!("{way:?}") };
        let fallback = warm.fallback.expect("a fallback");
        assert!(!fallback.end_call && fallback.message == "Personne ne répond.");
        let Words::Conversation { assistant: Some(_), first, context } = warm.words else {
            panic!("a conversation")
        };
        assert_eq!((first.as_str(), context), ("Un appel.", Context::Nothing));

        let waits = "warm-transfer-wait-for-operator-to-speak-first-and-then-say-message";
        let (way, _) = plan(json!({"mode": waits, "message": "Un appel.", "timeout": 20}))
            .expect("it is sound");
        let Way::Warm(warm) = way else { panic!("{way:?}") };
        assert!(warm.operator_first && warm.patience == Duration::from_secs(20));
        let (way, without) =
            plan(json!({"mode": "blind-transfer-add-summary-to-sip-header"})).expect("sound");
        assert_eq!(way, Way::Blind { summary: None });
        let mode = "model.tools.destinations.transferPlan.mode";
        assert_eq!(
            without,
            [format!("{mode} blind-transfer-add-summary-to-sip-header of a number")]
        );
    }

    #[test]
    fn a_plan_that_cannot_be_carried_out_is_refused() {
        let path = "model.tools.0.destinations.0.transferPlan";
        assert_eq!(
            plan(json!({"mode": "warm-transfer-say-message"})),
            Err(vec![format!("{path}.message should not be empty")])
        );
        let told = plan(json!({"mode": "warm-transfer-twiml", "twiml": "<Dial>+331</Dial>"}));
        let told = told.expect_err("it is none");
        assert!(told[0].starts_with(&format!("{path}.twiml: the TwiML")), "{told:?}");
        let told = plan(json!({"mode": "warm-transfer-shout"})).expect_err("no such mode");
        assert!(told[0].starts_with(&format!("{path}.mode must be one of")), "{told:?}");
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
