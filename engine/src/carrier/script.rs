//! What the caller does, frame by frame, by what is heard of the agent. Pure: its time is the
//! count of samples.

use std::collections::VecDeque;
use std::ops::Range;
use std::time::Duration;

use codecs::SampleRate;
use codecs::noise::Noise;

/// A sample louder than this is heard: about -44 dBFS, well above the step of µ-law around zero
/// and the noise of a voice between its words.
pub const AUDIBLE: u16 = 200;

/// Silence after which the agent's next sound begins a new utterance: 300 ms.
const UTTERANCE_GAP: Duration = Duration::from_millis(300);

/// When a cue begins. It never begins while the one before it lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// This long after the call's beginning.
    At(Duration),
    /// This long after the end of the cue before, or the call's beginning.
    AfterPrevious(Duration),
    /// Once the agent has said something since the cue before, and then nothing for this long.
    AgentSilent(Duration),
    /// The same, or this long after the end of the cue before: an agent may wait for the caller.
    AgentSilentOr {
        /// The agent's silence.
        silence: Duration,
        /// The end of the caller's patience.
        latest: Duration,
    },
    /// This long after the agent begins an utterance: a barge-in. One that was under way when the
    /// cue before ended does not count.
    AgentSpeaking(Duration),
}

/// What a cue does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Says these samples.
    Say(Vec<i16>),
    /// Presses a key.
    Press(char),
    /// Sends no frames for this long: a gap in the timestamps.
    Gap(Duration),
    /// Hangs up.
    HangUp,
}

/// One thing the caller does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cue {
    /// When.
    pub when: When,
    /// What.
    pub action: Action,
}

/// Everything the caller does, in order. The line stays open after the last cue.
#[derive(Clone, Debug, PartialEq)]
pub struct CallerScript {
    /// The cues.
    pub cues: Vec<Cue>,
    /// The noise of the line, which never stops, in dBFS; `None` for digital silence.
    pub noise_dbfs: Option<f32>,
    /// Of the noise.
    pub seed: u64,
}

impl CallerScript {
    /// A script on a line with noise of -60 dBFS.
    pub fn new(cues: Vec<Cue>) -> Self {
        Self { cues, noise_dbfs: Some(-60.0), seed: 1 }
    }

    /// Adds a cue.
    #[must_use]
    pub fn then(mut self, when: When, action: Action) -> Self {
        self.cues.push(Cue { when, action });
        self
    }
}

impl Default for CallerScript {
    /// A caller who says nothing.
    fn default() -> Self {
        Self::new(Vec::new())
    }
}

/// When a cue was carried out, in samples since the call began.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CueTimes {
    /// Which cue of the script.
    pub index: usize,
    /// From its first sample to one past its last.
    pub range: Range<u64>,
    /// One past the last sample with speech in it, by the energy rule of [`speech_end`]; for
    /// other cues the end of `range`.
    pub speech_end: u64,
}

/// What the caller does in one frame, beside what is in the frame's buffer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Step {
    /// No frame is sent.
    pub gap: bool,
    /// A key is pressed.
    pub pressed: Option<char>,
    /// The call is over after this frame.
    pub hang_up: bool,
}

/// A caller who follows a script.
#[derive(Debug)]
pub struct Caller {
    rate: SampleRate,
    cues: VecDeque<Cue>,
    begun: usize,
    noise: Option<Noise>,
    /// Samples since the call began.
    position: u64,
    /// Samples being said, and how many were.
    saying: (Vec<i16>, usize),
    /// Where the gap being made ends.
    gap_until: u64,
    previous_end: u64,
    agent: Agent,
    times: Vec<CueTimes>,
}

/// What the caller knows of the agent.
#[derive(Debug, Default)]
struct Agent {
    /// One past the last audible sample.
    last: Option<u64>,
    /// Where the utterance began that is, or was last, under way.
    utterance: Option<u64>,
}

impl Caller {
    /// At the beginning of `script`, on a line at `rate`.
    pub fn new(script: CallerScript, rate: SampleRate) -> Self {
        Self {
            rate,
            cues: script.cues.into(),
            begun: 0,
            noise: script.noise_dbfs.map(|level| Noise::new(level, script.seed)),
            position: 0,
            saying: (Vec::new(), 0),
            gap_until: 0,
            previous_end: 0,
            agent: Agent::default(),
            times: Vec::new(),
        }
    }

    /// One frame of the call: the caller hears `agent` and fills `caller`, of the same length.
    pub fn step(&mut self, agent: &[i16], caller: &mut [i16]) -> Step {
        let mut step = Step::default();
        caller.fill(0);
        self.begin_cues(&mut step);
        step.gap = self.position < self.gap_until;
        if !step.gap {
            let (samples, said) = &mut self.saying;
            let count = (samples.len() - *said).min(caller.len());
            caller[..count].copy_from_slice(&samples[*said..*said + count]);
            *said += count;
            if let Some(noise) = &mut self.noise {
                noise.add_into(caller);
            }
        }
        self.hear(agent);
        self.position += caller.len() as u64;
        step
    }

    /// Samples since the call began.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Nothing of the script is left to do.
    pub fn is_done(&self) -> bool {
        self.cues.is_empty() && self.is_free()
    }

    /// When each cue that has begun was, or will be, carried out.
    pub fn times(&self) -> &[CueTimes] {
        &self.times
    }

    fn is_free(&self) -> bool {
        self.position >= self.previous_end
    }

    fn begin_cues(&mut self, step: &mut Step) {
        while self.is_free() && self.cues.front().is_some_and(|cue| self.is_due(cue.when)) {
            let Some(cue) = self.cues.pop_front() else { return };
            let start = self.position;
            let (mut end, mut speech) = (start, start);
            match cue.action {
                Action::Say(samples) => {
                    end = start + samples.len() as u64;
                    speech = start + speech_end(&samples, self.rate) as u64;
                    self.saying = (samples, 0);
                }
                Action::Press(digit) => step.pressed = Some(digit),
                Action::Gap(length) => {
                    end = start + self.rate.samples_in(length);
                    speech = end;
                    self.gap_until = end;
                }
                Action::HangUp => step.hang_up = true,
            }
            self.previous_end = end;
            self.times.push(CueTimes { index: self.begun, range: start..end, speech_end: speech });
            self.begun += 1;
            if step.pressed.is_some() || step.hang_up {
                // One key a frame.
                return;
            }
        }
    }

    fn is_due(&self, when: When) -> bool {
        let samples = |duration| self.rate.samples_in(duration);
        let since_previous = |&at: &u64| at >= self.previous_end;
        match when {
            When::At(time) => self.position >= samples(time),
            When::AfterPrevious(time) => self.position >= self.previous_end + samples(time),
            When::AgentSilent(time) => self.agent_silent_for(samples(time)),
            When::AgentSilentOr { silence, latest } => {
                let agent_spoke = self.agent.last.is_some_and(|last| last >= self.previous_end);
                self.agent_silent_for(samples(silence))
                    || (!agent_spoke && self.position >= self.previous_end + samples(latest))
            }
            When::AgentSpeaking(time) => self
                .agent
                .utterance
                .filter(since_previous)
                .is_some_and(|began| self.position >= began + samples(time)),
        }
    }

    /// The agent has said something since the cue before, and then nothing for `samples`.
    fn agent_silent_for(&self, samples: u64) -> bool {
        let last = self.agent.last.filter(|last| *last >= self.previous_end);
        last.is_some_and(|last| self.position >= last + samples)
    }

    fn hear(&mut self, agent: &[i16]) {
        let audible = |sample: &i16| sample.unsigned_abs() > AUDIBLE;
        let Some(first) = agent.iter().position(audible) else { return };
        let first = self.position + first as u64;
        let gap = self.rate.samples_in(UTTERANCE_GAP);
        if self.agent.last.is_none_or(|last| first >= last + gap) {
            self.agent.utterance = Some(first);
        }
        let last = agent.iter().rposition(audible).unwrap_or(0) as u64;
        self.agent.last = Some(self.position + last + 1);
    }
}

/// One past the last sample of speech in a clip, by energy: the end of the last 10 ms whose power
/// is within 35 dB of the loudest 10 ms of the clip, and above -55 dBFS.
pub fn speech_end(clip: &[i16], rate: SampleRate) -> usize {
    let window = (rate.hz() as usize / 100).max(1);
    let power = |chunk: &[i16]| {
        let sum: f64 = chunk.iter().map(|&sample| f64::from(sample).powi(2)).sum();
        sum / chunk.len().max(1) as f64
    };
    let loudest = clip.chunks(window).map(power).fold(0.0, f64::max);
    // -35 dB is a power ratio of 10^-3.5; -55 dBFS of a full-scale sine is 41 RMS.
    let threshold = (loudest * 3.2e-4).max(41.0 * 41.0);
    let windows = clip.chunks(window).rposition(|chunk| power(chunk) > threshold);
    windows.map_or(0, |index| ((index + 1) * window).min(clip.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: usize = 160;
    const LOUD: [i16; FRAME] = [8_000; FRAME];
    const QUIET: [i16; FRAME] = [50; FRAME];

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn caller(cues: &[(When, Action)]) -> Caller {
        let mut script = CallerScript { noise_dbfs: None, ..CallerScript::default() };
        for (when, action) in cues {
            script = script.then(*when, action.clone());
        }
        Caller::new(script, SampleRate::HZ_8000)
    }

    /// Runs `frames` frames in which the agent says `agent`; returns what the caller said.
    fn run(caller: &mut Caller, frames: usize, agent: &[i16]) -> Vec<i16> {
        let mut said = Vec::new();
        for _ in 0..frames {
            let mut frame = [0; FRAME];
            caller.step(agent, &mut frame);
            said.extend(frame);
        }
        said
    }

    #[test]
    fn cues_follow_the_clock_and_each_other() {
        let mut caller = caller(&[
            (When::At(ms(40)), Action::Say(vec![1; 200])),
            (When::AfterPrevious(ms(20)), Action::Say(vec![2; 10])),
        ]);
        let said = run(&mut caller, 8, &QUIET);
        assert_eq!(said[..320], [0; 320]);
        assert_eq!(said[320..520], [1; 200]);
        assert_eq!(caller.times()[0].range, 320..520);
        // 520 + 160 samples, on the next frame's beginning.
        assert_eq!(caller.times()[1].range, 800..810);
        assert!(caller.is_done());
    }

    #[test]
    fn a_turn_waits_for_the_agent_to_speak_and_then_be_silent() {
        let mut caller = caller(&[(When::AgentSilent(ms(100)), Action::Say(vec![1; 160]))]);
        run(&mut caller, 50, &QUIET);
        assert_eq!(caller.times(), [], "the agent has said nothing yet");
        run(&mut caller, 10, &LOUD);
        run(&mut caller, 4, &QUIET);
        run(&mut caller, 10, &LOUD);
        run(&mut caller, 10, &QUIET);
        assert_eq!(caller.times()[0].range.start, (50 + 10 + 4 + 10 + 5) * 160);
    }

    #[test]
    fn a_caller_does_not_wait_forever_for_an_agent_that_says_nothing() {
        let when = When::AgentSilentOr { silence: ms(100), latest: ms(400) };
        let mut silent = caller(&[(when, Action::Say(vec![1; 160]))]);
        run(&mut silent, 30, &QUIET);
        assert_eq!(silent.times()[0].range.start, 20 * 160);
        let mut polite = caller(&[(when, Action::Say(vec![1; 160]))]);
        run(&mut polite, 30, &LOUD);
        run(&mut polite, 10, &QUIET);
        assert_eq!(polite.times()[0].range.start, 35 * 160, "the agent was speaking");
    }

    #[test]
    fn a_barge_in_counts_from_the_utterance_after_the_cue_before() {
        let mut caller = caller(&[
            (When::AgentSpeaking(ms(200)), Action::Say(vec![1; 160])),
            (When::AgentSpeaking(ms(200)), Action::Say(vec![2; 160])),
        ]);
        run(&mut caller, 30, &LOUD);
        assert_eq!(caller.times().len(), 1, "still the same utterance");
        assert_eq!(caller.times()[0].range.start, 10 * 160);
        run(&mut caller, 20, &QUIET);
        run(&mut caller, 30, &LOUD);
        assert_eq!(caller.times()[1].range.start, (50 + 10) * 160);
    }

    #[test]
    fn keys_gaps_and_hanging_up() {
        let mut caller = caller(&[
            (When::At(ms(0)), Action::Press('1')),
            (When::AfterPrevious(ms(0)), Action::Press('#')),
            (When::AfterPrevious(ms(0)), Action::Gap(ms(40))),
            (When::AfterPrevious(ms(0)), Action::HangUp),
        ]);
        let mut frame = [0; FRAME];
        let steps: Vec<Step> = (0..5).map(|_| caller.step(&QUIET, &mut frame)).collect();
        assert_eq!(steps[0].pressed, Some('1'));
        assert_eq!(steps[1].pressed, Some('#'));
        let gaps: Vec<bool> = steps.iter().map(|step| step.gap).collect();
        assert_eq!(gaps, [false, false, true, true, false]);
        assert!(steps[4].hang_up);
    }

    #[test]
    fn the_line_is_never_silent() {
        let mut caller = Caller::new(CallerScript::default(), SampleRate::HZ_8000);
        let said = run(&mut caller, 50, &QUIET);
        let power: f64 = said.iter().map(|&s| f64::from(s).powi(2)).sum::<f64>() / 8_000.0;
        let dbfs = 10.0 * (power / (32_768.0f64.powi(2) / 2.0)).log10();
        assert!((-61.0..-59.0).contains(&dbfs), "{dbfs} dBFS");
    }

    #[test]
    fn speech_ends_with_its_energy() {
        let mut clip = vec![6_000i16; 4_000];
        clip.extend(vec![20; 2_000]);
        assert_eq!(speech_end(&clip, SampleRate::HZ_8000), 4_000);
        assert_eq!(speech_end(&[], SampleRate::HZ_8000), 0);
        assert_eq!(speech_end(&[3; 800], SampleRate::HZ_8000), 0);
    }
}
