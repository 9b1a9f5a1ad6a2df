//! Where the tests find ONNX Runtime, the models, and speech.
#![allow(dead_code, reason = "each test binary uses its share")]

use std::path::PathBuf;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::Duration;

use vad::{Score, VadStream};

fn root() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// A file under the models directory, or `None` with a word on it.
pub(crate) fn model(name: &str) -> Option<PathBuf> {
    let models = std::env::var_os("CAUSERIE_MODELS_DIR")
        .map_or_else(|| root().join("models"), PathBuf::from);
    present(models.join(name))
}

/// A file of the shared audio, or `None` with a word on it.
pub(crate) fn shared_audio(name: &str) -> Option<PathBuf> {
    present(root().join("../shared/audio").join(name))
}

fn present(path: PathBuf) -> Option<PathBuf> {
    if path.exists() {
        return Some(path);
    }
    eprintln!("skipped: {} is absent; run `make setup`", path.display());
    None
}

/// ONNX Runtime, or `None` with a word on it.
pub(crate) fn runtime() -> Option<onnx::Runtime> {
    let library = std::env::var_os("CAUSERIE_ONNXRUNTIME")
        .map_or_else(|| root().join("native/lib/libonnxruntime.so"), PathBuf::from);
    let library = present(library)?;
    Some(onnx::Runtime::load(&library).expect("the library is there"))
}

/// The samples of a mono WAV of 16 bits.
pub(crate) fn samples(path: &std::path::Path) -> Vec<i16> {
    let mut wav = hound::WavReader::open(path).expect("a WAV file");
    assert_eq!((wav.spec().channels, wav.spec().bits_per_sample), (1, 16));
    wav.samples::<i16>().collect::<Result<_, _>>().expect("whole")
}

/// The first 6 s of the demo speech at 16 kHz: every third sample, so that the fixtures depend on
/// no resampler.
pub(crate) fn speech_16k() -> Option<Vec<i16>> {
    Some(speech_48k()?.into_iter().step_by(3).collect())
}

/// The same at 8 kHz: every sixth sample.
pub(crate) fn speech_8k() -> Option<Vec<i16>> {
    Some(speech_48k()?.into_iter().step_by(6).collect())
}

fn speech_48k() -> Option<Vec<i16>> {
    let mut speech = samples(&model("demo-speech-en/two_cities.wav")?);
    speech.truncate(6 * 48_000);
    Some(speech)
}

/// The numbers of a fixture: one a line, `#` starts a comment.
pub(crate) fn numbers(text: &str) -> Vec<f32> {
    text.lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.trim().parse().expect("a number"))
        .collect()
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// A waker that unparks this thread.
pub(crate) fn waker() -> Waker {
    Waker::from(Arc::new(Unpark(std::thread::current())))
}

/// Waits for what `poll` polls for.
///
/// # Panics
///
/// Where nothing wakes this thread for 20 s.
pub(crate) fn wait<T>(mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>) -> T {
    let waker = waker();
    let mut cx = Context::from_waker(&waker);
    let limit = Duration::from_secs(20);
    loop {
        if let Poll::Ready(value) = poll(&mut cx) {
            return value;
        }
        let before = std::time::Instant::now();
        std::thread::park_timeout(limit);
        assert!(before.elapsed() < limit, "nothing came, and nothing woke this thread");
    }
}

/// Waits for the next score.
pub(crate) fn next_score(stream: &mut dyn VadStream) -> Score {
    wait(|cx| stream.poll_score(cx))
}

/// All scores of `samples` pushed in frames of `frame`, waiting for each window's.
pub(crate) fn scores(
    stream: &mut dyn VadStream,
    samples: &[i16],
    frame: usize,
    window: usize,
) -> Vec<Score> {
    let (mut heard, mut pushed) = (Vec::new(), 0);
    for frame in samples.chunks(frame) {
        stream.push(frame);
        pushed += frame.len();
        while heard.len() < pushed / window {
            heard.push(next_score(stream));
        }
    }
    heard
}
