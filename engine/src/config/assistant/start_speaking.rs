//! When the assistant begins to speak: `startSpeakingPlan`.

use turntaking::settings::{Settings, SmartEndpointing};

use super::set;
use crate::config::validation::Validation;

pub(super) fn start_speaking(
    plan: &wire::StartSpeakingPlan,
    to: &mut Settings,
    check: &mut Validation,
) {
    const PLAN: &str = "startSpeakingPlan";
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
    if let Some(smart) = &plan.smart_endpointing_plan {
        settings.smart_endpointing = SmartEndpointing::Own;
        let path = format!("{PLAN}.smartEndpointingPlan");
        let providers = ["vapi", "livekit", "custom-endpointing-model"];
        check.one_of(&format!("{path}.provider"), smart.provider.as_deref(), &providers);
        if smart.provider.as_deref() == Some("custom-endpointing-model") {
            check.without_effect(format!("{path}.provider"));
        }
        if smart.wait_function.is_some() {
            check.without_effect(format!("{path}.waitFunction"));
        }
    }
    for (index, rule) in plan.custom_endpointing_rules.iter().flatten().enumerate() {
        let path = format!("{PLAN}.customEndpointingRules.{index}");
        let kinds = ["assistant", "customer", "both"];
        check.one_of(&format!("{path}.type"), rule.kind.as_deref(), &kinds);
        check.duration(&format!("{path}.timeoutSeconds"), rule.timeout_seconds, 0.0..=15.0);
        check.without_effect(format!("{PLAN}.customEndpointingRules"));
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;
    use turntaking::settings::SmartEndpointing;

    use crate::config::assistant::tests::read;

    #[test]
    fn silences_that_are_sent_go_before_our_own_endpointing() {
        let silences = json!({"transcriptionEndpointingPlan": {"onNoPunctuationSeconds": 2}});
        let assistant = read(&json!({"startSpeakingPlan": silences})).expect("it is sound");
        let plan = &assistant.settings.start_speaking;
        assert_eq!(plan.smart_endpointing, SmartEndpointing::Off);
        assert_eq!(plan.on_no_punctuation, Duration::from_secs(2));
        assert_eq!(plan.on_punctuation, Duration::from_millis(100));
    }
}
