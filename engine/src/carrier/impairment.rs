//! What can be wrong with a line. Seeded, so that a call can be had again.

use std::time::Duration;

use super::line_echo::LineEcho;

/// What is wrong with the line. The default: nothing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Impairments {
    /// The chance that a frame of the caller is lost, 0 to 1.
    pub loss: f64,
    /// The chance that a frame of the caller changes places with the next.
    pub reorder: f64,
    /// Frames of the caller that are sent together; 0 and 1 mean one by one.
    pub bunch: usize,
    /// One way over the network, in both directions.
    pub delay: Duration,
    /// Up to this much more, drawn for each message. Order is kept, as in a TCP stream.
    pub jitter: Duration,
    /// How much faster the carrier's clock is than ours, in parts per million.
    pub drift_ppm: i32,
    /// What comes back of what is heard, into the caller's audio.
    pub echo: Option<LineEcho>,
    /// A failure of the whole line.
    pub fault: Option<(Duration, Fault)>,
    /// Of the chances.
    pub seed: u64,
}

/// A failure of the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The carrier reads no more, but goes on sending.
    StopReading,
    /// The carrier sends no more, with the socket open.
    FallSilent,
    /// The socket closes without a close frame.
    Vanish,
}

/// Seeded chances (xorshift64*, G. Marsaglia 2003, S. Vigna 2016).
#[derive(Debug)]
pub(crate) struct Chances(u64);

impl Chances {
    pub(crate) fn new(seed: u64) -> Self {
        // The state must not be 0.
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// True with the chance `chance`.
    pub(crate) fn happens(&mut self, chance: f64) -> bool {
        chance > 0.0 && self.fraction() < chance
    }

    /// A part of `most`.
    pub(crate) fn up_to(&mut self, most: Duration) -> Duration {
        if most.is_zero() { most } else { most.mul_f64(self.fraction()) }
    }

    /// From 0 to, not including, 1.
    fn fraction(&mut self) -> f64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let bits = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11;
        bits as f64 / (1u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chances_are_as_stated_and_the_same_for_a_seed() {
        let count = |seed| {
            let mut chances = Chances::new(seed);
            (0..10_000).filter(|_| chances.happens(0.1)).count()
        };
        assert!((900..1_100).contains(&count(1)), "{}", count(1));
        assert_eq!(count(7), count(7));
        let mut chances = Chances::new(0);
        assert!(!chances.happens(0.0));
        assert!(chances.up_to(Duration::from_millis(5)) < Duration::from_millis(5));
    }
}
