//! A call, played through the engine's own session on virtual time.

use std::sync::Arc;
use std::time::Duration;

use asr::Recognizer;
use tokio::sync::mpsc;
use tts::scripted::{Scripted as ScriptedVoice, ScriptedConfig};
use tts::{ChunkPlan, Synthesizer, VoiceConfig};
use turntaking::journal::{self, Record};
use turntaking::settings::Settings;

use super::line::RATE;
use super::machine::Machine;
use crate::carrier::CallerScript;
use crate::llm::{LanguageModel, ScriptedModel};
use crate::recording::CallTap;
use crate::session::{CallClock, CallId, Persona, Providers, Session, SessionConfig};
use crate::transport::LegEnd;
use crate::transport::scripted::{CallLog, ScriptedLeg, ScriptedLine};

/// How often the journal is fetched.
const FETCH: Duration = Duration::from_millis(200);

/// Everything that makes a call, beside the models.
pub(super) struct Staged {
    pub(super) settings: Settings,
    /// BCP 47 tag of what is spoken.
    pub(super) language: String,
    pub(super) recognizer: Arc<dyn Recognizer>,
    pub(super) model: Arc<dyn LanguageModel>,
    pub(super) voice: Arc<dyn Synthesizer>,
    pub(super) script: CallerScript,
    /// From queueing to hearing.
    pub(super) latency: Duration,
}

/// What is left of a call.
pub(super) struct Played {
    /// What the Floor was told, and what it asked for.
    pub(super) records: Vec<Record>,
    /// What went over the line.
    pub(super) log: CallLog,
}

/// Why a call could not be played.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// A provider refuses it.
    #[error(transparent)]
    Open(#[from] crate::session::OpenError),
    /// The journal has a hole.
    #[error("the call's journal cannot be read: {0}")]
    Journal(#[from] journal::ReplayError),
    /// The leg ended without a log.
    #[error("the call left no log")]
    Log,
}

/// A model that answers everything with "Okay.", at once.
pub(super) fn okay() -> Arc<dyn LanguageModel> {
    let dialogue = "language: en\nfallback: { say: \"Okay.\" }";
    Arc::new(ScriptedModel::from_yaml(dialogue).expect("the dialogue is valid"))
}

/// A voice that takes `word` for each word, and says where each is.
pub(super) fn even_voice(word: Duration) -> Arc<dyn Synthesizer> {
    let config = ScriptedConfig { shortest: word, longest: word, ..ScriptedConfig::default() };
    Arc::new(ScriptedVoice::new(config))
}

/// Plays a call to its end.
pub(super) async fn play(machine: &Machine, staged: Staged) -> Result<Played, CallError> {
    let line = ScriptedLine {
        rate: RATE,
        latency: staged.latency,
        script: staged.script,
        end: LegEnd::Stopped,
    };
    let (leg, log) = ScriptedLeg::new(line);
    let persona = Persona {
        language: staged.language.clone(),
        preamble: Vec::new(),
        tools: Vec::new(),
        temperature: None,
        max_tokens: None,
        voice: VoiceConfig { voice: String::new(), language: staged.language, speed: 1.0 },
        chunk_plan: ChunkPlan::default(),
    };
    let providers = Providers {
        endpointing: None,
        vad: Arc::clone(&machine.vad) as Arc<_>,
        turn_model: Some(Arc::clone(&machine.turn)),
        recognizer: staged.recognizer,
        model: staged.model,
        synthesizer: staged.voice,
    };
    let config = SessionConfig {
        id: CallId::random(),
        carrier_call: String::new(),
        settings: staged.settings,
        seed: 0,
        persona,
        providers,
    };
    let (tap, mut journal) = CallTap::journal_only();
    let (_orders, commands) = mpsc::channel(1);
    let (events, _nobody) = mpsc::channel(1);
    let clock = CallClock::start();
    let session = Session::open(config, clock, Box::new(leg), tap, commands, events)
        .map_err(|unserved| unserved.error)?;
    let mut session = std::pin::pin!(session.run());
    let mut bytes = Vec::new();
    loop {
        tokio::select! {
            // In this order, always.
            biased;
            _ = &mut session => break,
            () = tokio::time::sleep(FETCH) => journal.read_into(&mut bytes),
        }
    }
    journal.read_into(&mut bytes);
    let text = String::from_utf8_lossy(&bytes);
    let (_, records) = journal::read(text.lines())?;
    let log = log.await.map_err(|_| CallError::Log)?;
    Ok(Played { records, log })
}
