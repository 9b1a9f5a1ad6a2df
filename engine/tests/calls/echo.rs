//! The assistant's own voice comes back over a carrier's line. The call is Twilio's protocol from
//! end to end, to a carrier whose line returns what is heard.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use asr::scripted::{Scripted as ScriptedRecognizer, Utterance};
use codecs::noise::Noise;
use engine::carrier::{
    Action, CallRecord, CallerScript, CarrierConfig, LineEcho, When, carry, memory,
};
use engine::llm::ScriptedModel;
use engine::recording::CallTap;
use engine::session::{
    CallClock, CallId, CallStats, Persona, Providers, Session, SessionConfig, SessionEventKind,
};
use engine::transport::egress_clock::Ticker;
use engine::transport::twilio::{self, TwilioSettings};
use tokio::sync::mpsc;
use tts::{
    ChunkPlan, SpeechEvent, SpeechStream, Synthesizer, SynthesizerError, TextChunk, VoiceConfig,
};
use turntaking::journal;
use turntaking::output::Event;
use turntaking::settings::Settings;
use vad::ScriptedVad;

use crate::stage::{RATE, ms};

/// How long the greeting is.
const GREETING: Duration = Duration::from_secs(6);
/// The network, one way.
const NETWORK: Duration = Duration::from_millis(30);

/// Something like speech at about -20 dBFS: syllables of two resonances each, of other heights,
/// loudness and lengths, with short pauses.
fn speech(seed: u64, duration: Duration) -> Vec<i16> {
    let mut dice = Noise::new(-10.0, seed);
    let mut draw = || {
        let mut value = [0];
        dice.fill_into(&mut value);
        (f32::from(value[0]) / 9_000.0 + 0.5).clamp(0.0, 1.0)
    };
    let mut excitation = Noise::new(-14.0, seed ^ 0xff);
    let length = RATE.samples_in(duration) as usize;
    let mut samples = Vec::new();
    while samples.len() < length {
        let mut syllable = vec![0; (720.0 + 1_280.0 * draw()) as usize];
        let heights = [250.0 + 600.0 * draw(), 900.0 + 2_000.0 * draw()];
        let loud = 0.3 + 0.7 * draw();
        excitation.fill_into(&mut syllable);
        let mut memory = [[0.0_f32; 2]; 2];
        let turn = std::f32::consts::PI / syllable.len() as f32;
        for (at, sample) in syllable.iter_mut().enumerate() {
            let mut sum = 0.0;
            for (height, memory) in heights.iter().zip(&mut memory) {
                let angle = std::f32::consts::TAU * height / 8_000.0;
                let next =
                    f32::from(*sample) * 0.1 + 1.88 * angle.cos() * memory[0] - 0.884 * memory[1];
                *memory = [next, memory[0]];
                sum += next;
            }
            let level = (turn * at as f32).sin() * loud;
            *sample = (sum * level).clamp(-30_000.0, 30_000.0) as i16;
        }
        samples.extend(syllable);
        samples.resize(samples.len() + 200, 0);
    }
    samples.truncate(length);
    samples
}

/// A voice that says the same whatever it is given.
#[derive(Debug)]
struct Recorded(Arc<[i16]>);

impl Synthesizer for Recorded {
    fn open(&self, _: &VoiceConfig) -> Result<Box<dyn SpeechStream>, SynthesizerError> {
        let samples = Some(Arc::clone(&self.0));
        Ok(Box::new(Speech { samples, events: VecDeque::new(), waker: None }))
    }
}

struct Speech {
    /// Not said yet.
    samples: Option<Arc<[i16]>>,
    events: VecDeque<SpeechEvent>,
    waker: Option<Waker>,
}

impl SpeechStream for Speech {
    fn push(&mut self, chunk: TextChunk) {
        if let Some(samples) = self.samples.take() {
            let audio = 0..samples.len() as u64;
            self.events.push_back(SpeechEvent::Span { text: chunk.range, audio });
            let samples = samples.to_vec();
            self.events.push_back(SpeechEvent::Audio { rate: RATE, samples });
        }
        self.waker.take().into_iter().for_each(Waker::wake);
    }

    fn finish(&mut self) {
        self.events.push_back(SpeechEvent::Done);
        self.waker.take().into_iter().for_each(Waker::wake);
    }

    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<SpeechEvent> {
        if let Some(event) = self.events.pop_front() {
            return Poll::Ready(event);
        }
        self.waker = Some(cx.waker().clone());
        Poll::Pending
    }
}

/// What is left of a call.
struct Call {
    record: CallRecord,
    events: Vec<Event>,
    stats: CallStats,
    /// What the Floor was told.
    journal: String,
}

impl Call {
    fn count(&self, wanted: fn(&Event) -> bool) -> usize {
        self.events.iter().filter(|event| wanted(event)).count()
    }

    fn interruptions(&self) -> usize {
        self.count(|event| matches!(event, Event::UserInterrupted { .. }))
    }

    fn holds(&self) -> usize {
        self.count(|event| matches!(event, Event::FalseInterruption { .. }))
    }
}

/// A call that the assistant greets. `echo`: what the line returns. `caller` says something from
/// `onset` of the greeting on.
async fn play(echo: Option<LineEcho>, caller: Option<(Duration, Vec<i16>)>) -> Call {
    let (engine, carrier) = memory::pair(NETWORK);
    let mut config = CarrierConfig::new("");
    config.impairments.echo = echo;
    let script = CallerScript { cues: Vec::new(), noise_dbfs: Some(-60.0), seed: 3 };
    let script = match caller {
        Some((onset, words)) => script.then(When::AgentSpeaking(onset), Action::Say(words)),
        None => script,
    };
    let script = script.then(When::AgentSilent(ms(1_500)), Action::HangUp);
    let carrier = tokio::spawn(carry(config, script, carrier));
    let wanted = |_: &twilio::StartInfo| Ok::<_, &str>(());
    let accepted = twilio::accept(engine, TwilioSettings::default(), Ticker::tokio(), wanted);
    let (leg, ..) = accepted.await.expect("a stream");

    // Whoever speaks to the recogniser is understood to want something.
    let words = Utterance::evenly("I would like an appointment", ms(1_000));
    let config = SessionConfig {
        id: CallId::random(),
        carrier_call: String::new(),
        settings: Settings {
            first_message: "Good morning.".to_owned(),
            first_message_interruptions: true,
            ..Settings::default()
        },
        seed: 1,
        persona: Persona {
            language: "en".to_owned(),
            preamble: Vec::new(),
            tools: Vec::new(),
            temperature: None,
            max_tokens: None,
            voice: VoiceConfig { voice: String::new(), language: "en".to_owned(), speed: 1.0 },
            chunk_plan: ChunkPlan::default(),
            background: None,
        },
        providers: Providers {
            endpointing: None,
            vad: Arc::new(ScriptedVad::level(-45.0)),
            turn_model: None,
            recognizer: Arc::new(ScriptedRecognizer::new(vec![words; 20])),
            model: Arc::new(
                ScriptedModel::from_yaml("language: en\nfallback: { say: \"Fine.\" }")
                    .expect("a valid dialogue"),
            ),
            synthesizer: Arc::new(Recorded(speech(5, GREETING).into())),
        },
    };
    let (tap, mut journal) = CallTap::journal_only();
    let (_orders, commands) = mpsc::channel(1);
    let (events, mut seen) = mpsc::channel(10_000);
    let clock = CallClock::start();
    let session = Session::open(config, clock, Box::new(leg), tap, commands, events)
        .map_err(|unserved| unserved.error)
        .expect("providers that take the call");
    let session = tokio::spawn(session.run());
    let mut bytes = Vec::new();
    while !session.is_finished() {
        tokio::time::sleep(ms(200)).await;
        journal.read_into(&mut bytes);
    }
    let (_, stats, _) = session.await.expect("a session that does not panic");
    let journal = String::from_utf8(bytes).expect("UTF-8");
    let replayed = journal::replay(journal.lines()).expect("a whole journal");
    assert!(replayed.is_identical(), "{:?}", replayed.difference);
    let mut events = Vec::new();
    while let Ok(event) = seen.try_recv() {
        if let SessionEventKind::Floor(event) = event.kind {
            events.push(event);
        }
    }
    Call { record: carrier.await.expect("a carrier"), events, stats, journal }
}

fn line(loss_db: f32, delay: Duration) -> LineEcho {
    LineEcho::hybrid(RATE, delay, loss_db)
}

#[tokio::test(start_paused = true)]
async fn the_voice_is_not_stopped_by_its_echo() {
    for (loss, delay) in [(6.0, 0), (12.0, 150), (20.0, 400), (15.0, 590)] {
        let call = play(Some(line(loss, ms(delay))), None).await;

        assert_eq!(call.interruptions(), 0, "-{loss} dB after {delay} ms");
        assert!(call.holds() <= 1, "-{loss} dB after {delay} ms: {} holds", call.holds());
        let said = call.count(|event| matches!(event, Event::TurnEnded { .. }));
        assert_eq!(said, 0, "-{loss} dB after {delay} ms: an echo was taken for a turn");
        let heard: u64 = call.record.runs.iter().map(|run| run.range.end - run.range.start).sum();
        assert!(heard >= RATE.samples_in(GREETING), "{heard} samples of it were heard");
        assert!(call.stats.echo_ms > 500, "{:?}", call.stats);
    }
}

#[tokio::test(start_paused = true)]
async fn who_speaks_over_the_echo_stops_the_voice() {
    for onset in [ms(900), ms(3_000)] {
        let caller = Some((onset, speech(77, ms(1_500))));
        let call = play(Some(line(15.0, ms(120))), caller).await;

        assert_eq!(call.interruptions(), 1, "at {onset:?}");
        let words = call.count(|event| matches!(event, Event::TurnEnded { .. }));
        assert_eq!(words, 1, "at {onset:?}: the caller's turn");
    }
}

#[tokio::test(start_paused = true)]
async fn a_line_without_echo_is_as_it_was() {
    let call = play(None, Some((ms(2_500), speech(78, ms(1_500))))).await;

    assert_eq!((call.interruptions(), call.holds()), (1, 0));
    assert_eq!((call.stats.echo_ms, call.stats.echoes_mistaken), (0, 0));
    assert!(!call.journal.contains("echo_"), "nothing of the kind was suspected");
}
