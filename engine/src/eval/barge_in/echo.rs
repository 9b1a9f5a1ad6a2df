//! A line on which the caller's microphone hears the assistant.

use std::ops::Range;
use std::sync::Arc;
use std::task::{Context, Poll};

use codecs::SampleRate;
use codecs::ambience::Ambience;
use turntaking::input::TurnId;
use turntaking::time::Instant;

use super::super::line;
use crate::carrier::LineEcho;
use crate::transport::scripted::ScriptedLeg;
use crate::transport::{MediaTransport, Playback, TransportEvent};

/// What comes back of what the assistant is heard to say.
#[derive(Clone, Debug)]
pub(in crate::eval) enum Echo {
    /// The line returns it.
    Line(LineEcho),
    /// It was recorded: at each sample of the reply, what the microphone heard. So the echo stops
    /// where the voice does, and goes on with it.
    Recorded(Vec<i16>),
}

/// A scripted leg with a recorded echo in the caller's audio. What is heard and what echoes of it
/// are in the same frame.
pub(in crate::eval) struct EchoLeg {
    leg: ScriptedLeg,
    echo: Vec<i16>,
    /// How far the reply was heard.
    playhead: u64,
    turn: TurnId,
    /// Which samples of the reply are heard in the frame to come.
    range: Range<u64>,
}

impl EchoLeg {
    pub(in crate::eval) fn new(leg: ScriptedLeg, echo: Vec<i16>) -> Self {
        Self { leg, echo, playhead: 0, turn: TurnId(0), range: 0..0 }
    }

    fn play(&mut self, turn: TurnId, until: u64) {
        if turn != self.turn {
            (self.turn, self.playhead) = (turn, 0);
        }
        self.range = self.playhead.min(until)..until;
        self.playhead = until;
    }

    /// Adds the echo of this frame to the caller's.
    fn add(&mut self, caller: &mut [i16]) {
        let place = |at: u64| (at as usize).min(self.echo.len());
        let echo = &self.echo[place(self.range.start)..place(self.range.end)];
        for (sample, echo) in caller.iter_mut().zip(echo) {
            *sample = sample.saturating_add(*echo);
        }
        line::through_mulaw(caller);
        self.range = 0..0;
    }
}

impl MediaTransport for EchoLeg {
    fn rate(&self) -> SampleRate {
        self.leg.rate()
    }

    fn poll_event(
        &mut self,
        cx: &mut Context<'_>,
        now: Instant,
        audio: &mut Vec<i16>,
    ) -> Poll<TransportEvent> {
        let event = self.leg.poll_event(cx, now, audio);
        match &event {
            Poll::Ready(TransportEvent::Played { turn, until, .. }) => self.play(*turn, *until),
            Poll::Ready(TransportEvent::Audio { .. }) => self.add(audio),
            _ => {}
        }
        event
    }

    fn queue(&mut self, turn: TurnId, samples: &[i16]) {
        self.leg.queue(turn, samples);
    }

    fn finish(&mut self, turn: TurnId) {
        self.leg.finish(turn);
    }

    fn hold(&mut self, now: Instant) -> Option<(TurnId, u64)> {
        self.leg.hold(now)
    }

    fn resume(&mut self, now: Instant, from: u64) {
        self.playhead = self.playhead.min(from);
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

#[cfg(test)]
mod tests {
    use std::task::Waker;
    use std::time::Duration;

    use super::*;
    use crate::carrier::CallerScript;
    use crate::transport::LegEnd;
    use crate::transport::scripted::ScriptedLine;

    /// The caller's audio of `frames` frames while the reply `said` is played, and held in between.
    fn heard(echo: Vec<i16>, said: &[i16], frames: u64, hold: Range<u64>) -> Vec<i16> {
        let line = ScriptedLine {
            rate: line::RATE,
            latency: Duration::ZERO,
            script: CallerScript { cues: Vec::new(), noise_dbfs: None, seed: 0 },
            end: LegEnd::Stopped,
        };
        let (leg, _log) = ScriptedLeg::new(line);
        let mut leg = EchoLeg::new(leg, echo);
        let mut cx = Context::from_waker(Waker::noop());
        let (mut audio, mut all) = (Vec::new(), Vec::new());
        for frame in 0..=frames {
            let now = Instant::from_millis(frame * 20);
            if frame == 1 {
                leg.queue(TurnId(1), said);
                leg.finish(TurnId(1));
            }
            if frame == hold.start {
                leg.hold(now);
            }
            if frame == hold.end {
                leg.resume(now, 160);
            }
            while let Poll::Ready(event) = leg.poll_event(&mut cx, now, &mut audio) {
                if matches!(event, TransportEvent::Audio { .. }) {
                    all.extend(&audio);
                }
            }
        }
        all
    }

    #[tokio::test(start_paused = true)]
    async fn a_recorded_echo_stops_and_goes_on_with_the_voice() {
        let recorded: Vec<i16> = (0..480)
            .map(|n| {
                if n < 160 {
                    1_000
                } else if n < 320 {
                    2_000
                } else {
                    3_000
                }
            })
            .collect();
        let heard = heard(recorded, &[5; 480], 7, 3..5);
        let frames: Vec<i16> = heard
            .chunks(160)
            .map(|frame| (f32::from(frame[80]) / 1_000.0).round() as i16)
            .collect();
        assert_eq!(frames, [1, 2, 0, 0, 2, 3, 0]);
    }
}
