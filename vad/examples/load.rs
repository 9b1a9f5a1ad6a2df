//! How long scores take, and what they cost, with many calls at once.
//!
//! `cargo run --release -p vad --example load -- 300`, from the repository's root, after
//! `make setup`. Every call pushes 20 ms of speech every 20 ms, the calls spread evenly; half of
//! them hear digital silence. A score's time runs from the push that completes its window to the
//! poll that finds it; the polls are 0.25 ms apart.

use std::error::Error;
use std::path::Path;
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use codecs::SampleRate;
use vad::{SileroVad, Vad, VadStream};

const FRAME: Duration = Duration::from_millis(20);
const POLL: Duration = Duration::from_micros(250);
const LENGTH: Duration = Duration::from_secs(10);

struct Call {
    stream: Box<dyn VadStream>,
    due: Instant,
    at: usize,
    pushed: usize,
    /// When the windows not yet scored were whole.
    waiting: std::collections::VecDeque<Instant>,
}

/// Processor time of this process's thread called `name`.
fn thread_time(name: &str) -> std::io::Result<Duration> {
    for task in std::fs::read_dir("/proc/self/task")? {
        let task = task?.path();
        if std::fs::read_to_string(task.join("comm"))?.trim() == name {
            // Nanoseconds on the processor (proc(5), schedstat).
            let schedstat = std::fs::read_to_string(task.join("schedstat"))?;
            let nanos = schedstat.split(' ').next().and_then(|nanos| nanos.parse().ok());
            return Ok(Duration::from_nanos(nanos.unwrap_or(0)));
        }
    }
    Ok(Duration::ZERO)
}

fn main() -> Result<(), Box<dyn Error>> {
    let calls: u32 = std::env::args().nth(1).map_or(Ok(300), |count| count.parse())?;
    let runtime = onnx::Runtime::load(Path::new("native/lib/libonnxruntime.so"))?;
    let model = Path::new("models/silero-vad/silero_vad.onnx");
    let vad = SileroVad::start(&runtime, model, Default::default())?;
    let mut wav = hound::WavReader::open("models/demo-speech-en/two_cities.wav")?;
    let speech: Vec<i16> = wav.samples::<i16>().step_by(6).collect::<Result<_, _>>()?;

    let start = Instant::now();
    let mut lines = Vec::new();
    for call in 0..calls {
        lines.push(Call {
            stream: vad.open(SampleRate::HZ_8000).ok_or("8 kHz is a known rate")?,
            due: start + FRAME * call / calls,
            at: (call as usize * 7_919) % (speech.len() - 100_000),
            pushed: 0,
            waiting: std::collections::VecDeque::new(),
        });
    }
    let busy = thread_time("vad")?;
    let mut times = Vec::new();
    let mut cx = Context::from_waker(Waker::noop());
    while start.elapsed() < LENGTH {
        let now = Instant::now();
        for (index, call) in lines.iter_mut().enumerate() {
            while call.due <= now {
                call.due += FRAME;
                let speaks = index % 2 == 0;
                let frame = &speech[call.at..call.at + 160];
                call.stream.push(if speaks { frame } else { &[0; 160] });
                call.at = (call.at + 160) % (speech.len() - 160);
                if (call.pushed + 160) / 256 > call.pushed / 256 {
                    call.waiting.push_back(now);
                }
                call.pushed += 160;
            }
            while call.stream.poll_score(&mut cx).is_ready() {
                if let Some(since) = call.waiting.pop_front() {
                    times.push(since.elapsed());
                }
            }
        }
        std::thread::sleep(POLL);
    }
    let busy = thread_time("vad")? - busy;
    times.sort_unstable();
    let quantile = |q: usize| times[(times.len() - 1) * q / 100].as_secs_f64() * 1e3;
    let counters = vad.counters();
    println!("{calls} calls: {} scores, {counters:?}", times.len());
    println!(
        "mean batch {:.1}; thread {:.1} % of a core; score after p50 {:.2} p99 {:.2} ms",
        counters.scored as f64 / counters.batches.max(1) as f64,
        busy.as_secs_f64() / LENGTH.as_secs_f64() * 100.0,
        quantile(50),
        quantile(99),
    );
    Ok(())
}
