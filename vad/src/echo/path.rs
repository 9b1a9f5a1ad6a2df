//! The way of the assistant's voice into the caller's audio: how loud each band comes back.

use super::frames::Frames;
use super::spectrum::{BANDS, Levels, SILENCE};

/// A level this far above the line's noise is sound, in dB.
const AUDIBLE: f32 = 6.0;
/// What is this far below the loudest cell says nothing: there an echo has its own noise, of codecs
/// and rooms. In dB.
const RANGE: f32 = 30.0;
/// The assistant's voice is at least this loud, or there is nothing to compare. In dB.
const FAINTEST: f32 = -50.0;

/// Frames that a comparison looks back on: 400 ms. More than the evidence itself, because what the
/// caller's line did *not* return of the voice before tells as much.
pub(super) const WINDOW: i64 = 25;
/// The same for what came last: the end of the evidence must fit as well as the whole, or a caller
/// who starts to speak over an echo would pass for more of it.
const RECENT: i64 = 8;

/// A gain for each band, in dB, and what a loudspeaker adds that is too loud for itself.
#[derive(Clone, Copy, Debug)]
pub(super) struct Path {
    gain: Levels,
    /// How far below the loudest band of an echo those above it may be heard, in dB: distortion.
    distortion: f32,
    /// How far what was heard of mere echo lay from what was expected, on average, in dB.
    error: f32,
}

impl Path {
    /// The echo to be expected where this was played.
    pub(super) fn predict(&self, played: &Levels) -> Levels {
        let linear: Levels = std::array::from_fn(|band| played[band] + self.gain[band]);
        let (loudest, top) = top(&linear);
        std::array::from_fn(|band| match band.checked_sub(loudest) {
            None | Some(0) => linear[band],
            Some(above) => linear[band].max(top - self.distortion - FADE * above as f32),
        })
    }

    /// Learns from a frame that was nothing but echo: gains follow what was heard, up within some
    /// 200 ms, down within 400, because a frame may lack what was expected of it (the room swallowed
    /// it, the carrier's canceller took it) and the next has it again.
    pub(super) fn learn(&mut self, near: &Levels, expected: &Levels, floor: &Levels) {
        let (mut sum, mut bands) = (0.0, 0.0_f32);
        let (loudest, most) = top(expected);
        for band in 0..BANDS {
            let above = band.saturating_sub(loudest);
            let distorted = most - self.distortion - FADE * above as f32;
            // What the loudspeaker adds says nothing about the line.
            let is_line = above == 0 || expected[band] > distorted;
            if is_line && expected[band] > floor[band] + AUDIBLE {
                let error = near[band].max(floor[band]) - expected[band];
                let rate = if error > 0.0 { 0.08 } else { 0.04 };
                self.gain[band] += rate * error.clamp(-6.0, 6.0);
                sum += error.max(0.0);
                bands += 1.0;
            }
        }
        if bands > 0.0 {
            self.error += 0.05 * (sum / bands - self.error);
        }
        for depth in depths(near, expected, floor) {
            // One place in ten stays above it.
            self.distortion += if depth < self.distortion { -0.9 } else { 0.1 };
        }
        self.distortion = self.distortion.clamp(MOST_DISTORTION, NO_DISTORTION);
    }

    /// The level up to which `near` is louder than all of `expected` and `floor` explain: the mean
    /// over the bands with sound of what is beyond the usual error, in dB.
    pub(super) fn excess(&self, near: &Levels, expected: &Levels, floor: &Levels) -> f32 {
        let usual = (USUAL * self.error).clamp(LEAST_ERROR, MOST_ERROR);
        let (mut sum, mut audible) = (0.0, 0.0_f32);
        for band in 0..BANDS {
            if near[band] > floor[band] + AUDIBLE {
                audible += 1.0;
                let beyond = near[band] - expected[band].max(floor[band]);
                sum += (beyond - usual).clamp(0.0, MOST);
            }
        }
        sum / audible.max(FEWEST)
    }

    /// The path on which what was played (`far`, moved to where it would be heard) explains what
    /// was heard in the frames up to `newest`, and how badly it does: the error in dB, root mean
    /// square. `None` where there is too little of either.
    ///
    /// The caller's levels are compared with the reference's, moved by one gain and then by a
    /// little for each band. Speech that is not the assistant's differs from it by about 10 dB in
    /// most places, whatever the gain; an echo by 3 to 7.
    pub(super) fn fit(
        near: &Frames<Levels>,
        far: &Frames<Levels>,
        floor: &Levels,
    ) -> Option<(f32, Self)> {
        let newest = near.next() - 1;
        let oldest = newest - WINDOW + 1;
        let cells = || (oldest..=newest).map(|number| (near.at(number), far.at(number)));
        let (near_top, far_top) = cells()
            .fold((SILENCE, SILENCE), |(near_top, far_top), (near, far)| {
                (near_top.max(top(near).1), far_top.max(top(far).1))
            });
        if far_top < FAINTEST {
            return None;
        }
        let floor = floor.map(|floor| floor.max(near_top - RANGE));
        let both = |near: &Levels, far: &Levels, band: usize| {
            near[band] > floor[band] + AUDIBLE && far[band] > far_top - RANGE
        };

        let (mut sum, mut weight, mut frames) = (0.0, 0.0, 0);
        for (near, far) in cells() {
            let mut bands = 0;
            for band in (0..BANDS).filter(|&band| both(near, far, band)) {
                sum += near[band] - far[band];
                bands += 1;
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
            for band in (0..BANDS).filter(|&band| both(near, far, band)) {
                sums[band] += (near[band] - far[band] - common).clamp(-12.0, 12.0);
                weights[band] += 1.0;
            }
        }
        // A tone is like any other tone.
        if weights.iter().filter(|&&weight| weight >= 2.0).count() < FEWEST_BANDS {
            return None;
        }
        // A band of which little was heard stays near the others.
        let gain: Levels = std::array::from_fn(|band| common + sums[band] / (weights[band] + 3.0));
        let mut path = Self { gain, distortion: NO_DISTORTION, error: 3.0 };
        path.distortion = distortion(cells(), &path, &floor);

        let (mut all, mut recent) = (Misfit::default(), Misfit::default());
        for (number, (near, far)) in (oldest..).zip(cells()) {
            let mut misfit = Misfit::default();
            let predicted = path.predict(far);
            for band in 0..BANDS {
                let expected = predicted[band].max(floor[band]);
                let heard = near[band].max(floor[band]);
                if heard > floor[band] + AUDIBLE || expected > floor[band] + AUDIBLE {
                    misfit.add(heard - expected);
                }
            }
            all.join(&misfit);
            if number > newest - RECENT {
                recent.join(&misfit);
            }
        }
        let misfit = all.root_mean_square().max(recent.root_mean_square());
        Some((misfit, path))
    }
}

/// The loudest band and its level.
fn top(levels: &Levels) -> (usize, f32) {
    let louder = |top: (usize, f32), (band, &level): (usize, &f32)| {
        if level > top.1 { (band, level) } else { top }
    };
    levels.iter().enumerate().fold((0, SILENCE), louder)
}

/// How far below the loudest band of the echo lies what was heard in bands above it in which there
/// should have been less, in dB.
fn depths(near: &Levels, expected: &Levels, floor: &Levels) -> impl Iterator<Item = f32> {
    let (loudest, top) = top(expected);
    (loudest + 1..BANDS).take(NEAR).filter_map(move |band| {
        let top = top - FADE * (band - loudest) as f32;
        let most = top - MOST_DISTORTION;
        let shows = most > floor[band] + AUDIBLE && expected[band] <= most;
        shows.then(|| top - near[band].max(floor[band]))
    })
}

/// The depth of which nine tenths of the places have more.
fn distortion<'a>(
    cells: impl Iterator<Item = (&'a Levels, &'a Levels)>,
    path: &Path,
    floor: &Levels,
) -> f32 {
    let mut counts = [0_u32; (NO_DISTORTION - MOST_DISTORTION) as usize + 1];
    for (near, far) in cells {
        for depth in depths(near, &path.predict(far), floor) {
            let depth = depth.clamp(MOST_DISTORTION, NO_DISTORTION);
            counts[(depth - MOST_DISTORTION) as usize] += 1;
        }
    }
    let all: u32 = counts.iter().sum();
    if all < FEWEST_CELLS {
        return NO_DISTORTION;
    }
    let mut seen = 0;
    let deep = counts.iter().position(|count| {
        seen += count;
        seen * 10 > all
    });
    MOST_DISTORTION + deep.unwrap_or(counts.len()) as f32
}

/// What is beyond the average error by this factor is unusual.
const USUAL: f32 = 2.0;
/// Bounds of the error that is usual, in dB.
const LEAST_ERROR: f32 = 3.0;
const MOST_ERROR: f32 = 6.0;
/// More than this beyond it tells no more, in dB.
const MOST: f32 = 12.0;
/// Fewer bands than this with sound count as so many: a click is no voice.
const FEWEST: f32 = 4.0;

/// The strongest distortion: so far below the loudest band, in dB.
const MOST_DISTORTION: f32 = 12.0;
/// How much less of it there is in each band further up, in dB.
const FADE: f32 = 1.25;
/// Bands above the loudest from which it is known.
const NEAR: usize = 6;
/// Where there is none to speak of.
const NO_DISTORTION: f32 = 40.0;
/// Fewest places in which distortion could have been heard.
const FEWEST_CELLS: u32 = 20;

/// Bands with sound in a frame that is compared.
const VOICED_BANDS: usize = 2;

/// Fewest bands of evidence.
const FEWEST_BANDS: usize = 4;

/// Fewest frames of evidence: 64 ms.
const FEWEST_FRAMES: usize = 4;

/// Whether a frame has sound in `bands` of its bands or more.
pub(super) fn is_audible(levels: &Levels, floor: &Levels, bands: usize) -> bool {
    let audible = levels.iter().zip(floor).filter(|(level, floor)| **level > **floor + AUDIBLE);
    audible.count() >= bands
}

/// Whether an echo of these levels may be heard at all: a detector hears voice in noise that is as
/// loud.
pub(super) fn may_be_heard(levels: &Levels, floor: &Levels) -> bool {
    levels.iter().zip(floor).any(|(level, floor)| *level > *floor - AUDIBLE)
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
