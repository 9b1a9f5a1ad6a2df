//! The way to the carrier and back, by WebSocket pings (RFC 6455 §5.5.2).
//!
//! It serves twice. Half of it is how long a `clear` travels and a mark returns, which the
//! playhead is corrected by. And a peer that used to answer and does so no more has stopped
//! reading, long before the system's own buffers are full and our sends stall: at 12 KB/s they
//! hold minutes.
//!
//! Pure: time is an argument.

use std::time::Duration;

use turntaking::time::Instant;

/// Between two pings.
const INTERVAL: Duration = Duration::from_secs(1);

/// The best of so many answers counts: delay is only ever added.
const WINDOW: usize = 8;

/// What is known of the round trip.
#[derive(Debug, Default)]
pub(crate) struct RoundTrip {
    next: Option<Instant>,
    /// When the oldest ping left that neither it nor a later one was answered.
    unanswered: Option<Instant>,
    recent: [Duration; WINDOW],
    measured: usize,
}

impl RoundTrip {
    /// The payload of the ping that is due at `now`, if one is.
    pub(crate) fn poll_ping(&mut self, now: Instant) -> Option<[u8; 8]> {
        if self.next.is_some_and(|next| now < next) {
            return None;
        }
        self.next = Some(now + INTERVAL);
        self.unanswered.get_or_insert(now);
        Some(now.as_micros().to_be_bytes())
    }

    /// An answer came. One that is not to a ping of ours is ignored.
    pub(crate) fn handle_pong(&mut self, payload: &[u8], now: Instant) {
        let Ok(sent) = payload.try_into().map(u64::from_be_bytes) else { return };
        if sent > now.as_micros() {
            return;
        }
        self.unanswered = None;
        self.recent[self.measured % WINDOW] = now.since(Instant::from_micros(sent));
        self.measured += 1;
    }

    /// One way, once it was measured.
    pub(crate) fn one_way(&self) -> Option<Duration> {
        self.recent.iter().take(self.measured).min().map(|&shortest| shortest / 2)
    }

    /// How long a peer that has answered before has not done so.
    pub(crate) fn overdue(&self, now: Instant) -> Duration {
        match self.unanswered {
            Some(since) if self.measured > 0 => now.since(since),
            _ => Duration::ZERO,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(millis: u64) -> Instant {
        Instant::from_millis(millis)
    }

    #[test]
    fn pings_are_a_second_apart_and_the_best_answer_counts() {
        let mut trip = RoundTrip::default();
        let first = trip.poll_ping(ms(0)).expect("due");
        assert_eq!(trip.poll_ping(ms(999)), None);
        assert_eq!(trip.one_way(), None);
        trip.handle_pong(&first, ms(90));
        assert_eq!(trip.one_way(), Some(Duration::from_millis(45)));
        let second = trip.poll_ping(ms(1_000)).expect("due");
        trip.handle_pong(&second, ms(1_040));
        assert_eq!(trip.one_way(), Some(Duration::from_millis(20)));
        for step in 2..12 {
            let ping = trip.poll_ping(ms(step * 1_000)).expect("due");
            trip.handle_pong(&ping, ms(step * 1_000 + 60));
        }
        assert_eq!(trip.one_way(), Some(Duration::from_millis(30)), "the way has changed");
    }

    #[test]
    fn only_a_peer_that_used_to_answer_is_overdue() {
        let mut trip = RoundTrip::default();
        let ping = trip.poll_ping(ms(0)).expect("due");
        assert_eq!(trip.overdue(ms(9_000)), Duration::ZERO);
        trip.handle_pong(&ping, ms(10));
        trip.poll_ping(ms(1_000)).expect("due");
        trip.poll_ping(ms(2_000)).expect("due");
        assert_eq!(trip.overdue(ms(2_500)), Duration::from_millis(1_500));
        trip.handle_pong(&2_000_000u64.to_be_bytes(), ms(2_600));
        assert_eq!(trip.overdue(ms(3_000)), Duration::ZERO, "the last stands for all");
    }

    #[test]
    fn foreign_answers_are_ignored() {
        let mut trip = RoundTrip::default();
        trip.handle_pong(b"", ms(5));
        trip.handle_pong(b"heartbeat", ms(5));
        trip.handle_pong(&u64::MAX.to_be_bytes(), ms(5));
        assert_eq!(trip.one_way(), None);
    }
}
