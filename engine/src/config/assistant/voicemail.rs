//! Whether a machine answers: `voicemailDetection` and `voicemailMessage`.

use std::time::Duration;

use turntaking::voicemail::VoicemailPlan;

use super::set;
use crate::config::validation::Validation;

/// Vapi's `backoffPlan` where nobody sends one: seconds to the first look, seconds between two,
/// and how many follow the first.
const BACKOFF: (f64, f64, f64) = (5.0, 5.0, 6.0);

/// Some other provider's detector is asked for by its name; ours takes its place.
const PROVIDERS: &[&str] = &["google", "openai", "twilio", "vapi"];

pub(super) fn voicemail(
    detection: Option<&wire::VoicemailDetection>,
    message: Option<&str>,
    check: &mut Validation,
) -> Option<VoicemailPlan> {
    const PLAN: &str = "voicemailDetection";
    check.length("voicemailMessage", message, 0..=1000);
    let wire = match detection? {
        wire::VoicemailDetection::Word(word) => {
            check.required_one_of(PLAN, Some(word), &["off"]);
            return None;
        }
        wire::VoicemailDetection::Plan(plan) => plan,
    };
    let path = |name| format!("{PLAN}.{name}");
    check.required_one_of(&path("provider"), wire.provider.as_deref(), PROVIDERS);
    let kind = wire.kind.as_deref();
    check.one_of(&path("type"), kind, &["audio", "transcript"]);

    let mut plan = VoicemailPlan {
        message: message.unwrap_or_default().to_owned(),
        by_sound: kind != Some("transcript"),
        ..VoicemailPlan::default()
    };
    let wait = wire.beep_max_await_seconds;
    let wait = check.duration(&path("beepMaxAwaitSeconds"), wait, 0.0..=60.0);
    set(&mut plan.beep_wait, wait);
    if let Some(backoff) = &wire.backoff_plan {
        let path = |name| format!("{PLAN}.backoffPlan.{name}");
        let seconds = 0.0..=3600.0;
        let start = check.range(&path("startAtSeconds"), backoff.start_at_seconds, seconds);
        let each = backoff.frequency_seconds;
        let each = check.range(&path("frequencySeconds"), each, 2.5..=3600.0);
        let times = check.whole(&path("maxRetries"), backoff.max_retries, 1..=10);
        plan.from = Duration::from_secs_f64(start.unwrap_or(0.0));
        plan.until = Duration::from_secs_f64(
            start.unwrap_or(BACKOFF.0)
                + each.unwrap_or(BACKOFF.1) * times.map_or(BACKOFF.2, f64::from),
        );
    }

    let timeout = wire.machine_detection_timeout;
    set(&mut plan.until, check.duration(&path("machineDetectionTimeout"), timeout, 3.0..=59.0));
    let speech = wire.machine_detection_speech_threshold;
    let speech = check.range(&path("machineDetectionSpeechThreshold"), speech, 1_000.0..=6_000.0);
    set(&mut plan.speech, speech.map(|millis| Duration::from_secs_f64(millis / 1_000.0)));
    for (name, value, range) in [
        (
            "machineDetectionSpeechEndThreshold",
            wire.machine_detection_speech_end_threshold,
            500.0..=5_000.0,
        ),
        (
            "machineDetectionSilenceTimeout",
            wire.machine_detection_silence_timeout,
            2_000.0..=10_000.0,
        ),
    ] {
        if check.range(&path(name), value, range).is_some() {
            check.without_effect(path(name));
        }
    }
    if wire.voicemail_detection_types.is_some() {
        check.without_effect(path("voicemailDetectionTypes"));
    }
    wire.enabled.unwrap_or(true).then_some(plan)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::config::assistant::tests::{problems, read};

    fn plan(detection: &Value) -> Option<VoicemailPlan> {
        let json = json!({"voicemailDetection": detection, "voicemailMessage": "Rappelez-nous."});
        read(&json).expect("it is sound").settings.voicemail
    }

    #[test]
    fn a_plan_is_obeyed_whoever_was_to_carry_it_out() {
        for provider in PROVIDERS {
            let plan = plan(&json!({"provider": provider, "type": "audio",
                                    "beepMaxAwaitSeconds": 12}));
            let plan = plan.expect("it is on");
            assert_eq!(plan.message, "Rappelez-nous.");
            assert_eq!(plan.beep_wait, Duration::from_secs(12));
            assert!(plan.by_sound);
        }
        let plan = plan(&json!({"provider": "vapi", "type": "transcript",
            "backoffPlan": {"startAtSeconds": 2, "frequencySeconds": 2.5, "maxRetries": 4}}));
        let plan = plan.expect("it is on");
        assert!(!plan.by_sound);
        assert_eq!((plan.from, plan.until), (Duration::from_secs(2), Duration::from_secs(12)));
    }

    #[test]
    fn nothing_off_and_disabled_are_off() {
        let off = [json!(null), json!("off"), json!({"provider": "twilio", "enabled": false})];
        assert!(off.iter().all(|detection| plan(detection).is_none()));
    }

    #[test]
    fn twilios_thresholds_are_ours_where_we_have_them() {
        let twilio = plan(&json!({"provider": "twilio", "machineDetectionSpeechThreshold": 2400,
                                  "machineDetectionTimeout": 20}));
        let twilio = twilio.expect("it is on");
        assert_eq!(twilio.speech, Duration::from_millis(2_400));
        assert_eq!(twilio.until, Duration::from_secs(20));
        let json = json!({"voicemailDetection":
            {"provider": "twilio", "machineDetectionSilenceTimeout": 3000}});
        let assistant = read(&json).expect("it is sound");
        let without = ["voicemailDetection.machineDetectionSilenceTimeout"];
        assert!(assistant.without_effect.iter().eq(without));
    }

    #[test]
    fn what_is_wrong_with_it_is_told() {
        let mut told = problems(&json!({
            "voicemailMessage": "x".repeat(1001),
            "voicemailDetection": {"provider": "acme", "type": "beep", "beepMaxAwaitSeconds": 61,
                                   "backoffPlan": {"frequencySeconds": 1}, "beeps": true}
        }));
        told.sort();
        assert_eq!(
            told,
            [
                "voicemailDetection.backoffPlan.frequencySeconds must not be less than 2.5",
                "voicemailDetection.beepMaxAwaitSeconds must not be greater than 60",
                "voicemailDetection.property beeps should not exist",
                "voicemailDetection.provider must be one of the following values: google, openai, \
                 twilio, vapi",
                "voicemailDetection.type must be one of the following values: audio, transcript",
                "voicemailMessage must be shorter than or equal to 1000 characters",
            ]
        );
        assert_eq!(
            problems(&json!({"voicemailDetection": "on"})),
            ["voicemailDetection must be one of the following values: off"]
        );
    }
}
