//! Holds what is heard of the caller against what is to be expected of the assistant's echo.

use super::frames::Frames;
use super::path::{Path, excess, is_audible};
use super::spectrum::{BANDS, Levels, SILENCE};

/// How fast the noise's level is believed to rise, in dB a frame: 3 dB a second, so that speech does
/// not pass for noise. It falls by a fifth of the difference each frame.
const RISE: f32 = 0.05;
const FALL: f32 = 0.2;

/// The noise is at most this loud, in dB.
const LOUDEST_FLOOR: f32 = -40.0;

/// Frames that are judged anew once a path is found: 768 ms.
const LOOK_BACK: i64 = 48;

/// Frames that a verdict is taken from: those that end in a window of 32 ms, and the one before.
const VERDICT_FRAMES: i64 = 3;

/// An excess that may be the faintest sound of the caller's, in dB.
const FAINTEST: f32 = 2.0;
/// Frames behind such a sound that are left as they are, for a voice to fade in: 80 ms.
const CALM: i64 = 5;

/// Bands in which echo is to be expected, so that it can explain anything.
const EXPECTED_BANDS: usize = 3;

/// The caller's frames, and what they are.
#[derive(Debug)]
pub(super) struct Judge {
    near: Frames<Levels>,
    judged: Frames<Judged>,
    /// The level of the line's noise.
    floor: Option<Levels>,
    path: Option<Path>,
    /// The first frame since which all were measured.
    since: i64,
    /// The last frame was measured.
    listening: bool,
    revised: bool,
}

#[derive(Clone, Copy, Debug)]
struct Judged {
    excess: f32,
    /// Echo was to be expected.
    expected: bool,
}

const UNEXPLAINED: Judged = Judged { excess: f32::INFINITY, expected: false };

impl Judge {
    pub(super) fn new() -> Self {
        Self {
            near: Frames::new([SILENCE; BANDS]),
            judged: Frames::new(UNEXPLAINED),
            floor: None,
            path: None,
            since: 0,
            listening: false,
            revised: false,
        }
    }

    /// A frame in which no echo can be. `levels`: where it was measured, for the noise, which is
    /// done every `every` frames.
    pub(super) fn pass(&mut self, levels: Option<&Levels>, every: i64) {
        if let Some(levels) = levels {
            self.hear_noise(levels, every as f32);
        }
        self.near.push([SILENCE; BANDS]);
        self.judged.push(UNEXPLAINED);
        self.listening = false;
    }

    /// A frame in which there may be echo of `reference`. `unexplained`: the excess beyond which it
    /// is not believed to be nothing else.
    pub(super) fn hear(&mut self, levels: &Levels, reference: &Frames<Levels>, unexplained: f32) {
        let number = self.near.next();
        if !std::mem::replace(&mut self.listening, true) {
            self.since = number;
        }
        let floor = self.hear_noise(levels, 1.0);
        self.near.push(*levels);
        let judged = self.judge(number, reference, &floor, unexplained);
        self.judged.push(judged);
        // Every other frame, the ones with which a window ends.
        let looks = number % 2 == 0 && judged.excess >= unexplained;
        if looks && is_audible(levels, &floor, 4) {
            self.look(number, reference, &floor);
        }
    }

    fn judge(
        &mut self,
        number: i64,
        reference: &Frames<Levels>,
        floor: &Levels,
        unexplained: f32,
    ) -> Judged {
        let Some(path) = &mut self.path else { return UNEXPLAINED };
        let near = self.near.at(number);
        let expected = path.predict(reference, number);
        let excess = excess(near, &expected, floor);
        if excess < unexplained {
            path.learn(near, &expected, floor);
        }
        Judged { excess, expected: is_audible(&expected, floor, EXPECTED_BANDS) }
    }

    /// Looks for a path that explains the last frames, and judges them anew by it.
    fn look(&mut self, newest: i64, reference: &Frames<Levels>, floor: &Levels) {
        let Some(path) = Path::find(&self.near, reference, floor, self.since, newest) else {
            return;
        };
        self.path = Some(path);
        self.revised = true;
        for number in self.since.max(newest - LOOK_BACK)..=newest {
            let expected = path.predict(reference, number);
            let excess = excess(self.near.at(number), &expected, floor);
            let expected = is_audible(&expected, floor, EXPECTED_BANDS);
            if let Some(judged) = self.judged.at_mut(number) {
                *judged = Judged { excess, expected };
            }
        }
    }

    /// Whether the frames that end with `last` hold nothing but echo: no more than `allowed` dB
    /// beyond what was to be expected of it.
    pub(super) fn is_echo(&self, last: i64, allowed: f32) -> bool {
        self.is_echo_since(last - VERDICT_FRAMES + 1, last, allowed)
    }

    /// The same for the frames from `first` to `last`.
    pub(super) fn is_echo_since(&self, first: i64, last: i64, allowed: f32) -> bool {
        let judged = || (first..=last).map(|number| self.judged.at(number));
        let sum: f32 = judged().map(|judged| judged.excess).sum();
        judged().any(|judged| judged.expected) && sum < allowed * (last - first + 1) as f32
    }

    /// Whether the samples that only the frame `last` and the one before it have in common are
    /// echo, and nothing of the caller's is near: cut away, they would not be missed.
    pub(super) fn is_mere_echo(&self, last: i64) -> bool {
        let judged = |number: i64| self.judged.at(number);
        let calm = (last - CALM + 1..=last).all(|number| judged(number).excess < FAINTEST);
        calm && (judged(last).expected || judged(last - 1).expected)
    }

    /// The number of the next frame.
    pub(super) const fn next(&self) -> i64 {
        self.near.next()
    }

    /// Whether past frames were judged anew since this was last asked.
    pub(super) fn take_revised(&mut self) -> bool {
        std::mem::take(&mut self.revised)
    }

    /// Follows the noise of the line, and returns its level.
    fn hear_noise(&mut self, levels: &Levels, frames: f32) -> Levels {
        let floor = self.floor.get_or_insert(levels.map(|level| level.min(LOUDEST_FLOOR)));
        for (floor, level) in floor.iter_mut().zip(levels) {
            let difference = level - *floor;
            let step = if difference < 0.0 {
                difference * (FALL * frames).min(1.0)
            } else {
                difference.min(RISE * frames)
            };
            *floor = (*floor + step).min(LOUDEST_FLOOR);
        }
        *floor
    }
}
