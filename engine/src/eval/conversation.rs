//! A recorded call between two people, each in a channel of their own: the human agent's
//! turn-taking is the yardstick.
//!
//! The caller's channel goes through the pipeline. At every pause of theirs the agent either took
//! the floor (a **shift**) or let them go on (a **hold**); we either decide that the turn is over,
//! or do not. The assistant's own replies are a short word: what the agent said is not known to it.

use std::sync::Arc;
use std::time::Duration;

use asr::Recognizer;
use serde::Serialize;
use turntaking::settings::{FirstMessageMode, Settings};
use vad::{Gate, GateEvent, GateSettings, Score};

use super::barge_in::material::TwoChannel;
use super::call::{self, CallError, Line, Staged};
use super::decision::Decisions;
use super::line::{self, samples};
use super::machine::Machine;
use super::oracle::Oracle;
use super::score::{Rate, Times};
use crate::carrier::{Action, CallerScript, When};

/// Samples of a window.
const WINDOW: usize = 256;
/// A pause inside a caller's turn, in ms: shorter ones are no occasion to take the floor.
const SHORTEST_HOLD_MS: i64 = 200;
/// The agent takes the floor with speech at least this long, in ms; what is shorter is a
/// back-channel.
const SHORTEST_TURN_MS: i64 = 700;

/// A call's figures.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CallFigures {
    /// The recording.
    pub name: String,
    /// Pauses at which the agent took the floor.
    pub shifts: usize,
    /// From the caller's last sound to the agent's first, in ms.
    pub agent_ms: Times,
    /// From the caller's last sound to our decision, in ms.
    pub ours_ms: Times,
    /// Shifts at which we decided nothing before the agent had finished.
    pub missed: Rate,
    /// Pauses of 200 ms and more at which the agent let the caller go on.
    pub holds: usize,
    /// Those of them at which we decided that the turn is over.
    pub cut_offs: Rate,
}

/// A stretch of speech, in ms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stretch {
    from: i64,
    to: i64,
}

/// Plays the caller's side of `recorded` and compares.
pub(super) async fn play(
    recorded: &TwoChannel,
    machine: &Machine,
    settings: &Settings,
) -> Result<CallFigures, CallError> {
    let mut sound = recorded.caller.clone();
    line::through_mulaw(&mut sound);
    let recognizer: Arc<dyn Recognizer> = match &machine.moonshine {
        Some(moonshine) => Arc::clone(moonshine) as Arc<_>,
        // Nobody wrote down what is said: turns would go without words.
        None => Arc::new(Oracle::new(Vec::new())),
    };
    let caller = stretches(&machine.voice(&sound));
    let agent = stretches(&machine.voice(&recorded.agent));
    let script = CallerScript { cues: Vec::new(), noise_dbfs: None, seed: 0 }
        .then(When::At(Duration::ZERO), Action::Say(sound))
        .then(When::AfterPrevious(Duration::from_secs(2)), Action::HangUp);
    let minutes = recorded.caller.len() as u64 / samples(60_000) as u64;
    let staged = Staged {
        settings: Settings {
            first_message: String::new(),
            first_message_mode: FirstMessageMode::AssistantWaitsForUser,
            // The agent speaks for long; nobody is silent.
            silence_timeout: Duration::from_secs(3_600),
            max_duration: Duration::from_secs(60 * (minutes + 2)),
            ..settings.clone()
        },
        language: "en".to_owned(),
        providers: machine.providers(recognizer, call::even_voice(Duration::from_millis(200))),
        script,
        line: Line::Ideal(None),
    };
    let played = call::play(staged).await?;
    let commits = Decisions::of(&played.records, 0).commits;
    Ok(compare(&recorded.name, &caller, &agent, &commits))
}

/// The voice gate's stretches of speech in windows with these scores.
fn stretches(scores: &[f32]) -> Vec<Stretch> {
    let mut gate = Gate::new(GateSettings::default(), WINDOW);
    let mut stretches = Vec::new();
    let mut open = None;
    let ms = |sample: u64| i64::try_from(sample / 8).unwrap_or(i64::MAX);
    for (window, &probability) in scores.iter().enumerate() {
        let end = ((window + 1) * WINDOW) as u64;
        match gate.accept(Score { end, probability }) {
            Some(GateEvent::Started { since_sample }) => open = Some(ms(since_sample)),
            Some(GateEvent::Stopped { since_sample }) => {
                let to = ms(since_sample);
                stretches.extend(open.take().map(|from| Stretch { from, to }));
            }
            Some(GateEvent::Doubted | GateEvent::Assured) | None => {}
        }
    }
    let end = ms((scores.len() * WINDOW) as u64);
    stretches.extend(open.map(|from| Stretch { from, to: end }));
    stretches
}

fn compare(name: &str, caller: &[Stretch], agent: &[Stretch], commits: &[i64]) -> CallFigures {
    let takes_floor = |stretch: &&Stretch| stretch.to - stretch.from >= SHORTEST_TURN_MS;
    let (mut theirs, mut ours, mut shifts, mut missed) = (Vec::new(), Vec::new(), 0, 0);
    let (mut holds, mut cut_offs) = (0, 0);
    for (at, stretch) in caller.iter().enumerate() {
        let resumed = caller.get(at + 1).map_or(i64::MAX, |next| next.from);
        // The agent may have begun into the caller's last word.
        let taken = agent.iter().filter(takes_floor).find(|taken| {
            taken.from > stretch.from && taken.from < resumed && taken.to > stretch.to
        });
        let ended = |until: i64| commits.iter().find(|at| **at >= stretch.to && **at < until);
        match taken {
            Some(taken) => {
                shifts += 1;
                theirs.push(taken.from - stretch.to);
                match ended(resumed.min(taken.to)) {
                    Some(commit) => ours.push(commit - stretch.to),
                    None => missed += 1,
                }
            }
            None if resumed < i64::MAX && resumed - stretch.to >= SHORTEST_HOLD_MS => {
                holds += 1;
                cut_offs += usize::from(ended(resumed).is_some());
            }
            None => {}
        }
    }
    CallFigures {
        name: name.to_owned(),
        shifts,
        agent_ms: Times::of(theirs),
        ours_ms: Times::of(ours),
        missed: Rate::new(missed, shifts),
        holds,
        cut_offs: Rate::new(cut_offs, holds),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stretches_are_the_gates() {
        let mut scores = vec![0.0; 5];
        scores.extend([0.9; 4]);
        scores.extend([0.0; 3]);
        scores.extend([0.9; 3]);
        let expected = [Stretch { from: 160, to: 288 }, Stretch { from: 384, to: 480 }];
        assert_eq!(stretches(&scores), expected);
    }

    #[test]
    fn a_pause_is_a_shift_where_the_agent_speaks_at_length() {
        let stretch = |from, to| Stretch { from, to };
        let caller = [
            stretch(0, 1_000),
            stretch(1_500, 3_000),
            stretch(3_100, 4_000),
            stretch(9_000, 9_500),
            stretch(12_000, 13_000),
        ];
        // A back-channel, a turn, and one that begins into the caller's last word.
        let agent = [stretch(1_100, 1_300), stretch(4_300, 8_500), stretch(9_450, 11_000)];
        let figures = compare("x", &caller, &agent, &[1_350, 4_350, 13_400]);
        assert_eq!((figures.shifts, figures.holds), (2, 1));
        assert_eq!(figures.agent_ms.p50, Some(-50));
        assert_eq!((figures.ours_ms.n, figures.ours_ms.p50), (1, Some(350)));
        assert_eq!((figures.missed.count, figures.cut_offs.count), (1, 1));
    }
}
