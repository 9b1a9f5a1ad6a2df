//! What follows on what happens in a call: `hooks`, but for those on the caller's silence.

use std::sync::Arc;

use super::tools::tool;
use crate::config::validation::Validation;
use crate::tools::{Hook, HookAction, Occasion, Work};

/// The hooks that are run here, and on what.
const OCCASIONS: &[(&str, Occasion)] = &[
    ("assistant.speech.interrupted", Occasion::AssistantInterrupted),
    ("call.ending", Occasion::CallEnding),
];

pub(super) fn hooks(sent: &[wire::Hook], language: &str, check: &mut Validation) -> Vec<Hook> {
    let mut hooks = Vec::new();
    for (index, hook) in sent.iter().enumerate() {
        let on = hook.on.as_deref().unwrap_or_default();
        let known = OCCASIONS.iter().find(|(name, _)| *name == on);
        let path = format!("hooks.{index}");
        let Some((_, on)) = known else {
            if hook.filters.as_ref().is_some_and(|filters| !filters.is_empty()) {
                check.without_effect("hooks.filters".to_owned());
            }
            continue;
        };
        let mut ended_reasons = Vec::new();
        for (index, filter) in hook.filters.iter().flatten().enumerate() {
            let path = format!("{path}.filters.{index}");
            check.required_one_of(&format!("{path}.type"), filter.kind.as_deref(), &["oneOf"]);
            match filter.key.as_deref() {
                Some("call.endedReason") if *on == Occasion::CallEnding => {
                    ended_reasons.extend(filter.one_of.clone().unwrap_or_default());
                }
                _ => check.problem(format!("{path}.key must be call.endedReason, of call.ending")),
            }
        }
        let actions = hook.actions.as_deref().unwrap_or_default();
        if actions.is_empty() {
            check.problem(format!("{path}.do should not be empty"));
        }
        let each = actions.iter().enumerate();
        let path = format!("{path}.do");
        let read = |(index, sent)| action(sent, *on, &format!("{path}.{index}"), language, check);
        let actions = each.filter_map(read).collect();
        hooks.push(Hook { on: *on, ended_reasons, actions });
    }
    hooks
}

fn action(
    sent: &wire::HookAction,
    on: Occasion,
    path: &str,
    language: &str,
    check: &mut Validation,
) -> Option<HookAction> {
    let kind = sent.kind.as_deref();
    let kinds = ["function", "message.add", "say", "tool", "transfer"];
    check.required_one_of(&format!("{path}.type"), kind, &kinds);
    match kind? {
        // Nobody hears anything any more, and nobody can be transferred.
        "say" | "transfer" if on == Occasion::CallEnding => {
            check.without_effect(format!("hooks.do.{} of call.ending", kind?));
            None
        }
        "say" => {
            let texts = match &sent.exact {
                Some(wire::OneOrMany::One(text)) => vec![text.clone()],
                Some(wire::OneOrMany::Many(texts)) => texts.clone(),
                None if sent.prompt.is_some() => {
                    check.without_effect("hooks.do.prompt".to_owned());
                    return None;
                }
                None => Vec::new(),
            };
            if texts.is_empty() || texts.iter().any(|text| text.trim().is_empty()) {
                check.problem(format!("{path} must have something to say in exact or prompt"));
                return None;
            }
            Some(HookAction::Say(texts))
        }
        "tool" | "function" | "transfer" => {
            let whole = match (&sent.tool, &sent.destination) {
                (Some(tool), _) => tool.clone(),
                (None, Some(destination)) => wire::Tool {
                    kind: Some("transferCall".to_owned()),
                    destinations: Some(vec![destination.clone()]),
                    ..wire::Tool::default()
                },
                (None, None) if sent.function.is_some() => wire::Tool {
                    kind: Some("function".to_owned()),
                    function: sent.function.clone(),
                    server: sent.server.clone(),
                    ..wire::Tool::default()
                },
                // By its id: stored tools are put in before an assistant is read for a call.
                (None, None) => {
                    check.without_effect("hooks.do.toolId".to_owned());
                    return None;
                }
            };
            let tool = tool(&whole, &format!("{path}.tool."), language, check)?;
            let mut late = matches!(tool.work, Work::EndCall);
            late |= on == Occasion::CallEnding
                && !matches!(
                    tool.work,
                    Work::Webhook(_) | Work::Function(_) | Work::Request(_) | Work::Message { .. }
                );
            if late {
                check.without_effect(format!("hooks.do.tool {}", tool.definition.name));
                return None;
            }
            Some(HookAction::Run(Arc::new(tool)))
        }
        other => {
            check.without_effect(format!("hooks.do.{other}"));
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::config::assistant::tests::{problems, read};

    #[test]
    fn hooks_say_and_run_tools() {
        let assistant = read(&json!({"hooks": [
            {"on": "assistant.speech.interrupted",
             "do": [{"type": "say", "exact": ["Pardon.", "Je vous écoute."]}]},
            {"on": "call.ending",
             "filters": [{"type": "oneOf", "key": "call.endedReason", "oneOf": ["pipeline-error"]}],
             "do": [{"type": "tool", "tool": {"type": "function",
                        "function": {"name": "alert"}, "server": {"url": "https://x.io"}}}]},
        ]}))
        .expect("it is sound");
        assert!(assistant.without_effect.is_empty(), "{:?}", assistant.without_effect);
        let [interrupted, ending] = &assistant.hooks[..] else { panic!("{:?}", assistant.hooks) };
        assert_eq!(interrupted.on, Occasion::AssistantInterrupted);
        assert!(matches!(&interrupted.actions[..], [HookAction::Say(texts)] if texts.len() == 2));
        assert!(ending.is_for("call.in-progress.error-pipeline-error-x"));
        assert!(!ending.is_for("customer-ended-call"));
        let [HookAction::Run(tool)] = &ending.actions[..] else { panic!("{ending:?}") };
        assert_eq!(tool.definition.name, "alert");
    }

    #[test]
    fn what_cannot_follow_on_an_end_is_named() {
        let assistant = read(&json!({"hooks": [{"on": "call.ending", "do": [
            {"type": "say", "exact": "Au revoir."},
            {"type": "transfer", "destination": {"type": "number", "number": "+33123456789"}}]}]}))
        .expect("it is sound");
        let without: Vec<_> = assistant.without_effect.iter().map(String::as_str).collect();
        assert_eq!(without, ["hooks.do.say of call.ending", "hooks.do.transfer of call.ending"]);
        let told = problems(&json!({"hooks": [{"on": "call.ending", "do": [],
            "filters": [{"type": "oneOf", "key": "call.id", "oneOf": ["a"]}]}]}));
        assert_eq!(
            told,
            [
                "hooks.0.filters.0.key must be call.endedReason, of call.ending",
                "hooks.0.do should not be empty"
            ]
        );
    }
}
