//! The audio of what the caller is saying, cut out of the stream.

use std::time::Duration;

use codecs::SampleRate;

use crate::history::History;

/// Audio kept before the first voiced window, so that a soft first consonant is not lost.
pub(crate) const LEAD: Duration = Duration::from_millis(150);
/// Audio kept after the last voiced window, for the last consonant to fade.
const TAIL: Duration = Duration::from_millis(150);
/// How late the news of speech may come: detection, a busy detector, and the lead.
pub(crate) const HISTORY: Duration = Duration::from_secs(1);

/// One segment's speech: the voiced stretches with a little of the silence around each, joined.
///
/// All memory is taken when it is made.
pub(crate) struct Utterance {
    history: History,
    /// What was kept.
    speech: Vec<i16>,
    /// One past the last sample in `speech`, as a stream position.
    until: u64,
    /// Where the present stretch of speech begins in `speech`.
    stretch: usize,
    open: bool,
    lead: u64,
    tail: u64,
    lost: u64,
}

impl Utterance {
    /// An empty utterance of at most `longest`.
    pub(crate) fn new(rate: SampleRate, longest: Duration) -> Self {
        let samples = |duration| rate.samples_in(duration) as usize;
        Self {
            history: History::new(samples(HISTORY)),
            speech: Vec::with_capacity(samples(longest)),
            until: 0,
            stretch: 0,
            open: false,
            lead: rate.samples_in(LEAD),
            tail: rate.samples_in(TAIL),
            lost: 0,
        }
    }

    /// Samples pushed so far.
    pub(crate) const fn position(&self) -> u64 {
        self.history.position()
    }

    /// Samples kept.
    pub(crate) fn len(&self) -> usize {
        self.speech.len()
    }

    /// The samples kept.
    pub(crate) fn samples(&self) -> &[i16] {
        &self.speech
    }

    /// Takes the count of samples of speech that found no room, or were gone before anyone said
    /// that they were speech.
    pub(crate) fn take_lost(&mut self) -> u64 {
        std::mem::take(&mut self.lost)
    }

    /// Takes the stream's next samples, at most a history of them at once.
    pub(crate) fn push(&mut self, samples: &[i16]) {
        self.history.push(samples);
        if self.open {
            self.keep();
        }
    }

    /// Speech began at `at`: keeps what is there since a little before.
    pub(crate) fn begin(&mut self, at: u64) {
        if self.open {
            return;
        }
        self.open = true;
        self.stretch = self.speech.len();
        let from = at.saturating_sub(self.lead);
        // Never the same sample twice; after a pause `until` is the end of what was kept.
        if from > self.until {
            self.until = from.min(self.position());
        }
        self.keep();
    }

    /// Speech ended at `at`: drops what was kept of the silence since, up to a short tail.
    pub(crate) fn end(&mut self, at: u64) {
        if !self.open {
            return;
        }
        self.open = false;
        let until = at.saturating_add(self.tail).min(self.until);
        let excess = (self.until - until) as usize;
        let kept = self.speech.len().saturating_sub(excess).max(self.stretch);
        self.until -= (self.speech.len() - kept) as u64;
        self.speech.truncate(kept);
    }

    /// Where a cut does the least harm within the last `window` samples: in the middle of the
    /// quietest 40 ms. An index into [`samples`](Self::samples).
    pub(crate) fn quietest(&self, window: usize) -> usize {
        // The lead is 150 ms.
        let stretch = (self.lead * 4 / 15) as usize;
        let start = self.speech.len().saturating_sub(window);
        let loudness = |at: &usize| -> i64 {
            self.speech[*at..*at + stretch].iter().map(|&s| i64::from(s).abs()).sum()
        };
        (start..self.speech.len().saturating_sub(stretch))
            .step_by(stretch.div_ceil(4).max(1))
            .min_by_key(loudness)
            .map_or(self.speech.len(), |at| at + stretch / 2)
    }

    /// The stream position of the sample `index`, where that lies in the present stretch.
    pub(crate) fn position_of(&self, index: usize) -> u64 {
        self.until - (self.speech.len() - index) as u64
    }

    /// Forgets the first `samples`.
    pub(crate) fn drop_front(&mut self, samples: usize) {
        self.speech.drain(..samples);
        self.stretch = self.stretch.saturating_sub(samples);
    }

    /// Forgets everything kept. Speech that is going on is kept from here on.
    pub(crate) fn clear(&mut self) {
        self.speech.clear();
        self.stretch = 0;
    }

    /// Copies the history since `until` into `speech`.
    fn keep(&mut self) {
        let oldest = self.history.oldest();
        if self.until < oldest {
            self.lost += oldest - self.until;
            self.until = oldest;
        }
        for piece in self.history.since(self.until) {
            let room = self.speech.capacity() - self.speech.len();
            let kept = piece.len().min(room);
            self.speech.extend_from_slice(&piece[..kept]);
            self.lost += (piece.len() - kept) as u64;
        }
        self.until = self.history.position();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: SampleRate = SampleRate::HZ_8000;
    const MS: u64 = 8;

    fn utterance() -> Utterance {
        Utterance::new(RATE, Duration::from_secs(4))
    }

    /// A stream whose samples count its positions, pushed in odd blocks.
    fn push_until(utterance: &mut Utterance, position: u64) {
        while utterance.position() < position {
            let from = utterance.position();
            let to = position.min(from + 173);
            let block: Vec<i16> = (from..to).map(|n| n as i16).collect();
            utterance.push(&block);
        }
    }

    fn range(utterance: &Utterance) -> (i16, i16) {
        let samples = utterance.samples();
        (samples[0], samples[samples.len() - 1])
    }

    #[test]
    fn speech_is_kept_with_its_lead_and_tail() {
        let mut utterance = utterance();
        push_until(&mut utterance, 1_000 * MS);
        assert_eq!(utterance.len(), 0);
        utterance.begin(900 * MS);
        push_until(&mut utterance, 2_000 * MS);
        utterance.end(1_500 * MS);
        assert_eq!(range(&utterance), (750 * 8, 1_650 * 8 - 1));
        push_until(&mut utterance, 2_400 * MS);
        assert_eq!(range(&utterance), (750 * 8, 1_650 * 8 - 1));
    }

    #[test]
    fn the_silence_between_stretches_is_left_out_and_nothing_comes_twice() {
        let mut utterance = utterance();
        push_until(&mut utterance, 300 * MS);
        utterance.begin(200 * MS);
        push_until(&mut utterance, 700 * MS);
        utterance.end(500 * MS);
        push_until(&mut utterance, 2_100 * MS);
        utterance.begin(2_000 * MS);
        let samples = utterance.samples();
        let joint = (650 - 50) * 8;
        assert_eq!(samples[joint - 1..=joint], [650 * 8 - 1, 1_850 * 8]);
        utterance.end(2_050 * MS);
        // A short pause: the tail and the next lead would overlap.
        push_until(&mut utterance, 2_200 * MS);
        utterance.begin(2_150 * MS);
        let samples = utterance.samples();
        assert!(samples.windows(2).all(|pair| pair[0] < pair[1]));
        assert_eq!(range(&utterance), (50 * 8, 2_200 * 8 - 1));
    }

    #[test]
    fn a_new_segment_shares_no_sample_with_the_last() {
        let mut utterance = utterance();
        push_until(&mut utterance, 500 * MS);
        utterance.begin(100 * MS);
        push_until(&mut utterance, 800 * MS);
        utterance.end(600 * MS);
        utterance.clear();
        utterance.begin(700 * MS);
        push_until(&mut utterance, 900 * MS);
        assert_eq!(range(&utterance), (750 * 8, 900 * 8 - 1));
    }

    #[test]
    fn news_that_comes_too_late_is_counted() {
        let mut utterance = utterance();
        push_until(&mut utterance, 3_000 * MS);
        utterance.begin(500 * MS);
        assert_eq!(range(&utterance), (2_000 * 8, 3_000 * 8 - 1));
        assert_eq!(utterance.take_lost(), 1_650 * MS);
    }

    #[test]
    fn what_finds_no_room_is_counted() {
        let mut utterance = utterance();
        utterance.begin(0);
        push_until(&mut utterance, 4_100 * MS);
        assert_eq!(utterance.len(), 4_000 * 8);
        assert_eq!(utterance.take_lost(), 100 * MS);
    }

    #[test]
    fn an_end_before_the_beginning_leaves_earlier_speech_alone() {
        let mut utterance = utterance();
        utterance.begin(0);
        push_until(&mut utterance, 500 * MS);
        utterance.end(300 * MS);
        push_until(&mut utterance, 1_500 * MS);
        utterance.begin(1_400 * MS);
        utterance.end(0);
        assert_eq!(range(&utterance), (0, 450 * 8 - 1));
    }

    #[test]
    fn the_cut_goes_through_the_quietest_place() {
        let mut utterance = utterance();
        utterance.begin(0);
        let loud = [4_000; 8_000];
        for block in [&loud[..], &[30; 800], &loud] {
            utterance.push(block);
        }
        let cut = utterance.quietest(12_000);
        assert!((8_160..8_640).contains(&cut), "{cut}");
        assert_eq!(utterance.position_of(cut), cut as u64);
        utterance.drop_front(cut);
        assert_eq!(utterance.len(), 16_800 - cut);
        assert_eq!(utterance.position_of(0), cut as u64);
    }
}
