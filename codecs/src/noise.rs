//! Seeded white noise at a stated level: comfort noise, and the line noise of test calls.

use crate::pcm::quantise;

/// A generator of white, near-Gaussian noise. The same seed gives the same noise.
#[derive(Clone, Debug)]
pub struct Noise {
    state: u64,
    /// Standard deviation, in samples' units.
    sigma: f32,
}

impl Noise {
    /// Noise at `level_dbfs`, its root-mean-square relative to that of a full-scale sine (AES17),
    /// in dB. Levels above about -12 dBFS clip now and then.
    pub fn new(level_dbfs: f32, seed: u64) -> Self {
        let sigma = 32_768.0 * std::f32::consts::FRAC_1_SQRT_2 * 10.0_f32.powf(level_dbfs / 20.0);
        Self { state: seed, sigma }
    }

    /// Overwrites `out` with noise.
    pub fn fill_into(&mut self, out: &mut [i16]) {
        for sample in out {
            *sample = quantise(self.next_value());
        }
    }

    /// Adds noise to `out`, clipping at full scale.
    pub fn add_into(&mut self, out: &mut [i16]) {
        for sample in out {
            *sample = quantise(f32::from(*sample) + self.next_value());
        }
    }

    fn next_value(&mut self) -> f32 {
        // Four 16-bit uniforms summed are near enough to Gaussian for noise (Irwin-Hall); the
        // variance of each is 2^32 / 12.
        let bits = self.next_bits();
        let sum = (0..4).map(|n| (bits >> (16 * n)) as u16).map(f32::from).sum::<f32>();
        let centred = sum - 4.0 * 32_767.5;
        centred * (self.sigma * (12.0_f32 / 4.0).sqrt() / 65_536.0)
    }

    /// SplitMix64 (Steele, Lea, Flood 2014).
    fn next_bits(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.state;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pcm::level_dbfs;

    #[test]
    fn the_level_is_the_one_asked_for() {
        for level in [-60.0, -40.0, -20.0] {
            let mut samples = vec![0; 80_000];
            Noise::new(level, 7).fill_into(&mut samples);
            let measured = level_dbfs(&samples);
            assert!((measured - f64::from(level)).abs() < 0.1, "{level} dBFS: {measured}");
            let mean = samples.iter().map(|&s| f64::from(s)).sum::<f64>() / 80_000.0;
            assert!(mean.abs() < 32_768.0 * 10_f64.powf(f64::from(level) / 20.0) / 50.0);
        }
    }

    #[test]
    fn the_seed_decides_the_noise() {
        let noise = |seed| {
            let mut samples = [0; 160];
            Noise::new(-30.0, seed).fill_into(&mut samples);
            samples
        };
        assert_eq!(noise(1), noise(1));
        assert_ne!(noise(1), noise(2));
    }

    #[test]
    fn blocks_make_the_same_noise_as_one_piece() {
        let mut whole = [0; 100];
        Noise::new(-30.0, 3).fill_into(&mut whole);
        let mut blocks = [0; 100];
        let mut noise = Noise::new(-30.0, 3);
        for block in blocks.chunks_mut(7) {
            noise.fill_into(block);
        }
        assert_eq!(whole, blocks);
    }

    #[test]
    fn adding_clips_instead_of_wrapping() {
        let mut samples = [i16::MAX; 1_000];
        Noise::new(-20.0, 5).add_into(&mut samples);
        assert!(samples.iter().all(|&s| s > 10_000));
    }
}
