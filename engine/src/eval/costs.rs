//! What inference costs, on one thread: fixed inputs of an evaluation, so that two runs of it are
//! the same wherever they are made.

use std::time::Duration;

use asr::moonshine::{DecodeRequest, Decoded, MODEL_RATE};
use serde::{Deserialize, Serialize};

/// One-thread costs in microseconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Costs {
    /// Where these figures come from.
    pub origin: String,
    /// Silero, a batch of one window of 32 ms at 8 kHz.
    pub vad_window_us: u64,
    /// Smart-turn, a look at the last 8 s, features included.
    pub turn_look_us: u64,
    /// Moonshine's encoder, whatever it hears.
    pub encoder_us: u64,
    /// Moonshine's encoder, for each second it hears.
    pub encoder_second_us: u64,
    /// Moonshine's decoder: its first step, which checks the words that are known.
    pub check_us: u64,
    /// The same, for each token of those words.
    pub check_token_us: u64,
    /// Moonshine's decoder: a further step, which is a further token.
    pub step_us: u64,
}

impl Default for Costs {
    /// Medians of `causerie eval --measure-costs` with nothing else running.
    fn default() -> Self {
        Self {
            origin: "medians on one thread of a 2-core Xeon virtual machine (ONNX Runtime 1.28, \
                     release build), 2026-11"
                .to_owned(),
            vad_window_us: 90,
            turn_look_us: 48_000,
            encoder_us: 4_000,
            encoder_second_us: 9_000,
            check_us: 8_000,
            check_token_us: 400,
            step_us: 5_000,
        }
    }
}

impl Costs {
    /// A run of Silero over `rows` windows. An evaluation plays one call, so there is one; more
    /// would cost a third each (design figures: 85 µs alone, 27 µs a window in batches of 32).
    pub(super) fn vad(&self, rows: usize) -> Duration {
        let more = rows.saturating_sub(1) as u64 * self.vad_window_us / 3;
        Duration::from_micros(self.vad_window_us + more)
    }

    /// A look of smart-turn.
    pub(super) const fn look(&self) -> Duration {
        Duration::from_micros(self.turn_look_us)
    }

    /// The steps of a decode.
    pub(super) fn decode(&self, request: &DecodeRequest<'_>, decoded: &Decoded) -> Vec<Duration> {
        let heard = request.heard() as u64 * self.encoder_second_us / u64::from(MODEL_RATE.hz());
        let check = self.check_us + self.check_token_us * request.guess.len() as u64;
        let first = [self.encoder_us + heard, check];
        let steps = std::iter::repeat_n(self.step_us, decoded.steps);
        first.into_iter().chain(steps).map(Duration::from_micros).collect()
    }
}
