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

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use atomic_waker::AtomicWaker;
use codecs::{Resampler, SampleRate};
use onnx::VirtualTime;

use crate::bell::{Bell, Sleep};
use crate::error::LoadError;
use crate::mel;
use crate::silero::Band;
use crate::smart_turn::TurnModel;
use crate::turn_stream::{self, Ask, Slot, TurnStream};

const THREAD: &str = "turn";
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
        let counted = Arc::new(Counted::default());
        let mut ear = Ear::new(model);
        let look = move |rate, parts: [&[i16]; 2]| ear.listen(rate, parts);
        let worker = Worker::new(look, settings.patience, opened, &counted);
        let asleep = worker.sleep.flag();
        let thread = thread::Builder::new()
            .name(THREAD.to_owned())
            .spawn(move || {
                onnx::lower_thread_priority();
                worker.run();
            })
            .map_err(|source| LoadError::Thread { name: THREAD, source })?;
        let bell = Sleep::bell(&asleep, thread.thread());
        Ok(Self { opening: Some(opening), bell, counted, thread: Some(thread) })
    }

    /// The same on the clock of a simulation: in place of the thread there is a future, which is
    /// to be run for as long as streams are open, and in place of the model `look`, such as
    /// [`Ear::listen`]. A look takes `cost` there. The queue is that of the thread.
    pub fn simulated<L>(
        settings: TurnSettings,
        time: VirtualTime,
        cost: Duration,
        look: L,
    ) -> (Self, impl Future<Output = ()> + use<L>)
    where
        L: FnMut(SampleRate, [&[i16]; 2]) -> ort::Result<f32>,
    {
        let (opening, opened) = sync_channel(settings.opening.max(1));
        let (waker, counted) = (Arc::new(AtomicWaker::new()), Arc::new(Counted::default()));
        let bell = Bell::of_task(&waker);
        let worker = Worker::new(look, settings.patience, opened, &counted);
        let run = async move { worker.run_simulated(&time, &waker, cost).await };
        (Self { opening: Some(opening), bell, counted, thread: None }, run)
    }

    /// Opens the history of one call whose samples come at `rate`; `None` where that is neither 8
    /// nor 16 kHz, or the thread takes no more calls.
    pub fn open(&self, rate: SampleRate) -> Option<TurnStream> {
        let band = Band::of(rate)?;
        let (stream, slot) = turn_stream::pair(band, self.bell.clone(), Arc::clone(&self.counted));
        if self.opening.as_ref()?.try_send(Box::new(slot)).is_err() {
            tracing::error!(
                "the turn thread takes no more calls; this one goes without its scores"
            );
            return None;
        }
        self.bell.ring();
        Some(stream)
    }

    /// Asks that wait for their look, as the thread last saw them.
    pub fn backlog(&self) -> u64 {
        self.counted.waiting.load(Ordering::Relaxed)
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

#[derive(Debug, Default)]
pub(crate) struct Counted {
    pub(crate) answered: AtomicU64,
    pub(crate) late: AtomicU64,
    pub(crate) superseded: AtomicU64,
    pub(crate) failed: AtomicU64,
    pub(crate) lost_samples: AtomicU64,
    /// Asks that waited when the thread last chose one.
    pub(crate) waiting: AtomicU64,
}

/// The slot whose ask comes next: the newest. Those older than `patience` are dropped.
fn choose(
    slots: &mut [Slot],
    now: Instant,
    patience: Duration,
    counted: &Counted,
) -> Option<usize> {
    let mut newest: Option<(Instant, usize)> = None;
    let mut waiting = 0;
    for (index, slot) in slots.iter_mut().enumerate() {
        let Some(ask) = slot.ask else { continue };
        if now.saturating_duration_since(ask.at) > patience {
            slot.ask = None;
            counted.late.fetch_add(1, Ordering::Relaxed);
            continue;
        }
        waiting += 1;
        if newest.is_none_or(|(at, _)| ask.at > at) {
            newest = Some((ask.at, index));
        }
    }
    counted.waiting.store(waiting, Ordering::Relaxed);
    newest.map(|(_, index)| index)
}

/// The model, and what brings a call's rate to the model's.
#[derive(Debug)]
pub struct Ear {
    model: TurnModel,
    upsampler: Resampler,
    pcm: Vec<i16>,
}

impl Ear {
    /// An ear for `model`.
    pub fn new(model: TurnModel) -> Self {
        let upsampler = Resampler::new(SampleRate::HZ_8000, SampleRate::HZ_16000)
            .expect("the resampler knows the telephone's rates");
        let room = upsampler.output_bound(mel::SAMPLES / 2) + upsampler.flush_bound();
        Self { model, upsampler, pcm: Vec::with_capacity(room) }
    }

    /// The score of a history at 8 or 16 kHz that comes in two parts.
    ///
    /// # Errors
    ///
    /// ONNX Runtime's own.
    pub fn listen(&mut self, rate: SampleRate, parts: [&[i16]; 2]) -> ort::Result<f32> {
        self.pcm.clear();
        if rate == SampleRate::HZ_8000 {
            for part in parts {
                self.upsampler.process(part, &mut self.pcm);
            }
            self.upsampler.flush(&mut self.pcm);
        } else {
            parts.iter().for_each(|part| self.pcm.extend_from_slice(part));
        }
        self.model.score(&self.pcm)
    }
}

/// The thread.
struct Worker<L> {
    look: L,
    patience: Duration,
    opened: Receiver<Box<Slot>>,
    sleep: Sleep,
    counted: Arc<Counted>,
    slots: Vec<Slot>,
}

impl<L> Worker<L>
where
    L: FnMut(SampleRate, [&[i16]; 2]) -> ort::Result<f32>,
{
    fn new(
        look: L,
        patience: Duration,
        opened: Receiver<Box<Slot>>,
        counted: &Arc<Counted>,
    ) -> Self {
        let (sleep, counted) = (Sleep::default(), Arc::clone(counted));
        Self { look, patience, opened, sleep, counted, slots: Vec::new() }
    }

    fn run(mut self) {
        while self.admit() {
            self.gather();
            let now = Instant::now();
            if let Some(index) = choose(&mut self.slots, now, self.patience, &self.counted) {
                if let Some((ask, score)) = self.look(index) {
                    self.answer(index, &ask, score);
                }
                continue;
            }
            self.sleep.until_rung(self.trims_in(), || self.slots.iter().any(Slot::is_asked));
        }
    }

    /// The same on the clock of a simulation.
    async fn run_simulated(mut self, time: &VirtualTime, waker: &AtomicWaker, cost: Duration) {
        while self.admit() {
            self.gather();
            match choose(&mut self.slots, time.now(), self.patience, &self.counted) {
                Some(index) => {
                    if let Some((ask, score)) = self.look(index) {
                        time.sleep(cost).await;
                        self.answer(index, &ask, score);
                    }
                }
                None => time.until_woken(waker, self.trims_in()).await,
            }
        }
    }

    fn gather(&mut self) {
        self.slots.retain(|slot| !slot.is_abandoned());
        for slot in &mut self.slots {
            slot.gather(&self.counted);
            slot.trim();
        }
    }

    fn trims_in(&self) -> Option<Duration> {
        (!self.slots.is_empty()).then_some(TRIM)
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

    /// Scores a slot's ask.
    fn look(&mut self, index: usize) -> Option<(Ask, ort::Result<f32>)> {
        let Self { look, slots, .. } = self;
        let slot = &mut slots[index];
        let ask = slot.ask.take()?;
        let score = slot.look(&ask, |band, parts| look(band.rate(), parts));
        Some((ask, score))
    }

    /// Answers it.
    fn answer(&mut self, index: usize, ask: &Ask, score: ort::Result<f32>) {
        let Self { slots, counted, .. } = self;
        match score {
            Ok(probability) => {
                // Counted first, so that who has the answer finds it counted.
                counted.answered.fetch_add(1, Ordering::Relaxed);
                if !slots[index].answer(ask, probability) {
                    counted.answered.fetch_sub(1, Ordering::Relaxed);
                    counted.superseded.fetch_add(1, Ordering::Relaxed);
                }
            }
            Err(error) => {
                let failed = counted.failed.fetch_add(1, Ordering::Relaxed) + 1;
                if failed.is_power_of_two() {
                    tracing::error!(%error, failed, "the turn model failed; no score");
                }
            }
        }
    }
}

impl<L> Drop for Worker<L> {
    fn drop(&mut self) {
        if thread::panicking() {
            tracing::error!("the turn thread is gone; turns end without its scores");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_millis(300);

    fn at(start: Instant, millis: u64) -> Instant {
        start + Duration::from_millis(millis)
    }

    #[test]
    fn the_newest_ask_goes_first_and_the_stale_are_dropped() {
        let (start, counted) = (Instant::now(), Counted::default());
        let mut slots = Vec::new();
        let mut streams = Vec::new();
        for (pause, asked) in [(1, 0), (2, 250), (3, 100)] {
            let bell = Sleep::bell(&Sleep::default().flag(), &thread::current());
            let (mut stream, mut slot) = turn_stream::pair(Band::Narrow, bell, Arc::default());
            stream.ask(pause, at(start, asked));
            slot.gather(&counted);
            streams.push(stream);
            slots.push(slot);
        }
        assert_eq!(choose(&mut slots, at(start, 301), PATIENCE, &counted), Some(1));
        assert_eq!(counted.late.load(Ordering::Relaxed), 1, "the first one");
        assert_eq!(counted.waiting.load(Ordering::Relaxed), 2, "with the one that is chosen");
        slots[1].ask = None;
        assert_eq!(choose(&mut slots, at(start, 400), PATIENCE, &counted), Some(2));
        assert_eq!(choose(&mut slots, at(start, 401), PATIENCE, &counted), None);
        assert_eq!(counted.late.load(Ordering::Relaxed), 2);
    }
}
