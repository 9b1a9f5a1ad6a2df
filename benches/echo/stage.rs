//! A session on virtual time.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use asr::moonshine::{Decoder, Model, Moonshine};
use engine::carrier::CallerScript;
use engine::llm::ScriptedModel;
use engine::recording::CallTap;
use engine::session::{
    CallClock, CallId, Persona, Providers, Session, SessionConfig, SessionEvent,
};
use engine::transport::LegEnd;
use engine::transport::line_echo::LineEcho;
use engine::transport::scripted::{CallLog, ScriptedLeg, ScriptedLine};
use onnx::VirtualTime;
use tokio::sync::mpsc;
use tts::{ChunkPlan, SpeechEvent, SpeechStream, Synthesizer, SynthesizerError, TextChunk, VoiceConfig};
use turntaking::settings::Settings;
use vad::{SileroSettings, SileroVad};

use crate::material::RATE;

/// The models.
pub(crate) struct Stage {
    vad: Arc<SileroVad>,
    recognizer: Arc<Moonshine>,
}

/// What is left of a call.
pub(crate) struct Call {
    pub(crate) log: CallLog,
    pub(crate) events: Vec<SessionEvent>,
}

impl Stage {
    /// Loads the models. To be used within the `LocalSet` in which it was made.
    pub(crate) fn new() -> Result<Self, Box<dyn std::error::Error>> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let library = root.join("native/lib/libonnxruntime.so");
        let runtime = onnx::Runtime::load(&library)?;
        let time = VirtualTime::new(
            || tokio::time::Instant::now().into_std(),
            |duration| tokio::time::sleep(duration),
        );
        let model = root.join("models/silero-vad/silero_vad.onnx");
        let window = |_| Duration::from_micros(90);
        let (vad, run) =
            SileroVad::simulated(&runtime, &model, SileroSettings::default(), time.clone(), window)?;
        tokio::task::spawn_local(run);
        let mut decoder = Decoder::new(Model::load(&runtime, &root.join("models/moonshine-tiny-en"))?);
        let (recognizer, run) = Moonshine::simulated(
            time,
            move |request| decoder.answer(request),
            |_, _| vec![Duration::from_millis(40)],
        );
        tokio::task::spawn_local(run);
        Ok(Self { vad: Arc::new(vad), recognizer: Arc::new(recognizer) })
    }

    /// Plays a call in which the assistant says `voice`.
    pub(crate) async fn play(
        &self,
        voice: &[i16],
        echo: Option<LineEcho>,
        script: CallerScript,
    ) -> Result<Call, Box<dyn std::error::Error>> {
        let latency = Duration::from_millis(60);
        let line = ScriptedLine { rate: RATE, latency, script, end: LegEnd::Stopped };
        let (leg, log) = ScriptedLeg::new(line);
        let leg = match echo {
            Some(echo) => leg.with_echo(echo),
            None => leg,
        };
        let settings = Settings {
            first_message: "All that is to be said.".to_owned(),
            first_message_interruptions: true,
            ..Settings::default()
        };
        let config = SessionConfig {
            id: CallId::random(),
            carrier_call: String::new(),
            settings,
            seed: 0,
            persona: Persona {
                language: "en".to_owned(),
                preamble: Vec::new(),
                tools: Vec::new(),
                temperature: None,
                max_tokens: None,
                voice: VoiceConfig { voice: String::new(), language: "en".to_owned(), speed: 1.0 },
                chunk_plan: ChunkPlan::default(),
            },
            providers: Providers {
                vad: Arc::clone(&self.vad) as Arc<_>,
                turn_model: None,
                recognizer: Arc::clone(&self.recognizer) as Arc<_>,
                // The caller's words are of no interest.
                model: Arc::new(ScriptedModel::from_yaml("language: en\nfallback: { say: \"\" }")?),
                synthesizer: Arc::new(Recorded(voice.into())),
            },
        };
        let (_orders, commands) = mpsc::channel(1);
        let (events, mut observed) = mpsc::channel(10_000);
        let clock = CallClock::start();
        let session = Session::open(config, clock, Box::new(leg), CallTap::off(), commands, events)
            .map_err(|unserved| unserved.error)?;
        session.run().await;
        let log = log.await?;
        let mut events = Vec::new();
        while let Ok(event) = observed.try_recv() {
            events.push(event);
        }
        Ok(Call { log, events })
    }
}

/// A voice that says the same thing whatever it is given.
#[derive(Debug)]
struct Recorded(Arc<[i16]>);

impl Synthesizer for Recorded {
    fn open(&self, _: &VoiceConfig) -> Result<Box<dyn SpeechStream>, SynthesizerError> {
        Ok(Box::new(Speech { samples: Arc::clone(&self.0), events: VecDeque::new(), waker: None }))
    }
}

struct Speech {
    samples: Arc<[i16]>,
    events: VecDeque<SpeechEvent>,
    waker: Option<Waker>,
}

impl SpeechStream for Speech {
    fn push(&mut self, chunk: TextChunk) {
        // All of it for the first phrase, none for those after it.
        let samples = std::mem::take(&mut self.samples);
        let audio = 0..samples.len() as u64;
        if !samples.is_empty() {
            self.events.push_back(SpeechEvent::Span { text: chunk.range, audio });
            self.events.push_back(SpeechEvent::Audio { rate: RATE, samples: samples.to_vec() });
        }
        self.waker.take().into_iter().for_each(Waker::wake);
    }

    fn finish(&mut self) {
        self.events.push_back(SpeechEvent::Done);
        self.waker.take().into_iter().for_each(Waker::wake);
    }

    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<SpeechEvent> {
        match self.events.pop_front() {
            Some(event) => Poll::Ready(event),
            None => {
                self.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}
