//! Puts the two sides of a call on one time base: the caller's own.
//!
//! The file's clock is the carrier's: sample `n` of the caller is frame `n` of the file. The
//! agent's speech comes with times of the call's clock (ours), and is placed by an estimate of
//! where the carrier's clock stands against it. Network delay only ever adds to a block's arrival,
//! so the least difference between arrival and position is the truth; taken over the last
//! seconds, it follows the drift of the two clocks. A run of the agent's speech is placed once,
//! at its beginning, and from there on is contiguous: what drift there is goes into the silence
//! between runs.

use std::sync::Arc;

use codecs::SampleRate;
use codecs::ambience::Ambience;
use turntaking::time::Instant;

/// How far the side that is behind may be, in seconds, before its time is written as silence.
/// What the agent said is reported once the carrier acknowledges it, so it is always behind.
const HOLD_SECONDS: u64 = 2;
/// The same for somebody who listens, in milliseconds: between two reports of a carrier are 100 ms,
/// and half a second is no conversation that one overhears, but a repetition of it.
const LIVE_HOLD_MS: u64 = 300;
/// How far ahead of its arrival a caller's block may claim to be, in seconds. A carrier cannot
/// send what was not said yet; beyond this its timestamps have jumped.
const AHEAD_SECONDS: i64 = 2;
/// How far behind. After an outage blocks come late but with their old timestamps; a leg that was
/// silent for as long as this is dead, so its timestamps have jumped.
const BEHIND_SECONDS: i64 = 10;
/// Span of one of the two buckets in which the least delay is kept, in seconds.
const BUCKET_SECONDS: i64 = 5;
/// A run that begins less than this after the last one's end is joined to it, in milliseconds.
const JOIN_MS: u64 = 5;

const CALLER: usize = 0;
const AGENT: usize = 1;

/// A frame of the recording: the caller's sample and the agent's.
pub(super) type Frame = [i16; 2];

/// Aligns both sides and gives out frames in order, in memory that does not grow.
#[derive(Debug)]
pub struct Timeline {
    hz: u64,
    /// Frames from `emitted` on, at their number modulo the length. Silent where nothing was
    /// placed yet.
    window: Vec<Frame>,
    emitted: u64,
    /// Frames by which one side may be behind.
    hold: u64,
    /// One past the last frame each side has placed.
    ends: [u64; 2],
    clock: CarrierClock,
    /// Added to the carrier's positions; changes where its timestamps jump.
    rebase: i64,
    heard_caller: bool,
    /// The run in progress and the frame of its first sample.
    run: Option<(u64, u64)>,
    /// What is behind the agent's side, from the first frame to the last.
    background: Option<Arc<Ambience>>,
    report: AudioReport,
}

/// What went into a recording. Counts are samples of one side, unless said otherwise.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AudioReport {
    /// Frames written: the recording's length.
    pub frames: u64,
    /// Silence filled in where the caller's timestamps skipped.
    pub caller_gaps: u64,
    /// Caller's audio dropped because its time was taken already (repeated or out of order).
    pub caller_repeated: u64,
    /// Caller's audio dropped because its time had been written as silence.
    pub caller_late: u64,
    /// How often the carrier's timestamps jumped beyond belief.
    pub caller_jumps: u64,
    /// Runs of the agent's speech (a count).
    pub agent_runs: u64,
    /// By how much the agent's speech came too late for its place, and was moved; the greatest.
    pub agent_moved: u64,
}

impl Timeline {
    /// An empty timeline at `rate`.
    pub fn new(rate: SampleRate) -> Self {
        let hz = u64::from(rate.hz());
        let frames = (HOLD_SECONDS * hz + hz / 2) as usize;
        Self {
            hz,
            window: vec![[0; 2]; frames],
            emitted: 0,
            hold: HOLD_SECONDS * hz,
            ends: [0; 2],
            clock: CarrierClock::new(hz),
            rebase: 0,
            heard_caller: false,
            run: None,
            background: None,
            report: AudioReport::default(),
        }
    }

    /// The same for somebody who listens now: what comes too late for its place is moved, not
    /// waited for.
    pub fn live(rate: SampleRate) -> Self {
        let timeline = Self::new(rate);
        Self { hold: timeline.hz * LIVE_HOLD_MS / 1_000, ..timeline }
    }

    /// Puts a sound behind the agent's side: what has not been given out has it.
    pub fn set_background(&mut self, ambience: Arc<Ambience>) {
        self.background = Some(ambience);
    }

    /// Whether it has one.
    pub const fn has_background(&self) -> bool {
        self.background.is_some()
    }

    /// Places a block of the caller's, whose first sample is number `at` on the carrier's
    /// timestamps and which arrived at `now`. Finished frames go to `sink`.
    pub fn caller(
        &mut self,
        at: u64,
        now: Instant,
        samples: &[i16],
        sink: &mut impl FnMut(&[Frame]),
    ) {
        let Some(last) = samples.len().checked_sub(1) else { return };
        let at = self.believable(at, now, last as i64 + 1);
        let end = at + samples.len() as u64;
        self.clock.observe(now, end);

        if self.heard_caller {
            self.report.caller_gaps += at.saturating_sub(self.ends[CALLER]);
        }
        self.heard_caller = true;
        let repeated = self.ends[CALLER].saturating_sub(at).min(samples.len() as u64);
        self.report.caller_repeated += repeated;
        let (at, samples) = (at + repeated, &samples[repeated as usize..]);

        let late = self.emitted.saturating_sub(at).min(samples.len() as u64);
        self.report.caller_late += late;
        self.place(CALLER, at + late, &samples[late as usize..], sink);
        self.ends[CALLER] = self.ends[CALLER].max(end);
        self.emit_settled(sink);
    }

    /// Places a block of the agent's: it belongs to the run numbered `run`, whose first sample
    /// was heard at `start`, and begins `offset` samples into it. Finished frames go to `sink`.
    pub fn agent(
        &mut self,
        run: u64,
        start: Instant,
        offset: u64,
        samples: &[i16],
        sink: &mut impl FnMut(&[Frame]),
    ) {
        if samples.is_empty() {
            return;
        }
        let origin = match self.run {
            Some((current, origin)) if current == run => origin,
            last => {
                self.report.agent_runs += 1;
                let origin = self.clock.position(start);
                let join = self.hz * JOIN_MS / 1_000;
                let joins = last.is_some() && origin < self.ends[AGENT] + join;
                if joins { self.ends[AGENT] } else { origin }
            }
        };
        // Neither backwards in the run, nor into what was given out already.
        let wanted = origin.saturating_add(offset);
        let at = wanted.max(self.ends[AGENT]).max(self.emitted);
        let moved = at - wanted;
        self.report.agent_moved = self.report.agent_moved.max(moved);
        self.run = Some((run, origin + moved));

        self.place(AGENT, at, samples, sink);
        self.ends[AGENT] = at + samples.len() as u64;
        self.emit_settled(sink);
    }

    /// Gives out all that is left. The report is final then.
    pub fn finish(&mut self, sink: &mut impl FnMut(&[Frame])) -> AudioReport {
        let end = self.ends[CALLER].max(self.ends[AGENT]);
        self.emit_until(end, sink);
        self.report.clone()
    }

    /// Where a block of `len` samples that says it begins at `at` is taken to begin.
    fn believable(&mut self, at: u64, now: Instant, len: i64) -> u64 {
        let claimed = i64::try_from(at).ok().and_then(|at| at.checked_add(self.rebase));
        let arrival = self.clock.position(now) as i64;
        let hz = self.hz as i64;
        let believable = claimed.filter(|&claimed| {
            claimed >= 0
                && claimed <= arrival.saturating_add(AHEAD_SECONDS * hz - len)
                && claimed >= arrival - BEHIND_SECONDS * hz - len
        });
        if let Some(claimed) = believable {
            return claimed as u64;
        }
        self.report.caller_jumps += 1;
        let taken = (arrival - len).max(self.ends[CALLER] as i64);
        self.rebase = i64::try_from(at).map_or(0, |at| taken.saturating_sub(at));
        taken as u64
    }

    fn place(&mut self, side: usize, at: u64, samples: &[i16], sink: &mut impl FnMut(&[Frame])) {
        let capacity = self.window.len();
        let mut at = at;
        for block in samples.chunks(capacity / 4) {
            let end = at + block.len() as u64;
            self.emit_until(end.saturating_sub(capacity as u64), sink);
            for (position, &sample) in (at..end).zip(block) {
                self.window[(position % capacity as u64) as usize][side] = sample;
            }
            at = end;
        }
    }

    /// Gives out what neither side will add to: where both have been, or one is far behind.
    fn emit_settled(&mut self, sink: &mut impl FnMut(&[Frame])) {
        let [caller, agent] = self.ends;
        let held = caller.max(agent).saturating_sub(self.hold);
        self.emit_until(caller.min(agent).max(held), sink);
    }

    fn emit_until(&mut self, target: u64, sink: &mut impl FnMut(&[Frame])) {
        let capacity = self.window.len() as u64;
        while self.emitted < target {
            let start = self.emitted % capacity;
            let end = capacity.min(start + (target - self.emitted));
            let frames = &mut self.window[start as usize..end as usize];
            if let Some(background) = &self.background {
                for (at, frame) in (self.emitted..).zip(&mut *frames) {
                    frame[AGENT] = frame[AGENT].saturating_add(background.sample(at));
                }
            }
            sink(frames);
            frames.fill([0; 2]);
            self.emitted += end - start;
            self.report.frames = self.emitted;
        }
    }
}

/// Where the carrier's clock stands against ours.
#[derive(Debug)]
struct CarrierClock {
    hz: u64,
    /// The least of (our time - the carrier's), in samples, over this bucket of time and over the
    /// one before it.
    least: [Option<i64>; 2],
    bucket: i64,
}

impl CarrierClock {
    fn new(hz: u64) -> Self {
        Self { hz, least: [None; 2], bucket: 0 }
    }

    /// A block that ended at `position` arrived at `now`.
    fn observe(&mut self, now: Instant, position: u64) {
        let arrival = self.samples(now);
        let bucket = arrival / (BUCKET_SECONDS * self.hz as i64);
        if bucket != self.bucket {
            self.least = [None, if bucket == self.bucket + 1 { self.least[0] } else { None }];
            self.bucket = bucket;
        }
        let difference = arrival - position as i64;
        self.least[0] = Some(self.least[0].map_or(difference, |least| least.min(difference)));
    }

    /// The carrier's position at an instant of ours. Before the caller was heard, both clocks are
    /// taken to have begun with the call.
    fn position(&self, at: Instant) -> u64 {
        let difference = self.least.iter().flatten().min().copied().unwrap_or(0);
        (self.samples(at) - difference).max(0) as u64
    }

    fn samples(&self, at: Instant) -> i64 {
        let samples = u128::from(at.as_micros()) * u128::from(self.hz) / 1_000_000;
        // Far from both ends, so that sums of two stay in range.
        i64::try_from(samples).unwrap_or(i64::MAX).min(i64::MAX / 4)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: SampleRate = SampleRate::HZ_8000;
    const FRAME: usize = 160;

    /// A timeline and what came out of it.
    struct Bench {
        timeline: Timeline,
        out: Vec<Frame>,
    }

    impl Bench {
        fn new() -> Self {
            Self { timeline: Timeline::new(RATE), out: Vec::new() }
        }

        fn caller(&mut self, at: u64, now_ms: f64, samples: &[i16]) {
            let now = Instant::from_micros((now_ms * 1_000.0) as u64);
            self.timeline.caller(at, now, samples, &mut |frames| self.out.extend(frames));
        }

        fn agent(&mut self, run: u64, start_ms: f64, offset: u64, samples: &[i16]) {
            let start = Instant::from_micros((start_ms * 1_000.0) as u64);
            let sink = &mut |frames: &[Frame]| self.out.extend(frames);
            self.timeline.agent(run, start, offset, samples, sink);
        }

        fn finish(mut self) -> (Vec<i16>, Vec<i16>, AudioReport) {
            let report = self.timeline.finish(&mut |frames| self.out.extend(frames));
            assert_eq!(report.frames, self.out.len() as u64);
            let side = |n: usize| self.out.iter().map(|frame| frame[n]).collect();
            (side(CALLER), side(AGENT), report)
        }

        /// `count` frames of the caller's silence, each arriving 5 ms after its end.
        fn silence(&mut self, from: usize, count: usize) {
            for n in from..from + count {
                self.caller((n * FRAME) as u64, (n + 1) as f64 * 20.0 + 5.0, &[0; FRAME]);
            }
        }
    }

    fn ramp(from: usize, len: usize) -> Vec<i16> {
        (from..from + len).map(|n| (n % 30_000) as i16 + 1).collect()
    }

    fn first_sound(samples: &[i16]) -> usize {
        samples.iter().position(|&s| s != 0).expect("some sound")
    }

    #[test]
    fn a_clean_call_comes_out_sample_for_sample() {
        let mut bench = Bench::new();
        let (caller, agent) = (ramp(0, 80_000), ramp(7, 40_000));
        for (n, block) in caller.chunks(FRAME).enumerate() {
            bench.caller((n * FRAME) as u64, (n + 1) as f64 * 20.0 + 5.0, block);
            // Reported a quarter of a second after it was heard, from 1 s on.
            if let Some(m) = n.checked_sub(62)
                && let Some(block) = agent.get(m * FRAME..(m + 1) * FRAME)
            {
                bench.agent(1, 1_005.0, (m * FRAME) as u64, block);
            }
        }
        let (left, right, report) = bench.finish();
        assert_eq!(left, caller);
        assert_eq!(right[..8_000], [0; 8_000]);
        assert_eq!(right[8_000..48_000], agent);
        assert!(right[48_000..].iter().all(|&s| s == 0));
        let expected = AudioReport { frames: 80_000, agent_runs: 1, ..AudioReport::default() };
        assert_eq!(report, expected);
    }

    #[test]
    fn gaps_of_the_caller_are_silence_of_their_length() {
        let mut bench = Bench::new();
        bench.caller(0, 25.0, &ramp(0, FRAME));
        bench.caller(48_000, 6_025.0, &ramp(9, FRAME));
        let (left, _, report) = bench.finish();
        assert_eq!(left[..FRAME], ramp(0, FRAME));
        assert!(left[FRAME..48_000].iter().all(|&s| s == 0));
        assert_eq!(left[48_000..], ramp(9, FRAME));
        assert_eq!(report.caller_gaps, 48_000 - FRAME as u64);
    }

    #[test]
    fn repeated_and_reordered_blocks_are_dropped_and_counted() {
        let mut bench = Bench::new();
        let caller = ramp(0, 640);
        bench.caller(0, 25.0, &caller[..160]);
        bench.caller(0, 26.0, &[9; 160]);
        bench.caller(320, 65.0, &caller[320..480]);
        bench.caller(160, 66.0, &caller[160..320]);
        bench.caller(400, 85.0, &caller[400..560]);
        let (left, _, report) = bench.finish();
        assert_eq!(left[..160], caller[..160]);
        assert_eq!(left[160..320], [0; 160], "its place was skipped when it came");
        assert_eq!(left[320..], caller[320..560]);
        assert_eq!(report.caller_repeated, 160 + 160 + 80);
        assert_eq!(report.caller_gaps, 160);
    }

    #[test]
    fn a_run_that_was_cut_ends_where_it_was_cut() {
        let mut bench = Bench::new();
        bench.silence(0, 100);
        bench.agent(1, 505.0, 0, &[7; 1_000]);
        // Cleared; the next reply begins 300 ms later.
        bench.agent(2, 930.0, 0, &[8; 500]);
        bench.silence(100, 50);
        let (_, right, _) = bench.finish();
        let expected = |n| match n {
            4_000..5_000 => 7,
            7_400..7_900 => 8,
            _ => 0,
        };
        for (n, &sample) in right.iter().enumerate() {
            assert_eq!(sample, expected(n), "frame {n}");
        }
    }

    #[test]
    fn runs_that_touch_or_overlap_are_joined() {
        let mut bench = Bench::new();
        bench.silence(0, 50);
        bench.agent(1, 505.0, 0, &[1; 800]);
        bench.agent(2, 590.0, 0, &[2; 400]); // 15 ms too early
        bench.agent(3, 659.0, 0, &[3; 400]); // 4 ms after
        bench.agent(4, 715.0, 0, &[4; 400]); // 10 ms after
        let (_, right, report) = bench.finish();
        assert_eq!(right[4_000..4_800], [1; 800]);
        assert_eq!(right[4_800..5_200], [2; 400]);
        assert_eq!(right[5_200..5_600], [3; 400]);
        assert_eq!(right[5_600..5_680], [0; 80]);
        assert_eq!(right[5_680..6_080], [4; 400]);
        assert_eq!(report.agent_runs, 4);
    }

    #[test]
    fn a_block_lost_within_a_run_leaves_its_silence() {
        let mut bench = Bench::new();
        bench.silence(0, 50);
        bench.agent(1, 505.0, 160, &[1; 160]);
        bench.agent(1, 505.0, 480, &[2; 160]);
        let (_, right, _) = bench.finish();
        assert_eq!(right[..4_160], [0; 4_160]);
        assert_eq!(right[4_160..4_320], [1; 160]);
        assert_eq!(right[4_320..4_480], [0; 160]);
        assert_eq!(right[4_480..4_640], [2; 160]);
    }

    #[test]
    fn a_caller_who_falls_silent_does_not_hold_the_file_back() {
        let mut bench = Bench::new();
        bench.silence(0, 10);
        for n in 0..500 {
            bench.agent(1, 205.0, n * 160, &[5; FRAME]);
        }
        assert!(bench.out.len() >= 80_000 + 1_600 - 2 * 8_000, "{} frames", bench.out.len());
        // What comes from before then is too late, and said to be.
        bench.caller(1_600, 300.0, &[6; FRAME]);
        let (_, right, report) = bench.finish();
        assert_eq!(right[1_600..], [5; 80_000]);
        assert_eq!(report.caller_late, 160);
    }

    #[test]
    fn speech_reported_too_late_is_moved_and_counted() {
        let mut bench = Bench::new();
        bench.silence(0, 200);
        bench.agent(1, 1_005.0, 0, &[3; 800]);
        let (_, right, report) = bench.finish();
        // Frames before 4 s - 2 s were given out when it came.
        assert_eq!(first_sound(&right), 16_000);
        assert_eq!(report.agent_moved, 8_000);
        assert_eq!(right.iter().filter(|&&s| s == 3).count(), 800, "moved, not cut");
    }

    #[test]
    fn the_background_is_behind_the_agent_all_the_time_and_behind_nobody_else() {
        let mut bench = Bench::new();
        let ambience = Arc::new(Ambience::office(RATE));
        bench.timeline.set_background(Arc::clone(&ambience));
        bench.silence(0, 50);
        bench.agent(1, 505.0, 0, &[7_000; 800]);
        let (left, right, _) = bench.finish();
        assert!(left.iter().all(|&sample| sample == 0));
        for (at, &sample) in right.iter().enumerate() {
            let voice = if (4_000..4_800).contains(&at) { 7_000 } else { 0 };
            assert_eq!(sample, voice + ambience.sample(at as u64), "frame {at}");
        }
    }

    #[test]
    fn timestamps_beyond_belief_do_not_fill_the_disk() {
        let mut bench = Bench::new();
        bench.silence(0, 10);
        for (n, at) in [u64::MAX - 5, u64::MAX / 2, 1 << 40].into_iter().enumerate() {
            bench.caller(at, 225.0 + 20.0 * n as f64, &[1; FRAME]);
        }
        bench.caller((1 << 40) + 160, 285.0, &[2; FRAME]);
        // The stream begins again from 0, and goes on.
        bench.caller(0, 30_000.0, &[3; FRAME]);
        bench.caller(160, 30_020.0, &[4; FRAME]);
        let (left, _, report) = bench.finish();
        assert_eq!(report.caller_jumps, 4);
        let sound: Vec<i16> = left.iter().copied().filter(|&s| s != 0).collect();
        assert_eq!(sound[480..640], [2; 160]);
        assert_eq!(sound[640..], [[3; 160], [4; 160]].concat());
        assert!(left.len().abs_diff(30_020 * 8) < 8_000, "{} frames", left.len());
    }

    /// Ten minutes in which the carrier's clock is off by `ppm` and the network jitters; the agent
    /// speaks for 3 s every 10 s. Returns how far each run is from where it was heard, in ms.
    fn drifting_call(ppm: f64) -> Vec<f64> {
        const TRANSIT_MS: f64 = 30.0;
        let rate = 1.0 + ppm / 1e6;
        let mut bench = Bench::new();
        let mut jitter = codecs::noise::Noise::new(-20.0, 1);
        let mut start = 0.0;
        for n in 0..30_000_usize {
            // When the carrier's clock says that frame n is over.
            let spoken = (n + 1) as f64 * 20.0 / rate;
            let mut noise = [0];
            jitter.fill_into(&mut noise);
            let jitter = f64::from(noise[0]).abs() / 200.0;
            bench.caller((n * FRAME) as u64, spoken + TRANSIT_MS + jitter, &[0; FRAME]);
            let (run, part) = (n / 500 + 1, n % 500);
            if part < 150 {
                if part == 0 {
                    start = spoken + TRANSIT_MS;
                }
                bench.agent(run as u64, start, (part * FRAME) as u64, &[run as i16; FRAME]);
            }
        }
        let (_, right, report) = bench.finish();
        assert_eq!((report.agent_runs, report.agent_moved), (60, 0));
        (0..60)
            .map(|run| {
                let value = run as i16 + 1;
                let at = right.iter().position(|&s| s == value).expect("each run is there");
                assert_eq!(right[at..at + 24_000], [value; 24_000], "contiguous");
                // The sample that the carrier took when the run began.
                let truth = (run * 500 + 1) * FRAME;
                (at as f64 - truth as f64) / 8.0
            })
            .collect()
    }

    #[test]
    fn drift_of_the_carriers_clock_stays_below_20_ms() {
        for ppm in [-100.0, 0.0, 100.0] {
            let errors = drifting_call(ppm);
            let worst = errors.iter().fold(0.0_f64, |worst, error| worst.max(error.abs()));
            assert!(worst < 20.0, "{ppm} ppm: off by {worst:.1} ms");
            // And it does not grow: 100 ppm unabsorbed would be 60 ms by now.
            let last = errors.last().expect("sixty runs");
            assert!((last - errors[0]).abs() < 10.0, "{ppm} ppm: {errors:?}");
        }
    }
}
