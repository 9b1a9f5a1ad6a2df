//! When each call's next frame is due: the pure part of the egress clock.
//!
//! Times are durations since an origin the caller chooses, the same for all schedules. One
//! high-resolution clock serves many calls; [`PhaseSpread`] keeps their deadlines apart and
//! [`EgressSchedule`] keeps each on its own grid.

use std::time::Duration;

/// The deadlines of one call: `start + n * period`, without drift however late each is served.
#[derive(Clone, Debug)]
pub struct EgressSchedule {
    start: Duration,
    period: Duration,
    /// Frames sent or skipped so far, which is also the index of the next deadline.
    next: u64,
    catch_up: u64,
    skipped: u64,
}

/// What is to be done at an instant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Due {
    /// Frames to send now: 0 before the deadline, 1 at it, more to catch up.
    pub send: u64,
    /// Frames whose time has passed and that are not sent any more.
    pub skip: u64,
}

impl EgressSchedule {
    /// Deadlines every `period` from `start` on. After a stall up to `catch_up` frames are sent at
    /// once (at least 1); what is overdue beyond them is skipped and counted, so that a stall
    /// never becomes a burst that the far end's jitter buffer must drop.
    ///
    /// # Panics
    ///
    /// Where `period` is zero.
    pub fn new(start: Duration, period: Duration, catch_up: u64) -> Self {
        assert!(!period.is_zero(), "a schedule's period is at least 1 ns");
        Self { start, period, next: 0, catch_up: catch_up.max(1), skipped: 0 }
    }

    /// When the next frame is due.
    pub fn next_deadline(&self) -> Duration {
        // In nanoseconds: Duration's own multiplication takes only u32.
        let offset = self.period.as_nanos() * u128::from(self.next);
        let seconds = u64::try_from(offset / 1_000_000_000).unwrap_or(u64::MAX);
        let nanos = (offset % 1_000_000_000) as u32;
        self.start.saturating_add(Duration::new(seconds, nanos))
    }

    /// Takes what is due at `now` off the schedule. Time that goes backwards finds nothing due.
    pub fn take_due(&mut self, now: Duration) -> Due {
        let Some(late) = now.checked_sub(self.next_deadline()) else {
            return Due::default();
        };
        let overdue = late.as_nanos() / self.period.as_nanos() + 1;
        let overdue = u64::try_from(overdue).unwrap_or(u64::MAX);
        let send = overdue.min(self.catch_up);
        let skip = overdue - send;
        self.next = self.next.saturating_add(overdue);
        self.skipped = self.skipped.saturating_add(skip);
        Due { send, skip }
    }

    /// Frames skipped since the beginning.
    pub fn skipped(&self) -> u64 {
        self.skipped
    }
}

/// Gives each call a phase within the period, so that at any number of calls their deadlines are
/// spread evenly and no tick finds them all at once.
///
/// Slot `n` has the bit-reversed fraction of `n` (van der Corput's sequence: 0, 1/2, 1/4, 3/4,
/// 1/8, ...), whose first `n` members are never more than twice the ideal distance apart; the
/// lowest free slot is taken first.
#[derive(Clone, Debug, Default)]
pub struct PhaseSpread {
    /// Bit `n` of word `w` is set where slot `64 * w + n` is taken.
    taken: Vec<u64>,
}

/// A call's place in a [`PhaseSpread`]; hand it back to [`PhaseSpread::release`] at its end.
#[derive(Debug, PartialEq, Eq)]
pub struct PhaseSlot(u32);

impl PhaseSpread {
    /// No slot taken.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the lowest free slot. Allocates where there are more calls than ever before.
    pub fn take(&mut self) -> PhaseSlot {
        let word = self.taken.iter().position(|&word| word != u64::MAX).unwrap_or_else(|| {
            self.taken.push(0);
            self.taken.len() - 1
        });
        let bit = self.taken[word].trailing_ones();
        self.taken[word] |= 1 << bit;
        PhaseSlot(word as u32 * 64 + bit)
    }

    /// Frees a slot.
    pub fn release(&mut self, slot: PhaseSlot) {
        if let Some(word) = self.taken.get_mut(slot.0 as usize / 64) {
            *word &= !(1 << (slot.0 % 64));
        }
    }
}

impl PhaseSlot {
    /// The slot's phase: from zero up to, not including, `period`.
    pub fn phase(&self, period: Duration) -> Duration {
        let fraction = u128::from(self.0.reverse_bits());
        let nanos = (period.as_nanos() * fraction) >> 32;
        // Less than the period, so its parts fit.
        Duration::new((nanos / 1_000_000_000) as u64, (nanos % 1_000_000_000) as u32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: Duration = Duration::from_millis(20);

    #[test]
    fn deadlines_do_not_drift_however_late_they_are_served() {
        let start = Duration::from_micros(1_234_567);
        let mut schedule = EgressSchedule::new(start, FRAME, 5);
        for n in 0..180_000_u32 {
            let deadline = schedule.next_deadline();
            assert_eq!(deadline, start + FRAME * n);
            let late = Duration::from_micros(u64::from(n % 19) * 1_000);
            assert_eq!(schedule.take_due(deadline + late), Due { send: 1, skip: 0 });
        }
    }

    #[test]
    fn nothing_is_due_before_the_deadline() {
        let mut schedule = EgressSchedule::new(FRAME, FRAME, 5);
        assert_eq!(schedule.take_due(FRAME - Duration::from_nanos(1)), Due::default());
        assert_eq!(schedule.take_due(FRAME), Due { send: 1, skip: 0 });
        assert_eq!(schedule.take_due(FRAME), Due::default());
        assert_eq!(schedule.take_due(Duration::ZERO), Due::default());
    }

    #[test]
    fn a_stall_is_caught_up_within_bounds_and_the_rest_is_counted() {
        let mut schedule = EgressSchedule::new(Duration::ZERO, FRAME, 3);
        assert_eq!(schedule.take_due(FRAME * 2), Due { send: 3, skip: 0 });
        assert_eq!(schedule.take_due(FRAME * 12 + FRAME / 2), Due { send: 3, skip: 7 });
        assert_eq!(schedule.skipped(), 7);
        assert_eq!(schedule.next_deadline(), FRAME * 13, "still on the grid");
    }

    #[test]
    fn any_number_of_calls_is_spread_over_the_period() {
        for calls in [1, 2, 3, 7, 64, 200, 1_000] {
            let mut spread = PhaseSpread::new();
            let mut phases: Vec<Duration> =
                (0..calls).map(|_| spread.take().phase(FRAME)).collect();
            phases.sort_unstable();
            phases.push(phases[0] + FRAME);
            let widest = phases.windows(2).map(|pair| pair[1] - pair[0]).max();
            assert!(widest <= Some(FRAME * 2 / calls + Duration::from_nanos(1)), "{calls} calls");
            assert!(phases.windows(2).all(|pair| pair[0] < pair[1]), "no two share a phase");
        }
    }

    #[test]
    fn a_freed_slot_is_taken_again_first() {
        let mut spread = PhaseSpread::new();
        let mut slots: Vec<_> = (0..130).map(|_| spread.take()).collect();
        let phase = slots[70].phase(FRAME);
        spread.release(slots.swap_remove(70));
        assert_eq!(spread.take().phase(FRAME), phase);
        assert!(!slots.contains(&spread.take()));
    }
}
