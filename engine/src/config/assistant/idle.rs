//! What follows on the caller's silence: `messagePlan`, and hooks on `customer.speech.timeout`.

use std::time::Duration;

use turntaking::idle::{IdleAction, IdleRule};
use turntaking::settings::Settings;

use super::set;
use crate::config::validation::Validation;

/// Vapi's `messagePlan.idleTimeoutSeconds` where nobody sends one.
const IDLE_TIMEOUT: Duration = Duration::from_secs(10);
/// Vapi's `hooks.options.timeoutSeconds` where nobody sends one.
const HOOK_TIMEOUT: Duration = Duration::from_millis(7_500);
/// Vapi's count, for both.
const MOST: u32 = 3;

/// The hook that is run here.
const SPEECH_TIMEOUT: &str = "customer.speech.timeout";

/// Those that the session runs.
const ELSEWHERE: &[&str] = &["assistant.speech.interrupted", "call.ending"];

/// Hooks of Vapi's that are taken and have no effect here.
const OTHER_HOOKS: &[&str] = &[
    "assistant.transcriber.endpointedSpeechLowConfidence",
    "call.timeElapsed",
    "customer.speech.interrupted",
    "model.response.timeout",
    "session.created",
];

pub(super) fn message_plan(
    plan: &wire::MessagePlan,
    settings: &mut Settings,
    check: &mut Validation,
) {
    const PLAN: &str = "messagePlan";
    let path = |name| format!("{PLAN}.{name}");
    let timeout =
        check.duration(&path("idleTimeoutSeconds"), plan.idle_timeout_seconds, 1.0..=60.0);
    let most =
        check.whole(&path("idleMessageMaxSpokenCount"), plan.idle_message_max_spoken_count, 1..=10);
    let farewell = plan.silence_timeout_message.as_deref();
    check.length(&path("silenceTimeoutMessage"), farewell, 0..=1000);
    set(&mut settings.silence_timeout_message, plan.silence_timeout_message.clone());
    let messages = plan.idle_messages.clone().unwrap_or_default();
    check.lengths(&path("idleMessages"), &messages, 0..=1000);
    if !messages.is_empty() {
        settings.idle.push(IdleRule {
            timeout: timeout.unwrap_or(IDLE_TIMEOUT),
            most: most.unwrap_or(MOST),
            reset_on_speech: plan.idle_message_reset_count_on_user_speech_enabled.unwrap_or(false),
            actions: vec![IdleAction::Say(messages)],
        });
    }
}

pub(super) fn hooks(hooks: &[wire::Hook], settings: &mut Settings, check: &mut Validation) {
    for (index, hook) in hooks.iter().enumerate() {
        let path = format!("hooks.{index}");
        let on = hook.on.as_deref().unwrap_or_default();
        let Some(written) = on.strip_prefix(SPEECH_TIMEOUT) else {
            if ELSEWHERE.contains(&on) {
                continue;
            }
            let mut known = vec![SPEECH_TIMEOUT];
            known.extend(ELSEWHERE);
            known.extend(OTHER_HOOKS);
            check.required_one_of(&format!("{path}.on"), hook.on.as_deref(), &known);
            check.without_effect(format!("hooks on {on}"));
            continue;
        };
        let options = with_written(hook.options.clone().unwrap_or_default(), written, &path, check);
        let path = |name| format!("{path}.{name}");
        let timeout = options.timeout_seconds;
        let timeout = check.duration(&path("options.timeoutSeconds"), timeout, 1.0..=1000.0);
        let most = check.whole(&path("options.triggerMaxCount"), options.trigger_max_count, 1..=10);
        let reset = options.trigger_reset_mode.as_deref();
        check.one_of(&path("options.triggerResetMode"), reset, &["never", "onUserSpeech"]);
        settings.idle.push(IdleRule {
            timeout: timeout.unwrap_or(HOOK_TIMEOUT),
            most: most.unwrap_or(MOST),
            reset_on_speech: reset == Some("onUserSpeech"),
            actions: actions(hook.actions.as_deref(), &path("do"), check),
        });
    }
}

/// The options that `on` itself carries, in the older way: `customer.speech.timeout[property=value]`.
fn with_written(
    mut options: wire::HookOptions,
    written: &str,
    path: &str,
    check: &mut Validation,
) -> wire::HookOptions {
    if written.is_empty() {
        return options;
    }
    let pair = written
        .strip_prefix('[')
        .and_then(|pair| pair.strip_suffix(']'))
        .and_then(|pair| pair.split_once('='))
        .map(|(name, value)| (name.trim(), value.trim()));
    match pair {
        Some(("timeoutSeconds", value)) if value.parse::<f64>().is_ok() => {
            options.timeout_seconds = value.parse().ok();
        }
        Some(("triggerMaxCount", value)) if value.parse::<f64>().is_ok() => {
            options.trigger_max_count = value.parse().ok();
        }
        Some(("triggerResetMode", value)) => options.trigger_reset_mode = Some(value.to_owned()),
        _ => check.problem(format!(
            "{path}.on must be {SPEECH_TIMEOUT} or {SPEECH_TIMEOUT}[property=value], where \
             property is timeoutSeconds, triggerMaxCount or triggerResetMode"
        )),
    }
    options
}

fn actions(
    wire: Option<&[wire::HookAction]>,
    path: &str,
    check: &mut Validation,
) -> Vec<IdleAction> {
    let Some(wire) = wire.filter(|actions| !actions.is_empty()) else {
        check.problem(format!("{path} should not be empty"));
        return Vec::new();
    };
    let mut actions = Vec::with_capacity(wire.len());
    for (index, action) in wire.iter().enumerate() {
        let path = format!("{path}.{index}");
        let kind = action.kind.as_deref();
        check.required_one_of(&format!("{path}.type"), kind, &["message.add", "say", "tool"]);
        match kind {
            Some("say") => actions.extend(say(action, &path, check)),
            Some("tool") if is_end_call(action) => actions.push(IdleAction::EndCall),
            Some(kind) => check.without_effect(format!("hooks.do.{kind}")),
            None => {}
        }
    }
    actions
}

fn say(action: &wire::HookAction, path: &str, check: &mut Validation) -> Option<IdleAction> {
    let texts = match (&action.exact, &action.prompt) {
        (Some(wire::OneOrMany::One(text)), _) => vec![text.clone()],
        (Some(wire::OneOrMany::Many(texts)), _) => texts.clone(),
        (None, Some(prompt)) => {
            let prompt = instruction(prompt);
            if !prompt.trim().is_empty() {
                return Some(IdleAction::Ask(prompt));
            }
            Vec::new()
        }
        (None, None) => Vec::new(),
    };
    if texts.is_empty() || texts.iter().any(|text| text.trim().is_empty()) {
        check.problem(format!("{path} must have something to say in exact or prompt"));
        return None;
    }
    Some(IdleAction::Say(texts))
}

/// What the model is told; the conversation it gets anyway.
fn instruction(prompt: &wire::Prompt) -> String {
    match prompt {
        wire::Prompt::Text(text) => text.clone(),
        wire::Prompt::Messages(messages) => {
            let contents = messages.iter().filter_map(|message| message.content.as_deref());
            contents.collect::<Vec<_>>().join("\n\n")
        }
    }
}

fn is_end_call(action: &wire::HookAction) -> bool {
    let kind = action.tool.as_ref().and_then(|tool| tool.kind.as_deref());
    kind == Some("endCall")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::json;

    use super::*;
    use crate::config::assistant::tests::{problems, read};

    #[test]
    fn a_message_plan_is_a_rule() {
        let plan = |plan| read(&json!({"messagePlan": plan})).expect("it is sound").settings;
        let settings = plan(json!({
            "idleMessages": ["Vous êtes là ?", "Allô ?"],
            "idleMessageMaxSpokenCount": 2,
            "idleMessageResetCountOnUserSpeechEnabled": true,
            "idleTimeoutSeconds": 12.5,
            "silenceTimeoutMessage": "Je raccroche."
        }));
        let messages = vec!["Vous êtes là ?".to_owned(), "Allô ?".to_owned()];
        let expected = IdleRule {
            timeout: Duration::from_millis(12_500),
            most: 2,
            reset_on_speech: true,
            actions: vec![IdleAction::Say(messages)],
        };
        assert_eq!(settings.idle, [expected]);
        assert_eq!(settings.silence_timeout_message, "Je raccroche.");

        let defaults = plan(json!({"idleMessages": ["Allô ?"]})).idle.remove(0);
        assert_eq!((defaults.timeout, defaults.most), (IDLE_TIMEOUT, MOST));
        assert!(!defaults.reset_on_speech);
        assert_eq!(plan(json!({"silenceTimeoutMessage": "Bye."})).idle, []);
    }

    #[test]
    fn hooks_on_silence_are_rules() {
        let assistant = read(&json!({"hooks": [
            {"on": "customer.speech.timeout", "name": "here?",
             "options": {"timeoutSeconds": 10, "triggerMaxCount": 1,
                         "triggerResetMode": "onUserSpeech"},
             "do": [{"type": "say", "exact": ["Are you there?", "Hello?"]}]},
            {"on": "customer.speech.timeout[timeoutSeconds=30]",
             "do": [{"type": "say", "exact": "I shall end the call."},
                    {"type": "tool", "tool": {"type": "endCall"}}]},
            {"on": "customer.speech.timeout", "options": {"timeoutSeconds": 20},
             "do": [{"type": "say", "prompt": "Ask whether they are there."},
                    {"type": "say", "prompt": [{"role": "system", "content": "Be kind."},
                                               {"role": "user", "content": "Ask."}]}]}
        ]}))
        .expect("it is sound");
        let say =
            |texts: &[&str]| IdleAction::Say(texts.iter().map(|&text| text.to_owned()).collect());
        let [here, end, ask] = &assistant.settings.idle[..] else { panic!("three rules") };
        assert_eq!((here.timeout, here.most), (Duration::from_secs(10), 1));
        assert!(here.reset_on_speech);
        assert_eq!(here.actions, [say(&["Are you there?", "Hello?"])]);
        assert_eq!((end.timeout, end.most), (Duration::from_secs(30), MOST));
        assert_eq!(end.actions, [say(&["I shall end the call."]), IdleAction::EndCall]);
        assert_eq!(
            ask.actions,
            [
                IdleAction::Ask("Ask whether they are there.".to_owned()),
                IdleAction::Ask("Be kind.\n\nAsk.".to_owned())
            ]
        );
        assert_eq!(assistant.without_effect, BTreeSet::new());
    }

    #[test]
    fn other_hooks_have_no_effect_yet_and_are_named() {
        let assistant = read(&json!({"hooks": [
            {"on": "call.timeElapsed", "do": [{"type": "say", "exact": "Bye."}]},
            {"on": "customer.speech.timeout",
             "do": [{"type": "message.add", "message": {"role": "user", "content": "Hm."},
                     "triggerResponseEnabled": true},
                    {"type": "tool", "toolId": "a"}]}
        ]}))
        .expect("it is sound");
        let expected = ["hooks on call.timeElapsed", "hooks.do.message.add", "hooks.do.tool"];
        assert!(assistant.without_effect.iter().eq(expected), "{:?}", assistant.without_effect);
    }

    #[test]
    fn what_is_wrong_with_them_is_told() {
        let mut told = problems(&json!({
            "messagePlan": {"idleTimeoutSeconds": 61, "idleMessageMaxSpokenCount": 0},
            "hooks": [
                {"on": "customer.sneezes", "do": []},
                {"on": "customer.speech.timeout[after=3]", "do": [{"type": "say", "exact": " "}]},
                {"on": "customer.speech.timeout", "options": {"timeoutSeconds": 0.5,
                 "triggerMaxCount": 11, "triggerResetMode": "always"}}
            ]
        }));
        told.sort();
        let [most, timeout, sneeze, on, options @ ..] = &told[..] else { panic!("{told:?}") };
        assert_eq!(
            most,
            "hooks.0.on must be one of the following values: customer.speech.timeout, \
            assistant.speech.interrupted, call.ending, \
            assistant.transcriber.endpointedSpeechLowConfidence, call.timeElapsed, \
            customer.speech.interrupted, model.response.timeout, session.created"
        );
        assert_eq!(timeout, "hooks.1.do.0 must have something to say in exact or prompt");
        assert!(sneeze.starts_with("hooks.1.on must be customer.speech.timeout or"), "{sneeze}");
        assert_eq!(on, "hooks.2.do should not be empty");
        assert_eq!(
            options,
            [
                "hooks.2.options.timeoutSeconds must not be less than 1",
                "hooks.2.options.triggerMaxCount must not be greater than 10",
                "hooks.2.options.triggerResetMode must be one of the following values: never, \
                 onUserSpeech",
                "messagePlan.idleMessageMaxSpokenCount must not be less than 1",
                "messagePlan.idleTimeoutSeconds must not be greater than 60",
            ]
        );
    }
}
