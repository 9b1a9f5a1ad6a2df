//! What the caller is to hear, on its way to Twilio's queue. That queue plays what it gets, in
//! order; it has no pause, and a `clear` drops everything in it.
//!
//! So the reply's samples stay here. At most [`PlayoutSettings::lead`] of them is at the carrier
//! unplayed; a mark behind the first frame of each run and then every
//! [`PlayoutSettings::mark_interval`] tells how far it got; between marks the
//! [`Playhead`] estimates it. A hold is a `clear` that keeps the samples, a resume sends them
//! again from where the Floor wants, a stop is a `clear` that forgets them.
//!
//! After a `clear` the position stands where the estimate was: marks that return later may have
//! been played or dropped, nobody can tell, so they move nothing. They are known by the count of
//! clears in their name.
//!
//! Positions that are reported never go back, except by a resume.
//!
//! A sound behind the voice ([`Background`]) is sent between replies and mixed into them. It is no
//! part of any reply: positions count the reply's own samples, and a clear is followed at once by
//! more of the sound.
//!
//! Pure: time is an argument. Samples are kept as µ-law, half the size and exactly what is heard.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use codecs::ambience::Ambience;
use codecs::g711;
use turntaking::input::TurnId;
use turntaking::time::Instant;

use super::background::{self, Background, Start};
use super::outbound::MarkName;
use super::playhead::{Path, Playhead};
use crate::transport::media::Playback;

/// 20 ms at 8 kHz.
const FRAME: u64 = 160;

/// Samples kept behind the playhead, for a resume from the start of a word: 3 s.
const KEPT: u64 = 3 * 8_000;

/// Samples that may wait ahead of the playhead: 2 minutes. More is dropped and counted.
const AHEAD: usize = 120 * 8_000;

/// How far beyond the end the estimate goes before a last mark is given up: half a second.
const LOST_MARK: u64 = 4_000;

/// What marks of the background are named after: no reply has this number.
const BACKGROUND: TurnId = TurnId(0);

/// Room a finished reply may leave allocated for the next: 16 s.
const SPARE: usize = 16 * 8_000;

/// How playback is fed.
#[derive(Clone, Copy, Debug)]
pub struct PlayoutSettings {
    /// Audio the carrier may hold unplayed. 200 to 400 ms: less risks gaps, more buys nothing
    /// (a `clear` drops it at once, whatever its length).
    pub lead: Duration,
    /// Audio between two marks.
    pub mark_interval: Duration,
    /// One way to the carrier, as assumed until it was measured.
    pub network: Duration,
    /// What the carrier's jitter buffer is assumed to hold back until the first mark tells.
    pub jitter_buffer: Duration,
    /// What is heard after a clear has come, on average: the frame in the loudspeaker plays on.
    pub clear_tail: Duration,
}

impl Default for PlayoutSettings {
    fn default() -> Self {
        Self {
            lead: Duration::from_millis(300),
            mark_interval: Duration::from_millis(100),
            network: Duration::from_millis(20),
            jitter_buffer: Duration::from_millis(40),
            clear_tail: Duration::from_millis(10),
        }
    }
}

/// A frame to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transmit {
    /// The audio in the caller's buffer.
    Media,
    /// A mark.
    Mark(MarkName),
    /// A clear.
    Clear,
}

/// The playhead of a reply moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Played {
    /// The reply.
    pub(crate) turn: TurnId,
    /// One past the last sample heard.
    pub(crate) until: u64,
    /// A mark said so.
    pub(crate) acknowledged: bool,
}

/// What was left out, in samples or marks, since the call began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PlayoutCounts {
    /// Samples for a reply that was stopped, finished or replaced.
    pub late_samples: u64,
    /// Samples beyond the 2 minutes that may wait.
    pub overflowed_samples: u64,
    /// Marks that came back after the clear that made them void.
    pub void_marks: u64,
    /// Marks that came back twice, or that nobody sent.
    pub foreign_marks: u64,
    /// Times the carrier's queue ran dry in mid-reply, by our estimate.
    pub underruns: u64,
}

/// The way of replies to the carrier's loudspeaker.
#[derive(Debug)]
pub(crate) struct Playout {
    settings: PlayoutSettings,
    current: Option<Reply>,
    /// Replies queued while the current one, finished, is still being heard. Rarely more than one.
    waiting: VecDeque<Reply>,
    /// Clears sent so far.
    clears: u32,
    clear_due: bool,
    background: Option<Background>,
    /// The last audio sent was the background alone.
    background_last: bool,
    /// Runs of audio so far, of all replies.
    runs: u64,
    /// Silence goes out in the place of replies.
    muted: bool,
    counts: PlayoutCounts,
}

#[derive(Debug)]
struct Reply {
    turn: TurnId,
    /// µ-law; the first is sample `base`.
    samples: VecDeque<u8>,
    base: u64,
    /// No more samples will come.
    finished: bool,
    state: State,
    /// The next sample to send.
    sent: u64,
    /// The run of audio at the carrier; `None` before the first frame and after a clear.
    run: Option<Playhead>,
    /// The run before it that a clear cut, and where.
    cut_run: Option<(Playhead, u64)>,
    /// Its number.
    run_number: u64,
    /// The end and the number of the run before it, where not all of it was reported when the
    /// queue ran dry.
    dry_at: Option<(u64, u64)>,
    /// Where the next mark goes.
    next_mark: u64,
    /// The mark that was sent last.
    last_mark: Option<u64>,
    /// Marks sent in this run whose position was not yet reported.
    unreported: VecDeque<u64>,
    /// The highest mark that came back in this run.
    acknowledged: Option<u64>,
    /// It is yet to be reported.
    acknowledgement_due: bool,
    /// The position last reported.
    reported: u64,
    /// The run it belongs to.
    reported_run: u64,
    /// It was resumed at its very end: nothing is left to send, only to report.
    heard_before_hold: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Playing,
    Held,
    Stopped,
}

impl Reply {
    fn new(turn: TurnId, samples: VecDeque<u8>) -> Self {
        Self {
            turn,
            samples,
            base: 0,
            finished: false,
            state: State::Playing,
            sent: 0,
            run: None,
            cut_run: None,
            run_number: 0,
            dry_at: None,
            next_mark: 0,
            last_mark: None,
            unreported: VecDeque::new(),
            acknowledged: None,
            acknowledgement_due: false,
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
    fn head(&self, now: Instant) -> u64 {
        self.run.as_ref().map_or(self.reported, |run| run.at(now).clamp(self.reported, self.sent))
    }

    /// Everything was heard, or nothing more will be.
    fn is_over(&self) -> bool {
        match self.state {
            State::Playing => self.finished && self.reported >= self.end(),
            State::Held => false,
            State::Stopped => true,
        }
    }

    /// The carrier has played all it got: its mark says so, or the estimate has long since.
    fn is_drained(&self, now: Instant) -> bool {
        self.run.as_ref().is_none_or(|run| {
            self.acknowledged == Some(self.sent) || run.at(now) >= self.sent + LOST_MARK
        })
    }

    /// Playback is cut: it stands at `at`.
    fn cut(&mut self, at: u64, state: State) {
        self.reported = at;
        self.reported_run = self.run_number;
        self.state = state;
        self.cut_run = self.run.take().map(|run| (run, at));
        self.dry_at = None;
        self.unreported.clear();
        self.acknowledged = None;
        self.acknowledgement_due = false;
        self.last_mark = None;
    }

    /// Forgets what no resume will ask for.
    fn forget_heard(&mut self) {
        let keep_from = self.reported.saturating_sub(KEPT);
        // Half a second at a time: moving the deque's head is cheap, but not free.
        if keep_from >= self.base + 4_000 {
            self.samples.drain(..(keep_from - self.base) as usize);
            self.base = keep_from;
        }
    }
}

impl Playout {
    /// Nothing to play yet.
    pub(crate) fn new(settings: PlayoutSettings) -> Self {
        Self {
            settings,
            current: None,
            waiting: VecDeque::new(),
            clears: 0,
            clear_due: false,
            background: None,
            background_last: false,
            runs: 0,
            muted: false,
            counts: PlayoutCounts::default(),
        }
    }

    /// What was left out so far.
    pub(crate) fn counts(&self) -> PlayoutCounts {
        self.counts
    }

    /// One way to the carrier was measured.
    pub(crate) fn set_network(&mut self, one_way: Duration) {
        self.settings.network = one_way;
    }

    /// Appends samples to the reply `turn`.
    pub(crate) fn queue(&mut self, turn: TurnId, samples: &[i16]) {
        self.open(turn);
        let Some(reply) =
            self.reply_mut(turn).filter(|reply| !reply.finished && reply.state != State::Stopped)
        else {
            self.counts.late_samples += samples.len() as u64;
            return;
        };
        let ahead = (reply.end() - reply.reported) as usize;
        let taken = samples.len().min(AHEAD.saturating_sub(ahead));
        reply.samples.extend(samples[..taken].iter().map(|&sample| g711::mulaw_encode(sample)));
        self.counts.overflowed_samples += (samples.len() - taken) as u64;
    }

    /// No more samples will come for `turn`.
    pub(crate) fn finish(&mut self, turn: TurnId) {
        if let Some(reply) = self.reply_mut(turn) {
            reply.finished = true;
        }
    }

    /// Plays a sound behind everything, from now on.
    pub(crate) fn set_background(&mut self, ambience: Arc<Ambience>) {
        self.background = Some(Background::new(ambience));
    }

    /// Sends silence in the place of replies, or their sound again.
    pub(crate) const fn set_muted(&mut self, muted: bool) {
        self.muted = muted;
    }

    /// There is something to send although nothing is said.
    pub(crate) fn has_background(&self) -> bool {
        self.background.is_some()
    }

    /// No more samples will come for anything, and the background ends.
    pub(crate) fn finish_all(&mut self) {
        self.background = None;
        for reply in self.current.iter_mut().chain(&mut self.waiting) {
            reply.finished = true;
        }
    }

    /// Nothing is, or waits to be, sent or played. A held reply waits for nobody.
    pub(crate) fn is_idle(&self, now: Instant) -> bool {
        self.waiting.is_empty()
            && !self.clear_due
            && self.current.as_ref().is_none_or(|reply| {
                reply.state != State::Playing || (reply.is_over() && reply.is_drained(now))
            })
    }

    /// Clears and keeps. See [`crate::transport::MediaTransport::hold`].
    pub(crate) fn hold(&mut self, now: Instant) -> Option<(TurnId, u64)> {
        self.cut(now, State::Held)
    }

    /// Clears and forgets. See [`crate::transport::MediaTransport::stop`].
    ///
    /// What was heard stays until the next reply is queued, for whoever records it.
    pub(crate) fn stop(&mut self, now: Instant) -> Option<(TurnId, u64)> {
        self.waiting.clear();
        let cut = self.cut(now, State::Stopped);
        if let Some(reply) = &mut self.current {
            reply.state = State::Stopped;
            reply.samples.truncate((reply.reported - reply.base) as usize);
        }
        cut
    }

    /// Plays the held reply on from sample `from`; without a held reply, does nothing.
    pub(crate) fn resume(&mut self, from: u64) {
        let Some(reply) = self.current.as_mut().filter(|reply| reply.state == State::Held) else {
            return;
        };
        let from = from.clamp(reply.base, reply.reported);
        reply.state = State::Playing;
        reply.sent = from;
        reply.reported = from;
        reply.heard_before_hold = reply.finished && from == reply.end();
    }

    /// Appends the samples of `range` to `out`, as the carrier decodes them.
    pub(crate) fn reply_samples(&self, turn: TurnId, range: Range<u64>, out: &mut Vec<i16>) {
        let Some(reply) = self.current.as_ref().filter(|reply| reply.turn == turn) else {
            return;
        };
        let index = |position: u64| {
            (position.max(reply.base) - reply.base).min(reply.samples.len() as u64) as usize
        };
        let (start, end) = (index(range.start), index(range.end));
        if start < end {
            out.extend(reply.samples.range(start..end).map(|&code| g711::mulaw_decode(code)));
        }
    }

    /// See [`crate::transport::MediaTransport::run`].
    pub(crate) fn run(&self) -> u64 {
        self.current.as_ref().map_or(0, |reply| reply.reported_run)
    }

    /// See [`crate::transport::MediaTransport::playback`].
    pub(crate) fn playback(&self) -> Option<Playback> {
        let reply = self.current.as_ref()?;
        let (run, until) = match (&reply.run, &reply.cut_run) {
            (Some(run), _) => (run, None),
            (None, Some((run, until))) => (run, Some(*until)),
            (None, None) => return None,
        };
        Some(Playback { turn: reply.turn, first: run.first(), at: run.began(), until })
    }

    /// The next frame to send at `now`, if one is due; audio goes to `payload` (emptied first).
    /// Call until `None`.
    pub(crate) fn poll_transmit(
        &mut self,
        now: Instant,
        payload: &mut Vec<u8>,
    ) -> Option<Transmit> {
        payload.clear();
        if self.clear_due {
            self.clear_due = false;
            self.background_last = false;
            if let Some(background) = &mut self.background {
                background.clear();
            }
            return Some(Transmit::Clear);
        }
        self.promote();
        self.poll_reply(now, payload).or_else(|| self.poll_background(now, payload))
    }

    fn poll_reply(&mut self, now: Instant, payload: &mut Vec<u8>) -> Option<Transmit> {
        let (settings, path) = (self.settings, self.path());
        let arrival = now + settings.network;
        let reply = self.current.as_mut().filter(|reply| reply.state == State::Playing)?;

        let end = reply.end();
        let at_mark = reply.run.is_some() && reply.sent >= reply.next_mark;
        let at_end = reply.run.is_some() && reply.finished && reply.sent == end;
        if (at_mark || at_end) && reply.last_mark != Some(reply.sent) {
            reply.last_mark = Some(reply.sent);
            reply.next_mark = reply.sent + in_samples(settings.mark_interval).max(FRAME);
            reply.unreported.push_back(reply.sent);
            let name = MarkName { turn: reply.turn, until: reply.sent, clears: self.clears };
            return Some(Transmit::Mark(name));
        }
        if reply.sent == end {
            return None;
        }

        // What leaves now finds the queue empty when playback has come by the time it arrives.
        // Where background was sent behind the last of the reply, it is another run.
        let starved = self.background_last
            || reply.run.as_ref().is_none_or(|run| run.at(arrival) > reply.sent);
        let (head, to_mark) = if starved {
            (reply.sent, FRAME)
        } else {
            (reply.head(now), reply.next_mark.saturating_sub(reply.sent))
        };
        let unplayed = reply.sent - head;
        let room = in_samples(settings.lead).saturating_sub(unplayed);
        let available = end - reply.sent;
        let count = available.min(room).min(to_mark);
        // Less than a frame goes only before a mark, at the end, or when it is that or silence.
        let piece_is_due =
            count == to_mark || (count == available && (reply.finished || unplayed <= 2 * FRAME));
        if count == 0 || (count < FRAME && !piece_is_due) {
            return None;
        }

        if starved {
            if reply.run.is_some() {
                self.counts.underruns += 1;
                // Its last samples are over by the time that the next one is heard.
                let dry = (reply.reported < reply.sent).then_some((reply.sent, reply.run_number));
                reply.dry_at = reply.dry_at.or(dry);
            }
            self.runs += 1;
            let before = self.background.as_ref().filter(|_| self.background_last);
            let ends = before.and_then(Background::ends).filter(|&ends| ends > arrival);
            reply.run = Some(match ends {
                Some(ends) => Playhead::behind(reply.sent, now, ends),
                None => Playhead::start(reply.sent, now, path),
            });
            if ends.is_none()
                && let Some(background) = &mut self.background
            {
                background.begin_at(arrival + path.jitter_buffer);
            }
            reply.run_number = self.runs;
            // An early mark tells early where the run stands.
            reply.next_mark = reply.sent + FRAME;
        }
        let start = (reply.sent - reply.base) as usize;
        if self.muted {
            // The recording has what was heard.
            reply.samples.range_mut(start..start + count as usize).for_each(|code| {
                *code = g711::MULAW_SILENCE;
            });
        }
        payload.extend(reply.samples.range(start..start + count as usize));
        reply.sent += count;
        if let Some(background) = &mut self.background {
            background.mix_into(payload);
            self.background_last = false;
        }
        Some(Transmit::Media)
    }

    /// The next of the background alone, where the carrier is about to have nothing else.
    fn poll_background(&mut self, now: Instant, payload: &mut Vec<u8>) -> Option<Transmit> {
        let path = self.path();
        let background = self.background.as_mut()?;
        if self.background_last
            && let Some(until) = background.take_mark()
        {
            let name = MarkName { turn: BACKGROUND, until, clears: self.clears };
            return Some(Transmit::Mark(name));
        }
        let arrival = now + path.network;
        let ends = if self.background_last {
            background.ends()
        } else {
            let reply = self.current.as_ref();
            reply.and_then(|reply| Some(reply.run.as_ref()?.ends(reply.sent)))
        };
        let start = match ends {
            Some(ends) if ends.since(arrival) >= background::LEAD => return None,
            Some(ends) if ends > arrival && self.background_last => Start::Further,
            Some(ends) if ends > arrival => Start::Behind(ends),
            _ => {
                background.begin_at(arrival + path.jitter_buffer);
                Start::Empty(path)
            }
        };
        background.send(FRAME, now, start, payload);
        self.background_last = true;
        Some(Transmit::Media)
    }

    /// A mark came back.
    pub(crate) fn handle_mark(&mut self, name: MarkName, now: Instant) {
        if name.clears != self.clears {
            self.counts.void_marks += 1;
            return;
        }
        let path = self.path();
        if name.turn == BACKGROUND
            && let Some(background) = &mut self.background
            && background.handle_mark(name.until, now, path)
        {
            return;
        }
        if let Some(reply) = &mut self.current
            && let Some(run) = &mut reply.run
            && reply.turn == name.turn
            && name.until <= reply.sent
            && reply.acknowledged.is_none_or(|until| until < name.until)
        {
            run.acknowledge(name.until, now, path);
            reply.acknowledged = Some(name.until);
            reply.acknowledgement_due = true;
        } else {
            self.counts.foreign_marks += 1;
        }
    }

    /// Where playback has come at `now`, if that is news. Call until `None`.
    pub(crate) fn poll_played(&mut self, now: Instant) -> Option<Played> {
        let reply = self.current.as_mut().filter(|reply| reply.state == State::Playing)?;
        reply.forget_heard();
        let turn = reply.turn;

        if let Some((until, run)) = reply.dry_at.take() {
            reply.report(until, run);
            return Some(Played { turn, until, acknowledged: false });
        }

        if std::mem::take(&mut reply.acknowledgement_due)
            && let Some(until) = reply.acknowledged
            && until >= reply.reported
        {
            reply.report(until, reply.run_number);
            return Some(Played { turn, until, acknowledged: true });
        }

        if std::mem::take(&mut reply.heard_before_hold) {
            return Some(Played { turn, until: reply.reported, acknowledged: false });
        }

        let run = reply.run.as_ref()?;
        let head = reply.head(now);
        // The first sound, each mark, and the last sample before the queue ran dry.
        let beginning = reply.reported == run.first() && head > reply.reported;
        let milestone = reply.unreported.iter().copied().take_while(|&mark| mark <= head).last();
        let dry = head == reply.sent && head > reply.reported;
        let until = if beginning || dry { Some(head) } else { milestone };
        let until = until.filter(|&until| until > reply.reported)?;
        reply.report(until, reply.run_number);
        Some(Played { turn, until, acknowledged: false })
    }

    fn path(&self) -> Path {
        Path { network: self.settings.network, jitter_buffer: self.settings.jitter_buffer }
    }

    fn reply_mut(&mut self, turn: TurnId) -> Option<&mut Reply> {
        self.current.iter_mut().chain(&mut self.waiting).find(|reply| reply.turn == turn)
    }

    /// Makes room for the reply `turn`: in place of one that is over, else behind it. A reply
    /// that is still being queued is taken to be finished by its successor.
    fn open(&mut self, turn: TurnId) {
        match &mut self.current {
            None => self.current = Some(Reply::new(turn, VecDeque::new())),
            Some(reply) if turn <= reply.turn => {}
            Some(reply) if reply.is_over() && self.waiting.is_empty() => {
                let mut samples = std::mem::take(&mut reply.samples);
                samples.clear();
                samples.shrink_to(SPARE);
                *reply = Reply::new(turn, samples);
            }
            Some(_) if self.waiting.iter().any(|reply| turn <= reply.turn) => {}
            Some(reply) => {
                reply.finished = true;
                self.waiting.push_back(Reply::new(turn, VecDeque::new()));
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

    fn cut(&mut self, now: Instant, state: State) -> Option<(TurnId, u64)> {
        // The carrier plays on until the clear takes effect.
        let effective = now + self.settings.network + self.settings.clear_tail;
        self.promote();
        let reply = self.current.as_mut()?;
        match reply.state {
            State::Stopped => return None,
            State::Held => {
                reply.state = state;
                return Some((reply.turn, reply.reported));
            }
            State::Playing if reply.is_over() && reply.is_drained(now) => return None,
            State::Playing => {}
        }
        if !reply.is_drained(now) {
            self.clear_due = true;
            self.clears = self.clears.wrapping_add(1);
        }
        let at = reply.head(effective);
        reply.cut(at, state);
        Some((reply.turn, at))
    }
}

impl Reply {
    fn report(&mut self, until: u64, run: u64) {
        self.reported = until;
        self.reported_run = run;
        while self.unreported.front().is_some_and(|&mark| mark <= until) {
            self.unreported.pop_front();
        }
    }
}

fn in_samples(duration: Duration) -> u64 {
    codecs::SampleRate::HZ_8000.samples_in(duration)
}

#[cfg(test)]
#[path = "playout_tests.rs"]
mod tests;
