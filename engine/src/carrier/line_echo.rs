//! A line that returns what is heard on it: the hybrid of an analogue telephone, or a loudspeaker in
//! a room with a microphone. For whole calls on virtual time.

use std::time::Duration;

use codecs::{SampleRate, g711};

/// The way from the caller's loudspeaker into the caller's audio.
#[derive(Clone, Debug, PartialEq)]
pub struct LineEcho {
    /// In samples.
    delay: usize,
    /// What comes back of a single sample of 1.0, after the delay.
    response: Vec<f32>,
    /// A sample this loud comes out of the loudspeaker 2.4 dB fainter; louder ones more so.
    overdriven_at: Option<f32>,
}

impl LineEcho {
    /// An echo of `response`, `delay` after the voice was heard.
    pub fn new(rate: SampleRate, delay: Duration, response: Vec<f32>) -> Self {
        Self { delay: rate.samples_in(delay) as usize, response, overdriven_at: None }
    }

    /// An echo of a telephone's hybrid: a few milliseconds of reflections, `loss_db` fainter than
    /// what is heard.
    pub fn hybrid(rate: SampleRate, delay: Duration, loss_db: f32) -> Self {
        /// Reflections within 5 ms: when in samples at 8 kHz, and how loud.
        const REFLECTIONS: [(usize, f32); 6] =
            [(0, 0.3), (2, 1.0), (5, -0.7), (9, 0.4), (16, -0.2), (27, 0.1)];
        let energy: f32 = REFLECTIONS.iter().map(|(_, tap)| tap * tap).sum();
        let gain = 10.0_f32.powf(-loss_db / 20.0) / energy.sqrt();
        let step = rate.hz() as usize / 8_000;
        let mut response = vec![0.0; 27 * step + 1];
        for (at, tap) in REFLECTIONS {
            response[at * step] = tap * gain;
        }
        Self::new(rate, delay, response)
    }

    /// The same through a loudspeaker that is driven beyond what it can do, from `level` on (of
    /// 32768).
    #[must_use]
    pub fn overdriven(self, level: f32) -> Self {
        Self { overdriven_at: Some(level), ..self }
    }

    /// Adds the echo to the caller's frame. `heard`: all that was heard in the call so far, up to
    /// the end of this frame. The line is one of µ-law.
    pub(super) fn add(&self, heard: &[i16], caller: &mut [i16]) {
        let begin = heard.len() - caller.len();
        for (offset, sample) in caller.iter_mut().enumerate() {
            let echo = (begin + offset).checked_sub(self.delay).map_or(0.0, |at| {
                let past = heard[..=at].iter().rev();
                past.zip(&self.response).map(|(&past, tap)| self.loudspeaker(past) * tap).sum()
            });
            let sum = (f32::from(*sample) + echo).round() as i16;
            *sample = g711::mulaw_decode(g711::mulaw_encode(sum));
        }
    }

    fn loudspeaker(&self, sample: i16) -> f32 {
        let sample = f32::from(sample);
        self.overdriven_at.map_or(sample, |level| level * (sample / level).tanh())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_heard_comes_back_late_and_fainter() {
        let echo = LineEcho::new(SampleRate::HZ_8000, Duration::from_millis(1), vec![0.5, 0.25]);
        let heard = [8_000, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        let mut caller = [0; 6];
        echo.add(&heard[..6], &mut caller);
        assert_eq!(caller, [0; 6]);
        let mut caller = [100, 100, 0, 0, 0, 0];
        echo.add(&heard, &mut caller);
        let near = |sample: i16, expected: i16| (sample - expected).abs() < expected / 20 + 4;
        assert!(near(caller[2], 4_000) && near(caller[3], 2_000), "{caller:?}");
        assert!(near(caller[0], 100) && near(caller[4], 0), "{caller:?}");
    }

    #[test]
    fn an_overdriven_loudspeaker_is_never_louder_than_its_level() {
        let echo =
            LineEcho::new(SampleRate::HZ_8000, Duration::ZERO, vec![1.0]).overdriven(4_000.0);
        let mut caller = [0; 3];
        echo.add(&[1_000, 4_000, 30_000], &mut caller);
        assert!((950..1_000).contains(&caller[0]), "{caller:?}");
        assert!((2_900..3_200).contains(&caller[1]), "{caller:?}");
        assert!((3_800..4_200).contains(&caller[2]), "{caller:?}");
    }
}
