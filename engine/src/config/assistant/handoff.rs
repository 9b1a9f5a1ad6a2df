//! Other assistants that a call may be handed over to: `handoff`, and assistants among the
//! destinations of `transferCall`.

use serde_json::Value;

use super::server::server;
use super::transfer::words;
use crate::config::validation::Validation;
use crate::tools::{Candidate, Context, Extraction, Handoffs, Who};

/// Vapi's `transferMode`s.
const MODES: &[(&str, Context)] = &[
    ("rolling-history", Context::Everything),
    ("swap-system-message-in-history", Context::WithoutInstructions),
    ("swap-system-message-in-history-and-remove-transfer-tool-messages", Context::WithoutTransfers),
    ("delete-history", Context::Nothing),
];

/// Vapi's `contextEngineeringPlan`s.
const PLANS: &[&str] =
    &["all", "none", "lastNMessages", "userAndAssistantMessages", "previousAssistantMessages"];

/// The destinations of a `handoff` at `path`.
pub(super) fn handoffs(
    wire: &wire::Tool,
    path: &str,
    language: &str,
    check: &mut Validation,
) -> Handoffs {
    let mut handoffs =
        Handoffs { candidates: Vec::new(), dynamic: None, result: wire.default_result.clone() };
    for (index, sent) in wire.destinations.iter().flatten().enumerate() {
        let path = format!("{path}destinations.{index}");
        let kinds = ["assistant", "dynamic", "squad"];
        check.required_one_of(&format!("{path}.type"), sent.kind.as_deref(), &kinds);
        if sent.kind.as_deref() == Some("dynamic") {
            let own = sent.server.as_ref().or(wire.server.as_ref());
            let own = own.and_then(|own| server(own, &format!("{path}.server"), check));
            handoffs.dynamic = Some(own);
        } else {
            handoffs.candidates.extend(candidate(sent, &path, language, check));
        }
    }
    if handoffs.candidates.is_empty() && handoffs.dynamic.is_none() {
        // As Vapi has it: nobody is named, so a server is asked.
        let own = wire.server.as_ref();
        handoffs.dynamic = Some(own.and_then(|own| server(own, &format!("{path}server"), check)));
    }
    handoffs
}

/// Who may take the call over; `None` where `sent` is not sound, or nobody of the kind.
pub(in crate::config) fn candidate(
    sent: &wire::TransferDestination,
    path: &str,
    language: &str,
    check: &mut Validation,
) -> Option<Candidate> {
    let who = match sent.kind.as_deref()? {
        "assistant" => match (&sent.assistant, &sent.assistant_id, &sent.assistant_name) {
            (Some(assistant), _, _) => Who::Transient(assistant.clone()),
            (None, Some(id), _) => Who::Stored(id.clone()),
            (None, None, Some(name)) => Who::Member(name.clone()),
            (None, None, None) => {
                check.problem(format!("{path} must have an assistantName or an assistantId"));
                return None;
            }
        },
        "squad" => {
            let squad = match (&sent.squad_id, &sent.squad) {
                (Some(id), _) => Ok(id.clone()),
                (None, Some(squad)) => Err(squad.clone()),
                (None, None) => {
                    check.problem(format!("{path} must have a squadId or a squad"));
                    return None;
                }
            };
            let (entry, overrides) =
                (sent.entry_assistant_name.clone(), sent.squad_overrides.clone());
            Who::Squad { squad, entry, overrides }
        }
        _ => return None,
    };
    let mode = sent.transfer_mode.as_deref();
    let names: Vec<&str> = MODES.iter().map(|(name, _)| *name).collect();
    check.one_of(&format!("{path}.transferMode"), mode, &names);
    let told = match &sent.context_engineering_plan {
        Some(plan) => context(plan, &format!("{path}.contextEngineeringPlan"), check),
        None => MODES
            .iter()
            .find(|(name, _)| Some(*name) == mode)
            .map_or(Context::Everything, |(_, context)| *context),
    };
    let message = sent.message.as_ref().map(|message| words(message, language));
    check.length(&format!("{path}.message"), message.as_deref(), 0..=1000);
    Some(Candidate {
        who,
        description: sent.description.clone().unwrap_or_default(),
        message,
        context: told,
        overrides: sent.assistant_overrides.clone(),
        extraction: sent
            .variable_extraction_plan
            .as_ref()
            .map(|plan| extraction(plan, &format!("{path}.variableExtractionPlan"), check)),
        document: shown(sent),
    })
}

/// As servers may be shown it: an assistant may hold secrets.
fn shown(sent: &wire::TransferDestination) -> Value {
    let mut sent = sent.clone();
    (sent.assistant, sent.assistant_overrides) = (None, None);
    (sent.squad, sent.squad_overrides, sent.server) = (None, None, None);
    serde_json::to_value(sent).unwrap_or_default()
}

/// What of the conversation is told.
pub(super) fn context(
    plan: &wire::ContextEngineeringPlan,
    path: &str,
    check: &mut Validation,
) -> Context {
    let kind = plan.kind.as_deref();
    check.required_one_of(&format!("{path}.type"), kind, PLANS);
    let most = check.whole(&format!("{path}.maxMessages"), plan.max_messages, 0..=10_000);
    match kind {
        Some("none") => Context::Nothing,
        Some("lastNMessages") => match most {
            Some(most) => Context::Last(most as usize),
            None => {
                if plan.max_messages.is_none() {
                    check.problem(format!("{path}.maxMessages should not be empty"));
                }
                Context::Everything
            }
        },
        Some("userAndAssistantMessages") => Context::Spoken,
        Some("previousAssistantMessages") => Context::Previous,
        _ => Context::Everything,
    }
}

/// The variables that an answer or a conversation teaches.
pub(super) fn extraction(
    plan: &wire::VariableExtractionPlan,
    path: &str,
    check: &mut Validation,
) -> Extraction {
    if plan.schema.as_ref().is_some_and(|schema| !schema.is_object()) {
        check.problem(format!("{path}.schema must be an object"));
    }
    let mut aliases = Vec::new();
    for (index, alias) in plan.aliases.iter().flatten().enumerate() {
        let path = format!("{path}.aliases.{index}");
        let key = alias.key.clone().unwrap_or_default();
        let mut letters = key.chars();
        let begins = letters.next().is_some_and(|first| first.is_ascii_alphabetic());
        if !begins || key.len() > 40 || letters.any(|c| !c.is_ascii_alphanumeric() && c != '_') {
            check.problem(format!(
                "{path}.key must match /^[a-zA-Z][a-zA-Z0-9_]{{0,39}}$/ regular expression"
            ));
        }
        match &alias.value {
            Some(Value::String(text)) => aliases.push((key, text.clone())),
            _ => check.problem(format!("{path}.value must be a string")),
        }
    }
    Extraction { schema: plan.schema.clone(), aliases }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::config::assistant::tests::{problems, read};
    use crate::tools::Work;

    #[test]
    fn a_handoff_is_offered_to_the_model() {
        let assistant = read(&json!({"model": {"tools": [
            {"type": "handoff", "destinations": [
                {"type": "assistant", "assistantName": "Réservations", "description": "une table",
                 "contextEngineeringPlan": {"type": "lastNMessages", "maxMessages": 4},
                 "variableExtractionPlan": {"schema": {"type": "object"},
                    "aliases": [{"key": "nom", "value": "{{name}}"}]}},
                {"type": "squad", "squadId": "s1", "entryAssistantName": "Caisse"}]},
            {"type": "handoff", "function": {"name": "ailleurs"},
             "destinations": [{"type": "dynamic", "server": {"url": "https://x.io"}}]},
        ]}}))
        .expect("it is sound");
        assert!(assistant.without_effect.is_empty(), "{:?}", assistant.without_effect);
        let [tool, dynamic] = &assistant.tools[..] else { panic!("{:?}", assistant.tools) };
        assert_eq!(tool.definition.name, "handoff_to_R_servations");
        let choice = &tool.definition.parameters["properties"]["destination"]["enum"];
        assert_eq!(*choice, json!(["Réservations", "Caisse"]));
        let Work::Handoff(handoffs) = &tool.work else { panic!("{tool:?}") };
        assert_eq!(handoffs.candidates[0].context, Context::Last(4));
        assert_eq!(dynamic.definition.name, "ailleurs");
        let Work::Handoff(handoffs) = &dynamic.work else { panic!("{dynamic:?}") };
        assert!(matches!(handoffs.dynamic, Some(Some(_))));
    }

    #[test]
    fn what_is_wrong_with_one_is_told() {
        let told = problems(&json!({"model": {"tools": [{"type": "handoff", "destinations": [
            {"type": "assistant"},
            {"type": "assistant", "assistantName": "A", "contextEngineeringPlan": {"type": "some"},
             "variableExtractionPlan": {"aliases": [{"key": "1a", "value": "x"}]}},
            {"type": "number", "number": "+331"}]}]}}));
        let path = "model.tools.0.destinations";
        assert_eq!(told[0], format!("{path}.0 must have an assistantName or an assistantId"));
        assert!(told[1].starts_with(&format!("{path}.1.contextEngineeringPlan.type must be")));
        assert!(told[2].contains("aliases.0.key must match"), "{told:?}");
        assert!(told[3].starts_with(&format!("{path}.2.type must be one of")), "{told:?}");
    }
}
