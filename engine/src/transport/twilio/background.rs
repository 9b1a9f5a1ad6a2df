//! The sound behind the voice, on its way to the carrier's queue.
//!
//! Between replies it is sent by itself, little at a time, so that a reply which follows waits
//! behind little of it; in a reply it is mixed into the reply's own samples. Either way each sample
//! that goes out takes the next one of the sound, so it goes on whatever is said over it. Where the
//! carrier's queue was empty, the sound goes on from the moment at which it will be heard.
//!
//! It has a playhead and marks of its own, which only tell how much of it is still at the carrier:
//! nobody is told that it was heard.

use std::sync::Arc;
use std::time::Duration;

use codecs::ambience::Ambience;
use codecs::g711;
use turntaking::time::Instant;

use super::playhead::{Path, Playhead};

/// Most of it at the carrier, beyond what is on the way there. Less, and a hiccup of the network is
/// heard; more, and every reply begins that much later.
pub(crate) const LEAD: Duration = Duration::from_millis(80);

/// Samples between two of its marks: 1 s, in which two clocks drift apart by less than a sample.
const MARK_INTERVAL: u64 = 8_000;

/// The sound behind one call.
#[derive(Debug)]
pub(crate) struct Background {
    ambience: Arc<Ambience>,
    /// The sample of the sound that goes out next.
    cursor: u64,
    /// Samples sent by themselves.
    sent: u64,
    /// Where those at the carrier stand; `None` where there are none.
    run: Option<Playhead>,
    next_mark: u64,
    acknowledged: u64,
}

impl Background {
    pub(crate) fn new(ambience: Arc<Ambience>) -> Self {
        Self { ambience, cursor: 0, sent: 0, run: None, next_mark: 0, acknowledged: 0 }
    }

    /// Another sound in its place. Marks of this one mean nothing to it.
    pub(crate) fn followed_by(self, ambience: Arc<Ambience>) -> Self {
        let sent = self.sent;
        Self { ambience, cursor: 0, sent, run: None, next_mark: sent, acknowledged: sent }
    }

    /// What goes out now is heard at `heard`, behind silence.
    pub(crate) fn begin_at(&mut self, heard: Instant) {
        self.cursor = codecs::SampleRate::HZ_8000.samples_in(heard.since_start());
    }

    /// Mixes it into µ-law samples that go out now.
    pub(crate) fn mix_into(&mut self, payload: &mut [u8]) {
        for code in payload {
            let voice = g711::mulaw_decode(*code);
            let sum = voice.saturating_add(self.ambience.sample(self.cursor));
            *code = g711::mulaw_encode(sum);
            self.cursor += 1;
        }
    }

    /// Appends `count` samples of it alone, into an empty queue (`behind` is `None`), behind other
    /// audio that ends then, or behind more of it.
    pub(crate) fn send(&mut self, count: u64, now: Instant, start: Start, payload: &mut Vec<u8>) {
        match start {
            Start::Empty(path) => {
                self.run = Some(Playhead::start(self.sent, now, path));
                self.next_mark = self.sent + count;
            }
            Start::Behind(ends) => {
                self.run = Some(Playhead::behind(self.sent, now, ends));
                self.next_mark = self.sent + count;
            }
            Start::Further => {}
        }
        payload.resize(payload.len() + count as usize, g711::MULAW_SILENCE);
        self.mix_into(payload);
        self.sent += count;
    }

    /// Where its next mark goes, if one is due: behind this sample.
    pub(crate) fn take_mark(&mut self) -> Option<u64> {
        if self.run.is_none() || self.sent < self.next_mark {
            return None;
        }
        self.next_mark = self.sent + MARK_INTERVAL;
        Some(self.sent)
    }

    /// A mark behind sample `until` came back.
    pub(crate) fn handle_mark(&mut self, until: u64, now: Instant, path: Path) -> bool {
        match &mut self.run {
            Some(run) if until <= self.sent && until > self.acknowledged => {
                run.acknowledge(until, now, path);
                self.acknowledged = until;
                true
            }
            _ => false,
        }
    }

    /// When what is at the carrier will have been played.
    pub(crate) fn ends(&self) -> Option<Instant> {
        self.run.as_ref().map(|run| run.ends(self.sent))
    }

    /// The carrier has dropped what it had.
    pub(crate) fn clear(&mut self) {
        self.run = None;
    }
}

/// Behind what a stretch of audio is sent.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Start {
    /// Nothing: the carrier's queue is dry.
    Empty(Path),
    /// Audio of another kind, which ends then.
    Behind(Instant),
    /// More of the same.
    Further,
}
