//! Holds what is heard of the caller against what is to be expected of the assistant's echo.

use codecs::SampleRate;

use super::frames::Frames;
use super::lag::Lag;
use super::path::{Path, WINDOW, is_audible, may_be_heard};
use super::reference::Reference;
use super::spectrum::{self, BANDS, Levels, MAX_FRAME, SILENCE, Spectrum};

/// How much the level of noise changes from frame to frame, in dB: within this it is followed by a
/// twentieth of the difference each frame. Further below it is followed faster; further above it is
/// believed to rise by 3 dB a second, so that speech does not pass for noise.
const NOISE_SPREAD: f32 = 5.0;
const FOLLOW: f32 = 0.03;
const FALL: f32 = 0.2;
const RISE: f32 = 0.05;

/// The noise is at most this loud, in dB.
const LOUDEST_FLOOR: f32 = -40.0;

/// How fast the sound of a room fades, in dB a frame: 60 dB in 320 ms.
const FADE: f32 = 3.0;

/// Frames that are judged anew once a path is found: 768 ms.
const LOOK_BACK: i64 = 48;

/// Frames that a verdict is taken from: those that end in a window of 32 ms, and the one before.
const VERDICT_FRAMES: i64 = 3;

/// Frames behind the last echo in which a detector may still believe in it: 256 ms.
const FADES: i64 = 16;

/// An excess that may be the faintest sound of the caller's, in dB.
const FAINTEST: f32 = 2.0;
/// Frames behind such a sound that are left as they are, for a voice to fade in: 80 ms.
const CALM: i64 = 5;

/// Bands in which echo is to be expected, so that it can explain anything.
const EXPECTED_BANDS: usize = 3;

/// The caller's frames, and what they are.
#[derive(Debug)]
pub(super) struct Judge {
    hop: i64,
    spectrum: Spectrum,
    near: Frames<Levels>,
    /// What was played where that is heard, with what is left of the frames before.
    far: Frames<Levels>,
    /// The same for another lag.
    far_before: Frames<Levels>,
    judged: Frames<Judged>,
    /// The level of the line's noise.
    floor: Option<Levels>,
    /// How late the echo is, in samples, and how loud.
    echo: Option<(i64, Path)>,
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
    /// `None` for rates that the detectors do not know.
    pub(super) fn new(rate: SampleRate) -> Option<Self> {
        Some(Self {
            hop: spectrum::hop(rate)? as i64,
            spectrum: Spectrum::new(rate)?,
            near: Frames::new([SILENCE; BANDS]),
            far: Frames::new([SILENCE; BANDS]),
            far_before: Frames::new([SILENCE; BANDS]),
            judged: Frames::new(UNEXPLAINED),
            floor: None,
            echo: None,
            revised: false,
        })
    }

    /// The next frame of the caller's, where nothing of `reference` can come back.
    pub(super) fn pass(&mut self, frame: &[i16]) {
        let levels = self.spectrum.measure(frame);
        self.hear_noise(&levels);
        self.near.push(levels);
        self.far.push([SILENCE; BANDS]);
        self.judged.push(UNEXPLAINED);
    }

    /// The next frame of the caller's. Returns whether it has sound that is not explained.
    /// `unexplained`: the excess beyond which it is not believed to be nothing but echo.
    pub(super) fn hear(&mut self, frame: &[i16], reference: &Reference, unexplained: f32) -> bool {
        let number = self.near.next();
        let levels = self.spectrum.measure(frame);
        let floor = self.hear_noise(&levels);
        self.near.push(levels);
        let far = match &self.echo {
            Some((lag, _)) => self.played(reference, number, *lag),
            None => [SILENCE; BANDS],
        };
        self.far.push(far);
        let mut judged = UNEXPLAINED;
        if let Some((_, path)) = &mut self.echo {
            let expected = path.predict(&around(&self.far, number));
            let excess = path.excess(&levels, &expected, &floor);
            if excess < unexplained {
                path.learn(&levels, &expected, &floor);
            }
            judged = Judged { excess, expected: may_be_heard(&expected, &floor) };
        }
        self.judged.push(judged);
        judged.excess >= unexplained && is_audible(&levels, &floor, 2)
    }

    /// The caller's sound is like the assistant's of `lag` before: if it is also as loud where the
    /// assistant is, it is echo.
    pub(super) fn consider(&mut self, lag: Lag, reference: &Reference) {
        let newest = self.near.next() - 1;
        let Some(floor) = self.floor else { return };
        let known = self.echo.is_some_and(|(known, _)| (known - lag.samples).abs() < self.hop / 8);
        if !known {
            // What there was is kept, should this be no echo.
            std::mem::swap(&mut self.far, &mut self.far_before);
            self.far.restart(newest - WINDOW - 2);
            for number in newest - WINDOW - 2..=newest {
                let levels = self.played(reference, number, lag.samples);
                self.far.push(levels);
            }
        }
        let most = if known { SAME } else { allowed(lag.certainty) };
        let fit = Path::fit(&self.near, &self.far, &floor);
        let Some((_, path)) = fit.filter(|(misfit, _)| *misfit < most) else {
            if !known {
                std::mem::swap(&mut self.far, &mut self.far_before);
            }
            return;
        };
        self.echo = Some((lag.samples, path));
        self.revised = true;
        for number in newest - LOOK_BACK..=newest {
            let expected = path.predict(&around(&self.far, number));
            let excess = path.excess(self.near.at(number), &expected, &floor);
            let expected = may_be_heard(&expected, &floor);
            if let Some(judged) = self.judged.at_mut(number) {
                *judged = Judged { excess, expected };
            }
        }
    }

    /// What was played `lag` samples before the frame `number`, with what is left of what came
    /// before that.
    fn played(&mut self, reference: &Reference, number: i64, lag: i64) -> Levels {
        let mut frame = [0; MAX_FRAME];
        let frame = &mut frame[..2 * self.hop as usize];
        reference.copy((number - 1) * self.hop - lag, frame);
        let levels = self.spectrum.measure(frame);
        let before = self.far.at(number - 1);
        std::array::from_fn(|band| levels[band].max(before[band] - FADE))
    }

    /// Whether the frames that end with `last` hold nothing but echo: no more than `allowed` dB
    /// beyond what was to be expected of it.
    pub(super) fn is_echo(&self, last: i64, allowed: f32) -> bool {
        self.is_echo_since(last - VERDICT_FRAMES + 1, last, allowed)
    }

    /// The same for the frames from `first` to `last`.
    pub(super) fn is_echo_since(&self, first: i64, last: i64, allowed: f32) -> bool {
        let sum: f32 = (first..=last).map(|number| self.judged.at(number).excess).sum();
        (first - FADES..=last).any(|number| self.judged.at(number).expected)
            && sum < allowed * (last - first + 1) as f32
    }

    /// Whether the samples that only the frame `last` and the one before it have in common are
    /// echo, and nothing of the caller's is near: cut away, they would not be missed.
    pub(super) fn is_mere_echo(&self, last: i64) -> bool {
        let judged = |number: i64| self.judged.at(number);
        let calm = (last - CALM + 1..=last).all(|number| judged(number).excess < FAINTEST);
        calm && (judged(last).expected || judged(last - 1).expected)
    }

    /// Whether it is known how the line returns what it is given.
    pub(super) const fn knows_path(&self) -> bool {
        self.echo.is_some()
    }

    /// Whether the last frame held sound.
    pub(super) fn sounds(&self) -> bool {
        let last = self.near.at(self.near.next() - 1);
        self.floor.is_none_or(|floor| is_audible(last, &floor, EXPECTED_BANDS))
    }

    /// Whether past frames were judged anew since this was last asked.
    pub(super) fn take_revised(&mut self) -> bool {
        std::mem::take(&mut self.revised)
    }

    /// Follows the noise of the line, and returns its level.
    fn hear_noise(&mut self, levels: &Levels) -> Levels {
        let floor = self.floor.get_or_insert_with(|| levels.map(|level| level.min(LOUDEST_FLOOR)));
        for (floor, level) in floor.iter_mut().zip(levels) {
            let difference = level - *floor;
            let step = match difference {
                near if near.abs() < NOISE_SPREAD => near * FOLLOW,
                below if below < 0.0 => below * FALL,
                _ => RISE,
            };
            *floor = (*floor + step).min(LOUDEST_FLOOR);
        }
        *floor
    }
}

/// A frame with its neighbours: lags drift, by less than a frame.
fn around(far: &Frames<Levels>, number: i64) -> Levels {
    let [before, on, after] = [number - 1, number, number + 1].map(|number| far.at(number));
    std::array::from_fn(|band| before[band].max(on[band]).max(after[band]))
}

/// The misfit, in dB, at which louder sound of a lag that is known is believed to be the same echo,
/// and not a caller over it.
const SAME: f32 = 5.5;

/// The misfit, in dB, at which a lag of this certainty is that of an echo.
fn allowed(certainty: f32) -> f32 {
    (4.0 + 0.35 * certainty).min(7.0)
}
