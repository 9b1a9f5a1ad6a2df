//! What inference has answered before: the same question is asked once.
//!
//! A set is played many times over, with other settings or other plans, and most of what the models
//! hear is the same. Their answers depend on nothing else (no randomness, one thread), so they are
//! kept, and, where a file is given, kept between runs. Virtual time knows nothing of this: an
//! answer costs there what it costs.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use asr::moonshine::{DecodeRequest, Decoded};
use codecs::SampleRate;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Questions are known by the first half of their SHA-256.
type Key = String;

/// Answers by question.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Memo {
    /// The models and the build whose answers these are.
    models: String,
    looks: BTreeMap<Key, f32>,
    decodes: BTreeMap<Key, Known>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Known {
    tokens: Vec<i64>,
    text: String,
    steps: usize,
}

impl Memo {
    /// Answers of `models`, of which those in `file` are known. A file of other models is as good
    /// as none.
    pub(super) fn open(models: String, file: Option<&Path>) -> io::Result<Self> {
        let known = match file.map(fs::read) {
            Some(Ok(bytes)) => serde_json::from_slice(&bytes).ok(),
            Some(Err(error)) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => None,
        };
        let known = known.filter(|known: &Self| known.models == models);
        Ok(known.unwrap_or_else(|| Self { models, ..Self::default() }))
    }

    /// Keeps what is known.
    pub(super) fn save(&self, file: &Path) -> io::Result<()> {
        fs::write(file, serde_json::to_vec(self)?)
    }

    /// The turn model's score of a history in two parts; asks `look` where it is not known.
    pub(super) fn look<E>(
        &mut self,
        rate: SampleRate,
        parts: [&[i16]; 2],
        look: impl FnOnce(SampleRate, [&[i16]; 2]) -> Result<f32, E>,
    ) -> Result<f32, E> {
        let mut hash = Sha256::new();
        hash.update(rate.hz().to_le_bytes());
        parts.iter().for_each(|part| add_samples(&mut hash, part));
        let key = key(hash);
        if let Some(score) = self.looks.get(&key) {
            return Ok(*score);
        }
        let score = look(rate, parts)?;
        self.looks.insert(key, score);
        Ok(score)
    }

    /// The recogniser's answer; asks `decode` where it is not known.
    pub(super) fn decode(
        &mut self,
        request: &DecodeRequest<'_>,
        decode: impl FnOnce(&DecodeRequest<'_>) -> Result<Decoded, String>,
    ) -> Result<Decoded, String> {
        let mut hash = Sha256::new();
        hash.update(request.rate.hz().to_le_bytes());
        hash.update([u8::from(request.paused)]);
        hash.update((request.guess.len() as u64).to_le_bytes());
        request.guess.iter().for_each(|token| hash.update(token.to_le_bytes()));
        add_samples(&mut hash, request.samples);
        let key = key(hash);
        if let Some(Known { tokens, text, steps }) = self.decodes.get(&key) {
            return Ok(Decoded { tokens: tokens.clone(), text: text.clone(), steps: *steps });
        }
        let decoded = decode(request)?;
        let Decoded { tokens, text, steps } = decoded.clone();
        self.decodes.insert(key, Known { tokens, text, steps });
        Ok(decoded)
    }
}

fn add_samples(hash: &mut Sha256, samples: &[i16]) {
    let bytes: Vec<u8> = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
    hash.update(bytes);
}

fn key(hash: Sha256) -> Key {
    let digest = hash.finalize();
    digest[..16].iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_asked_once_and_remembered_in_the_file() {
        let folder = tempfile::tempdir().expect("a directory");
        let file = folder.path().join("memo.json");
        let rate = SampleRate::HZ_8000;
        let mut memo = Memo::open("a".into(), Some(&file)).expect("no file is fine");
        let ask = |memo: &mut Memo, parts: [&[i16]; 2], answer: f32| {
            memo.look(rate, parts, |_, _| Ok::<f32, ()>(answer)).expect("an answer")
        };
        assert_eq!(ask(&mut memo, [&[1, 2], &[3]], 0.3), 0.3);
        assert_eq!(ask(&mut memo, [&[1], &[2, 3]], 0.9), 0.3, "the same samples");
        assert_eq!(ask(&mut memo, [&[1], &[2, 4]], 0.9), 0.9);
        let request = DecodeRequest { rate, samples: &[1, 2], paused: true, guess: &[7] };
        let answer = Decoded { tokens: vec![7, 8], text: "seven eight".into(), steps: 1 };
        let asked = memo.decode(&request, |_| Ok(answer.clone()));
        assert_eq!(asked, Ok(answer.clone()));
        memo.save(&file).expect("room on the disk");

        let mut again = Memo::open("a".into(), Some(&file)).expect("a file");
        assert_eq!(ask(&mut again, [&[1, 2, 3], &[]], 0.0), 0.3);
        assert_eq!(again.decode(&request, |_| Err("asked again".into())), Ok(answer));
        let partial = DecodeRequest { paused: false, ..request };
        assert!(again.decode(&partial, |_| Err("another question".into())).is_err());
        let mut other = Memo::open("b".into(), Some(&file)).expect("a file");
        assert_eq!(ask(&mut other, [&[1, 2, 3], &[]], 0.7), 0.7, "another model's");
    }
}
