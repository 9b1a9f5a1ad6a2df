//! What others would have done at the same voice gate: a fixed silence, and smart-turn alone.

use serde::Serialize;

use super::decision::Speech;

/// Silence after which smart-turn is asked, in ms, and that without which nothing is decided
/// without it: pipecat 1.14 as it is shipped (`stop_secs` of its VAD, and of its analyser).
pub(super) const SMART_TURN_AFTER: i64 = 200;
/// The silence that ends a turn which smart-turn holds for unfinished, in ms.
pub(super) const SMART_TURN_FALLBACK: i64 = 3_000;

/// A pause at the voice gate, in ms of the recording.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Pause {
    /// Where silence began.
    pub since: i64,
    /// When the gate told of it.
    pub known: i64,
    /// When the gate told that speech went on; `None`: it did not.
    pub until: Option<i64>,
    /// Smart-turn's score after `SMART_TURN_AFTER`; `None`: it was not that long.
    pub score: Option<f32>,
}

/// The pauses between and behind stretches of speech.
pub(super) fn pauses(speech: &[Speech]) -> Vec<Pause> {
    let next = speech.iter().skip(1).map(|next| Some(next.known)).chain([None]);
    speech
        .iter()
        .zip(next)
        .filter_map(|(speech, until)| {
            Some(Pause { since: speech.to?, known: speech.end_known?, until, score: None })
        })
        .collect()
}

impl Pause {
    /// Whether it lasts, as far as the gate has told, at `at`.
    pub(super) fn lasts_at(&self, at: i64) -> bool {
        self.until.is_none_or(|until| until > at)
    }
}

/// When turns end by `silence` ms of silence alone.
pub(super) fn fixed(pauses: &[Pause], silence: i64) -> Vec<i64> {
    let ends = pauses.iter().map(|pause| (pause, (pause.since + silence).max(pause.known)));
    ends.filter(|(pause, end)| pause.lasts_at(*end)).map(|(_, end)| end).collect()
}

/// When turns end by smart-turn at a threshold of its score, where a look takes `look` ms.
pub(super) fn smart_turn(pauses: &[Pause], threshold: f32, look: i64) -> Vec<i64> {
    let end = |pause: &Pause| {
        let asked = pause.since + SMART_TURN_AFTER;
        let silence = match pause.score? {
            score if score >= threshold => (asked + look).max(pause.known),
            _ => pause.since + SMART_TURN_FALLBACK,
        };
        pause.lasts_at(silence).then_some(silence)
    };
    pauses.iter().filter_map(end).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pauses() -> Vec<Pause> {
        vec![
            Pause { since: 1_000, known: 1_064, until: Some(1_500), score: Some(0.9) },
            Pause { since: 2_000, known: 2_064, until: None, score: Some(0.2) },
        ]
    }

    #[test]
    fn a_fixed_silence_ends_at_every_pause_that_is_long_enough() {
        assert_eq!(fixed(&pauses(), 300), [1_300, 2_300]);
        assert_eq!(fixed(&pauses(), 500), [2_500]);
        assert_eq!(fixed(&pauses(), 10), [1_064, 2_064], "not before it is known");
    }

    #[test]
    fn smart_turn_ends_where_it_is_sure_and_falls_back() {
        assert_eq!(smart_turn(&pauses(), 0.5, 48), [1_248, 5_000]);
        assert_eq!(smart_turn(&pauses(), 0.1, 48), [1_248, 2_248]);
        assert_eq!(smart_turn(&pauses(), 0.95, 48), [5_000]);
    }

    #[test]
    fn pauses_lie_behind_speech() {
        let speech = |from, to: Option<i64>| Speech {
            from,
            known: from + 64,
            to,
            end_known: to.map(|to| to + 64),
        };
        let pauses = super::pauses(&[speech(0, Some(500)), speech(900, Some(1_200))]);
        assert_eq!((pauses[0].since, pauses[0].until), (500, Some(964)));
        assert_eq!((pauses[1].since, pauses[1].until), (1_200, None));
        assert!(super::pauses(&[speech(0, None)]).is_empty());
    }
}
