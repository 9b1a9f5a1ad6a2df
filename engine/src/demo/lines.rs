//! What the demo's caller says: real speech where there is some, a synthetic voice for the rest.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::time::Duration;

use codecs::SampleRate;
use codecs::resample::Resampler;
use codecs::wav::Wav;
use tts::{SpeechEvent, Synthesizer, TextChunk, VoiceConfig};

use crate::carrier::script::speech_end;

/// The rate of the call.
const RATE: SampleRate = SampleRate::HZ_8000;

/// Loudness every line is brought to, in dBFS of its loudest 20 ms: a caller close to the phone.
const LEVEL_DBFS: f64 = -14.0;

/// Something the caller says.
#[derive(Clone, Debug)]
pub struct Line {
    /// The words, as a person would write them.
    pub words: &'static str,
    /// Whose voice it is.
    pub voice: String,
    /// The speech at 8 kHz, silence around it removed.
    pub samples: Vec<i16>,
}

/// Why the caller has nothing to say.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LineError {
    /// A recording is missing or unreadable.
    #[error("the demo's recording {path}: {reason}; run `causerie models pull`", path = path.display())]
    Recording {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The caller's voice failed.
    #[error(transparent)]
    Voice(#[from] tts::SynthesizerError),
}

/// Speech from `range` of a recording; the whole of it where there is no range.
///
/// # Errors
///
/// Where the file cannot be read.
pub fn recorded(
    path: &Path,
    range: Option<(Duration, Duration)>,
    words: &'static str,
    voice: &str,
) -> Result<Line, LineError> {
    let failed = |reason: String| LineError::Recording { path: path.to_owned(), reason };
    let file = File::open(path).map_err(|error| failed(error.to_string()))?;
    let wav = Wav::read(BufReader::new(file)).map_err(|error| failed(error.to_string()))?;
    let rate = wav.rate;
    let mut samples = wav.into_mono();
    if let Some((from, to)) = range {
        let bounds = [from, to].map(|at| usize::try_from(rate.samples_in(at)).unwrap_or(0));
        samples = samples
            .get(bounds[0]..bounds[1])
            .ok_or_else(|| failed("it is shorter than it should be".to_owned()))?
            .to_vec();
    }
    let samples = at_call_rate(rate, &samples).map_err(failed)?;
    Ok(Line { words, voice: voice.to_owned(), samples: trimmed(samples) })
}

/// Speech by one of the synthetic voices.
///
/// # Errors
///
/// Where the voice is not to be had.
pub async fn spoken(
    synthesizer: &dyn Synthesizer,
    voice: &str,
    words: &'static str,
) -> Result<Line, LineError> {
    let config = VoiceConfig { voice: voice.to_owned(), language: "en".to_owned(), speed: 1.0 };
    let mut stream = synthesizer.open(&config)?;
    let range = 0..u32::try_from(words.len()).unwrap_or(u32::MAX);
    stream.push(TextChunk { text: words.to_owned(), range });
    stream.finish();
    let mut spoken = Vec::new();
    let mut spoken_rate = RATE;
    loop {
        match std::future::poll_fn(|cx| stream.poll_event(cx)).await {
            SpeechEvent::Audio { rate, samples } => {
                spoken_rate = rate;
                spoken.extend_from_slice(&samples);
            }
            SpeechEvent::Span { .. } => {}
            SpeechEvent::Done => break,
            SpeechEvent::Failed(error) => return Err(error.into()),
        }
    }
    let samples = at_call_rate(spoken_rate, &spoken)
        .map_err(|reason| LineError::Recording { path: PathBuf::from(voice), reason })?;
    Ok(Line { words, voice: format!("flite {voice}"), samples: trimmed(samples) })
}

fn at_call_rate(rate: SampleRate, samples: &[i16]) -> Result<Vec<i16>, String> {
    if rate == RATE {
        return Ok(samples.to_vec());
    }
    let mut resampler = Resampler::new(rate, RATE).map_err(|error| error.to_string())?;
    let mut resampled = Vec::with_capacity(samples.len());
    resampler.process(samples, &mut resampled);
    resampler.flush(&mut resampled);
    Ok(resampled)
}

/// Removes the silence around the speech and brings it to [`LEVEL_DBFS`].
fn trimmed(samples: Vec<i16>) -> Vec<i16> {
    let end = speech_end(&samples, RATE);
    let reversed: Vec<i16> = samples[..end].iter().rev().copied().collect();
    let start = end - speech_end(&reversed, RATE);
    let speech = &samples[start..end];
    let loudest = speech.chunks(160).map(codecs::pcm::level_dbfs).fold(f64::MIN, f64::max);
    let gain = 10_f64.powf((LEVEL_DBFS - loudest) / 20.0);
    speech
        .iter()
        .map(|sample| {
            (f64::from(*sample) * gain).clamp(f64::from(i16::MIN), f64::from(i16::MAX)) as i16
        })
        .collect()
}
