//! Rates with their intervals, and quantiles.

use serde::Serialize;

/// A count out of how many, with a 95 % interval (Wilson's score interval, 1927: it holds for small
/// counts and for rates near 0).
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Rate {
    /// How many.
    pub count: usize,
    /// Out of how many.
    pub of: usize,
    /// The share, 0 to 1; 0 of none.
    pub rate: f64,
    /// Lower end of the interval.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

impl Rate {
    /// `count` out of `of`.
    pub fn new(count: usize, of: usize) -> Self {
        if of == 0 {
            return Self { count, of, rate: 0.0, low: 0.0, high: 1.0 };
        }
        // The two-sided 95 % quantile of the normal distribution.
        const Z: f64 = 1.959_963_984_540_054;
        let (n, p) = (of as f64, count as f64 / of as f64);
        let middle = (p + Z * Z / (2.0 * n)) / (1.0 + Z * Z / n);
        let half = Z / (1.0 + Z * Z / n) * (p * (1.0 - p) / n + Z * Z / (4.0 * n * n)).sqrt();
        let (low, high) = ((middle - half).max(0.0), (middle + half).min(1.0));
        Self { count, of, rate: p, low: round(low), high: round(high) }
    }

    /// How many of `items` are so.
    pub fn of<T>(items: &[T], is_so: impl Fn(&T) -> bool) -> Self {
        Self::new(items.iter().filter(|item| is_so(item)).count(), items.len())
    }
}

impl std::fmt::Display for Rate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let percent = |share: f64| 100.0 * share;
        write!(
            f,
            "{:.1} % ({}/{}; {:.1} to {:.1})",
            percent(self.rate),
            self.count,
            self.of,
            percent(self.low),
            percent(self.high)
        )
    }
}

/// The last bits of a square root are not the same everywhere.
fn round(share: f64) -> f64 {
    (share * 1e6).round() / 1e6
}

/// Quantiles of times in ms, each an observed one (nearest rank); `None` of none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Times {
    /// How many.
    pub n: usize,
    /// The median.
    pub p50: Option<i64>,
    /// Nine in ten are no longer.
    pub p90: Option<i64>,
    /// 19 in 20 are no longer.
    pub p95: Option<i64>,
    /// The longest.
    pub max: Option<i64>,
}

impl Times {
    /// The quantiles of `times`.
    pub fn of(times: impl IntoIterator<Item = i64>) -> Self {
        let mut times: Vec<i64> = times.into_iter().collect();
        times.sort_unstable();
        let rank = |percent: usize| {
            let rank = (times.len() * percent).div_ceil(100).max(1);
            times.get(rank - 1).copied()
        };
        Self {
            n: times.len(),
            p50: rank(50),
            p90: rank(90),
            p95: rank(95),
            max: times.last().copied(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wilsons_interval() {
        // Newcombe (Statistics in Medicine 17, 1998), table I, method 3.
        for (count, of, low, high) in
            [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611)]
        {
            let rate = Rate::new(count, of);
            assert!((rate.low - low).abs() < 5e-5 && (rate.high - high).abs() < 5e-5, "{rate:?}");
        }
        assert_eq!((Rate::new(0, 0).low, Rate::new(0, 0).high), (0.0, 1.0));
    }

    #[test]
    fn quantiles_are_observed_values() {
        let times = Times::of([30, 10, 20, 40]);
        assert_eq!((times.p50, times.p90, times.max), (Some(20), Some(40), Some(40)));
        assert_eq!(Times::of([]).p50, None);
        assert_eq!(Times::of([7]).p95, Some(7));
    }
}
