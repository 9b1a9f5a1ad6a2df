//! Moonshine's encoder and decoder, run through ONNX Runtime on the calling thread.
//!
//! Moonshine (Jeffries et al., "Moonshine: Speech Recognition for Live Transcription and Voice
//! Commands", 2024, arXiv:2410.15608) hears 16 kHz samples without a spectrogram and its cost
//! grows with the length of what it hears, so short utterances are decoded again and again at
//! little cost. The exported decoder holds two branches: one for a text from its beginning, one
//! for a single further token with the keys and values of those before.

use std::fmt;
use std::path::Path;

use ort::memory::Allocator;
use ort::session::{Session, SessionInputValue};
use ort::value::{DynValue, Tensor, TensorRef};

use super::PROVIDER;
use super::tokenizer::{BEGIN, END, Tokenizer};
use crate::RecognizerError;

/// The rate that the model hears, in Hz.
pub const MODEL_RATE: codecs::SampleRate = codecs::SampleRate::HZ_16000;
/// Shortest input, in samples: what is shorter is filled up with silence. The three convolutions
/// of the encoder need a tenth of this for their first frame.
const SHORTEST: usize = 8_000;
/// Tokens that speech holds: 6.5 a second, as Moonshine's reference implementation allows, ...
const TOKENS_PER_SECOND: f32 = 6.5;
/// ... and this many more, so that a short "Yes, please." is not cut.
const TOKENS_AT_LEAST: usize = 4;

/// A loaded Moonshine model.
pub struct Model {
    encoder: Session,
    decoder: Session,
    tokenizer: Tokenizer,
    /// Names of the decoder's cache, in the order of its inputs.
    cache: Vec<CacheName>,
    heads: usize,
    width: usize,
}

struct CacheName {
    input: String,
    output: String,
    /// Belongs to what was heard: computed once for each audio.
    of_encoder: bool,
}

/// What a text's decoding leaves for its next token.
struct Cache {
    values: Vec<DynValue>,
    /// Tokens in the cache, [`BEGIN`] included.
    length: usize,
}

/// How a decoding ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// The text is complete.
    Complete,
    /// It was told to stop.
    Interrupted,
}

impl Model {
    /// Loads `encoder_model.onnx`, `decoder_model_merged.onnx` and `tokenizer.bin` from `folder`.
    ///
    /// # Errors
    ///
    /// [`RecognizerError::Model`] where a file is missing, or is not what it should be.
    pub fn load(runtime: &onnx::Runtime, folder: &Path) -> Result<Self, RecognizerError> {
        let failed = |reason| RecognizerError::Model { provider: PROVIDER, reason };
        let session =
            |name| runtime.session(&folder.join(name)).map_err(|error| failed(error.to_string()));
        let tokenizer = Tokenizer::load(&folder.join("tokenizer.bin"))
            .map_err(|reason| failed(format!("{reason}; run `causerie models verify`")))?;
        let encoder = session("encoder_model.onnx")?;
        let decoder = session("decoder_model_merged.onnx")?;

        let unfit = |what: &str| {
            failed(format!(
                "{} is not a merged Moonshine decoder: {what}; run `causerie models verify`",
                folder.join("decoder_model_merged.onnx").display()
            ))
        };
        let input = |session: &Session, name| session.inputs().iter().any(|i| i.name() == name);
        if !input(&encoder, "input_values") {
            return Err(failed(format!(
                "{} is not a Moonshine encoder: it has no input input_values; run `causerie models \
                 verify`",
                folder.join("encoder_model.onnx").display()
            )));
        }
        for name in ["input_ids", "encoder_hidden_states", "use_cache_branch"] {
            if !input(&decoder, name) {
                return Err(unfit(&format!("it has no input {name}")));
            }
        }
        let cache: Vec<CacheName> = decoder
            .inputs()
            .iter()
            .filter_map(|input| {
                let name = input.name();
                let place = name.strip_prefix("past_key_values.")?;
                Some(CacheName {
                    input: name.to_owned(),
                    output: format!("present.{place}"),
                    of_encoder: place.contains(".encoder."),
                })
            })
            .collect();
        let shape = decoder
            .inputs()
            .iter()
            .find(|input| input.name() == "past_key_values.0.decoder.key")
            .and_then(|input| input.dtype().tensor_shape())
            .ok_or_else(|| unfit("it has no past_key_values.0.decoder.key"))?;
        let (Some(heads), Some(width)) = (
            shape.get(1).and_then(|&heads| usize::try_from(heads).ok()),
            shape.get(3).and_then(|&width| usize::try_from(width).ok()),
        ) else {
            return Err(unfit("its cache has no fixed number of heads"));
        };
        let vocabulary = decoder
            .outputs()
            .iter()
            .find(|output| output.name() == "logits")
            .and_then(|output| output.dtype().tensor_shape())
            .and_then(|shape| usize::try_from(*shape.last()?).ok())
            .ok_or_else(|| unfit("it has no logits of a known size"))?;
        if vocabulary != tokenizer.len() {
            return Err(failed(format!(
                "tokenizer.bin in {} holds {} tokens, the decoder knows {vocabulary}; run `causerie \
                 models verify`",
                folder.display(),
                tokenizer.len()
            )));
        }
        for name in cache.iter().map(|name| name.output.as_str()) {
            if !decoder.outputs().iter().any(|output| output.name() == name) {
                return Err(unfit(&format!("it has no output {name}")));
            }
        }
        Ok(Self { encoder, decoder, tokenizer, cache, heads, width })
    }

    /// The words in `audio`: samples at [`MODEL_RATE`], from -1 to 1, at most half a minute.
    ///
    /// # Errors
    ///
    /// [`RecognizerError::Stream`] where ONNX Runtime fails.
    pub fn transcribe(&mut self, audio: &[f32]) -> Result<String, RecognizerError> {
        let mut audio = audio.to_vec();
        let mut tokens = Vec::new();
        self.decode(&mut audio, &mut tokens, &mut || true).map_err(|error| {
            RecognizerError::Stream { provider: PROVIDER, reason: error.to_string() }
        })?;
        let mut text = String::new();
        self.write_text(&tokens, &mut text);
        Ok(text)
    }

    /// Writes the words of `tokens` into `text`.
    pub(crate) fn write_text(&self, tokens: &[i64], text: &mut String) {
        self.tokenizer.write_text(tokens, text);
    }

    /// Finds the most likely tokens of `audio`, one after the other. `proceed` is asked before
    /// each step whether to go on.
    ///
    /// `tokens` comes with a guess, such as the tokens of an earlier decoding of less audio, and
    /// is replaced. The guess is checked in one step and kept as far as the model would have
    /// chosen the same, so that a good guess saves most steps and a bad one decides nothing. (The
    /// quantised weights round a little differently in a longer step: the words of 1 utterance
    /// in 5 then differ in a comma or a doubtful word, with as many errors in all.)
    pub(crate) fn decode(
        &mut self,
        audio: &mut Vec<f32>,
        tokens: &mut Vec<i64>,
        proceed: &mut dyn FnMut() -> bool,
    ) -> Result<Ending, ort::Error> {
        let limit = token_limit(audio.len());
        if audio.len() < SHORTEST {
            audio.resize(SHORTEST, 0.0);
        }
        tokens.truncate(limit);
        if !proceed() {
            return Ok(Ending::Interrupted);
        }
        let samples = TensorRef::from_array_view(([1, audio.len()], audio.as_slice()))?;
        let heard = self
            .encoder
            .run(ort::inputs!["input_values" => samples])?
            .remove("last_hidden_state")
            .ok_or_else(|| ort::Error::new("the encoder gave no last_hidden_state"))?;
        if !proceed() {
            return Ok(Ending::Interrupted);
        }
        let (mut next, mut cache) = self.check_guess(&heard, tokens)?;
        while next != END && tokens.len() < limit {
            tokens.push(next);
            if let Some(length) = before_repetition(tokens) {
                tokens.truncate(length);
                break;
            }
            if !proceed() {
                return Ok(Ending::Interrupted);
            }
            next = self.step(&heard, next, &mut cache)?;
        }
        Ok(Ending::Complete)
    }

    /// Runs a text of [`BEGIN`] and `guess` from its beginning. Leaves in `guess` what the model
    /// would have said itself; returns the token it would say next, and the cache before that.
    fn check_guess(
        &mut self,
        heard: &DynValue,
        guess: &mut Vec<i64>,
    ) -> Result<(i64, Cache), ort::Error> {
        let mut text = Vec::with_capacity(guess.len() + 1);
        text.push(BEGIN);
        text.extend_from_slice(guess);
        // This branch reads no cache, but the graph wants one of the right shape.
        let unread = Tensor::from_array((
            [1, self.heads, 1, self.width],
            vec![0.0_f32; self.heads * self.width],
        ))?;
        let mut inputs: Vec<(&str, SessionInputValue<'_>)> = Vec::with_capacity(64);
        inputs.push(("input_ids", Tensor::from_array(([1, text.len()], text))?.into()));
        inputs.push(("encoder_hidden_states", heard.into()));
        inputs.push(("use_cache_branch", Tensor::from_array(([1], vec![false]))?.into()));
        for name in &self.cache {
            inputs.push((&name.input, (&unread).into()));
        }
        let mut outputs = self.decoder.run(inputs)?;

        let logits = outputs.remove("logits").ok_or_else(|| missing("logits"))?;
        let (_, logits) = logits.try_extract_tensor::<f32>()?;
        let mut choices = logits.chunks_exact(self.tokenizer.len()).map(most_likely);
        let mut agreed = 0;
        let next = loop {
            let choice = choices.next().ok_or_else(|| missing("logits for each token"))?;
            if guess.get(agreed) != Some(&choice) {
                break choice;
            }
            agreed += 1;
        };
        let length = agreed + 1;
        let rejected = agreed < guess.len();
        guess.truncate(agreed);

        let mut values = Vec::with_capacity(self.cache.len());
        for name in &self.cache {
            let value = outputs.remove(&name.output).ok_or_else(|| missing(&name.output))?;
            values.push(if rejected && !name.of_encoder {
                truncated(&value, self.heads, length, self.width)?
            } else {
                value
            });
        }
        Ok((next, Cache { values, length }))
    }

    /// Says `token`; returns the next one.
    fn step(&mut self, heard: &DynValue, token: i64, cache: &mut Cache) -> Result<i64, ort::Error> {
        let mut inputs: Vec<(&str, SessionInputValue<'_>)> = Vec::with_capacity(64);
        inputs.push(("input_ids", Tensor::from_array(([1, 1], vec![token]))?.into()));
        inputs.push(("encoder_hidden_states", heard.into()));
        inputs.push(("use_cache_branch", Tensor::from_array(([1], vec![true]))?.into()));
        for (name, value) in self.cache.iter().zip(&cache.values) {
            inputs.push((&name.input, value.into()));
        }
        let mut outputs = self.decoder.run(inputs)?;
        let logits = outputs.remove("logits").ok_or_else(|| missing("logits"))?;
        let (_, logits) = logits.try_extract_tensor::<f32>()?;
        let next = most_likely(logits);
        // What belongs to the audio stays as the first step made it; this branch passes nothing
        // of use in its place.
        for (name, value) in self.cache.iter().zip(&mut cache.values) {
            if !name.of_encoder {
                *value = outputs.remove(&name.output).ok_or_else(|| missing(&name.output))?;
            }
        }
        cache.length += 1;
        Ok(next)
    }
}

impl fmt::Debug for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Model")
            .field("tokens", &self.tokenizer.len())
            .field("heads", &self.heads)
            .field("width", &self.width)
            .finish_non_exhaustive()
    }
}

fn missing(output: &str) -> ort::Error {
    ort::Error::new(format!("the decoder gave no {output}"))
}

/// Most tokens for `samples` of audio.
fn token_limit(samples: usize) -> usize {
    let seconds = samples as f32 / MODEL_RATE.hz() as f32;
    TOKENS_AT_LEAST + (seconds * TOKENS_PER_SECOND).ceil() as usize
}

/// The first of the largest.
fn most_likely(logits: &[f32]) -> i64 {
    let mut best = (0, f32::NEG_INFINITY);
    for (token, &logit) in logits.iter().enumerate() {
        if logit > best.1 {
            best = (token, logit);
        }
    }
    best.0 as i64
}

/// The first `length` steps of one layer's keys or values, `[1, heads, steps, width]`.
fn truncated(
    value: &DynValue,
    heads: usize,
    length: usize,
    width: usize,
) -> Result<DynValue, ort::Error> {
    let (shape, from) = value.try_extract_tensor::<f32>()?;
    let steps = shape.get(2).map_or(0, |&steps| usize::try_from(steps).unwrap_or(0));
    if steps < length || from.len() != heads * steps * width {
        return Err(missing("cache of the right shape"));
    }
    let mut kept = Tensor::<f32>::new(&Allocator::default(), [1, heads, length, width])?;
    let (_, to) = kept.extract_tensor_mut();
    for (to, from) in to.chunks_exact_mut(length * width).zip(from.chunks_exact(steps * width)) {
        to.copy_from_slice(&from[..length * width]);
    }
    Ok(kept.into_dyn())
}

/// Where to cut a text that goes round in circles, as a decoder does on noise: after the first
/// round, once a phrase was said so often in a row that nobody says it on purpose.
fn before_repetition(tokens: &[i64]) -> Option<usize> {
    (1..=12).find_map(|period| {
        // "No, no, no, no" and digits in a row are speech; whole phrases four times are not.
        let rounds = if period <= 2 { 8 } else { 4 };
        let start = tokens.len().checked_sub(period * rounds)?;
        let round = &tokens[start..start + period];
        let circles = tokens[start..].chunks_exact(period).all(|other| other == round);
        circles.then_some(start + period)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_limit_follows_the_audio() {
        assert_eq!(token_limit(0), 4);
        assert_eq!(token_limit(8_000), 8);
        assert_eq!(token_limit(160_000), 69);
    }

    #[test]
    fn circles_are_cut_after_the_first_round() {
        let phrase = [5, 6, 7];
        assert_eq!(before_repetition(&[1, 2, 3, 4]), None);
        assert_eq!(before_repetition(&phrase.repeat(3)), None);
        assert_eq!(before_repetition(&[&[9][..], &phrase.repeat(4)].concat()), Some(4));
        assert_eq!(before_repetition(&[7; 7]), None);
        assert_eq!(before_repetition(&[7; 8]), Some(1));
    }

    #[test]
    fn the_first_of_equals_is_most_likely() {
        assert_eq!(most_likely(&[0.0, 3.0, f32::NAN, 3.0]), 1);
        assert_eq!(most_likely(&[]), 0);
    }
}
