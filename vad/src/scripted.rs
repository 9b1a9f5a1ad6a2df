//! A detector that says what a test wants to hear.

use std::sync::Arc;
use std::task::{Context, Poll};

use codecs::SampleRate;

use crate::detector::{Score, Vad, VadStream};
use crate::energy::{Unread, level_dbfs};
use crate::window::Windower;

/// A detector without a model, a thread or a clock: its scores are there as soon as the samples
/// are. For whole calls on virtual time.
#[derive(Clone, Debug)]
pub struct ScriptedVad {
    script: Script,
}

#[derive(Clone, Debug)]
enum Script {
    Scores(Arc<[f32]>),
    Level(f32),
}

impl ScriptedVad {
    /// Every stream hears these probabilities, one a window, then silence.
    pub fn scores(probabilities: impl Into<Arc<[f32]>>) -> Self {
        Self { script: Script::Scores(probabilities.into()) }
    }

    /// A window at `dbfs` or above is speech (1.0), any other is not (0.0).
    pub const fn level(dbfs: f32) -> Self {
        Self { script: Script::Level(dbfs) }
    }
}

impl Vad for ScriptedVad {
    fn open(&self, rate: SampleRate) -> Option<Box<dyn VadStream>> {
        Some(Box::new(ScriptedStream {
            windower: Windower::new(rate)?,
            script: self.script.clone(),
            heard: 0,
            unread: Unread::default(),
        }))
    }
}

struct ScriptedStream {
    windower: Windower,
    script: Script,
    heard: usize,
    unread: Unread,
}

impl VadStream for ScriptedStream {
    fn push(&mut self, samples: &[i16]) {
        let Self { windower, script, heard, unread } = self;
        windower.push(samples, |window, end| {
            let probability = match script {
                Script::Scores(scores) => scores.get(*heard).copied().unwrap_or(0.0),
                Script::Level(dbfs) => f32::from(u8::from(level_dbfs(window) >= *dbfs)),
            };
            *heard += 1;
            unread.push(Score { end, probability });
        });
    }

    fn poll_score(&mut self, cx: &mut Context<'_>) -> Poll<Score> {
        self.unread.poll(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drain(stream: &mut dyn VadStream) -> Vec<f32> {
        let mut cx = Context::from_waker(std::task::Waker::noop());
        let mut heard = Vec::new();
        while let Poll::Ready(score) = stream.poll_score(&mut cx) {
            heard.push(score.probability);
        }
        heard
    }

    #[test]
    fn a_list_is_played_to_each_stream_and_silence_follows() {
        let vad = ScriptedVad::scores([0.25, 0.75]);
        for _ in 0..2 {
            let mut stream = vad.open(SampleRate::HZ_8000).expect("a known rate");
            stream.push(&[0; 4 * 256 + 255]);
            assert_eq!(drain(&mut *stream), [0.25, 0.75, 0.0, 0.0]);
        }
    }

    #[test]
    fn a_level_divides_loud_from_quiet() {
        let vad = ScriptedVad::level(-40.0);
        let mut stream = vad.open(SampleRate::HZ_16000).expect("a known rate");
        stream.push(&[3_000; 512]);
        stream.push(&[30; 512]);
        assert_eq!(drain(&mut *stream), [1.0, 0.0]);
    }
}
