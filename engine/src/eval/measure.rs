//! Measures what inference costs on this machine, one thread at a time.

use std::time::{Duration, Instant};

use asr::moonshine::{DecodeRequest, Decoder, Model};
use codecs::wav::Wav;
use vad::silero::{Band, Memory, Silero};
use vad::{Ear, TurnModel};

use super::costs::Costs;
use super::line::{self, RATE, samples};
use super::machine::{MOONSHINE, MachineError};
use crate::assemble::{SILERO, SMART_TURN};
use crate::config::Config;

/// Real speech, of which the models are given pieces.
const SPEECH: &str = "demo-speech-en/two_cities.wav";
/// Pieces of it, in seconds.
const LENGTHS: [u64; 4] = [1, 2, 4, 8];
/// Times each is heard.
const ROUNDS: usize = 15;

/// Why nothing could be measured.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MeasureError {
    /// A model.
    #[error(transparent)]
    Model(#[from] MachineError),
    /// There is no speech to listen to.
    #[error("{SPEECH} among the models cannot be read: {0}; run `causerie models pull`")]
    Speech(String),
    /// A model does not work.
    #[error("inference failed: {0}")]
    Inference(String),
}

/// Medians over some rounds of each model on the calling thread.
///
/// # Errors
///
/// Where a model or the speech is missing.
pub fn measure(config: &Config) -> Result<Costs, MeasureError> {
    let speech = speech(config)?;
    let runtime = onnx::Runtime::load(&config.onnxruntime).map_err(MachineError::from)?;
    let failed = |error: &dyn std::fmt::Display| MeasureError::Inference(error.to_string());

    let file = config.models_dir.join(SILERO);
    let mut silero = Silero::load(&runtime, &file, 1).map_err(MachineError::from)?;
    let mut memory = Memory::default();
    let mut windows = Vec::new();
    for window in speech.chunks_exact(Band::Narrow.window()) {
        let began = Instant::now();
        let mut batch = silero.batch(Band::Narrow, 1);
        batch.load(0, &memory, window);
        batch.run().map_err(|error| failed(&error))?;
        batch.store(0, &mut memory);
        windows.push(began.elapsed());
    }

    let file = config.models_dir.join(SMART_TURN);
    let mut ear = Ear::new(TurnModel::load(&runtime, &file).map_err(MachineError::from)?);
    let mut looks = Vec::new();
    for _ in 0..ROUNDS {
        let began = Instant::now();
        let heard = &speech[..speech.len().min(samples(8_000))];
        ear.listen(RATE, [heard, &[]]).map_err(|error| failed(&error))?;
        looks.push(began.elapsed());
    }

    let folder = config.models_dir.join(MOONSHINE);
    let mut decoder = Decoder::new(Model::load(&runtime, &folder).map_err(MachineError::from)?);
    let (mut encoder, mut check, mut steps) = (Vec::new(), Vec::new(), Vec::new());
    for seconds in LENGTHS {
        let heard = &speech[..speech.len().min(samples(seconds * 1_000))];
        let mut guess = Vec::new();
        for known in [0, 50, 100] {
            let mut request =
                DecodeRequest { rate: RATE, samples: heard, paused: true, guess: &guess };
            let decoded = decoder.answer(&request).map_err(|error| failed(&error))?;
            let tokens = decoded.tokens[..decoded.tokens.len() * known / 100].to_vec();
            request.guess = &tokens;
            let (mut encoded, mut checked) = (Vec::new(), Vec::new());
            for _ in 0..ROUNDS {
                let mut last = Instant::now();
                let mut times = Vec::new();
                let mut done =
                    || times.push(std::mem::replace(&mut last, Instant::now()).elapsed());
                decoder.watched(&request, &mut done).map_err(|error| failed(&error))?;
                let mut times = times.into_iter();
                encoded.extend(times.next());
                checked.extend(times.next());
                steps.extend(times);
            }
            let heard = request.heard() as f64 / 16_000.0;
            encoder.push((heard, micros(median(&mut encoded))));
            check.push((request.guess.len() as f64, micros(median(&mut checked))));
            guess = tokens;
        }
    }
    let ((encoder_us, encoder_second_us), (check_us, check_token_us)) =
        (straight_line(&encoder), straight_line(&check));
    Ok(Costs {
        origin: "measured on this machine".to_owned(),
        vad_window_us: micros(median(&mut windows)) as u64,
        turn_look_us: micros(median(&mut looks)) as u64,
        encoder_us,
        encoder_second_us,
        check_us,
        check_token_us,
        step_us: micros(median(&mut steps)) as u64,
    })
}

fn speech(config: &Config) -> Result<Vec<i16>, MeasureError> {
    let failed = |error: &dyn std::fmt::Display| MeasureError::Speech(error.to_string());
    let file = std::fs::File::open(config.models_dir.join(SPEECH)).map_err(|e| failed(&e))?;
    let wav = Wav::read(std::io::BufReader::new(file)).map_err(|error| failed(&error))?;
    let rate = wav.rate;
    line::at_line_rate(rate, &wav.into_mono()).map_err(|error| failed(&error))
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

/// The least-squares line through `points`: where it begins and how much it rises, never below 0.
fn straight_line(points: &[(f64, f64)]) -> (u64, u64) {
    let n = points.len().max(1) as f64;
    let mean_x = points.iter().map(|point| point.0).sum::<f64>() / n;
    let mean_y = points.iter().map(|point| point.1).sum::<f64>() / n;
    let along = points.iter().map(|(x, y)| (x - mean_x) * (y - mean_y)).sum::<f64>();
    let spread = points.iter().map(|(x, _)| (x - mean_x).powi(2)).sum::<f64>();
    let rise = if spread > 0.0 { along / spread } else { 0.0 };
    // A cast saturates at 0.
    ((mean_y - rise * mean_x).round() as u64, rise.round() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_found_through_points() {
        assert_eq!(straight_line(&[(1.0, 12.0), (2.0, 14.0), (4.0, 18.0)]), (10, 2));
        assert_eq!(straight_line(&[(3.0, 7.0)]), (7, 0));
        assert_eq!(straight_line(&[(1.0, 0.0), (2.0, 9.0)]), (0, 9), "nothing costs less than 0");
    }
}
