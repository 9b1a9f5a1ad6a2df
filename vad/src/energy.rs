//! What can be told from a window's level alone: silence, in front of the model, and speech, where
//! there is no model.

use std::collections::VecDeque;
use std::task::{Context, Poll};

use codecs::SampleRate;

use crate::detector::{Score, Vad, VadStream};
use crate::window::Windower;

/// Below this level a window is silence and scores 0. −66 dBFS is twice the smallest step of µ-law,
/// the idle noise of a digital line. On both sides of a recorded support call, through µ-law, it
/// silenced 4 of 1,770 windows that the model calls voiced, each the tail after a word.
pub const SILENCE_DBFS: f32 = -66.0;

/// For how many windows of silence in a row the model still listens (512 ms).
///
/// Silero remembers for about half a second. Were it stopped at the first silent window, it would
/// wake with the last word still in mind: on that call 1.4 % of its decisions then differ from those
/// of an unbroken run, and 0.4 % after 16 windows. The score of a silent window is 0 from the first
/// one, so silence is heard no later for it.
pub const SETTLE_WINDOWS: u32 = 16;

/// The mean square of a window's samples, in units of full scale (1.0: a square wave at 0 dBFS).
pub fn mean_square(window: &[i16]) -> f32 {
    let sum: u64 = window.iter().map(|&sample| u64::from(sample.unsigned_abs()).pow(2)).sum();
    // At most 512 · 2^30 fits an f64 exactly.
    (sum as f64 / (window.len().max(1) as f64 * 32_768.0 * 32_768.0)) as f32
}

/// A window's level in dB below full scale; −120 at the least.
pub fn level_dbfs(window: &[i16]) -> f32 {
    10.0 * mean_square(window).max(1e-12).log10()
}

/// What to do with a window before the model sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// Score it.
    Speech,
    /// Let the model hear it, so that it forgets what was said, and score 0.
    Settle,
    /// Score 0; the model need not hear it.
    Skip,
}

/// The energy gate of one stream.
#[derive(Clone, Copy, Debug, Default)]
pub struct EnergyGate {
    silent: u32,
}

impl EnergyGate {
    /// Takes the next window's level in dBFS.
    pub fn admit(&mut self, level: f32) -> Admission {
        if level >= SILENCE_DBFS {
            self.silent = 0;
            return Admission::Speech;
        }
        if self.silent < SETTLE_WINDOWS {
            self.silent += 1;
            return Admission::Settle;
        }
        Admission::Skip
    }
}

/// Speech by its level over the noise: for machines without the model, and for the calls of one
/// whose inference has failed. It hears loud noise as speech; it is never dead.
///
/// The noise floor follows the level down at once and up by 1.6 dB/s, so that a continuous noise
/// is silence after some seconds and the gaps between words keep the floor below the voice.
#[derive(Clone, Copy, Debug)]
pub struct EnergyScorer {
    floor_dbfs: f32,
}

/// How far above the noise a voice is, in dB.
const MARGIN_DB: f32 = 12.0;
/// What is fainter than this is no voice, however quiet the line, in dBFS.
const FAINTEST_DBFS: f32 = -50.0;
/// How fast the floor rises, in dB per window.
const RISE_DB: f32 = 0.05;
/// What the floor starts from and may not leave, in dBFS.
const FLOOR_DBFS: (f32, f32) = (-80.0, -30.0);

impl Default for EnergyScorer {
    fn default() -> Self {
        Self { floor_dbfs: -65.0 }
    }
}

impl EnergyScorer {
    /// The probability of speech in the next window, whose level is `level` dBFS: 0.5 at 12 dB
    /// over the floor, a logistic curve of 3 dB around it.
    pub fn score(&mut self, level: f32) -> f32 {
        let threshold = (self.floor_dbfs + MARGIN_DB).max(FAINTEST_DBFS);
        let rise = (level - self.floor_dbfs).min(RISE_DB);
        self.floor_dbfs = (self.floor_dbfs + rise).clamp(FLOOR_DBFS.0, FLOOR_DBFS.1);
        1.0 / (1.0 + ((threshold - level) / 3.0).exp())
    }
}

/// A detector without a model, by [`EnergyScorer`]. Scores on the call's own task.
#[derive(Clone, Copy, Debug, Default)]
pub struct EnergyVad;

impl Vad for EnergyVad {
    fn open(&self, rate: SampleRate) -> Option<Box<dyn VadStream>> {
        let windower = Windower::new(rate)?;
        Some(Box::new(EnergyStream {
            windower,
            scorer: EnergyScorer::default(),
            unread: Unread::default(),
        }))
    }
}

#[derive(Debug)]
struct EnergyStream {
    windower: Windower,
    scorer: EnergyScorer,
    unread: Unread,
}

impl VadStream for EnergyStream {
    fn push(&mut self, samples: &[i16]) {
        let Self { windower, scorer, unread } = self;
        windower.push(samples, |window, end| {
            unread.push(Score { end, probability: scorer.score(level_dbfs(window)) });
        });
    }

    fn poll_score(&mut self, cx: &mut Context<'_>) -> Poll<Score> {
        self.unread.poll(cx)
    }
}

/// The scores a call's task has not read yet, where its own task makes them. When it leaves 2 s
/// unread the oldest is dropped; the gap shows in [`Score::end`].
#[derive(Debug)]
pub(crate) struct Unread {
    scores: VecDeque<Score>,
}

impl Unread {
    const CAPACITY: usize = 64;

    pub(crate) fn push(&mut self, score: Score) {
        if self.scores.len() == Self::CAPACITY {
            self.scores.pop_front();
        }
        self.scores.push_back(score);
    }

    /// Needs no waker: whoever polls is whoever pushes.
    pub(crate) fn poll(&mut self, _cx: &mut Context<'_>) -> Poll<Score> {
        self.scores.pop_front().map_or(Poll::Pending, Poll::Ready)
    }
}

impl Default for Unread {
    fn default() -> Self {
        Self { scores: VecDeque::with_capacity(Self::CAPACITY) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_rms_below_full_scale() {
        assert_eq!(level_dbfs(&[0; 256]), -120.0);
        assert!((level_dbfs(&[i16::MIN; 512]) - 0.0).abs() < 1e-3);
        assert!((level_dbfs(&[328; 256]) + 40.0).abs() < 0.01);
        assert_eq!(level_dbfs(&[]), -120.0);
    }

    #[test]
    fn the_idle_noise_of_a_mulaw_line_is_silence() {
        // µ-law's smallest steps decode to ±8 (ITU-T G.711 table 2a, 14 bits scaled to 16).
        let idle: Vec<i16> = (0..256).map(|index| if index % 3 == 0 { 8 } else { -8 }).collect();
        assert!(level_dbfs(&idle) < SILENCE_DBFS);
        assert_eq!(EnergyGate::default().admit(level_dbfs(&idle)), Admission::Settle);
    }

    #[test]
    fn silence_settles_the_model_and_then_skips_it() {
        let mut gate = EnergyGate::default();
        assert_eq!(gate.admit(-66.0), Admission::Speech);
        for _ in 0..SETTLE_WINDOWS {
            assert_eq!(gate.admit(-66.01), Admission::Settle);
        }
        assert_eq!(gate.admit(-120.0), Admission::Skip);
        assert_eq!(gate.admit(-120.0), Admission::Skip);
        assert_eq!(gate.admit(-30.0), Admission::Speech);
        assert_eq!(gate.admit(-120.0), Admission::Settle);
    }

    #[test]
    fn a_steady_noise_becomes_silence_and_a_voice_over_it_does_not() {
        let mut scorer = EnergyScorer::default();
        assert!(scorer.score(-40.0) > 0.5, "a voice, for all one knows");
        for _ in 0..400 {
            scorer.score(-40.0);
        }
        assert!(scorer.score(-40.0) < 0.35, "12.8 s on it is noise");
        assert!(scorer.score(-20.0) > 0.9);
        assert!(scorer.score(-70.0) < 0.01);
    }
}
