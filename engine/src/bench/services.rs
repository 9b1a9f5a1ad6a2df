//! The stand-ins of a run.

use mocks::cartesia::CartesiaConfig;
use mocks::deepgram::DeepgramConfig;
use mocks::{Cartesia, Deepgram, OpenAi, Pace, ReplyPace};

use super::BenchError;
use super::material::Material;

/// How fast the services are.
#[derive(Clone, Copy, Debug)]
pub struct Paces {
    /// The recogniser answers a request to finalise at once.
    pub prompt_finals: bool,
    /// The model.
    pub reply: ReplyPace,
    /// The voice.
    pub voice: Pace,
    /// The voice stands still for this long in each context.
    pub voice_stall: std::time::Duration,
}

impl Paces {
    /// As the load script has it.
    pub const LOAD_SCRIPT: Self = Self {
        prompt_finals: false,
        reply: ReplyPace::LOAD_SCRIPT,
        voice: Pace::LOAD_SCRIPT,
        voice_stall: std::time::Duration::ZERO,
    };

    /// No time at all: what is left is the engine's.
    pub const AT_ONCE: Self = Self {
        prompt_finals: true,
        reply: ReplyPace::AT_ONCE,
        voice: Pace::AT_ONCE,
        voice_stall: std::time::Duration::ZERO,
    };
}

/// The three services, on local ports.
#[derive(Debug)]
pub struct Services {
    /// The recogniser.
    pub deepgram: Deepgram,
    /// The model.
    pub openai: OpenAi,
    /// The voice.
    pub cartesia: Cartesia,
}

impl Services {
    /// Starts them.
    ///
    /// # Errors
    ///
    /// Where the system gives no port.
    pub async fn start(material: &Material, paces: Paces) -> Result<Self, BenchError> {
        let failed = BenchError::system("start a stand-in for a service");
        let deepgram = DeepgramConfig {
            script: material.script.clone(),
            prompt: paces.prompt_finals,
            ..DeepgramConfig::default()
        };
        let cartesia = CartesiaConfig {
            pace: paces.voice,
            stall: paces.voice_stall,
            ..CartesiaConfig::default()
        };
        Ok(Self {
            deepgram: Deepgram::start(deepgram).await.map_err(&failed)?,
            openai: OpenAi::start(paces.reply).await.map_err(&failed)?,
            cartesia: Cartesia::start(cartesia).await.map_err(&failed)?,
        })
    }
}
