//! The hysteresis gate: scores in, the start and the end of speech out. Pure.

use crate::detector::Score;

/// When the gate opens and closes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GateSettings {
    /// A closed gate calls a window voiced at this probability and above. Default 0.5, Silero's
    /// own threshold.
    pub open_at: f32,
    /// An open gate calls a window unvoiced below this probability. Default 0.35: Silero's own
    /// `neg_threshold` (threshold − 0.15).
    pub close_below: f32,
    /// Voiced windows in a row that open the gate. Default 2 (64 ms): one is a click.
    pub open_after: u32,
    /// Unvoiced windows in a row that close the gate. Default 2 (64 ms): whoever listens times
    /// the silence from [`GateEvent::Stopped`]'s sample, so waiting longer here gains nothing.
    pub close_after: u32,
    /// A window of this probability and above is surely a voice. Default 0.7: near a telephone
    /// voices score 0.8 to 1, while a café, a fan or a hum that opens the gate stays below 0.65.
    pub sure_at: f32,
    /// So many sure windows make speech sure. Default 2 (64 ms): a spoken letter has no more.
    pub sure_after: u32,
    /// Speech with fewer among so many windows is in doubt. Default 7 (224 ms): in time for
    /// whoever gives a voice 200 ms before taking it for an interruption.
    pub doubt_after: u32,
}

impl Default for GateSettings {
    fn default() -> Self {
        Self {
            open_at: 0.5,
            close_below: 0.35,
            open_after: 2,
            close_after: 2,
            sure_at: 0.7,
            sure_after: 2,
            doubt_after: 7,
        }
    }
}

/// What the gate heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GateEvent {
    /// Speech began.
    Started {
        /// The first sample of the first voiced window, counted from the stream's first sample.
        since_sample: u64,
    },
    /// Speech ended.
    Stopped {
        /// One past the last sample of the last voiced window.
        since_sample: u64,
    },
    /// The speech going on may be a noise that resembles a voice.
    Doubted,
    /// It is a voice after all.
    Assured,
}

/// Turns the scores of one stream, in order, into the start and the end of speech.
///
/// A window the detector lost (its score never comes) is neither voiced nor unvoiced: a run goes
/// on across it.
#[derive(Clone, Debug)]
pub struct Gate {
    settings: GateSettings,
    window: u64,
    state: State,
    sureness: Sureness,
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// `voiced` windows in a row so far, the first of which began at `since`.
    Closed { voiced: u32, since: u64 },
    /// `unvoiced` windows in a row so far; the last voiced one ended at `since`.
    Open { unvoiced: u32, since: u64 },
}

/// How sure it is that the speech is a voice.
#[derive(Clone, Copy, Debug, Default)]
struct Sureness {
    /// Windows since speech began, as far as they matter.
    windows: u32,
    /// Those that are surely a voice.
    sure: u32,
    doubted: bool,
}

impl Gate {
    /// A closed gate for windows of `window` samples.
    pub const fn new(settings: GateSettings, window: usize) -> Self {
        Self {
            settings,
            window: window as u64,
            state: State::Closed { voiced: 0, since: 0 },
            sureness: Sureness { windows: 0, sure: 0, doubted: false },
        }
    }

    /// Whether speech is going on.
    pub const fn is_open(&self) -> bool {
        matches!(self.state, State::Open { .. })
    }

    /// Closes the gate: what it let through was no speech.
    pub const fn close(&mut self) {
        self.state = State::Closed { voiced: 0, since: 0 };
    }

    /// Takes the next score. A probability that is not a number counts as unvoiced.
    pub fn accept(&mut self, score: Score) -> Option<GateEvent> {
        match &mut self.state {
            State::Closed { voiced, since } => {
                if score.probability >= self.settings.open_at {
                    if *voiced == 0 {
                        *since = score.end.saturating_sub(self.window);
                        self.sureness = Sureness::default();
                    }
                    *voiced += 1;
                    self.sureness.count(score.probability, &self.settings);
                } else {
                    *voiced = 0;
                }
                if *voiced == 0 || *voiced < self.settings.open_after {
                    return None;
                }
                let since_sample = *since;
                self.state = State::Open { unvoiced: 0, since: score.end };
                Some(GateEvent::Started { since_sample })
            }
            State::Open { unvoiced, since } => {
                if score.probability >= self.settings.close_below {
                    *unvoiced = 0;
                    *since = score.end;
                    return self.sureness.count(score.probability, &self.settings);
                }
                *unvoiced += 1;
                if *unvoiced < self.settings.close_after {
                    return self.sureness.count(0.0, &self.settings);
                }
                let since_sample = *since;
                self.state = State::Closed { voiced: 0, since: 0 };
                Some(GateEvent::Stopped { since_sample })
            }
        }
    }
}

impl Sureness {
    /// Counts a window. Tells where doubt begins or ends with it.
    fn count(&mut self, probability: f32, settings: &GateSettings) -> Option<GateEvent> {
        self.windows = self.windows.saturating_add(1);
        let was_sure = self.sure >= settings.sure_after;
        self.sure = self.sure.saturating_add(u32::from(probability >= settings.sure_at));
        let is_sure = self.sure >= settings.sure_after;
        if self.doubted && is_sure && !was_sure {
            self.doubted = false;
            return Some(GateEvent::Assured);
        }
        if !is_sure && self.windows == settings.doubt_after {
            self.doubted = true;
            return Some(GateEvent::Doubted);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: u64 = 256;

    fn events(settings: GateSettings, probabilities: &[f32]) -> Vec<(usize, GateEvent)> {
        let mut gate = Gate::new(settings, WINDOW as usize);
        let mut events = Vec::new();
        for (index, &probability) in probabilities.iter().enumerate() {
            let end = (index as u64 + 1) * WINDOW;
            if let Some(event) = gate.accept(Score { end, probability }) {
                events.push((index, event));
            }
        }
        events
    }

    fn started(window: u64) -> GateEvent {
        GateEvent::Started { since_sample: window * WINDOW }
    }

    fn stopped(window: u64) -> GateEvent {
        GateEvent::Stopped { since_sample: window * WINDOW }
    }

    #[test]
    fn opens_at_the_second_voiced_window_since_the_first() {
        let heard = events(GateSettings::default(), &[0.1, 0.1, 0.9, 0.9, 0.9, 0.1, 0.1, 0.1]);
        assert_eq!(heard, [(3, started(2)), (6, stopped(5))]);
    }

    #[test]
    fn a_single_voiced_window_is_a_click() {
        assert_eq!(events(GateSettings::default(), &[0.9, 0.1, 0.9, 0.1, 0.9, 0.4, 0.9]), []);
    }

    #[test]
    fn a_single_unvoiced_window_is_a_stop_consonant() {
        let heard = events(GateSettings::default(), &[0.9, 0.9, 0.1, 0.9, 0.1, 0.9, 0.0, 0.0]);
        assert_eq!(heard, [(1, started(0)), (7, stopped(6))]);
    }

    #[test]
    fn thresholds_are_inclusive_above() {
        // Exactly 0.5 opens; exactly 0.35 keeps open; just below does not.
        assert_eq!(events(GateSettings::default(), &[0.5, 0.5]), [(1, started(0))]);
        assert_eq!(events(GateSettings::default(), &[0.499_99, 0.499_99]), []);
        let kept = events(GateSettings::default(), &[0.5, 0.5, 0.35, 0.35, 0.35]);
        assert_eq!(kept, [(1, started(0))]);
        let closed = events(GateSettings::default(), &[0.5, 0.5, 0.349_99, 0.349_99]);
        assert_eq!(closed, [(1, started(0)), (3, stopped(2))]);
    }

    #[test]
    fn between_the_thresholds_nothing_changes() {
        let heard = events(GateSettings::default(), &[0.4; 10]);
        assert_eq!(heard, [], "a closed gate stays closed");
        let mut probabilities = vec![0.9, 0.9, 0.9];
        probabilities.extend([0.4; 10]);
        assert_eq!(events(GateSettings::default(), &probabilities), [(1, started(0))]);
        // Windows between the thresholds are voiced for an open gate: silence starts after them.
        probabilities.extend([0.1, 0.1]);
        assert_eq!(events(GateSettings::default(), &probabilities)[1], (14, stopped(13)));
    }

    #[test]
    fn speech_can_start_again_at_once() {
        let heard = events(GateSettings::default(), &[1.0, 1.0, 0.0, 0.0, 1.0, 1.0]);
        assert_eq!(heard, [(1, started(0)), (3, stopped(2)), (5, started(4))]);
    }

    #[test]
    fn lengths_are_settings() {
        let patient = GateSettings { open_after: 3, close_after: 1, ..GateSettings::default() };
        assert_eq!(
            events(patient, &[1.0, 1.0, 1.0, 0.0, 1.0, 1.0, 0.0]),
            [(2, started(0)), (3, stopped(3))]
        );
        // Zero means at once, never without a voiced window.
        let eager = GateSettings { open_after: 0, close_after: 0, ..GateSettings::default() };
        assert_eq!(events(eager, &[0.0, 0.0, 1.0, 0.0]), [(2, started(2)), (3, stopped(3))]);
    }

    #[test]
    fn a_score_that_is_no_number_is_unvoiced() {
        assert_eq!(events(GateSettings::default(), &[f32::NAN; 4]), []);
        let heard = events(GateSettings::default(), &[1.0, 1.0, f32::NAN, f32::NAN]);
        assert_eq!(heard, [(1, started(0)), (3, stopped(2))]);
    }

    #[test]
    fn a_lost_window_breaks_no_run() {
        let mut gate = Gate::new(GateSettings::default(), WINDOW as usize);
        assert_eq!(gate.accept(Score { end: WINDOW, probability: 0.9 }), None);
        let event = gate.accept(Score { end: 3 * WINDOW, probability: 0.9 });
        assert_eq!(event, Some(started(0)));
        assert!(gate.is_open());
    }

    #[test]
    fn what_only_resembles_a_voice_is_doubted_until_a_voice_is_heard() {
        let noise = [0.56, 0.60, 0.58, 0.72, 0.52, 0.44, 0.42];
        let heard = events(GateSettings::default(), &[noise.as_slice(), &[0.6, 0.5]].concat());
        assert_eq!(heard, [(1, started(0)), (6, GateEvent::Doubted)]);
        let heard = events(GateSettings::default(), &[noise.as_slice(), &[0.9, 0.9, 0.9]].concat());
        assert_eq!(heard, [(1, started(0)), (6, GateEvent::Doubted), (7, GateEvent::Assured)]);
    }

    #[test]
    fn a_voice_is_never_doubted_nor_a_sound_that_is_over() {
        for voice in
            [[0.6, 0.99, 1.0, 1.0, 1.0], [0.67, 0.53, 0.89, 0.9, 0.94], [0.9, 0.9, 0.4, 0.4, 0.9]]
        {
            let heard = events(GateSettings::default(), &[voice.as_slice(), &[0.5; 20]].concat());
            assert_eq!(heard, [(1, started(0))], "{voice:?}");
        }
        let heard = events(GateSettings::default(), &[0.6, 0.6, 0.6, 0.1, 0.1, 0.1, 0.1]);
        assert_eq!(heard, [(1, started(0)), (4, stopped(3))]);
        // Each speech is judged by itself.
        let heard = events(
            GateSettings::default(),
            &[0.9, 0.9, 0.9, 0.1, 0.1, 0.6, 0.6, 0.6, 0.6, 0.6, 0.6, 0.6],
        );
        assert_eq!(heard[2..], [(6, started(5)), (11, GateEvent::Doubted)]);
    }
}
