//! eSpeak NG: a formant voice for some 130 languages, run as a program (Debian package
//! `espeak-ng`). It is GPL, so it is never linked.
//!
//! It prints the sounds it makes, not their times: where its words are is an
//! estimate, exact at the pauses between clauses.

use std::path::PathBuf;
use std::sync::Arc;

use crate::estimate::place;
use crate::phonemes::lines;
use crate::phrase::{PhraseStream, PhraseVoice, Rendered};
use crate::program::{self, Invocation, ProgramPool, Ticket};
use crate::spoken::{SpokenWord, primary_subtag};
use crate::trim::trim;
use crate::{SpeechStream, Synthesizer, SynthesizerError, VoiceConfig, riff};

const PROVIDER: &str = "espeak-ng";
/// Its own rate (`espeak-ng --help`).
const WORDS_PER_MINUTE: f32 = 175.0;

/// How espeak-ng is run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EspeakConfig {
    /// A path, or a name to be looked for in the search path.
    pub program: PathBuf,
}

impl Default for EspeakConfig {
    fn default() -> Self {
        Self { program: "espeak-ng".into() }
    }
}

/// The voices of espeak-ng.
#[derive(Debug)]
pub struct Espeak {
    program: Arc<PathBuf>,
    pool: ProgramPool,
    voices: Vec<EspeakVoice>,
}

/// A line of `espeak-ng --voices`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct EspeakVoice {
    /// BCP 47, in small letters: `fr-fr`.
    language: String,
    /// `French_(France)`.
    name: String,
    /// What `-v` takes: `roa/fr`.
    file: String,
}

impl Espeak {
    /// Finds the program and reads its list of voices. Blocks for some 10 ms.
    ///
    /// # Errors
    ///
    /// [`SynthesizerError::Unavailable`] where the program is missing or does not run.
    pub fn new(config: &EspeakConfig, pool: ProgramPool) -> Result<Self, SynthesizerError> {
        let program = program::find(PROVIDER, &config.program, "espeak-ng")?;
        let list = program::list(PROVIDER, &program, &["--voices"])?;
        let voices = list.lines().skip(1).filter_map(EspeakVoice::parse).collect();
        Ok(Self { program: Arc::new(program), pool, voices })
    }

    /// The languages there are voices for, as espeak-ng names them.
    pub fn languages(&self) -> impl Iterator<Item = &str> {
        self.voices.iter().map(|voice| voice.language.as_str())
    }

    /// The voice for a language tag: the tag itself, then the language as spoken at home (`fr`:
    /// `fr-fr`), then any voice of the language.
    fn voice_for(&self, language: &str) -> Option<&EspeakVoice> {
        let tag = language.replace('_', "-").to_ascii_lowercase();
        let primary = primary_subtag(&tag);
        let home = match primary.as_str() {
            "en" => "en-us".to_owned(),
            "zh" => "cmn".to_owned(),
            "no" => "nb".to_owned(),
            other => format!("{other}-{other}"),
        };
        let exactly = |wanted: &str| self.voices.iter().find(|voice| voice.language == wanted);
        exactly(&tag)
            .or_else(|| exactly(&home))
            .or_else(|| exactly(&primary))
            .or_else(|| self.voices.iter().find(|v| primary_subtag(&v.language) == primary))
    }
}

impl EspeakVoice {
    /// Reads ` 5  fr-fr  --/M  French_(France)  roa/fr  (fr 5)`.
    fn parse(line: &str) -> Option<Self> {
        let mut fields = line.split_whitespace().skip(1);
        let language = fields.next()?.to_ascii_lowercase();
        let name = fields.nth(1)?.to_owned();
        let file = fields.next()?.to_owned();
        Some(Self { language, name, file })
    }
}

impl Synthesizer for Espeak {
    fn open(&self, voice: &VoiceConfig) -> Result<Box<dyn SpeechStream>, SynthesizerError> {
        let found = if voice.voice.is_empty() {
            self.voice_for(&voice.language).ok_or_else(|| SynthesizerError::Language {
                provider: PROVIDER,
                language: voice.language.clone(),
            })?
        } else {
            let named = |v: &&EspeakVoice| {
                [&v.name, &v.file, &v.language]
                    .into_iter()
                    .any(|n| n.eq_ignore_ascii_case(&voice.voice))
            };
            self.voices.iter().find(named).ok_or_else(|| SynthesizerError::Voice {
                provider: PROVIDER,
                voice: voice.voice.clone(),
            })?
        };
        let rate = (WORDS_PER_MINUTE * crate::flite::speed(voice.speed)).round();
        let speaker = Speaker {
            program: Arc::clone(&self.program),
            pool: self.pool.clone(),
            file: found.file.clone(),
            language: found.language.clone(),
            words_per_minute: format!("{rate:.0}"),
        };
        Ok(Box::new(PhraseStream::new(speaker, PROVIDER)))
    }
}

struct Speaker {
    program: Arc<PathBuf>,
    pool: ProgramPool,
    file: String,
    language: String,
    words_per_minute: String,
}

impl PhraseVoice for Speaker {
    fn render(&self, words: Arc<[SpokenWord]>) -> Ticket<Rendered> {
        let program = Arc::clone(&self.program);
        let (file, rate) = (self.file.clone(), self.words_per_minute.clone());
        self.pool.submit(PROVIDER, move |work| async move {
            let args = [
                "-v",
                &file,
                "-s",
                &rate,
                "-b",
                "1",
                "-z",
                "--ipa",
                "--phonout=/dev/stderr",
                "--stdin",
                "--stdout",
            ];
            let said: Vec<&str> = words.iter().map(|word| word.text.as_str()).collect();
            let printed = work
                .run(Invocation {
                    provider: PROVIDER,
                    program: &program,
                    args: &args,
                    input: said.join(" ") + "\n",
                    seekable_stderr: false,
                })
                .await?;
            let recording = riff::read(&printed.stdout)
                .map_err(|reason| SynthesizerError::Stream { provider: PROVIDER, reason })?;
            let mut samples = recording.samples;
            trim(&mut samples, recording.rate);
            let clauses = lines(&String::from_utf8_lossy(&printed.stderr));
            let words = place(&words, &clauses, &samples, recording.rate);
            Ok(Rendered { rate: recording.rate, samples, words })
        })
    }

    fn language(&self) -> &str {
        &self.language
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_list_is_read() {
        let line = " 5  fr-fr           --/M      French_(France)    roa/fr               (fr 5)";
        let voice = EspeakVoice::parse(line).expect("a voice");
        assert_eq!(
            (voice.language.as_str(), voice.name.as_str(), voice.file.as_str()),
            ("fr-fr", "French_(France)", "roa/fr")
        );
        assert_eq!(EspeakVoice::parse(""), None);
        assert_eq!(EspeakVoice::parse("5 fr"), None);
    }
}
