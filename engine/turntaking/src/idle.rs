//! What the assistant does while the caller says nothing: Vapi's idle messages and its hooks
//! `customer.speech.timeout`.
//!
//! Each rule has a clock. It starts when the assistant has finished speaking (or a tool has
//! answered, or the call began) and runs until the caller speaks. When it is over, the rule's
//! actions follow, and the clock starts again once they were heard. What one rule says leaves the
//! clocks of the others running: "are you there?" after ten seconds and "I shall hang up" after
//! thirty are two rules that take turns.

use std::collections::VecDeque;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::time::Instant;

/// What follows on silence, and when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdleRule {
    /// Silence after which it follows. Vapi: 10 s for idle messages, 7.5 s for hooks.
    pub timeout: Duration,
    /// How often in a call. Vapi: 3.
    pub most: u32,
    /// The count starts again when the caller speaks. Vapi: no.
    pub reset_on_speech: bool,
    /// What follows, in this order; where the caller speaks in between, the rest is forgotten.
    pub actions: Vec<IdleAction>,
}

/// What the assistant does on silence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IdleAction {
    /// Says one of these, never the same twice in a row.
    Say(Vec<String>),
    /// Asks the model for something to say, with this instruction.
    Ask(String),
    /// Ends the call.
    EndCall,
}

/// The clocks of a call's rules, and what is under way.
#[derive(Debug, Default)]
pub(crate) struct Idle {
    clocks: Vec<Clock>,
    /// Actions of the rule that fired which were not begun, or were taken back unheard.
    due: VecDeque<(usize, IdleAction)>,
    /// The rule that fired, as long as nothing of it was heard.
    unheard: Option<usize>,
    /// When the last of what was said on silence was heard.
    said: Instant,
    /// Choices made so far.
    choices: u64,
}

#[derive(Debug, Default)]
struct Clock {
    fired: u32,
    /// Its own actions were heard then.
    since: Instant,
    /// What it said last.
    said: Option<usize>,
}

impl Idle {
    pub(crate) fn new(rules: &[IdleRule]) -> Self {
        Self { clocks: rules.iter().map(|_| Clock::default()).collect(), ..Self::default() }
    }

    /// The rule that is due first, and when, if nobody has said a word since `quiet`. Of two at
    /// the same moment, the first in the list.
    pub(crate) fn next(&self, rules: &[IdleRule], quiet: Instant) -> Option<(Instant, usize)> {
        let clocks = rules.iter().zip(&self.clocks).enumerate();
        clocks
            .filter(|(_, (rule, clock))| clock.fired < rule.most && !rule.actions.is_empty())
            .map(|(index, (rule, clock))| (clock.since.max(quiet) + rule.timeout, index))
            .min()
    }

    /// The rule's time has come.
    pub(crate) fn fire(&mut self, rules: &[IdleRule], rule: usize) {
        if let (Some(clock), Some(IdleRule { actions, .. })) =
            (self.clocks.get_mut(rule), rules.get(rule))
        {
            clock.fired += 1;
            self.unheard = Some(rule);
            self.due.extend(actions.iter().map(|action| (rule, action.clone())));
        }
    }

    /// Something is under way, and the assistant's to begin.
    pub(crate) fn is_due(&self) -> bool {
        !self.due.is_empty()
    }

    /// What to begin.
    pub(crate) fn take(&mut self) -> Option<(usize, IdleAction)> {
        self.due.pop_front()
    }

    /// An action was taken back unheard.
    pub(crate) fn put_back(&mut self, rule: usize, action: IdleAction) {
        self.due.push_front((rule, action));
    }

    /// An action was heard.
    pub(crate) fn heard(&mut self, now: Instant, rule: usize) {
        self.unheard = None;
        self.said = now;
        if let Some(clock) = self.clocks.get_mut(rule) {
            clock.since = now;
        }
    }

    /// Since when neither side has said anything, where the conversation fell silent at `quiet`.
    pub(crate) fn silent_since(&self, quiet: Instant) -> Instant {
        self.said.max(quiet)
    }

    /// The caller spoke: nothing more follows on the silence before.
    pub(crate) fn on_words(&mut self, rules: &[IdleRule]) {
        self.due.clear();
        if let Some(clock) = self.unheard.take().and_then(|rule| self.clocks.get_mut(rule)) {
            clock.fired = clock.fired.saturating_sub(1);
        }
        for (clock, _) in self.clocks.iter_mut().zip(rules).filter(|(_, rule)| rule.reset_on_speech)
        {
            clock.fired = 0;
        }
    }

    /// Which of `count` texts the rule says now.
    pub(crate) fn choose(&mut self, seed: u64, rule: usize, count: usize) -> usize {
        self.choices += 1;
        let drawn = mix(seed ^ self.choices) % count.max(1) as u64;
        let mut chosen = usize::try_from(drawn).unwrap_or(0);
        if let Some(clock) = self.clocks.get_mut(rule) {
            if count > 1 && clock.said == Some(chosen) {
                chosen = (chosen + 1) % count;
            }
            clock.said = Some(chosen);
        }
        chosen
    }
}

/// The finaliser of SplitMix64: neighbouring seeds give unlike numbers.
const fn mix(seed: u64) -> u64 {
    let seed = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let seed = (seed ^ (seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let seed = (seed ^ (seed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    seed ^ (seed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(millis: u64) -> Instant {
        Instant::from_millis(millis)
    }

    fn rule(seconds: u64, most: u32) -> IdleRule {
        IdleRule {
            timeout: Duration::from_secs(seconds),
            most,
            reset_on_speech: false,
            actions: vec![IdleAction::Say(vec!["Hello?".to_owned()])],
        }
    }

    #[test]
    fn what_one_rule_says_leaves_the_others_running() {
        let rules = [rule(10, 3), rule(25, 1)];
        let mut idle = Idle::new(&rules);
        assert_eq!(idle.next(&rules, ms(1_000)), Some((ms(11_000), 0)));
        idle.fire(&rules, 0);
        idle.heard(ms(13_000), 0);
        assert_eq!(idle.next(&rules, ms(1_000)), Some((ms(23_000), 0)));
        idle.fire(&rules, 0);
        idle.heard(ms(25_000), 0);
        assert_eq!(idle.next(&rules, ms(1_000)), Some((ms(26_000), 1)));
        assert_eq!(idle.silent_since(ms(1_000)), ms(25_000));
    }

    #[test]
    fn a_rule_fires_as_often_as_it_may() {
        let rules = [rule(10, 2)];
        let mut idle = Idle::new(&rules);
        for _ in 0..2 {
            assert!(idle.next(&rules, ms(0)).is_some());
            idle.fire(&rules, 0);
            idle.heard(ms(0), 0);
            idle.on_words(&rules);
        }
        assert_eq!(idle.next(&rules, ms(0)), None);

        let rules = [IdleRule { reset_on_speech: true, ..rule(10, 2) }];
        idle.on_words(&rules);
        assert!(idle.next(&rules, ms(0)).is_some());
    }

    #[test]
    fn what_nobody_heard_does_not_count() {
        let rules = [rule(10, 1)];
        let mut idle = Idle::new(&rules);
        idle.fire(&rules, 0);
        let (rule, action) = idle.take().expect("it fired");
        idle.put_back(rule, action);
        idle.on_words(&rules);
        assert!(!idle.is_due());
        assert!(idle.next(&rules, ms(0)).is_some());
    }

    #[test]
    fn texts_are_drawn_by_the_seed_and_not_twice_in_a_row() {
        let draw = |seed| {
            let mut idle = Idle::new(&[rule(10, 3)]);
            (0..40).map(|_| idle.choose(seed, 0, 3)).collect::<Vec<_>>()
        };
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
        assert!(draw(7).windows(2).all(|pair| pair[0] != pair[1]));
        assert!((0..3).all(|text| draw(7).contains(&text)));
        assert_eq!(Idle::new(&[rule(10, 3)]).choose(7, 0, 1), 0);
    }
}
