//! Neural voices through sherpa-onnx: Piper and other VITS models, Kokoro, Matcha.
//!
//! A voice is a directory; what is in it tells what it is. Since 2.0, sherpa-onnx has no
//! phonemizer, so espeak-ng is run as a program for the sounds, and models that come with a
//! lexicon and were not trained on espeak-ng's sounds use that. Inference runs on threads of its
//! own with a lower priority and a bounded queue. The library ends the process on some malformed
//! files: what it would trip over is checked here first.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;

use codecs::SampleRate;
use sherpa_onnx::{
    GenerationConfig, OfflineTts, OfflineTtsConfig, OfflineTtsKokoroModelConfig,
    OfflineTtsMatchaModelConfig, OfflineTtsModelConfig, OfflineTtsVitsModelConfig,
};
use tokio::sync::oneshot;

use crate::flite::speed;
use crate::phonemes::Phonemizer;
use crate::phrase::{PhraseStream, PhraseVoice, Rendered};
use crate::program::{self, ProgramPool, Ticket, Work};
use crate::spoken::{SpokenWord, primary_subtag};
use crate::trim::trim;
use crate::{SpeechStream, Synthesizer, SynthesizerError, VoiceConfig, metadata};

const PROVIDER: &str = "sherpa-onnx";
/// Kokoro 1.0's languages that espeak-ng has the sounds for (the model's own list).
const KOKORO_LANGUAGES: [&str; 6] = ["en", "es", "fr", "hi", "it", "pt"];
/// Kokoro takes at most 510 sounds at once; fewer keep every model quick to cancel.
const LONGEST_PHONEMES: usize = 400;

/// Where a voice is and how it is run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SherpaConfig {
    /// The voice's directory: one model (`*.onnx`) and `tokens.txt`; with `voices.bin` it is
    /// Kokoro, with a vocoder (`vocos*.onnx`, `hifigan*.onnx`) Matcha, else VITS.
    pub directory: PathBuf,
    /// espeak-ng: a path, or a name to be looked for in the search path.
    pub phonemizer: PathBuf,
    /// Threads, each of which renders one phrase at a time.
    pub workers: usize,
    /// Most phrases that wait for a worker; one more fails.
    pub queue: usize,
}

impl SherpaConfig {
    /// The voice in `directory`, one worker.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self { directory: directory.into(), phonemizer: "espeak-ng".into(), workers: 1, queue: 64 }
    }
}

/// What a model is, as its directory and its metadata say.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Card {
    kind: Kind,
    tokens: PathBuf,
    /// Comma-separated, as the library takes them; empty: none.
    lexicons: String,
    /// Sounds the model knows.
    symbols: HashSet<char>,
    /// Trained on the sounds of espeak-ng.
    espeak: bool,
    /// espeak-ng's voice for the model's language.
    voice: String,
    languages: Vec<String>,
    speakers: usize,
    speaker_names: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    Vits { model: PathBuf },
    Kokoro { model: PathBuf, voices: PathBuf },
    Matcha { acoustic: PathBuf, vocoder: PathBuf },
}

/// A voice model.
pub struct Sherpa {
    card: Arc<Card>,
    rate: SampleRate,
    pool: ProgramPool,
    phonemizer: Option<Phonemizer>,
    workers: Arc<[Worker]>,
}

impl std::fmt::Debug for Sherpa {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sherpa")
            .field("kind", &self.card.kind)
            .field("languages", &self.card.languages)
            .field("rate", &self.rate)
            .finish_non_exhaustive()
    }
}

impl Sherpa {
    /// Loads the model. Blocks for as long as that takes (a second for 60 MB).
    ///
    /// # Errors
    ///
    /// [`SynthesizerError::Unavailable`], naming the file that is missing or wrong.
    pub fn new(config: &SherpaConfig, pool: ProgramPool) -> Result<Self, SynthesizerError> {
        let card = Card::read(&config.directory).map_err(|reason| {
            let reason = format!("voice in {}: {reason}", config.directory.display());
            SynthesizerError::Unavailable { provider: PROVIDER, reason }
        })?;
        let phonemizer = if card.espeak {
            let program = program::find(PROVIDER, &config.phonemizer, "espeak-ng")?;
            Some(Phonemizer { provider: PROVIDER, program: Arc::new(program) })
        } else {
            None
        };
        let unavailable =
            |reason: String| SynthesizerError::Unavailable { provider: PROVIDER, reason };
        let model = OfflineTts::create(&card.options()).ok_or_else(|| {
            unavailable(format!("the model in {} cannot be loaded", config.directory.display()))
        })?;
        let rate = u32::try_from(model.sample_rate()).ok().and_then(SampleRate::new);
        let rate = rate.ok_or_else(|| {
            unavailable(format!("the model in {} has no sample rate", config.directory.display()))
        })?;
        let model = Arc::new(model);
        let workers = (0..config.workers.max(1))
            .map(|at| Worker::start(at, Arc::clone(&model), rate, config.queue.max(1)))
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| unavailable(format!("no thread for the voice: {error}")))?;
        Ok(Self { card: Arc::new(card), rate, pool, phonemizer, workers: workers.into() })
    }

    /// Samples per second of the voice.
    pub fn rate(&self) -> SampleRate {
        self.rate
    }

    /// A speaker by number or by the name the model gives it.
    fn speaker(&self, name: &str) -> Option<usize> {
        if name.is_empty() {
            return Some(0);
        }
        let named = self.card.speaker_names.iter().position(|n| n == name);
        named.or_else(|| name.parse().ok().filter(|&at| at < self.card.speakers.max(1)))
    }
}

impl Synthesizer for Sherpa {
    fn open(&self, voice: &VoiceConfig) -> Result<Box<dyn SpeechStream>, SynthesizerError> {
        let language = primary_subtag(&voice.language);
        if !language.is_empty() && !self.card.languages.contains(&language) {
            let language = voice.language.clone();
            return Err(SynthesizerError::Language { provider: PROVIDER, language });
        }
        let speaker = self.speaker(&voice.voice).ok_or_else(|| SynthesizerError::Voice {
            provider: PROVIDER,
            voice: voice.voice.clone(),
        })?;
        let own = primary_subtag(&self.card.voice) == language || language.is_empty();
        let espeak_voice = if own { self.card.voice.clone() } else { language.clone() };
        let speaker = Speaker {
            card: Arc::clone(&self.card),
            rate: self.rate,
            pool: self.pool.clone(),
            phonemizer: self.phonemizer.clone(),
            workers: Arc::clone(&self.workers),
            espeak_voice,
            language: if language.is_empty() { primary_subtag(&self.card.voice) } else { language },
            speaker: speaker as i32,
            speed: speed(voice.speed),
        };
        Ok(Box::new(PhraseStream::new(speaker, PROVIDER)))
    }
}

#[derive(Clone)]
struct Speaker {
    card: Arc<Card>,
    rate: SampleRate,
    pool: ProgramPool,
    phonemizer: Option<Phonemizer>,
    workers: Arc<[Worker]>,
    espeak_voice: String,
    language: String,
    speaker: i32,
    speed: f32,
}

impl PhraseVoice for Speaker {
    fn render(&self, words: Arc<[SpokenWord]>) -> Ticket<Rendered> {
        let own = self.clone();
        self.pool.submit(PROVIDER, move |work| async move { own.speak(&work, &words).await })
    }

    fn language(&self) -> &str {
        &self.language
    }
}

impl Speaker {
    async fn speak(&self, work: &Work, words: &[SpokenWord]) -> Result<Rendered, SynthesizerError> {
        let silence = || Rendered { rate: self.rate, samples: Vec::new(), words: Vec::new() };
        let input = if let Some(phonemizer) = &self.phonemizer {
            let phonemes = phonemizer.phonemes(work, words, &self.espeak_voice).await?;
            let known = self.known_sounds(&phonemes);
            if known.is_empty() {
                return Ok(silence());
            }
            Input::Phonemes(known)
        } else {
            let said: Vec<&str> = words.iter().map(|word| word.text.as_str()).collect();
            Input::Text(said.join(" "))
        };
        let cancelled = Arc::new(AtomicBool::new(false));
        let (reply, result) = oneshot::channel();
        let job = Job {
            input,
            speaker: self.speaker,
            speed: self.speed,
            cancelled: Arc::clone(&cancelled),
            reply,
        };
        let failed = |reason: &str| {
            let reason = reason.to_owned();
            SynthesizerError::Stream { provider: PROVIDER, reason }
        };
        let idlest = self.workers.iter().min_by_key(|w| w.queued.load(Ordering::Relaxed));
        let worker = idlest.ok_or_else(|| failed("no worker"))?;
        worker.offer(job).map_err(failed)?;
        tokio::select! {
            samples = result => {
                let samples = samples.map_err(|_| failed("the voice's thread is gone"))?;
                let mut samples = samples.ok_or_else(|| failed("the model gave no audio"))?;
                trim(&mut samples, self.rate);
                Ok(Rendered { samples, ..silence() })
            }
            () = work.cancelled() => {
                cancelled.store(true, Ordering::Relaxed);
                Err(failed("cancelled"))
            }
        }
    }

    /// The sounds the model knows, in sentences of a length it takes. The others are counted.
    fn known_sounds(&self, phonemes: &str) -> Vec<Vec<i32>> {
        let known: Vec<char> = phonemes.chars().filter(|c| self.card.symbols.contains(c)).collect();
        let unknown = phonemes.chars().count() - known.len();
        if unknown > 0 {
            tracing::debug!(unknown, "sounds the voice model does not know");
        }
        let mut sentences = Vec::new();
        let mut rest = known.as_slice();
        while rest.iter().any(|c| c.is_alphabetic()) {
            let mut end = rest.len().min(LONGEST_PHONEMES);
            if end < rest.len() {
                end = rest[..end].iter().rposition(|&c| c == ' ').map_or(end, |at| at + 1);
            }
            let (sentence, after) = rest.split_at(end);
            sentences.push(sentence.iter().map(|&c| c as i32).collect());
            rest = after;
        }
        sentences
    }
}

/// What the model reads.
enum Input {
    Phonemes(Vec<Vec<i32>>),
    Text(String),
}

struct Job {
    input: Input,
    speaker: i32,
    speed: f32,
    cancelled: Arc<AtomicBool>,
    /// `None`: the model failed.
    reply: oneshot::Sender<Option<Vec<i16>>>,
}

/// A thread that renders. It ends when the last handle to it goes.
struct Worker {
    jobs: mpsc::SyncSender<Job>,
    queued: Arc<AtomicUsize>,
}

impl Worker {
    fn start(
        at: usize,
        model: Arc<OfflineTts>,
        rate: SampleRate,
        queue: usize,
    ) -> std::io::Result<Self> {
        let (jobs, inbox) = mpsc::sync_channel::<Job>(queue);
        let queued = Arc::new(AtomicUsize::new(0));
        let left = Arc::clone(&queued);
        std::thread::Builder::new().name(format!("tts-sherpa-{at}")).spawn(move || {
            lower_priority();
            for job in inbox {
                if !job.cancelled.load(Ordering::Relaxed) {
                    let samples = generate(&model, rate, &job);
                    // Nobody waits for a job cancelled meanwhile.
                    let _ = job.reply.send(samples);
                }
                left.fetch_sub(1, Ordering::Relaxed);
            }
        })?;
        Ok(Self { jobs, queued })
    }

    fn offer(&self, job: Job) -> Result<(), &'static str> {
        self.queued.fetch_add(1, Ordering::Relaxed);
        self.jobs.try_send(job).map_err(|error| {
            self.queued.fetch_sub(1, Ordering::Relaxed);
            match error {
                mpsc::TrySendError::Full(_) => "too many phrases wait for the voice model",
                mpsc::TrySendError::Disconnected(_) => "the voice's thread is gone",
            }
        })
    }
}

/// Media comes first: inference gives way to the threads that carry it.
fn lower_priority() {
    let thread = Some(rustix::thread::gettid());
    if let Err(error) = rustix::process::setpriority_process(thread, 10) {
        tracing::debug!(%error, "the priority of a voice thread stays as it is");
    }
}

fn generate(model: &OfflineTts, rate: SampleRate, job: &Job) -> Option<Vec<i16>> {
    let (text, phoneme_codepoints) = match &job.input {
        Input::Phonemes(sentences) => ("", Some(sentences.clone())),
        Input::Text(text) => (text.as_str(), None),
    };
    let config = GenerationConfig {
        // Pauses are ours to make; those inside a phrase stay.
        silence_scale: 1.0,
        speed: job.speed,
        sid: job.speaker,
        phoneme_codepoints,
        ..GenerationConfig::default()
    };
    let cancelled = Arc::clone(&job.cancelled);
    let go_on = move |_: &[f32], _: f32| !cancelled.load(Ordering::Relaxed);
    let audio = model.generate_with_config(text, &config, Some(go_on))?;
    if audio.sample_rate() as u32 != rate.hz() {
        return None;
    }
    let samples = audio.samples().iter();
    Some(samples.map(|&s| (s.clamp(-1.0, 1.0) * 32_767.0) as i16).collect())
}

impl Card {
    fn read(directory: &Path) -> Result<Self, String> {
        let mut names: Vec<String> = fs::read_dir(directory)
            .map_err(|error| error.to_string())?
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .collect();
        names.sort();
        let tokens = directory.join("tokens.txt");
        if !tokens.is_file() {
            return Err("no tokens.txt; a voice as Piper publishes it (.onnx and .onnx.json) has \
                        to be imported first"
                .to_owned());
        }
        let is_vocoder = |name: &str| name.starts_with("vocos") || name.starts_with("hifigan");
        let models: Vec<&String> = names.iter().filter(|n| n.ends_with(".onnx")).collect();
        let vocoder = models.iter().find(|name| is_vocoder(name));
        let mut voices: Vec<&String> =
            models.iter().copied().filter(|name| !is_vocoder(name)).collect();
        if voices.len() > 1 && voices.iter().any(|name| *name == "model.onnx") {
            voices.retain(|name| *name == "model.onnx");
        }
        let model = match voices.as_slice() {
            [] => return Err("no model (*.onnx)".to_owned()),
            [model] => directory.join(model),
            several => return Err(format!("several models ({several:?}); keep one of them")),
        };
        let pairs = metadata::read(&model).map_err(|e| format!("{}: {e}", model.display()))?;
        let voices_bin = directory.join("voices.bin");
        let (kind, required): (_, &[&str]) = if let Some(vocoder) = vocoder {
            let vocoder = directory.join(vocoder);
            (Kind::Matcha { acoustic: model.clone(), vocoder }, &["sample_rate", "n_speakers"])
        } else if voices_bin.is_file() {
            let kind = Kind::Kokoro { model: model.clone(), voices: voices_bin };
            (kind, &["sample_rate", "n_speakers", "style_dim"])
        } else {
            let kind = Kind::Vits { model: model.clone() };
            (kind, &["sample_rate", "n_speakers", "language", "comment"])
        };
        for key in required {
            if !pairs.contains_key(*key) {
                let model = model.display();
                return Err(format!("{model} has no {key} in its metadata; import it again"));
            }
        }
        Self::from_parts(kind, tokens, directory, &names, &pairs)
    }

    fn from_parts(
        kind: Kind,
        tokens: PathBuf,
        directory: &Path,
        names: &[String],
        pairs: &BTreeMap<String, String>,
    ) -> Result<Self, String> {
        let get = |key: &str| pairs.get(key).map_or("", String::as_str);
        let lexicons: Vec<String> = names
            .iter()
            .filter(|name| name.starts_with("lexicon") && name.ends_with(".txt"))
            .map(|name| directory.join(name).to_string_lossy().into_owned())
            .collect();
        let comment = get("comment");
        let espeak = match &kind {
            Kind::Vits { .. } => ["piper", "coqui", "icefall"].iter().any(|k| comment.contains(k)),
            Kind::Kokoro { .. } => true,
            Kind::Matcha { .. } => get("has_espeak") == "1",
        };
        if !espeak && lexicons.is_empty() {
            return Err("the model needs a lexicon (lexicon*.txt), and there is none".to_owned());
        }
        let symbols = if espeak { symbols(&tokens)? } else { HashSet::new() };
        let piper = matches!(&kind, Kind::Vits { .. }) && comment.contains("piper");
        if let Some(missing) = ['_', '^', '$'].iter().find(|c| piper && !symbols.contains(c)) {
            return Err(format!("tokens.txt has no {missing}"));
        }
        let voice = match get("voice") {
            "" => "en-us".to_owned(),
            voice => voice.to_owned(),
        };
        let many = matches!(&kind, Kind::Kokoro { .. })
            && get("version").parse::<u32>().is_ok_and(|version| version >= 2);
        let languages = if many {
            KOKORO_LANGUAGES.map(str::to_owned).to_vec()
        } else if espeak {
            vec![primary_subtag(&voice)]
        } else {
            vec![language_named(get("language"))]
        };
        let names = get("speaker_names").split(',').filter(|name| !name.is_empty());
        Ok(Self {
            kind,
            tokens,
            lexicons: lexicons.join(","),
            symbols,
            espeak,
            voice,
            languages,
            speakers: get("n_speakers").parse().map_err(|_| "n_speakers is not a number")?,
            speaker_names: names.map(str::to_owned).collect(),
        })
    }

    fn options(&self) -> OfflineTtsConfig {
        let path = |path: &Path| Some(path.to_string_lossy().into_owned());
        let tokens = path(&self.tokens);
        // Where the sounds come from espeak-ng, a lexicon beside the model is not loaded.
        let lexicon = Some(self.lexicons.clone()).filter(|l| !l.is_empty());
        let lexicon = lexicon.filter(|_| !self.espeak || matches!(self.kind, Kind::Kokoro { .. }));
        let mut model = OfflineTtsModelConfig {
            num_threads: 1,
            provider: Some("cpu".to_owned()),
            ..OfflineTtsModelConfig::default()
        };
        match &self.kind {
            Kind::Vits { model: file } => {
                model.vits = OfflineTtsVitsModelConfig {
                    model: path(file),
                    lexicon,
                    tokens,
                    ..OfflineTtsVitsModelConfig::default()
                };
            }
            Kind::Kokoro { model: file, voices } => {
                model.kokoro = OfflineTtsKokoroModelConfig {
                    model: path(file),
                    voices: path(voices),
                    tokens,
                    lexicon,
                    lang: Some(primary_subtag(&self.voice)),
                    ..OfflineTtsKokoroModelConfig::default()
                };
            }
            Kind::Matcha { acoustic, vocoder } => {
                model.matcha = OfflineTtsMatchaModelConfig {
                    acoustic_model: path(acoustic),
                    vocoder: path(vocoder),
                    lexicon,
                    tokens,
                    ..OfflineTtsMatchaModelConfig::default()
                };
            }
        }
        OfflineTtsConfig {
            model,
            max_num_sentences: 1,
            silence_scale: 1.0,
            ..OfflineTtsConfig::default()
        }
    }
}

/// The characters of `tokens.txt`: one and its number on each line; a line of a number alone is
/// the space.
fn symbols(path: &Path) -> Result<HashSet<char>, String> {
    let text = fs::read_to_string(path).map_err(|error| format!("tokens.txt: {error}"))?;
    let mut symbols = HashSet::new();
    for (at, line) in text.lines().enumerate() {
        let wrong = || format!("tokens.txt, line {}: not a character and a number", at + 1);
        let (symbol, id) = match line.trim_start().rsplit_once([' ', '\t']) {
            Some((symbol, id)) => (symbol.trim_end(), id),
            None => (" ", line.trim()),
        };
        id.parse::<u32>().map_err(|_| wrong())?;
        let mut characters = symbol.chars();
        let (Some(c), None) = (characters.next(), characters.next()) else {
            if symbol == "<BLNK>" {
                continue;
            }
            return Err(wrong());
        };
        if !symbols.insert(c) {
            return Err(format!("tokens.txt, line {}: {c:?} for the second time", at + 1));
        }
    }
    Ok(symbols)
}

/// The tag of a language the metadata names in English, or by tag.
fn language_named(name: &str) -> String {
    let lower = name.to_ascii_lowercase();
    let known = [
        ("english", "en"),
        ("french", "fr"),
        ("german", "de"),
        ("spanish", "es"),
        ("italian", "it"),
        ("portuguese", "pt"),
        ("chinese", "zh"),
        ("japanese", "ja"),
        ("korean", "ko"),
    ];
    let tag = known.iter().find(|(word, _)| lower.contains(word)).map(|&(_, tag)| tag.to_owned());
    tag.unwrap_or_else(|| primary_subtag(&lower))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(directory: &Path) -> String {
        Card::read(directory).expect_err("refused")
    }

    #[test]
    fn what_is_missing_is_named() {
        let directory = tempfile::tempdir().expect("a directory");
        let at = |name: &str| directory.path().join(name);
        assert!(refusal(&at("nowhere")).contains("No such file"));
        assert!(refusal(directory.path()).contains("tokens.txt"));
        fs::write(at("tokens.txt"), "_ 0\n^ 1\n  3\n").expect("written");
        assert!(refusal(directory.path()).contains("no model"));
        fs::write(at("a.onnx"), "").expect("written");
        assert!(refusal(directory.path()).contains("sample_rate"));
        fs::write(at("b.onnx"), "").expect("written");
        assert!(refusal(directory.path()).contains("several models"));
        let mut model = Vec::new();
        let pairs = [("sample_rate", "16000"), ("n_speakers", "1"), ("language", "English")];
        metadata::append(&mut model, pairs).expect("memory");
        fs::write(at("model.onnx"), &model).expect("written");
        assert!(refusal(directory.path()).contains("comment"));
        let mut melo = model.clone();
        metadata::append(&mut melo, [("comment", "melo")]).expect("memory");
        fs::write(at("model.onnx"), &melo).expect("written");
        assert!(refusal(directory.path()).contains("lexicon"));
        metadata::append(&mut model, [("comment", "piper")]).expect("memory");
        fs::write(at("model.onnx"), &model).expect("written");
        assert!(refusal(directory.path()).contains("tokens.txt has no $"));
        for (tokens, wrong) in
            [("ab 1\n", "line 1"), ("a 1\na 2\n", "second time"), ("a x\n", "line 1")]
        {
            fs::write(at("tokens.txt"), tokens).expect("written");
            assert!(refusal(directory.path()).contains(wrong), "{tokens}");
        }
    }

    #[test]
    fn the_files_tell_the_kind() {
        let directory = tempfile::tempdir().expect("a directory");
        let at = |name: &str| directory.path().join(name);
        fs::write(at("tokens.txt"), "_ 0\n^ 1\n$ 2\n  3\nə 4\n").expect("written");
        let mut model = Vec::new();
        let pairs = [
            ("sample_rate", "24000"),
            ("n_speakers", "2"),
            ("language", "English"),
            ("comment", "piper"),
            ("style_dim", "510,1,256"),
            ("version", "2"),
            ("speaker_names", "af_heart,ff_siwis"),
            ("voice", "en-gb"),
            ("has_espeak", "1"),
        ];
        metadata::append(&mut model, pairs).expect("memory");
        fs::write(at("model.onnx"), &model).expect("written");
        let card = Card::read(directory.path()).expect("VITS");
        assert!(matches!(card.kind, Kind::Vits { .. }));
        assert_eq!((card.languages, card.voice.as_str()), (vec!["en".to_owned()], "en-gb"));
        assert!(card.symbols.contains(&' ') && card.symbols.contains(&'ə'));
        fs::write(at("voices.bin"), "").expect("written");
        let card = Card::read(directory.path()).expect("Kokoro");
        assert!(matches!(card.kind, Kind::Kokoro { .. }));
        assert!(card.languages.contains(&"fr".to_owned()));
        assert_eq!(card.speaker_names, ["af_heart", "ff_siwis"]);
        fs::write(at("vocos-22khz-univ.onnx"), "").expect("written");
        let card = Card::read(directory.path()).expect("Matcha");
        assert!(matches!(card.kind, Kind::Matcha { .. }));
    }

    #[test]
    fn languages_are_known_by_name_or_tag() {
        assert_eq!(language_named("British English"), "en");
        assert_eq!(language_named("sw-KE"), "sw");
    }
}
