//! What a carrier does with the audio it is sent: a queue, a small jitter buffer, a loudspeaker
//! that plays 20 ms each 20 ms, marks that come back when everything before them was played or
//! dropped. Pure: one call of [`PlayoutModel::play`] is 20 ms of the carrier's clock.

use std::collections::VecDeque;
use std::ops::Range;

use codecs::g711;

/// 20 ms at 8 kHz.
pub const FRAME: usize = 160;

/// A stretch of playback without a break, in samples since the call began.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// From the first sample played to one past the last.
    pub range: Range<u64>,
    /// A `clear` ended it; otherwise the queue ran dry.
    pub cleared: bool,
}

/// A `clear`, and what it found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cleared {
    /// When it came, in samples since the call began.
    pub at: u64,
    /// Samples that were played of all that was queued and not cleared so far.
    pub played: u64,
    /// How many of them were queued before the next mark that had not come back; `None`: none was
    /// outstanding.
    pub next_mark: Option<u64>,
}

/// The carrier's side of a reply.
#[derive(Debug)]
pub struct PlayoutModel {
    /// Frames a run waits in the jitter buffer before it plays.
    jitter_frames: u32,
    queue: VecDeque<u8>,
    /// Samples ever queued and not cleared.
    queued: u64,
    /// Of those, how many were played.
    played: u64,
    /// Marks, each behind so many queued samples.
    marks: VecDeque<(u64, String)>,
    returned: VecDeque<String>,
    /// Frames since audio came into the empty queue; `None` while it is empty.
    waited: Option<u32>,
    playing: bool,
    /// Frames since the call began.
    frames: u64,
    runs: Vec<Run>,
    clears: Vec<Cleared>,
    most_queued: usize,
}

impl PlayoutModel {
    /// An empty queue whose runs begin `jitter_frames` × 20 ms after their first audio.
    pub fn new(jitter_frames: u32) -> Self {
        Self {
            jitter_frames,
            queue: VecDeque::new(),
            queued: 0,
            played: 0,
            marks: VecDeque::new(),
            returned: VecDeque::new(),
            waited: None,
            playing: false,
            frames: 0,
            runs: Vec::new(),
            clears: Vec::new(),
            most_queued: 0,
        }
    }

    /// Queues µ-law audio.
    pub fn media(&mut self, payload: &[u8]) {
        self.queue.extend(payload);
        self.queued += payload.len() as u64;
        self.most_queued = self.most_queued.max(self.queue.len());
        if !payload.is_empty() {
            self.waited.get_or_insert(0);
        }
    }

    /// Queues a mark behind the audio.
    pub fn mark(&mut self, name: String) {
        if self.queue.is_empty() && self.played == self.queued && !self.playing {
            self.returned.push_back(name);
        } else {
            self.marks.push_back((self.queued, name));
        }
    }

    /// Drops what was not played. The frame in the loudspeaker plays on to its end.
    pub fn clear(&mut self) {
        self.clears.push(Cleared {
            at: self.frames * FRAME as u64,
            played: self.played,
            next_mark: self.marks.front().map(|(queued, _)| *queued),
        });
        self.queue.clear();
        self.queued = self.played;
        self.returned.extend(self.marks.drain(..).map(|(_, name)| name));
        self.waited = None;
        if self.playing {
            self.playing = false;
            if let Some(run) = self.runs.last_mut() {
                run.cleared = true;
            }
        }
    }

    /// The next 20 ms: what is heard. Marks behind what was heard before now come back.
    pub fn play(&mut self, heard: &mut [i16; FRAME]) {
        while self.marks.front().is_some_and(|&(at, _)| at <= self.played) {
            self.returned.extend(self.marks.pop_front().map(|(_, name)| name));
        }
        heard.fill(0);
        if let Some(waited) = &mut self.waited {
            if !self.playing && *waited < self.jitter_frames {
                *waited += 1;
            } else {
                self.play_queue(heard);
            }
        }
        self.frames += 1;
    }

    fn play_queue(&mut self, heard: &mut [i16; FRAME]) {
        let now = self.frames * FRAME as u64;
        let count = self.queue.len().min(FRAME);
        for (sample, code) in heard.iter_mut().zip(self.queue.drain(..count)) {
            *sample = g711::mulaw_decode(code);
        }
        self.played += count as u64;
        let until = now + count as u64;
        if self.playing {
            if let Some(run) = self.runs.last_mut() {
                run.range.end = until;
            }
        } else {
            self.runs.push(Run { range: now..until, cleared: false });
        }
        self.playing = self.queue.len() + count >= FRAME;
        if !self.playing {
            self.waited = None;
        }
    }

    /// The next mark that comes back.
    pub fn pop_returned(&mut self) -> Option<String> {
        self.returned.pop_front()
    }

    /// Stretches of playback so far.
    pub fn runs(&self) -> &[Run] {
        &self.runs
    }

    /// The clears so far.
    pub fn clears(&self) -> &[Cleared] {
        &self.clears
    }

    /// The most samples that ever waited: the sender's lead.
    pub fn most_queued(&self) -> usize {
        self.most_queued
    }

    /// Samples that wait.
    pub fn queued(&self) -> usize {
        self.queue.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(model: &mut PlayoutModel) -> Vec<i16> {
        let mut frame = [0; FRAME];
        model.play(&mut frame);
        frame.to_vec()
    }

    fn returned(model: &mut PlayoutModel) -> Vec<String> {
        std::iter::from_fn(|| model.pop_returned()).collect()
    }

    /// A code that is not silence.
    const CODE: u8 = 0x90;

    #[test]
    fn plays_20_ms_each_20_ms_after_the_jitter_buffer() {
        let mut model = PlayoutModel::new(2);
        model.media(&[CODE; 400]);
        assert_eq!(heard(&mut model), [0; 160]);
        assert_eq!(heard(&mut model), [0; 160]);
        let sample = g711::mulaw_decode(CODE);
        assert_eq!(heard(&mut model), [sample; 160]);
        assert_eq!(heard(&mut model), [sample; 160]);
        let last = heard(&mut model);
        assert_eq!((last[79], last[80]), (sample, 0));
        assert_eq!(heard(&mut model), [0; 160]);
        assert_eq!(model.runs(), [Run { range: 320..720, cleared: false }]);
    }

    #[test]
    fn marks_come_back_once_what_is_before_them_was_played() {
        let mut model = PlayoutModel::new(0);
        model.media(&[CODE; 160]);
        model.mark("a".into());
        model.media(&[CODE; 160]);
        model.mark("b".into());
        heard(&mut model);
        assert_eq!(returned(&mut model), [""; 0]);
        heard(&mut model);
        assert_eq!(returned(&mut model), ["a"]);
        heard(&mut model);
        assert_eq!(returned(&mut model), ["b"]);
        model.mark("c".into());
        assert_eq!(returned(&mut model), ["c"], "nothing is before it");
    }

    #[test]
    fn a_clear_drops_the_queue_and_returns_its_marks_at_once() {
        let mut model = PlayoutModel::new(0);
        model.media(&[CODE; 800]);
        model.mark("end".into());
        heard(&mut model);
        model.clear();
        assert_eq!(returned(&mut model), ["end"]);
        assert_eq!(heard(&mut model), [0; 160]);
        assert_eq!(model.runs(), [Run { range: 0..160, cleared: true }]);
        let cleared = Cleared { at: 160, played: 160, next_mark: Some(800) };
        assert_eq!(model.clears(), [cleared]);
        model.media(&[CODE; 160]);
        assert_ne!(heard(&mut model), [0; 160]);
        assert_eq!(model.most_queued(), 800);
    }

    #[test]
    fn running_dry_ends_a_run() {
        let mut model = PlayoutModel::new(1);
        model.media(&[CODE; 200]);
        for _ in 0..5 {
            heard(&mut model);
        }
        model.media(&[CODE; 160]);
        for _ in 0..3 {
            heard(&mut model);
        }
        let ranges: Vec<_> = model.runs().iter().map(|run| run.range.clone()).collect();
        assert_eq!(ranges, [160..360, 960..1_120]);
        assert!(model.runs().iter().all(|run| !run.cleared));
    }
}
