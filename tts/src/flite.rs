//! Flite: small, fast English voices, run as a program (Debian package `flite`).
//!
//! One run gives the audio and the time of every sound (`-psdur`). A second, with the smallest
//! voice and no audio, gives the sounds of each word, and the two are aligned:
//! words are placed to the sample. Text without a newline at its end loses its last word
//! (flite 2.2), so one is always sent.

use std::path::PathBuf;
use std::sync::Arc;

use crate::align::{Phone, word_times};
use crate::phrase::{PhraseStream, PhraseVoice, Rendered};
use crate::program::{self, Invocation, ProgramPool, Ticket, Work};
use crate::spoken::{SpokenWord, primary_subtag};
use crate::trim::trim;
use crate::{SpeechStream, Synthesizer, SynthesizerError, VoiceConfig, riff};

const PROVIDER: &str = "flite";
/// Speaks only the time of day.
const LIMITED_VOICE: &str = "awb_time";

/// How flite is run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FliteConfig {
    /// A path, or a name to be looked for in the search path.
    pub program: PathBuf,
    /// The voice of a [`VoiceConfig`] that names none.
    pub default_voice: String,
}

impl Default for FliteConfig {
    fn default() -> Self {
        Self { program: "flite".into(), default_voice: "slt".to_owned() }
    }
}

/// The English voices of flite.
#[derive(Debug)]
pub struct Flite {
    program: Arc<PathBuf>,
    pool: ProgramPool,
    voices: Vec<String>,
    default_voice: String,
}

impl Flite {
    /// Finds the program and reads its list of voices. Blocks for some 10 ms.
    ///
    /// # Errors
    ///
    /// [`SynthesizerError::Unavailable`] where the program is missing or does not run,
    /// [`SynthesizerError::Voice`] where it lacks the default voice.
    pub fn new(config: &FliteConfig, pool: ProgramPool) -> Result<Self, SynthesizerError> {
        let program = program::find(PROVIDER, &config.program, "flite")?;
        let list = program::list(PROVIDER, &program, &["-lv"])?;
        let voices: Vec<String> = list
            .split_once("available:")
            .map(|(_, names)| names.split_whitespace())
            .into_iter()
            .flatten()
            .filter(|&name| name != LIMITED_VOICE)
            .map(str::to_owned)
            .collect();
        let flite = Self {
            program: Arc::new(program),
            pool,
            voices,
            default_voice: config.default_voice.clone(),
        };
        flite.voice_named(&config.default_voice)?;
        Ok(flite)
    }

    /// The names of the voices there are.
    pub fn voices(&self) -> &[String] {
        &self.voices
    }

    fn voice_named(&self, name: &str) -> Result<&str, SynthesizerError> {
        let name = if name.is_empty() { &self.default_voice } else { name };
        self.voices
            .iter()
            .find(|&voice| voice == name)
            .map(String::as_str)
            .ok_or_else(|| SynthesizerError::Voice { provider: PROVIDER, voice: name.to_owned() })
    }
}

impl Synthesizer for Flite {
    fn open(&self, voice: &VoiceConfig) -> Result<Box<dyn SpeechStream>, SynthesizerError> {
        if !matches!(primary_subtag(&voice.language).as_str(), "en" | "") {
            let language = voice.language.clone();
            return Err(SynthesizerError::Language { provider: PROVIDER, language });
        }
        let name = self.voice_named(&voice.voice)?.to_owned();
        let voice = FliteVoice {
            program: Arc::clone(&self.program),
            pool: self.pool.clone(),
            name,
            stretch: 1.0 / speed(voice.speed),
        };
        Ok(Box::new(PhraseStream::new(voice, PROVIDER)))
    }
}

/// A speaking rate a listener can follow; what is no number counts as 1.
pub(crate) fn speed(asked: f32) -> f32 {
    if asked.is_finite() && asked > 0.0 { asked.clamp(0.25, 4.0) } else { 1.0 }
}

struct FliteVoice {
    program: Arc<PathBuf>,
    pool: ProgramPool,
    name: String,
    stretch: f32,
}

impl PhraseVoice for FliteVoice {
    fn render(&self, words: Arc<[SpokenWord]>) -> Ticket<Rendered> {
        let program = Arc::clone(&self.program);
        let name = self.name.clone();
        let stretch = format!("duration_stretch={:.3}", self.stretch);
        self.pool.submit(PROVIDER, move |work| async move {
            let said: Vec<String> = words.iter().map(|word| ascii(&word.text)).collect();
            let speech = async {
                let args = [
                    "-voice",
                    &name,
                    "-psdur",
                    "--setf",
                    &stretch,
                    "-f",
                    "/dev/stdin",
                    "-o",
                    "/dev/stderr",
                ];
                let input = said.join(" ") + "\n";
                run(&work, &program, &args, input, true).await
            };
            let sounds = async {
                if said.len() == 1 {
                    // `Sure,`: every sound is its own.
                    return Ok(None);
                }
                let args = ["-voice", "kal", "-ps", "-f", "/dev/stdin", "-o", "none"];
                // An empty line ends an utterance: one line of sounds for each word.
                let input = said.iter().map(|word| format!("{word}\n\n")).collect();
                run(&work, &program, &args, input, false).await.map(Some)
            };
            // Both to their end, so that each is reaped.
            let (speech, sounds) = tokio::join!(speech, sounds);
            let (speech, sounds) = (speech?, sounds?);
            let failed = |reason| SynthesizerError::Stream { provider: PROVIDER, reason };
            let recording = riff::read(&speech.stderr).map_err(failed)?;
            let total = recording.samples.len() as f32 / recording.rate.hz() as f32;
            let phones = phones(&String::from_utf8_lossy(&speech.stdout), total);
            let sounds = match sounds {
                Some(sounds) => word_sounds(&String::from_utf8_lossy(&sounds.stdout)),
                None => vec![phones.iter().map(|phone| phone.name.clone()).collect()],
            };
            let mut samples = recording.samples;
            let kept = trim(&mut samples, recording.rate);
            let words = if sounds.len() == words.len() && !phones.is_empty() {
                let at = |seconds: f32| {
                    let sample = (seconds * recording.rate.hz() as f32).round() as usize;
                    sample.clamp(kept.start, kept.end) - kept.start
                };
                word_times(&phones, &sounds).into_iter().map(|(a, b)| at(a)..at(b)).collect()
            } else {
                tracing::debug!(
                    words = words.len(),
                    rows = sounds.len(),
                    "flite: words not placed"
                );
                Vec::new()
            };
            Ok(Rendered { rate: recording.rate, samples, words })
        })
    }

    fn language(&self) -> &str {
        "en"
    }
}

async fn run(
    work: &Work,
    program: &std::path::Path,
    args: &[&str],
    input: String,
    seekable_stderr: bool,
) -> Result<program::Printed, SynthesizerError> {
    work.run(Invocation { provider: PROVIDER, program, args, input, seekable_stderr }).await
}

/// Reads `pau:0.164 sh:0.316 …`: a line for each sentence, with times from its beginning. The
/// times are rounded up a little in each line, so they are scaled to the length of the audio.
fn phones(printed: &str, total: f32) -> Vec<Phone> {
    let mut phones = Vec::new();
    let mut line_start = 0.0;
    let mut start = 0.0;
    for line in printed.lines() {
        for (name, end) in line.split_whitespace().filter_map(|item| item.rsplit_once(':')) {
            let Ok(end) = end.parse::<f32>() else { continue };
            let end = line_start + end;
            if name != "pau" {
                phones.push(Phone { name: name.to_owned(), start, end });
            }
            start = end;
        }
        line_start = start;
    }
    if start > 0.0 && total > 0.0 {
        let scale = total / start;
        for phone in &mut phones {
            phone.start *= scale;
            phone.end *= scale;
        }
    }
    phones
}

/// Reads `pau hh eh l p pau`: a line for each word.
fn word_sounds(printed: &str) -> Vec<Vec<String>> {
    let sounds = |line: &str| {
        line.split_whitespace().filter(|&name| name != "pau").map(str::to_owned).collect()
    };
    printed.lines().filter(|line| !line.trim().is_empty()).map(sounds).collect()
}

/// Flite reads ASCII: letters lose their accents, foreign scripts are left out.
fn ascii(text: &str) -> String {
    let mut ascii = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            ' '..='~' => ascii.push(c),
            'à' | 'á' | 'â' | 'ã' | 'å' | 'ā' => ascii.push('a'),
            'À' | 'Á' | 'Â' | 'Ã' | 'Å' => ascii.push('A'),
            'ä' | 'æ' => ascii.push_str("ae"),
            'Ä' | 'Æ' => ascii.push_str("Ae"),
            'ç' | 'č' | 'ć' => ascii.push('c'),
            'Ç' | 'Č' | 'Ć' => ascii.push('C'),
            'è' | 'é' | 'ê' | 'ë' | 'ē' | 'ę' | 'ě' => ascii.push('e'),
            'È' | 'É' | 'Ê' | 'Ë' => ascii.push('E'),
            'ì' | 'í' | 'î' | 'ï' | 'ī' => ascii.push('i'),
            'Ì' | 'Í' | 'Î' | 'Ï' => ascii.push('I'),
            'ñ' | 'ń' | 'ň' => ascii.push('n'),
            'Ñ' => ascii.push('N'),
            'ò' | 'ó' | 'ô' | 'õ' | 'ø' | 'ō' => ascii.push('o'),
            'Ò' | 'Ó' | 'Ô' | 'Õ' | 'Ø' => ascii.push('O'),
            'ö' | 'œ' => ascii.push_str("oe"),
            'Ö' | 'Œ' => ascii.push_str("Oe"),
            'ř' => ascii.push('r'),
            'š' | 'ś' | 'ş' => ascii.push('s'),
            'Š' | 'Ś' | 'Ş' => ascii.push('S'),
            'ß' => ascii.push_str("ss"),
            'ù' | 'ú' | 'û' | 'ū' | 'ů' => ascii.push('u'),
            'Ù' | 'Ú' | 'Û' => ascii.push('U'),
            'ü' => ascii.push_str("ue"),
            'Ü' => ascii.push_str("Ue"),
            'ý' | 'ÿ' => ascii.push('y'),
            'ž' | 'ź' | 'ż' => ascii.push('z'),
            'Ž' | 'Ź' | 'Ż' => ascii.push('Z'),
            'ł' => ascii.push('l'),
            '£' => ascii.push_str(" pounds"),
            _ => {}
        }
    }
    ascii
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_several_sentences_follow_each_other() {
        let phones = phones("pau:0.5 hh:1.0 ax:1.5 pau:2.0 \npau:0.5 y:1.0 pau:2.0 \n", 2.0);
        let times: Vec<_> = phones.iter().map(|p| (p.name.as_str(), p.start, p.end)).collect();
        assert_eq!(times, [("hh", 0.25, 0.5), ("ax", 0.5, 0.75), ("y", 1.25, 1.5)]);
        assert!(phones_of_garbage().is_empty());
    }

    fn phones_of_garbage() -> Vec<Phone> {
        phones("VAL: tried to access :x y\n", 1.0)
    }

    #[test]
    fn accents_are_folded() {
        assert_eq!(ascii("Café naïve Zoë œuvre £ 日本 ok"), "Cafe naive Zoe oeuvre  pounds  ok");
    }

    #[test]
    fn speed_is_kept_in_bounds() {
        let asked = [1.0, 0.01, 99.0, f32::NAN, f32::INFINITY, -1.0, 0.0];
        assert_eq!(asked.map(speed), [1.0, 0.25, 4.0, 1.0, 1.0, 1.0, 1.0]);
    }
}
