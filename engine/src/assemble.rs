//! Loads what the configuration names: the assistant, its models, its voice.

use std::num::NonZeroUsize;
use std::path::{MAIN_SEPARATOR, Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use asr::deepgram::{Deepgram, DeepgramConfig};
use asr::denoise::Denoising;
use asr::moonshine::Moonshine;
use asr::sherpa::SherpaOptions;
use asr::{Recognizer, StreamConfig};
use codecs::SampleRate;
use codecs::ambience::Ambience;
use tokio::runtime::Handle;
use tts::{
    Cached, Cartesia, CartesiaConfig, ChunkPlan, Espeak, EspeakConfig, Flite, FliteConfig,
    PhraseCache, PoolLimits, ProgramPool, SherpaConfig, SpeechStream, Synthesizer,
    SynthesizerError, VoiceConfig,
};
use turntaking::settings::Settings;
use vad::{SileroSettings, SileroVad, TurnSettings, TurnWorker};

use crate::analysis::AnalysisPlan;
use crate::background::{self, BackgroundError};
use crate::config::{
    self, Config, Model, ModelProvider, Secret, Transcriber, TranscriberProvider, Voice,
    VoiceProvider,
};
use crate::endpointing::EndpointingModel;
use crate::http;
use crate::llm::openai::OpenAiSettingsError;
use crate::llm::{DialogueError, LanguageModel, OpenAi, OpenAiSettings, ScriptedModel};
use crate::placement;
use crate::session::{Persona, Providers};
use crate::tools::{Hook, Tool};

/// The dialogue of the built-in assistant: the engine answers with no key and no account.
const BUILT_IN_DIALOGUE: &str = include_str!("../../fixtures/dialogues/demo.en.yaml");

/// Silero, among the models.
pub(crate) const SILERO: &str = "silero-vad/silero_vad.onnx";

/// Smart Turn, among the models.
pub(crate) const SMART_TURN: &str = "smart-turn-v3.2/smart-turn-v3.2-cpu.onnx";

/// An assistant, ready to take calls.
#[derive(Clone, Debug)]
pub struct Assistant {
    /// What the Floor decides by.
    pub settings: Settings,
    /// Who speaks, and how.
    pub persona: Persona,
    /// What serves its calls.
    pub providers: Providers,
    /// What the model may call.
    pub tools: Vec<Arc<Tool>>,
    /// What follows on what happens in its calls.
    pub hooks: Arc<[Hook]>,
    /// What is made of its calls once they are over.
    pub analysis: AnalysisPlan,
    /// Who is asked by tools that name nobody.
    pub server: Option<config::Server>,
    /// How long a wait for a tool is before a filler that nobody configured is said.
    pub filler_after: Duration,
    /// Noise is taken out of what is recognised.
    pub denoising: bool,
    /// Its calls are recorded.
    pub record: bool,
}

impl Assistant {
    /// Takes noise out of what is recognised.
    pub(crate) fn denoise(&mut self) {
        let recognizer = Arc::clone(&self.providers.recognizer);
        self.providers.recognizer = Arc::new(Denoising::new(recognizer));
    }
}

/// Why an assistant cannot take calls.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AssembleError {
    /// ONNX Runtime or a model.
    #[error(transparent)]
    Onnx(#[from] onnx::Error),
    /// A voice-activity or turn model.
    #[error(transparent)]
    Vad(#[from] vad::LoadError),
    /// The recogniser.
    #[error(transparent)]
    Recognizer(#[from] asr::RecognizerError),
    /// The voice.
    #[error(transparent)]
    Voice(#[from] SynthesizerError),
    /// The scripted dialogue.
    #[error(transparent)]
    Dialogue(#[from] DialogueError),
    /// The language model's settings.
    #[error(transparent)]
    Model(#[from] OpenAiSettingsError),
    /// The background sound.
    #[error(transparent)]
    Background(#[from] BackgroundError),
    /// The assistant itself.
    #[error(transparent)]
    Assistant(#[from] config::AssistantError),
    /// A provider that is not here.
    #[error(
        "the assistant asks for `{}`, which is not here, and nothing is configured to stand in \
         for it (`transcriber.stand_in`, `voice.stand_in`, `model.stand_in`)",
        .0.provider
    )]
    Unserved(config::Unserved),
    /// The process is ending, or loading panicked.
    #[error("loading was interrupted")]
    Interrupted,
    /// The process does not have them.
    #[error("`runtime.inference_cores`: {0}; the process may run on none of them")]
    Cores(std::io::Error),
    /// No HTTP client can be made.
    #[error("no HTTP client can be made: {0}")]
    Client(std::io::Error),
    /// A neural voice without a model.
    #[error("`voice.model` is not set: sherpa-onnx needs the folder of a voice")]
    VoiceModel,
}

/// Loads everything the configured assistant needs. Runs on the runtime that will serve its calls:
/// the connections to services live there.
///
/// # Errors
///
/// Where something is missing or wrong, with its remedy.
pub async fn assistant(config: &Config) -> Result<Assistant, AssembleError> {
    let client = http::client().map_err(AssembleError::Client)?;
    let cache = phrase_cache(config);
    described(config, &config::Assistant::configured(config)?, (&client, &cache)).await
}

/// Loads everything `configured` needs. Its servers are asked with `client`.
///
/// # Errors
///
/// As [`assistant`].
pub(crate) async fn described(
    config: &Config,
    configured: &config::Assistant,
    (client, cache): (&reqwest::Client, &PhraseCache),
) -> Result<Assistant, AssembleError> {
    for field in &configured.without_effect {
        tracing::warn!(field, "the assistant sends a field that has no effect here yet");
    }
    if let Some(unserved) = configured.unserved.first() {
        return Err(AssembleError::Unserved(unserved.clone()));
    }
    let endpointing = configured.endpointing.as_ref();
    let endpointing = endpointing.map(|server| EndpointingModel::new(client.clone(), server));
    let load = || -> Result<Providers, AssembleError> {
        let runtime = onnx::Runtime::load(&config.onnxruntime)?;
        Ok(Providers {
            endpointing: endpointing.map(Arc::new),
            vad: Arc::new(SileroVad::start(
                &runtime,
                &config.models_dir.join(SILERO),
                SileroSettings::default(),
            )?),
            turn_model: turn_model(config, &configured.transcriber, &runtime)?,
            recognizer: recognizer(config, &configured.transcriber, &configured.language)?,
            model: model(&configured.model)?,
            synthesizer: synthesizer(config, &configured.voice, cache)?,
        })
    };
    let providers = for_inference(config, load)?;
    let background = background::load(&configured.background).await?;
    let assistant = with_providers(configured, providers, background);
    // What would only be found out by the first caller is found out now.
    let Assistant { persona, providers, .. } = &assistant;
    providers
        .recognizer
        .open(&StreamConfig { rate: SampleRate::HZ_8000, language: persona.language.clone() })?;
    providers.synthesizer.open(&persona.voice)?;
    Ok(assistant)
}

/// The assistant that `configured` describes, served by `providers`.
pub(crate) fn with_providers(
    configured: &config::Assistant,
    providers: Providers,
    background: Option<Arc<Ambience>>,
) -> Assistant {
    let persona = Persona {
        voice: VoiceConfig {
            voice: configured.voice.voice.clone().unwrap_or_default(),
            language: configured.language.clone(),
            speed: configured.speed,
        },
        language: configured.language.clone(),
        preamble: configured.messages.clone(),
        tools: configured.tools.iter().map(|tool| tool.definition.clone()).collect(),
        temperature: configured.temperature,
        max_tokens: Some(configured.max_tokens),
        chunk_plan: ChunkPlan {
            min_characters: configured.min_phrase_characters as usize,
            first_exempt: configured.first_phrase_exempt,
            ..ChunkPlan::default()
        },
        background,
    };
    let settings = configured.settings.clone();
    Assistant {
        settings,
        persona,
        providers,
        tools: configured.tools.iter().cloned().map(Arc::new).collect(),
        hooks: configured.hooks.clone().into(),
        analysis: configured.analysis.clone(),
        server: configured.server.as_ref().and_then(config::Server::of),
        filler_after: configured.filler_after,
        denoising: configured.denoising,
        record: configured.record,
    }
}

/// Loads local models, whose threads have cores of their own where that is configured.
pub(crate) fn for_inference<T: Send>(
    config: &Config,
    load: impl FnOnce() -> Result<T, AssembleError> + Send,
) -> Result<T, AssembleError> {
    placement::starting_on(config.runtime.inference_cores.as_ref(), load)
        .map_err(AssembleError::Cores)?
}

fn turn_model(
    config: &Config,
    transcriber: &Transcriber,
    runtime: &onnx::Runtime,
) -> Result<Option<Arc<TurnWorker>>, AssembleError> {
    if !transcriber.turn_model {
        return Ok(None);
    }
    let file = config.models_dir.join(SMART_TURN);
    let worker = TurnWorker::start(runtime, &file, TurnSettings::default())?;
    Ok(Some(Arc::new(worker)))
}

/// Loads a recogniser. Takes as long as its model is large.
pub(crate) fn recognizer(
    config: &Config,
    transcriber: &Transcriber,
    language: &str,
) -> Result<Arc<dyn Recognizer>, AssembleError> {
    let folder = model_folder(&config.models_dir, &transcriber.model);
    match transcriber.provider {
        TranscriberProvider::Moonshine => {
            let runtime = onnx::Runtime::load(&config.onnxruntime)?;
            Ok(Arc::new(Moonshine::load(&runtime, &folder, decode_threads(config))?))
        }
        TranscriberProvider::SherpaOnnx => {
            // A transducer's files do not name its language: it is taken to be the assistant's.
            let options = SherpaOptions { languages: vec![language.to_owned()], end_of_turn: None };
            Ok(Arc::new(asr::sherpa::Sherpa::load(&folder, options)?))
        }
        TranscriberProvider::Deepgram => {
            let settings = DeepgramConfig {
                base_url: transcriber.base_url.expose().to_owned(),
                api_key: transcriber.api_key.as_ref().map(exposed),
                model: transcriber.model.clone(),
            };
            Ok(Arc::new(Deepgram::new(settings, &Handle::current())?))
        }
    }
}

/// One for each two cores: the other is the media path's.
fn decode_threads(config: &Config) -> NonZeroUsize {
    let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let threads = config.runtime.decode_threads.unwrap_or(cores / 2);
    NonZeroUsize::new(threads).unwrap_or(NonZeroUsize::MIN)
}

/// An id of the manifest is a folder among the models; anything with a separator is a path.
fn model_folder(models: &Path, model: &str) -> PathBuf {
    if model.contains(MAIN_SEPARATOR) { PathBuf::from(model) } else { models.join(model) }
}

fn exposed(secret: &Secret) -> String {
    secret.expose().to_owned()
}

/// Prepares a language model.
pub(crate) fn model(model: &Model) -> Result<Arc<dyn LanguageModel>, AssembleError> {
    Ok(match model.provider {
        ModelProvider::Scripted => Arc::new(match &model.dialogue {
            Some(path) => ScriptedModel::from_path(path)?,
            None => ScriptedModel::from_yaml(BUILT_IN_DIALOGUE)?,
        }),
        ModelProvider::OpenAi => {
            let mut settings = OpenAiSettings::new(model.base_url.expose(), &model.name);
            settings.api_key = model.api_key.as_ref().map(exposed);
            settings.headers =
                model.headers.iter().map(|(name, value)| (name.clone(), exposed(value))).collect();
            Arc::new(OpenAi::new(settings)?)
        }
    })
}

/// The cache of all voices' phrases.
pub(crate) fn phrase_cache(config: &Config) -> PhraseCache {
    PhraseCache::new(config.voice.cache_bytes)
}

/// Loads a voice, whose repeated phrases go into `cache` where the assistant allows it.
pub(crate) fn synthesizer(
    config: &Config,
    voice: &Voice,
    cache: &PhraseCache,
) -> Result<Arc<dyn Synthesizer>, AssembleError> {
    let plain = plain_synthesizer(config, voice)?;
    let cached = voice.caching && voice.cache_bytes > 0;
    Ok(if cached { Arc::new(Cached::new(plain, cache)) } else { plain })
}

fn plain_synthesizer(
    config: &Config,
    voice: &Voice,
) -> Result<Arc<dyn Synthesizer>, AssembleError> {
    let limits = PoolLimits { children: config.voice.processes, ..PoolLimits::default() };
    let pool = ProgramPool::new(limits)?;
    let flite = |pool| Flite::new(&FliteConfig::default(), pool);
    let espeak = |pool| Espeak::new(&EspeakConfig::default(), pool);
    Ok(match voice.provider {
        VoiceProvider::Auto => {
            Arc::new(ByLanguage { english: flite(pool.clone())?, other: espeak(pool)? })
        }
        VoiceProvider::Flite => Arc::new(flite(pool)?),
        VoiceProvider::EspeakNg => Arc::new(espeak(pool)?),
        VoiceProvider::SherpaOnnx => {
            let folder = voice.model.as_deref().ok_or(AssembleError::VoiceModel)?;
            let folder = model_folder(&config.models_dir, folder);
            Arc::new(tts::Sherpa::new(&SherpaConfig::new(folder), pool)?)
        }
        VoiceProvider::Cartesia => {
            let settings = CartesiaConfig {
                base_url: voice.base_url.expose().to_owned(),
                api_key: voice.api_key.as_ref().map(exposed),
                model: voice.model.clone().unwrap_or_else(|| tts::cartesia::MODEL.to_owned()),
                // That of every carrier there is: nothing is resampled.
                rate: SampleRate::HZ_8000,
            };
            Arc::new(Cartesia::new(settings, &Handle::current())?)
        }
    })
}

/// flite for English, which it speaks best; espeak-ng for the rest.
#[derive(Debug)]
struct ByLanguage {
    english: Flite,
    other: Espeak,
}

impl Synthesizer for ByLanguage {
    fn open(&self, voice: &VoiceConfig) -> Result<Box<dyn SpeechStream>, SynthesizerError> {
        let primary = voice.language.split(['-', '_']).next().unwrap_or_default();
        if primary.eq_ignore_ascii_case("en") {
            self.english.open(voice)
        } else {
            self.other.open(voice)
        }
    }
}
