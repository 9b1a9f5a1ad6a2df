//! Smart-turn for all calls, off the audio path: one thread of lower priority.
//!
//! ```text
//! call's task                                        thread "turn"
//! push ─▶ ring of the last 9 s ────────────────────▶ (read in place; older than 8 s: let go)
//! ask  ─▶ ring of 2 asks ──────────────────────────▶ newest ask first ─▶ resample ─▶ model
//! poll ◀── ring of answers ◀────────────────────────────────────────────────────────┘
//! ```
//!
//! The ring between them is the call's audio history, so a look copies nothing on the call's task
//! and a call holds its audio once (144 KB at 8 kHz).
//!
//! A look takes some 40 ms, and under load more are asked for than can be had. A score is of use
//! only while its pause lasts, so the newest ask goes first, a stream's newer ask replaces its
//! older one, and what has waited too long is dropped and counted. Oldest first would, once behind,
//! answer everybody late. An ask that gets no answer is no error: whoever asked decides without it.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::task::{Context, Poll};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use atomic_waker::AtomicWaker;
use codecs::{Resampler, SampleRate};
use rtrb::{Consumer, Producer, RingBuffer};

use crate::bell::{Bell, Sleep};
use crate::error::LoadError;
use crate::mel;
use crate::silero::Band;
use crate::smart_turn::TurnModel;

const THREAD: &str = "turn";
/// How far back a look goes.
const HISTORY: Duration = Duration::from_secs(8);
/// How much more the ring holds, for the time until the thread next lets go of the old.
const SLACK: Duration = Duration::from_secs(1);
/// How often the thread lets go of the old when nobody asks.
const TRIM: Duration = Duration::from_millis(250);

/// How [`TurnWorker`] works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TurnSettings {
    /// How long an ask may wait before it is dropped. Default 300 ms: later than that the turn has
    /// been decided without it. An ask that waits for more than a second costs its call's history
    /// the newest samples.
    pub patience: Duration,
    /// Calls that may be opened while the thread is busy with one look. Default 256.
    pub opening: usize,
}

impl Default for TurnSettings {
    fn default() -> Self {
        Self { patience: Duration::from_millis(300), opening: 256 }
    }
}

/// What became of the asks since the thread started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TurnCounters {
    /// Asks that were answered.
    pub answered: u64,
    /// Asks dropped because they had waited too long.
    pub late: u64,
    /// Asks dropped because their stream asked again, or withdrew them.
    pub superseded: u64,
    /// Looks that failed.
    pub failed: u64,
    /// Samples that did not fit a call's history because the thread stood still.
    pub lost_samples: u64,
}

/// The smart-turn model, shared by all calls. Dropping it stops the thread; asks then go without an
/// answer.
#[derive(Debug)]
pub struct TurnWorker {
    /// `Some` until dropped.
    opening: Option<SyncSender<Box<Slot>>>,
    bell: Bell,
    counted: Arc<Counted>,
    thread: Option<JoinHandle<()>>,
}

impl TurnWorker {
    /// Loads the model and starts its thread.
    ///
    /// # Errors
    ///
    /// [`LoadError`] where the model cannot be loaded or the thread not started.
    pub fn start(
        runtime: &onnx::Runtime,
        model: &Path,
        settings: TurnSettings,
    ) -> Result<Self, LoadError> {
        let model = TurnModel::load(runtime, model)?;
        let (opening, opened) = sync_channel(settings.opening.max(1));
        let (sleep, counted) = (Sleep::default(), Arc::new(Counted::default()));
        let asleep = sleep.flag();
        let counted_here = Arc::clone(&counted);
        let thread = thread::Builder::new()
            .name(THREAD.to_owned())
            .spawn(move || {
                onnx::lower_thread_priority();
                let slots = Vec::new();
                let ear = Ear::new(model);
                let patience = settings.patience;
                Worker { ear, patience, opened, sleep, counted: counted_here, slots }.run();
            })
            .map_err(|source| LoadError::Thread { name: THREAD, source })?;
        let bell = Sleep::bell(&asleep, thread.thread());
        Ok(Self { opening: Some(opening), bell, counted, thread: Some(thread) })
    }

    /// Opens the history of one call whose samples come at `rate`; `None` where that is neither 8
    /// nor 16 kHz, or the thread takes no more calls.
    pub fn open(&self, rate: SampleRate) -> Option<TurnStream> {
        let band = Band::of(rate)?;
        let room = rate.samples_in(HISTORY + SLACK) as usize;
        let (samples, history) = RingBuffer::new(room);
        let (asks, asked) = RingBuffer::new(2);
        let (answering, answers) = RingBuffer::new(4);
        let link = Arc::new(Link::default());
        let slot =
            Slot { band, history, gone: 0, asked, ask: None, answering, link: Arc::clone(&link) };
        if self.opening.as_ref()?.try_send(Box::new(slot)).is_err() {
            tracing::error!(
                "the turn thread takes no more calls; this one goes without its scores"
            );
            return None;
        }
        self.bell.ring();
        let counted = Arc::clone(&self.counted);
        let bell = self.bell.clone();
        let looked_at = Looked { samples, end: 0, asks, answers, link, bell, counted };
        Some(TurnStream { source: Source::Model(looked_at) })
    }

    /// What became of the asks so far.
    pub fn counters(&self) -> TurnCounters {
        let counted = &self.counted;
        TurnCounters {
            answered: counted.answered.load(Ordering::Relaxed),
            late: counted.late.load(Ordering::Relaxed),
            superseded: counted.superseded.load(Ordering::Relaxed),
            failed: counted.failed.load(Ordering::Relaxed),
            lost_samples: counted.lost_samples.load(Ordering::Relaxed),
        }
    }
}

impl Drop for TurnWorker {
    fn drop(&mut self) {
        self.opening = None;
        self.bell.ring();
        if let Some(thread) = self.thread.take() {
            // A panic there has been logged; its streams get no more scores.
            let _ = thread.join();
        }
    }
}

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
struct Ask {
    number: u64,
    pause: u32,
    end: u64,
    at: Instant,
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

#[derive(Debug, Default)]
struct Counted {
    answered: AtomicU64,
    late: AtomicU64,
    superseded: AtomicU64,
    failed: AtomicU64,
    lost_samples: AtomicU64,
}

/// The thread's end of one stream.
struct Slot {
    band: Band,
    history: Consumer<i16>,
    /// Samples let go of so far: the position of the history's first one.
    gone: u64,
    asked: Consumer<Ask>,
    ask: Option<Ask>,
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
    fn gather(&mut self, counted: &Counted) {
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
    fn trim(&mut self) {
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
}

/// The slot whose ask comes next: the newest. Those older than `patience` are dropped.
fn choose(
    slots: &mut [Slot],
    now: Instant,
    patience: Duration,
    counted: &Counted,
) -> Option<usize> {
    let mut newest: Option<(Instant, usize)> = None;
    for (index, slot) in slots.iter_mut().enumerate() {
        let Some(ask) = slot.ask else { continue };
        if now.saturating_duration_since(ask.at) > patience {
            slot.ask = None;
            counted.late.fetch_add(1, Ordering::Relaxed);
        } else if newest.is_none_or(|(at, _)| ask.at > at) {
            newest = Some((ask.at, index));
        }
    }
    newest.map(|(_, index)| index)
}

/// The model, and what brings a call's rate to the model's.
#[derive(Debug)]
struct Ear {
    model: TurnModel,
    upsampler: Resampler,
    pcm: Vec<i16>,
}

impl Ear {
    fn new(model: TurnModel) -> Self {
        let upsampler = Resampler::new(SampleRate::HZ_8000, SampleRate::HZ_16000)
            .expect("the resampler knows the telephone's rates");
        let room = upsampler.output_bound(mel::SAMPLES / 2) + upsampler.flush_bound();
        Self { model, upsampler, pcm: Vec::with_capacity(room) }
    }

    /// The score of a history that comes in two parts.
    fn listen(&mut self, band: Band, parts: [&[i16]; 2]) -> ort::Result<f32> {
        self.pcm.clear();
        match band {
            Band::Narrow => {
                for part in parts {
                    self.upsampler.process(part, &mut self.pcm);
                }
                self.upsampler.flush(&mut self.pcm);
            }
            Band::Wide => parts.iter().for_each(|part| self.pcm.extend_from_slice(part)),
        }
        self.model.score(&self.pcm)
    }
}

/// The thread.
struct Worker {
    ear: Ear,
    patience: Duration,
    opened: Receiver<Box<Slot>>,
    sleep: Sleep,
    counted: Arc<Counted>,
    slots: Vec<Slot>,
}

impl Worker {
    fn run(mut self) {
        while self.admit() {
            self.slots.retain(|slot| !slot.history.is_abandoned());
            for slot in &mut self.slots {
                slot.gather(&self.counted);
                slot.trim();
            }
            let now = Instant::now();
            if let Some(index) = choose(&mut self.slots, now, self.patience, &self.counted) {
                self.look(index);
                continue;
            }
            let at_most = (!self.slots.is_empty()).then_some(TRIM);
            self.sleep.until_rung(at_most, || self.slots.iter().any(|slot| !slot.asked.is_empty()));
        }
    }

    /// Takes in the streams that were opened; false once there will be no more.
    fn admit(&mut self) -> bool {
        loop {
            match self.opened.try_recv() {
                Ok(slot) => self.slots.push(*slot),
                Err(TryRecvError::Empty) => return true,
                Err(TryRecvError::Disconnected) => return false,
            }
        }
    }

    /// Answers a slot's ask.
    fn look(&mut self, index: usize) {
        let slot = &mut self.slots[index];
        let Some(ask) = slot.ask.take() else { return };
        let length = slot.band.rate().samples_in(HISTORY) as usize;
        let held = slot.history.slots();
        let end = (ask.end.saturating_sub(slot.gone) as usize).min(held);
        let start = end.saturating_sub(length);
        // Read and not committed, the chunk leaves the history as it is.
        let Ok(chunk) = slot.history.read_chunk(held) else { return };
        let (first, second) = chunk.as_slices();
        let middle = first.len();
        let parts = [
            &first[start.min(middle)..end.min(middle)],
            &second[start.saturating_sub(middle)..end.saturating_sub(middle)],
        ];
        match self.ear.listen(slot.band, parts) {
            Ok(probability) => {
                let answer = Answer { number: ask.number, pause: ask.pause, probability };
                let wanted = slot.link.wanted.load(Ordering::Relaxed) == ask.number;
                if wanted && !slot.answering.is_full() {
                    self.counted.answered.fetch_add(1, Ordering::Relaxed);
                    let _ = slot.answering.push(answer);
                    slot.link.waker.wake();
                } else {
                    self.counted.superseded.fetch_add(1, Ordering::Relaxed);
                }
            }
            Err(error) => {
                let failed = self.counted.failed.fetch_add(1, Ordering::Relaxed) + 1;
                if failed.is_power_of_two() {
                    tracing::error!(%error, failed, "the turn model failed; no score");
                }
            }
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        if thread::panicking() {
            tracing::error!("the turn thread is gone; turns end without its scores");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    const PATIENCE: Duration = Duration::from_millis(300);

    /// A stream and its slot without a thread between them; the bell rings this one.
    fn stream() -> (Looked, Slot) {
        let (samples, history) = RingBuffer::new(9 * 8_000);
        let (asks, asked) = RingBuffer::new(2);
        let (answering, answers) = RingBuffer::new(4);
        let (link, counted) = (Arc::new(Link::default()), Arc::new(Counted::default()));
        let bell = Sleep::bell(&Sleep::default().flag(), &thread::current());
        let slot = Slot {
            band: Band::Narrow,
            history,
            gone: 0,
            asked,
            ask: None,
            answering,
            link: Arc::clone(&link),
        };
        (Looked { samples, end: 0, asks, answers, link, bell, counted }, slot)
    }

    fn at(start: Instant, millis: u64) -> Instant {
        start + Duration::from_millis(millis)
    }

    #[test]
    fn the_newest_ask_goes_first_and_the_stale_are_dropped() {
        let (start, counted) = (Instant::now(), Counted::default());
        let mut slots = Vec::new();
        let mut streams = Vec::new();
        for (pause, asked) in [(1, 0), (2, 250), (3, 100)] {
            let (mut stream, mut slot) = stream();
            stream.ask(pause, at(start, asked));
            slot.gather(&counted);
            streams.push(stream);
            slots.push(slot);
        }
        assert_eq!(choose(&mut slots, at(start, 301), PATIENCE, &counted), Some(1));
        assert_eq!(counted.late.load(Ordering::Relaxed), 1, "the first one");
        slots[1].ask = None;
        assert_eq!(choose(&mut slots, at(start, 400), PATIENCE, &counted), Some(2));
        assert_eq!(choose(&mut slots, at(start, 401), PATIENCE, &counted), None);
        assert_eq!(counted.late.load(Ordering::Relaxed), 2);
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
}
