//! The pieces of the engine that work for each frame, window or phrase. Each is made once, warm, and
//! does one step of its work at a time, always the same.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use codecs::beep::BeepDetector;
use codecs::dtmf::DtmfDetector;
use codecs::{Resampler, SampleRate, g711, l16};
use engine::transport::twilio::frames::{FrameWriter, Inbound, parse};
use tts::{ChunkPlan, Chunker};
use turntaking::floor::Floor;
use turntaking::input::{Input, Offset, Probability, Stability, TurnId};
use turntaking::settings::Settings;
use turntaking::time::Instant;
use vad::silero::Band;
use vad::{EchoGate, Gate, GateSettings, Score};

/// Samples of 20 ms at 8 kHz.
pub(crate) const FRAME: usize = 160;

/// A voiced sound at `rate`: a fundamental of 140 Hz with overtones, whose level swells twice a
/// second. No speech, but as much work.
pub(crate) fn sound(rate: SampleRate, samples: usize) -> Vec<i16> {
    let step = std::f32::consts::TAU * 140.0 / rate.hz() as f32;
    let sample = |at: usize| {
        let phase = step * at as f32;
        let tone: f32 = (1..12).map(|n| (phase * n as f32).sin() / n as f32).sum();
        (6_000.0 * tone * (phase / 70.0).sin()) as i16
    };
    (0..samples).map(sample).collect()
}

/// A frame, encoded and decoded again.
pub(crate) struct Codec {
    pcm: Vec<i16>,
    bytes: Vec<u8>,
    decoded: Vec<i16>,
}

impl Codec {
    pub(crate) fn new() -> Self {
        let pcm = sound(SampleRate::HZ_8000, FRAME);
        Self { pcm, bytes: vec![0; 2 * FRAME], decoded: vec![0; FRAME] }
    }

    pub(crate) fn mulaw_encode(&mut self) {
        g711::mulaw_encode_into(&self.pcm, &mut self.bytes[..FRAME]);
    }

    pub(crate) fn mulaw_decode(&mut self) {
        g711::mulaw_decode_into(&self.bytes[..FRAME], &mut self.decoded);
    }

    pub(crate) fn alaw_encode(&mut self) {
        g711::alaw_encode_into(&self.pcm, &mut self.bytes[..FRAME]);
    }

    pub(crate) fn alaw_decode(&mut self) {
        g711::alaw_decode_into(&self.bytes[..FRAME], &mut self.decoded);
    }

    pub(crate) fn l16_encode(&mut self) {
        l16::encode_into(&self.pcm, &mut self.bytes);
    }

    pub(crate) fn l16_decode(&mut self) -> usize {
        l16::decode_into(&self.bytes, &mut self.decoded).expect("whole samples")
    }
}

/// 20 ms through a resampler.
pub(crate) struct Resampling {
    resampler: Resampler,
    input: Vec<i16>,
    output: Vec<i16>,
}

impl Resampling {
    pub(crate) fn new(from: SampleRate, to: SampleRate) -> Self {
        let resampler = Resampler::new(from, to).expect("rates of telephones and voices");
        let input = sound(from, from.hz() as usize / 50);
        let output = Vec::with_capacity(resampler.output_bound(input.len()));
        Self { resampler, input, output }
    }

    pub(crate) fn step(&mut self) -> usize {
        self.output.clear();
        self.resampler.process(&self.input, &mut self.output);
        self.output.len()
    }
}

/// A frame through the listeners of a call, but for the models.
pub(crate) struct Listening {
    frame: Vec<i16>,
    dtmf: DtmfDetector,
    beep: BeepDetector,
    echo: EchoGate,
    gate: Gate,
    position: u64,
}

impl Listening {
    pub(crate) fn new() -> Self {
        let rate = SampleRate::HZ_8000;
        let window = Band::Narrow.window();
        Self {
            frame: sound(rate, FRAME),
            dtmf: DtmfDetector::new(),
            beep: BeepDetector::new(rate),
            echo: EchoGate::new(rate).expect("the telephone's rate"),
            gate: Gate::new(GateSettings::default(), window),
            position: 0,
        }
    }

    pub(crate) fn dtmf(&mut self) -> usize {
        let mut events = 0;
        self.dtmf.process(&self.frame, |_| events += 1);
        events
    }

    pub(crate) fn beep(&mut self) -> usize {
        let mut beeps = 0;
        self.beep.process(&self.frame, |_| beeps += 1);
        beeps
    }

    pub(crate) fn echo(&mut self) -> usize {
        self.echo.play(&self.frame);
        let mut heard = 0;
        self.echo.push(&self.frame, |samples| heard += samples.len());
        heard
    }

    pub(crate) fn gate(&mut self) -> bool {
        self.position += Band::Narrow.window() as u64;
        let probability = if self.position.is_multiple_of(4_096) { 0.9 } else { 0.2 };
        self.gate.accept(Score { end: self.position, probability }).is_some()
    }
}

/// The Floor: a turn of the caller's and the reply to it, and a step of playback.
pub(crate) struct Turns {
    settings: Settings,
    speaking: Floor,
    played: u64,
}

impl Turns {
    pub(crate) fn new() -> Self {
        let settings = Settings::default();
        let mut speaking = Floor::new(settings.clone(), 7, Instant::START);
        let inputs = [
            Input::Connected,
            Input::Say { text: "One moment, please.".into(), end_call_after: false },
            Input::ReplyText { turn: TurnId(1), text: "One moment, please.".into() },
            Input::ReplyDone { turn: TurnId(1) },
            Input::Voiced { turn: TurnId(1), until: Offset(u64::MAX / 2), complete: false },
        ];
        for input in &inputs {
            tell(&mut speaking, 0, input);
        }
        Self { settings, speaking, played: 0 }
    }

    /// The playhead moves by a frame.
    pub(crate) fn played(&mut self) -> usize {
        self.played += 20_000;
        let until = Offset(self.played);
        let input = Input::Played { turn: TurnId(1), until, acknowledged: false };
        tell(&mut self.speaking, self.played / 1_000, &input)
    }

    /// A whole turn of 17 inputs, in a call of its own.
    pub(crate) fn turn(&self) -> usize {
        let ms = Instant::from_millis;
        let mut floor = Floor::new(self.settings.clone(), 7, Instant::START);
        let turn = TurnId(1);
        let partial = |text: &'static str, stability, covers| Input::Transcript {
            segment: 1,
            text: text.into(),
            stability,
            covers: ms(covers),
        };
        let inputs = [
            (0, Input::Connected),
            (164, Input::SpeechStarted { since: ms(100) }),
            (400, partial("I would", Stability::Partial, 350)),
            (600, partial("I would like to", Stability::Partial, 550)),
            (800, partial("I would like to book a table", Stability::Partial, 750)),
            (1_064, Input::SpeechStopped { since: ms(1_000) }),
            (1_100, partial("I would like to book a table.", Stability::Stable, 1_000)),
            (1_150, Input::TurnScore { pause: 1, complete: Probability::new(0.97) }),
            (1_200, Input::Timeout),
            (1_400, Input::Timeout),
            (1_700, Input::Timeout),
            (1_710, Input::ReplyText { turn, text: "Of course.".into() }),
            (1_720, Input::ReplyDone { turn }),
            (1_760, Input::Span { turn, text: 0..10, audio: Offset(0)..Offset(500_000) }),
            (1_760, Input::Voiced { turn, until: Offset(500_000), complete: true }),
            (2_000, Input::Played { turn, until: Offset(200_000), acknowledged: true }),
            (2_400, Input::Played { turn, until: Offset(500_000), acknowledged: true }),
        ];
        inputs.iter().map(|(at, input)| tell(&mut floor, *at, input)).sum()
    }
}

fn tell(floor: &mut Floor, at: u64, input: &Input<'_>) -> usize {
    floor.handle(Instant::from_millis(at), input);
    std::iter::from_fn(|| floor.poll_output()).count()
}

/// A frame of Twilio's, in and out.
pub(crate) struct Media {
    message: String,
    payload: Vec<u8>,
    pcm: Vec<i16>,
    writer: FrameWriter,
}

impl Media {
    pub(crate) fn new() -> Self {
        let mut codes = vec![0; FRAME];
        g711::mulaw_encode_into(&sound(SampleRate::HZ_8000, FRAME), &mut codes);
        let payload = STANDARD.encode(&codes);
        let message = format!(
            r#"{{"event":"media","sequenceNumber":"4","media":{{"track":"inbound","chunk":"2","timestamp":"40","payload":"{payload}"}},"streamSid":"MZ18ad3ab5a668481ce02b83e7395059f0"}}"#
        );
        Self {
            message,
            payload: Vec::with_capacity(1_024),
            pcm: vec![0; FRAME],
            writer: FrameWriter::new("MZ18ad3ab5a668481ce02b83e7395059f0"),
        }
    }

    /// From the text of a message to samples.
    pub(crate) fn read(&mut self) -> usize {
        let Ok(Inbound::Media(media)) = parse(&self.message) else { return 0 };
        self.payload.clear();
        STANDARD.decode_vec(media.payload.as_bytes(), &mut self.payload).expect("base64");
        g711::mulaw_decode_into(&self.payload, &mut self.pcm);
        self.payload.len()
    }

    /// From samples to the text of a message.
    pub(crate) fn write(&mut self) -> usize {
        self.payload.resize(FRAME, 0);
        g711::mulaw_encode_into(&self.pcm, &mut self.payload);
        self.writer.media(&self.payload).len()
    }
}

/// A reply, token by token, cut into phrases. Tokens.
pub(crate) fn chunk(tokens: &[&str]) -> usize {
    let mut chunker = Chunker::new(ChunkPlan::default());
    let mut phrases = 0;
    for token in tokens {
        chunker.push(token);
        phrases += std::iter::from_fn(|| chunker.next_chunk()).count();
    }
    chunker.finish();
    phrases + std::iter::from_fn(|| chunker.next_chunk()).count()
}

/// What [`chunk`] cuts: 52 tokens.
pub(crate) fn reply() -> Vec<&'static str> {
    const REPLY: &str = "Bien sûr, je regarde tout de suite. Nous avons encore une table pour \
                         quatre personnes demain soir à 20 h 30, près de la fenêtre, ou une autre \
                         à 19 heures en terrasse. M. Dupont sera là pour vous accueillir : \
                         laquelle préférez-vous, et à quel nom dois-je la réserver ?";
    REPLY.split_inclusive(' ').collect()
}
