//! A leg without a carrier, for whole calls on virtual time.
//!
//! The caller follows the same kind of script as on a real line ([`CallerScript`]); the agent is
//! played by an ideal loudspeaker a fixed latency away. Both go in frames of 20 ms on the `now`
//! that the session passes in, so a call replays to the sample. What was played and what the
//! playhead says are the same thing here: the frame in the loudspeaker is played to its end.

use std::collections::VecDeque;
use std::future::Future as _;
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use codecs::SampleRate;
use codecs::ambience::Ambience;
use tokio::sync::oneshot;
use turntaking::input::TurnId;
use turntaking::time::Instant;

use super::media::{LegEnd, MediaTransport, Playback, TransportEvent};
use crate::carrier::script::{Caller, CallerScript, CueTimes};

/// Between two frames, either way.
const FRAME: Duration = Duration::from_millis(20);

/// A line to a caller.
#[derive(Clone, Debug)]
pub struct ScriptedLine {
    /// The rate of both directions: a multiple of 50 Hz.
    pub rate: SampleRate,
    /// From queueing to hearing, in whole 20 ms (rounded up).
    pub latency: Duration,
    /// What the caller does.
    pub script: CallerScript,
    /// How the leg ends when the script hangs up.
    pub end: LegEnd,
}

/// A stretch of a reply that was heard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heard {
    /// The reply.
    pub turn: TurnId,
    /// Which of its samples.
    pub range: Range<u64>,
    /// Where the first of them is in [`CallLog::agent`].
    pub at: u64,
}

/// What a call was, from its other end. Both channels begin with the call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CallLog {
    /// What the caller said.
    pub caller: Vec<i16>,
    /// What the caller heard.
    pub agent: Vec<i16>,
    /// Which parts of which replies that was. Adjoining stretches are one.
    pub heard: Vec<Heard>,
    /// When each cue was carried out.
    pub cues: Vec<CueTimes>,
}

/// A [`MediaTransport`] that follows a script. Its call begins when it is first polled.
#[derive(Debug)]
pub struct ScriptedLeg {
    rate: SampleRate,
    latency: Duration,
    end: LegEnd,
    caller: Caller,
    /// When the next frame is due; `None` before the first poll.
    due: Option<Instant>,
    events: VecDeque<TransportEvent>,
    /// Of the frame whose [`TransportEvent::Audio`] is in `events`.
    frame: Vec<i16>,
    reply: Option<Reply>,
    /// Stretches of playback so far.
    runs: u64,
    /// The sound behind everything.
    background: Option<Arc<Ambience>>,
    muted: bool,
    closing: bool,
    ended: bool,
    log: CallLog,
    report: Option<oneshot::Sender<CallLog>>,
    sleep: Option<Pin<Box<tokio::time::Sleep>>>,
}

#[derive(Debug)]
struct Reply {
    turn: TurnId,
    samples: Vec<i16>,
    finished: bool,
    state: State,
    /// One past the last sample heard.
    played: u64,
    /// When the first sample of this run may be heard.
    from: Option<Instant>,
    /// When the first sample of this run, or of the last one, was or may be heard.
    began: Option<Instant>,
    /// That sample.
    first: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Playing,
    Held,
    Stopped,
}

impl Reply {
    fn is_over(&self) -> bool {
        match self.state {
            State::Playing => self.finished && self.played >= self.samples.len() as u64,
            State::Held => false,
            State::Stopped => true,
        }
    }
}

impl ScriptedLeg {
    /// A leg on this line. The log arrives when the leg is dropped.
    pub fn new(line: ScriptedLine) -> (Self, oneshot::Receiver<CallLog>) {
        let (report, log) = oneshot::channel();
        let leg = Self {
            rate: line.rate,
            latency: FRAME * line.latency.as_millis().div_ceil(FRAME.as_millis()) as u32,
            end: line.end,
            caller: Caller::new(line.script, line.rate),
            due: None,
            events: VecDeque::new(),
            frame: vec![0; line.rate.samples_in(FRAME) as usize],
            reply: None,
            runs: 0,
            background: None,
            muted: false,
            closing: false,
            ended: false,
            log: CallLog::default(),
            report: Some(report),
            sleep: None,
        };
        (leg, log)
    }

    /// 20 ms of the call.
    fn step(&mut self, now: Instant) {
        let mut heard = vec![0; self.frame.len()];
        if self.muted
            && let Some(reply) = &mut self.reply
        {
            // Of what is kept too: the recording has what was heard.
            let played = (reply.played as usize).min(reply.samples.len());
            let until = (played + heard.len()).min(reply.samples.len());
            reply.samples[played..until].fill(0);
        }
        self.play(now, &mut heard);
        let at = self.caller.position();
        // The caller goes by the voice, whatever is behind it.
        let step = self.caller.step(&heard, &mut self.frame);
        if let Some(background) = &self.background {
            background.mix_into(self.log.agent.len() as u64, &mut heard);
        }
        self.log.agent.extend(heard);
        if step.gap {
            self.log.caller.resize(self.log.agent.len(), 0);
        } else {
            self.log.caller.extend(&self.frame);
            self.events.push_back(TransportEvent::Audio { at });
        }
        self.events.extend(step.pressed.map(TransportEvent::Digit));
        if step.hang_up {
            self.events.push_back(TransportEvent::Ended(self.end));
        } else if self.closing
            && self.reply.as_ref().is_none_or(|r| r.state != State::Playing || r.is_over())
        {
            self.events.push_back(TransportEvent::Ended(LegEnd::Closed));
        }
    }

    fn play(&mut self, now: Instant, heard: &mut [i16]) {
        let at = self.log.agent.len() as u64;
        let latency = self.latency;
        let Some(reply) = self.reply.as_mut().filter(|reply| reply.state == State::Playing) else {
            return;
        };
        let ready = &reply.samples[reply.played as usize..];
        if ready.is_empty() {
            // What comes next has the whole way to go.
            reply.from = None;
            return;
        }
        if reply.from.is_none() {
            self.runs += 1;
            reply.first = reply.played;
        }
        let from = *reply.from.get_or_insert(now + latency);
        reply.began = Some(from);
        if now < from {
            return;
        }
        let count = ready.len().min(heard.len());
        heard[..count].copy_from_slice(&ready[..count]);
        let range = reply.played..reply.played + count as u64;
        reply.played = range.end;
        if count < heard.len() {
            reply.from = None;
        }
        let turn = reply.turn;
        self.events.push_back(TransportEvent::Played {
            turn,
            until: range.end,
            acknowledged: true,
        });
        match self.log.heard.last_mut() {
            Some(last)
                if last.turn == turn
                    && last.range.end == range.start
                    && last.at + (last.range.end - last.range.start) == at =>
            {
                last.range.end = range.end;
            }
            _ => self.log.heard.push(Heard { turn, range, at }),
        }
    }

    fn cut(&mut self, state: State) -> Option<(TurnId, u64)> {
        let reply = self.reply.as_mut().filter(|reply| !reply.is_over())?;
        reply.state = state;
        reply.from = None;
        if state == State::Stopped {
            reply.samples.truncate(reply.played as usize);
        }
        Some((reply.turn, reply.played))
    }
}

impl MediaTransport for ScriptedLeg {
    fn rate(&self) -> SampleRate {
        self.rate
    }

    fn poll_event(
        &mut self,
        cx: &mut Context<'_>,
        now: Instant,
        audio: &mut Vec<i16>,
    ) -> Poll<TransportEvent> {
        audio.clear();
        loop {
            if self.ended {
                return Poll::Pending;
            }
            if let Some(event) = self.events.pop_front() {
                match event {
                    TransportEvent::Audio { .. } => audio.extend(&self.frame),
                    TransportEvent::Ended(_) => self.ended = true,
                    TransportEvent::Digit(_) | TransportEvent::Played { .. } => {}
                }
                return Poll::Ready(event);
            }
            let due = *self.due.get_or_insert(now + FRAME);
            if now >= due {
                self.due = Some(due + FRAME);
                self.step(now);
                continue;
            }
            let wake = tokio::time::Instant::now() + due.since(now);
            let sleep = self.sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(wake)));
            sleep.as_mut().reset(wake);
            if sleep.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            // The runtime's clock is ahead of the session's: it will poll again.
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
    }

    fn queue(&mut self, turn: TurnId, samples: &[i16]) {
        match &mut self.reply {
            Some(reply) if reply.turn == turn => {
                if !reply.finished && reply.state != State::Stopped {
                    reply.samples.extend(samples);
                }
            }
            Some(reply) if turn < reply.turn => {}
            _ => {
                self.reply = Some(Reply {
                    turn,
                    samples: samples.to_vec(),
                    finished: false,
                    state: State::Playing,
                    played: 0,
                    from: None,
                    began: None,
                    first: 0,
                });
            }
        }
    }

    fn finish(&mut self, turn: TurnId) {
        if let Some(reply) = self.reply.as_mut().filter(|reply| reply.turn == turn) {
            reply.finished = true;
        }
    }

    fn hold(&mut self, _now: Instant) -> Option<(TurnId, u64)> {
        self.cut(State::Held)
    }

    fn resume(&mut self, _now: Instant, from: u64) {
        if let Some(reply) = self.reply.as_mut().filter(|reply| reply.state == State::Held) {
            reply.state = State::Playing;
            reply.played = from.min(reply.played);
        }
    }

    fn stop(&mut self, _now: Instant) -> Option<(TurnId, u64)> {
        self.cut(State::Stopped)
    }

    fn run(&self) -> u64 {
        self.runs
    }

    fn reply_samples(&self, turn: TurnId, range: Range<u64>, out: &mut Vec<i16>) {
        if let Some(reply) = self.reply.as_ref().filter(|reply| reply.turn == turn) {
            let index = |position: u64| (position as usize).min(reply.samples.len());
            let (start, end) = (index(range.start), index(range.end));
            out.extend(&reply.samples[start.min(end)..end]);
        }
    }

    fn playback(&self) -> Option<Playback> {
        let reply = self.reply.as_ref()?;
        let until = reply.from.is_none().then_some(reply.played);
        // The frame that is heard first ends then.
        Some(Playback { turn: reply.turn, first: reply.first, at: reply.began? - FRAME, until })
    }

    fn set_background(&mut self, ambience: Arc<Ambience>) {
        self.background = Some(ambience);
    }

    fn set_muted(&mut self, muted: bool) {
        self.muted = muted;
    }

    fn close(&mut self, _now: Instant) {
        self.closing = true;
        if let Some(reply) = &mut self.reply {
            reply.finished = true;
        }
    }
}

impl Drop for ScriptedLeg {
    fn drop(&mut self) {
        let mut log = std::mem::take(&mut self.log);
        log.cues = self.caller.times().to_vec();
        if let Some(report) = self.report.take() {
            // Nobody may want it.
            let _ = report.send(log);
        }
    }
}
