//! What every detector keeps to, whatever it is made of.

mod models;

use std::task::Context;

use codecs::SampleRate;
use vad::{EnergyVad, Gate, GateEvent, GateSettings, ScriptedVad, SileroVad, Vad, VadStream};

fn silero() -> Option<SileroVad> {
    let (runtime, path) = (models::runtime()?, models::model("silero-vad/silero_vad.onnx")?);
    Some(SileroVad::start(&runtime, &path, Default::default()).expect("Silero starts"))
}

/// Runs the suite; `speech` is 6 s of speech at 16 kHz that begins with silence.
fn conforms(vad: &dyn Vad, speech: &[i16]) {
    knows_its_rates(vad);
    scores_every_window_once_and_in_order(vad, speech);
    does_not_mind_how_samples_arrive(vad, speech);
    is_pending_without_a_window(vad);
    hears_silence_as_silence(vad);
    tells_speech_from_silence(vad, speech);
    keeps_streams_apart(vad, speech);
}

fn open(vad: &dyn Vad, rate: SampleRate) -> Box<dyn VadStream> {
    vad.open(rate).expect("a known rate")
}

fn knows_its_rates(vad: &dyn Vad) {
    assert!(vad.open(SampleRate::HZ_8000).is_some());
    assert!(vad.open(SampleRate::HZ_16000).is_some());
    assert!(vad.open(SampleRate::HZ_48000).is_none());
}

fn scores_every_window_once_and_in_order(vad: &dyn Vad, speech: &[i16]) {
    for (rate, window) in [(SampleRate::HZ_8000, 256), (SampleRate::HZ_16000, 512)] {
        let heard = models::scores(&mut *open(vad, rate), speech, 160, window);
        assert_eq!(heard.len(), speech.len() / window);
        for (index, score) in heard.iter().enumerate() {
            assert_eq!(score.end, (index as u64 + 1) * window as u64);
            assert!((0.0..=1.0).contains(&score.probability), "{score:?}");
        }
    }
}

fn does_not_mind_how_samples_arrive(vad: &dyn Vad, speech: &[i16]) {
    let speech = &speech[..16_000];
    let hear = |frame| models::scores(&mut *open(vad, SampleRate::HZ_16000), speech, frame, 512);
    let by_20_ms = hear(320);
    for frame in [1, 511, 512, 513, 2_048] {
        assert_eq!(hear(frame), by_20_ms, "in frames of {frame}");
    }
}

fn is_pending_without_a_window(vad: &dyn Vad) {
    let waker = models::waker();
    let mut cx = Context::from_waker(&waker);
    let mut stream = open(vad, SampleRate::HZ_8000);
    assert!(stream.poll_score(&mut cx).is_pending());
    stream.push(&[]);
    stream.push(&[0; 255]);
    assert!(stream.poll_score(&mut cx).is_pending());
    stream.push(&[0]);
    assert_eq!(models::next_score(&mut *stream).end, 256);
    assert!(stream.poll_score(&mut cx).is_pending());
}

fn hears_silence_as_silence(vad: &dyn Vad) {
    let heard = models::scores(&mut *open(vad, SampleRate::HZ_8000), &[0; 256 * 40], 160, 256);
    assert!(heard.iter().all(|score| score.probability < 0.35));
}

fn tells_speech_from_silence(vad: &dyn Vad, speech: &[i16]) {
    let mut gate = Gate::new(GateSettings::default(), 512);
    let mut around = vec![0; 16_000];
    around.extend_from_slice(speech);
    around.extend([0; 16_000]);
    let heard = models::scores(&mut *open(vad, SampleRate::HZ_16000), &around, 320, 512);
    let events: Vec<_> = heard.into_iter().filter_map(|score| gate.accept(score)).collect();
    let speech_ends = (16_000 + speech.len()) as u64;
    assert!(
        matches!(events.first(), Some(GateEvent::Started { since_sample }) if (16_000 - 512..speech_ends).contains(since_sample)),
        "{events:?}"
    );
    assert!(
        matches!(events.last(), Some(GateEvent::Stopped { since_sample }) if *since_sample <= speech_ends + 512),
        "{events:?}"
    );
}

fn keeps_streams_apart(vad: &dyn Vad, speech: &[i16]) {
    let alone = models::scores(&mut *open(vad, SampleRate::HZ_16000), &speech[..16_000], 320, 512);
    let mut first = open(vad, SampleRate::HZ_16000);
    let mut second = open(vad, SampleRate::HZ_16000);
    let mut heard = Vec::new();
    for (window, other) in speech[..16_000].chunks_exact(512).zip(speech[20_000..].chunks(512)) {
        second.push(other);
        first.push(window);
        heard.push(models::next_score(&mut *first));
        models::next_score(&mut *second);
    }
    for (heard, alone) in heard.iter().zip(&alone) {
        assert!((heard.probability - alone.probability).abs() < 1e-4, "{heard:?}, not {alone:?}");
    }
}

#[test]
fn silero_conforms() {
    let Some((vad, speech)) = silero().zip(models::speech_16k()) else { return };
    conforms(&vad, &speech);
}

#[test]
fn energy_conforms() {
    let Some(speech) = models::speech_16k() else { return };
    conforms(&EnergyVad, &speech);
}

#[test]
fn scripted_conforms() {
    let Some(speech) = models::speech_16k() else { return };
    conforms(&ScriptedVad::level(-45.0), &speech);
}
