//! One thread scores all calls: each as if it were alone, in order, and never deaf.

mod models;

use codecs::SampleRate;
use vad::silero::{Band, Memory, Silero};
use vad::{Score, SileroSettings, SileroVad, Vad};

fn start(settings: SileroSettings) -> Option<SileroVad> {
    let (runtime, path) = (models::runtime()?, models::model("silero-vad/silero_vad.onnx")?);
    Some(SileroVad::start(&runtime, &path, settings).expect("Silero starts"))
}

/// What one stream must score: the reference where it is not silent, 0 where it is. The demo speech
/// has no silence long enough for the gate to skip the model.
fn expected(samples: &[i16], reference: &str) -> Vec<f32> {
    models::numbers(reference)
        .into_iter()
        .zip(samples.chunks(256))
        .map(|(score, window)| if vad::energy::level_dbfs(window) < -66.0 { 0.0 } else { score })
        .collect()
}

fn assert_close(scores: &[Score], expected: &[f32], window: u64) {
    assert_eq!(scores.len(), expected.len());
    for (index, (score, expected)) in scores.iter().zip(expected).enumerate() {
        assert_eq!(score.end, (index as u64 + 1) * window);
        let probability = score.probability;
        assert!((probability - expected).abs() < 1e-3, "{index}: {probability}, not {expected}");
    }
}

#[test]
fn a_call_is_scored_window_by_window() {
    let Some((vad, speech)) = start(SileroSettings::default()).zip(models::speech_8k()) else {
        return;
    };
    let mut stream = vad.open(SampleRate::HZ_8000).expect("a known rate");
    let heard = models::scores(&mut *stream, &speech, 160, 256);
    assert_close(&heard, &expected(&speech, include_str!("data/silero_8k.txt")), 256);
    let counters = vad.counters();
    assert_eq!(counters.scored, heard.len() as u64);
    assert_eq!((counters.lost, counters.failed), (0, 0));
}

#[test]
fn many_calls_are_batched_and_each_is_scored_as_if_alone() {
    let Some(vad) = start(SileroSettings::default()) else { return };
    let Some((narrow, wide)) = models::speech_8k().zip(models::speech_16k()) else { return };
    // More than the 16 that run eagerly, of both rates, no two at the same place.
    let mut calls: Vec<_> = (0..24)
        .map(|call| {
            let (rate, speech, window) = if call % 4 == 3 {
                (SampleRate::HZ_16000, &wide[call * 640..], 512)
            } else {
                (SampleRate::HZ_8000, &narrow[call * 320..], 256)
            };
            (vad.open(rate).expect("a known rate"), &speech[..window * 60], window, Vec::new())
        })
        .collect();
    for turn in 0..60 {
        for (stream, speech, window, _) in &mut calls {
            stream.push(&speech[turn * *window..(turn + 1) * *window]);
        }
        for (stream, _, _, heard) in &mut calls {
            heard.push(models::next_score(&mut **stream));
        }
    }
    let path = models::model("silero-vad/silero_vad.onnx").expect("it was there");
    let runtime = models::runtime().expect("it was there");
    let mut silero = Silero::load(&runtime, &path, 1).expect("Silero loads");
    for (_, speech, window, heard) in &calls {
        let band = if *window == 512 { Band::Wide } else { Band::Narrow };
        let mut memory = Memory::default();
        let alone: Vec<f32> = speech
            .chunks(*window)
            .map(|window| {
                let mut batch = silero.batch(band, 1);
                batch.load(0, &memory, window);
                batch.run().expect("runs");
                let score = batch.store(0, &mut memory);
                if vad::energy::level_dbfs(window) < -66.0 { 0.0 } else { score }
            })
            .collect();
        assert_close(heard, &alone, *window as u64);
    }
    let counters = vad.counters();
    assert_eq!(counters.scored, 24 * 60);
    assert!(counters.batches < counters.scored, "batched: {counters:?}");
}

#[test]
fn a_new_call_hears_nothing_of_the_one_before() {
    let Some((vad, speech)) = start(SileroSettings::default()).zip(models::speech_8k()) else {
        return;
    };
    let hear = || {
        let mut stream = vad.open(SampleRate::HZ_8000).expect("a known rate");
        models::scores(&mut *stream, &speech[8_000..16_000], 160, 256)
    };
    let first = hear();
    // The second also has pushed samples that nobody waited for.
    let mut left = vad.open(SampleRate::HZ_8000).expect("a known rate");
    left.push(&speech[..2_000]);
    drop(left);
    assert_eq!(hear(), first);
}

#[test]
fn digital_silence_costs_no_inference_after_half_a_second() {
    let Some(vad) = start(SileroSettings::default()) else { return };
    let mut stream = vad.open(SampleRate::HZ_8000).expect("a known rate");
    let heard = models::scores(&mut *stream, &[0; 256 * 100], 160, 256);
    assert!(heard.iter().all(|score| score.probability == 0.0));
    let counters = vad.counters();
    assert_eq!((counters.scored, counters.skipped), (16, 84));
}

#[test]
fn a_full_ring_loses_the_newest_windows_and_counts_them() {
    let settings = SileroSettings { backlog: 4, ..SileroSettings::default() };
    let Some((vad, speech)) = start(settings).zip(models::speech_8k()) else { return };
    let mut stream = vad.open(SampleRate::HZ_8000).expect("a known rate");
    // Nobody reads: at most 4 scores and 4 windows are kept, and the first are among them.
    stream.push(&speech[..256 * 40]);
    let first: Vec<u64> = (0..4).map(|_| models::next_score(&mut *stream).end).collect();
    assert_eq!(first, [256, 512, 768, 1_024]);
    let lost = vad.counters().lost;
    assert!((32..=36).contains(&lost), "{lost}");
}

#[test]
fn a_call_that_outlives_the_detector_is_scored_by_its_level() {
    let Some((vad, speech)) = start(SileroSettings::default()).zip(models::speech_8k()) else {
        return;
    };
    let mut stream = vad.open(SampleRate::HZ_8000).expect("a known rate");
    stream.push(&speech[..256]);
    models::next_score(&mut *stream);
    drop(vad);
    // The task learns of it when it looks for the next score ...
    let waker = models::waker();
    assert!(stream.poll_score(&mut std::task::Context::from_waker(&waker)).is_pending());
    // ... and goes on hearing.
    let loud: Vec<i16> = (0..256).map(|i| if i % 8 < 4 { 9_000 } else { -9_000 }).collect();
    stream.push(&loud);
    let score = models::next_score(&mut *stream);
    assert_eq!(score.end, 512);
    assert!(score.probability > 0.9);
}

#[test]
fn a_waiting_task_is_woken_when_the_detector_goes() {
    let Some(vad) = start(SileroSettings::default()) else { return };
    let mut stream = vad.open(SampleRate::HZ_8000).expect("a known rate");
    let waker = models::waker();
    assert!(stream.poll_score(&mut std::task::Context::from_waker(&waker)).is_pending());
    drop(vad);
    std::thread::park_timeout(std::time::Duration::from_secs(20));
    assert!(stream.poll_score(&mut std::task::Context::from_waker(&waker)).is_pending());
    stream.push(&[0; 256]);
    assert_eq!(models::next_score(&mut *stream).end, 256);
}
