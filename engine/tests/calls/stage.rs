//! Sets a call up, plays it to its end, and gathers all that is left of it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use asr::scripted::{Scripted as ScriptedRecognizer, Utterance};
use codecs::SampleRate;
use codecs::ambience::Ambience;
use codecs::wav::Wav;
use engine::analysis::AnalysisPlan;
use engine::assemble::Assistant;
use engine::carrier::{Action, CallerScript, Cue, When};
use engine::llm::{ChatMessage, ChatRequest, LanguageModel, ScriptedModel};
use engine::recording::{JOURNAL_FILE, Options, RECORDING_FILE, SteppedRecorder};
use engine::session::{
    CallClock, CallId, CallStats, Command, Persona, Providers, Session, SessionConfig,
    SessionEvent, SessionEventKind,
};
use engine::store::{CallReport, Reporter};
use engine::tools::Toolset;
use engine::transport::scripted::{CallLog, ScriptedLeg, ScriptedLine};
use engine::transport::{LegEnd, MediaTransport};
use tokio::sync::mpsc;
use tts::scripted::{Scripted as ScriptedVoice, ScriptedConfig};
use tts::{ChunkPlan, Synthesizer, VoiceConfig};
use turntaking::input::EndReason;
use turntaking::settings::Settings;
use vad::ScriptedVad;

use crate::invariants;
use crate::providers::{Watch, Watched};

/// The carrier's rate.
pub(crate) const RATE: SampleRate = SampleRate::HZ_8000;

/// From the engine to the caller's ear.
pub(crate) const LATENCY: Duration = Duration::from_millis(60);

/// How long the caller takes for a word.
pub(crate) const WORD: Duration = Duration::from_millis(150);

pub(crate) const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// A call before it begins.
pub(crate) struct Stage {
    pub(crate) settings: Settings,
    pub(crate) persona: Persona,
    pub(crate) model: Arc<dyn LanguageModel>,
    pub(crate) voice: Arc<dyn Synthesizer>,
    /// Of the voice.
    pub(crate) voice_rate: SampleRate,
    /// Instead of one that hears what the caller says.
    pub(crate) recognizer: Option<Arc<dyn asr::Recognizer>>,
    /// How the leg ends when the caller hangs up.
    pub(crate) end: LegEnd,
    /// The leg as the session sees it, where it is not the plain one.
    pub(crate) line: fn(ScriptedLeg) -> Box<dyn MediaTransport>,
    /// Orders, each at its time.
    pub(crate) orders: Vec<(Duration, Command)>,
    /// Where orders come from, instead of `orders`.
    pub(crate) commands: Option<mpsc::Receiver<Command>>,
    /// What the model may call.
    pub(crate) tools: Option<Toolset>,
    cues: Vec<Cue>,
    heard: Vec<Utterance>,
}

/// What is left of a call.
pub(crate) struct Call {
    pub(crate) reason: EndReason,
    pub(crate) stats: CallStats,
    /// What went over the line.
    pub(crate) log: CallLog,
    pub(crate) events: Vec<SessionEvent>,
    pub(crate) report: CallReport,
    pub(crate) journal: String,
    pub(crate) recording: Wav,
    pub(crate) voice_rate: SampleRate,
    /// What is behind the agent's voice.
    pub(crate) background: Option<Arc<Ambience>>,
    /// What the model was asked.
    pub(crate) requests: Vec<ChatRequest>,
}

impl Stage {
    /// A call to an assistant that greets and then follows `dialogue`.
    pub(crate) fn new(greeting: &str, dialogue: &str) -> Self {
        let model = ScriptedModel::from_yaml(dialogue).expect("a valid dialogue");
        Self {
            settings: Settings { first_message: greeting.to_owned(), ..Settings::default() },
            persona: Persona {
                language: "en".to_owned(),
                preamble: vec![ChatMessage::System {
                    content: "You answer the telephone.".to_owned(),
                }],
                tools: Vec::new(),
                temperature: None,
                max_tokens: None,
                voice: VoiceConfig { voice: String::new(), language: "en".to_owned(), speed: 1.0 },
                chunk_plan: ChunkPlan::default(),
                background: None,
            },
            model: Arc::new(model),
            voice: Arc::new(ScriptedVoice::new(ScriptedConfig::default())),
            voice_rate: RATE,
            recognizer: None,
            end: LegEnd::Stopped,
            line: |leg| Box::new(leg),
            orders: Vec::new(),
            commands: None,
            tools: None,
            cues: Vec::new(),
            heard: Vec::new(),
        }
    }

    /// Who answers, with this voice, as the engine has them before the call.
    pub(crate) fn assistant(&self, synthesizer: Arc<dyn Synthesizer>) -> Assistant {
        Assistant {
            settings: self.settings.clone(),
            persona: self.persona.clone(),
            providers: Providers {
                endpointing: None,
                vad: Arc::new(ScriptedVad::level(-40.0)),
                turn_model: None,
                recognizer: Arc::new(ScriptedRecognizer::new([])),
                model: Arc::clone(&self.model),
                synthesizer,
            },
            tools: Vec::new(),
            hooks: Arc::new([]),
            analysis: AnalysisPlan::default(),
            server: None,
            filler_after: Duration::ZERO,
            denoising: false,
            record: true,
        }
    }

    /// The same with other settings.
    pub(crate) fn set(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        change(&mut self.settings);
        self
    }

    /// The same with a voice of this rate.
    pub(crate) fn voiced_at(mut self, rate: SampleRate) -> Self {
        let config = ScriptedConfig { rate, ..ScriptedConfig::default() };
        self.voice = Arc::new(ScriptedVoice::new(config));
        self.voice_rate = rate;
        self
    }

    /// The caller says `text`, [`WORD`] by word.
    pub(crate) fn says(self, when: When, text: &str) -> Self {
        let words = u32::try_from(text.split_whitespace().count()).expect("few words");
        let duration = WORD * words;
        self.utters(when, duration, Utterance::evenly(text, duration))
    }

    /// The caller makes a sound for `duration`, in which the recogniser hears `utterance`.
    pub(crate) fn utters(mut self, when: When, duration: Duration, utterance: Utterance) -> Self {
        self.cues.push(Cue { when, action: Action::Say(sound(duration)) });
        self.heard.push(utterance);
        self
    }

    /// The caller plays these samples, in which the recogniser hears `utterance`.
    pub(crate) fn plays(mut self, when: When, samples: Vec<i16>, utterance: Utterance) -> Self {
        self.cues.push(Cue { when, action: Action::Say(samples) });
        self.heard.push(utterance);
        self
    }

    /// The caller does something else.
    pub(crate) fn does(mut self, when: When, action: Action) -> Self {
        self.cues.push(Cue { when, action });
        self
    }

    /// The caller hangs up once the agent has been silent for a second.
    pub(crate) fn hangs_up(self) -> Self {
        self.does(When::AgentSilent(ms(1_000)), Action::HangUp)
    }

    /// Somebody gives the call an order.
    pub(crate) fn order(mut self, at: Duration, command: Command) -> Self {
        self.orders.push((at, command));
        self
    }

    /// Plays the call, and checks what holds for every call: no task of it is left either.
    pub(crate) async fn play(self) -> Call {
        let tasks = alive_tasks();
        let call = self.play_among_others().await;
        assert_eq!(alive_tasks(), tasks, "the call is over and left a task behind");
        call
    }

    /// The same where other tasks come and go meanwhile.
    pub(crate) async fn play_among_others(self) -> Call {
        let folder = tempfile::tempdir().expect("a directory");
        let (observer, mut observed) = mpsc::channel(100_000);
        let reporter = Reporter::start(folder.path().to_owned(), Some(observer));
        let background = self.persona.background.clone();
        let (watch, mut asked) = Watch::new();
        let voice_rate = self.voice_rate;
        let performance = self.perform(folder.path().to_owned(), &watch, reporter.events()).await;
        reporter.finish().await;
        assert_eq!(watch.streams(), 0, "the call is over and its model and voice are not");

        let Performance { id, reason, stats, log } = performance;
        let files = folder.path().join(id.to_string());
        let read = |name| std::fs::read(files.join(name)).expect("it was written");
        let recording = std::io::Cursor::new(read(RECORDING_FILE));
        let mut events = Vec::new();
        while let Ok(event) = observed.try_recv() {
            events.push(event);
        }
        let call = Call {
            reason,
            stats,
            log,
            events,
            report: serde_json::from_slice(&read("call.json")).expect("a report"),
            journal: String::from_utf8(read(JOURNAL_FILE)).expect("UTF-8"),
            recording: Wav::read(recording).expect("a recording"),
            voice_rate,
            background,
            requests: std::iter::from_fn(|| asked.try_recv().ok()).collect(),
        };
        invariants::check(&call);
        call
    }

    /// Plays the call into `events`.
    pub(crate) async fn perform(
        self,
        folder: PathBuf,
        watch: &Watch,
        events: mpsc::Sender<SessionEvent>,
    ) -> Performance {
        let id = CallId::random();
        let mut recorder = SteppedRecorder::new(folder);
        let options = Options { audio: true, journal: true, rate: RATE };
        let tap = recorder.start(&id.to_string(), options).expect("room on the disk");
        let script = CallerScript::new(self.cues);
        let line = ScriptedLine { rate: RATE, latency: LATENCY, script, end: self.end };
        let (leg, log) = ScriptedLeg::new(line);
        let recognizer =
            self.recognizer.unwrap_or_else(|| Arc::new(ScriptedRecognizer::new(self.heard)));
        let config = SessionConfig {
            id,
            carrier_call: "CA1".to_owned(),
            settings: self.settings,
            seed: 7,
            persona: self.persona,
            providers: Providers {
                endpointing: None,
                vad: Arc::new(ScriptedVad::level(-40.0)),
                turn_model: None,
                recognizer,
                model: Arc::new(Watched::new(self.model, watch)),
                synthesizer: Arc::new(Watched::new(self.voice, watch)),
            },
            tools: self.tools,
        };
        let (orders, receiver) = mpsc::channel(16);
        let commands = self.commands.unwrap_or(receiver);
        let clock = CallClock::start();
        let session = Session::open(config, clock, (self.line)(leg), tap, commands, events)
            .expect("providers that take the call");
        // A task of its own: nothing but its own wakers may wake it.
        let mut session = tokio::spawn(session.run());
        let give_orders = tokio::spawn(async move {
            let began = tokio::time::Instant::now();
            for (at, order) in self.orders {
                tokio::time::sleep_until(began + at).await;
                // The call may be over already.
                let _ = orders.send(order).await;
            }
            // The orders' end is no order.
        });
        let began = tokio::time::Instant::now();
        let (reason, stats, files) = loop {
            tokio::select! {
                ended = &mut session => break ended.expect("a session that does not panic"),
                () = tokio::time::sleep(ms(200)) => recorder.step(began.elapsed()),
            }
            assert!(began.elapsed() < Duration::from_secs(3_600), "the call does not end");
        };
        give_orders.abort();
        // Joined, so that it is gone.
        let _ = give_orders.await;
        recorder.step(began.elapsed());
        let kept = files.report().expect("the files are complete");
        assert!(kept.is_complete(), "{kept:?}");
        Performance { id, reason, stats, log: log.await.expect("sent when the leg is dropped") }
    }
}

/// A call that was played.
pub(crate) struct Performance {
    pub(crate) id: CallId,
    pub(crate) reason: EndReason,
    pub(crate) stats: CallStats,
    pub(crate) log: CallLog,
}

impl Call {
    /// Who was heard saying what, by the report: `> ` before the caller's words, `< ` before the
    /// agent's, `…` behind those that were cut short.
    pub(crate) fn conversation(&self) -> Vec<String> {
        let line = |said: &engine::store::Said| {
            let who = match said.role {
                turntaking::output::Role::User => '>',
                turntaking::output::Role::Assistant => '<',
            };
            let cut = if said.complete { "" } else { " …" };
            format!("{who} {}{cut}", said.text)
        };
        self.report.messages.iter().map(line).collect()
    }

    /// What the Floor saw.
    pub(crate) fn floor_events(&self) -> impl Iterator<Item = &turntaking::output::Event> {
        self.events.iter().filter_map(|event| match &event.kind {
            SessionEventKind::Floor(event) => Some(event),
            _ => None,
        })
    }

    /// What the caller heard of the agent's voice, without what was behind it.
    pub(crate) fn voice(&self) -> Vec<i16> {
        self.without_background(&self.log.agent)
    }

    /// `agent` from the beginning of the call, without what was behind it.
    pub(crate) fn without_background(&self, agent: &[i16]) -> Vec<i16> {
        let behind = |at: usize| {
            self.background.as_ref().map_or(0, |background| background.sample(at as u64))
        };
        agent.iter().enumerate().map(|(at, sample)| sample - behind(at)).collect()
    }

    /// One line of the journal for each input: its time in µs, the input, the outputs.
    pub(crate) fn records(&self) -> Vec<serde_json::Value> {
        let lines = self.journal.lines().skip(1);
        lines.map(|line| serde_json::from_str(line).expect("a record")).collect()
    }
}

/// A steady sound, well above the detector's threshold.
pub(crate) fn sound(duration: Duration) -> Vec<i16> {
    let step = std::f32::consts::TAU * 440.0 / RATE.hz() as f32;
    (0..RATE.samples_in(duration)).map(|at| (8_000.0 * (step * at as f32).sin()) as i16).collect()
}

fn alive_tasks() -> usize {
    tokio::runtime::Handle::current().metrics().num_alive_tasks()
}
