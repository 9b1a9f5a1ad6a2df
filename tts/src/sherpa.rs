//! Neural voices through sherpa-onnx: Piper and other VITS models, Kokoro, Matcha.
//!
//! A voice is a directory; what is in it tells what it is. Since 2.0, sherpa-onnx has no
//! phonemizer, so espeak-ng is run as a program for the sounds, and models that come with a
//! lexicon and were not trained on espeak-ng's sounds use that. Inference runs on threads of its
//! own with a lower priority and a bounded queue.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;

use codecs::SampleRate;
use sherpa_onnx::{GenerationConfig, OfflineTts};
use tokio::sync::oneshot;

use crate::card::Card;
use crate::estimate::place;
use crate::flite::speed;
use crate::phonemes::Phonemizer;
use crate::phrase::{PhraseStream, PhraseVoice, Rendered};
use crate::program::{self, ProgramPool, Ticket, Work};
use crate::spoken::{SpokenWord, primary_subtag};
use crate::trim::trim;
use crate::{SpeechStream, Synthesizer, SynthesizerError, VoiceConfig};

const PROVIDER: &str = "sherpa-onnx";
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
        let mut lines = Vec::new();
        let input = if let Some(phonemizer) = &self.phonemizer {
            let sounds = phonemizer.phonemes(work, words, &self.espeak_voice).await?;
            let known = self.known_sounds(&sounds.joined);
            lines = sounds.lines;
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
                let placed = place(words, &lines, &samples, self.rate);
                Ok(Rendered { rate: self.rate, samples, words: placed })
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
