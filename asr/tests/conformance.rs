//! What every recogniser must do, whatever it recognises.

mod call;

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::LazyLock;
use std::time::Duration;

use asr::deepgram::{Deepgram, DeepgramConfig};
use asr::moonshine::Moonshine;
use asr::scripted::{Cue, Scripted, Utterance};
use asr::sherpa::{Sherpa, SherpaOptions};
use asr::{
    Hint, Recognizer, RecognizerError, RecognizerEvent, RecognizerStream, Stability, StreamConfig,
};
use call::Call;
use codecs::SampleRate;
use tokio::runtime::Runtime;

/// Real speech where the set-up fetched some, else bursts of noise: nine seconds at 8 kHz.
static SPEECH: LazyLock<Vec<i16>> = LazyLock::new(|| match real_speech() {
    // The reading begins after a second of silence.
    Some(path) => call::telephone(&path)[8_000..80_000].to_vec(),
    None => {
        let mut state = 1_u32;
        let mut noise = move || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 18) as i16 - 8_192
        };
        (0..72_000).map(|n| if n / 3_000 % 3 < 2 { noise() } else { 0 }).collect()
    }
});

fn real_speech() -> Option<PathBuf> {
    let path = call::model("demo-speech-en")?.join("two_cities.wav");
    path.exists().then_some(path)
}

/// A stretch of the speech, in ms.
fn speech(from: usize, to: usize) -> &'static [i16] {
    &SPEECH[from * 8..to * 8]
}

/// Tells the stream that speech is going on since a moment ago, pushes it in frames of `frame`,
/// and then `silence` ms; returns where the silence began.
fn speak(call: &mut Call, samples: &[i16], frame: usize, silence: usize) -> u64 {
    let began = call.position();
    let (first, rest) = samples.split_at(512);
    call.push_in(first, frame);
    call.hint(Hint::SpeechStarted { at: began });
    call.push_in(rest, frame);
    let ended = call.position();
    call.silence(silence);
    ended
}

/// Tells of the pause and waits for its words.
fn pause(call: &mut Call, at: u64) -> String {
    call.hint(Hint::Pause { at });
    call.wait_for_words(|words| words.stability != Stability::Partial && words.covers >= at).text
}

fn segments_count_up_and_covers_never_go_back(recognizer: &dyn Recognizer) {
    let mut call = Call::open(recognizer);
    call.silence(300);
    for turn in 0..3 {
        for stretch in 0..2 {
            let from = 2_000 * turn + 1_000 * stretch;
            let at = speak(&mut call, speech(from, from + 900), 160, 120);
            pause(&mut call, at);
            call.silence(200);
        }
        call.hint(Hint::TurnEnded);
        call.silence(500);
    }
    let transcripts = call.transcripts();
    assert!(transcripts.is_sorted_by_key(|transcript| transcript.segment), "{transcripts:?}");
    assert!(transcripts.is_sorted_by_key(|transcript| transcript.covers), "{transcripts:?}");
    assert_eq!(transcripts.last().map(|last| last.segment), Some(2));
    for transcript in &transcripts {
        assert!(transcript.covers <= call.position(), "{transcript:?}");
        assert!(transcript.words.iter().all(|word| word.start <= word.end), "{transcript:?}");
        assert!(transcript.words.is_sorted_by_key(|word| word.start), "{transcript:?}");
    }
}

fn a_pause_is_answered_even_without_words(recognizer: &dyn Recognizer) {
    let mut call = Call::open(recognizer);
    call.hint(Hint::SpeechStarted { at: 0 });
    call.silence(300);
    pause(&mut call, 200 * 8);
    call.hint(Hint::TurnEnded);
    let at = speak(&mut call, speech(0, 2_000), 160, 200);
    let words = pause(&mut call, at);
    assert!(!words.is_empty(), "{:?}", call.events);
    // A second pause without speech says nothing new, and breaks nothing.
    call.hint(Hint::Pause { at });
    call.hint(Hint::TurnEnded);
    call.silence(300);
    let at = speak(&mut call, speech(2_000, 3_000), 160, 200);
    pause(&mut call, at);
}

fn the_size_of_a_push_does_not_matter(recognizer: &dyn Recognizer) {
    let words: Vec<String> = [1, 37, 160, 16_000]
        .into_iter()
        .map(|frame| {
            let mut call = Call::open(recognizer);
            let at = speak(&mut call, speech(0, 1_800), frame, 200);
            pause(&mut call, at)
        })
        .collect();
    assert!(words.iter().all(|other| *other == words[0]), "{words:?}");
}

fn a_dropped_stream_leaves_the_others_alone(recognizer: &dyn Recognizer) {
    let mut kept = Call::open(recognizer);
    let mut alone = Call::open(recognizer);
    let at = speak(&mut alone, speech(0, 1_500), 160, 200);
    let expected = pause(&mut alone, at);
    for _ in 0..4 {
        let mut dropped = Call::open(recognizer);
        let at = speak(&mut dropped, speech(3_000, 6_000), 160, 100);
        dropped.hint(Hint::Pause { at });
    }
    let at = speak(&mut kept, speech(0, 1_500), 160, 200);
    assert_eq!(pause(&mut kept, at), expected);
}

fn a_language_it_does_not_speak_is_refused(recognizer: &dyn Recognizer) {
    let config = StreamConfig { rate: SampleRate::HZ_8000, language: "fr-FR".to_owned() };
    let error = recognizer.open(&config).err().expect("it speaks no French");
    assert!(matches!(&error, RecognizerError::Language { language, .. } if language == "fr-FR"));
    let english = StreamConfig { language: "EN_gb".to_owned(), ..config };
    assert!(recognizer.open(&english).is_ok());
}

fn hints_out_of_order_and_place_break_nothing(recognizer: &dyn Recognizer) {
    let mut call = Call::open(recognizer);
    for at in [0, 4_000, u64::MAX] {
        for hint in [
            Hint::Pause { at },
            Hint::TurnEnded,
            Hint::SpeechStarted { at },
            Hint::SpeechStarted { at },
            Hint::TurnEnded,
            Hint::Pause { at },
            Hint::Pause { at },
            Hint::TurnEnded,
            Hint::TurnEnded,
        ] {
            call.hint(hint);
            call.push(speech(0, 100));
        }
    }
    let at = speak(&mut call, speech(0, 1_500), 160, 200);
    pause(&mut call, at);
}

/// Nothing follows the failure that `fail` brings about.
fn nothing_follows_a_failure(mut call: Call) {
    let failure = |event: &RecognizerEvent| matches!(event, RecognizerEvent::Failed(_));
    let at = speak(&mut call, speech(0, 1_000), 160, 200);
    if !call.events.iter().any(failure) {
        call.wait_for(failure);
    }
    let told = call.events.len();
    call.hint(Hint::Pause { at });
    speak(&mut call, speech(0, 1_000), 160, 200);
    call.hint(Hint::TurnEnded);
    call.poll();
    assert_eq!(call.events.len(), told, "{:?}", call.events);
}

/// The suite for one recogniser; `$make` gives one, `$failing` a call on one that fails, or `None`
/// where it cannot be had here.
macro_rules! conformance {
    ($provider:ident, $make:expr, failing: $failing:expr) => {
        mod $provider {
            use super::*;

            conformance!(@each $make,
                segments_count_up_and_covers_never_go_back,
                a_pause_is_answered_even_without_words,
                the_size_of_a_push_does_not_matter,
                a_dropped_stream_leaves_the_others_alone,
                a_language_it_does_not_speak_is_refused,
                hints_out_of_order_and_place_break_nothing,
            );

            #[test]
            fn nothing_follows_a_failure() {
                if let Some(call) = $failing {
                    super::nothing_follows_a_failure(call);
                }
            }
        }
    };
    (@each $make:expr, $($test:ident,)*) => {
        $(
            #[test]
            fn $test() {
                if let Some(recognizer) = $make {
                    super::$test(&recognizer);
                }
            }
        )*
    };
}

conformance!(moonshine, moonshine(), failing: orphan(moonshine()));
conformance!(sherpa, sherpa(), failing: orphan(sherpa()));
conformance!(deepgram, Some(deepgram()), failing: Some(Call::open(&deepgram_that(
    mocks::deepgram::DeepgramConfig { fail_after: Some(Duration::from_millis(500)), ..server() }
))));
conformance!(scripted, scripted(), failing: {
    let failure = Cue::Failure("as the script wants".to_owned());
    let utterance = Utterance::default().with(Duration::from_millis(500), failure);
    Some(Call::open(&Scripted::new([utterance])))
});

/// A call whose recogniser is gone.
fn orphan(recognizer: Option<impl Recognizer>) -> Option<Call> {
    recognizer.map(|recognizer| Call::open(&recognizer))
}

fn moonshine() -> Option<Moonshine> {
    // It takes noise for what it is, so that there would be no words to look at.
    real_speech()?;
    let folder = call::model("moonshine-tiny-en")?;
    let model = Moonshine::load(&call::runtime(), &folder, NonZeroUsize::MIN);
    Some(model.expect("the model loads"))
}

fn sherpa() -> Option<Sherpa> {
    let folder = call::repository().join("asr/tests/data/tiny-transducer");
    let options = SherpaOptions { languages: vec!["en".to_owned()], end_of_turn: None };
    Some(Sherpa::load(&folder, options).expect("the tiny model loads"))
}

/// Where the connections of services and of their stand-ins live.
static NETWORK: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().expect("a runtime"));

/// A recogniser and the stand-in for its service, which ends with it.
#[derive(Debug)]
struct Served {
    recognizer: Deepgram,
    server: mocks::Deepgram,
}

impl Recognizer for Served {
    fn open(&self, config: &StreamConfig) -> Result<Box<dyn RecognizerStream>, RecognizerError> {
        self.recognizer.open(config)
    }
}

fn server() -> mocks::deepgram::DeepgramConfig {
    let words = "one two three four five";
    let utterance = mocks::Utterance::evenly(words, Duration::from_millis(150));
    mocks::deepgram::DeepgramConfig {
        script: mocks::Script::new(vec![utterance]),
        prompt: true,
        key: Some("a-key".to_owned()),
        fail_after: None,
    }
}

fn deepgram_that(server: mocks::deepgram::DeepgramConfig) -> Served {
    let key = server.key.clone();
    let server = NETWORK.block_on(mocks::Deepgram::start(server)).expect("a local port");
    // It speaks English alone.
    let model = "nova-3-medical".to_owned();
    let config = DeepgramConfig { base_url: server.base_url(), api_key: key, model };
    let recognizer = Deepgram::new(config, NETWORK.handle()).expect("a sound configuration");
    Served { recognizer, server }
}

fn deepgram() -> Served {
    deepgram_that(server())
}

#[test]
fn a_wrong_key_fails_the_stream_and_says_so() {
    let Served { server, .. } = deepgram();
    let config = DeepgramConfig {
        base_url: server.base_url(),
        api_key: Some("hunter2".to_owned()),
        ..DeepgramConfig::default()
    };
    let recognizer = Deepgram::new(config, NETWORK.handle()).expect("a sound configuration");
    let mut call = Call::open(&recognizer);
    let failed = call.wait_for(|event| matches!(event, RecognizerEvent::Failed(_)));
    let RecognizerEvent::Failed(error) = failed else { unreachable!("that was waited for") };
    let error = error.to_string();
    assert!(error.contains("HTTP 401: the key"), "{error}");
    assert!(!error.contains("hunter2"), "{error}");
}

#[test]
fn connections_are_made_ahead_and_closed_after_the_call() {
    let served = deepgram();
    let wait_for = |wanted: &dyn Fn(&mocks::Deepgram) -> bool| {
        let deadline = std::time::Instant::now() + Duration::from_secs(60);
        while !wanted(&served.server) {
            assert!(std::time::Instant::now() < deadline, "{:?}", served.server);
            std::thread::yield_now();
        }
    };
    let first = Call::open(&served);
    // Its own, and the one for the next.
    wait_for(&|server| server.accepted() == 2);
    let second = Call::open(&served);
    wait_for(&|server| server.accepted() == 3);
    drop((first, second));
    wait_for(&|server| server.open() == 1);
    drop(served.recognizer);
    let deadline = std::time::Instant::now() + Duration::from_secs(60);
    while served.server.open() > 0 {
        assert!(std::time::Instant::now() < deadline, "the spare stays open");
        std::thread::yield_now();
    }
}

fn scripted() -> Option<Scripted> {
    let words = || Utterance::evenly("one two three four five", Duration::from_millis(800));
    Some(Scripted::new((0..8).map(|_| words())).with_languages(["en"]))
}
