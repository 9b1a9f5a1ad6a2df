//! The carrier ends the call, in each of its ways and at each moment of the conversation.

use engine::carrier::{Action, When};
use engine::transport::LegEnd;
use turntaking::input::EndReason;

use crate::conversation::SHOP;
use crate::stage::{Stage, ms};

const WAYS: [(LegEnd, EndReason, &str); 7] = [
    (LegEnd::Stopped, EndReason::CustomerEndedCall, "customer-ended-call"),
    (LegEnd::PeerClosed, EndReason::CustomerEndedCall, "customer-ended-call"),
    (LegEnd::Disconnected, EndReason::MediaLost, "phone-call-provider-closed-websocket"),
    (LegEnd::Stalled, EndReason::MediaStalled, "phone-call-provider-closed-websocket"),
    (LegEnd::ProtocolError, EndReason::MediaBroken, "phone-call-provider-closed-websocket"),
    (
        LegEnd::Silent,
        EndReason::MediaSilent,
        "call.in-progress.error-assistant-did-not-receive-customer-audio",
    ),
    (LegEnd::Closed, EndReason::ManuallyCanceled, "manually-canceled"),
];

#[tokio::test(start_paused = true)]
async fn each_end_of_the_leg_has_its_reason() {
    for (end, reason, told) in WAYS {
        let mut stage = Stage::new("Hello.", SHOP).does(When::At(ms(3_000)), Action::HangUp);
        stage.end = end;
        let call = stage.play().await;
        assert_eq!(call.reason, reason, "{end:?}");
        assert_eq!(call.report.ended_reason, told, "{end:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_call_ends_whenever_the_caller_hangs_up() {
    // Every state of a turn: greeting, listening, hearing, settling, speaking.
    for moment in (0..60).map(|step| ms(step * 130)) {
        let mut stage = Stage::new("Hello, how can I help?", SHOP);
        if moment < ms(2_700) {
            stage = stage.does(When::At(moment), Action::HangUp);
        } else {
            stage = stage
                .says(When::At(ms(2_700)), "What are your hours?")
                .does(When::AfterPrevious(moment.saturating_sub(ms(2_700))), Action::HangUp);
        }
        let call = stage.play().await;
        assert_eq!(call.reason, EndReason::CustomerEndedCall, "at {moment:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_ending_keeps_its_reason_when_the_caller_hangs_up() {
    let call = Stage::new("Hello.", SHOP)
        .set(|settings| {
            settings.silence_timeout = ms(3_000);
            settings.end_call_message = "I cannot hear you, so I will hang up now.".to_owned();
        })
        .does(When::AgentSpeaking(ms(100)), Action::Press('1'))
        .does(When::AgentSpeaking(ms(800)), Action::HangUp)
        .play()
        .await;

    assert_eq!(call.reason, EndReason::SilenceTimedOut);
    assert!(call.conversation()[1].ends_with('…'), "{:?}", call.conversation());
}

#[tokio::test(start_paused = true)]
async fn a_hole_in_the_callers_audio_is_counted_and_the_call_goes_on() {
    let mut stage = Stage::new("Hello.", SHOP)
        .does(When::AgentSilent(ms(400)), Action::Gap(ms(900)))
        .says(When::AfterPrevious(ms(300)), "What is the address?")
        .hangs_up();
    stage.end = LegEnd::Stopped;
    let call = stage.play().await;

    assert_eq!(call.stats.gaps, 1);
    assert_eq!(
        call.conversation(),
        ["< Hello.", "> What is the address?", "< Twelve Market Street."]
    );
}
