//! Somebody who listens to a call while it goes on.
//!
//! The call's side puts both voices into bounded rings as for a recording, and loses what finds no
//! room: a listener that is slow misses something, and is told how much; it never holds the call.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use codecs::SampleRate;
use codecs::ambience::Ambience;
use rtrb::{Consumer, RingBuffer};
use turntaking::time::Instant;

use super::tap::{AUDIO_MS, AudioTap, BLOCK_MS, BLOCKS, Block};
use super::timeline::Timeline;

/// The highest rate of a call, in Hz: what there is room for.
const HIGHEST_RATE: usize = 16_000;

/// The call's side.
#[derive(Debug)]
pub struct Listener {
    tap: AudioTap,
    shared: Arc<Shared>,
}

/// The listener's side.
#[derive(Debug)]
pub struct ListenerEnd {
    blocks: Consumer<Block>,
    samples: Consumer<i16>,
    shared: Arc<Shared>,
    /// Made once the call's rate is known.
    timeline: Option<Timeline>,
    scratch: Vec<i16>,
    lost: u64,
}

/// What both sides see.
#[derive(Debug, Default)]
struct Shared {
    /// 0: the call has not taken the listener yet.
    hz: AtomicU32,
    background: OnceLock<Arc<Ambience>>,
    lost: AtomicU64,
    over: AtomicBool,
}

/// Both sides, for [`crate::session::Command::Listen`] and for whoever listens.
pub fn listener() -> (Listener, ListenerEnd) {
    let shared = Arc::new(Shared::default());
    let (samples, sample_reader) = RingBuffer::new(HIGHEST_RATE * AUDIO_MS / 1_000);
    let (blocks, block_reader) = RingBuffer::new(BLOCKS);
    // The block's length is put right once the rate is known.
    let tap = AudioTap::new(blocks, samples, HIGHEST_RATE * BLOCK_MS / 1_000);
    let end = ListenerEnd {
        blocks: block_reader,
        samples: sample_reader,
        shared: Arc::clone(&shared),
        timeline: None,
        scratch: Vec::new(),
        lost: 0,
    };
    (Listener { tap, shared }, end)
}

impl Listener {
    /// The call is of this rate, and has this behind it.
    pub(super) fn begin(&self, rate: SampleRate, background: Option<&Arc<Ambience>>) {
        if let Some(background) = background {
            // It is set once.
            let _ = self.shared.background.set(Arc::clone(background));
        }
        self.shared.hz.store(rate.hz(), Ordering::Release);
    }

    pub(super) fn caller(&mut self, at: u64, now: Instant, samples: &[i16]) {
        self.tap.caller(at, now, samples);
        self.shared.lost.store(self.tap.dropped(), Ordering::Relaxed);
    }

    pub(super) fn agent(&mut self, at: Instant, new_run: bool, samples: &[i16]) {
        self.tap.agent(at, new_run, samples);
        self.shared.lost.store(self.tap.dropped(), Ordering::Relaxed);
    }

    /// Nobody listens any more.
    pub(super) fn is_gone(&self) -> bool {
        self.tap.is_abandoned()
    }
}

impl PartialEq for Listener {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }
}

impl Eq for Listener {}

impl Drop for Listener {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::Release);
    }
}

impl ListenerEnd {
    /// The call's rate; `None`: it has not taken the listener yet.
    pub fn rate(&self) -> Option<SampleRate> {
        SampleRate::new(self.shared.hz.load(Ordering::Acquire))
    }

    /// The call is over, or did not take the listener: nothing more will come than
    /// [`Self::read_into`] gives now.
    pub fn is_over(&self) -> bool {
        self.shared.over.load(Ordering::Acquire)
    }

    /// Samples, of either side, that were lost since this was asked last.
    pub fn take_lost(&mut self) -> u64 {
        let lost = self.shared.lost.load(Ordering::Relaxed);
        let news = lost - self.lost;
        self.lost = lost;
        news
    }

    /// Appends what was said since the last time: frames of two samples, the caller's first, the
    /// least significant byte first.
    pub fn read_into(&mut self, bytes: &mut Vec<u8>) {
        let Some(rate) = self.rate() else { return };
        let timeline = self.timeline.get_or_insert_with(|| {
            let mut timeline = Timeline::live(rate);
            if let Some(background) = self.shared.background.get() {
                timeline.set_background(Arc::clone(background));
            }
            timeline
        });
        let mut sink = |frames: &[[i16; 2]]| {
            bytes.extend(frames.iter().flatten().flat_map(|sample| sample.to_le_bytes()));
        };
        while let Ok(block) = self.blocks.pop() {
            let (Block::Caller { len, .. } | Block::Agent { len, .. }) = block;
            self.scratch.clear();
            if let Ok(chunk) = self.samples.read_chunk(len as usize) {
                self.scratch.extend(chunk);
            }
            match block {
                Block::Caller { at, now, .. } => timeline.caller(at, now, &self.scratch, &mut sink),
                Block::Agent { run, start, offset, .. } => {
                    timeline.agent(run, start, offset, &self.scratch, &mut sink);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recording::CallTap;

    fn frames(bytes: &[u8]) -> Vec<[i16; 2]> {
        let sample = |pair: &[u8]| i16::from_le_bytes([pair[0], pair[1]]);
        bytes.chunks(4).map(|frame| [sample(&frame[..2]), sample(&frame[2..])]).collect()
    }

    #[test]
    fn both_voices_are_heard_while_nothing_is_recorded() {
        let mut tap = CallTap::off();
        let (listener, mut end) = listener();
        assert_eq!(end.rate(), None);
        tap.add_listener(listener, SampleRate::HZ_8000);
        let mut bytes = Vec::new();
        for frame in 0..50u64 {
            let now = Instant::from_millis((frame + 1) * 20);
            tap.caller(frame * 160, now, &[1; 160]);
            if frame == 9 {
                tap.agent(Instant::from_millis(100), true, &[2; 800]);
            }
            end.read_into(&mut bytes);
        }
        let heard = frames(&bytes);
        assert!(heard.len() >= 5_000, "no more than 300 ms behind: {}", heard.len());
        assert_eq!((heard[700], heard[900], heard[1_700]), ([1, 0], [1, 2], [1, 0]));
        assert_eq!(end.take_lost(), 0);
        drop(tap);
        assert!(end.is_over());
    }

    #[test]
    fn who_does_not_read_loses_and_learns_how_much() {
        let mut tap = CallTap::off();
        let (listener, mut end) = listener();
        tap.add_listener(listener, SampleRate::HZ_16000);
        for frame in 0..200u64 {
            tap.caller(frame * 320, Instant::from_millis(frame * 20), &[1; 320]);
        }
        assert_eq!(end.take_lost(), 200 * 320 - 32_000);
        assert_eq!(end.take_lost(), 0, "told once");
    }

    #[test]
    fn the_fifth_is_turned_away() {
        let mut tap = CallTap::off();
        let mut ends = Vec::new();
        for _ in 0..5 {
            let (listener, end) = listener();
            tap.add_listener(listener, SampleRate::HZ_8000);
            ends.push(end);
        }
        let over: Vec<_> = ends.iter().map(ListenerEnd::is_over).collect();
        assert_eq!(over, [false, false, false, false, true]);
        ends.remove(0);
        let (listener, end) = listener();
        tap.add_listener(listener, SampleRate::HZ_8000);
        assert!(!end.is_over(), "a place was free again");
    }
}
