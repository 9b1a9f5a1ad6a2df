//! The call's clocks: wall time since the call began, and the caller's audio placed on it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use codecs::SampleRate;
use turntaking::time::Instant;

/// Time since the call began. Follows tokio's clock, so tests may pause it.
#[derive(Clone, Copy, Debug)]
pub struct CallClock {
    origin: tokio::time::Instant,
    began: SystemTime,
}

impl CallClock {
    /// A clock that starts now.
    pub fn start() -> Self {
        Self { origin: tokio::time::Instant::now(), began: SystemTime::now() }
    }

    /// The present moment of the call.
    pub fn now(self) -> Instant {
        Instant::START + self.origin.elapsed()
    }

    /// The same moment on the wall clock: ms since 1970.
    pub fn unix_millis(self, at: Instant) -> u64 {
        let began = self.began.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        u64::try_from((began + at.since_start()).as_millis()).unwrap_or(u64::MAX)
    }

    /// The same moment on tokio's clock.
    pub fn to_tokio(self, at: Instant) -> tokio::time::Instant {
        self.origin + at.since_start()
    }
}

/// How fast the estimate follows a carrier clock that runs late against ours: 200 ppm, twice the
/// worst pair of crystals that telephony hardware is specified for.
const LEAK_PER_SECOND: Duration = Duration::from_micros(200);

/// Places samples of the caller's stream on the call's clock.
///
/// The network only ever delays a frame, so the earliest arrival seen is the best estimate of
/// where the stream lies; frames that come late or in bunches do not move it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AudioClock {
    rate: SampleRate,
    /// Arrival of sample 0, had the network taken its shortest time; and when it was estimated.
    anchor: Option<(Instant, Instant)>,
}

impl AudioClock {
    /// A clock for a stream of `rate` samples per second.
    pub(crate) const fn new(rate: SampleRate) -> Self {
        Self { rate, anchor: None }
    }

    /// The samples before `end` have all arrived at `now`.
    pub(crate) fn observe(&mut self, end: u64, now: Instant) {
        let candidate = now - self.rate.duration_of(end);
        let anchor = match self.anchor {
            Some((anchor, at)) => {
                let leak = LEAK_PER_SECOND.mul_f64(now.since(at).as_secs_f64());
                candidate.min(anchor + leak)
            }
            None => candidate,
        };
        self.anchor = Some((anchor, now));
    }

    /// When sample `position` was spoken, as far as the engine can know: never later than `now`.
    pub(crate) fn moment(&self, position: u64, now: Instant) -> Instant {
        let Some((anchor, _)) = self.anchor else { return now };
        now.min(anchor + self.rate.duration_of(position))
    }

    /// The sample that is spoken at `moment`, as far as the engine can know; it may lie before the
    /// stream's first. `None` before anything was observed.
    pub(crate) fn position(&self, moment: Instant) -> Option<i64> {
        let (anchor, _) = self.anchor?;
        let samples = |duration| i64::try_from(self.rate.samples_in(duration)).unwrap_or(i64::MAX);
        Some(samples(moment.since(anchor)) - samples(anchor.since(moment)))
    }

    /// The stream skipped `samples` samples that nobody will push: what comes next was spoken
    /// that much later.
    pub(crate) fn skip(&mut self, samples: u64) {
        if let Some((anchor, _)) = &mut self.anchor {
            *anchor = *anchor + self.rate.duration_of(samples);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: SampleRate = SampleRate::HZ_8000;

    #[test]
    fn late_and_bunched_frames_do_not_move_the_stream() {
        let mut clock = AudioClock::new(RATE);
        for frame in 1..=50_u64 {
            let delay = if frame % 7 == 0 { 80 } else { 3 };
            clock.observe(frame * 160, Instant::from_millis(frame * 20 + delay));
        }
        let moment = clock.moment(8_000, Instant::from_millis(2_000));
        assert!(moment.since(Instant::from_millis(1_003)) < Duration::from_millis(1));
    }

    #[test]
    fn a_slow_carrier_clock_is_followed() {
        let mut clock = AudioClock::new(RATE);
        let minutes = 10;
        for frame in 1..=(minutes * 60 * 50_u64) {
            let micros = frame * 20_000 + frame * 2; // +100 ppm
            clock.observe(frame * 160, Instant::from_micros(micros));
        }
        let end = minutes * 60 * 8_000;
        let now = Instant::from_millis(minutes * 61_000);
        let expected = Instant::from_micros(minutes * 60 * 1_000_000 + minutes * 60 * 100);
        let moment = clock.moment(end, now);
        let error = expected.since(moment).max(moment.since(expected));
        assert!(error < Duration::from_millis(2), "{error:?}");
    }

    #[test]
    fn a_skip_moves_what_follows() {
        let mut clock = AudioClock::new(RATE);
        clock.observe(160, Instant::from_millis(20));
        clock.skip(8_000);
        assert_eq!(clock.moment(160, Instant::from_millis(9_000)), Instant::from_millis(1_020));
    }

    #[test]
    fn a_moment_has_a_place_in_the_stream() {
        let mut clock = AudioClock::new(RATE);
        assert_eq!(clock.position(Instant::from_millis(5)), None);
        clock.observe(160, Instant::from_millis(50));
        assert_eq!(clock.position(Instant::from_millis(50)), Some(160));
        assert_eq!(clock.position(Instant::from_millis(10)), Some(-160), "before the first");
    }

    #[test]
    fn nothing_was_spoken_in_the_future() {
        let mut clock = AudioClock::new(RATE);
        clock.observe(160, Instant::from_millis(20));
        assert_eq!(clock.moment(80_000, Instant::from_millis(30)), Instant::from_millis(30));
    }
}
