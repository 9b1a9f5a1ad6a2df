//! The caller's audio on the carrier's timestamps.
//!
//! A frame's place is its timestamp, not its number in the row: during some holds and losses no
//! frames come. But timestamps are whole milliseconds, and a carrier may stamp on another clock
//! than it samples, so a frame that follows its predecessor's `chunk` is placed right behind it
//! as long as the timestamp agrees to within [`TOLERANCE`]. Beyond, or where chunks are missing,
//! the position jumps to the timestamp: a gap. It never goes back: what would overlap is dropped.
//!
//! TCP keeps order, yet frames can be swapped before they enter the socket. A frame that is
//! ahead of its turn by a chunk or two waits for the one between, until two more came.
//!
//! Pure: time is an argument.

use codecs::g711;
use turntaking::time::Instant;

/// Samples by which the timestamp of a frame in sequence may differ from the count: 40 ms.
const TOLERANCE: i64 = 320;

/// The same after missing chunks, where only rounding is to be allowed for: 10 ms.
const TOLERANCE_AFTER_LOSS: i64 = 80;

/// Frames that may wait for a missing one, and chunks they may be ahead of their turn.
const REORDER: usize = 2;

/// Chunks by which a frame may lag and be taken for a duplicate, or late: 1 s. Beyond, the
/// carrier started to count anew.
const LATE_CHUNKS: u64 = 50;

/// Samples by which timestamps may run ahead of our clock, or start, before they are taken to be
/// nonsense: 10 s. A frame can come late, never early; this bounds the silence that a recorder
/// fills in.
const AHEAD_OF_CLOCK: i64 = 10 * 8_000;

/// Samples by which timestamps may go back before the carrier is taken to have started anew: 2 s.
const START_ANEW: i64 = 2 * 8_000;

/// What happened to the caller's frames.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IngressCounts {
    /// Frames placed.
    pub frames: u64,
    /// Places where the position jumped.
    pub gaps: u64,
    /// Frames that came twice, or too late for their place.
    pub dropped: u64,
    /// Frames that were put back in order.
    pub reordered: u64,
    /// Timestamps that made no sense and gave way to the count of samples.
    pub rebased: u64,
}

/// Puts frames in their place. After each [`Self::push`], call [`Self::take`] until `None`.
#[derive(Debug, Default)]
pub(crate) struct Ingress {
    /// Position of the next sample; `None` before the first frame.
    next: Option<i64>,
    /// The chunk whose turn it is.
    next_chunk: Option<u64>,
    /// Added to timestamps, in samples, since they made no sense.
    base: i64,
    /// When the first frame came.
    began: Instant,
    /// Sorted by chunk. The first may be due, the others are ahead of their turn.
    waiting: Vec<Frame>,
    /// Buffers to be used again.
    spare: Vec<Vec<i16>>,
    counts: IngressCounts,
}

#[derive(Debug)]
struct Frame {
    chunk: u64,
    timestamp_ms: u64,
    samples: Vec<i16>,
}

impl Ingress {
    /// What happened so far.
    pub(crate) fn counts(&self) -> IngressCounts {
        self.counts
    }

    /// Takes in a frame of µ-law samples. A carrier that sends no `chunk` is taken to send its
    /// frames in order.
    pub(crate) fn push(&mut self, chunk: Option<u64>, timestamp_ms: u64, payload: &[u8]) {
        if payload.is_empty() {
            return;
        }
        let expected = self.next_chunk.unwrap_or_else(|| chunk.unwrap_or_default());
        let chunk = chunk.unwrap_or(expected);
        let late = chunk < expected && expected - chunk <= LATE_CHUNKS;
        if late || self.waiting.iter().any(|frame| frame.chunk == chunk) {
            self.counts.dropped += 1;
            return;
        }
        if chunk == expected && !self.waiting.is_empty() {
            self.counts.reordered += 1;
        }
        let mut samples = self.spare.pop().unwrap_or_default();
        samples.resize(payload.len(), 0);
        g711::mulaw_decode_into(payload, &mut samples);
        let place = self.waiting.partition_point(|frame| frame.chunk < chunk);
        self.waiting.insert(place, Frame { chunk, timestamp_ms, samples });
    }

    /// The position of the next samples that are due at `now`, which replace those in `audio`.
    pub(crate) fn take(&mut self, now: Instant, audio: &mut Vec<i16>) -> Option<u64> {
        loop {
            let first = self.waiting.first()?;
            let expected = self.next_chunk.unwrap_or(first.chunk);
            let worth_waiting = first.chunk > expected && first.chunk - expected <= REORDER as u64;
            if worth_waiting && self.waiting.len() <= REORDER {
                return None;
            }
            let in_sequence = first.chunk == expected;
            let mut frame = self.waiting.remove(0);
            self.next_chunk = Some(frame.chunk.wrapping_add(1));
            let at = self.place(now, &frame, in_sequence);
            if at.is_some() {
                std::mem::swap(audio, &mut frame.samples);
            }
            if self.spare.len() <= REORDER {
                frame.samples.clear();
                self.spare.push(frame.samples);
            }
            if at.is_some() {
                return at;
            }
        }
    }

    /// The position of the frame's first sample; `None` where it would overlap what came before.
    fn place(&mut self, now: Instant, frame: &Frame, in_sequence: bool) -> Option<u64> {
        let stamp = i64::try_from(frame.timestamp_ms).unwrap_or(i64::MAX).min(i64::MAX / 64) * 8;
        let Some(next) = self.next else {
            self.began = now;
            if stamp > AHEAD_OF_CLOCK {
                self.counts.rebased += 1;
                self.base = -stamp;
            }
            return self.put(stamp + self.base, frame);
        };
        let elapsed =
            i64::try_from(now.since(self.began).as_micros() / 125).unwrap_or(i64::MAX / 4);
        let ahead = stamp + self.base - next;
        let nonsense = ahead <= -START_ANEW
            || ahead >= TOLERANCE && stamp + self.base > elapsed + 2 * AHEAD_OF_CLOCK;
        if nonsense {
            self.counts.rebased += 1;
            self.base -= ahead;
            return self.put(next, frame);
        }
        if ahead <= -TOLERANCE {
            self.counts.dropped += 1;
            return None;
        }
        let tolerance = if in_sequence { TOLERANCE } else { TOLERANCE_AFTER_LOSS };
        if ahead >= tolerance {
            self.counts.gaps += 1;
            return self.put(next + ahead, frame);
        }
        self.put(next, frame)
    }

    fn put(&mut self, at: i64, frame: &Frame) -> Option<u64> {
        self.next = Some(at + frame.samples.len() as i64);
        self.counts.frames += 1;
        u64::try_from(at).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 20 ms of a value that tells frames apart.
    fn frame(chunk: u64) -> Vec<u8> {
        vec![0x80 + (chunk % 100) as u8; 160]
    }

    struct Bench {
        ingress: Ingress,
        audio: Vec<i16>,
        now: Instant,
    }

    impl Bench {
        fn new() -> Self {
            Self { ingress: Ingress::default(), audio: Vec::new(), now: Instant::START }
        }

        /// Feeds a frame and returns what comes of it: positions and chunks.
        fn feed(&mut self, chunk: u64, timestamp_ms: u64) -> Vec<(u64, u64)> {
            self.now = self.now + std::time::Duration::from_millis(20);
            self.ingress.push(Some(chunk), timestamp_ms, &frame(chunk));
            self.drain()
        }

        fn drain(&mut self) -> Vec<(u64, u64)> {
            let mut placed = Vec::new();
            while let Some(at) = self.ingress.take(self.now, &mut self.audio) {
                let chunk = (0..100)
                    .find(|&chunk| g711::mulaw_decode(frame(chunk)[0]) == self.audio[0])
                    .expect("one of ours");
                placed.push((at, chunk));
            }
            placed
        }
    }

    #[test]
    fn frames_in_sequence_follow_each_other_whatever_the_rounding() {
        let mut bench = Bench::new();
        for (chunk, stamp) in [(1, 3), (2, 24), (3, 43), (4, 75), (5, 83)] {
            assert_eq!(bench.feed(chunk, stamp), [(24 + (chunk - 1) * 160, chunk)]);
        }
        assert_eq!(bench.ingress.counts().gaps, 0);
    }

    #[test]
    fn a_hold_is_a_jump() {
        let mut bench = Bench::new();
        bench.feed(1, 0);
        assert_eq!(bench.feed(2, 3_020), [(24_160, 2)], "chunks went on, time did too");
        assert_eq!(bench.feed(9, 4_000), [(32_000, 9)], "chunks were lost");
        assert_eq!(bench.ingress.counts().gaps, 2);
    }

    #[test]
    fn a_lost_frame_is_known_once_two_more_came() {
        let mut bench = Bench::new();
        bench.feed(1, 0);
        assert_eq!(bench.feed(3, 40), []);
        assert_eq!(bench.feed(4, 60), []);
        assert_eq!(bench.feed(5, 80), [(320, 3), (480, 4), (640, 5)]);
        assert_eq!(bench.feed(2, 20), [], "too late for its place");
        assert_eq!(bench.ingress.counts().dropped, 1);
    }

    #[test]
    fn swapped_frames_are_put_in_order_and_twins_dropped() {
        let mut bench = Bench::new();
        bench.feed(1, 0);
        assert_eq!(bench.feed(3, 40), []);
        assert_eq!(bench.feed(3, 40), []);
        assert_eq!(bench.feed(2, 20), [(160, 2), (320, 3)]);
        assert_eq!(bench.feed(2, 20), []);
        let counts = bench.ingress.counts();
        assert_eq!((counts.reordered, counts.dropped, counts.gaps), (1, 2, 0));
    }

    #[test]
    fn drift_is_absorbed_in_steps() {
        // The carrier samples 1000 ppm faster and slower than it stamps.
        for ppm in [-1_000i64, 1_000] {
            let mut bench = Bench::new();
            for chunk in 0..20_000u64 {
                let exact = chunk as i64 * 20 * (1_000_000 + ppm) / 1_000_000;
                let stamp = u64::try_from(exact).expect("not negative");
                bench.now = Instant::from_millis(stamp);
                bench.ingress.push(Some(chunk), stamp, &[0xff; 160]);
                while let Some(at) = bench.ingress.take(bench.now, &mut bench.audio) {
                    let off = at as i64 - stamp as i64 * 8;
                    assert!(off.abs() <= TOLERANCE, "{off} samples off at chunk {chunk}");
                }
            }
            let counts = bench.ingress.counts();
            assert!(counts.gaps + counts.dropped <= 20, "{counts:?}");
            assert_eq!(counts.rebased, 0);
        }
    }

    #[test]
    fn payloads_of_any_length() {
        let mut bench = Bench::new();
        let mut at = 0;
        for (chunk, length) in [1usize, 33, 160, 799, 0, 2].into_iter().enumerate() {
            bench.ingress.push(Some(chunk as u64), at / 8, &vec![0xff; length]);
            while let Some(placed) = bench.ingress.take(bench.now, &mut bench.audio) {
                assert_eq!((placed, bench.audio.len()), (at, length));
            }
            at += length as u64;
        }
    }

    #[test]
    fn nonsense_timestamps_give_way_to_counting() {
        let mut bench = Bench::new();
        bench.feed(1, u64::MAX);
        assert_eq!(bench.feed(2, u64::MAX), [(160, 2)]);
        assert_eq!(bench.feed(3, 0), [(320, 3)]);
        assert_eq!(bench.feed(4, 1 << 50), [(480, 4)]);
        assert_eq!(bench.ingress.counts().gaps, 0);
    }

    #[test]
    fn a_carrier_without_chunks() {
        let mut bench = Bench::new();
        for stamp in [0u64, 20, 40, 1_000, 1_020] {
            bench.ingress.push(None, stamp, &[0xff; 160]);
            assert_eq!(bench.ingress.take(bench.now, &mut bench.audio), Some(stamp * 8));
        }
    }
}
