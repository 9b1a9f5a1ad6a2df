//! What interrupts the assistant: `stopSpeakingPlan`.

use turntaking::settings::Settings;

use super::set;
use crate::config::validation::Validation;

pub(super) fn stop_speaking(
    plan: &wire::StopSpeakingPlan,
    to: &mut Settings,
    check: &mut Validation,
) {
    const PLAN: &str = "stopSpeakingPlan";
    let settings = &mut to.stop_speaking;
    set(&mut settings.num_words, check.whole(&format!("{PLAN}.numWords"), plan.num_words, 0..=10));
    let voice = check.duration(&format!("{PLAN}.voiceSeconds"), plan.voice_seconds, 0.0..=0.5);
    set(&mut settings.voice, voice);
    let path = format!("{PLAN}.backoffSeconds");
    set(&mut settings.backoff, check.duration(&path, plan.backoff_seconds, 0.0..=10.0));
    for (name, phrases, setting) in [
        (
            "acknowledgementPhrases",
            &plan.acknowledgement_phrases,
            &mut settings.acknowledgement_phrases,
        ),
        ("interruptionPhrases", &plan.interruption_phrases, &mut settings.interruption_phrases),
    ] {
        if let Some(phrases) = phrases {
            check.lengths(&format!("{PLAN}.{name}"), phrases, 0..=240);
            setting.clone_from(phrases);
        }
    }
}
