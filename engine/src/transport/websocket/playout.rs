//! What the caller is to hear, on its way into a raw WebSocket.
//!
//! The other end plays what it gets as it gets it, and nobody can take back what was sent: so
//! frames leave one at a time, and a hold is no more than to stop sending. The first frame of a
//! stretch goes out at once and one more with each tick of the egress clock, so that the other end
//! has between 20 and 40 ms in hand.
//!
//! Where playback stands is an estimate: what was sent is heard one way of the network later.
//!
//! Pure: time is an argument.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use codecs::SampleRate;
use codecs::ambience::Ambience;
use codecs::pacer::EgressSchedule;
use turntaking::input::TurnId;
use turntaking::time::Instant;

use crate::transport::egress_clock::TICK;
use crate::transport::media::Playback;

/// Samples kept behind the playhead, for a resume from the start of a word.
const KEPT: Duration = Duration::from_secs(3);

/// Audio that may wait ahead of the playhead. More is dropped and counted.
const AHEAD: Duration = Duration::from_secs(120);

/// Between two reports of the playhead.
const REPORTED_EACH: Duration = Duration::from_millis(100);

/// Frames sent at once after a stall; what is overdue beyond them makes playback late, not loud.
const CATCH_UP: u64 = 5;

/// What was left out, in samples, since the call began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PlayoutCounts {
    /// Samples for a reply that was stopped, finished or replaced.
    pub late_samples: u64,
    /// Samples beyond the 2 minutes that may wait.
    pub overflowed_samples: u64,
    /// Times there was nothing to send in mid-reply.
    pub underruns: u64,
    /// Frames that a stall delayed.
    pub delayed_frames: u64,
}

/// The playhead of a reply moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Played {
    pub(super) turn: TurnId,
    pub(super) until: u64,
}

/// The way of replies to the other end's loudspeaker.
#[derive(Debug)]
pub(super) struct Playout {
    rate: SampleRate,
    /// Samples of 20 ms.
    frame: u64,
    /// One way to the other end, as far as it was measured.
    network: Duration,
    current: Option<Reply>,
    /// Replies queued while the current one, finished, is still being heard. Rarely more than one.
    waiting: VecDeque<Reply>,
    pace: Pace,
    /// Frames that are due and were not sent.
    due: u64,
    background: Option<Arc<Ambience>>,
    /// The sample of the background that goes out next.
    cursor: u64,
    muted: bool,
    /// Stretches of playback so far, of all replies.
    runs: u64,
    counts: PlayoutCounts,
}

#[derive(Debug)]
struct Reply {
    turn: TurnId,
    /// The first is sample `base`.
    samples: VecDeque<i16>,
    base: u64,
    /// No more samples will come.
    finished: bool,
    state: State,
    /// The next sample to send.
    sent: u64,
    /// The stretch that is being heard.
    run: Option<Run>,
    /// The stretch before it, and where it ended.
    last_run: Option<(Run, u64)>,
    /// The position last reported, and the stretch it belongs to.
    reported: u64,
    reported_run: u64,
    /// It was resumed at its very end: nothing is left to send, only to report.
    heard_before_hold: bool,
}

/// When frames are due.
#[derive(Debug)]
enum Pace {
    /// The next goes out at once.
    Idle,
    /// One did: from the next tick on there is one with each.
    Begun,
    /// With these ticks.
    Ticking(EgressSchedule),
}

/// A stretch of playback without a break.
#[derive(Clone, Copy, Debug)]
struct Run {
    number: u64,
    /// Its first sample, and when that is heard.
    first: u64,
    at: Instant,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Playing,
    Held,
    Stopped,
}

impl Reply {
    const fn new(turn: TurnId) -> Self {
        Self {
            turn,
            samples: VecDeque::new(),
            base: 0,
            finished: false,
            state: State::Playing,
            sent: 0,
            run: None,
            last_run: None,
            reported: 0,
            reported_run: 0,
            heard_before_hold: false,
        }
    }

    /// One past the last sample queued.
    fn end(&self) -> u64 {
        self.base + self.samples.len() as u64
    }

    /// The estimated playhead: never beyond what was sent, never before what was reported.
    fn head(&self, now: Instant, rate: SampleRate) -> u64 {
        self.run.map_or(self.reported, |run| {
            let heard = rate.samples_in(now.since(run.at));
            (run.first + heard).clamp(self.reported, self.sent)
        })
    }

    /// Everything was heard, or nothing more will be.
    fn is_over(&self) -> bool {
        match self.state {
            State::Playing => self.finished && self.reported >= self.end(),
            State::Held => false,
            State::Stopped => true,
        }
    }

    /// The stretch ends at `at`.
    fn cut(&mut self, at: u64) {
        self.reported = at;
        if let Some(run) = self.run.take() {
            self.reported_run = run.number;
            self.last_run = Some((run, at));
        }
    }

    /// Forgets what no resume will ask for.
    fn forget_heard(&mut self, rate: SampleRate) {
        let keep_from = self.reported.saturating_sub(rate.samples_in(KEPT));
        // Half a second at a time: moving the deque's head is cheap, but not free.
        if keep_from >= self.base + u64::from(rate.hz() / 2) {
            self.samples.drain(..(keep_from - self.base) as usize);
            self.base = keep_from;
        }
    }
}

impl Playout {
    /// Nothing to play yet.
    pub(super) fn new(rate: SampleRate) -> Self {
        Self {
            rate,
            frame: rate.samples_in(TICK),
            network: Duration::ZERO,
            current: None,
            waiting: VecDeque::new(),
            pace: Pace::Idle,
            due: 0,
            background: None,
            cursor: 0,
            muted: false,
            runs: 0,
            counts: PlayoutCounts::default(),
        }
    }

    pub(super) const fn counts(&self) -> PlayoutCounts {
        self.counts
    }

    /// One way to the other end was measured.
    pub(super) const fn set_network(&mut self, one_way: Duration) {
        self.network = one_way;
    }

    pub(super) fn set_background(&mut self, ambience: Arc<Ambience>) {
        self.background = Some(ambience);
    }

    pub(super) const fn set_muted(&mut self, muted: bool) {
        self.muted = muted;
    }

    /// Appends samples to the reply `turn`.
    pub(super) fn queue(&mut self, turn: TurnId, samples: &[i16]) {
        self.open(turn);
        let most = self.rate.samples_in(AHEAD) as usize;
        let Some(reply) =
            self.reply_mut(turn).filter(|reply| !reply.finished && reply.state != State::Stopped)
        else {
            self.counts.late_samples += samples.len() as u64;
            return;
        };
        let ahead = (reply.end() - reply.reported) as usize;
        let taken = samples.len().min(most.saturating_sub(ahead));
        reply.samples.extend(&samples[..taken]);
        self.counts.overflowed_samples += (samples.len() - taken) as u64;
    }

    /// No more samples will come for `turn`.
    pub(super) fn finish(&mut self, turn: TurnId) {
        if let Some(reply) = self.reply_mut(turn) {
            reply.finished = true;
        }
    }

    /// No more samples will come for anything, and the background ends.
    pub(super) fn finish_all(&mut self) {
        self.background = None;
        for reply in self.current.iter_mut().chain(&mut self.waiting) {
            reply.finished = true;
        }
    }

    /// Nothing is, or waits to be, sent or heard. A held reply waits for nobody.
    pub(super) fn is_idle(&self) -> bool {
        self.waiting.is_empty()
            && self
                .current
                .as_ref()
                .is_none_or(|reply| reply.state != State::Playing || reply.is_over())
    }

    /// Stops sending and keeps what is left. What was sent will be heard.
    pub(super) fn hold(&mut self) -> Option<(TurnId, u64)> {
        self.cut(State::Held)
    }

    /// Stops sending and forgets what is left.
    pub(super) fn stop(&mut self) -> Option<(TurnId, u64)> {
        self.waiting.clear();
        let cut = self.cut(State::Stopped);
        if let Some(reply) = &mut self.current {
            reply.state = State::Stopped;
            reply.samples.truncate((reply.reported - reply.base) as usize);
        }
        cut
    }

    /// Plays the held reply on from sample `from`; without a held reply, does nothing.
    pub(super) fn resume(&mut self, from: u64) {
        let Some(reply) = self.current.as_mut().filter(|reply| reply.state == State::Held) else {
            return;
        };
        let from = from.clamp(reply.base, reply.reported);
        reply.state = State::Playing;
        reply.sent = from;
        reply.reported = from;
        reply.heard_before_hold = reply.finished && from == reply.end();
    }

    /// Appends the samples of `range` to `out`.
    pub(super) fn reply_samples(&self, turn: TurnId, range: Range<u64>, out: &mut Vec<i16>) {
        let Some(reply) = self.current.as_ref().filter(|reply| reply.turn == turn) else {
            return;
        };
        let index = |position: u64| {
            (position.max(reply.base) - reply.base).min(reply.samples.len() as u64) as usize
        };
        let (start, end) = (index(range.start), index(range.end));
        if start < end {
            out.extend(reply.samples.range(start..end));
        }
    }

    /// See [`crate::transport::MediaTransport::run`].
    pub(super) fn run(&self) -> u64 {
        self.current.as_ref().map_or(0, |reply| reply.reported_run)
    }

    /// See [`crate::transport::MediaTransport::playback`].
    pub(super) fn playback(&self) -> Option<Playback> {
        let reply = self.current.as_ref()?;
        let (run, until) = match (reply.run, reply.last_run) {
            (Some(run), _) => (run, None),
            (None, Some((run, until))) => (run, Some(until)),
            (None, None) => return None,
        };
        Some(Playback { turn: reply.turn, first: run.first, at: run.at, until })
    }

    /// A tick of the egress clock, at `now`.
    pub(super) fn tick(&mut self, now: Instant) {
        let now = now.since_start();
        if matches!(self.pace, Pace::Begun) {
            self.pace = Pace::Ticking(EgressSchedule::new(now, TICK, CATCH_UP));
        }
        let Pace::Ticking(schedule) = &mut self.pace else { return };
        // Ticks come a little early or late against the first; by half a period they never do.
        let due = schedule.take_due(now + TICK / 2);
        self.due = (self.due + due.send).min(CATCH_UP);
        self.counts.delayed_frames += due.skip;
    }

    /// The samples of the next frame, if one is due at `now`: appended to `out`, which is empty.
    /// Call until there are none.
    pub(super) fn poll_frame(&mut self, now: Instant, out: &mut Vec<i16>) {
        self.promote();
        if self.due == 0 && !matches!(self.pace, Pace::Idle) {
            return;
        }
        let (frame, muted, rate) = (self.frame, self.muted, self.rate);
        let heard_at = now + self.network;
        if let Some(reply) = self.current.as_mut().filter(|reply| reply.state == State::Playing) {
            let left = reply.end() - reply.sent;
            let whole = left >= frame || reply.finished && left > 0;
            if whole {
                let count = left.min(frame);
                if reply.run.is_none() {
                    self.runs += 1;
                    reply.run = Some(Run { number: self.runs, first: reply.sent, at: heard_at });
                }
                let start = (reply.sent - reply.base) as usize;
                let range = start..start + count as usize;
                if muted {
                    // The recording has what was heard.
                    reply.samples.range_mut(range.clone()).for_each(|sample| *sample = 0);
                }
                out.extend(reply.samples.range(range));
                reply.sent += count;
            } else if let Some(run) = reply.run
                && !reply.finished
                && reply.head(now, rate) >= reply.sent
                && reply.reported >= reply.sent
            {
                // All of it was heard, and reported: what comes next is a stretch of its own.
                self.counts.underruns += 1;
                reply.run = None;
                reply.last_run = Some((run, reply.sent));
            }
        }
        if let Some(background) = &self.background {
            if matches!(self.pace, Pace::Idle) {
                self.cursor = rate.samples_in(heard_at.since_start());
            }
            out.resize(frame as usize, 0);
            background.mix_into(self.cursor, out);
            self.cursor += frame;
        }
        if out.is_empty() {
            // Nothing to pace.
            self.pace = Pace::Idle;
            self.due = 0;
        } else if matches!(self.pace, Pace::Idle) {
            self.pace = Pace::Begun;
        } else {
            self.due -= 1;
        }
    }

    /// Where playback has come at `now`, if that is news. Call until `None`.
    pub(super) fn poll_played(&mut self, now: Instant) -> Option<Played> {
        let rate = self.rate;
        let reply = self.current.as_mut().filter(|reply| reply.state == State::Playing)?;
        reply.forget_heard(rate);
        let turn = reply.turn;
        if std::mem::take(&mut reply.heard_before_hold) {
            return Some(Played { turn, until: reply.reported });
        }
        let run = reply.run?;
        let head = reply.head(now, rate);
        let beginning = reply.reported == run.first;
        let milestone = head >= reply.reported + rate.samples_in(REPORTED_EACH);
        let all = head == reply.sent;
        if head <= reply.reported || !(beginning || milestone || all) {
            return None;
        }
        reply.reported = head;
        reply.reported_run = run.number;
        Some(Played { turn, until: head })
    }

    fn reply_mut(&mut self, turn: TurnId) -> Option<&mut Reply> {
        self.current.iter_mut().chain(&mut self.waiting).find(|reply| reply.turn == turn)
    }

    /// Makes room for the reply `turn`: in place of one that is over, else behind it. A reply
    /// that is still being queued is taken to be finished by its successor.
    fn open(&mut self, turn: TurnId) {
        match &mut self.current {
            None => self.current = Some(Reply::new(turn)),
            Some(reply) if turn <= reply.turn => {}
            Some(reply) if reply.is_over() && self.waiting.is_empty() => {
                let mut samples = std::mem::take(&mut reply.samples);
                samples.clear();
                *reply = Reply { samples, ..Reply::new(turn) };
            }
            Some(_) if self.waiting.iter().any(|reply| turn <= reply.turn) => {}
            Some(reply) => {
                reply.finished = true;
                self.waiting.push_back(Reply::new(turn));
            }
        }
    }

    /// The next reply's time has come when the one before it was heard.
    fn promote(&mut self) {
        if self.current.as_ref().is_none_or(Reply::is_over)
            && let Some(next) = self.waiting.pop_front()
        {
            self.current = Some(next);
        }
    }

    fn cut(&mut self, state: State) -> Option<(TurnId, u64)> {
        self.promote();
        let reply = self.current.as_mut()?;
        match reply.state {
            State::Stopped => return None,
            State::Held => {
                reply.state = state;
                return Some((reply.turn, reply.reported));
            }
            State::Playing if reply.is_over() => return None,
            State::Playing => {}
        }
        // What was sent is heard: nobody can take it back.
        let at = reply.sent.max(reply.reported);
        reply.cut(at);
        reply.state = state;
        Some((reply.turn, at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: SampleRate = SampleRate::HZ_8000;

    fn ms(millis: u64) -> Instant {
        Instant::from_millis(millis)
    }

    fn ramp(from: usize, length: usize) -> Vec<i16> {
        (from..from + length).map(|n| n as i16).collect()
    }

    /// What is sent and reported when ticks come at these moments.
    fn play(playout: &mut Playout, ticks: impl IntoIterator<Item = u64>) -> (Vec<i16>, Vec<u64>) {
        let (mut sent, mut played, mut out) = (Vec::new(), Vec::new(), Vec::new());
        for tick in ticks {
            playout.tick(ms(tick));
            loop {
                out.clear();
                while let Some(news) = playout.poll_played(ms(tick)) {
                    played.push(news.until);
                }
                playout.poll_frame(ms(tick), &mut out);
                if out.is_empty() {
                    break;
                }
                sent.extend_from_slice(&out);
            }
        }
        (sent, played)
    }

    #[test]
    fn a_frame_goes_out_at_once_and_one_with_each_tick() {
        let mut playout = Playout::new(RATE);
        playout.queue(TurnId(1), &ramp(0, 1_000));
        playout.finish(TurnId(1));
        let (sent, _) = play(&mut playout, [3]);
        assert_eq!(sent, ramp(0, 160));
        let (sent, _) = play(&mut playout, [13]);
        assert_eq!(sent, ramp(160, 160), "the first tick");
        // Ticks are never quite where they should be.
        for (frame, tick) in [(2, 34), (3, 52), (4, 74), (5, 92)] {
            let (sent, _) = play(&mut playout, [tick]);
            assert_eq!(sent, ramp(frame * 160, 160), "at {tick}");
        }
        let (sent, played) = play(&mut playout, [113, 133, 153]);
        assert_eq!(sent, ramp(960, 40), "the rest");
        assert_eq!(played.last(), Some(&1_000));
        assert!(playout.is_idle());
    }

    #[test]
    fn a_stall_is_caught_up_within_bounds() {
        let mut playout = Playout::new(RATE);
        playout.queue(TurnId(1), &ramp(0, 8_000));
        play(&mut playout, [0, 20]);
        let (sent, _) = play(&mut playout, [400]);
        assert_eq!(sent.len(), 5 * 160);
        assert!(playout.counts().delayed_frames > 0);
    }

    #[test]
    fn a_hold_keeps_what_was_not_sent_and_a_resume_goes_back() {
        let mut playout = Playout::new(RATE);
        playout.queue(TurnId(1), &ramp(0, 1_600));
        playout.finish(TurnId(1));
        let (sent, _) = play(&mut playout, [0, 20, 40]);
        let at = sent.len() as u64;
        assert_eq!(playout.hold(), Some((TurnId(1), at)));
        assert_eq!(play(&mut playout, [60, 80]).0, [0i16; 0], "it is held");
        assert_eq!(playout.playback().and_then(|playback| playback.until), Some(at));
        playout.resume(100);
        let (sent, played) = play(&mut playout, (100..400).step_by(20));
        assert_eq!(sent, ramp(100, 1_500));
        assert_eq!(played.last(), Some(&1_600));
    }

    #[test]
    fn a_stop_forgets_and_the_next_reply_follows() {
        let mut playout = Playout::new(RATE);
        playout.queue(TurnId(1), &ramp(0, 1_600));
        play(&mut playout, [0, 20]);
        let (turn, at) = playout.stop().expect("it played");
        playout.queue(TurnId(1), &ramp(0, 10));
        assert_eq!((turn, playout.counts().late_samples), (TurnId(1), 10));
        let mut heard = Vec::new();
        playout.reply_samples(turn, 0..at, &mut heard);
        assert_eq!(heard, ramp(0, at as usize));
        playout.queue(TurnId(2), &ramp(5_000, 160));
        playout.finish(TurnId(2));
        assert_eq!(play(&mut playout, [40, 60]).0, ramp(5_000, 160));
    }

    #[test]
    fn a_voice_that_is_too_slow_makes_stretches_of_their_own() {
        let mut playout = Playout::new(RATE);
        playout.queue(TurnId(1), &ramp(0, 160));
        let (_, played) = play(&mut playout, (0..200).step_by(20));
        assert_eq!(played.last(), Some(&160));
        let before = playout.run();
        playout.queue(TurnId(1), &ramp(160, 160));
        playout.finish(TurnId(1));
        let (sent, played) = play(&mut playout, (200..300).step_by(20));
        assert_eq!((sent, played.last()), (ramp(160, 160), Some(&320)));
        assert_ne!(playout.run(), before);
        assert_eq!(playout.counts().underruns, 1);
    }

    #[test]
    fn what_is_muted_is_silent_and_recorded_so() {
        let mut playout = Playout::new(RATE);
        playout.set_muted(true);
        playout.queue(TurnId(1), &ramp(1, 320));
        playout.finish(TurnId(1));
        let (sent, played) = play(&mut playout, (0..100).step_by(20));
        assert_eq!((sent, played.last()), (vec![0; 320], Some(&320)));
    }
}
