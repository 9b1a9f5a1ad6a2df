//! How late tasks are woken.
//!
//! A wake-up that is due at one moment and runs at another is the first sign of too much work: it
//! shows before a frame is late, for the carrier holds a few of ours. The counts are written by
//! calls' tasks with one addition each, without a lock, and read by whoever wants to know.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The classes' upper bounds, in microseconds: doubled from a quarter of a millisecond on. What is
/// later than the last is counted apart.
pub const BOUNDS_US: [u64; 12] =
    [250, 500, 1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 64_000, 128_000, 256_000, 512_000];

/// Classes, the one without a bound included.
const CLASSES: usize = BOUNDS_US.len() + 1;

/// Counts of wake-ups by how late they were, since the engine began.
#[derive(Debug, Default)]
pub struct LagHistogram {
    counts: [AtomicU64; CLASSES],
    sum_us: AtomicU64,
}

/// What a [`LagHistogram`] held at some moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LagCounts {
    /// Wake-ups by class: those of [`BOUNDS_US`], and what was later.
    pub counts: [u64; CLASSES],
    /// All their lateness, in microseconds.
    pub sum_us: u64,
}

impl LagHistogram {
    /// A wake-up was late by `lag`.
    pub fn note(&self, lag: Duration) {
        let us = u64::try_from(lag.as_micros()).unwrap_or(u64::MAX);
        let class = BOUNDS_US.partition_point(|bound| *bound < us);
        self.counts[class].fetch_add(1, Ordering::Relaxed);
        self.sum_us.fetch_add(us, Ordering::Relaxed);
    }

    /// What it holds now.
    pub fn read(&self) -> LagCounts {
        LagCounts {
            counts: std::array::from_fn(|class| self.counts[class].load(Ordering::Relaxed)),
            sum_us: self.sum_us.load(Ordering::Relaxed),
        }
    }
}

impl LagCounts {
    /// What was counted between `earlier` and this.
    pub fn since(&self, earlier: &Self) -> Self {
        let counts = |class: usize| self.counts[class].saturating_sub(earlier.counts[class]);
        Self {
            counts: std::array::from_fn(counts),
            sum_us: self.sum_us.saturating_sub(earlier.sum_us),
        }
    }

    /// How many wake-ups there were.
    pub fn total(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// A lateness that `part` of the wake-ups did not exceed: the upper bound of its class (twice
    /// the last bound for what is beyond it). Zero where there were none.
    pub fn quantile(&self, part: f64) -> Duration {
        let rank = (part * self.total() as f64).ceil().max(1.0) as u64;
        let mut seen = 0;
        for (class, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= rank {
                let last = BOUNDS_US[BOUNDS_US.len() - 1] * 2;
                return Duration::from_micros(BOUNDS_US.get(class).copied().unwrap_or(last));
            }
        }
        Duration::ZERO
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_is_the_bound_of_its_class() {
        let histogram = LagHistogram::default();
        assert_eq!(histogram.read().quantile(0.95), Duration::ZERO);
        for us in [0, 250, 251, 900, 3_000] {
            histogram.note(Duration::from_micros(us));
        }
        let counts = histogram.read();
        assert_eq!(counts.counts[..5], [2, 1, 1, 0, 1]);
        assert_eq!((counts.total(), counts.sum_us), (5, 4_401));
        assert_eq!(counts.quantile(0.4), Duration::from_micros(250));
        assert_eq!(counts.quantile(0.95), Duration::from_millis(4));
    }

    #[test]
    fn what_is_beyond_every_bound_is_counted_too() {
        let histogram = LagHistogram::default();
        histogram.note(Duration::from_secs(3));
        assert_eq!(histogram.read().quantile(0.5), Duration::from_micros(1_024_000));
    }

    #[test]
    fn what_came_since_is_the_difference() {
        let histogram = LagHistogram::default();
        histogram.note(Duration::from_millis(100));
        let earlier = histogram.read();
        histogram.note(Duration::from_millis(1));
        let since = histogram.read().since(&earlier);
        assert_eq!((since.total(), since.sum_us), (1, 1_000));
        assert_eq!(since.quantile(0.95), Duration::from_millis(1));
    }
}
