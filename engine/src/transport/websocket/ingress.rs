//! The caller's audio in its place. A raw stream has no timestamps: a sample's place is its number.
//!
//! A client that has nothing to say may send nothing. Its silence is heard all the same: what is
//! missing for longer than a network's hiccup is filled in, as time goes by, so that the voice gate
//! closes and a turn ends. A client that sends faster than it speaks is believed for a while.
//!
//! Pure: time is an argument.

use std::time::Duration;

use codecs::SampleRate;
use turntaking::time::Instant;

use super::format::{Encoding, Reader};

/// How far the stream may lag before its silence is heard: longer than TCP takes to send a lost
/// segment again on most ways (RFC 6298 §2.4 lets it wait a second at first, practice 200 ms).
const PATIENCE: Duration = Duration::from_millis(400);

/// How far ahead of time the stream may be.
const AHEAD: Duration = Duration::from_secs(10);

/// The most that is given out at once.
const PIECE: Duration = Duration::from_millis(100);

/// Silence is filled in by as much.
const FILL: Duration = Duration::from_millis(20);

/// What happened to the caller's audio, in samples.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IngressCounts {
    /// Samples that came.
    pub samples: u64,
    /// Silence that was filled in.
    pub filled: u64,
    /// Samples that came more than 10 s ahead of their time, and were dropped.
    pub dropped: u64,
}

/// Puts samples in their place. After each [`Self::push`], call [`Self::take`] until `None`.
#[derive(Debug)]
pub(super) struct Ingress {
    rate: SampleRate,
    reader: Reader,
    /// What has come and was not given out; the first is number `next`.
    waiting: Vec<i16>,
    /// How many of them were given out.
    taken: usize,
    next: u64,
    /// When sample 0 was spoken, had the network taken its shortest time.
    origin: Option<Instant>,
    counts: IngressCounts,
}

impl Ingress {
    pub(super) fn new(encoding: Encoding, rate: SampleRate) -> Self {
        let room = rate.samples_in(PIECE) as usize;
        Self {
            rate,
            reader: Reader::new(encoding),
            waiting: Vec::with_capacity(room),
            taken: 0,
            next: 0,
            origin: None,
            counts: IngressCounts::default(),
        }
    }

    pub(super) const fn counts(&self) -> IngressCounts {
        self.counts
    }

    /// Takes in a frame.
    pub(super) fn push(&mut self, now: Instant, bytes: &[u8]) {
        let before = self.waiting.len();
        self.reader.read(bytes, &mut self.waiting);
        let came = (self.waiting.len() - before) as u64;
        self.counts.samples += came;
        let end = self.next + (self.waiting.len() - self.taken) as u64;
        let rate = self.rate;
        let origin = *self.origin.get_or_insert_with(|| now - rate.duration_of(end));
        if end > self.rate.samples_in(now.since(origin) + AHEAD) {
            self.waiting.truncate(before);
            self.counts.dropped += came;
            return;
        }
        self.origin = Some(origin.min(now - self.rate.duration_of(end)).max(Instant::START));
    }

    /// The position of the next samples that are due at `now`, which replace those in `audio`.
    pub(super) fn take(&mut self, now: Instant, audio: &mut Vec<i16>) -> Option<u64> {
        audio.clear();
        let at = self.next;
        if self.taken < self.waiting.len() {
            let piece = self.rate.samples_in(PIECE) as usize;
            let until = self.waiting.len().min(self.taken + piece);
            audio.extend_from_slice(&self.waiting[self.taken..until]);
            self.taken = until;
        } else {
            self.waiting.clear();
            self.taken = 0;
            let origin = *self.origin.get_or_insert(now);
            let missing = self.rate.samples_in(now.since(origin)).saturating_sub(self.next);
            if self.rate.duration_of(missing) < PATIENCE + FILL {
                return None;
            }
            audio.resize(self.rate.samples_in(FILL) as usize, 0);
            self.counts.filled += audio.len() as u64;
        }
        self.next += audio.len() as u64;
        Some(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: usize = 160;

    fn ms(millis: u64) -> Instant {
        Instant::from_millis(millis)
    }

    fn drain(ingress: &mut Ingress, now: Instant) -> Vec<(u64, usize)> {
        let (mut audio, mut all) = (Vec::new(), Vec::new());
        while let Some(at) = ingress.take(now, &mut audio) {
            all.push((at, audio.len()));
        }
        all
    }

    #[test]
    fn samples_follow_each_other_however_late_they_come() {
        let mut ingress = Ingress::new(Encoding::MuLaw, SampleRate::HZ_8000);
        let mut expected = 0;
        for (frame, late) in [(1, 0), (2, 5), (3, 150), (4, 130), (5, 110), (6, 2)] {
            let now = ms(frame * 20 + late);
            ingress.push(now, &[0xff; FRAME]);
            assert_eq!(drain(&mut ingress, now), [(expected, FRAME)]);
            expected += FRAME as u64;
        }
        assert_eq!(ingress.counts().filled, 0);
    }

    #[test]
    fn who_sends_nothing_is_silent() {
        let mut ingress = Ingress::new(Encoding::MuLaw, SampleRate::HZ_8000);
        ingress.push(ms(20), &[0xff; FRAME]);
        drain(&mut ingress, ms(20));
        assert_eq!(drain(&mut ingress, ms(400)), [], "a hiccup");
        assert_eq!(drain(&mut ingress, ms(460)), [(160, 160), (320, 160)]);
        assert_eq!(drain(&mut ingress, ms(480)), [(480, 160)]);
        ingress.push(ms(490), &[0xff; FRAME]);
        assert_eq!(drain(&mut ingress, ms(490)), [(640, FRAME)], "it speaks again");
    }

    #[test]
    fn a_file_that_is_sent_at_once_is_cut() {
        let mut ingress = Ingress::new(Encoding::PcmS16Le, SampleRate::HZ_8000);
        for _ in 0..100 {
            ingress.push(ms(1_000), &[0; 6_400]);
            drain(&mut ingress, ms(1_000));
        }
        let counts = ingress.counts();
        assert_eq!(counts.samples, 100 * 3_200);
        assert!(counts.dropped >= 100 * 3_200 - 12 * 8_000, "{counts:?}");
    }
}
