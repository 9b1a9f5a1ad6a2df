//! The caller's samples on their way to the recogniser, those of mere echo silenced.

/// Samples over which sound fades at the edge of a silenced stretch: 2 ms at 8 kHz. A step would
/// sound like a consonant.
const EDGE: usize = 16;

/// Holds samples until it is known what they are.
#[derive(Debug)]
pub(super) struct Outlet {
    held: Vec<i16>,
    /// The stream position of the first of them.
    given: u64,
    /// What was given last was silenced.
    silenced: bool,
}

impl Outlet {
    /// `room`: the most samples that are held, and pushed at once.
    pub(super) fn new(room: usize) -> Self {
        Self { held: Vec::with_capacity(room), given: 0, silenced: false }
    }

    /// Takes the stream's next samples.
    pub(super) fn push(&mut self, samples: &[i16]) {
        self.held.extend_from_slice(samples);
    }

    /// Gives what is held before the position `until` to `heard`, or silence in its place.
    pub(super) fn give(&mut self, until: u64, silence: bool, heard: &mut impl FnMut(&[i16])) {
        let count = usize::try_from(until.saturating_sub(self.given)).unwrap_or(usize::MAX);
        let count = count.min(self.held.len());
        if count == 0 {
            return;
        }
        let part = &mut self.held[..count];
        let was_silenced = std::mem::replace(&mut self.silenced, silence);
        let edge = EDGE.min(count) as i32;
        if silence {
            if was_silenced {
                part.fill(0);
            } else {
                for (left, sample) in (0..edge).rev().zip(part.iter_mut()) {
                    *sample = (i32::from(*sample) * left / edge) as i16;
                }
                part[edge as usize..].fill(0);
            }
        } else if was_silenced {
            for (risen, sample) in (0..edge).zip(part.iter_mut()) {
                *sample = (i32::from(*sample) * risen / edge) as i16;
            }
        }
        heard(part);
        self.held.drain(..count);
        self.given += count as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn give(outlet: &mut Outlet, until: u64, silence: bool) -> Vec<i16> {
        let mut given = Vec::new();
        outlet.give(until, silence, &mut |samples| given.extend_from_slice(samples));
        given
    }

    #[test]
    fn what_is_not_silenced_is_given_unchanged() {
        let mut outlet = Outlet::new(400);
        let samples: Vec<i16> = (0..300).collect();
        outlet.push(&samples);
        assert_eq!(give(&mut outlet, 100, false), samples[..100]);
        assert_eq!(give(&mut outlet, 100, true), [], "given already");
        assert_eq!(give(&mut outlet, 9_000, false), samples[100..], "no more than there is");
    }

    #[test]
    fn silenced_stretches_fade_at_their_edges() {
        let mut outlet = Outlet::new(400);
        outlet.push(&[1_000; 300]);
        assert_eq!(give(&mut outlet, 50, false), [1_000; 50]);
        let faded = give(&mut outlet, 100, true);
        assert!(faded[..16].is_sorted_by(|a, b| a > b) && faded[15] == 0, "{faded:?}");
        assert_eq!(faded[16..], [0; 34]);
        assert_eq!(give(&mut outlet, 150, true), [0; 50]);
        let risen = give(&mut outlet, 300, false);
        assert!(risen[0] == 0 && risen[..17].is_sorted_by(|a, b| a < b), "{risen:?}");
        assert_eq!(risen[16..], [1_000; 134]);
    }
}
