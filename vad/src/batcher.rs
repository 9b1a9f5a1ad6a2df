//! Silero for all calls: one inference thread that batches their windows.
//!
//! ```text
//! call's task                                  inference thread "vad"
//! push ─▶ window ─▶ ring of 16 windows ──────▶ energy gate ─▶ batch ─▶ model
//! poll ◀──────────── ring of scores ◀──────────────────────────────────┘ wakes the task
//! ```
//!
//! Nothing on the way locks. A task enters the kernel to wake the thread only while it sleeps for
//! want of work; with many calls the thread keeps time by itself and is never woken.
//!
//! A call is never left deaf: a window whose inference failed, and every window after the thread is
//! gone, is scored by its level instead ([`EnergyScorer`]), with an error in the log.

use std::fmt;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::task::{Context, Poll};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use atomic_waker::AtomicWaker;
use codecs::SampleRate;
use onnx::VirtualTime;
use rtrb::{Consumer, Producer, RingBuffer};

use crate::bell::{Bell, Sleep};
use crate::detector::{Score, Vad, VadStream};
use crate::energy::{Admission, EnergyGate, EnergyScorer, Unread, level_dbfs};
use crate::error::LoadError;
use crate::schedule::{Schedule, ScheduleSettings, Step};
use crate::silero::{Band, Batch, Memory, Silero};
use crate::window::{MAX_WINDOW, Windower};

const THREAD: &str = "vad";

/// How [`SileroVad`] works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SileroSettings {
    /// When the thread runs, and how many windows at a time.
    pub schedule: ScheduleSettings,
    /// Windows of one call that may wait. When the ring is full the newest window is dropped and
    /// counted in [`Counters::lost`]. Default 16 (512 ms): the thread works through a backlog fifty
    /// times faster than it grows, so a full ring means that it stands still.
    pub backlog: usize,
    /// Calls that may be opened while the thread is busy with one batch. Default 1024.
    pub opening: usize,
}

impl Default for SileroSettings {
    fn default() -> Self {
        Self { schedule: ScheduleSettings::default(), backlog: 16, opening: 1024 }
    }
}

/// What the inference thread has done since it started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Windows the model scored.
    pub scored: u64,
    /// Windows of silence that the energy gate kept from the model.
    pub skipped: u64,
    /// Windows whose inference failed; they were scored by their level.
    pub failed: u64,
    /// Windows dropped because a call's ring was full.
    pub lost: u64,
    /// Runs of the model; `scored / batches` is the mean batch.
    pub batches: u64,
}

/// The Silero model, shared by all calls. Dropping it stops the thread; streams that live on score
/// by level.
#[derive(Debug)]
pub struct SileroVad {
    settings: SileroSettings,
    /// `Some` until dropped.
    opening: Option<SyncSender<Box<Slot>>>,
    bell: Bell,
    counted: Arc<Counted>,
    thread: Option<JoinHandle<()>>,
}

impl SileroVad {
    /// Loads the model and starts its thread.
    ///
    /// # Errors
    ///
    /// [`LoadError`] where the model cannot be loaded or the thread not started.
    pub fn start(
        runtime: &onnx::Runtime,
        model: &Path,
        settings: SileroSettings,
    ) -> Result<Self, LoadError> {
        let silero = Silero::load(runtime, model, settings.schedule.max_batch)?;
        let (opening, opened) = sync_channel(settings.opening.max(1));
        let counted = Arc::new(Counted::default());
        let worker = Worker::new(silero, settings, opened, &counted);
        let asleep = worker.sleep.flag();
        let thread = thread::Builder::new()
            .name(THREAD.to_owned())
            .spawn(move || worker.run())
            .map_err(|source| LoadError::Thread { name: THREAD, source })?;
        let bell = Sleep::bell(&asleep, thread.thread());
        Ok(Self { settings, opening: Some(opening), bell, counted, thread: Some(thread) })
    }

    /// The same on the clock of a simulation: in place of the thread there is a future, which is
    /// to be run for as long as streams are open. A run of the model over `rows` windows takes
    /// `cost(rows)` there. Windows, batches and their schedule are those of the thread.
    ///
    /// # Errors
    ///
    /// [`LoadError`] where the model cannot be loaded.
    pub fn simulated<C: Fn(usize) -> Duration>(
        runtime: &onnx::Runtime,
        model: &Path,
        settings: SileroSettings,
        time: VirtualTime,
        cost: C,
    ) -> Result<(Self, impl Future<Output = ()> + use<C>), LoadError> {
        let silero = Silero::load(runtime, model, settings.schedule.max_batch)?;
        let (opening, opened) = sync_channel(settings.opening.max(1));
        let (waker, counted) = (Arc::new(AtomicWaker::new()), Arc::new(Counted::default()));
        let bell = Bell::of_task(&waker);
        let worker = Worker::new(silero, settings, opened, &counted);
        let vad = Self { settings, opening: Some(opening), bell, counted, thread: None };
        Ok((vad, async move { worker.run_simulated(&time, &waker, cost).await }))
    }
}

impl Vad for SileroVad {
    fn open(&self, rate: SampleRate) -> Option<Box<dyn VadStream>> {
        let (band, windower) = (Band::of(rate)?, Windower::new(rate)?);
        let (windows, pending) = RingBuffer::new(self.settings.backlog.max(1));
        let (scored, scores) = RingBuffer::new(self.settings.backlog.max(1));
        let waker = Arc::new(AtomicWaker::new());
        let slot = Box::new(Slot {
            band,
            memory: Memory::default(),
            gate: EnergyGate::default(),
            pending,
            scored,
            hangup: Hangup(Arc::clone(&waker)),
        });
        if self.opening.as_ref()?.try_send(slot).is_err() {
            // The stream opens all the same: its rings are closed, so it scores by level.
            tracing::error!("the VAD thread takes no more calls; this one is scored by its level");
        }
        self.bell.ring();
        Some(Box::new(SileroStream {
            windower,
            scorer: EnergyScorer::default(),
            windows,
            scores,
            waker,
            bell: self.bell.clone(),
            counted: Arc::clone(&self.counted),
            fallback: None,
        }))
    }

    fn counters(&self) -> Counters {
        let counted = &self.counted;
        Counters {
            scored: counted.scored.load(Ordering::Relaxed),
            skipped: counted.skipped.load(Ordering::Relaxed),
            failed: counted.failed.load(Ordering::Relaxed),
            lost: counted.lost.load(Ordering::Relaxed),
            batches: counted.batches.load(Ordering::Relaxed),
        }
    }
}

impl Drop for SileroVad {
    fn drop(&mut self) {
        self.opening = None;
        self.bell.ring();
        if let Some(thread) = self.thread.take() {
            // A panic there has been logged, and its streams score by level.
            let _ = thread.join();
        }
    }
}

/// A window on its way to the model.
#[derive(Clone, Copy)]
struct Window {
    end: u64,
    level_dbfs: f32,
    /// What its level alone says.
    by_level: f32,
    samples: [i16; MAX_WINDOW],
}

struct SileroStream {
    windower: Windower,
    scorer: EnergyScorer,
    windows: Producer<Window>,
    scores: Consumer<Score>,
    waker: Arc<AtomicWaker>,
    bell: Bell,
    counted: Arc<Counted>,
    /// `Some` once the thread is gone.
    fallback: Option<Unread>,
}

impl VadStream for SileroStream {
    fn push(&mut self, samples: &[i16]) {
        let Self { windower, scorer, windows, counted, fallback, .. } = self;
        let mut sent = false;
        windower.push(samples, |window, end| {
            let level_dbfs = level_dbfs(window);
            let by_level = scorer.score(level_dbfs);
            if let Some(unread) = fallback {
                unread.push(Score { end, probability: by_level });
                return;
            }
            let mut samples = [0; MAX_WINDOW];
            samples[..window.len()].copy_from_slice(window);
            if windows.push(Window { end, level_dbfs, by_level, samples }).is_err() {
                counted.lost.fetch_add(1, Ordering::Relaxed);
            }
            sent = true;
        });
        if sent {
            self.bell.ring_if_asleep();
        }
    }

    fn poll_score(&mut self, cx: &mut Context<'_>) -> Poll<Score> {
        if let Some(unread) = &mut self.fallback {
            return unread.poll(cx);
        }
        if let Ok(score) = self.scores.pop() {
            return Poll::Ready(score);
        }
        self.waker.register(cx.waker());
        // Read before the ring, so that no score of the thread's last moments is missed.
        let gone = self.scores.is_abandoned();
        if let Ok(score) = self.scores.pop() {
            return Poll::Ready(score);
        }
        if gone {
            tracing::error!("the VAD thread is gone; this call is scored by its level");
            self.fallback = Some(Unread::default());
        }
        Poll::Pending
    }
}

impl Drop for SileroStream {
    fn drop(&mut self) {
        // Lets the thread free the slot now and not at the next window.
        self.bell.ring();
    }
}

#[derive(Debug, Default)]
struct Counted {
    scored: AtomicU64,
    skipped: AtomicU64,
    failed: AtomicU64,
    lost: AtomicU64,
    batches: AtomicU64,
}

/// The thread's end of one stream. It is made new for every stream, so no call can hear with
/// another's memory.
struct Slot {
    band: Band,
    memory: Memory,
    gate: EnergyGate,
    pending: Consumer<Window>,
    scored: Producer<Score>,
    /// Dropped last (fields drop in order): the task it wakes finds the rings closed.
    hangup: Hangup,
}

/// Wakes the call's task when the thread lets go of its slot.
struct Hangup(Arc<AtomicWaker>);

impl Drop for Hangup {
    fn drop(&mut self) {
        self.0.wake();
    }
}

impl fmt::Debug for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slot").field("band", &self.band).finish_non_exhaustive()
    }
}

impl Slot {
    /// Whether a window is whole and there is room for its score. A task that does not read its
    /// scores so holds up its own windows, and loses them in [`SileroStream::push`].
    fn is_ready(&self) -> bool {
        !self.pending.is_empty() && !self.scored.is_full()
    }

    /// Answers the oldest pending window.
    fn answer(&mut self, probability: f32) {
        if let Ok(window) = self.pending.pop() {
            // There was room, and only this thread fills the ring.
            let _ = self.scored.push(Score { end: window.end, probability });
            self.hangup.0.wake();
        }
    }
}

/// The streams of one band; those whose windows go into the next batches.
struct Lane {
    band: Band,
    slots: Vec<Slot>,
    /// Indices of slots, and whether the window is only heard to forget.
    ready: Vec<(usize, Admission)>,
}

impl Lane {
    const fn new(band: Band) -> Self {
        Self { band, slots: Vec::new(), ready: Vec::new() }
    }

    /// Gathers one window of every stream that has one, and answers those the model need not hear.
    fn gather(&mut self, counted: &Counted) -> bool {
        self.ready.clear();
        let mut any = false;
        for (index, slot) in self.slots.iter_mut().enumerate() {
            if !slot.is_ready() {
                continue;
            }
            let Ok(window) = slot.pending.peek() else { continue };
            any = true;
            match slot.gate.admit(window.level_dbfs) {
                Admission::Skip => {
                    slot.memory.skip(self.band, &window.samples[..self.band.window()]);
                    counted.skipped.fetch_add(1, Ordering::Relaxed);
                    slot.answer(0.0);
                }
                admission => self.ready.push((index, admission)),
            }
        }
        any
    }

    /// Scores what was gathered.
    fn score(&mut self, silero: &mut Silero, schedule: &Schedule, counted: &Counted) {
        for rows in batches(schedule, self.ready.len()) {
            let mut batch = self.load(silero, &rows);
            let outcome = batch.run();
            self.answer(&rows, &mut batch, outcome, counted);
        }
    }

    /// Puts these of the gathered windows into a batch.
    fn load<'a>(&self, silero: &'a mut Silero, rows: &Range<usize>) -> Batch<'a> {
        let mut batch = silero.batch(self.band, rows.len());
        for (row, &(index, _)) in self.ready[rows.clone()].iter().enumerate() {
            let slot = &self.slots[index];
            if let Ok(window) = slot.pending.peek() {
                batch.load(row, &slot.memory, &window.samples[..self.band.window()]);
            }
        }
        batch
    }

    /// Answers these windows by what their batch came to.
    fn answer(
        &mut self,
        rows: &Range<usize>,
        batch: &mut Batch<'_>,
        outcome: ort::Result<()>,
        counted: &Counted,
    ) {
        counted.batches.fetch_add(1, Ordering::Relaxed);
        let counter = if outcome.is_ok() { &counted.scored } else { &counted.failed };
        let before = counter.fetch_add(rows.len() as u64, Ordering::Relaxed);
        let after = before + rows.len() as u64;
        if let Err(error) = &outcome
            && (before == 0 || before.ilog2() != after.ilog2())
        {
            // At 1, 2, 4, ... failures: an error in every batch must not fill the disk.
            tracing::error!(%error, failed = after, "VAD inference failed; scored by level");
        }
        for (row, &(index, admission)) in self.ready[rows.clone()].iter().enumerate() {
            let slot = &mut self.slots[index];
            let probability = if outcome.is_ok() {
                batch.store(row, &mut slot.memory)
            } else {
                slot.memory = Memory::default();
                slot.pending.peek().map_or(0.0, |window| window.by_level)
            };
            slot.answer(if admission == Admission::Settle { 0.0 } else { probability });
        }
    }
}

/// The gathered windows in the schedule's batches.
fn batches(schedule: &Schedule, ready: usize) -> impl Iterator<Item = Range<usize>> + use<> {
    schedule.batches(ready).scan(0, |next, size| {
        let rows = *next..*next + size;
        *next = rows.end;
        Some(rows)
    })
}

/// The inference thread.
struct Worker {
    silero: Silero,
    schedule: Schedule,
    opened: Receiver<Box<Slot>>,
    sleep: Sleep,
    counted: Arc<Counted>,
    lanes: [Lane; 2],
}

impl Worker {
    fn new(
        silero: Silero,
        settings: SileroSettings,
        opened: Receiver<Box<Slot>>,
        counted: &Arc<Counted>,
    ) -> Self {
        Self {
            silero,
            schedule: Schedule::new(settings.schedule),
            opened,
            sleep: Sleep::default(),
            counted: Arc::clone(counted),
            lanes: [Lane::new(Band::Narrow), Lane::new(Band::Wide)],
        }
    }

    fn run(mut self) {
        while self.admit() {
            self.retire();
            match self.schedule.next(Instant::now(), self.streams(), self.is_ready()) {
                Step::Run => self.score(),
                Step::AwaitWork => self.sleep.until_rung(None, || self.is_ready()),
                Step::SleepUntil(then) => {
                    thread::park_timeout(then.saturating_duration_since(Instant::now()));
                }
            }
        }
    }

    /// The same on the clock of a simulation.
    async fn run_simulated(
        mut self,
        time: &VirtualTime,
        waker: &AtomicWaker,
        cost: impl Fn(usize) -> Duration,
    ) {
        while self.admit() {
            self.retire();
            match self.schedule.next(time.now(), self.streams(), self.is_ready()) {
                Step::Run => self.score_simulated(time, &cost).await,
                Step::AwaitWork => time.until_woken(waker, None).await,
                Step::SleepUntil(then) => {
                    time.sleep(then.saturating_duration_since(time.now())).await;
                }
            }
        }
    }

    async fn score_simulated(&mut self, time: &VirtualTime, cost: &impl Fn(usize) -> Duration) {
        let Self { silero, schedule, counted, lanes, .. } = self;
        for lane in lanes {
            while lane.gather(counted) {
                for rows in batches(schedule, lane.ready.len()) {
                    let mut batch = lane.load(silero, &rows);
                    let outcome = batch.run();
                    time.sleep(cost(rows.len())).await;
                    lane.answer(&rows, &mut batch, outcome, counted);
                }
            }
        }
    }

    /// Takes in the streams that were opened; false once there will be no more.
    fn admit(&mut self) -> bool {
        loop {
            match self.opened.try_recv() {
                Ok(slot) => {
                    let lane = match slot.band {
                        Band::Narrow => &mut self.lanes[0],
                        Band::Wide => &mut self.lanes[1],
                    };
                    lane.slots.push(*slot);
                    lane.ready.reserve(lane.slots.len());
                }
                Err(TryRecvError::Empty) => return true,
                Err(TryRecvError::Disconnected) => return false,
            }
        }
    }

    /// Lets go of the streams that were dropped.
    fn retire(&mut self) {
        for lane in &mut self.lanes {
            lane.slots.retain(|slot| !slot.pending.is_abandoned());
        }
    }

    fn streams(&self) -> usize {
        self.lanes.iter().map(|lane| lane.slots.len()).sum()
    }

    fn is_ready(&self) -> bool {
        self.lanes.iter().flat_map(|lane| &lane.slots).any(|slot| slot.is_ready())
    }

    /// Scores everything there is, one window of each stream at a time.
    fn score(&mut self) {
        let counted = &self.counted;
        for lane in &mut self.lanes {
            while lane.gather(counted) {
                lane.score(&mut self.silero, &self.schedule, counted);
            }
        }
    }
}
