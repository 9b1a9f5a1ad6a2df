//! How long words take: plays recordings to Moonshine at the pace of calls, with the hints of a
//! voice gate, and prints the time from each pause to its words, and what partials there were.
//!
//! `cargo run -p asr --example moonshine_latency -- MODEL_FOLDER CALLS FILE.wav...`, each file
//! mono, 16 bits, one utterance with some silence around it; ONNX Runtime is taken from
//! `CAUSERIE_ONNXRUNTIME`, else from wherever the dynamic linker finds it.

use std::error::Error;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use asr::moonshine::Moonshine;
use asr::{Hint, Recognizer, RecognizerEvent, Stability, StreamConfig};
use codecs::SampleRate;
use codecs::resample::Resampler;

const FRAME: usize = 160;
const FRAME_TIME: Duration = Duration::from_millis(20);
/// How late a voice gate tells of speech and of silence, in samples: two windows.
const NEWS: usize = 512;

struct Utterance {
    samples: Vec<i16>,
    start: usize,
    end: usize,
}

#[derive(Default)]
struct Heard {
    /// From the hint of the pause to its words.
    finals: Vec<Duration>,
    /// From the beginning of speech to the first partial.
    firsts: Vec<Duration>,
    partials: usize,
    speech: Duration,
    texts: Vec<String>,
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(folder), Some(calls)) = (arguments.next(), arguments.next()) else {
        return Err("usage: moonshine_latency MODEL_FOLDER CALLS FILE.wav...".into());
    };
    let calls: usize = calls.parse()?;
    let utterances: Vec<Utterance> =
        arguments.map(|path| load(Path::new(&path))).collect::<Result<_, _>>()?;
    if utterances.is_empty() || calls == 0 {
        return Err("give at least one call and one recording".into());
    }
    let library = std::env::var_os("CAUSERIE_ONNXRUNTIME")
        .map_or_else(|| PathBuf::from(onnx::DEFAULT_LIBRARY), PathBuf::from);
    let runtime = onnx::Runtime::load(&library)?;
    let moonshine = Moonshine::load(&runtime, Path::new(&folder), NonZeroUsize::MIN)?;

    let mut all = Heard::default();
    thread::scope(|scope| {
        let running: Vec<_> = (0..calls)
            .map(|call| {
                let (moonshine, utterances) = (&moonshine, &utterances);
                scope.spawn(move || {
                    // Callers do not speak in step.
                    thread::sleep(Duration::from_millis(397 * call as u64));
                    play(moonshine, utterances)
                })
            })
            .collect();
        for call in running {
            let heard = call.join().expect("a call does not panic");
            all.finals.extend(heard.finals);
            all.firsts.extend(heard.firsts);
            all.partials += heard.partials;
            all.speech += heard.speech;
            all.texts = heard.texts;
        }
    });
    for text in &all.texts {
        println!("{text}");
    }
    println!("pause to words:          {}", spread(&mut all.finals));
    println!("speech to first partial: {}", spread(&mut all.firsts));
    println!(
        "{} partials in {:.1} s of speech; {:?}",
        all.partials,
        all.speech.as_secs_f64(),
        moonshine.counts()
    );
    Ok(())
}

/// Reads a recording as a caller sounds, and finds its speech: from the first to the last 20 ms
/// louder than a fiftieth of the loudest.
fn load(path: &Path) -> Result<Utterance, Box<dyn Error>> {
    let mut wav = hound::WavReader::open(path)?;
    let rate = SampleRate::new(wav.spec().sample_rate).ok_or("the file has no rate")?;
    let wide = wav.samples().collect::<Result<Vec<i16>, _>>()?;
    let mut resampler = Resampler::new(rate, SampleRate::HZ_8000)?;
    let mut samples = Vec::new();
    resampler.process(&wide, &mut samples);
    resampler.flush(&mut samples);
    let mut codes = vec![0; samples.len()];
    codecs::g711::mulaw_encode_into(&samples, &mut codes);
    codecs::g711::mulaw_decode_into(&codes, &mut samples);

    let power = |frame: &[i16]| frame.iter().map(|&s| f64::from(s).powi(2)).sum::<f64>();
    let powers: Vec<f64> = samples.chunks(FRAME).map(power).collect();
    let loudest = powers.iter().copied().fold(0.0, f64::max);
    let loud = |power: &f64| *power > loudest / 2_500.0;
    let start = powers.iter().position(loud).unwrap_or(0) * FRAME;
    let end = powers.iter().rposition(loud).map_or(samples.len(), |last| (last + 1) * FRAME);
    samples.resize((end + NEWS + FRAME).max(samples.len()), 0);
    Ok(Utterance { samples, start, end })
}

fn play(moonshine: &Moonshine, utterances: &[Utterance]) -> Heard {
    let config = StreamConfig { rate: SampleRate::HZ_8000, language: "en".to_owned() };
    let mut stream = moonshine.open(&config).expect("Moonshine speaks English");
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut heard = Heard::default();
    let mut position = 0_u64;
    for utterance in utterances {
        let origin = position;
        let at = |sample: usize| origin + sample as u64;
        let mut due = Instant::now();
        let mut spoke: Option<Instant> = None;
        let mut first = true;
        let mut pushed = 0;
        heard.speech += Duration::from_secs_f64((utterance.end - utterance.start) as f64 / 8e3);
        let paused = loop {
            let frame = &utterance.samples[pushed..utterance.samples.len().min(pushed + FRAME)];
            stream.push(frame);
            pushed += frame.len();
            if spoke.is_none() && pushed >= utterance.start + NEWS {
                spoke = Some(due - Duration::from_millis(64));
                stream.hint(Hint::SpeechStarted { at: at(utterance.start) });
            }
            if pushed >= utterance.end + NEWS {
                stream.hint(Hint::Pause { at: at(utterance.end) });
                break Instant::now();
            }
            due += FRAME_TIME;
            while let Some(left) = due.checked_duration_since(Instant::now()) {
                match stream.poll_event(&mut Context::from_waker(&waker)) {
                    Poll::Ready(RecognizerEvent::Transcript(_)) => {
                        heard.partials += 1;
                        if let (true, Some(spoke)) = (first, spoke) {
                            heard.firsts.push(spoke.elapsed());
                            first = false;
                        }
                    }
                    Poll::Ready(event) => panic!("unexpected: {event:?}"),
                    Poll::Pending => thread::park_timeout(left),
                }
            }
        };
        loop {
            match stream.poll_event(&mut Context::from_waker(&waker)) {
                Poll::Ready(RecognizerEvent::Transcript(words))
                    if words.stability != Stability::Partial =>
                {
                    heard.finals.push(paused.elapsed());
                    heard.texts.push(words.text);
                    break;
                }
                Poll::Ready(_) => {}
                Poll::Pending => thread::park(),
            }
        }
        stream.hint(Hint::TurnEnded);
        position += pushed as u64;
    }
    heard
}

fn spread(times: &mut [Duration]) -> String {
    times.sort();
    let ms = |share: f64| {
        let index = ((times.len() - 1) as f64 * share).round() as usize;
        times[index].as_secs_f64() * 1e3
    };
    match times.len() {
        0 => "none".to_owned(),
        count => format!(
            "p50 {:.0} ms, p95 {:.0} ms, longest {:.0} ms of {count}",
            ms(0.5),
            ms(0.95),
            ms(1.0)
        ),
    }
}
