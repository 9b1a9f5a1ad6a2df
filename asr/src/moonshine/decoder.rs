//! One decode: the audio as the model wants it, and the model.

use codecs::SampleRate;
use codecs::resample::Resampler;

use super::model::{Ending, MODEL_RATE, Model};

/// Silence put behind what was said before a pause, in samples of the model. The news of a pause
/// comes as soon as 64 ms after the last word; cut there, the model loses or invents a last word
/// more often (16 % of words wrong instead of 12 %, telephone recordings of dictation and prose).
const FADE: usize = 2_400;

/// What a decode is asked. The same request has the same answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DecodeRequest<'a> {
    /// Rate of `samples`.
    pub rate: SampleRate,
    /// The utterance so far.
    pub samples: &'a [i16],
    /// It ends in a pause.
    pub paused: bool,
    /// Tokens of an earlier decode of less of the utterance.
    pub guess: &'a [i64],
}

impl DecodeRequest<'_> {
    /// Samples that the model hears, at [`MODEL_RATE`].
    pub fn heard(&self) -> usize {
        let ratio = f64::from(MODEL_RATE.hz()) / f64::from(self.rate.hz());
        (self.samples.len() as f64 * ratio) as usize + if self.paused { FADE } else { 0 }
    }
}

/// What a decode came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decoded {
    /// The utterance's tokens.
    pub tokens: Vec<i64>,
    /// Its words.
    pub text: String,
    /// Steps of the decoder after it had checked the guess: a token each.
    pub steps: usize,
}

/// A model with what brings audio to its rate.
#[derive(Debug)]
pub struct Decoder {
    model: Model,
    resampler: Option<Resampler>,
    wide: Vec<i16>,
    audio: Vec<f32>,
}

impl Decoder {
    /// A decoder of `model`.
    pub const fn new(model: Model) -> Self {
        Self { model, resampler: None, wide: Vec::new(), audio: Vec::new() }
    }

    /// Answers `request` on the calling thread.
    ///
    /// # Errors
    ///
    /// Where the rate or the model does not allow it.
    pub fn answer(&mut self, request: &DecodeRequest<'_>) -> Result<Decoded, String> {
        self.watched(request, &mut || {})
    }

    /// The same; tells when the encoder is done, when the guess was checked, and after each step.
    ///
    /// # Errors
    ///
    /// Where the rate or the model does not allow it.
    pub fn watched(
        &mut self,
        request: &DecodeRequest<'_>,
        done: &mut dyn FnMut(),
    ) -> Result<Decoded, String> {
        let mut decoded = Decoded { tokens: request.guess.to_vec(), ..Decoded::default() };
        let mut asked = 0_usize;
        let mut proceed = || {
            // It asks before the encoder, before the guess is checked, and before each step.
            if asked > 0 {
                done();
            }
            asked += 1;
            true
        };
        let DecodeRequest { rate, samples, paused, .. } = *request;
        self.decode(rate, samples, paused, &mut decoded.tokens, &mut proceed)?;
        decoded.steps = asked.saturating_sub(2);
        done();
        self.model.write_text(&decoded.tokens, &mut decoded.text);
        Ok(decoded)
    }

    pub(super) fn decode(
        &mut self,
        rate: SampleRate,
        samples: &[i16],
        paused: bool,
        tokens: &mut Vec<i64>,
        proceed: &mut dyn FnMut() -> bool,
    ) -> Result<Ending, String> {
        let Self { model, resampler, wide, audio } = self;
        // Calls of one engine nearly always share a rate, so the last filter is kept.
        let resampler = match resampler {
            Some(resampler) if resampler.input_rate() == rate => resampler,
            slot => {
                slot.insert(Resampler::new(rate, MODEL_RATE).map_err(|error| error.to_string())?)
            }
        };
        wide.clear();
        resampler.process(samples, wide);
        resampler.flush(wide);
        if paused {
            wide.resize(wide.len() + FADE, 0);
        }
        audio.clear();
        audio.extend(wide.iter().map(|&sample| f32::from(sample) / 32_768.0));
        model.decode(audio, tokens, proceed).map_err(|error| error.to_string())
    }

    pub(super) fn write_text(&self, tokens: &[i64], text: &mut String) {
        self.model.write_text(tokens, text);
    }
}
