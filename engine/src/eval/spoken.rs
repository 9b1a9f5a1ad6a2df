//! Utterances that nobody recorded: espeak-ng says them.
//!
//! For what no recording at hand has, such as French dictation. A synthetic voice has no
//! hesitation and hardly any melody; the report says which utterances are its own.

use std::io::Cursor;
use std::process::Command;
use std::sync::Arc;

use codecs::noise::Noise;
use codecs::wav::Wav;
use codecs::{Resampler, SampleRate};

/// Level of the line's noise under it, in dBFS.
const NOISE_DBFS: f32 = -55.0;
/// Noise before and behind it, in ms.
const AROUND_MS: u64 = 400;
/// Samples that are louder are speech: about -44 dBFS, below any of espeak-ng's sounds.
const LOUD: u16 = 200;

/// An utterance of a synthetic voice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Spoken {
    pub(super) rate: SampleRate,
    pub(super) samples: Arc<[i16]>,
    /// Where speech begins and ends, in ms.
    pub(super) span: (u64, u64),
}

impl Spoken {
    /// Has `voice` (what `espeak-ng -v` takes; its English one where it has none of that name) say
    /// `text`.
    ///
    /// # Errors
    ///
    /// Why it cannot.
    pub(super) fn say(voice: &str, text: &str) -> Result<Self, String> {
        let mut program = Command::new("espeak-ng");
        let said = program.args(["-v", voice, "-s", "150", "--stdout", "--", text]).output();
        let said = said.map_err(|error| format!("espeak-ng does not run: {error}"))?;
        if !said.status.success() {
            let reason = String::from_utf8_lossy(&said.stderr);
            return Err(format!("espeak-ng: {}", reason.trim()));
        }
        let wav = Wav::read(Cursor::new(said.stdout)).map_err(|error| error.to_string())?;
        let rate = SampleRate::HZ_8000;
        let mut down = Resampler::new(wav.rate, rate).map_err(|error| error.to_string())?;
        let mut voice = Vec::new();
        down.process(&wav.into_mono(), &mut voice);
        Self::on_a_line(rate, &voice).ok_or_else(|| format!("espeak-ng is silent on \"{text}\""))
    }

    fn on_a_line(rate: SampleRate, voice: &[i16]) -> Option<Self> {
        let is_loud = |sample: &i16| sample.unsigned_abs() > LOUD;
        let start = voice.iter().position(is_loud)?;
        let end = voice.iter().rposition(is_loud)? + 1;
        let per_ms = u64::from(rate.hz()) / 1_000;
        let around = AROUND_MS * per_ms;
        let mut samples = vec![0; (end - start) + 2 * around as usize];
        Noise::new(NOISE_DBFS, 1).fill_into(&mut samples);
        for (sample, voice) in samples[around as usize..].iter_mut().zip(&voice[start..end]) {
            *sample = sample.saturating_add(*voice);
        }
        let spoken_ms = ((end - start) as u64).div_ceil(per_ms);
        Some(Self { rate, samples: samples.into(), span: (AROUND_MS, AROUND_MS + spoken_ms) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_voice_lies_where_it_is_said_to() {
        let mut voice = vec![0; 800];
        voice.extend([5_000; 1_600]);
        voice.extend([10; 400]);
        let spoken = Spoken::on_a_line(SampleRate::HZ_8000, &voice).expect("a voice");
        assert_eq!(spoken.span, (400, 600));
        assert_eq!(spoken.samples.len(), 3_200 + 1_600 + 3_200);
        let is_loud = |sample: &&i16| sample.unsigned_abs() > 2_000;
        assert_eq!(spoken.samples.iter().filter(is_loud).count(), 1_600);
        assert_eq!(Spoken::on_a_line(SampleRate::HZ_8000, &[10; 100]), None);
    }

    #[test]
    fn a_text_without_a_sound_is_an_error() {
        let Err(reason) = Spoken::say("fr", "") else { panic!("there is nothing to say") };
        assert!(reason.contains("espeak-ng"), "{reason}");
    }
}
