//! How long the pieces of the engine take that work for each frame, window or phrase.
//!
//! ```text
//! cargo bench -p benches --bench components                  # all of it, with what changed since
//! cargo bench -p benches --bench components -- --quick       # a few seconds
//! cargo bench -p benches --bench instructions                # instructions instead of time
//! ```
//!
//! Time varies with what else the machine does; `instructions` counts what valgrind sees, which is
//! the same on every run of the same build.
#![forbid(unsafe_code)]

mod piece;
mod silero;

use std::hint::black_box;

use codecs::SampleRate;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

use piece::{Codec, Listening, Media, Resampling, Turns};
use silero::VoiceActivity;

fn codecs(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("codec, 20 ms at 8 kHz");
    group.throughput(Throughput::Elements(piece::FRAME as u64));
    let mut codec = Codec::new();
    group.bench_function("mulaw encode", |b| b.iter(|| black_box(&mut codec).mulaw_encode()));
    group.bench_function("mulaw decode", |b| b.iter(|| black_box(&mut codec).mulaw_decode()));
    group.bench_function("alaw encode", |b| b.iter(|| black_box(&mut codec).alaw_encode()));
    group.bench_function("alaw decode", |b| b.iter(|| black_box(&mut codec).alaw_decode()));
    group.bench_function("l16 encode", |b| b.iter(|| black_box(&mut codec).l16_encode()));
    group.bench_function("l16 decode", |b| b.iter(|| black_box(&mut codec).l16_decode()));
    group.finish();

    let mut group = criterion.benchmark_group("resample, 20 ms");
    for (name, from, to) in RATES {
        let mut resampling = Resampling::new(from, to);
        group.bench_function(name, |b| b.iter(|| black_box(&mut resampling).step()));
    }
    group.finish();
}

const RATES: [(&str, SampleRate, SampleRate); 4] = [
    ("8 to 16 kHz", SampleRate::HZ_8000, SampleRate::HZ_16000),
    ("16 to 8 kHz", SampleRate::HZ_16000, SampleRate::HZ_8000),
    ("24 to 8 kHz", SampleRate::HZ_24000, SampleRate::HZ_8000),
    ("48 to 16 kHz", SampleRate::HZ_48000, SampleRate::HZ_16000),
];

fn listening(criterion: &mut Criterion) {
    let mut listening = Listening::new();
    let mut group = criterion.benchmark_group("listening, 20 ms at 8 kHz");
    group.bench_function("dtmf", |b| b.iter(|| black_box(&mut listening).dtmf()));
    group.bench_function("beep", |b| b.iter(|| black_box(&mut listening).beep()));
    group.bench_function("echo gate", |b| b.iter(|| black_box(&mut listening).echo()));
    group.bench_function("voice gate, a score", |b| b.iter(|| black_box(&mut listening).gate()));
    group.finish();

    let mut group = criterion.benchmark_group("silero, a window of each call");
    for rows in [1, 8, 32] {
        let Some(mut voice) = VoiceActivity::new(rows) else {
            eprintln!("skipped: silero, {rows} calls: the model is not here (make setup)");
            continue;
        };
        group.throughput(Throughput::Elements(rows as u64));
        group.bench_function(format!("{rows} calls"), |b| b.iter(|| black_box(&mut voice).step()));
    }
    group.finish();
}

fn turn_taking(criterion: &mut Criterion) {
    let mut turns = Turns::new();
    let mut group = criterion.benchmark_group("floor");
    group.bench_function("a step of playback", |b| b.iter(|| black_box(&mut turns).played()));
    group.bench_function("a turn and its reply", |b| b.iter(|| black_box(&turns).turn()));
    group.finish();
}

fn media(criterion: &mut Criterion) {
    let mut media = Media::new();
    let mut group = criterion.benchmark_group("twilio, a frame of 20 ms");
    group.bench_function("in", |b| b.iter(|| black_box(&mut media).read()));
    group.bench_function("out", |b| b.iter(|| black_box(&mut media).write()));
    group.finish();

    let tokens = piece::reply();
    let mut group = criterion.benchmark_group("phrases");
    group.throughput(Throughput::Elements(tokens.len() as u64));
    group.bench_function("a reply, token by token", |b| {
        b.iter(|| piece::chunk(black_box(&tokens)));
    });
    group.finish();
}

criterion_group!(components, codecs, listening, turn_taking, media);
criterion_main!(components);
