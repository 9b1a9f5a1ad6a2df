//! A call, played through the engine's own session on virtual time.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tts::scripted::{Scripted as ScriptedVoice, ScriptedConfig};
use tts::{ChunkPlan, Synthesizer, VoiceConfig};
use turntaking::journal::{self, Record};
use turntaking::settings::Settings;
use turntaking::time::Instant;

use super::barge_in::echo::EchoLeg;
use super::line::RATE;
use crate::carrier::playout_model::Cleared;
use crate::carrier::{CallerScript, CarrierConfig, LineEcho, carry, memory};
use crate::llm::{LanguageModel, ScriptedModel};
use crate::recording::CallTap;
use crate::session::{CallClock, CallId, Persona, Providers, Session, SessionConfig};
use crate::transport::egress_clock::Ticker;
use crate::transport::scripted::{ScriptedLeg, ScriptedLine};
use crate::transport::twilio::{self, TwilioSettings};
use crate::transport::{LegEnd, MediaTransport};

/// How often the journal is fetched.
const FETCH: Duration = Duration::from_millis(200);

/// One way to a carrier next door: a packet of 20 ms leaves once it is full.
pub(super) const NEXT_DOOR: Duration = Duration::from_millis(20);

/// How the caller is connected.
#[derive(Clone, Debug)]
pub(super) enum Line {
    /// An ideal loudspeaker and microphone, with what was recorded of the one at the other.
    Ideal(Option<Vec<i16>>),
    /// Twilio's protocol, to a carrier with a playout queue and a jitter buffer of 40 ms, this far
    /// away, one way.
    Carrier(Duration),
    /// The same, and what is heard comes back.
    Echoing(Duration, LineEcho),
}

/// Everything that makes a call.
pub(super) struct Staged {
    pub(super) settings: Settings,
    /// BCP 47 tag of what is spoken.
    pub(super) language: String,
    pub(super) providers: Providers,
    pub(super) script: CallerScript,
    pub(super) line: Line,
}

/// What is left of a call. Positions are samples of the line since the caller's first.
#[derive(Debug)]
pub(super) struct Played {
    /// What the Floor was told, and what it asked for.
    pub(super) records: Vec<Record>,
    /// When the voice was heard: stretches without a break.
    pub(super) voice: Vec<Range<u64>>,
    /// The carrier's clears.
    pub(super) clears: Vec<Cleared>,
    /// The beginning of the call's clock, on the line's.
    origin: Duration,
}

impl Played {
    /// Where a moment of the call's clock lies.
    pub(super) fn position(&self, at: Instant) -> u64 {
        RATE.samples_in(self.origin + at.since_start())
    }
}

/// Why a call could not be played.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// A provider refuses it.
    #[error(transparent)]
    Open(#[from] crate::session::OpenError),
    /// The leg refuses it.
    #[error(transparent)]
    Accept(#[from] twilio::AcceptError),
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

/// A voice whose words are unevenly long, and which says where each is.
pub(super) fn uneven_voice() -> Arc<dyn Synthesizer> {
    Arc::new(ScriptedVoice::new(ScriptedConfig::default()))
}

/// Plays a call to its end.
pub(super) async fn play(staged: Staged) -> Result<Played, CallError> {
    match &staged.line {
        Line::Ideal(echo) => {
            let echo = echo.clone();
            play_ideally(staged, echo).await
        }
        Line::Carrier(delay) => {
            let delay = *delay;
            play_at_carrier(staged, delay, None).await
        }
        Line::Echoing(delay, echo) => {
            let (delay, echo) = (*delay, echo.clone());
            play_at_carrier(staged, delay, Some(echo)).await
        }
    }
}

async fn play_ideally(mut staged: Staged, echo: Option<Vec<i16>>) -> Result<Played, CallError> {
    let line = ScriptedLine {
        rate: RATE,
        latency: Duration::ZERO,
        script: std::mem::take(&mut staged.script),
        end: LegEnd::Stopped,
    };
    let (leg, log) = ScriptedLeg::new(line);
    let leg: Box<dyn MediaTransport> = match echo {
        Some(echo) => Box::new(EchoLeg::new(leg, echo)),
        None => Box::new(leg),
    };
    let records = run(staged, leg).await?;
    let log = log.await.map_err(|_| CallError::Log)?;
    let mut voice: Vec<Range<u64>> = Vec::new();
    for heard in &log.heard {
        let end = heard.at + (heard.range.end - heard.range.start);
        match voice.last_mut() {
            Some(last) if last.end == heard.at => last.end = end,
            _ => voice.push(heard.at..end),
        }
    }
    Ok(Played { records, voice, clears: Vec::new(), origin: Duration::ZERO })
}

async fn play_at_carrier(
    mut staged: Staged,
    delay: Duration,
    echo: Option<LineEcho>,
) -> Result<Played, CallError> {
    let (engine, carrier) = memory::pair(delay);
    let mut config = CarrierConfig::new("");
    config.impairments.echo = echo;
    let began = tokio::time::Instant::now();
    let script = std::mem::take(&mut staged.script);
    let carrier = tokio::task::spawn_local(carry(config, script, carrier));
    let wanted = |_: &twilio::StartInfo| Ok::<_, &str>(());
    let settings = TwilioSettings::default();
    let (leg, ..) = twilio::accept(engine, settings, Ticker::tokio(), wanted).await?;
    let origin = began.elapsed();
    let records = run(staged, Box::new(leg)).await?;
    let record = carrier.await.map_err(|_| CallError::Log)?;
    let voice = record.runs.into_iter().map(|run| run.range).collect();
    Ok(Played { records, voice, clears: record.clears, origin })
}

/// Runs a session on `leg`; returns its journal.
async fn run(staged: Staged, leg: Box<dyn MediaTransport>) -> Result<Vec<Record>, CallError> {
    let persona = Persona {
        language: staged.language.clone(),
        preamble: Vec::new(),
        tools: Vec::new(),
        temperature: None,
        max_tokens: None,
        voice: VoiceConfig { voice: String::new(), language: staged.language, speed: 1.0 },
        chunk_plan: ChunkPlan::default(),
        background: None,
    };
    let config = SessionConfig {
        id: CallId::random(),
        carrier_call: String::new(),
        settings: staged.settings,
        seed: 0,
        persona,
        providers: staged.providers,
        tools: None,
    };
    let (tap, mut journal) = CallTap::journal_only();
    let (_orders, commands) = mpsc::channel(1);
    let (events, _nobody) = mpsc::channel(1);
    let session = Session::open(config, CallClock::start(), leg, tap, commands, events)
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
    let (_, records) = journal::read(String::from_utf8_lossy(&bytes).lines())?;
    Ok(records)
}
