//! The way of the assistant's voice into the caller's audio: how late, and how loud in each band.

use super::frames::Frames;
use super::spectrum::{BANDS, Levels, SILENCE};

/// Frames by which the echo may come before the reference: the playhead is an estimate, and may be
/// late by more than the shortest way back takes.
pub(super) const EARLIEST: i64 = -2;
/// Frames by which it may come after it: 608 ms. A call over two mobile networks takes 400 to 500.
pub(super) const LATEST: i64 = 38;

/// A level this far above the line's noise is sound, in dB.
const AUDIBLE: f32 = 6.0;
/// What is this far below the loudest cell says nothing: there an echo has its own noise, of codecs
/// and rooms. In dB.
const RANGE: f32 = 30.0;
/// The assistant's voice is at least this loud, or there is nothing to compare. In dB.
const FAINTEST: f32 = -45.0;

/// Frames that a comparison looks back on: 640 ms. More than the evidence itself, because what the
/// caller's line did *not* return of the voice before tells as much.
const WINDOW: i64 = 40;
/// The same for what came last: the end of the evidence must fit as well as the whole, or a caller
/// who starts to speak over an echo would pass for more of it.
const RECENT: i64 = 10;

/// A delay and a gain for each band, in dB.
#[derive(Clone, Copy, Debug)]
pub(super) struct Path {
    delay: i64,
    gain: Levels,
}

impl Path {
    /// The echo to be expected in frame `at`: of the reference at the path's delay, or a frame to
    /// either side, because delays are not whole frames.
    pub(super) fn predict(&self, reference: &Frames<Levels>, at: i64) -> Levels {
        let at = at - self.delay;
        let [before, on, after] = [at - 1, at, at + 1].map(|number| reference.at(number));
        std::array::from_fn(|band| {
            before[band].max(on[band]).max(after[band]) + self.gain[band]
        })
    }

    /// Learns from a frame that was nothing but echo: gains follow what was heard, up within some
    /// 200 ms, down within 400, because a frame may lack what was expected of it (the room swallowed
    /// it, the carrier's canceller took it) and the next has it again.
    pub(super) fn learn(&mut self, near: &Levels, expected: &Levels, floor: &Levels) {
        for band in 0..BANDS {
            if expected[band] > floor[band] + AUDIBLE {
                let error = near[band].max(floor[band]) - expected[band];
                let rate = if error > 0.0 { 0.08 } else { 0.04 };
                self.gain[band] += rate * error.clamp(-6.0, 6.0);
            }
        }
    }

    /// Looks for the path on which the reference explains what was heard in the frames from
    /// `oldest` (at most 640 ms back) to `newest`. `None`: there is none, or it takes more to tell.
    ///
    /// For each delay, the caller's levels are compared with the reference's, moved by one gain and
    /// then by a little for each band. Speech that is not the assistant's differs from it by about
    /// 10 dB in most places, whatever the gain; an echo by 3 to 7.
    pub(super) fn find(
        near: &Frames<Levels>,
        reference: &Frames<Levels>,
        floor: &Levels,
        oldest: i64,
        newest: i64,
    ) -> Option<Self> {
        let oldest = oldest.max(newest - WINDOW + 1);
        let heard = Heard::new(near, floor, oldest, newest)?;
        let mut best: Option<(f32, Self)> = None;
        for delay in EARLIEST..=LATEST {
            if let Some((misfit, gain)) = heard.compare(reference, delay)
                && misfit < best.map_or(1.0, |(least, _)| least)
            {
                best = Some((misfit, Self { delay, gain }));
            }
        }
        best.map(|(_, path)| path)
    }
}

/// Whether a frame has sound in `bands` of its bands or more.
pub(super) fn is_audible(levels: &Levels, floor: &Levels, bands: usize) -> bool {
    let audible = levels.iter().zip(floor).filter(|(level, floor)| **level > **floor + AUDIBLE);
    audible.count() >= bands
}

/// The level up to which `near` is louder than all of `expected` and `floor` explain: the mean over
/// the bands with sound of what is beyond the usual error, in dB.
pub(super) fn excess(near: &Levels, expected: &Levels, floor: &Levels) -> f32 {
    let (mut sum, mut audible) = (0.0, 0.0_f32);
    for band in 0..BANDS {
        if near[band] > floor[band] + AUDIBLE {
            audible += 1.0;
            let beyond = near[band] - expected[band].max(floor[band]);
            sum += (beyond - ERROR).clamp(0.0, MOST);
        }
    }
    sum / audible.max(FEWEST)
}

/// Error of the expected level that is usual, in dB.
const ERROR: f32 = 4.0;
/// More than this beyond it tells no more, in dB.
const MOST: f32 = 12.0;
/// Fewer bands than this with sound count as so many: a click is no voice.
const FEWEST: f32 = 4.0;

/// Bands with sound in a frame that is compared.
const VOICED_BANDS: usize = 4;

/// What was heard, ready to be compared with the reference at any delay.
struct Heard {
    levels: [Levels; WINDOW as usize],
    /// The level of the noise, or of what is too faint to tell. Nothing in `levels` is below it.
    floor: Levels,
    oldest: i64,
    count: usize,
}

impl Heard {
    fn new(near: &Frames<Levels>, floor: &Levels, oldest: i64, newest: i64) -> Option<Self> {
        let count = usize::try_from(newest - oldest + 1).ok()?.min(WINDOW as usize);
        let mut levels = [[SILENCE; BANDS]; WINDOW as usize];
        let mut loudest = SILENCE;
        for (number, frame) in (oldest..).zip(&mut levels[..count]) {
            *frame = *near.at(number);
            loudest = frame.iter().fold(loudest, |loudest, &level| loudest.max(level));
        }
        let floor = floor.map(|floor| floor.max(loudest - RANGE));
        let mut voiced = 0;
        for frame in &mut levels[..count] {
            voiced += usize::from(is_audible(frame, &floor, VOICED_BANDS));
            for (level, floor) in frame.iter_mut().zip(floor) {
                *level = level.max(floor);
            }
        }
        (voiced >= FEWEST_FRAMES).then_some(Self { levels, floor, oldest, count })
    }

    /// How badly the reference at `delay` explains what was heard (less than 1: it does), and the
    /// gains with which it does best. `None` where there is too little of either.
    fn compare(&self, reference: &Frames<Levels>, delay: i64) -> Option<(f32, Levels)> {
        let mut far = [[SILENCE; BANDS]; WINDOW as usize];
        let mut loudest = SILENCE;
        for (number, levels) in (self.oldest - delay..).zip(&mut far[..self.count]) {
            *levels = *reference.at(number);
            loudest = levels.iter().fold(loudest, |loudest, &level| loudest.max(level));
        }
        if loudest < FAINTEST {
            return None;
        }
        let floor = &self.floor;
        let both = |near: f32, far: f32, floor: f32| {
            near > floor + AUDIBLE && far > loudest - RANGE
        };
        let cells = || self.levels[..self.count].iter().zip(&far[..self.count]);

        let (mut sum, mut weight, mut frames) = (0.0, 0.0, 0);
        for (near, far) in cells() {
            let mut bands = 0;
            for band in 0..BANDS {
                if both(near[band], far[band], floor[band]) {
                    sum += near[band] - far[band];
                    bands += 1;
                }
            }
            weight += bands as f32;
            frames += usize::from(bands >= VOICED_BANDS);
        }
        if frames < FEWEST_FRAMES {
            return None;
        }
        let common = sum / weight;

        let (mut sums, mut weights) = ([0.0; BANDS], [0.0; BANDS]);
        for (near, far) in cells() {
            for band in 0..BANDS {
                if both(near[band], far[band], floor[band]) {
                    sums[band] += (near[band] - far[band] - common).clamp(-12.0, 12.0);
                    weights[band] += 1.0;
                }
            }
        }
        // A band of which little was heard stays near the others.
        let gain: Levels =
            std::array::from_fn(|band| common + sums[band] / (weights[band] + 3.0));

        let (mut all, mut recent) = (Misfit::default(), Misfit::default());
        for (index, (near, far)) in cells().enumerate() {
            let mut misfit = Misfit::default();
            for band in 0..BANDS {
                let expected = (far[band] + gain[band]).max(floor[band]);
                if near[band] > floor[band] + AUDIBLE || expected > floor[band] + AUDIBLE {
                    misfit.add(near[band] - expected);
                }
            }
            all.join(&misfit);
            if index + RECENT as usize >= self.count {
                recent.join(&misfit);
            }
        }
        let allowed = allowed(frames);
        Some((all.root_mean_square().max(recent.root_mean_square()) / allowed, gain))
    }
}

/// Fewest frames of evidence: 128 ms.
const FEWEST_FRAMES: usize = 8;

/// The misfit at which an echo is believed in after so many frames of evidence, in dB. With little
/// evidence speech may be alike by chance.
fn allowed(frames: usize) -> f32 {
    const STEPS: [(f32, f32); 4] = [(8.0, 5.5), (10.0, 6.5), (14.0, 7.3), (20.0, 7.6)];
    let frames = frames as f32;
    let mut before = STEPS[0];
    for step in STEPS {
        if frames <= step.0 {
            let part = (frames - before.0) / (step.0 - before.0).max(1.0);
            return before.1 + part.max(0.0) * (step.1 - before.1);
        }
        before = step;
    }
    before.1
}

/// A sum of squared differences, each at most 15 dB.
#[derive(Clone, Copy, Default)]
struct Misfit {
    sum: f32,
    count: f32,
}

impl Misfit {
    fn add(&mut self, difference: f32) {
        let bounded = difference.abs().min(15.0);
        self.sum += bounded * bounded;
        self.count += 1.0;
    }

    fn join(&mut self, other: &Self) {
        self.sum += other.sum;
        self.count += other.count;
    }

    fn root_mean_square(&self) -> f32 {
        (self.sum / self.count.max(1.0)).sqrt()
    }
}
