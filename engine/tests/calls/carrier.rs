//! The carrier ends the call, in each of its ways and at each moment of the conversation.

use std::ops::Range;
use std::sync::Arc;
use std::task::{Context, Poll};

use codecs::SampleRate;
use codecs::ambience::Ambience;
use engine::carrier::{Action, When};
use engine::session::Command;
use engine::transport::scripted::ScriptedLeg;
use engine::transport::{LegEnd, MediaTransport, Playback, TransportEvent};
use turntaking::input::{EndReason, TurnId};
use turntaking::time::Instant;

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

/// A line whose carrier does not close it.
struct Open(ScriptedLeg);

impl MediaTransport for Open {
    fn rate(&self) -> SampleRate {
        self.0.rate()
    }

    fn poll_event(
        &mut self,
        cx: &mut Context<'_>,
        now: Instant,
        audio: &mut Vec<i16>,
    ) -> Poll<TransportEvent> {
        self.0.poll_event(cx, now, audio)
    }

    fn queue(&mut self, turn: TurnId, samples: &[i16]) {
        self.0.queue(turn, samples);
    }

    fn finish(&mut self, turn: TurnId) {
        self.0.finish(turn);
    }

    fn hold(&mut self, now: Instant) -> Option<(TurnId, u64)> {
        self.0.hold(now)
    }

    fn resume(&mut self, now: Instant, from: u64) {
        self.0.resume(now, from);
    }

    fn stop(&mut self, now: Instant) -> Option<(TurnId, u64)> {
        self.0.stop(now)
    }

    fn run(&self) -> u64 {
        self.0.run()
    }

    fn playback(&self) -> Option<Playback> {
        self.0.playback()
    }

    fn reply_samples(&self, turn: TurnId, range: Range<u64>, out: &mut Vec<i16>) {
        self.0.reply_samples(turn, range, out);
    }

    fn set_background(&mut self, ambience: Arc<Ambience>) {
        self.0.set_background(ambience);
    }

    fn set_muted(&mut self, muted: bool) {
        self.0.set_muted(muted);
    }

    fn close(&mut self, _now: Instant) {}
}

#[tokio::test(start_paused = true)]
async fn a_carrier_that_does_not_close_is_left() {
    let mut stage = Stage::new("Hello.", SHOP)
        .order(ms(2_000), Command::End { reason: EndReason::ManuallyCanceled });
    stage.line = |leg| Box::new(Open(leg));
    let call = stage.play().await;
    assert_eq!(call.reason, EndReason::ManuallyCanceled);
    assert_eq!(call.stats.duration_ms, 5_000, "three seconds later");
}
