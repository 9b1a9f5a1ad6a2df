//! The recording holds what was heard and nothing else. On a plain line that is checked after
//! every call; here the line says seldom how far playback has come, as a real carrier does.

use std::ops::Range;
use std::sync::Arc;
use std::task::{Context, Poll};

use codecs::SampleRate;
use codecs::ambience::Ambience;
use engine::carrier::When;
use engine::transport::scripted::ScriptedLeg;
use engine::transport::{MediaTransport, Playback, TransportEvent};
use turntaking::input::TurnId;
use turntaking::time::Instant;

use crate::conversation::SHOP;
use crate::stage::{Stage, ms};

/// Playback between two reports: 100 ms.
const STRIDE: u64 = 800;

/// A line that reports the playhead at each [`STRIDE`], at the end of what was queued, and
/// whenever it is asked.
struct Coarse {
    leg: ScriptedLeg,
    queued: (TurnId, u64),
    reported: u64,
}

fn coarse(leg: ScriptedLeg) -> Box<dyn MediaTransport> {
    Box::new(Coarse { leg, queued: (TurnId(0), 0), reported: 0 })
}

impl MediaTransport for Coarse {
    fn rate(&self) -> SampleRate {
        self.leg.rate()
    }

    fn poll_event(
        &mut self,
        cx: &mut Context<'_>,
        now: Instant,
        audio: &mut Vec<i16>,
    ) -> Poll<TransportEvent> {
        loop {
            let event = self.leg.poll_event(cx, now, audio);
            if let Poll::Ready(TransportEvent::Played { turn, until, .. }) = event
                && until < self.reported + STRIDE
                && (turn, until) < self.queued
            {
                continue;
            }
            if let Poll::Ready(TransportEvent::Played { until, .. }) = event {
                self.reported = until;
            }
            return event;
        }
    }

    fn queue(&mut self, turn: TurnId, samples: &[i16]) {
        if self.queued.0 != turn {
            self.queued = (turn, 0);
            self.reported = 0;
        }
        self.queued.1 += samples.len() as u64;
        self.leg.queue(turn, samples);
    }

    fn finish(&mut self, turn: TurnId) {
        self.leg.finish(turn);
    }

    fn hold(&mut self, now: Instant) -> Option<(TurnId, u64)> {
        self.leg.hold(now)
    }

    fn resume(&mut self, now: Instant, from: u64) {
        self.reported = from;
        self.leg.resume(now, from);
    }

    fn stop(&mut self, now: Instant) -> Option<(TurnId, u64)> {
        self.leg.stop(now)
    }

    fn run(&self) -> u64 {
        self.leg.run()
    }

    fn playback(&self) -> Option<Playback> {
        self.leg.playback()
    }

    fn reply_samples(&self, turn: TurnId, range: Range<u64>, out: &mut Vec<i16>) {
        self.leg.reply_samples(turn, range, out);
    }

    fn set_background(&mut self, ambience: Arc<Ambience>) {
        self.leg.set_background(ambience);
    }

    fn set_muted(&mut self, muted: bool) {
        self.leg.set_muted(muted);
    }

    fn close(&mut self, now: Instant) {
        self.leg.close(now);
    }
}

#[tokio::test(start_paused = true)]
async fn all_of_a_reply_is_recorded_where_it_was_heard() {
    let mut stage = Stage::new("Hello, how can I help?", SHOP)
        .says(When::AgentSilent(ms(400)), "What are your hours?")
        .hangs_up();
    stage.line = coarse;
    stage.play().await;
}

#[tokio::test(start_paused = true)]
async fn an_interrupted_reply_is_recorded_to_its_last_sample() {
    for offset in (0..20).map(|step| ms(700 + step * 31)) {
        let mut stage = Stage::new("Hello.", SHOP)
            .says(When::AgentSilent(ms(400)), "What are your hours?")
            .says(When::AgentSpeaking(offset), "No wait.")
            .hangs_up();
        stage.line = coarse;
        // The recording is compared with the line after the call.
        stage.play().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_reply_that_was_held_is_recorded_as_it_was_heard() {
    for offset in (0..20).map(|step| ms(700 + step * 31)) {
        let mut stage = Stage::new("Hello.", SHOP)
            .says(When::AgentSilent(ms(400)), "What are your hours?")
            .utters(When::AgentSpeaking(offset), ms(90), asr::scripted::Utterance::default())
            .hangs_up();
        stage.line = coarse;
        stage.play().await;
    }
}
