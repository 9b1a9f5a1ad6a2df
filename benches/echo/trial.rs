//! One call, and what became of it.

use std::fmt;
use std::time::Duration;

use codecs::noise::Noise;
use engine::carrier::{Action, CallerScript, When};
use engine::session::SessionEventKind;
use engine::transport::line_echo::LineEcho;
use turntaking::output::Event;

use crate::chance::Chance;
use crate::material::{Material, RATE};
use crate::stage::{Call, Stage};

/// What happens on the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The caller is silent; the line returns the voice.
    Echo,
    /// The caller speaks over the voice in its first second.
    EarlyBargeIn,
    /// The caller speaks over the voice after three seconds or more.
    LateBargeIn,
    /// The same where the line returns nothing.
    NoEcho,
    /// The same in the first second.
    NoEchoEarly,
}

impl Kind {
    pub(crate) const ALL: [Self; 5] =
        [Self::Echo, Self::EarlyBargeIn, Self::LateBargeIn, Self::NoEchoEarly, Self::NoEcho];

    const fn has_echo(self) -> bool {
        matches!(self, Self::Echo | Self::EarlyBargeIn | Self::LateBargeIn)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Echo => "echo alone",
            Self::EarlyBargeIn => "barge-in over echo, first second",
            Self::LateBargeIn => "barge-in over echo, later",
            Self::NoEcho => "barge-in, no echo, later",
            Self::NoEchoEarly => "barge-in, no echo, first second",
        })
    }
}

/// A call to be played.
pub(crate) struct Trial {
    pub(crate) name: String,
    voice: Vec<i16>,
    echo: Option<LineEcho>,
    script: CallerScript,
    /// The caller's words begin so long after the voice.
    onset: Option<Duration>,
}

impl Trial {
    pub(crate) fn new(kind: Kind, number: usize, material: &Material) -> Self {
        let mut chance = Chance::of(&format!("{kind} {number}"));
        let voice = material.sentences[chance.below(material.sentences.len())].clone();
        let (room, response) = &material.rooms[chance.below(material.rooms.len())];
        let gain = chance.between(-40.0, -6.0);
        let delay = chance.between(20.0, 400.0);
        let overdriven = chance.below(3) == 0;
        let noise = chance.between(-65.0, -45.0);
        let taps = response.iter().map(|tap| tap * 10.0_f32.powf(gain as f32 / 20.0)).collect();
        let echo = LineEcho::new(RATE, Duration::from_micros((delay * 1_000.0) as u64), taps);
        // The voice's peaks are at about 12,000.
        let echo = if overdriven { echo.overdriven(5_000.0) } else { echo };
        let mut script = CallerScript {
            noise_dbfs: Some(noise as f32),
            seed: chance.bits(),
            ..CallerScript::default()
        };
        let (onset, level) = match kind {
            Kind::Echo => (None, 0.0),
            Kind::EarlyBargeIn | Kind::NoEchoEarly => {
                (Some(chance.between(150.0, 1_000.0)), chance.between(-8.0, 4.0))
            }
            Kind::LateBargeIn | Kind::NoEcho => {
                (Some(chance.between(3_000.0, 7_000.0)), chance.between(-8.0, 4.0))
            }
        };
        let onset = onset.map(|ms| Duration::from_millis(ms as u64));
        let (file, words) = &material.callers[chance.below(material.callers.len())];
        if let Some(onset) = onset {
            let gain = 10.0_f64.powf(level / 20.0);
            let words = words.iter().map(|&s| (f64::from(s) * gain).round() as i16).collect();
            script = script
                .then(When::AgentSpeaking(onset), Action::Say(words))
                .then(When::AfterPrevious(Duration::from_millis(1_500)), Action::HangUp);
        } else {
            script = script.then(When::AgentSilent(Duration::from_millis(1_500)), Action::HangUp);
        }
        let name = format!(
            "{kind} {number}: {room} {gain:.0} dB {delay:.0} ms{} noise {noise:.0}, {onset:?} \
             {level:.0} dB {file}",
            if overdriven { " overdriven" } else { "" }
        );
        Self { name, voice, echo: kind.has_echo().then_some(echo), script, onset }
    }

    pub(crate) async fn play(&self, stage: &Stage) -> Result<Outcome, Box<dyn std::error::Error>> {
        let call = stage.play(&self.voice, self.echo.clone(), self.script.clone()).await?;
        Ok(Outcome::of(self, &call))
    }
}

/// What became of a call.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// The voice was stopped for good, this long after it (or, where the caller speaks, the caller)
    /// began, in ms; below 0: before the caller spoke.
    stopped_ms: Option<i64>,
    /// It was silent first, this long after the caller began.
    yielded_ms: Option<i64>,
    /// It was held and went on, so often before the caller spoke.
    holds: usize,
    /// What was heard of the caller before the caller spoke.
    words: String,
    /// Length of the voice before the caller spoke, in s.
    seconds: f64,
}

impl Outcome {
    fn of(trial: &Trial, call: &Call) -> Self {
        let ms = |samples: u64| RATE.duration_of(samples).as_millis() as i64;
        let began = call.log.heard.first().map_or(0, |heard| ms(heard.at));
        // The cue's own time: a script moves in frames.
        let onset = trial.onset.and_then(|_| call.log.cues.first()).map(|cue| ms(cue.range.start));
        let (mut stopped_ms, mut holds, mut words) = (None, 0, String::new());
        for event in &call.events {
            let SessionEventKind::Floor(floor) = &event.kind else { continue };
            let at = event.at.since_start().as_millis() as i64;
            match floor {
                Event::UserInterrupted { .. } => {
                    stopped_ms.get_or_insert(at - onset.unwrap_or(began));
                }
                Event::FalseInterruption { .. } if onset.is_none_or(|onset| at < onset) => {
                    holds += 1;
                }
                Event::UserTranscript { text, .. } if onset.is_none_or(|onset| at < onset) => {
                    words.clone_from(text);
                }
                _ => {}
            }
        }
        let silent = |onset: i64| {
            let ends = call.log.heard.iter().map(|heard| {
                (ms(heard.at), ms(heard.at + heard.range.end - heard.range.start))
            });
            let mut ends = ends.filter(|&(from, until)| from <= onset && until > onset);
            ends.next().map(|(_, until)| until - onset)
        };
        let yielded_ms = onset.and_then(silent);
        let last = call.log.heard.last().map_or(0, |heard| ms(heard.at + heard.range.end - heard.range.start));
        let seconds = (onset.unwrap_or(last) - began) as f64 / 1_000.0;
        Self { stopped_ms, yielded_ms, holds, words, seconds }
    }

    pub(crate) fn summary(kind: Kind, outcomes: &[Self]) -> String {
        let minutes = outcomes.iter().map(|outcome| outcome.seconds).sum::<f64>() / 60.0;
        let holds: usize = outcomes.iter().map(|outcome| outcome.holds).sum();
        let worded = outcomes.iter().filter(|outcome| !outcome.words.is_empty()).count();
        let false_stop = |outcome: &&Self| {
            outcome.stopped_ms.is_some_and(|ms| kind == Kind::Echo || ms < 0)
        };
        let false_stops = outcomes.iter().filter(false_stop).count();
        let mut summary = format!(
            "false stops {false_stops}, with words {worded}, holds {holds} in {minutes:.1} min"
        );
        if kind != Kind::Echo {
            let real = || outcomes.iter().filter(|outcome| !false_stop(outcome));
            let missed = real().filter(|outcome| outcome.stopped_ms.is_none()).count();
            let times = |time: fn(&Self) -> Option<i64>| {
                let mut times: Vec<i64> = real().filter_map(time).collect();
                times.sort_unstable();
                let at = |part: usize| times.get(times.len() * part / 100).copied().unwrap_or(-1);
                format!("p50 {} p90 {} p95 {} max {} ms", at(50), at(90), at(95), at(100).max(times.last().copied().unwrap_or(-1)))
            };
            summary += &format!(
                "; missed {missed}; silent after {}; decided after {}",
                times(|outcome| outcome.yielded_ms),
                times(|outcome| outcome.stopped_ms)
            );
        }
        summary
    }
}

/// The line's noise is in the script; this one is for the reference of the cost.
pub(crate) fn noise(level: f32, length: usize) -> Vec<i16> {
    let mut samples = vec![0; length];
    Noise::new(level, 1).fill_into(&mut samples);
    samples
}
