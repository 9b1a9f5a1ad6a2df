//! What telling echo from the caller costs.

use std::time::{Duration, Instant};

use vad::EchoGate;

use crate::material::RATE;
use crate::trial::noise;

/// Measures and prints, in the three states of a call.
pub(crate) fn measure() {
    const SECONDS: usize = 60;
    let voice = noise(-20.0, 8_000 * SECONDS);
    let quiet = noise(-60.0, 8_000 * SECONDS);
    let silence = vec![0; 8_000 * SECONDS];
    println!("{:<44} {:>16}", "state", "ms a call-second");
    for (state, near, far) in [
        ("nobody speaks", &quiet, &silence),
        ("the caller speaks", &voice, &silence),
        ("the assistant speaks", &quiet, &voice),
    ] {
        println!("{state:<44} {:>16.3}", millis(near, far, SECONDS));
    }
    let other = modulated(&voice);
    println!("{:<44} {:>16.3}\n", "both speak", millis(&other, &voice, SECONDS));
}

/// Noise in syllables: nothing that the other noise explains.
fn modulated(noise: &[i16]) -> Vec<i16> {
    noise.iter().rev().enumerate().map(|(at, &s)| if at / 1_200 % 2 == 0 { s } else { s / 50 }).collect()
}

fn millis(near: &[i16], far: &[i16], seconds: usize) -> f64 {
    let mut gate = EchoGate::new(RATE).expect("a telephone's rate");
    let mut played = 0;
    let mut spent = Duration::ZERO;
    for frame in near.chunks(160) {
        let began = Instant::now();
        let wanted = gate.wanted(frame.len());
        let until = (wanted.end as usize).min(far.len());
        gate.play(&far[played.min(until)..until]);
        played = until;
        gate.push(frame, |heard| {
            std::hint::black_box(heard);
        });
        spent += began.elapsed();
    }
    spent.as_secs_f64() * 1_000.0 / seconds as f64
}
