//! Loads what the configuration names: the assistant, its models, its voice.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use asr::Recognizer;
use asr::moonshine::Moonshine;
use tts::{
    ChunkPlan, Espeak, EspeakConfig, Flite, FliteConfig, PoolLimits, ProgramPool, SpeechStream,
    Synthesizer, SynthesizerError, VoiceConfig,
};
use turntaking::settings::Settings;
use vad::{SileroSettings, SileroVad, TurnSettings, TurnWorker};

use crate::config::{Config, ModelProvider, TranscriberProvider, VoiceProvider};
use crate::llm::{
    DialogueError, LanguageModel, OpenAi, OpenAiSettings, ScriptedModel,
};
use crate::session::{Persona, Providers};

/// The dialogue of the built-in assistant: the engine answers with no key and no account.
const BUILT_IN_DIALOGUE: &str = include_str!("../../fixtures/dialogues/bookshop.en.yaml");

/// An assistant, ready to take calls.
#[derive(Clone, Debug)]
pub struct Assistant {
    /// What the Floor decides by.
    pub settings: Settings,
    /// Who speaks, and how.
    pub persona: Persona,
    /// What serves its calls.
    pub providers: Providers,
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
    #[error("the language model: {0}")]
    Model(String),
    /// A key that the chosen provider needs.
    #[error("`{key}` is not set; {provider} needs {what}")]
    Missing {
        /// The configuration key.
        key: &'static str,
        /// Who needs it.
        provider: &'static str,
        /// What it is.
        what: &'static str,
    },
}

/// Loads everything an assistant needs.
///
/// # Errors
///
/// Where something is missing or wrong, with its remedy.
pub fn assistant(config: &Config) -> Result<Assistant, AssembleError> {
    let runtime = onnx::Runtime::load(&config.onnxruntime)?;
    let language = "en".to_owned();
    let settings = Settings {
        first_message: "Hello, Causerie Books, how can I help you?".to_owned(),
        ..Settings::default()
    };
    let persona = Persona {
        voice: VoiceConfig {
            voice: config.voice.voice.clone().unwrap_or_default(),
            language: language.clone(),
            speed: 1.0,
        },
        language,
        preamble: Vec::new(),
        tools: Vec::new(),
        temperature: None,
        max_tokens: None,
        chunk_plan: ChunkPlan::default(),
    };
    let providers = Providers {
        vad: Arc::new(SileroVad::start(
            &runtime,
            &config.models_dir.join("silero-vad/silero_vad.onnx"),
            SileroSettings::default(),
        )?),
        turn_model: turn_model(config, &runtime)?,
        recognizer: recognizer(config, &runtime)?,
        model: model(config)?,
        synthesizer: synthesizer(config)?,
    };
    Ok(Assistant { settings, persona, providers })
}

fn turn_model(
    config: &Config,
    runtime: &onnx::Runtime,
) -> Result<Option<Arc<TurnWorker>>, AssembleError> {
    if !config.transcriber.turn_model {
        return Ok(None);
    }
    let file = config.models_dir.join("smart-turn-v3.2/smart-turn-v3.2-cpu.onnx");
    let worker = TurnWorker::start(runtime, &file, TurnSettings::default())?;
    Ok(Some(Arc::new(worker)))
}

fn recognizer(
    config: &Config,
    runtime: &onnx::Runtime,
) -> Result<Arc<dyn Recognizer>, AssembleError> {
    let folder = model_folder(&config.models_dir, &config.transcriber.model);
    match config.transcriber.provider {
        TranscriberProvider::Moonshine => {
            Ok(Arc::new(Moonshine::load(runtime, &folder, decode_threads(config))?))
        }
        other => Err(AssembleError::Missing {
            key: "transcriber.provider",
            provider: other.name(),
            what: "x",
        }),
    }
}

/// One for each two cores: the other is the media path's.
fn decode_threads(config: &Config) -> NonZeroUsize {
    let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let threads = config.runtime.decode_threads.unwrap_or(cores / 2);
    NonZeroUsize::new(threads).unwrap_or(NonZeroUsize::MIN)
}

/// An id of the manifest is a folder of the models; anything with a separator is a path.
fn model_folder(models: &Path, model: &str) -> PathBuf {
    if model.contains(std::path::MAIN_SEPARATOR) { PathBuf::from(model) } else { models.join(model) }
}

fn model(config: &Config) -> Result<Arc<dyn LanguageModel>, AssembleError> {
    match config.model.provider {
        ModelProvider::Scripted => Ok(Arc::new(match &config.model.dialogue {
            Some(path) => ScriptedModel::from_path(path)?,
            None => ScriptedModel::from_yaml(BUILT_IN_DIALOGUE)?,
        })),
        ModelProvider::OpenAi => {
            let mut settings =
                OpenAiSettings::new(config.model.base_url.http(""), config.model.name.clone());
            settings.api_key =
                config.model.api_key.as_ref().map(|key| key.expose().to_owned());
            let model = OpenAi::new(settings)
                .map_err(|error| AssembleError::Model(error.to_string()))?;
            Ok(Arc::new(model))
        }
    }
}

fn synthesizer(config: &Config) -> Result<Arc<dyn Synthesizer>, AssembleError> {
    let limits = PoolLimits { children: config.voice.processes, ..PoolLimits::default() };
    let pool = ProgramPool::new(limits)?;
    match config.voice.provider {
        VoiceProvider::Auto => Ok(Arc::new(ByLanguage {
            english: Flite::new(&FliteConfig::default(), pool.clone())?,
            other: Espeak::new(&EspeakConfig::default(), pool)?,
        })),
        VoiceProvider::Flite => Ok(Arc::new(Flite::new(&FliteConfig::default(), pool)?)),
        VoiceProvider::EspeakNg => Ok(Arc::new(Espeak::new(&EspeakConfig::default(), pool)?)),
        other => Err(AssembleError::Missing {
            key: "voice.model",
            provider: other.name(),
            what: "x",
        }),
    }
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
