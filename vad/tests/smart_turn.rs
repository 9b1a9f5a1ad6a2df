//! The features are Whisper's, the scores smart-turn's own, and looks are answered off the path.

mod models;

use std::path::Path;
use std::time::{Duration, Instant};

use codecs::SampleRate;
use vad::mel::{BANDS, FRAMES, LogMel};
use vad::{LoadError, TurnModel, TurnSettings, TurnWorker};

const MODEL: &str = "smart-turn-v3.2/smart-turn-v3.2-cpu.onnx";

fn demo(seconds: usize) -> Option<Vec<i16>> {
    let speech = models::samples(&models::model("demo-speech-en/two_cities.wav")?);
    Some(speech[..seconds * 48_000].iter().copied().step_by(3).collect())
}

fn load() -> Option<TurnModel> {
    let (runtime, path) = (models::runtime()?, models::model(MODEL)?);
    Some(TurnModel::load(&runtime, &path).expect("smart-turn loads"))
}

fn start() -> Option<TurnWorker> {
    let (runtime, path) = (models::runtime()?, models::model(MODEL)?);
    // However busy the machine, an ask is answered.
    let settings = TurnSettings { patience: Duration::from_secs(60), ..TurnSettings::default() };
    Some(TurnWorker::start(&runtime, &path, settings).expect("smart-turn starts"))
}

#[test]
fn the_features_are_those_of_the_whisper_extractor() {
    let Some((short, long)) = demo(2).zip(demo(12)) else { return };
    let reference = models::numbers(include_str!("data/mel.txt"));
    let (mut mel, mut features) = (LogMel::new(), vec![0.0; BANDS * FRAMES]);
    let mut computed: Vec<f32> = Vec::new();
    for speech in [short, long] {
        mel.compute(&speech, &mut features);
        for band in features.chunks_exact(FRAMES).step_by(7) {
            computed.extend(band.iter().step_by(37));
        }
    }
    assert_eq!(computed.len(), reference.len());
    for (index, (&computed, &reference)) in computed.iter().zip(&reference).enumerate() {
        assert!((computed - reference).abs() < 1e-4, "{index}: {computed}, not {reference}");
    }
}

#[test]
fn the_scores_are_those_of_the_python_recipe() {
    let Some(mut model) = load() else { return };
    for line in include_str!("data/turn_scores.txt").lines().filter(|line| !line.starts_with('#')) {
        let (name, reference) = line.split_once(' ').expect("a name and a score");
        let reference: f32 = reference.parse().expect("a score");
        let pcm = match name {
            "demo" => demo(12),
            _ => models::shared_audio(name).map(|path| models::samples(&path)),
        };
        let Some(pcm) = pcm else { continue };
        let score = model.score(&pcm).expect("runs");
        println!("{name}: {score}, {reference} in Python");
        // The same to six digits on the machine the reference is from. The 8-bit kernels of another
        // processor round otherwise.
        assert!((score - reference).abs() < 0.03, "{name}: {score}, not {reference}");
    }
}

#[test]
fn a_call_at_8_khz_is_looked_at_as_at_16() {
    let Some(((worker, mut model), speech)) = start().zip(load()).zip(demo(12)) else { return };
    let expected = model.score(&speech).expect("runs");
    let mut narrow = worker.open(SampleRate::HZ_8000).expect("a known rate");
    let mut wide = worker.open(SampleRate::HZ_16000).expect("a known rate");
    let halved: Vec<i16> = speech.iter().copied().step_by(2).collect();
    // Twelve seconds, in frames, with a look at every second on the way: the ring turns over.
    for (second, (narrow_pcm, wide_pcm)) in
        halved.chunks(8_000).zip(speech.chunks(16_000)).enumerate()
    {
        for frame in narrow_pcm.chunks(160) {
            narrow.push(frame);
        }
        for frame in wide_pcm.chunks(320) {
            wide.push(frame);
        }
        // In the telephone band the model hears less, and thinks alike.
        for (stream, tolerance) in [(&mut narrow, 0.1), (&mut wide, 1e-6)] {
            stream.ask(second as u32, Instant::now());
            let (pause, score) = models::wait(|cx| stream.poll_score(cx));
            assert_eq!(pause, second as u32);
            if second == 11 {
                assert!((score - expected).abs() <= tolerance, "{score}, not {expected}");
            }
        }
    }
    let counters = worker.counters();
    assert_eq!((counters.answered, counters.lost_samples, counters.failed), (24, 0, 0));
}

#[test]
fn other_rates_have_no_turn_model() {
    let Some(worker) = start() else { return };
    assert!(worker.open(SampleRate::HZ_48000).is_none());
}

#[test]
fn another_model_is_refused() {
    let Some((runtime, path)) = models::runtime().zip(models::model("silero-vad/silero_vad.onnx"))
    else {
        return;
    };
    let error = TurnModel::load(&runtime, &path).expect_err("not smart-turn");
    assert!(matches!(error, LoadError::WrongModel { .. }), "{error}");
    let error = TurnModel::load(&runtime, Path::new("nowhere.onnx")).expect_err("missing");
    assert!(error.to_string().contains("nowhere.onnx"), "{error}");
}
