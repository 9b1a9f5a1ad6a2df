//! When the assistant begins to speak: `startSpeakingPlan`.

use turntaking::rules::{EndpointingRule, Pattern};
use turntaking::settings::{Settings, SmartEndpointing};
use turntaking::wait_function::WaitFunction;

use super::server::{Server, server};
use super::set;
use crate::config::validation::Validation;

const PLAN: &str = "startSpeakingPlan";
/// Vapi's name for a server of the customer's that says how long to wait.
const CUSTOM_MODEL: &str = "custom-endpointing-model";

pub(super) fn start_speaking(
    plan: &wire::StartSpeakingPlan,
    to: &mut Settings,
    check: &mut Validation,
) {
    let settings = &mut to.start_speaking;
    let wait = check.duration(&format!("{PLAN}.waitSeconds"), plan.wait_seconds, 0.0..=5.0);
    set(&mut settings.wait, wait);
    if let Some(silences) = &plan.transcription_endpointing_plan {
        // Silences that were asked for are obeyed, so nothing of ours goes before them.
        settings.smart_endpointing = SmartEndpointing::Off;
        for (name, value, setting) in [
            ("onPunctuationSeconds", silences.on_punctuation_seconds, &mut settings.on_punctuation),
            (
                "onNoPunctuationSeconds",
                silences.on_no_punctuation_seconds,
                &mut settings.on_no_punctuation,
            ),
            ("onNumberSeconds", silences.on_number_seconds, &mut settings.on_number),
        ] {
            let path = format!("{PLAN}.transcriptionEndpointingPlan.{name}");
            set(setting, check.duration(&path, value, 0.0..=3.0));
        }
    }
    if let Some(enabled) = &plan.smart_endpointing_enabled {
        settings.smart_endpointing = match enabled {
            wire::SmartEndpointingEnabled::Flag(true) => SmartEndpointing::Own,
            wire::SmartEndpointingEnabled::Flag(false) => SmartEndpointing::Off,
            wire::SmartEndpointingEnabled::Provider(name) => {
                check.one_of(
                    &format!("{PLAN}.smartEndpointingEnabled"),
                    Some(name),
                    &["true", "false", "livekit"],
                );
                SmartEndpointing::livekit()
            }
        };
    }
    if let Some(smart) = &plan.smart_endpointing_plan {
        settings.smart_endpointing = smart_endpointing(smart, check);
    }
    let rules = plan.custom_endpointing_rules.iter().flatten().enumerate();
    settings.rules = rules.filter_map(|(index, sent)| rule(index, sent, check)).collect();
}

fn smart_endpointing(
    plan: &wire::SmartEndpointingPlan,
    check: &mut Validation,
) -> SmartEndpointing {
    let path = format!("{PLAN}.smartEndpointingPlan");
    let provider = plan.provider.as_deref();
    let providers = ["vapi", "livekit", CUSTOM_MODEL];
    check.required_one_of(&format!("{path}.provider"), provider, &providers);
    if plan.wait_function.is_some() && provider != Some("livekit") {
        check.problem(format!("{path}.property waitFunction should not exist"));
    }
    if plan.server.is_some() && provider != Some(CUSTOM_MODEL) {
        check.problem(format!("{path}.property server should not exist"));
    }
    match (provider, &plan.wait_function) {
        (Some("livekit"), None) => SmartEndpointing::livekit(),
        (Some("livekit"), Some(expression)) => {
            if let Err(error) = WaitFunction::parse(expression) {
                check.problem(format!("{path}.waitFunction {error}"));
            }
            SmartEndpointing::WaitFunction { expression: expression.clone() }
        }
        (Some(CUSTOM_MODEL), _) => SmartEndpointing::Model,
        _ => SmartEndpointing::Own,
    }
}

/// The server that is asked when a turn ends, where one is wanted: that of the plan, else the
/// assistant's.
pub(super) fn endpointing_server(
    assistant: &wire::Assistant,
    check: &mut Validation,
) -> Option<Server> {
    let plan = assistant.start_speaking_plan.as_ref()?.smart_endpointing_plan.as_ref()?;
    if plan.provider.as_deref() != Some(CUSTOM_MODEL) {
        return None;
    }
    let path = format!("{PLAN}.smartEndpointingPlan.server");
    let asked = plan.server.as_ref().or(assistant.server.as_ref());
    if asked.is_some_and(|asked| asked.credential_id.is_some()) {
        // It is one of the engine's, not of an organisation's, once it is asked.
        check.without_effect(format!("{path}.credentialId"));
    }
    match (&plan.server, &assistant.server) {
        (Some(own), _) => server(own, &path, check),
        (None, Some(shared)) => server(shared, "server", check),
        (None, None) => {
            check.problem(format!("{path} should not be empty"));
            None
        }
    }
}

fn rule(
    index: usize,
    sent: &wire::EndpointingRule,
    check: &mut Validation,
) -> Option<EndpointingRule> {
    let path = format!("{PLAN}.customEndpointingRules.{index}");
    let kind = sent.kind.as_deref();
    check.required_one_of(&format!("{path}.type"), kind, &["assistant", "customer", "both"]);
    let timeout = format!("{path}.timeoutSeconds");
    if sent.timeout_seconds.is_none() {
        check.problem(format!("{timeout} should not be empty"));
    }
    let timeout = check.duration(&timeout, sent.timeout_seconds, 0.0..=15.0);
    let mut read = |name: &str, regex: &Option<String>, options: &Option<Vec<_>>| {
        pattern((&path, name), regex.as_deref(), options.as_deref().unwrap_or_default(), check)
    };
    let (assistant, customer) = match kind {
        Some("assistant") => (read("regex", &sent.regex, &sent.regex_options), None),
        Some("customer") => (None, read("regex", &sent.regex, &sent.regex_options)),
        Some("both") => (
            read("assistantRegex", &sent.assistant_regex, &sent.assistant_regex_options),
            read("customerRegex", &sent.customer_regex, &sent.customer_regex_options),
        ),
        _ => return None,
    };
    Some(EndpointingRule { assistant, customer, timeout: timeout? })
}

fn pattern(
    (path, name): (&str, &str),
    regex: Option<&str>,
    options: &[wire::RegexOption],
    check: &mut Validation,
) -> Option<Pattern> {
    let Some(regex) = regex else {
        check.problem(format!("{path}.{name} should not be empty"));
        return None;
    };
    let mut pattern = Pattern { regex: regex.to_owned(), ..Pattern::default() };
    for (index, option) in options.iter().enumerate() {
        let kind = option.kind.as_deref();
        check.required_one_of(
            &format!("{path}.{name}Options.{index}.type"),
            kind,
            &["ignore-case", "whole-word", "multi-line"],
        );
        let enabled = option.enabled.unwrap_or(false);
        match kind {
            Some("ignore-case") => pattern.ignore_case = enabled,
            Some("whole-word") => pattern.whole_word = enabled,
            Some("multi-line") => pattern.multi_line = enabled,
            _ => {}
        }
    }
    if let Err(error) = pattern.check() {
        check.problem(format!("{path}.{name} {error}"));
    }
    Some(pattern)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::{Value, json};

    use super::*;
    use crate::config::assistant::tests::{problems, read};

    fn plan(plan: &Value) -> turntaking::settings::StartSpeakingPlan {
        let assistant = read(&json!({ "startSpeakingPlan": plan })).expect("it is sound");
        assistant.settings.start_speaking
    }

    fn told(plan: &Value) -> Vec<String> {
        problems(&json!({ "startSpeakingPlan": plan }))
    }

    #[test]
    fn silences_that_are_sent_go_before_our_own_endpointing() {
        let plan = plan(&json!({"transcriptionEndpointingPlan": {"onNoPunctuationSeconds": 2}}));
        assert_eq!(plan.smart_endpointing, SmartEndpointing::Off);
        assert_eq!(plan.on_no_punctuation, Duration::from_secs(2));
        assert_eq!(plan.on_punctuation, Duration::from_millis(100));
    }

    #[test]
    fn a_smart_plan_goes_before_silences() {
        let plan = plan(&json!({
            "transcriptionEndpointingPlan": {"onNoPunctuationSeconds": 2},
            "smartEndpointingPlan": {"provider": "vapi"},
        }));
        assert_eq!(plan.smart_endpointing, SmartEndpointing::Own);
    }

    #[test]
    fn a_wait_function_is_taken_and_checked() {
        let livekit = |function: Option<&str>| json!({"smartEndpointingPlan": {"provider": "livekit", "waitFunction": function}});
        let expression = "200 + 8000 * x".to_owned();
        let taken = plan(&livekit(Some(&expression))).smart_endpointing;
        assert_eq!(taken, SmartEndpointing::WaitFunction { expression });
        assert_eq!(plan(&livekit(None)).smart_endpointing, SmartEndpointing::livekit());
        for (function, part) in
            [("200 +", "must be an expression"), ("1 / x", "none at x = 0"), ("y", "has `y`")]
        {
            let told = told(&livekit(Some(function)));
            assert_eq!(told.len(), 1, "{told:?}");
            let named = told[0].starts_with("startSpeakingPlan.smartEndpointingPlan.waitFunction ");
            assert!(named && told[0].contains(part), "{told:?}");
        }
    }

    #[test]
    fn the_older_forms_mean_what_they_meant() {
        for (sent, meant) in [
            (json!(true), SmartEndpointing::Own),
            (json!(false), SmartEndpointing::Off),
            (json!("livekit"), SmartEndpointing::livekit()),
        ] {
            let plan = plan(&json!({ "smartEndpointingEnabled": sent }));
            assert_eq!(plan.smart_endpointing, meant, "{sent}");
        }
        assert_eq!(
            told(&json!({"smartEndpointingEnabled": "krisp"})),
            [
                "startSpeakingPlan.smartEndpointingEnabled must be one of the following values: true, \
              false, livekit"
            ]
        );
    }

    #[test]
    fn rules_are_taken_in_their_order() {
        let plan = plan(&json!({"customEndpointingRules": [
            {"type": "assistant", "regex": "numéro", "timeoutSeconds": 3,
             "regexOptions": [{"type": "ignore-case", "enabled": true}]},
            {"type": "customer", "regex": "^\\d+$", "timeoutSeconds": 0.5},
            {"type": "both", "assistantRegex": "nom", "customerRegex": "euh", "timeoutSeconds": 2},
        ]}));
        assert_eq!(plan.smart_endpointing, SmartEndpointing::Own, "where no rule matches");
        let [first, second, third] = &plan.rules[..] else { panic!("{:?}", plan.rules) };
        assert!(first.assistant.as_ref().is_some_and(|pattern| pattern.ignore_case));
        assert!(first.customer.is_none() && first.timeout == Duration::from_secs(3));
        assert!(second.assistant.is_none() && second.timeout == Duration::from_millis(500));
        assert!(third.assistant.is_some() && third.customer.is_some());
    }

    #[test]
    fn what_is_wrong_with_a_rule_is_told_with_its_place() {
        let mut told = told(&json!({"customEndpointingRules": [
            {"type": "customer", "regex": "(", "timeoutSeconds": 3},
            {"type": "both", "assistantRegex": "a", "timeoutSeconds": 16},
            {"type": "caller", "regex": "a", "timeoutSeconds": 1},
            {"type": "customer", "regex": "a", "regexOptions": [{"type": "loud"}]},
            {"type": "customer", "regex": "(a+)+(?=b)", "timeoutSeconds": 1},
        ]}));
        told.sort();
        let rules = "startSpeakingPlan.customEndpointingRules";
        let begin = [
            format!("{rules}.0.regex must be a regular expression of JavaScript: "),
            format!("{rules}.1.customerRegex should not be empty"),
            format!("{rules}.1.timeoutSeconds must not be greater than 15"),
            format!(
                "{rules}.2.type must be one of the following values: assistant, customer, both"
            ),
            format!("{rules}.3.regexOptions.0.type must be one of the following values: "),
            format!("{rules}.3.timeoutSeconds should not be empty"),
            format!("{rules}.4.regex must not nest one repetition in another "),
        ];
        assert_eq!(told.len(), begin.len(), "{told:#?}");
        for (told, begin) in told.iter().zip(&begin) {
            assert!(told.starts_with(begin), "{told}");
        }
    }

    #[test]
    fn a_custom_model_is_asked_at_its_server_or_the_assistants() {
        let smart =
            |server: Value| json!({"provider": "custom-endpointing-model", "server": server});
        let own = json!({"url": "https://turns.example.com/?k=hunter2", "secret": "hunter3",
                         "headers": {"X-Key": "hunter4"}, "timeoutSeconds": 2});
        let shared = json!({"url": "https://example.com/hook/"});
        let assistant = read(&json!({
            "server": shared, "startSpeakingPlan": {"smartEndpointingPlan": smart(own)},
        }));
        let assistant = assistant.expect("it is sound");
        assert_eq!(assistant.settings.start_speaking.smart_endpointing, SmartEndpointing::Model);
        let server = assistant.endpointing.as_ref().expect("a server");
        assert_eq!(server.url.expose(), "https://turns.example.com/?k=hunter2");
        assert_eq!(server.headers.len(), 2);
        assert_eq!(server.timeout, Duration::from_secs(2));
        assert!(!format!("{assistant:?}").contains("hunter"));

        let assistant = read(&json!({
            "server": shared, "startSpeakingPlan": {"smartEndpointingPlan": smart(Value::Null)},
        }));
        let assistant = assistant.expect("it is sound");
        let url = assistant.endpointing.map(|server| server.url.expose().to_owned());
        assert_eq!(url.as_deref(), Some("https://example.com/hook/"), "as it was sent");

        assert_eq!(
            told(&json!({"smartEndpointingPlan": smart(Value::Null)})),
            ["startSpeakingPlan.smartEndpointingPlan.server should not be empty"]
        );
        assert_eq!(
            told(&json!({"smartEndpointingPlan": smart(json!({"url": "turns"}))})),
            ["startSpeakingPlan.smartEndpointingPlan.server.url must be a URL address"]
        );
        assert_eq!(
            told(&json!({"smartEndpointingPlan": {"provider": "vapi", "waitFunction": "x"}})),
            ["startSpeakingPlan.smartEndpointingPlan.property waitFunction should not exist"]
        );
    }
}
