//! One call's audio into a recogniser, and what comes back.
#![allow(dead_code, unreachable_pub, reason = "each test binary uses its part")]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use asr::{Hint, Recognizer, RecognizerEvent, RecognizerStream, StreamConfig, Transcript};
use codecs::SampleRate;
use codecs::resample::Resampler;

/// How long a test waits for an event that must come, on the slowest machine.
const PATIENCE: Duration = Duration::from_secs(60);

pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The folder of a model, or `None` with a line that says so.
pub fn model(name: &str) -> Option<PathBuf> {
    let models = std::env::var_os("CAUSERIE_MODELS_DIR")
        .map_or_else(|| repository().join("models"), PathBuf::from);
    let folder = models.join(name);
    if !folder.is_dir() {
        eprintln!("skipped: the model {} is not there; run `make setup`", folder.display());
        return None;
    }
    Some(folder)
}

pub fn runtime() -> onnx::Runtime {
    let library = std::env::var_os("CAUSERIE_ONNXRUNTIME")
        .map_or_else(|| repository().join("native/lib/libonnxruntime.so"), PathBuf::from);
    onnx::Runtime::load(&library).expect("ONNX Runtime was set up")
}

/// An utterance of the shared recordings, with the place of its speech in ms.
pub struct Recording {
    pub name: String,
    pub kind: String,
    pub said: String,
    pub samples: Vec<i16>,
    pub start: u64,
    pub end: u64,
}

/// The recordings in English whose path contains `part`, in telephone quality: at 8 kHz, through
/// µ-law. Empty, with a line that says so, where the recordings are not there.
pub fn recordings(part: &str) -> Vec<Recording> {
    let folder = repository().join("../shared/audio");
    let Ok(list) = std::fs::read_to_string(folder.join("eval.tsv")) else {
        eprintln!("skipped: the recordings in {} are not there", folder.display());
        return Vec::new();
    };
    list.lines()
        .skip(1)
        .filter_map(|line| {
            let fields: Vec<&str> = line.split('\t').collect();
            let [file, "en", kind, _, said, start, end, ..] = fields[..] else { return None };
            if !file.contains(part) || !file.ends_with(".wav") {
                return None;
            }
            Some(Recording {
                name: file.to_owned(),
                kind: kind.to_owned(),
                said: said.to_owned(),
                samples: telephone(&folder.join(file)),
                start: start.parse().expect("milliseconds"),
                end: end.parse().expect("milliseconds"),
            })
        })
        .collect()
}

/// A mono WAV as a caller sounds: at 8 kHz, through µ-law.
pub fn telephone(path: &Path) -> Vec<i16> {
    let mut wav = hound::WavReader::open(path).expect("a WAV file");
    let rate = SampleRate::new(wav.spec().sample_rate).expect("not zero");
    let samples: Vec<i16> = wav.samples().map(|sample| sample.expect("16 bits")).collect();
    let mut resampler = Resampler::new(rate, SampleRate::HZ_8000).expect("a standard rate");
    let mut narrow = Vec::new();
    resampler.process(&samples, &mut narrow);
    resampler.flush(&mut narrow);
    let mut codes = vec![0; narrow.len()];
    codecs::g711::mulaw_encode_into(&narrow, &mut codes);
    codecs::g711::mulaw_decode_into(&codes, &mut narrow);
    narrow
}

/// A stream, its position, and all that it told.
pub struct Call {
    stream: Box<dyn RecognizerStream>,
    position: u64,
    pub events: Vec<RecognizerEvent>,
}

impl Call {
    pub fn open(recognizer: &dyn Recognizer) -> Self {
        let config = StreamConfig { rate: SampleRate::HZ_8000, language: "en-US".to_owned() };
        let stream = recognizer.open(&config).expect("speaks English");
        Self { stream, position: 0, events: Vec::new() }
    }

    pub fn position(&self) -> u64 {
        self.position
    }

    /// Pushes `samples` in frames of `frame`, and polls after each as a session does.
    pub fn push_in(&mut self, samples: &[i16], frame: usize) {
        for frame in samples.chunks(frame) {
            self.stream.push(frame);
            self.position += frame.len() as u64;
            self.poll();
        }
    }

    pub fn push(&mut self, samples: &[i16]) {
        self.push_in(samples, 160);
    }

    pub fn silence(&mut self, ms: usize) {
        self.push(&vec![0; ms * 8]);
    }

    pub fn hint(&mut self, hint: Hint) {
        self.stream.hint(hint);
    }

    /// Takes what is there.
    pub fn poll(&mut self) {
        while let Poll::Ready(event) =
            self.stream.poll_event(&mut Context::from_waker(Waker::noop()))
        {
            self.events.push(event);
        }
    }

    /// Waits for the next event that `wanted` accepts; keeps those before it too.
    pub fn wait_for(&mut self, wanted: impl Fn(&RecognizerEvent) -> bool) -> RecognizerEvent {
        struct Unpark(Thread);
        impl Wake for Unpark {
            fn wake(self: Arc<Self>) {
                self.0.unpark();
            }
        }
        let waker = Waker::from(Arc::new(Unpark(thread::current())));
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.stream.poll_event(&mut Context::from_waker(&waker)) {
                Poll::Ready(event) => {
                    self.events.push(event.clone());
                    if wanted(&event) {
                        return event;
                    }
                }
                Poll::Pending => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    assert!(!left.is_zero(), "no such event; so far: {:?}", self.events);
                    thread::park_timeout(left);
                }
            }
        }
    }

    /// Waits for a transcript that `wanted` accepts.
    pub fn wait_for_words(&mut self, wanted: impl Fn(&Transcript) -> bool) -> Transcript {
        let event = self.wait_for(|event| match event {
            RecognizerEvent::Transcript(transcript) => wanted(transcript),
            _ => false,
        });
        match event {
            RecognizerEvent::Transcript(transcript) => transcript,
            _ => unreachable!("only transcripts are accepted"),
        }
    }

    pub fn transcripts(&self) -> Vec<&Transcript> {
        let mut transcripts = Vec::new();
        for event in &self.events {
            if let RecognizerEvent::Transcript(transcript) = event {
                transcripts.push(transcript);
            }
        }
        transcripts
    }
}
