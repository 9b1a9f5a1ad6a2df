//! A provider dies. The call ends once, for the right reason, and leaves nothing behind: that
//! every stream is closed and no task is left is checked after each call.

use std::sync::Arc;
use std::time::Duration;

use asr::scripted::{Cue, Utterance};
use engine::carrier::When;
use engine::session::SessionEventKind;
use tts::scripted::{Scripted as ScriptedVoice, ScriptedConfig};
use turntaking::input::{EndReason, Stage as Part};

use crate::conversation::SHOP;
use crate::providers::{DeadModel, MuteVoice};
use crate::stage::{Call, Stage, ms};

fn ended(call: &Call, part: Part, reason: &str) {
    assert_eq!(call.reason, EndReason::ProviderFailed(part));
    assert_eq!(call.report.ended_reason, reason);
}

const MODEL: &str = "call.in-progress.error-vapifault-vapi-llm-failed";
const VOICE: &str = "call.in-progress.error-vapifault-vapi-voice-failed";
const TRANSCRIBER: &str = "call.in-progress.error-vapifault-vapi-transcriber-failed";

fn asks() -> Stage {
    Stage::new("Hello.", SHOP).says(When::AgentSilent(ms(400)), "What are your hours?")
}

#[tokio::test(start_paused = true)]
async fn a_recogniser_that_dies_in_mid_call() {
    let heard = Utterance::timed([("What", ms(150))])
        .with(ms(200), Cue::Failure("out of memory".to_owned()));
    let call =
        Stage::new("Hello.", SHOP).utters(When::AgentSilent(ms(400)), ms(600), heard).play().await;

    ended(&call, Part::Transcriber, TRANSCRIBER);
    assert_eq!(call.conversation(), ["< Hello.", "> What"]);
}

#[tokio::test(start_paused = true)]
async fn a_model_that_fails_at_once_is_asked_once_more() {
    let mut stage = asks();
    stage.model = Arc::new(DeadModel { words: "", fails_after: Some(Duration::ZERO) });
    let call = stage.play().await;

    ended(&call, Part::Model, MODEL);
    // Once in advance, in the silence, and twice once the turn was over.
    assert_eq!(call.requests.len(), 3);
    assert_eq!(call.conversation(), ["< Hello.", "> What are your hours?"]);
}

#[tokio::test(start_paused = true)]
async fn a_model_that_fails_in_mid_reply_is_heard_so_far() {
    let mut stage = asks().says(When::AgentSilent(ms(1_500)), "Are you there?");
    stage.model =
        Arc::new(DeadModel { words: "We are open. On Sundays too,", fails_after: Some(ms(300)) });
    let call = stage.play().await;

    ended(&call, Part::Model, MODEL);
    let said = call.conversation();
    assert_eq!(said[2], "< We are open. …", "{said:?}");
}

#[tokio::test(start_paused = true)]
async fn a_model_that_stalls() {
    let mut stage = asks();
    stage.model = Arc::new(DeadModel { words: "", fails_after: None });
    let call = stage.play().await;

    ended(&call, Part::Model, MODEL);
    assert!(Duration::from_millis(call.stats.duration_ms) < Duration::from_secs(60));
    let hangs = call.events.iter().filter(|event| matches!(event.kind, SessionEventKind::Hangs));
    assert_eq!(hangs.count(), 1, "those who look on are told once that the caller waits");
}

#[tokio::test(start_paused = true)]
async fn a_model_that_stalls_in_mid_reply() {
    let mut stage = asks();
    stage.model = Arc::new(DeadModel { words: "We are open. On Sundays", fails_after: None });
    let call = stage.play().await;

    assert_eq!(call.conversation()[2], "< We are open. …");
    assert!(
        matches!(call.reason, EndReason::ProviderFailed(Part::Model) | EndReason::SilenceTimedOut),
        "{:?}",
        call.reason
    );
}

#[tokio::test(start_paused = true)]
async fn a_voice_that_is_not_to_be_had() {
    let mut stage = asks();
    stage.persona.voice.voice = "missing".to_owned();
    let call = stage.play().await;

    ended(&call, Part::Voice, VOICE);
    assert!(call.log.heard.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_voice_that_dies_in_mid_reply() {
    let dying = ScriptedConfig { fail_after: Some(2), ..ScriptedConfig::default() };
    let mut stage = Stage::new("Good morning to you, and welcome.", SHOP)
        .says(When::AgentSilent(ms(400)), "What are your hours?");
    stage.voice = Arc::new(ScriptedVoice::new(dying));
    let call = stage.play().await;

    ended(&call, Part::Voice, VOICE);
    assert_eq!(call.conversation(), ["< Good morning …", "> What are your hours?", "< We are …"]);
}

#[tokio::test(start_paused = true)]
async fn a_voice_that_gives_no_audio() {
    let mut stage = asks();
    stage.voice = Arc::new(MuteVoice);
    let call = stage.play().await;

    ended(&call, Part::Voice, VOICE);
    assert!(call.log.heard.is_empty());
}
