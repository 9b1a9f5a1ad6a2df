//! One call's side of the turn model: its audio history, its asks, and their answers.
//!
//! The history is the ring between the call's task and the thread, read in place: a look copies
//! nothing on the call's task, and a call holds its audio once.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use atomic_waker::AtomicWaker;
use rtrb::{Consumer, Producer, RingBuffer};

use crate::bell::Bell;
use crate::silero::Band;
use crate::turn::Counted;

/// How far back a look goes.
const HISTORY: Duration = Duration::from_secs(8);
/// How much more the ring holds, for the time until the thread next lets go of the old.
const SLACK: Duration = Duration::from_secs(1);

/// One call's audio history, and the asks about it. Fed and polled by the call's task; nothing here
/// blocks or allocates.
pub struct TurnStream {
    source: Source,
}

enum Source {
    Model(Looked),
    Scripted { scores: Arc<[f32]>, asked: usize, answer: Option<(u32, f32)> },
}

impl TurnStream {
    /// A stream that answers its n-th ask with the n-th of `scores`, at once, and the asks after
    /// them never. For whole calls on virtual time.
    pub fn scripted(scores: impl Into<Arc<[f32]>>) -> Self {
        Self { source: Source::Scripted { scores: scores.into(), asked: 0, answer: None } }
    }

    /// Takes the next samples.
    pub fn push(&mut self, samples: &[i16]) {
        if let Source::Model(stream) = &mut self.source {
            stream.push(samples);
        }
    }

    /// Asks whether the caller has finished, by the last 8 s up to now. `pause` comes back with the
    /// answer; an answer that is still outstanding will not come any more. `now` is the time by the
    /// system's monotonic clock.
    pub fn ask(&mut self, pause: u32, now: Instant) {
        match &mut self.source {
            Source::Model(stream) => stream.ask(pause, now),
            Source::Scripted { scores, asked, answer } => {
                *answer = scores.get(*asked).map(|&score| (pause, score));
                *asked += 1;
            }
        }
    }

    /// Takes back what was asked, because the caller goes on: the look is not worth its time.
    pub fn withdraw(&mut self) {
        match &mut self.source {
            Source::Model(stream) => stream.withdraw(),
            Source::Scripted { answer, .. } => *answer = None,
        }
    }

    /// The answer to the last ask: its `pause`, and the probability that the caller has finished.
    pub fn poll_score(&mut self, cx: &mut Context<'_>) -> Poll<(u32, f32)> {
        match &mut self.source {
            Source::Model(stream) => stream.poll_score(cx),
            Source::Scripted { answer, .. } => answer.take().map_or(Poll::Pending, Poll::Ready),
        }
    }
}

impl fmt::Debug for TurnStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TurnStream").finish_non_exhaustive()
    }
}

/// A stream the model looks at.
struct Looked {
    samples: Producer<i16>,
    /// Samples in the history so far.
    end: u64,
    asks: Producer<Ask>,
    answers: Consumer<Answer>,
    link: Arc<Link>,
    bell: Bell,
    counted: Arc<Counted>,
}

/// A question about the history up to `end`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ask {
    number: u64,
    pause: u32,
    end: u64,
    pub(crate) at: Instant,
}

#[derive(Clone, Copy, Debug)]
struct Answer {
    number: u64,
    pause: u32,
    probability: f32,
}

/// What a stream and its slot share.
#[derive(Debug, Default)]
struct Link {
    waker: AtomicWaker,
    /// The number of the ask that is wanted; others are not worth a look.
    wanted: AtomicU64,
}

impl Looked {
    fn push(&mut self, samples: &[i16]) {
        let (_, lost) = self.samples.push_partial_slice(samples);
        self.end += (samples.len() - lost.len()) as u64;
        if !lost.is_empty() {
            self.counted.lost_samples.fetch_add(lost.len() as u64, Ordering::Relaxed);
        }
    }

    fn ask(&mut self, pause: u32, now: Instant) {
        // Only this side writes the number.
        let number = self.link.wanted.load(Ordering::Relaxed) + 1;
        self.link.wanted.store(number, Ordering::Relaxed);
        if self.asks.push(Ask { number, pause, end: self.end, at: now }).is_err() {
            // The thread is busy with another look, and finds two asks of ours that are not wanted
            // any more; so is this one, then.
            self.counted.superseded.fetch_add(1, Ordering::Relaxed);
        }
        self.bell.ring_if_asleep();
    }

    fn withdraw(&self) {
        self.link.wanted.fetch_add(1, Ordering::Relaxed);
    }

    fn poll_score(&mut self, cx: &Context<'_>) -> Poll<(u32, f32)> {
        self.link.waker.register(cx.waker());
        let wanted = self.link.wanted.load(Ordering::Relaxed);
        while let Ok(answer) = self.answers.pop() {
            if answer.number == wanted {
                return Poll::Ready((answer.pause, answer.probability));
            }
        }
        Poll::Pending
    }
}

impl Drop for Looked {
    fn drop(&mut self) {
        // Lets the thread free the slot.
        self.bell.ring();
    }
}

/// A stream, and the thread's end of it.
pub(crate) fn pair(band: Band, bell: Bell, counted: Arc<Counted>) -> (TurnStream, Slot) {
    let (looked, slot) = ends(band, bell, counted);
    (TurnStream { source: Source::Model(looked) }, slot)
}

fn ends(band: Band, bell: Bell, counted: Arc<Counted>) -> (Looked, Slot) {
    let (samples, history) = RingBuffer::new(band.rate().samples_in(HISTORY + SLACK) as usize);
    let (asks, asked) = RingBuffer::new(2);
    let (answering, answers) = RingBuffer::new(4);
    let link = Arc::new(Link::default());
    let slot =
        Slot { band, history, gone: 0, asked, ask: None, answering, link: Arc::clone(&link) };
    (Looked { samples, end: 0, asks, answers, link, bell, counted }, slot)
}

/// The thread's end of one stream.
pub(crate) struct Slot {
    band: Band,
    history: Consumer<i16>,
    /// Samples let go of so far: the position of the history's first one.
    gone: u64,
    asked: Consumer<Ask>,
    pub(crate) ask: Option<Ask>,
    answering: Producer<Answer>,
    link: Arc<Link>,
}

impl fmt::Debug for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slot").field("band", &self.band).finish_non_exhaustive()
    }
}

impl Slot {
    /// Reads new asks, of which the newest counts, and forgets those that are not wanted any more.
    pub(crate) fn gather(&mut self, counted: &Counted) {
        let wanted = self.link.wanted.load(Ordering::Relaxed);
        let mut dropped = 0;
        while let Ok(ask) = self.asked.pop() {
            dropped += u64::from(self.ask.replace(ask).is_some());
        }
        if self.ask.is_some_and(|ask| ask.number != wanted) {
            self.ask = None;
            dropped += 1;
        }
        if dropped > 0 {
            counted.superseded.fetch_add(dropped, Ordering::Relaxed);
        }
    }

    /// Lets go of what no look will go back to.
    pub(crate) fn trim(&mut self) {
        let kept = self.band.rate().samples_in(HISTORY) as usize;
        // While an ask is open, its 8 s end where it was asked.
        let after_ask = self.ask.map_or(0, |ask| {
            (self.gone + self.history.slots() as u64).saturating_sub(ask.end) as usize
        });
        let old = self.history.slots().saturating_sub(kept + after_ask);
        if let Ok(chunk) = self.history.read_chunk(old) {
            chunk.commit_all();
            self.gone += old as u64;
        }
    }

    /// Whether the call is over.
    pub(crate) fn is_abandoned(&self) -> bool {
        self.history.is_abandoned()
    }

    /// Whether an ask waits to be gathered.
    pub(crate) fn is_asked(&self) -> bool {
        !self.asked.is_empty()
    }

    /// The 8 s before `ask`, in the two parts in which the ring has them, for `listen`.
    pub(crate) fn look<T>(&mut self, ask: &Ask, listen: impl FnOnce(Band, [&[i16]; 2]) -> T) -> T {
        let length = self.band.rate().samples_in(HISTORY) as usize;
        let held = self.history.slots();
        let end = (ask.end.saturating_sub(self.gone) as usize).min(held);
        let start = end.saturating_sub(length);
        // Read and not committed, the chunk leaves the history as it is.
        let chunk = self.history.read_chunk(held).expect("only this side takes samples out");
        let (first, second) = chunk.as_slices();
        let middle = first.len();
        let parts = [
            &first[start.min(middle)..end.min(middle)],
            &second[start.saturating_sub(middle)..end.saturating_sub(middle)],
        ];
        listen(self.band, parts)
    }

    /// Answers `ask`; false where the answer is not wanted any more.
    pub(crate) fn answer(&mut self, ask: &Ask, probability: f32) -> bool {
        let wanted = self.link.wanted.load(Ordering::Relaxed) == ask.number;
        let answer = Answer { number: ask.number, pause: ask.pause, probability };
        let given = wanted && self.answering.push(answer).is_ok();
        if given {
            self.link.waker.wake();
        }
        given
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;
    use std::thread;

    use super::*;
    use crate::bell::Sleep;

    /// A stream and its slot without a thread between them; the bell rings this one.
    fn stream() -> (Looked, Slot) {
        let bell = Sleep::bell(&Sleep::default().flag(), &thread::current());
        ends(Band::Narrow, bell, Arc::default())
    }

    #[test]
    fn a_newer_ask_replaces_the_older_and_a_withdrawn_one_is_forgotten() {
        let (now, counted) = (Instant::now(), Counted::default());
        let (mut stream, mut slot) = stream();
        stream.ask(1, now);
        stream.ask(2, now);
        slot.gather(&counted);
        assert_eq!(slot.ask.map(|ask| ask.pause), Some(2));
        stream.withdraw();
        slot.gather(&counted);
        assert!(slot.ask.is_none());
        assert_eq!(counted.superseded.load(Ordering::Relaxed), 2);
    }

    #[test]
    fn an_answer_that_is_not_wanted_any_more_is_not_given() {
        let (now, cx) = (Instant::now(), Context::from_waker(Waker::noop()));
        let (mut stream, mut slot) = stream();
        stream.ask(1, now);
        let answer = |number, pause| Answer { number, pause, probability: 0.5 };
        slot.answering.push(answer(1, 1)).expect("room");
        stream.ask(2, now);
        slot.answering.push(answer(2, 2)).expect("room");
        assert_eq!(stream.poll_score(&cx), Poll::Ready((2, 0.5)));
        slot.answering.push(answer(2, 2)).expect("room");
        stream.withdraw();
        assert!(stream.poll_score(&cx).is_pending());
    }

    #[test]
    fn the_history_keeps_8_s_before_now_and_before_an_open_ask() {
        let counted = Counted::default();
        let (mut stream, mut slot) = stream();
        let second: Vec<i16> = vec![1; 8_000];
        for _ in 0..8 {
            stream.push(&second);
        }
        stream.push(&second[..4_000]);
        slot.trim();
        assert_eq!((slot.gone, slot.history.slots()), (4_000, 64_000));
        stream.ask(1, Instant::now());
        slot.gather(&counted);
        stream.push(&second[..4_000]);
        slot.trim();
        assert_eq!((slot.gone, slot.history.slots()), (4_000, 68_000), "the ask's 8 s");
        slot.ask = None;
        slot.trim();
        assert_eq!((slot.gone, slot.history.slots()), (8_000, 64_000));
    }

    #[test]
    fn samples_beyond_the_ring_are_lost_and_counted() {
        let (mut stream, slot) = stream();
        stream.push(&vec![1; 9 * 8_000 + 5]);
        assert_eq!(stream.end, slot.history.slots() as u64);
        assert_eq!(stream.counted.lost_samples.load(Ordering::Relaxed), 5);
    }

    #[test]
    fn a_script_answers_its_asks_in_turn() {
        let (now, mut cx) = (Instant::now(), Context::from_waker(Waker::noop()));
        let mut stream = TurnStream::scripted([0.2, 0.9]);
        assert!(stream.poll_score(&mut cx).is_pending());
        stream.ask(7, now);
        assert_eq!(stream.poll_score(&mut cx), Poll::Ready((7, 0.2)));
        assert!(stream.poll_score(&mut cx).is_pending());
        stream.ask(8, now);
        stream.withdraw();
        assert!(stream.poll_score(&mut cx).is_pending());
        stream.ask(9, now);
        assert!(stream.poll_score(&mut cx).is_pending(), "the script is over");
    }

    #[test]
    fn a_look_sees_the_8_s_before_its_ask_however_the_ring_has_turned() {
        let counted = Counted::default();
        let (mut stream, mut slot) = stream();
        let mut next = 0_i16;
        for seconds in [3, 9, 4] {
            for _ in 0..seconds * 50 {
                let frame: Vec<i16> = (0..160).map(|n| next.wrapping_add(n)).collect();
                next = next.wrapping_add(160);
                stream.push(&frame);
                slot.trim();
            }
            let asked_at = next;
            stream.ask(seconds, Instant::now());
            stream.push(&[0; 320]);
            next = next.wrapping_add(320);
            slot.gather(&counted);
            let ask = slot.ask.take().expect("it was asked");
            let seen = slot.look(&ask, |_, parts| parts.concat());
            assert_eq!(seen.len(), if seconds == 3 { 24_000 } else { 64_000 });
            assert_eq!(seen.last(), Some(&asked_at.wrapping_sub(1)));
            if seconds == 4 {
                // Before the last 4 s and the zeros pushed after the ask before, the ones before.
                let before = seen[64_000 - 32_000 - 320 - 1];
                assert_eq!(before, asked_at.wrapping_sub(32_000).wrapping_sub(321));
            }
        }
    }
}
