//! What another plan would have decided on a recorded call.
//!
//! A call that went another way cannot be replayed: the assistant would have said something else,
//! and the caller too. So each decision is looked at by itself. For every turn of the caller, and
//! for every time the assistant was held, a Floor is brought to where the recorded one stood, is
//! given the other plan, and hears what the recorded one heard: everything for as long as it asks
//! for the same, and from then on the caller's side only (voice, words, keys, the recogniser, and
//! where playback was held) and its own timers. What it decides is compared, and nothing after.
//!
//! A score of the turn model counts where it was asked for at the same instant. Any other is
//! fetched from whoever can hear the recording, or the decision is made without it, and counted.

use std::collections::VecDeque;
use std::time::Duration;

use serde::Serialize;

use crate::floor::Floor;
use crate::input::{Input, Probability};
use crate::journal::{Header, Record};
use crate::output::{Event, Output};
use crate::settings::{StartSpeakingPlan, StopSpeakingPlan};
use crate::time::Instant;

/// How far apart two instants may be and still be the same: the session's timer is late by a
/// millisecond or so.
const SAME: Duration = Duration::from_millis(5);
/// When a score that was not taken in the call arrives: a look takes about this long.
const LOOK: Duration = Duration::from_millis(50);
/// How long a decision is waited for once the journal has ended.
const PATIENCE: Duration = Duration::from_secs(15);

/// How a turn of the caller would have ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TurnVerdict {
    /// At the same instant.
    Same,
    /// Sooner.
    Earlier,
    /// Later.
    Later,
    /// While the caller had more to say: what followed was said in the same turn.
    CutOff,
    /// Not before the caller spoke again: what was two turns would have been one.
    Joined,
    /// Not at all.
    Never,
}

/// A turn of the caller under the other plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct TurnDecision {
    /// When the caller's last speech before the recorded decision ended; `None`: keys were pressed.
    pub speech_ended: Option<Instant>,
    /// When the turn was taken to be over.
    pub recorded: Instant,
    /// When the other plan takes it to be over.
    pub planned: Option<Instant>,
    /// How they compare.
    pub verdict: TurnVerdict,
    /// Scores of the turn model that the other plan asked for and that are not known.
    pub unknown_scores: u32,
}

/// What became of the assistant's voice when it was held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum HoldEnd {
    /// The caller took the floor.
    Interrupted,
    /// The voice went on.
    Resumed,
    /// Neither, as far as the journal goes.
    Open,
}

/// A hold under the other plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct HoldDecision {
    /// When the assistant was held.
    pub held: Instant,
    /// What became of it, and when.
    pub recorded: (HoldEnd, Option<Instant>),
    /// What the other plan makes of it.
    pub planned: (HoldEnd, Option<Instant>),
}

/// All decisions of a call under the other plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct WhatIf {
    /// Every turn of the caller.
    pub turns: Vec<TurnDecision>,
    /// Every hold.
    pub holds: Vec<HoldDecision>,
}

/// Runs each decision of a recorded call under another plan. `score` is asked for the turn model's
/// score of the caller's audio up to a moment, where the call has none.
pub fn what_if(
    header: &Header,
    records: &[Record],
    (start, stop): (&StartSpeakingPlan, &StopSpeakingPlan),
    score: &mut dyn FnMut(Instant) -> Option<Probability>,
) -> WhatIf {
    let mut call = Call { header, records, plan: (start, stop), score };
    let (mut turns, mut holds) = (Vec::new(), Vec::new());
    let mut began = None;
    for (at, record) in records.iter().enumerate() {
        if began.is_none() && begins_turn(&record.input) {
            began = Some(at);
        }
        if record.outputs.iter().any(is_hold) {
            holds.push(call.hold(at));
        }
        if record.outputs.iter().any(is_commit)
            && let Some(began) = began.take()
        {
            turns.push(call.turn(began, at));
        }
    }
    WhatIf { turns, holds }
}

struct Call<'a> {
    header: &'a Header,
    records: &'a [Record],
    plan: (&'a StartSpeakingPlan, &'a StopSpeakingPlan),
    score: &'a mut dyn FnMut(Instant) -> Option<Probability>,
}

impl Call<'_> {
    /// The turn that began with record `began` and was over at record `ended`.
    fn turn(&mut self, began: usize, ended: usize) -> TurnDecision {
        let speech = |record: &Record| match record.input {
            Input::SpeechStarted { since } => Some(since),
            _ => None,
        };
        let mut ends = self.records[began..=ended].iter().filter_map(|record| match record.input {
            Input::SpeechStopped { since } | Input::EchoFound { since } => Some(since),
            _ => None,
        });
        let speech_ended = ends.next_back();
        let recorded = self.records[ended].t;
        // The caller's next word belongs to another turn, as it was recorded.
        let next = self.records[ended + 1..].iter().position(|record| speech(record).is_some());
        let next = next.map(|offset| ended + 1 + offset);
        let mut run = Run::new(self, began);
        let planned = run.until(self, next.unwrap_or(self.records.len()), &is_commit);
        let planned = match (planned, next) {
            // Nothing follows: its own timers decide.
            (None, None) => run.alone(self, &is_commit),
            (planned, _) => planned,
        };
        let last_speech = self.records[began..=ended].iter().filter_map(speech).next_back();
        let verdict = match planned {
            Some(planned) if last_speech.is_some_and(|since| planned <= since) => {
                TurnVerdict::CutOff
            }
            Some(planned) if planned.since(recorded) > SAME => TurnVerdict::Later,
            Some(planned) if recorded.since(planned) > SAME => TurnVerdict::Earlier,
            Some(_) => TurnVerdict::Same,
            None if next.is_some() => TurnVerdict::Joined,
            None => TurnVerdict::Never,
        };
        TurnDecision {
            speech_ended,
            recorded,
            planned,
            verdict,
            unknown_scores: run.unknown_scores,
        }
    }

    /// The hold that record `at` asked for.
    fn hold(&mut self, at: usize) -> HoldDecision {
        let over = |record: &Record| record.outputs.iter().find_map(hold_end);
        let found = self.records[at..].iter().find_map(|record| Some((over(record)?, record.t)));
        let recorded = match found {
            Some((end, at)) => (end, Some(at)),
            None => (HoldEnd::Open, None),
        };
        let mut run = Run::new(self, at);
        let is_over = |output: &Output| hold_end(output).is_some();
        let planned = run.until(self, self.records.len(), &is_over);
        let planned = planned.or_else(|| run.alone(self, &is_over));
        let end = run.last.iter().find_map(hold_end).unwrap_or(HoldEnd::Open);
        let planned = if planned.is_some() { (end, planned) } else { (HoldEnd::Open, None) };
        HoldDecision { held: self.records[at].t, recorded, planned }
    }
}

/// A Floor with the other plan, from a record on.
struct Run {
    floor: Floor,
    /// The next record.
    next: usize,
    now: Instant,
    /// It has asked for something that was not recorded.
    diverged: bool,
    /// Scores on their way.
    scores: VecDeque<(Instant, u32, Probability)>,
    /// What it asked for last.
    last: Vec<Output>,
    unknown_scores: u32,
}

impl Run {
    fn new(call: &Call<'_>, from: usize) -> Self {
        let Header { settings, seed, started, .. } = call.header;
        let mut floor = Floor::new(settings.clone(), *seed, *started);
        let mut now = *started;
        for record in &call.records[..from] {
            now = record.t;
            floor.handle(record.t, &record.input);
            while floor.poll_output().is_some() {}
        }
        floor.replan(call.plan.0.clone(), call.plan.1.clone());
        Self {
            floor,
            next: from,
            now,
            diverged: false,
            scores: VecDeque::new(),
            last: Vec::new(),
            unknown_scores: 0,
        }
    }

    /// Goes on up to the moment of record `end`, and says when something `wanted` was asked for.
    fn until(
        &mut self,
        call: &mut Call<'_>,
        end: usize,
        wanted: &dyn Fn(&Output) -> bool,
    ) -> Option<Instant> {
        loop {
            let record = call.records.get(self.next)?;
            while let Some(at) = self.due_before(record.t) {
                self.tell(at, &Input::Timeout, None, call);
                if self.last.iter().any(wanted) {
                    return Some(at);
                }
            }
            if self.next >= end {
                return None;
            }
            self.next += 1;
            if self.diverged && !is_callers(&record.input) {
                continue;
            }
            self.tell(record.t, &record.input, Some(&record.outputs), call);
            if self.last.iter().any(wanted) {
                return Some(record.t);
            }
        }
    }

    /// Goes on with nobody saying anything.
    fn alone(&mut self, call: &mut Call<'_>, wanted: &dyn Fn(&Output) -> bool) -> Option<Instant> {
        let last = self.now + PATIENCE;
        self.diverged = true;
        while let Some(at) = self.due_before(last) {
            self.tell(at, &Input::Timeout, None, call);
            if self.last.iter().any(wanted) {
                return Some(at);
            }
        }
        None
    }

    /// The next deadline or score that comes clearly before `at`.
    fn due_before(&self, at: Instant) -> Option<Instant> {
        let deadline = self.floor.poll_timeout().map(|(at, _)| at);
        let score = self.scores.front().map(|(at, ..)| *at);
        let due = deadline.into_iter().chain(score).min()?.max(self.now);
        (due + SAME < at || (self.diverged && due < at)).then_some(due)
    }

    fn tell(
        &mut self,
        at: Instant,
        input: &Input<'_>,
        recorded: Option<&[Output]>,
        call: &mut Call<'_>,
    ) {
        self.now = self.now.max(at);
        self.last.clear();
        while let Some((due, pause, complete)) = self.scores.front().copied()
            && due <= at
        {
            self.scores.pop_front();
            self.floor.handle(at, &Input::TurnScore { pause, complete });
            self.last.extend(std::iter::from_fn(|| self.floor.poll_output()));
        }
        self.floor.handle(at, input);
        self.last.extend(std::iter::from_fn(|| self.floor.poll_output()));
        self.diverged |= recorded.map_or(!self.last.is_empty(), |recorded| recorded != self.last);
        if self.diverged {
            let asked = self.last.iter().filter_map(|output| match output {
                Output::AskTurnModel { pause } => Some(*pause),
                _ => None,
            });
            for pause in asked.collect::<Vec<_>>() {
                match answer(call, pause, at) {
                    Some((due, complete)) => self.scores.push_back((due, pause, complete)),
                    None => self.unknown_scores += 1,
                }
            }
        }
    }
}

/// The turn model's answer to a question at `at`: the recorded one where it was asked then.
fn answer(call: &mut Call<'_>, pause: u32, at: Instant) -> Option<(Instant, Probability)> {
    let asked = |record: &Record| {
        let ask = Output::AskTurnModel { pause };
        record.outputs.contains(&ask) && record.t.since(at) <= SAME && at.since(record.t) <= SAME
    };
    let recorded = call.records.iter().any(asked).then(|| {
        call.records.iter().find_map(|record| match record.input {
            Input::TurnScore { pause: of, complete } if of == pause => Some((record.t, complete)),
            _ => None,
        })
    });
    match recorded {
        // It was asked then, and had no answer.
        Some(answer) => answer,
        None => (call.score)(at).map(|complete| (at + LOOK, complete)),
    }
}

fn begins_turn(input: &Input<'_>) -> bool {
    matches!(input, Input::SpeechStarted { .. } | Input::Transcript { .. } | Input::Digit { .. })
}

/// The caller's side; playback that was held belongs to it, because it was their voice that did it.
fn is_callers(input: &Input<'_>) -> bool {
    matches!(
        input,
        Input::SpeechStarted { .. }
            | Input::SpeechStopped { .. }
            | Input::NoiseSuspected
            | Input::VoiceConfirmed
            | Input::EchoSuspected
            | Input::EchoFound { .. }
            | Input::Transcript { .. }
            | Input::EndOfTurn { .. }
            | Input::TurnResumed
            | Input::Digit { .. }
            | Input::Held { .. }
    )
}

fn is_commit(output: &Output) -> bool {
    matches!(output, Output::Event { event: Event::UserTranscript { is_final: true, .. } })
}

fn is_hold(output: &Output) -> bool {
    matches!(output, Output::Hold { .. })
}

fn hold_end(output: &Output) -> Option<HoldEnd> {
    match output {
        Output::Event { event: Event::UserInterrupted { .. } } => Some(HoldEnd::Interrupted),
        Output::Event { event: Event::FalseInterruption { .. } } => Some(HoldEnd::Resumed),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::{Offset, Stability, TurnId};
    use crate::journal::{header_line, read, record_line};
    use crate::settings::{Settings, SmartEndpointing};

    const fn ms(millis: u64) -> Instant {
        Instant::from_millis(millis)
    }

    /// A recorded call: these inputs, and every deadline of the Floor's own in between.
    fn record(
        settings: &Settings,
        inputs: Vec<(Instant, Input<'static>)>,
    ) -> (Header, Vec<Record>) {
        let mut floor = Floor::new(settings.clone(), 0, ms(0));
        let mut journal = header_line("test", settings, 0, ms(0));
        let mut tell = |floor: &mut Floor, at: Instant, input: &Input<'_>| {
            floor.handle(at, input);
            let outputs: Vec<_> = std::iter::from_fn(|| floor.poll_output()).collect();
            record_line(at, input, &outputs, &mut journal);
        };
        for (at, input) in &inputs {
            while let Some((due, _)) = floor.poll_timeout().filter(|(due, _)| due < at) {
                // As late as a session's timer.
                tell(&mut floor, due + Duration::from_micros(700), &Input::Timeout);
            }
            tell(&mut floor, *at, input);
        }
        read(journal.lines()).expect("a whole journal")
    }

    fn said(at: u64, segment: u32, text: &'static str, covers: u64) -> (Instant, Input<'static>) {
        let stability = Stability::Stable;
        (ms(at), Input::Transcript { segment, text: text.into(), stability, covers: ms(covers) })
    }

    fn voice(from: u64, to: u64) -> [(Instant, Input<'static>); 2] {
        [
            (ms(from + 64), Input::SpeechStarted { since: ms(from) }),
            (ms(to + 64), Input::SpeechStopped { since: ms(to) }),
        ]
    }

    /// Speech in two parts with `pause` ms between them, then a long silence.
    fn two_parts(pause: u64) -> Vec<(Instant, Input<'static>)> {
        let mut inputs = vec![(ms(0), Input::Connected)];
        inputs.extend(voice(1_000, 2_000));
        inputs.push(said(2_080, 1, "My number is in the book.", 2_000));
        inputs.extend(voice(2_000 + pause, 3_500 + pause));
        inputs.push(said(3_580 + pause, 2, "You know.", 3_500 + pause));
        inputs.push((ms(9_000 + pause), Input::Timeout));
        inputs.sort_by_key(|(at, _)| *at);
        inputs
    }

    fn silence(ms: u64) -> StartSpeakingPlan {
        let silence = Duration::from_millis(ms);
        StartSpeakingPlan {
            smart_endpointing: SmartEndpointing::Off,
            on_punctuation: silence,
            on_no_punctuation: silence,
            on_number: silence,
            ..StartSpeakingPlan::default()
        }
    }

    fn fixed(ms: u64) -> Settings {
        Settings { start_speaking: silence(ms), ..Settings::default() }
    }

    fn compare(recorded: &Settings, plan: &StartSpeakingPlan, pause: u64) -> Vec<TurnDecision> {
        let (header, records) = record(recorded, two_parts(pause));
        let plan = (plan, &recorded.stop_speaking);
        what_if(&header, &records, plan, &mut |_| None).turns
    }

    #[test]
    fn the_same_plan_decides_the_same() {
        let turns = compare(&fixed(700), &silence(700), 500);
        assert_eq!(turns.len(), 1);
        assert_eq!(turns[0].verdict, TurnVerdict::Same, "{turns:?}");
        assert_eq!(turns[0].speech_ended, Some(ms(4_000)));
    }

    #[test]
    fn a_shorter_silence_is_earlier_or_cuts_off() {
        let turns = compare(&fixed(900), &silence(600), 500);
        assert_eq!(turns[0].verdict, TurnVerdict::Earlier);
        assert_eq!(turns[0].planned, Some(ms(4_600)));
        let turns = compare(&fixed(900), &silence(300), 500);
        assert_eq!(turns[0].verdict, TurnVerdict::CutOff);
        assert_eq!(turns[0].planned, Some(ms(2_300)));
    }

    #[test]
    fn a_longer_silence_is_later_or_joins_turns() {
        let turns = compare(&fixed(300), &silence(450), 1_500);
        let verdicts: Vec<_> = turns.iter().map(|turn| turn.verdict).collect();
        assert_eq!(verdicts, [TurnVerdict::Later, TurnVerdict::Later]);
        let turns = compare(&fixed(300), &silence(2_500), 1_500);
        let verdicts: Vec<_> = turns.iter().map(|turn| turn.verdict).collect();
        assert_eq!(verdicts, [TurnVerdict::Joined, TurnVerdict::Later]);
    }

    #[test]
    fn scores_that_were_not_taken_are_asked_for_or_counted() {
        let (header, records) = record(&fixed(700), two_parts(250));
        let smart = StartSpeakingPlan::default();
        let plan = (&smart, &header.settings.stop_speaking);
        let without = what_if(&header, &records, plan, &mut |_| None).turns;
        assert_eq!(without[0].unknown_scores, 2, "one for each pause");
        let mut asked = Vec::new();
        let with = what_if(&header, &records, plan, &mut |at| {
            asked.push(at);
            Some(Probability::new(0.99))
        });
        assert_eq!(with.turns[0].unknown_scores, 0);
        assert!(asked[0] >= ms(2_064) && asked[0] <= ms(2_200), "{asked:?}");
        assert!(with.turns[0].planned < without[0].planned, "a sure end is sooner");
    }

    #[test]
    fn a_hold_is_judged_by_the_other_plan() {
        let settings = Settings {
            first_message: "Good morning to all of you out there.".to_owned(),
            first_message_interruptions: true,
            ..Settings::default()
        };
        let turn = TurnId(1);
        let played = |at: u64, until: u64| {
            (ms(at), Input::Played { turn, until: Offset(until * 1_000), acknowledged: true })
        };
        let mut inputs = vec![
            (ms(0), Input::Connected),
            (ms(10), Input::ReplyText { turn, text: settings.first_message.clone().into() }),
            (ms(10), Input::ReplyDone { turn }),
            (ms(10), Input::Voiced { turn, until: Offset(4_000_000), complete: true }),
            played(30, 20),
            played(1_000, 990),
        ];
        inputs.push((ms(1_064), Input::SpeechStarted { since: ms(1_000) }));
        inputs.push((ms(1_064), Input::Held { turn, at: Offset(1_050_000) }));
        inputs.push((ms(1_364), Input::SpeechStopped { since: ms(1_300) }));
        inputs.push((ms(2_500), Input::Timeout));
        let (header, records) = record(&settings, inputs);
        let same = (&settings.start_speaking, &settings.stop_speaking);
        let decided = what_if(&header, &records, same, &mut |_| None).holds;
        assert_eq!(decided.len(), 1);
        assert_eq!(decided[0].recorded.0, HoldEnd::Interrupted, "{decided:?}");
        assert_eq!(decided[0].planned.0, HoldEnd::Interrupted);
        let wordy = StopSpeakingPlan { num_words: 2, ..settings.stop_speaking.clone() };
        let plan = (&settings.start_speaking, &wordy);
        let decided = what_if(&header, &records, plan, &mut |_| None).holds;
        assert_eq!(decided[0].planned.0, HoldEnd::Resumed, "nobody said two words");
    }
}
