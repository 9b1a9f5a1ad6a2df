//! A squad: `POST /squad`, and one that is written out in an order or an answer.

use serde_json::{Map, Value, json};
use wire::{AssistantDestination, ContextEngineeringPlan, Squad, SquadMember};

use super::Config;
use super::checked::{Checked, assistant_check};
use super::validation::Validation;

/// What becomes of the conversation when a member hands over, as older squads say it.
const TRANSFER_MODES: &[&str] = &[
    "delete-history",
    "rolling-history",
    "swap-system-message-in-history",
    "swap-system-message-in-history-and-remove-transfer-tool-messages",
];

/// The same, as handoffs say it.
const CONTEXTS: &[&str] =
    &["all", "lastNMessages", "none", "previousAssistantMessages", "userAndAssistantMessages"];

/// What overrides have beside the fields of an assistant.
const VARIABLES: &str = "variableValues";
const MORE_TOOLS: &str = "tools:append";

/// Checks a squad.
pub fn squad_check(json: &str, config: &Config) -> Checked {
    let mut check = Validation::of("squad");
    let squad = check.read::<Squad>(json);
    let mut checked = Checked::default();
    if let Some(squad) = squad {
        validate(&squad, config, &mut check, &mut checked.unserved);
    }
    let found = Checked::from(check);
    Checked { unserved: checked.unserved, ..found }
}

fn validate(squad: &Squad, config: &Config, check: &mut Validation, unserved: &mut Vec<String>) {
    if let Some(overrides) = &squad.members_overrides {
        check_overrides(overrides, "membersOverrides", config, check, unserved);
    }
    let members = squad.members.as_deref().unwrap_or_default();
    if members.is_empty() {
        check.problem("members should not be empty");
    }
    for (index, member) in members.iter().enumerate() {
        check_member(member, &format!("members.{index}"), config, check, unserved);
    }
    let mut names: Vec<_> = members.iter().filter_map(written_name).collect();
    names.sort_unstable();
    for pair in names.windows(2) {
        if pair[0] == pair[1] {
            check.problem(format!("members: there are two assistants named {}", pair[0]));
        }
    }
}

/// The name of a member that is written out.
fn written_name(member: &SquadMember) -> Option<&str> {
    let overridden =
        member.assistant_overrides.as_ref().and_then(|overrides| overrides.get("name"));
    let own = || member.assistant.as_ref().and_then(|assistant| assistant.get("name"));
    overridden.or_else(own).and_then(Value::as_str)
}

fn check_member(
    member: &SquadMember,
    path: &str,
    config: &Config,
    check: &mut Validation,
    unserved: &mut Vec<String>,
) {
    match (&member.assistant_id, &member.assistant) {
        (Some(_), Some(_)) => {
            check.problem(format!("{path}: assistant and assistantId must not both be sent"));
        }
        (None, None) => {
            check.problem(format!("{path}: assistant or assistantId should not be empty"));
        }
        (None, Some(assistant)) => {
            check_assistant(assistant, &format!("{path}.assistant"), config, check, unserved);
        }
        (Some(_), None) => {}
    }
    if let Some(overrides) = &member.assistant_overrides {
        let path = format!("{path}.assistantOverrides");
        check_overrides(overrides, &path, config, check, unserved);
    }
    for (index, destination) in member.assistant_destinations.iter().flatten().enumerate() {
        let path = format!("{path}.assistantDestinations.{index}");
        check_destination(destination, &path, config, check, unserved);
    }
}

fn check_destination(
    sent: &AssistantDestination,
    path: &str,
    config: &Config,
    check: &mut Validation,
    unserved: &mut Vec<String>,
) {
    check.required_one_of(&format!("{path}.type"), sent.kind.as_deref(), &["assistant"]);
    if sent.assistant_name.is_none() && sent.assistant_id.is_none() && sent.assistant.is_none() {
        check.problem(format!("{path}.assistantName should not be empty"));
    }
    let mode = sent.transfer_mode.as_deref();
    check.one_of(&format!("{path}.transferMode"), mode, TRANSFER_MODES);
    if let Some(ContextEngineeringPlan { kind, max_messages }) = &sent.context_engineering_plan {
        let plan = format!("{path}.contextEngineeringPlan");
        check.required_one_of(&format!("{plan}.type"), kind.as_deref(), CONTEXTS);
        let most = format!("{plan}.maxMessages");
        check.range(&most, *max_messages, 0.0..=f64::MAX);
        if kind.as_deref() == Some("lastNMessages") && max_messages.is_none() {
            check.problem(format!("{most} should not be empty"));
        }
    }
    if let Some(assistant) = &sent.assistant {
        check_assistant(assistant, &format!("{path}.assistant"), config, check, unserved);
    }
    if let Some(overrides) = &sent.assistant_overrides {
        let path = format!("{path}.assistantOverrides");
        check_overrides(overrides, &path, config, check, unserved);
    }
}

/// Checks an assistant that stands at `path`.
fn check_assistant(
    assistant: &Map<String, Value>,
    path: &str,
    config: &Config,
    check: &mut Validation,
    unserved: &mut Vec<String>,
) {
    let found = assistant_check(&Value::from(assistant.clone()).to_string(), config);
    for problem in found.problems {
        check.problem(under(path, &problem));
    }
    let general: Vec<_> =
        path.split('.').filter(|step| !step.bytes().all(|byte| byte.is_ascii_digit())).collect();
    for field in found.without_effect {
        check.without_effect(format!("{}.{field}", general.join(".")));
    }
    for provider in found.unserved {
        if !unserved.contains(&provider) {
            unserved.push(provider);
        }
    }
}

/// Checks what is merged into an assistant: as many of its fields as are sent, variables, and tools
/// beside its own.
fn check_overrides(
    overrides: &Map<String, Value>,
    path: &str,
    config: &Config,
    check: &mut Validation,
    unserved: &mut Vec<String>,
) {
    let mut assistant = overrides.clone();
    if assistant.remove(VARIABLES).is_some_and(|variables| !variables.is_object()) {
        check.problem(format!("{path}.{VARIABLES} must be an object"));
    }
    match assistant.remove(MORE_TOOLS) {
        None => {}
        Some(Value::Array(tools)) => {
            let more = json!({"model": {"tools": tools}});
            let found = assistant_check(&more.to_string(), config);
            for problem in found.problems {
                check.problem(under(path, &problem.replace("model.tools", MORE_TOOLS)));
            }
        }
        Some(_) => check.problem(format!("{path}.{MORE_TOOLS} must be an array")),
    }
    check_assistant(&assistant, path, config, check, unserved);
}

/// A problem of something that stands at `path`.
fn under(path: &str, problem: &str) -> String {
    match problem.strip_prefix("each value in ") {
        Some(rest) => format!("each value in {path}.{rest}"),
        None => format!("{path}.{problem}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Sources;

    fn checked(squad: &Value) -> Checked {
        let config = Config::load(&Sources::default()).expect("the defaults");
        squad_check(&squad.to_string(), &config)
    }

    #[test]
    fn a_squad_as_products_send_it() {
        let squad = json!({
            "name": "Restaurant",
            "members": [
                {"assistantId": "a", "assistantDestinations": [
                    {"type": "assistant", "assistantName": "Cuisine", "message": "",
                     "description": "Les allergies", "transferMode": "rolling-history"}]},
                {"assistant": {"name": "Cuisine", "voice": {"provider": "azure", "voiceId": "x"}},
                 "assistantOverrides": {"firstMessage": "Oui ?", "variableValues": {"a": 1},
                                        "tools:append": [{"type": "endCall"}]},
                 "assistantDestinations": [{"type": "assistant", "assistantId": "a",
                    "contextEngineeringPlan": {"type": "lastNMessages", "maxMessages": 4}}]},
            ],
            "membersOverrides": {"model": {"messages": [{"role": "system", "content": "Bref."}]}},
        });
        let checked = checked(&squad);
        assert_eq!(checked.problems, [""; 0]);
        assert_eq!(checked.unserved, ["azure"]);
    }

    #[test]
    fn everything_wrong_is_told_with_its_path() {
        let mut told = checked(&json!({
            "memebers": [],
            "members": [
                {},
                {"assistantId": "a", "assistant": {}},
                {"assistant": {"name": "x".repeat(41), "endCallPhrases": ["a"], "tools": []}},
                {"assistantId": "a", "assistantDestinations": [
                    {"type": "number", "transferMode": "later"},
                    {"type": "assistant", "contextEngineeringPlan": {"type": "lastNMessages"}}]},
                {"assistantId": "a", "assistantOverrides": {"variableValues": 1,
                    "voice": {"speed": 9}, "tools:append": [{"type": "function"}]}},
                {"assistant": {"name": "A"}}, {"assistant": {"name": "A"}},
            ],
            "membersOverrides": {"firstMesage": ""},
        }))
        .problems;
        told.sort();
        assert_eq!(
            told,
            [
                "each value in members.2.assistant.endCallPhrases must be longer than or equal to 2 \
                 characters",
                "members.0: assistant or assistantId should not be empty",
                "members.1: assistant and assistantId must not both be sent",
                "members.2.assistant.name must be shorter than or equal to 40 characters",
                "members.2.assistant.property tools should not exist",
                "members.3.assistantDestinations.0.assistantName should not be empty",
                "members.3.assistantDestinations.0.transferMode must be one of the following \
                 values: delete-history, rolling-history, swap-system-message-in-history, \
                 swap-system-message-in-history-and-remove-transfer-tool-messages",
                "members.3.assistantDestinations.0.type must be one of the following values: \
                 assistant",
                "members.3.assistantDestinations.1.assistantName should not be empty",
                "members.3.assistantDestinations.1.contextEngineeringPlan.maxMessages should not be \
                 empty",
                "members.4.assistantOverrides.tools:append.0.function.name should not be empty",
                "members.4.assistantOverrides.variableValues must be an object",
                "members.4.assistantOverrides.voice.speed must not be greater than 4",
                "members: there are two assistants named A",
                "membersOverrides.property firstMesage should not exist; did you mean \
                 firstMessage?",
                "property memebers should not exist; did you mean members?",
            ]
        );
        assert_eq!(checked(&json!({})).problems, ["members should not be empty"]);
    }
}
