//! A denoiser before the recogniser: what it does to clean speech, to noisy speech, and to a core.

mod call;

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, Instant};

use asr::denoise::{Denoiser, Denoising};
use asr::moonshine::Moonshine;
use asr::wer::WordErrors;
use asr::{Hint, Recognizer, Stability};
use call::{Call, Recording};
use codecs::{SampleRate, g711};

/// Noise before and behind an utterance, which the denoiser may learn from, in samples.
const AROUND: usize = 4_000;

fn moonshine() -> Option<Arc<dyn Recognizer>> {
    let folder = call::model("moonshine-tiny-en")?;
    let model = Moonshine::load(&call::runtime(), &folder, NonZeroUsize::MIN);
    Some(Arc::new(model.expect("the model loads")))
}

/// The word errors of these recordings in this noise: `snr` dB below the speech.
fn word_errors(
    recognizer: &dyn Recognizer,
    recordings: &[Recording],
    noise: Option<(&[i16], f32)>,
) -> WordErrors {
    let mut call = Call::open(recognizer);
    let mut sum = WordErrors::default();
    let mut from = 0;
    for recording in recordings {
        let mut line = vec![0; AROUND];
        line.extend(&recording.samples);
        line.resize(line.len() + AROUND, 0);
        let (start, end) = (recording.start * 8, recording.end * 8);
        if let Some((noise, snr)) = noise {
            let speech = &recording.samples[start as usize..end as usize];
            mix(&mut line, &noise[from % (noise.len() / 2)..], power(speech), snr);
            from += line.len();
        }
        let origin = call.position() + AROUND as u64;
        call.push(&line[..AROUND + start as usize + 512]);
        call.hint(Hint::SpeechStarted { at: origin + start });
        let paused = AROUND + end as usize + 512;
        call.push(&line[AROUND + start as usize + 512..paused]);
        call.hint(Hint::Pause { at: origin + end });
        call.push(&line[paused..]);
        let heard = call.wait_for_words(|transcript| {
            transcript.stability != Stability::Partial && transcript.covers >= origin + end
        });
        call.hint(Hint::TurnEnded);
        call.silence(400);
        sum += WordErrors::between(&recording.said, &heard.text);
    }
    sum
}

fn power(samples: &[i16]) -> f32 {
    let sum: f32 = samples.iter().map(|&s| f32::from(s) * f32::from(s)).sum();
    sum / samples.len().max(1) as f32
}

/// Adds noise so far below `speech`, and sends it all through µ-law.
fn mix(line: &mut [i16], noise: &[i16], speech: f32, snr: f32) {
    let gain = (speech / power(noise) / 10_f32.powf(snr / 10.0)).sqrt();
    for (sample, &noise) in line.iter_mut().zip(noise.iter().cycle()) {
        let sum = f32::from(*sample) + gain * f32::from(noise);
        *sample = g711::mulaw_decode(g711::mulaw_encode(sum.round() as i16));
    }
}

#[test]
fn clean_speech_is_understood_as_before() {
    let recordings = call::recordings("librivox_sphinx");
    let Some(plain) = moonshine().filter(|_| !recordings.is_empty()) else { return };
    let denoising = Denoising::new(Arc::clone(&plain));
    let before = word_errors(&*plain, &recordings, None);
    let after = word_errors(&denoising, &recordings, None);
    println!("{before} before, {after} behind the denoiser");
    assert!(after.rate() <= before.rate() + 0.1, "{before} before, {after} after");
}

/// What is quoted of it. `cargo test -p asr --test denoising -- --ignored --nocapture`.
#[test]
#[ignore = "a measurement of several minutes"]
fn what_it_costs_and_what_it_buys() {
    let mut denoiser = Denoiser::new(SampleRate::HZ_8000).expect("a rate in use");
    let mut frame = vec![0; 160];
    codecs::noise::Noise::new(-30.0, 1).fill_into(&mut frame);
    let mut clean = Vec::with_capacity(1_000);
    let frames: u32 = 2_000;
    let mut took = Duration::ZERO;
    for _ in 0..frames {
        clean.clear();
        let began = Instant::now();
        denoiser.process(&frame, &mut clean);
        took += began.elapsed();
    }
    println!("{:?} for 20 ms of a call", took / frames);

    let recordings: Vec<Recording> =
        call::recordings("").into_iter().filter(|recording| recording.kind == "plain").collect();
    let Some(plain) = moonshine().filter(|_| !recordings.is_empty()) else { return };
    let denoising = Denoising::new(Arc::clone(&plain));
    let row = |name: &str, noise: Option<(&[i16], f32)>| {
        let before = word_errors(&*plain, &recordings, noise);
        let after = word_errors(&denoising, &recordings, noise);
        println!("{name:<24} {before:<28} {after}");
    };
    row("clean", None);
    let folder = call::repository().join("../shared/audio/noise");
    for name in
        ["babble_office/office-ambience-8000-mono", "babble_office/coffee-shop", "koala/noise"]
    {
        let noise = call::telephone(&folder.join(name).with_extension("wav"));
        for snr in [20.0, 10.0, 5.0, 0.0] {
            let name = name.split('/').next_back().unwrap_or_default();
            row(&format!("{:.14} {snr} dB", name), Some((&noise, snr)));
        }
    }
}
