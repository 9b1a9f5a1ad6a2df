//! What was said, heard and exchanged in a call, and the questions one asks of it.

use std::io::{Seek, Write};
use std::ops::Range;
use std::time::Duration;

use codecs::SampleRate;
use codecs::wav::{self, WavError};

use super::playout_model::{Cleared, Run};
use super::script::{AUDIBLE, CueTimes};

/// How a call ended, seen from the carrier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallEnd {
    /// The caller hung up.
    HungUp,
    /// The server closed the socket, with this code if it sent a close frame.
    ServerClosed(Option<u16>),
    /// The call lasted as long as it was allowed to.
    TimedOut,
    /// The line failed as it was told to, and the server did not close it.
    Failed,
}

/// A call as the carrier heard it. Both channels are at 8 kHz and begin with the call; positions
/// are samples of either.
#[derive(Clone, Debug)]
pub struct CallRecord {
    /// What the caller said, line noise included; silence in gaps.
    pub caller: Vec<i16>,
    /// What the caller heard.
    pub agent: Vec<i16>,
    /// When each cue was carried out.
    pub cues: Vec<CueTimes>,
    /// Stretches of playback.
    pub runs: Vec<Run>,
    /// Each `clear`, and what it found.
    pub clears: Vec<Cleared>,
    /// Marks that were sent back.
    pub marks: u64,
    /// The most audio that ever waited to be played: the server's lead.
    pub most_queued: Duration,
    /// Frames from the server that made no sense.
    pub malformed: u64,
    /// How late the carrier was with its 20 ms, at the 99th percentile. Above 5 ms the machine
    /// was too busy for what this record says of time to be trusted.
    pub lateness_p99: Duration,
    /// How it ended.
    pub end: CallEnd,
}

impl CallRecord {
    /// The rate of both channels.
    pub const RATE: SampleRate = SampleRate::HZ_8000;

    /// The first audible sample of the agent at `position` or after.
    pub fn first_audible_from(&self, position: u64) -> Option<u64> {
        let from = self.index(position);
        let found = self.agent[from..].iter().position(|&sample| is_audible(sample))?;
        Some((from + found) as u64)
    }

    /// One past the last audible sample of the agent before `position`.
    pub fn last_audible_before(&self, position: u64) -> Option<u64> {
        let before = &self.agent[..self.index(position)];
        before.iter().rposition(|&sample| is_audible(sample)).map(|index| index as u64 + 1)
    }

    /// The agent's utterances: audible stretches with at least `gap` of silence between them.
    pub fn utterances(&self, gap: Duration) -> Vec<Range<u64>> {
        let gap = Self::RATE.samples_in(gap).max(1);
        let mut utterances: Vec<Range<u64>> = Vec::new();
        for (index, _) in self.agent.iter().enumerate().filter(|(_, s)| is_audible(**s)) {
            let at = index as u64;
            match utterances.last_mut() {
                Some(last) if at < last.end + gap => last.end = at + 1,
                _ => utterances.push(at..at + 1),
            }
        }
        utterances
    }

    /// From the end of the speech of cue `index` to the first audible sample after it. `None`
    /// where the cue was not carried out or nothing was heard before the next one.
    pub fn response_time(&self, index: usize) -> Option<Duration> {
        let cue = self.cues.iter().find(|cue| cue.index == index)?;
        let next = self.cues.iter().find(|cue| cue.index > index);
        let heard = self.first_audible_from(cue.speech_end)?;
        let in_time = next.is_none_or(|next| heard < next.range.start);
        in_time.then(|| Self::RATE.duration_of(heard - cue.speech_end))
    }

    /// From the onset of cue `index` to the agent's last audible sample of the utterance it
    /// interrupts: how long a barge-in took. `None` where the agent was silent at its onset.
    pub fn stop_time(&self, index: usize) -> Option<Duration> {
        let cue = self.cues.iter().find(|cue| cue.index == index)?;
        // Words have pauses: silence of 300 ms is the end.
        let utterance = self
            .utterances(Duration::from_millis(300))
            .into_iter()
            .find(|utterance| utterance.contains(&cue.range.start))?;
        Some(Self::RATE.duration_of(utterance.end - cue.range.start))
    }

    /// Pauses between runs that no `clear` made and that lasted less than `longest`: the queue
    /// ran dry in mid-utterance.
    pub fn gaps(&self, longest: Duration) -> Vec<Range<u64>> {
        let longest = Self::RATE.samples_in(longest);
        self.runs
            .windows(2)
            .filter(|pair| !pair[0].cleared)
            .map(|pair| pair[0].range.end..pair[1].range.start)
            .filter(|gap| gap.end - gap.start < longest)
            .collect()
    }

    /// Writes both channels as a stereo WAV: the caller left, the agent right.
    ///
    /// # Errors
    ///
    /// Where the writer fails or the call was too long for the format.
    pub fn write_wav(&self, writer: impl Write + Seek) -> Result<(), WavError> {
        wav::write_stereo(writer, Self::RATE, &self.caller, &self.agent)
    }

    fn index(&self, position: u64) -> usize {
        usize::try_from(position).map_or(self.agent.len(), |index| index.min(self.agent.len()))
    }
}

fn is_audible(sample: i16) -> bool {
    sample.unsigned_abs() > AUDIBLE
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(agent: Vec<i16>) -> CallRecord {
        CallRecord {
            caller: vec![0; agent.len()],
            agent,
            cues: Vec::new(),
            runs: Vec::new(),
            clears: Vec::new(),
            marks: 0,
            most_queued: Duration::ZERO,
            malformed: 0,
            lateness_p99: Duration::ZERO,
            end: CallEnd::HungUp,
        }
    }

    #[test]
    fn audible_samples_are_found_from_both_sides() {
        let mut agent = vec![0i16; 1_000];
        agent[300..400].fill(-1_000);
        agent[700..710].fill(1_000);
        let record = record(agent);
        assert_eq!(record.first_audible_from(0), Some(300));
        assert_eq!(record.first_audible_from(400), Some(700));
        assert_eq!(record.first_audible_from(710), None);
        assert_eq!(record.first_audible_from(u64::MAX), None);
        assert_eq!(record.last_audible_before(700), Some(400));
        assert_eq!(record.last_audible_before(300), None);
        assert_eq!(record.utterances(Duration::from_millis(20)), [300..400, 700..710]);
        assert_eq!(record.utterances(Duration::from_secs(1)), vec![300..710; 1]);
    }

    #[test]
    fn response_and_stop_are_measured_from_the_cue() {
        let mut agent = vec![0i16; 8_000];
        agent[1_600..3_200].fill(1_000);
        let mut record = record(agent);
        record.cues = vec![
            CueTimes { index: 0, range: 0..1_000, speech_end: 800 },
            CueTimes { index: 1, range: 2_400..5_000, speech_end: 4_800 },
        ];
        assert_eq!(record.response_time(0), Some(Duration::from_millis(100)));
        assert_eq!(record.stop_time(1), Some(Duration::from_millis(100)));
        assert_eq!(record.response_time(1), None);
        assert_eq!(record.stop_time(0), None);
        assert_eq!(record.stop_time(9), None);
    }

    #[test]
    fn a_gap_is_a_short_pause_that_nobody_asked_for() {
        let mut record = record(vec![0; 8_000]);
        let run = |range, cleared| Run { range, cleared };
        record.runs = vec![run(0..800, false), run(960..2_000, true), run(2_200..3_000, false)];
        record.runs.push(run(7_000..7_160, false));
        assert_eq!(record.gaps(Duration::from_millis(300)), vec![800..960; 1]);
    }
}
