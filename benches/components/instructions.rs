//! How many instructions the pieces of the engine take, by callgrind: the same number on every run
//! of the same build, so that a regression shows on the busiest machine.
//!
//! ```text
//! apt-get install valgrind
//! cargo install gungraun-runner --version 0.20.0
//! cargo bench -p benches --bench instructions
//! ```
//!
//! Each piece is made and warmed outside what is counted. A change against the run before is
//! printed beside each number. Silero is left out: what ONNX Runtime does depends on the processor's
//! own instructions, which valgrind does not have all of.
#![forbid(unsafe_code)]
#![allow(
    clippy::use_self,
    elided_lifetimes_in_paths,
    missing_docs,
    unreachable_pub,
    unused_qualifications,
    reason = "what the macros of gungraun write"
)]

mod piece;

use std::hint::black_box;

use codecs::SampleRate;
use gungraun::{library_benchmark, library_benchmark_group, main};

use piece::{Codec, Listening, Media, Resampling, Turns};

/// Steps before the counting begins: tables, caches and buffers have what they need.
const WARM: usize = 32;

fn warm<T>(mut piece: T, step: impl Fn(&mut T)) -> T {
    for _ in 0..WARM {
        step(&mut piece);
    }
    piece
}

fn codec(_: ()) -> Codec {
    warm(Codec::new(), |codec| {
        codec.mulaw_encode();
        codec.mulaw_decode();
    })
}

#[library_benchmark]
#[bench::frame(args = (()), setup = codec)]
fn mulaw_encode(mut codec: Codec) -> Codec {
    black_box(&mut codec).mulaw_encode();
    codec
}

#[library_benchmark]
#[bench::frame(args = (()), setup = codec)]
fn mulaw_decode(mut codec: Codec) -> Codec {
    black_box(&mut codec).mulaw_decode();
    codec
}

#[library_benchmark]
#[bench::frame(args = (()), setup = codec)]
fn alaw_encode(mut codec: Codec) -> Codec {
    black_box(&mut codec).alaw_encode();
    codec
}

#[library_benchmark]
#[bench::frame(args = (()), setup = codec)]
fn alaw_decode(mut codec: Codec) -> Codec {
    black_box(&mut codec).alaw_decode();
    codec
}

#[library_benchmark]
#[bench::frame(args = (()), setup = codec)]
fn l16_encode(mut codec: Codec) -> Codec {
    black_box(&mut codec).l16_encode();
    codec
}

#[library_benchmark]
#[bench::frame(args = (()), setup = codec)]
fn l16_decode(mut codec: Codec) -> Codec {
    black_box(black_box(&mut codec).l16_decode());
    codec
}

fn resampling((from, to): (SampleRate, SampleRate)) -> Resampling {
    warm(Resampling::new(from, to), |resampling| {
        resampling.step();
    })
}

#[library_benchmark]
#[bench::from_8_to_16_khz(args = ((SampleRate::HZ_8000, SampleRate::HZ_16000)), setup = resampling)]
#[bench::from_16_to_8_khz(args = ((SampleRate::HZ_16000, SampleRate::HZ_8000)), setup = resampling)]
#[bench::from_24_to_8_khz(args = ((SampleRate::HZ_24000, SampleRate::HZ_8000)), setup = resampling)]
fn resample(mut resampling: Resampling) -> Resampling {
    black_box(black_box(&mut resampling).step());
    resampling
}

fn listening(_: ()) -> Listening {
    warm(Listening::new(), |listening| {
        listening.dtmf();
        listening.beep();
        listening.echo();
        listening.gate();
    })
}

#[library_benchmark]
#[bench::frame(args = (()), setup = listening)]
fn dtmf(mut listening: Listening) -> Listening {
    black_box(black_box(&mut listening).dtmf());
    listening
}

#[library_benchmark]
#[bench::frame(args = (()), setup = listening)]
fn beep(mut listening: Listening) -> Listening {
    black_box(black_box(&mut listening).beep());
    listening
}

#[library_benchmark]
#[bench::frame(args = (()), setup = listening)]
fn echo_gate(mut listening: Listening) -> Listening {
    black_box(black_box(&mut listening).echo());
    listening
}

#[library_benchmark]
#[bench::score(args = (()), setup = listening)]
fn voice_gate(mut listening: Listening) -> Listening {
    black_box(black_box(&mut listening).gate());
    listening
}

fn turns(_: ()) -> Turns {
    warm(Turns::new(), |turns| {
        turns.played();
    })
}

#[library_benchmark]
#[bench::step_of_playback(args = (()), setup = turns)]
fn floor_played(mut turns: Turns) -> Turns {
    black_box(black_box(&mut turns).played());
    turns
}

#[library_benchmark]
#[bench::and_its_reply(args = (()), setup = turns)]
fn floor_turn(turns: Turns) -> Turns {
    black_box(black_box(&turns).turn());
    turns
}

fn media(_: ()) -> Media {
    warm(Media::new(), |media| {
        media.read();
        media.write();
    })
}

#[library_benchmark]
#[bench::frame(args = (()), setup = media)]
fn media_in(mut media: Media) -> Media {
    black_box(black_box(&mut media).read());
    media
}

#[library_benchmark]
#[bench::frame(args = (()), setup = media)]
fn media_out(mut media: Media) -> Media {
    black_box(black_box(&mut media).write());
    media
}

fn reply(_: ()) -> Vec<&'static str> {
    piece::reply()
}

#[library_benchmark]
#[bench::of_52_tokens(args = (()), setup = reply)]
fn phrases(reply: Vec<&'static str>) -> Vec<&'static str> {
    black_box(piece::chunk(black_box(&reply)));
    reply
}

library_benchmark_group!(
    name = components;
    benchmarks =
        mulaw_encode, mulaw_decode, alaw_encode, alaw_decode, l16_encode, l16_decode,
        resample, dtmf, beep, echo_gate, voice_gate, floor_played, floor_turn,
        media_in, media_out, phrases
);

main!(library_benchmark_groups = components);
