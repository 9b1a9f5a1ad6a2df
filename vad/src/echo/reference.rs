//! What the caller hears of the assistant.

/// A sample louder than this is sound: -60 dBFS, the idle noise of a µ-law line.
const AUDIBLE: u16 = 32;

/// The assistant's voice, on the timeline of the caller's samples.
#[derive(Debug)]
pub(super) struct Reference {
    samples: Vec<i16>,
    /// The position of the first of them.
    begin: u64,
    kept: usize,
    /// One past the last with sound.
    sounded: Option<u64>,
}

impl Reference {
    /// Keeps `kept` samples.
    pub(super) fn new(kept: usize) -> Self {
        // Those kept, an eighth more, and room for a gap of 0.4 s that is filled at once.
        Self { samples: Vec::with_capacity(kept + kept / 2), begin: 0, kept, sounded: None }
    }

    /// Samples so far.
    pub(super) const fn played(&self) -> u64 {
        self.begin + self.samples.len() as u64
    }

    /// Forgets what is played from `at` on: it was a forecast.
    pub(super) fn forget_from(&mut self, at: u64) {
        let left = usize::try_from(at.saturating_sub(self.begin)).unwrap_or(usize::MAX);
        self.samples.truncate(left);
        self.sounded = self.sounded.map(|sounded| sounded.min(at));
    }

    /// Appends samples, fewer than are kept.
    pub(super) fn push(&mut self, samples: &[i16]) {
        // Moved together every now and then, not with every frame.
        if self.samples.len() >= self.kept + self.kept / 8 {
            let gone = self.samples.len() - self.kept;
            self.samples.drain(..gone);
            self.begin += gone as u64;
        }
        let loud = |sample: &i16| sample.unsigned_abs() > AUDIBLE;
        if let Some(last) = samples.iter().rposition(loud) {
            self.sounded = Some(self.played() + last as u64 + 1);
        }
        self.samples.extend_from_slice(samples);
    }

    /// Copies what is played from `at` on; what is not kept, or unknown yet, is silence.
    pub(super) fn copy(&self, at: i64, out: &mut [i16]) {
        out.fill(0);
        let from = at - self.begin as i64;
        let lead = usize::try_from(-from).unwrap_or(0).min(out.len());
        let from = usize::try_from(from).unwrap_or(0).min(self.samples.len());
        let until = (from + out.len() - lead).min(self.samples.len());
        out[lead..lead + until - from].copy_from_slice(&self.samples[from..until]);
    }

    /// Whether there was sound in the `span` samples before `position`, or is after it.
    pub(super) fn sounds(&self, span: u64, position: u64) -> bool {
        self.sounded.is_some_and(|sounded| sounded + span > position)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_played_is_found_by_its_position() {
        let mut reference = Reference::new(100);
        for block in 0..50 {
            reference.push(&[block; 20]);
        }
        assert_eq!(reference.played(), 1_000);
        let mut out = [7; 40];
        reference.copy(950, &mut out);
        assert_eq!((out[0], out[9], out[10], out[39]), (47, 47, 48, 49));
        reference.copy(990, &mut out);
        assert_eq!((out[9], out[10]), (49, 0), "not known yet");
        reference.copy(-30, &mut out);
        assert_eq!(out, [0; 40], "long forgotten");
    }

    #[test]
    fn a_forecast_is_replaced() {
        let mut reference = Reference::new(100);
        reference.push(&[500; 50]);
        reference.forget_from(30);
        assert!(!reference.sounds(10, 40));
        reference.push(&[7; 10]);
        let mut out = [0; 12];
        reference.copy(29, &mut out);
        assert_eq!(out, [500, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 0]);
    }

    #[test]
    fn sound_is_told_from_silence() {
        let mut reference = Reference::new(100);
        reference.push(&[8; 60]);
        assert!(!reference.sounds(1_000, 60));
        reference.push(&[900; 10]);
        reference.push(&[0; 90]);
        assert!(reference.sounds(100, 160) && !reference.sounds(90, 160));
    }
}
