//! When the shared inference thread runs, and in what batches. Pure: time is an argument.

use std::time::{Duration, Instant};

/// How the inference thread divides its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScheduleSettings {
    /// Up to this many open streams a window is scored as soon as it is whole. Default 16.
    pub eager_streams: usize,
    /// With more streams, the thread runs once per tick. Default 8 ms. Taking only what happens
    /// to be ready would settle near batches of one: the windows of independent calls are spread
    /// evenly over their 32 ms, and a tick gathers a quarter of them.
    pub tick: Duration,
    /// Most windows in one run of the model. Default 32: beyond it a row costs no less.
    pub max_batch: usize,
}

impl Default for ScheduleSettings {
    fn default() -> Self {
        Self { eager_streams: 16, tick: Duration::from_millis(8), max_batch: 32 }
    }
}

/// What the inference thread does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Score everything that is ready.
    Run,
    /// Sleep until a stream has a whole window.
    AwaitWork,
    /// Sleep until then, whatever arrives.
    SleepUntil(Instant),
}

/// Decides when the inference thread runs.
#[derive(Clone, Debug)]
pub struct Schedule {
    settings: ScheduleSettings,
    /// The next tick, while ticking.
    next_tick: Option<Instant>,
}

impl Schedule {
    /// A schedule that has not begun to tick.
    pub const fn new(settings: ScheduleSettings) -> Self {
        Self { settings, next_tick: None }
    }

    /// What to do at `now` with `streams` open streams, some of which have a whole window if
    /// `ready`.
    ///
    /// Ticks are on a fixed grid from the first one; those that were missed are left out.
    pub fn next(&mut self, now: Instant, streams: usize, ready: bool) -> Step {
        if streams <= self.settings.eager_streams {
            self.next_tick = None;
            return if ready { Step::Run } else { Step::AwaitWork };
        }
        let due = *self.next_tick.get_or_insert(now);
        if now < due {
            return Step::SleepUntil(due);
        }
        let tick = self.settings.tick.max(Duration::from_micros(1));
        let late = (now - due).as_nanos() / tick.as_nanos();
        let skipped = u32::try_from(late).unwrap_or(u32::MAX).saturating_add(1);
        let next = due + tick * skipped;
        self.next_tick = Some(next);
        if ready { Step::Run } else { Step::SleepUntil(next) }
    }

    /// The sizes of the batches for `ready` windows: as few as possible, and as even as possible,
    /// because a small remainder costs nearly as much as half a batch.
    pub fn batches(&self, ready: usize) -> impl Iterator<Item = usize> + use<> {
        let max = self.settings.max_batch.max(1);
        let count = ready.div_ceil(max);
        let (size, larger) = (ready / count.max(1), ready % count.max(1));
        (0..count).map(move |index| size + usize::from(index < larger))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TICK: Duration = Duration::from_millis(8);

    fn schedule() -> Schedule {
        Schedule::new(ScheduleSettings::default())
    }

    #[test]
    fn few_streams_run_at_once() {
        let (mut schedule, now) = (schedule(), Instant::now());
        assert_eq!(schedule.next(now, 0, false), Step::AwaitWork);
        assert_eq!(schedule.next(now, 1, false), Step::AwaitWork);
        assert_eq!(schedule.next(now, 1, true), Step::Run);
        assert_eq!(schedule.next(now, 16, true), Step::Run);
        assert_eq!(schedule.next(now, 16, true), Step::Run);
    }

    #[test]
    fn many_streams_run_on_the_tick() {
        let (mut schedule, start) = (schedule(), Instant::now());
        assert_eq!(schedule.next(start, 17, true), Step::Run);
        // Whatever is ready waits for the tick.
        let soon = start + Duration::from_millis(3);
        assert_eq!(schedule.next(soon, 17, true), Step::SleepUntil(start + TICK));
        assert_eq!(schedule.next(start + TICK, 17, true), Step::Run);
        assert_eq!(schedule.next(start + TICK, 17, true), Step::SleepUntil(start + 2 * TICK));
    }

    #[test]
    fn an_empty_tick_is_passed_over() {
        let (mut schedule, start) = (schedule(), Instant::now());
        assert_eq!(schedule.next(start, 17, false), Step::SleepUntil(start + TICK));
        assert_eq!(schedule.next(start + TICK, 17, false), Step::SleepUntil(start + 2 * TICK));
    }

    #[test]
    fn missed_ticks_are_left_out_and_the_grid_is_kept() {
        let (mut schedule, start) = (schedule(), Instant::now());
        assert_eq!(schedule.next(start, 100, true), Step::Run);
        let late = start + Duration::from_millis(35);
        assert_eq!(schedule.next(late, 100, true), Step::Run);
        assert_eq!(schedule.next(late, 100, true), Step::SleepUntil(start + 5 * TICK));
    }

    #[test]
    fn falling_back_to_few_streams_ends_the_ticking() {
        let (mut schedule, start) = (schedule(), Instant::now());
        assert_eq!(schedule.next(start, 17, true), Step::Run);
        assert_eq!(schedule.next(start, 16, true), Step::Run);
        assert_eq!(schedule.next(start, 17, true), Step::Run, "a new grid begins at once");
    }

    #[test]
    fn batches_are_few_and_even() {
        let sizes = |ready| schedule().batches(ready).collect::<Vec<_>>();
        assert_eq!(sizes(0), [0; 0]);
        assert_eq!(sizes(1), [1]);
        assert_eq!(sizes(32), [32]);
        assert_eq!(sizes(33), [17, 16]);
        assert_eq!(sizes(100), [25, 25, 25, 25]);
        for ready in 0..500 {
            let sizes = sizes(ready);
            assert_eq!(sizes.iter().sum::<usize>(), ready);
            assert!(sizes.iter().all(|size| (1..=32).contains(size)));
        }
    }
}
