//! Whether the engine keeps time well enough to take another call.
//!
//! A call too many does not fail: it makes all of them late. So new calls are refused while the
//! calls' tasks are woken late, and those in progress keep what they have. The measure is the 95th
//! percentile of lateness over half a second ([`LagHistogram`](crate::lag::LagHistogram)).
//!
//! Work comes in bursts, so one bad window means nothing: it takes two in a row to refuse, and six
//! calm ones to admit again. Between calm and late, when lateness has reached half of the limit,
//! calls are let in one by one, a window apart: a hundred that come at once are not all there
//! before the first of them could be felt.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior};

use crate::lag::LagCounts;

/// Between two looks.
pub(super) const WINDOW: Duration = Duration::from_millis(500);

/// The part of the wake-ups that may be later than the limit.
const PERCENTILE: f64 = 0.95;

/// Late windows in a row after which calls are refused: a second.
const LATE_WINDOWS: u32 = 2;

/// Calm windows in a row after which calls are taken again: three seconds.
const CALM_WINDOWS: u32 = 6;

/// Judges one window after the other. Pure: the lateness of each is an argument.
#[derive(Clone, Copy, Debug)]
pub struct OverloadDetector {
    limit: Duration,
    late: u32,
    calm: u32,
    verdict: Verdict,
}

/// What becomes of a call that comes now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is taken.
    Calm,
    /// One in each window is.
    Busy,
    /// It is refused.
    Overloaded,
}

impl OverloadDetector {
    /// Refuses beyond `limit`.
    pub const fn new(limit: Duration) -> Self {
        Self { limit, late: 0, calm: 0, verdict: Verdict::Calm }
    }

    /// Takes the lateness of the last window.
    pub fn note(&mut self, lag: Duration) -> Verdict {
        let is_late = lag > self.limit;
        let is_calm = lag <= self.limit / 2;
        self.late = if is_late { self.late + 1 } else { 0 };
        self.calm = if is_calm { self.calm + 1 } else { 0 };
        self.verdict = match self.verdict {
            Verdict::Overloaded if self.calm < CALM_WINDOWS => Verdict::Overloaded,
            _ if self.late >= LATE_WINDOWS => Verdict::Overloaded,
            _ if is_calm => Verdict::Calm,
            _ => Verdict::Busy,
        };
        self.verdict
    }
}

/// The verdict as the registry reads it. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Overload(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    overloaded: AtomicBool,
    /// The window's only place is free, or places are not counted.
    open: Place,
    lag_us: AtomicU64,
}

/// The places of a window.
#[derive(Debug, Default)]
struct Place {
    counted: AtomicBool,
    taken: AtomicBool,
}

impl Overload {
    /// How late wake-ups were in the last window, at the 95th percentile.
    pub fn lag(&self) -> Duration {
        Duration::from_micros(self.0.lag_us.load(Ordering::Relaxed))
    }

    /// New calls are refused.
    pub fn is_overloaded(&self) -> bool {
        self.0.overloaded.load(Ordering::Relaxed)
    }

    /// A call would be taken.
    pub fn has_room(&self) -> bool {
        let Place { counted, taken } = &self.0.open;
        let is_taken = counted.load(Ordering::Relaxed) && taken.load(Ordering::Relaxed);
        !self.is_overloaded() && !is_taken
    }

    /// Takes a place, where one is to be had.
    pub fn take(&self) -> bool {
        let Place { counted, taken } = &self.0.open;
        if self.is_overloaded() {
            return false;
        }
        let before = taken.swap(true, Ordering::Relaxed);
        !(counted.load(Ordering::Relaxed) && before)
    }

    fn set(&self, verdict: Verdict, lag: Duration) {
        let us = u64::try_from(lag.as_micros()).unwrap_or(u64::MAX);
        self.0.lag_us.store(us, Ordering::Relaxed);
        self.0.open.counted.store(verdict == Verdict::Busy, Ordering::Relaxed);
        self.0.open.taken.store(false, Ordering::Relaxed);
        let overloaded = verdict == Verdict::Overloaded;
        if self.0.overloaded.swap(overloaded, Ordering::Relaxed) != overloaded {
            let lag_ms = us / 1_000;
            if overloaded {
                tracing::warn!(
                    lag_ms,
                    "overloaded: new calls are refused until wake-ups are on time"
                );
            } else {
                tracing::info!(lag_ms, "no longer overloaded: calls are taken again");
            }
        }
    }

    /// Looks at `lags` twice a second, and at how late it is woken itself, which is all there is to
    /// see where no call is running. Ends once nobody else has the verdict.
    pub fn watch(
        &self,
        lags: impl Fn() -> LagCounts + Send + 'static,
        limit: Duration,
    ) -> impl Future<Output = ()> + Send + 'static {
        let shared = Arc::downgrade(&self.0);
        async move {
            let mut detector = OverloadDetector::new(limit);
            let mut earlier = lags();
            let mut tick = tokio::time::interval_at(Instant::now() + WINDOW, WINDOW);
            // A look that was late is no reason to hurry with the next.
            tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                let due = tick.tick().await;
                let Some(overload) = shared.upgrade().map(Self) else { return };
                let now = lags();
                let window = now.since(&earlier);
                earlier = now;
                let lag = match window.total() {
                    0 => due.elapsed(),
                    _ => window.quantile(PERCENTILE),
                };
                overload.set(detector.note(lag), lag);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_millis(20);

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn it_takes_two_late_windows_to_refuse_and_six_calm_ones_to_admit() {
        let mut detector = OverloadDetector::new(LIMIT);
        assert_eq!(detector.note(ms(1)), Verdict::Calm);
        assert_eq!(detector.note(ms(50)), Verdict::Busy, "a burst");
        assert_eq!(detector.note(ms(1)), Verdict::Calm);
        assert_eq!(detector.note(ms(50)), Verdict::Busy);
        assert_eq!(detector.note(ms(50)), Verdict::Overloaded);
        for _ in 0..5 {
            assert_eq!(detector.note(ms(8)), Verdict::Overloaded);
        }
        assert_eq!(detector.note(ms(15)), Verdict::Overloaded, "not calm: it counts anew");
        for _ in 0..5 {
            assert_eq!(detector.note(ms(8)), Verdict::Overloaded);
        }
        assert_eq!(detector.note(ms(8)), Verdict::Calm);
    }

    #[test]
    fn near_the_limit_calls_come_one_by_one() {
        let overload = Overload::default();
        assert!(overload.take() && overload.take(), "calm");
        overload.set(Verdict::Busy, ms(15));
        assert!(overload.has_room());
        assert!(overload.take());
        assert!(!overload.has_room() && !overload.take());
        overload.set(Verdict::Busy, ms(15));
        assert!(overload.take(), "the next window");
        overload.set(Verdict::Overloaded, ms(40));
        assert!(!overload.take() && overload.is_overloaded());
        assert_eq!(overload.lag(), ms(40));
    }
}
