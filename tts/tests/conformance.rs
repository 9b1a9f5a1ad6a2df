//! What every voice must do, whichever it is. A program that is not installed is skipped, and
//! said so.

use std::future::poll_fn;
use std::ops::Range;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use codecs::SampleRate;
use tokio::runtime::Handle;
use tts::{
    Cartesia, CartesiaConfig, Chunker, Espeak, EspeakConfig, Flite, FliteConfig, PoolLimits,
    ProgramPool, Scripted, ScriptedConfig, Sherpa, SherpaConfig, SpeechEvent, SpeechStream,
    Synthesizer, SynthesizerError, TextChunk, VoiceConfig,
};

/// A provider under test.
struct Subject {
    provider: Box<dyn Synthesizer>,
    language: &'static str,
    /// `None`: speaks any.
    unknown_language: Option<&'static str>,
    pool: Option<ProgramPool>,
}

fn voice(language: &str) -> VoiceConfig {
    VoiceConfig { voice: String::new(), language: language.to_owned(), speed: 1.0 }
}

impl Subject {
    fn open(&self) -> Box<dyn SpeechStream> {
        self.provider.open(&voice(self.language)).expect("the default voice")
    }
}

/// All that a stream gave.
#[derive(Debug, Default)]
struct Heard {
    rate: Option<SampleRate>,
    samples: Vec<i16>,
    spans: Vec<(Range<u32>, Range<u64>)>,
    audio_events: usize,
}

impl Heard {
    /// Loudness (RMS) of a range of samples.
    fn loudness(&self, range: Range<u64>) -> f64 {
        let samples = &self.samples[range.start as usize..range.end as usize];
        let sum: f64 = samples.iter().map(|&s| f64::from(s) * f64::from(s)).sum();
        (sum / samples.len().max(1) as f64).sqrt()
    }
}

async fn listen(stream: &mut dyn SpeechStream) -> Result<Heard, SynthesizerError> {
    let mut heard = Heard::default();
    loop {
        let next = poll_fn(|cx| stream.poll_event(cx));
        match tokio::time::timeout(Duration::from_secs(60), next).await.expect("an event") {
            SpeechEvent::Audio { rate, samples } => {
                assert_eq!(*heard.rate.get_or_insert(rate), rate, "one rate in a stream");
                assert!(!samples.is_empty(), "an event without samples");
                heard.samples.extend(samples);
                heard.audio_events += 1;
            }
            SpeechEvent::Span { text, audio } => {
                assert!(audio.end >= heard.samples.len() as u64, "a span after its audio ended");
                heard.spans.push((text, audio));
            }
            SpeechEvent::Done => return Ok(heard),
            SpeechEvent::Failed(error) => return Err(error),
        }
    }
}

/// Chunks of texts that follow each other in one reply.
fn chunks(texts: &[&str]) -> Vec<TextChunk> {
    let mut at = 0;
    texts
        .iter()
        .map(|text| {
            let start = at;
            at += text.len() as u32;
            TextChunk { text: (*text).to_owned(), range: start..at }
        })
        .collect()
}

async fn say(subject: &Subject, texts: &[&str]) -> Result<Heard, SynthesizerError> {
    let mut stream = subject.open();
    for chunk in chunks(texts) {
        stream.push(chunk);
    }
    stream.finish();
    listen(stream.as_mut()).await
}

/// Spans are within the audio, in order, and together cover the text.
fn check_spans(heard: &Heard, texts: &[&str]) {
    let (mut text_at, mut audio_at) = (0, 0);
    for (text, audio) in &heard.spans {
        assert_eq!(text.start, text_at, "text without a hole: {:?}", heard.spans);
        assert!(audio.start >= audio_at && audio.end >= audio.start, "{:?}", heard.spans);
        (text_at, audio_at) = (text.end, audio.end);
    }
    let length: usize = texts.iter().map(|t| t.len()).sum();
    assert_eq!(text_at as usize, length, "all text has a span");
    assert!(audio_at as usize <= heard.samples.len(), "spans within the audio");
}

/// Words of a text; French marks stand apart.
fn spoken(text: &str) -> usize {
    text.split_whitespace().filter(|word| word.chars().any(char::is_alphanumeric)).count()
}

mod checks {
    use super::*;

    pub(super) async fn audio_then_done(subject: &Subject) {
        let texts = match subject.language {
            "fr-FR" => ["Bien sûr,", " je vous écoute à présent. Où êtes-vous né ?", " Très bien."],
            _ => ["Sure,", " I can help you with that. What is your order number?", " Thank you."],
        };
        let heard = say(subject, &texts).await.expect("speech");
        check_spans(&heard, &texts);
        let rate = heard.rate.expect("audio");
        let seconds = heard.samples.len() as f32 / rate.hz() as f32;
        assert!((1.5..15.0).contains(&seconds), "{seconds} s of speech");
        assert!(heard.audio_events > 10, "audio comes in small parts");
        for (_, audio) in &heard.spans {
            assert!(heard.loudness(audio.clone()) > 100.0, "a span of silence: {audio:?}");
        }
        let words: usize = texts.iter().map(|t| spoken(t)).sum();
        assert_eq!(heard.spans.len(), words, "a span for each word: {:?}", heard.spans);
        // No silence in front, none behind, no click at either end.
        let head = rate.samples_in(Duration::from_millis(60));
        assert!(heard.loudness(0..head) > 30.0, "speech begins at once");
        let len = heard.samples.len() as u64;
        assert!(heard.loudness(len - head..len) > 10.0, "nothing after the speech");
        assert!(heard.samples[0].abs() < 400, "starts with a click: {}", heard.samples[0]);
        assert!(heard.samples[len as usize - 1].abs() < 400, "ends with a click");
    }

    pub(super) async fn text_may_come_late(subject: &Subject) {
        let mut stream = subject.open();
        let mut heard = Heard::default();
        let parts = chunks(&["One moment.", " Here it is."]);
        for part in parts {
            // Polled empty first: the push has to wake the task.
            let mut part = Some(part);
            let event = poll_fn(|cx| {
                let polled = stream.poll_event(cx);
                if let Some(part) = part.take() {
                    assert!(polled.is_pending());
                    stream.push(part);
                }
                polled
            })
            .await;
            let SpeechEvent::Audio { samples, .. } = drain_spans(stream.as_mut(), event).await
            else {
                panic!("no audio");
            };
            heard.samples.extend(samples);
            while let Some(event) = now(stream.as_mut()).await {
                assert!(matches!(event, SpeechEvent::Audio { .. } | SpeechEvent::Span { .. }));
            }
        }
        stream.finish();
        assert_eq!(poll_fn(|cx| stream.poll_event(cx)).await, SpeechEvent::Done);
        assert_eq!(now(stream.as_mut()).await, None, "nothing after Done");
    }

    async fn drain_spans(stream: &mut dyn SpeechStream, first: SpeechEvent) -> SpeechEvent {
        let mut event = first;
        while matches!(event, SpeechEvent::Span { .. }) {
            event = poll_fn(|cx| stream.poll_event(cx)).await;
        }
        event
    }

    /// An event that is ready.
    async fn now(stream: &mut dyn SpeechStream) -> Option<SpeechEvent> {
        poll_fn(|cx| match stream.poll_event(cx) {
            std::task::Poll::Ready(event) => std::task::Poll::Ready(Some(event)),
            std::task::Poll::Pending => std::task::Poll::Ready(None),
        })
        .await
    }

    pub(super) async fn odd_text_does_not_fail(subject: &Subject) {
        let long = "word ".repeat(400);
        let solid = "a".repeat(2_000);
        let texts = [
            "",
            " ",
            "...",
            "?!",
            "😀 👍🏽",
            "** **",
            "\u{0}\u{7}\u{1b}[31m",
            "-h --help -f /etc/passwd",
            "<speak><break time=\"3s\"/></speak>",
            "[[h@l'oU]]",
            "日本語 текст العربية",
            "`$(id)`; | & > x",
            "é",
            "1",
            "0123456789 3.14 42,50 €",
            "$5",
            "U.S. Dr. e.g.",
            "\u{feff}\u{202e}abc",
            &long,
            &solid,
        ];
        for text in texts {
            let heard = say(subject, &[text]).await.unwrap_or_else(|e| panic!("{text:?}: {e}"));
            check_spans(&heard, &[text]);
        }
        let heard = say(subject, &texts).await.expect("all of them in one reply");
        check_spans(&heard, &texts);
    }

    pub(super) async fn no_text_is_done_at_once(subject: &Subject) {
        let heard = say(subject, &[]).await.expect("done");
        assert!(heard.samples.is_empty() && heard.spans.is_empty());
    }

    pub(super) async fn what_is_unknown_is_refused(subject: &Subject) {
        let unknown = VoiceConfig { voice: "missing".into(), ..voice(subject.language) };
        let error = subject.provider.open(&unknown).err().expect("no such voice");
        assert!(matches!(&error, SynthesizerError::Voice { voice, .. } if voice == "missing"));
        assert!(error.to_string().contains("missing"), "{error}");
        if let Some(language) = subject.unknown_language {
            let error = subject.provider.open(&voice(language)).err().expect("no such language");
            assert!(
                matches!(&error, SynthesizerError::Language { language: l, .. } if l == language)
            );
        }
    }

    pub(super) async fn faster_is_shorter(subject: &Subject) {
        let mut lengths = Vec::new();
        for speed in [1.5, 0.7] {
            let config = VoiceConfig { speed, ..voice(subject.language) };
            let mut stream = subject.provider.open(&config).expect("a voice");
            for chunk in chunks(&["The same words at another speed."]) {
                stream.push(chunk);
            }
            stream.finish();
            lengths.push(listen(stream.as_mut()).await.expect("speech").samples.len());
        }
        assert!(lengths[0] * 3 < lengths[1] * 2, "{lengths:?}");
    }

    pub(super) async fn many_streams_share_the_pool(subject: &Subject) {
        let pool = subject.pool.as_ref().expect("a program");
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..20 {
            let mut stream = subject.open();
            for chunk in chunks(&["One of twenty callers.", " All are answered."]) {
                stream.push(chunk);
            }
            stream.finish();
            tasks.spawn(async move { listen(stream.as_mut()).await });
        }
        while let Some(heard) = tasks.join_next().await {
            let heard = heard.expect("no panic").expect("speech");
            check_spans(&heard, &["One of twenty callers.", " All are answered."]);
        }
        settled(pool).await;
        assert!((1..=3).contains(&pool.peak()), "{} children at once", pool.peak());
    }

    /// Waits until every job is over, reaped children included.
    async fn settled(pool: &ProgramPool) {
        let deadline = Instant::now() + Duration::from_secs(30);
        while pool.queued() > 0 {
            assert!(Instant::now() < deadline, "{} jobs never end", pool.queued());
            tokio::task::yield_now().await;
        }
    }
}

fn pool() -> ProgramPool {
    ProgramPool::new(PoolLimits { children: 3, ..PoolLimits::default() }).expect("a pool")
}

/// The provider, or a visible skip where its program is not installed.
fn installed<T>(made: Result<T, SynthesizerError>) -> Option<T> {
    match made {
        Ok(provider) => Some(provider),
        Err(error @ SynthesizerError::Unavailable { .. }) => {
            eprintln!("skipped: {error}");
            None
        }
        Err(error) => panic!("{error}"),
    }
}

async fn flite() -> Option<Subject> {
    let pool = pool();
    let flite = installed(Flite::new(&FliteConfig::default(), pool.clone()))?;
    Some(Subject {
        provider: Box::new(flite),
        language: "en-US",
        unknown_language: Some("fr-FR"),
        pool: Some(pool),
    })
}

async fn espeak() -> Option<Subject> {
    let pool = pool();
    let espeak = installed(Espeak::new(&EspeakConfig::default(), pool.clone()))?;
    Some(Subject {
        provider: Box::new(espeak),
        language: "fr-FR",
        unknown_language: Some("xx"),
        pool: Some(pool),
    })
}

/// A model of a few bytes with Piper's inputs and outputs, from the shared test material. It
/// gives a second of `level` for any text.
fn piper_dummy(level: f32) -> Option<Subject> {
    let shared = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/models/tts/piper_dummy");
    let original = PathBuf::from(shared).join("test_voice.onnx");
    let Ok(mut bytes) = std::fs::read(&original) else {
        eprintln!("skipped: {} is not there", original.display());
        return None;
    };
    // The last constant of the graph, a tensor of one float (field 9, 4 bytes), is the output.
    let zero = [0x4a, 4, 0, 0, 0, 0];
    let at = bytes.windows(6).rposition(|window| window == zero).expect("a constant");
    bytes[at + 2..at + 6].copy_from_slice(&level.to_le_bytes());
    let directory = tempfile::tempdir().expect("a directory");
    let model = directory.path().join("voice.onnx");
    std::fs::write(&model, bytes).expect("written");
    let voice = directory.path().join("imported");
    tts::piper::import(&model, &original.with_extension("onnx.json"), &voice).expect("imported");
    let pool = pool();
    let config = SherpaConfig { workers: 2, ..SherpaConfig::new(voice) };
    let sherpa = installed(Sherpa::new(&config, pool.clone()))?;
    assert_eq!(sherpa.rate().hz(), 22_050);
    Some(Subject {
        provider: Box::new(sherpa),
        language: "en-US",
        unknown_language: Some("fr-FR"),
        pool: Some(pool),
    })
}

async fn sherpa() -> Option<Subject> {
    piper_dummy(0.25)
}

/// A model may give nothing but silence: the reply ends, its text has been passed.
#[tokio::test]
async fn a_silent_model_is_no_hang() {
    let Some(subject) = piper_dummy(0.0) else { return };
    let heard = say(&subject, &["Nobody", " hears this."]).await.expect("done");
    assert!(heard.samples.is_empty());
    check_spans(&heard, &["Nobody", " hears this."]);
}

/// A voice and the stand-in for its service, which ends with it.
#[derive(Debug)]
struct Served {
    voice: Cartesia,
    server: mocks::Cartesia,
}

impl Synthesizer for Served {
    fn open(&self, voice: &VoiceConfig) -> Result<Box<dyn SpeechStream>, SynthesizerError> {
        self.voice.open(voice)
    }
}

/// A voice of Cartesia's library that the account does not have.
const NOT_OURS: &str = "00000000-0000-4000-8000-000000000000";

async fn served() -> Served {
    let config = mocks::cartesia::CartesiaConfig {
        key: Some("a-key".to_owned()),
        failing_voice: Some(NOT_OURS.to_owned()),
        ..mocks::cartesia::CartesiaConfig::default()
    };
    let server = mocks::Cartesia::start(config).await.expect("a local port");
    let config = CartesiaConfig {
        base_url: server.base_url(),
        api_key: Some("a-key".to_owned()),
        ..CartesiaConfig::default()
    };
    let voice = Cartesia::new(config, &Handle::current()).expect("a sound configuration");
    Served { voice, server }
}

async fn cartesia() -> Option<Subject> {
    Some(Subject {
        provider: Box::new(served().await),
        language: "en-US",
        unknown_language: Some("xx"),
        pool: None,
    })
}

#[tokio::test]
async fn replies_share_a_socket_and_are_cancelled_when_dropped() {
    use std::sync::atomic::Ordering;

    let served = served().await;
    let mut streams: Vec<_> = (0..20)
        .map(|_| {
            let mut stream = served.open(&voice("en")).expect("the default voice");
            chunks(&["One of twenty.", " They share."]).into_iter().for_each(|c| stream.push(c));
            stream
        })
        .collect();
    for stream in &mut streams {
        let first = poll_fn(|cx| stream.poll_event(cx)).await;
        assert!(matches!(first, SpeechEvent::Span { .. }), "{first:?}");
    }
    let counts = served.server.counts();
    assert_eq!(counts.accepted.load(Ordering::Relaxed), 1, "one socket");
    let kept = streams.split_off(18);
    drop(streams);
    for mut stream in kept {
        stream.finish();
        listen(stream.as_mut()).await.expect("its own audio");
    }
    let deadline = Instant::now() + Duration::from_secs(60);
    while counts.cancelled.load(Ordering::Relaxed) < 18 {
        assert!(Instant::now() < deadline, "{counts:?}");
        tokio::task::yield_now().await;
    }
    assert_eq!(counts.contexts.load(Ordering::Relaxed), 20);
}

#[tokio::test]
async fn a_voice_that_the_account_has_not_fails_the_reply() {
    let served = served().await;
    let config = VoiceConfig { voice: NOT_OURS.to_owned(), ..voice("en") };
    let mut stream = served.open(&config).expect("it has the form of a voice");
    stream.push(chunks(&["Hello"]).remove(0));
    stream.finish();
    let error = listen(stream.as_mut()).await.expect_err("no such voice").to_string();
    assert!(error.contains("Voice not found"), "{error}");
}

#[tokio::test]
async fn a_wrong_key_fails_the_reply_and_says_so() {
    let Served { server, .. } = served().await;
    let config = CartesiaConfig {
        base_url: server.base_url(),
        api_key: Some("hunter2".to_owned()),
        ..CartesiaConfig::default()
    };
    let provider = Cartesia::new(config, &Handle::current()).expect("a sound configuration");
    let mut stream = provider.open(&voice("en")).expect("the default voice");
    stream.push(chunks(&["Hello"]).remove(0));
    let error = listen(stream.as_mut()).await.expect_err("no key").to_string();
    assert!(error.contains("HTTP 401: the key"), "{error}");
    assert!(!error.contains("hunter2"), "{error}");
}

async fn scripted() -> Option<Subject> {
    Some(Subject {
        provider: Box::new(Scripted::new(ScriptedConfig::default())),
        language: "en",
        unknown_language: None,
        pool: None,
    })
}

macro_rules! conformance {
    ($provider:ident: $($check:ident),+) => {
        mod $provider {
            $(
                #[tokio::test]
                async fn $check() {
                    let Some(subject) = crate::$provider().await else { return };
                    crate::checks::$check(&subject).await;
                }
            )+
        }
    };
}

conformance!(flite: audio_then_done, text_may_come_late, odd_text_does_not_fail,
    no_text_is_done_at_once, what_is_unknown_is_refused, faster_is_shorter,
    many_streams_share_the_pool);
conformance!(espeak: audio_then_done, text_may_come_late, odd_text_does_not_fail,
    no_text_is_done_at_once, what_is_unknown_is_refused, faster_is_shorter,
    many_streams_share_the_pool);
conformance!(sherpa: audio_then_done, text_may_come_late, odd_text_does_not_fail,
    no_text_is_done_at_once, what_is_unknown_is_refused, many_streams_share_the_pool);
conformance!(cartesia: audio_then_done, text_may_come_late, odd_text_does_not_fail,
    no_text_is_done_at_once, what_is_unknown_is_refused, faster_is_shorter);
conformance!(scripted: audio_then_done, text_may_come_late, odd_text_does_not_fail,
    no_text_is_done_at_once, what_is_unknown_is_refused, faster_is_shorter);

#[test]
fn a_missing_program_names_the_package() {
    let config = FliteConfig { program: PathBuf::from("no-such-flite"), ..FliteConfig::default() };
    let error = Flite::new(&config, pool()).expect_err("missing").to_string();
    assert!(error.contains("no-such-flite") && error.contains("apt-get install flite"), "{error}");
    let config = EspeakConfig { program: PathBuf::from("/no/such/espeak-ng") };
    let error = Espeak::new(&config, pool()).expect_err("missing").to_string();
    assert!(error.contains("apt-get install espeak-ng"), "{error}");
}

/// The chunker's phrases and the voice's spans agree on what the reply's text is.
#[tokio::test]
async fn a_cut_reply_is_covered_by_its_spans() {
    let Some(subject) = flite().await else { return };
    let reply =
        "Of course! Dr. Smith is in on Monday, at 9 a.m., and costs $42.50. Shall I book it?";
    let mut chunker = Chunker::new(tts::ChunkPlan::default());
    let mut stream = subject.open();
    for delta in reply.split_inclusive(' ') {
        chunker.push(delta);
        while let Some(chunk) = chunker.next_chunk() {
            stream.push(chunk);
        }
    }
    chunker.finish();
    while let Some(chunk) = chunker.next_chunk() {
        stream.push(chunk);
    }
    stream.finish();
    let heard = listen(stream.as_mut()).await.expect("speech");
    check_spans(&heard, &[reply]);
}
