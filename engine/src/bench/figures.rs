//! What a run's calls amount to. Pure.

use serde::Serialize;

use super::line::CallLog;
use super::script::Sound;

/// A sample of the assistant is early where it is audible so long after the caller began, in
/// samples: until then what is heard is the reply that the caller cuts into (0.4 s), of which the
/// last 40 ms may be in the network.
const YIELDING: u64 = 3_500;

/// A voice that goes on for longer than this over a barge-in has missed it, in ms.
const MISSED_MS: f64 = 1_000.0;

/// Silence in which a reply is still the same, in samples: half a second. A voice that was held and
/// went on is found again within it.
const SAME_UTTERANCE: u64 = 4_000;

/// Counts by tenths of a ms.
#[derive(Clone, Debug, Default)]
pub struct Histogram {
    counts: Vec<u64>,
    total: u64,
}

/// What is counted apart, in ms; the rest is counted as this.
const HIGHEST_MS: f64 = 1_000.0;

impl Histogram {
    /// Counts a value, in ms.
    pub fn add(&mut self, ms: f64) {
        let bucket = (ms.clamp(0.0, HIGHEST_MS) * 10.0) as usize;
        if bucket >= self.counts.len() {
            self.counts.resize(bucket + 1, 0);
        }
        self.counts[bucket] += 1;
        self.total += 1;
    }

    /// Adds another's counts.
    pub fn merge(&mut self, other: &Self) {
        if other.counts.len() > self.counts.len() {
            self.counts.resize(other.counts.len(), 0);
        }
        for (count, more) in self.counts.iter_mut().zip(&other.counts) {
            *count += more;
        }
        self.total += other.total;
    }

    /// The value below which `part` of the counts are, in ms.
    pub fn quantile(&self, part: f64) -> Option<f64> {
        let rank = (part * self.total as f64).ceil().max(1.0) as u64;
        let mut seen = 0;
        for (bucket, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= rank {
                return Some(bucket as f64 / 10.0);
            }
        }
        None
    }

    /// Shares of the counts in steps of `width` ms up to `highest` ms; the last holds the rest.
    pub fn steps(&self, width: f64, highest: f64) -> Vec<(f64, f64)> {
        let count = (highest / width).ceil() as usize + 1;
        let mut steps = vec![0; count];
        for (bucket, seen) in self.counts.iter().enumerate() {
            let step = (bucket as f64 / 10.0 / width) as usize;
            steps[step.min(count - 1)] += seen;
        }
        let share = |seen: u64| seen as f64 / self.total.max(1) as f64;
        steps.iter().enumerate().map(|(step, seen)| (step as f64 * width, share(*seen))).collect()
    }
}

/// Values and their quantiles, in ms.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Quantiles {
    /// How many there are.
    pub count: usize,
    /// The median (nearest rank, as all).
    pub p50: Option<f64>,
    /// 95 in 100.
    pub p95: Option<f64>,
    /// 99 in 100.
    pub p99: Option<f64>,
    /// The longest.
    pub max: Option<f64>,
    /// All of them, sorted.
    #[serde(skip)]
    pub values: Vec<f64>,
}

impl Quantiles {
    /// Of `values`, in any order.
    pub fn of(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        let rank = |part: f64| {
            let index = (part * values.len() as f64).ceil() as usize;
            values.get(index.max(1) - 1).copied()
        };
        Self {
            count: values.len(),
            p50: rank(0.5),
            p95: rank(0.95),
            p99: rank(0.99),
            max: values.last().copied(),
            values,
        }
    }
}

/// What callers noticed.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Figures {
    /// Calls that were carried.
    pub calls: usize,
    /// Turns of theirs that wanted an answer.
    pub turns: usize,
    /// From the true end of speech to the reply's first audible sample.
    pub audible_ms: Quantiles,
    /// Turns in which a reply was audible before the caller had finished.
    pub early: usize,
    /// Turns that got no reply.
    pub unanswered: usize,
    /// From the beginning of a barge-in to the last audible sample of what it cut into.
    pub barge_in_stop_ms: Quantiles,
    /// Barge-ins over which the voice went on.
    pub missed_barge_ins: usize,
    /// Coughs and "mhm"s into a reply.
    pub backchannels: usize,
    /// Those after which the reply did not go on.
    pub stopped_by_backchannel: usize,
    /// Silences in mid-reply that nobody asked for, of 20 ms or more.
    pub gaps: usize,
    /// Their part of the speech.
    pub gaps_ratio: f64,
    /// Speech that was played, in seconds.
    pub speech_s: f64,
    /// Calls that the server ended.
    pub cut_off: usize,
    /// Messages of the server that no carrier would understand.
    pub malformed: u64,
    /// How late the carriers were, in ms at the 99th percentile.
    pub client_late_p99_ms: f64,
    /// Audio that waited at the carrier while some was played.
    #[serde(skip)]
    pub lead: Histogram,
}

impl Figures {
    /// Of a run's calls; what happened before `warm` samples of a call does not count.
    pub fn of(calls: &[CallLog], warm: u64) -> Self {
        let mut figures = Self { calls: calls.len(), ..Self::default() };
        let (mut audible, mut stops) = (Vec::new(), Vec::new());
        let (mut gap_samples, mut speech_samples) = (0, 0);
        let mut lateness = Histogram::default();
        for call in calls {
            figures.turns_of(call, warm, &mut audible, &mut stops);
            figures.backchannels_of(call, warm);
            for gap in gaps(call) {
                figures.gaps += 1;
                gap_samples += gap;
            }
            speech_samples +=
                call.runs.iter().map(|run| run.range.end - run.range.start).sum::<u64>();
            figures.cut_off += usize::from(call.cut_off);
            figures.malformed += call.malformed;
            lateness.merge(&call.lateness);
            figures.lead.merge(&call.lead);
        }
        figures.missed_barge_ins = stops.iter().filter(|stop| **stop > MISSED_MS).count();
        figures.audible_ms = Quantiles::of(audible);
        figures.barge_in_stop_ms = Quantiles::of(stops);
        figures.gaps_ratio = gap_samples as f64 / speech_samples.max(1) as f64;
        figures.speech_s = speech_samples as f64 / 8_000.0;
        figures.client_late_p99_ms = lateness.quantile(0.99).unwrap_or(0.0);
        figures
    }

    fn turns_of(
        &mut self,
        call: &CallLog,
        warm: u64,
        audible: &mut Vec<f64>,
        stops: &mut Vec<f64>,
    ) {
        let turns = || call.said.iter().filter(|said| said.sound.is_turn());
        for (index, turn) in turns().enumerate() {
            let next = turns().nth(index + 1).map_or(u64::MAX, |next| next.start);
            // The call may have ended before the reply.
            if turn.start < warm || turn.speech_end + 32_000 > call.length {
                continue;
            }
            self.turns += 1;
            let barge_in = matches!(turn.sound, Sound::BargeIn(_));
            let from = turn.start + if barge_in { YIELDING } else { 0 };
            let early = is_audible_in(call, from..turn.speech_end);
            self.early += usize::from(early);
            match first_audible(call, turn.speech_end) {
                // One that came too early has no time after the end.
                Some(at) if at < next && early => {}
                Some(at) if at < next => audible.push(ms(at - turn.speech_end)),
                _ => self.unanswered += 1,
            }
            if barge_in && let Some(last) = last_of_utterance(call, turn.start) {
                stops.push(ms(last - turn.start));
            }
        }
    }

    fn backchannels_of(&mut self, call: &CallLog, warm: u64) {
        for (index, said) in call.said.iter().enumerate() {
            if said.sound.is_turn() || said.start < warm {
                continue;
            }
            // A reply that was at its last word anyway says nothing.
            let next = call.said.get(index + 1).map_or(call.length, |next| next.start);
            let interrupted = call.audible.iter().find(|heard| heard.contains(&said.start));
            if interrupted.is_none() || said.start + 16_000 > next {
                continue;
            }
            self.backchannels += 1;
            let goes_on = is_audible_in(call, said.speech_end + 4_000..said.speech_end + 16_000);
            self.stopped_by_backchannel += usize::from(!goes_on);
        }
    }
}

/// Samples of each silence in mid-reply: the queue ran dry, and more came before the caller's next
/// turn.
fn gaps(call: &CallLog) -> Vec<u64> {
    let mut gaps = Vec::new();
    for pair in call.runs.windows(2) {
        let gap = pair[0].range.end..pair[1].range.start;
        let spoken = call.said.iter().any(|said| {
            said.sound.is_turn() && said.start < gap.end && said.speech_end > gap.start
        });
        let turn_between = call.said.iter().any(|said| gap.contains(&said.start));
        if !pair[0].cleared && !spoken && !turn_between && gap.end - gap.start >= 160 {
            gaps.push(gap.end - gap.start);
        }
    }
    gaps
}

fn first_audible(call: &CallLog, from: u64) -> Option<u64> {
    let stretch = call.audible.iter().find(|stretch| stretch.end > from)?;
    Some(stretch.start.max(from))
}

/// One past the last audible sample of what was being said at `onset`.
fn last_of_utterance(call: &CallLog, onset: u64) -> Option<u64> {
    let mut last = None;
    for stretch in call.audible.iter().filter(|stretch| stretch.end > onset) {
        let goes_on = match last {
            None => stretch.start < onset + SAME_UTTERANCE,
            Some(last) => stretch.start < last + SAME_UTTERANCE,
        };
        if !goes_on {
            break;
        }
        last = Some(stretch.end);
    }
    last
}

fn is_audible_in(call: &CallLog, range: std::ops::Range<u64>) -> bool {
    call.audible.iter().any(|stretch| stretch.start < range.end && stretch.end > range.start)
}

fn ms(samples: u64) -> f64 {
    samples as f64 / 8.0
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::super::script::Said;
    use super::*;
    use crate::carrier::playout_model::Run;

    const MS: u64 = 8;

    fn call(said: &[(Sound, u64, u64)], runs: &[(u64, u64, bool)]) -> CallLog {
        let runs: Vec<Run> = runs
            .iter()
            .map(|(from, to, cleared)| Run { range: from * MS..to * MS, cleared: *cleared })
            .collect();
        CallLog {
            began: Instant::now(),
            length: 60_000 * MS,
            said: said
                .iter()
                .map(|(sound, start, end)| Said {
                    sound: *sound,
                    start: start * MS,
                    speech_end: end * MS,
                })
                .collect(),
            audible: runs.iter().map(|run| run.range.clone()).collect(),
            runs,
            clears: 0,
            words: Vec::new(),
            lateness: Histogram::default(),
            lead: Histogram::default(),
            malformed: 0,
            cut_off: false,
        }
    }

    #[test]
    fn a_reply_is_timed_from_the_end_of_speech() {
        let log = call(&[(Sound::Turn(0), 1_000, 5_000)], &[(5_480, 12_000, false)]);
        let figures = Figures::of(&[log], 0);
        assert_eq!((figures.turns, figures.early, figures.unanswered), (1, 0, 0));
        assert_eq!(figures.audible_ms.p50, Some(480.0));
    }

    #[test]
    fn a_reply_before_the_end_is_early_and_none_is_unanswered() {
        let said = [(Sound::Turn(0), 1_000, 5_000), (Sound::Turn(0), 20_000, 24_000)];
        let figures = Figures::of(&[call(&said, &[(3_000, 9_000, false)])], 0);
        assert_eq!((figures.turns, figures.early, figures.unanswered), (2, 1, 1));
    }

    #[test]
    fn a_barge_in_stops_the_voice_or_is_missed() {
        let said = [(Sound::Turn(0), 1_000, 5_000), (Sound::BargeIn(0), 8_000, 12_000)];
        let stopped = call(&said, &[(5_500, 8_150, true), (12_500, 19_000, false)]);
        let figures = Figures::of(&[stopped], 0);
        assert_eq!(figures.barge_in_stop_ms.p95, Some(150.0));
        assert_eq!((figures.missed_barge_ins, figures.early, figures.turns), (0, 0, 2));
        let missed = call(&said, &[(5_500, 11_000, false), (12_500, 19_000, false)]);
        let figures = Figures::of(&[missed], 0);
        assert_eq!((figures.missed_barge_ins, figures.early), (1, 1));
        // Stopped in time, but the next reply came too early: another fault.
        let runs = [(5_500, 8_150, true), (9_900, 10_500, true), (12_500, 19_000, false)];
        let figures = Figures::of(&[call(&said, &runs)], 0);
        assert_eq!(figures.barge_in_stop_ms.p95, Some(150.0));
        assert_eq!((figures.missed_barge_ins, figures.early), (0, 1));
    }

    #[test]
    fn a_gap_is_one_that_nobody_made() {
        let said = [(Sound::Turn(0), 1_000, 5_000), (Sound::Turn(0), 20_000, 24_000)];
        let runs = [
            (5_500, 7_000, false),
            (7_040, 9_000, true),
            (9_300, 12_000, false),
            (24_500, 29_000, false),
        ];
        let figures = Figures::of(&[call(&said, &runs)], 0);
        assert_eq!(figures.gaps, 1);
        assert!((figures.gaps_ratio - 40.0 / 10_660.0).abs() < 1e-9);
    }

    #[test]
    fn a_cough_must_not_stop_the_reply() {
        let said = [(Sound::Turn(0), 1_000, 5_000), (Sound::Cough, 7_000, 7_080)];
        let goes_on = call(&said, &[(5_500, 7_100, true), (7_300, 12_000, false)]);
        let stops = call(&said, &[(5_500, 7_100, true)]);
        let figures = Figures::of(&[goes_on, stops], 0);
        assert_eq!((figures.backchannels, figures.stopped_by_backchannel), (2, 1));
    }

    #[test]
    fn quantiles_of_a_histogram_are_in_ms() {
        let mut histogram = Histogram::default();
        for value in 0..1_000 {
            histogram.add(f64::from(value) / 10.0);
        }
        assert_eq!(histogram.quantile(0.5), Some(49.9));
        assert_eq!(histogram.quantile(0.99), Some(98.9));
        assert_eq!(histogram.steps(50.0, 100.0), [(0.0, 0.5), (50.0, 0.5), (100.0, 0.0)]);
        assert_eq!(Histogram::default().quantile(0.5), None);
    }
}
