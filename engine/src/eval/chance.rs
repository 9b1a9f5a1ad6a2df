//! Chance that can be repeated: seeded by a name, the same on every machine.

/// SplitMix64 (Steele, Lea and Flood, 2014).
#[derive(Clone, Debug)]
pub(super) struct Chance {
    state: u64,
}

impl Chance {
    /// Seeded by what it is for: FNV-1a of `name`.
    pub(super) fn of(name: &str) -> Self {
        let hash = |state: u64, byte: u8| (state ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
        Self { state: name.bytes().fold(0xcbf2_9ce4_8422_2325, hash) }
    }

    pub(super) fn bits(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.state;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// Evenly from 0 up to 1.
    pub(super) fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Evenly from `range`, both ends among it.
    pub(super) fn within(&mut self, range: std::ops::RangeInclusive<u64>) -> u64 {
        let (low, high) = range.into_inner();
        low + self.bits() % (high.saturating_sub(low) + 1)
    }

    /// Normally distributed, with variance 1 (Box and Muller).
    pub(super) fn gaussian(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.unit()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.unit()).cos()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_decides_what_comes() {
        let drawn = |name| {
            let mut chance = Chance::of(name);
            [chance.bits(), chance.within(3..=9), chance.bits()]
        };
        assert_eq!(drawn("a.wav"), drawn("a.wav"));
        assert_ne!(drawn("a.wav"), drawn("b.wav"));
    }

    #[test]
    fn ranges_and_distributions_are_what_they_say() {
        let mut chance = Chance::of("any");
        let drawn: Vec<u64> = (0..1_000).map(|_| chance.within(5..=7)).collect();
        assert!((5..=7).all(|n| drawn.contains(&n)) && drawn.iter().all(|n| (5..=7).contains(n)));
        let normal: Vec<f64> = (0..20_000).map(|_| chance.gaussian()).collect();
        let mean = normal.iter().sum::<f64>() / normal.len() as f64;
        let variance = normal.iter().map(|x| x * x).sum::<f64>() / normal.len() as f64;
        assert!(mean.abs() < 0.03 && (variance - 1.0).abs() < 0.05, "{mean} {variance}");
    }
}
