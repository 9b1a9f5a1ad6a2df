//! What the models of this crate cost on one thread of this machine.
//!
//! `cargo run --release -p vad --example cost`, from the repository's root, after `make setup`.

use std::error::Error;
use std::path::Path;
use std::time::{Duration, Instant};

use codecs::{Resampler, SampleRate};
use vad::TurnModel;
use vad::mel::{BANDS, FRAMES, LogMel};
use vad::silero::{Band, Memory, Silero};

/// The median of `runs` timings of `work`, after a tenth as many to warm up.
fn median(runs: usize, mut work: impl FnMut()) -> Duration {
    (0..runs / 10).for_each(|_| work());
    let mut times: Vec<Duration> = (0..runs)
        .map(|_| {
            let start = Instant::now();
            work();
            start.elapsed()
        })
        .collect();
    times.sort_unstable();
    times[runs / 2]
}

fn main() -> Result<(), Box<dyn Error>> {
    let runtime = onnx::Runtime::load(Path::new("native/lib/libonnxruntime.so"))?;
    let mut wav = hound::WavReader::open("models/demo-speech-en/two_cities.wav")?;
    let speech: Vec<i16> = wav.samples::<i16>().step_by(3).collect::<Result<_, _>>()?;

    let mut silero = Silero::load(&runtime, Path::new("models/silero-vad/silero_vad.onnx"), 32)?;
    println!("silero                µs a run   µs a window");
    for band in [Band::Narrow, Band::Wide] {
        for rows in [1, 2, 4, 8, 16, 24, 32] {
            let mut memories = vec![Memory::default(); rows];
            let mut at = 0;
            let time = median(1_000, || {
                let mut batch = silero.batch(band, rows);
                for (row, memory) in memories.iter().enumerate() {
                    let start = (at + row * 4_000) % (speech.len() - band.window());
                    batch.load(row, memory, &speech[start..start + band.window()]);
                }
                batch.run().expect("runs");
                for (row, memory) in memories.iter_mut().enumerate() {
                    std::hint::black_box(batch.store(row, memory));
                }
                at += band.window();
            });
            let micros = time.as_secs_f64() * 1e6;
            let hz = band.rate().hz();
            println!("{hz:5} Hz, batch of {rows:2} {micros:8.0} {:13.1}", micros / rows as f64);
        }
    }

    let (mut mel, mut features) = (LogMel::new(), vec![0.0; BANDS * FRAMES]);
    let eight = &speech[..8 * 16_000];
    let halved: Vec<i16> = eight.iter().copied().step_by(2).collect();
    let mut upsampler = Resampler::new(SampleRate::HZ_8000, SampleRate::HZ_16000)?;
    let mut pcm = Vec::with_capacity(mel_room(&upsampler));
    let millis = |time: Duration| time.as_secs_f64() * 1e3;
    let resampling = median(100, || {
        pcm.clear();
        upsampler.process(&halved, &mut pcm);
        upsampler.flush(&mut pcm);
    });
    println!("smart-turn               ms");
    println!("8 s from 8 to 16 kHz {:6.2}", millis(resampling));
    let whole = median(100, || mel.compute(eight, &mut features));
    println!("features of 8 s      {:6.2}", millis(whole));
    let short = median(100, || mel.compute(&eight[..32_000], &mut features));
    println!("features of 2 s      {:6.2}", millis(short));
    let model = Path::new("models/smart-turn-v3.2/smart-turn-v3.2-cpu.onnx");
    let mut model = TurnModel::load(&runtime, model)?;
    let look = median(50, || {
        std::hint::black_box(model.score(eight).expect("runs"));
    });
    println!("a look, features in  {:6.2}", millis(look));
    Ok(())
}

fn mel_room(upsampler: &Resampler) -> usize {
    upsampler.output_bound(64_000) + upsampler.flush_bound()
}
