//! Where the carrier's playback stands: an estimate from send times, re-anchored at each mark.
//!
//! The carrier plays in real time, so one number describes an uninterrupted run: its *origin*,
//! the moment at which the reply's sample 0 would have been played. A first guess comes from the
//! send time of the run's first frame. Each mark that returns measures the origin again: its
//! arrival, less the way back, less the audio before it. Networks only ever add delay, so of the
//! last few measurements the smallest is nearest the truth (NTP's clock filter, RFC 5905 §10);
//! the window is short, so that drift and a stall of the carrier's queue are followed.

use std::time::Duration;

use turntaking::time::Instant;

/// Microseconds per sample at 8 kHz.
const SAMPLE: i64 = 125;

/// Measurements the estimate is the best of. At a mark each 100 ms this bridges 400 ms in which
/// marks come late.
const WINDOW: usize = 4;

/// The way to the carrier and back, as assumed before anything was measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Path {
    /// One way over the network.
    pub(crate) network: Duration,
    /// What the carrier's jitter buffer holds back at the start of a run.
    pub(crate) jitter_buffer: Duration,
}

/// The playhead of one uninterrupted run of audio.
#[derive(Clone, Debug)]
pub(crate) struct Playhead {
    /// The run's first sample.
    first: u64,
    /// The origin cannot be earlier: nothing is played before it was sent. In µs of the call.
    earliest: i64,
    /// In µs of the call.
    origin: i64,
    recent: [i64; WINDOW],
    measured: usize,
}

impl Playhead {
    /// A run whose first sample `first` leaves us at `now`, into an empty queue.
    pub(crate) fn start(first: u64, now: Instant, path: Path) -> Self {
        let earliest = micros(now) - audio(first);
        let origin = earliest + length(path.network) + length(path.jitter_buffer);
        Self { first, earliest, origin, recent: [0; WINDOW], measured: 0 }
    }

    /// A run whose first sample `first` leaves us at `now`, into a queue whose audio ends then.
    pub(crate) fn behind(first: u64, now: Instant, ends: Instant) -> Self {
        let earliest = micros(now) - audio(first);
        let origin = (micros(ends) - audio(first)).max(earliest);
        Self { first, earliest, origin, recent: [0; WINDOW], measured: 0 }
    }

    /// When the run is over, if `sent` is one past its last sample.
    pub(crate) fn ends(&self, sent: u64) -> Instant {
        let micros = self.origin.saturating_add(audio(sent)).max(0);
        Instant::from_micros(u64::try_from(micros).unwrap_or(0))
    }

    /// The run's first sample.
    pub(crate) fn first(&self) -> u64 {
        self.first
    }

    /// A mark behind sample `until` came back at `now`. Marks from before the run say nothing
    /// about it.
    pub(crate) fn acknowledge(&mut self, until: u64, now: Instant, path: Path) {
        if until <= self.first {
            return;
        }
        let origin = micros(now) - length(path.network) - audio(until);
        self.recent[self.measured % WINDOW] = origin;
        self.measured += 1;
        let best = self.recent.iter().take(self.measured).min().copied().unwrap_or(origin);
        self.origin = best.max(self.earliest);
    }

    /// When the run's first sample was, or will be, played.
    pub(crate) fn began(&self) -> Instant {
        Instant::from_micros(u64::try_from(self.origin + audio(self.first)).unwrap_or(0))
    }

    /// The sample being played at `now`, as if the run never ended.
    pub(crate) fn at(&self, now: Instant) -> u64 {
        let played = (micros(now) - self.origin).max(0) / SAMPLE;
        (played as u64).max(self.first)
    }
}

fn micros(now: Instant) -> i64 {
    i64::try_from(now.as_micros()).unwrap_or(i64::MAX / 2)
}

fn audio(samples: u64) -> i64 {
    i64::try_from(samples).unwrap_or(i64::MAX).saturating_mul(SAMPLE).min(i64::MAX / 4)
}

fn length(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX / 4).min(i64::MAX / 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATH: Path =
        Path { network: Duration::from_millis(20), jitter_buffer: Duration::from_millis(40) };

    fn ms(millis: u64) -> Instant {
        Instant::from_millis(millis)
    }

    #[test]
    fn the_first_guess_allows_for_the_way_and_the_jitter_buffer() {
        let playhead = Playhead::start(800, ms(1_000), PATH);
        assert_eq!(playhead.at(ms(1_000)), 800);
        assert_eq!(playhead.at(ms(1_060)), 800);
        assert_eq!(playhead.at(ms(1_160)), 1_600);
    }

    #[test]
    fn a_mark_re_anchors_it() {
        let mut playhead = Playhead::start(0, ms(0), PATH);
        // Played up to 100 ms at 180 ms; the news took 20 ms.
        playhead.acknowledge(800, ms(200), PATH);
        assert_eq!(playhead.at(ms(200)), 960);
    }

    #[test]
    fn a_late_mark_does_not_set_it_back_but_a_row_of_them_does() {
        let mut playhead = Playhead::start(0, ms(0), PATH);
        playhead.acknowledge(800, ms(200), PATH);
        playhead.acknowledge(1_600, ms(450), PATH);
        assert_eq!(playhead.at(ms(450)), 2_960, "150 ms late: ignored");
        for mark in 3..=6u64 {
            playhead.acknowledge(mark * 800, ms(mark * 100 + 250), PATH);
        }
        assert_eq!(playhead.at(ms(850)), 4_960, "the carrier stood still for 150 ms");
    }

    #[test]
    fn marks_of_an_earlier_run_say_nothing() {
        let mut playhead = Playhead::start(1_600, ms(1_000), PATH);
        let before = playhead.at(ms(1_100));
        playhead.acknowledge(1_600, ms(1_050), PATH);
        playhead.acknowledge(800, ms(1_060), PATH);
        assert_eq!(playhead.at(ms(1_100)), before);
    }

    #[test]
    fn a_run_behind_other_audio_begins_where_that_ends() {
        let playhead = Playhead::behind(800, ms(1_000), ms(1_090));
        assert_eq!(playhead.at(ms(1_090)), 800);
        assert_eq!(playhead.at(ms(1_190)), 1_600);
        assert_eq!(playhead.ends(1_600), ms(1_190));
    }

    #[test]
    fn nothing_is_played_before_it_was_sent() {
        let mut playhead = Playhead::start(0, ms(1_000), PATH);
        playhead.acknowledge(8_000, ms(1_001), PATH);
        assert_eq!(playhead.at(ms(1_010)), 80);
    }
}
