//! The Silero model scores as its own Python package does, alone and in batches.

mod models;

use vad::silero::{Band, Memory, Silero};
use vad::{LoadError, SileroVad};

fn load(max_batch: usize) -> Option<Silero> {
    let (runtime, path) = (models::runtime()?, models::model("silero-vad/silero_vad.onnx")?);
    Some(Silero::load(&runtime, &path, max_batch).expect("Silero loads"))
}

fn alone(silero: &mut Silero, band: Band, samples: &[i16]) -> Vec<f32> {
    let mut memory = Memory::default();
    samples
        .chunks_exact(band.window())
        .map(|window| {
            let mut batch = silero.batch(band, 1);
            batch.load(0, &memory, window);
            batch.run().expect("runs");
            batch.store(0, &mut memory)
        })
        .collect()
}

fn assert_close(scores: &[f32], reference: &[f32]) {
    assert_eq!(scores.len(), reference.len());
    for (index, (score, reference)) in scores.iter().zip(reference).enumerate() {
        assert!((score - reference).abs() < 1e-3, "window {index}: {score}, not {reference}");
    }
}

#[test]
fn scores_at_8_khz_are_those_of_the_python_package() {
    let Some((mut silero, speech)) = load(1).zip(models::speech_8k()) else { return };
    let reference = models::numbers(include_str!("data/silero_8k.txt"));
    assert_close(&alone(&mut silero, Band::Narrow, &speech), &reference);
}

#[test]
fn scores_at_16_khz_are_those_of_the_python_package() {
    let Some((mut silero, speech)) = load(1).zip(models::speech_16k()) else { return };
    let reference = models::numbers(include_str!("data/silero_16k.txt"));
    assert_close(&alone(&mut silero, Band::Wide, &speech), &reference);
}

#[test]
fn a_row_of_a_batch_scores_as_it_does_alone() {
    let Some((mut silero, speech)) = load(7).zip(models::speech_8k()) else { return };
    let band = Band::Narrow;
    // Seven streams, each at another place of the speech; the batch shrinks as they end.
    let streams: Vec<&[i16]> = (0..7).map(|row| &speech[row * 4_000..24_000]).collect();
    let expected: Vec<_> =
        streams.iter().map(|samples| alone(&mut silero, band, samples)).collect();
    let mut memories = vec![Memory::default(); streams.len()];
    for turn in 0..24_000 / band.window() {
        let at = turn * band.window()..(turn + 1) * band.window();
        let live: Vec<usize> =
            (0..streams.len()).filter(|&row| at.end <= streams[row].len()).collect();
        if live.is_empty() {
            break;
        }
        let mut batch = silero.batch(band, live.len());
        for (row, &stream) in live.iter().enumerate() {
            batch.load(row, &memories[stream], &streams[stream][at.clone()]);
        }
        batch.run().expect("runs");
        for (row, &stream) in live.iter().enumerate() {
            let score = batch.store(row, &mut memories[stream]);
            let expected = expected[stream][turn];
            assert!((score - expected).abs() < 1e-5, "stream {stream}: {score}, not {expected}");
        }
    }
}

#[test]
fn another_model_is_refused_by_name() {
    let Some((runtime, path)) =
        models::runtime().zip(models::model("smart-turn-v3.2/smart-turn-v3.2-cpu.onnx"))
    else {
        return;
    };
    let error = SileroVad::start(&runtime, &path, Default::default()).expect_err("not Silero");
    assert!(matches!(error, LoadError::WrongModel { .. }), "{error}");
    assert!(error.to_string().contains("input_features"), "{error}");
}

#[test]
fn a_missing_model_is_named_with_the_remedy() {
    let Some(runtime) = models::runtime() else { return };
    let path = std::path::Path::new("nowhere/silero_vad.onnx");
    let error = SileroVad::start(&runtime, path, Default::default()).expect_err("missing");
    let text = error.to_string();
    assert!(text.contains("nowhere/silero_vad.onnx") && text.contains("models verify"), "{text}");
}
