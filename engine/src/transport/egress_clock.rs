//! One high-resolution clock for the outgoing media of all calls.
//!
//! tokio's timers round up to a millisecond and fire all calls that share one at once. This
//! thread sleeps to absolute deadlines instead, and gives each call a slot in one of twenty
//! phases, a millisecond apart, so that two hundred calls do not all send in the same one. A
//! tick wakes the call's task through an [`AtomicWaker`]: no lock, no allocation, no queue; a
//! task that is late finds one tick, not several.
//!
//! Lateness of the thread itself is counted and can be read: see [`EgressClock::lateness`]. How late
//! the tasks then run, from the moment a tick was due, is counted too: see [`EgressClock::wakes`].

use std::future::Future as _;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use atomic_waker::AtomicWaker;
use codecs::pacer::{EgressSchedule, PhaseSpread};

use crate::lag::LagHistogram;

/// Between two ticks of a slot.
pub const TICK: Duration = Duration::from_millis(20);

/// Phases are rounded down to one of these many, so that the thread wakes at most once in each.
const PHASES: usize = 20;

/// Between two phases.
const STEP: Duration = Duration::from_millis(1);

/// The thread, and the slots that calls take. Dropping it stops the thread; tickers made of its
/// slots then never tick again, so it is to outlive the calls.
#[derive(Debug)]
pub struct EgressClock {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

/// How late the clock's thread was, since it began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lateness {
    /// Deadlines kept.
    pub deadlines: u64,
    /// Those of them that were late by more than 1 ms.
    pub late: u64,
    /// The latest.
    pub worst: Duration,
}

#[derive(Debug)]
struct Shared {
    slots: Box<[Slot]>,
    phases: [Phase; PHASES],
    stop: AtomicBool,
    deadlines: AtomicU64,
    late: AtomicU64,
    worst_nanos: AtomicU64,
    began: Instant,
    wakes: Arc<LagHistogram>,
}

#[derive(Debug, Default)]
struct Phase {
    /// Its slots, by index.
    slots: Vec<usize>,
    /// How many of them are taken.
    taken: AtomicUsize,
}

#[derive(Debug, Default)]
struct Slot {
    phase: usize,
    taken: AtomicBool,
    /// Ticks of this slot's phase so far.
    ticks: AtomicU64,
    /// The tick its task waits for.
    awaited: AtomicU64,
    /// When that was due, in ns since the clock began; 0: it has not come.
    due_nanos: AtomicU64,
    waker: AtomicWaker,
}

impl EgressClock {
    /// Starts the thread, with slots for `calls` calls.
    ///
    /// # Errors
    ///
    /// Where the system starts no thread.
    pub fn start(calls: usize) -> io::Result<Self> {
        let mut spread = PhaseSpread::new();
        let mut phases: [Phase; PHASES] = Default::default();
        let slots = (0..calls)
            .map(|index| {
                let phase = phase_of(spread.take().phase(TICK).as_millis());
                phases[phase].slots.push(index);
                Slot { phase, ..Slot::default() }
            })
            .collect();
        let shared = Arc::new(Shared {
            slots,
            phases,
            stop: AtomicBool::new(false),
            deadlines: AtomicU64::new(0),
            late: AtomicU64::new(0),
            worst_nanos: AtomicU64::new(0),
            began: Instant::now(),
            wakes: Arc::default(),
        });
        let clock = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("egress-clock".to_owned())
            .spawn(move || run(&clock))?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// A ticker in the first free slot, whose phase is far from the others'; where every slot is taken, one on tokio's timers.
    pub fn ticker(&self) -> Ticker {
        let taken = self.shared.take();
        let Some(index) = taken else { return Ticker::tokio() };
        if let Some(thread) = &self.thread {
            thread.thread().unpark();
        }
        let slot = &self.shared.slots[index];
        let next = slot.ticks.load(Ordering::Acquire) + 1;
        slot.await_tick(next);
        let shared = Arc::clone(&self.shared);
        Ticker { source: Source::Clock { shared, index, next, period: 1 }, worst: Duration::ZERO }
    }

    /// How late tasks ran, counted from the moment at which each tick was due.
    pub fn wakes(&self) -> Arc<LagHistogram> {
        Arc::clone(&self.shared.wakes)
    }

    /// How well deadlines were kept.
    pub fn lateness(&self) -> Lateness {
        self.shared.lateness()
    }

    /// Reads [`Self::lateness`] whenever it is called, wherever the clock is.
    pub fn lateness_reader(&self) -> impl Fn() -> Lateness + Send + Sync + 'static {
        let shared = Arc::clone(&self.shared);
        move || shared.lateness()
    }
}

impl Drop for EgressClock {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // It can only have panicked, which its own message has told.
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn take(&self) -> Option<usize> {
        let index = self.slots.iter().position(|slot| {
            slot.taken.compare_exchange(false, true, Ordering::AcqRel, Ordering::Relaxed).is_ok()
        })?;
        self.phases[self.slots[index].phase].taken.fetch_add(1, Ordering::Release);
        Some(index)
    }

    fn give_back(&self, index: usize) {
        let slot = &self.slots[index];
        slot.waker.take();
        slot.awaited.store(u64::MAX, Ordering::Release);
        self.phases[slot.phase].taken.fetch_sub(1, Ordering::Release);
        slot.taken.store(false, Ordering::Release);
    }

    fn tick(&self, phase: &Phase, due: Duration) {
        let due = u64::try_from(due.as_nanos()).unwrap_or(u64::MAX).max(1);
        for slot in phase.slots.iter().map(|&index| &self.slots[index]) {
            if slot.taken.load(Ordering::Acquire) {
                let tick = slot.ticks.load(Ordering::Acquire) + 1;
                let awaited = slot.awaited.load(Ordering::Acquire);
                if tick == awaited {
                    slot.due_nanos.store(due, Ordering::Release);
                }
                // Only this thread writes it.
                slot.ticks.store(tick, Ordering::Release);
                if tick >= awaited {
                    slot.waker.wake();
                }
            }
        }
    }

    fn lateness(&self) -> Lateness {
        let load = |value: &AtomicU64| value.load(Ordering::Relaxed);
        Lateness {
            deadlines: load(&self.deadlines),
            late: load(&self.late),
            worst: Duration::from_nanos(load(&self.worst_nanos)),
        }
    }

    fn note(&self, lateness: Duration) {
        let nanos = u64::try_from(lateness.as_nanos()).unwrap_or(u64::MAX);
        self.deadlines.fetch_add(1, Ordering::Relaxed);
        self.late.fetch_add(u64::from(lateness > Duration::from_millis(1)), Ordering::Relaxed);
        self.worst_nanos.fetch_max(nanos, Ordering::Relaxed);
    }
}

impl Slot {
    /// The slot's task waits for the tick `next`.
    fn await_tick(&self, next: u64) {
        self.due_nanos.store(0, Ordering::Release);
        self.awaited.store(next, Ordering::Release);
    }
}

fn phase_of(step: u128) -> usize {
    (step % PHASES as u128) as usize
}

fn run(shared: &Shared) {
    let began = shared.began;
    // After a stall each phase ticks once; what was missed beyond that is not made up for.
    let mut schedule = EgressSchedule::new(Duration::ZERO, STEP, PHASES as u64);
    let mut step = 0u128;
    while !shared.stop.load(Ordering::Acquire) {
        let used = |step: u128| shared.phases[phase_of(step)].taken.load(Ordering::Acquire) > 0;
        if !(step..step + PHASES as u128).any(used) {
            // No call: sleep until one comes. What would have been due meanwhile is nobody's.
            std::thread::park();
            let due = schedule.take_due(began.elapsed());
            step += u128::from(due.send) + u128::from(due.skip);
            continue;
        }
        if !used(step) {
            let deadline = schedule.next_deadline();
            schedule.take_due(deadline);
            step += 1;
            continue;
        }
        let deadline = schedule.next_deadline();
        if let Some(rest) = deadline.checked_sub(began.elapsed()) {
            std::thread::sleep(rest);
        }
        let now = began.elapsed();
        let due = schedule.take_due(now);
        if used(step) {
            shared.note(now.saturating_sub(deadline));
        }
        let all = u128::from(due.send) + u128::from(due.skip);
        for late in 0..due.send {
            let phase = &shared.phases[phase_of(step + u128::from(late))];
            shared.tick(phase, deadline + STEP * u32::try_from(late).unwrap_or(u32::MAX));
        }
        step += all;
    }
}

/// Ticks for one call, each 20 ms or each multiple of that. Ticks that nobody waited for are lost.
#[derive(Debug)]
pub struct Ticker {
    source: Source,
    /// The latest wake-up since it was last asked for.
    worst: Duration,
}

#[derive(Debug)]
enum Source {
    /// A slot of the clock.
    Clock { shared: Arc<Shared>, index: usize, next: u64, period: u32 },
    /// tokio's timers: for tests on paused time, and when there are more calls than slots.
    Tokio {
        sleep: Option<Pin<Box<tokio::time::Sleep>>>,
        last: Option<tokio::time::Instant>,
        period: u32,
    },
}

impl Ticker {
    /// A ticker on tokio's timers. It begins at its first poll.
    pub fn tokio() -> Self {
        let source = Source::Tokio { sleep: None, last: None, period: 1 };
        Self { source, worst: Duration::ZERO }
    }

    /// From the last tick on, tick each `ticks` × 20 ms. 0 counts as 1.
    pub fn set_period(&mut self, ticks: u32) {
        let ticks = ticks.max(1);
        match &mut self.source {
            Source::Clock { shared, index, next, period } if *period != ticks => {
                *next = *next - u64::from(*period) + u64::from(ticks);
                *period = ticks;
                shared.slots[*index].await_tick(*next);
            }
            Source::Tokio { sleep, last, period } if *period != ticks => {
                *period = ticks;
                if let (Some(sleep), Some(last)) = (sleep, last) {
                    sleep.as_mut().reset(*last + TICK * ticks);
                }
            }
            Source::Clock { .. } | Source::Tokio { .. } => {}
        }
    }

    /// How late its task was woken at worst since this was last asked.
    pub const fn take_worst_lag(&mut self) -> Duration {
        std::mem::replace(&mut self.worst, Duration::ZERO)
    }

    /// Ready once for each tick; else the task is woken at the next.
    pub fn poll_tick(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match &mut self.source {
            Source::Clock { shared, index, next, period } => {
                let slot = &shared.slots[*index];
                if slot.ticks.load(Ordering::Acquire) < *next {
                    slot.waker.register(cx.waker());
                    // It may have ticked in between.
                    if slot.ticks.load(Ordering::Acquire) < *next {
                        return Poll::Pending;
                    }
                }
                if let due @ 1.. = slot.due_nanos.load(Ordering::Acquire) {
                    let lag = shared.began.elapsed().saturating_sub(Duration::from_nanos(due));
                    shared.wakes.note(lag);
                    self.worst = self.worst.max(lag);
                }
                *next = slot.ticks.load(Ordering::Acquire) + u64::from(*period);
                slot.await_tick(*next);
                Poll::Ready(())
            }
            Source::Tokio { sleep, last, period } => {
                let now = tokio::time::Instant::now();
                let step = TICK * *period;
                let sleep = sleep.get_or_insert_with(|| {
                    *last = Some(now);
                    Box::pin(tokio::time::sleep(step))
                });
                if sleep.as_mut().poll(cx).is_pending() {
                    return Poll::Pending;
                }
                // On the grid, as far as it was kept.
                let due = sleep.deadline();
                self.worst = self.worst.max(now.saturating_duration_since(due));
                let due = if now.saturating_duration_since(due) < step { due } else { now };
                *last = Some(due);
                sleep.as_mut().reset(due + step);
                Poll::Ready(())
            }
        }
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        if let Source::Clock { shared, index, .. } = &self.source {
            shared.give_back(*index);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(clock: &EgressClock) -> Vec<usize> {
        clock.shared.phases.iter().map(|phase| phase.taken.load(Ordering::Relaxed)).collect()
    }

    #[test]
    fn calls_are_spread_over_the_phases_and_slots_come_back() {
        let clock = EgressClock::start(200).expect("a thread");
        let mut tickers = vec![clock.ticker(), clock.ticker()];
        assert_eq!((taken(&clock)[0], taken(&clock)[10]), (1, 1), "as far apart as can be");
        tickers.extend((2..200).map(|_| clock.ticker()));
        assert!(
            taken(&clock).iter().all(|&calls| (8..=12).contains(&calls)),
            "{:?}",
            taken(&clock)
        );
        assert!(matches!(clock.ticker().source, Source::Tokio { .. }), "there are only 200");
        drop(tickers);
        assert!(taken(&clock).iter().all(|&calls| calls == 0));
        assert!(matches!(clock.ticker().source, Source::Clock { .. }));
    }

    #[tokio::test]
    async fn the_thread_wakes_a_task_again_and_again() {
        let clock = EgressClock::start(1).expect("a thread");
        let mut ticker = clock.ticker();
        for ticks in [1, 1, 2, 1] {
            ticker.set_period(ticks);
            std::future::poll_fn(|cx| ticker.poll_tick(cx)).await;
        }
        assert!(clock.lateness().deadlines >= 5);
        let woken = clock.wakes().read().total();
        assert_eq!(woken, 4, "each wake-up is counted once");
        assert!(ticker.take_worst_lag() > Duration::ZERO);
        assert_eq!(ticker.take_worst_lag(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn tokios_ticker_keeps_its_grid() {
        let mut ticker = Ticker::tokio();
        let began = tokio::time::Instant::now();
        for tick in 1..=5u32 {
            std::future::poll_fn(|cx| ticker.poll_tick(cx)).await;
            assert_eq!(began.elapsed(), TICK * tick);
        }
        ticker.set_period(3);
        std::future::poll_fn(|cx| ticker.poll_tick(cx)).await;
        assert_eq!(began.elapsed(), TICK * 8);
    }
}
