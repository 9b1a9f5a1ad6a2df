//! What the resampler does to tones: flat in the telephone band, and no aliases in it.

use std::f64::consts::TAU;

use codecs::{Resampler, SampleRate};

const AMPLITUDE: f64 = 16_000.0;

fn sine(hz: f64, rate: u32, samples: usize) -> Vec<i16> {
    (0..samples)
        .map(|n| ((hz / f64::from(rate) * n as f64 * TAU).sin() * AMPLITUDE).round() as i16)
        .collect()
}

fn convert(input: &[i16], from: u32, to: u32) -> Vec<i16> {
    let rate = |hz| SampleRate::new(hz).expect("not zero");
    let mut resampler = Resampler::new(rate(from), rate(to)).expect("supported");
    let mut output = Vec::new();
    for block in input.chunks(160) {
        resampler.process(block, &mut output);
    }
    resampler.flush(&mut output);
    output
}

/// The energy of the component at `hz`, and of all the rest, relative to a sine of `AMPLITUDE`,
/// in dB. The ends are left out, and a Hann window keeps leakage away.
fn split(samples: &[i16], hz: f64, rate: u32) -> (f64, f64) {
    let inner = &samples[200..samples.len() - 200];
    let length = inner.len() as f64;
    let weighed: Vec<f64> = inner
        .iter()
        .enumerate()
        .map(|(n, &s)| f64::from(s) * (1.0 - (n as f64 / length * TAU).cos()))
        .collect();
    // Least squares fit of a sine under the window: with a smooth window over many periods, the
    // plain correlation is that fit.
    let omega = hz / f64::from(rate) * TAU;
    let (mut re, mut im, mut norm) = (0.0, 0.0, 0.0);
    for (n, value) in weighed.iter().enumerate() {
        let window = 1.0 - (n as f64 / length * TAU).cos();
        re += value * window * (omega * n as f64).cos();
        im += value * window * (omega * n as f64).sin();
        norm += window * window;
    }
    let (a, b) = (2.0 * re / norm, 2.0 * im / norm);
    let mut rest = 0.0;
    for (n, value) in weighed.iter().enumerate() {
        let window = 1.0 - (n as f64 / length * TAU).cos();
        let fitted = window * (a * (omega * n as f64).cos() + b * (omega * n as f64).sin());
        rest += (value - fitted).powi(2);
    }
    let reference = AMPLITUDE * AMPLITUDE;
    let signal = 10.0 * ((a * a + b * b) / reference).log10();
    (signal, 10.0 * (2.0 * rest / norm / reference).log10())
}

const PAIRS: [(u32, u32); 12] = [
    (8_000, 16_000),
    (16_000, 8_000),
    (8_000, 24_000),
    (24_000, 8_000),
    (8_000, 48_000),
    (48_000, 8_000),
    (16_000, 48_000),
    (48_000, 16_000),
    (22_050, 8_000),
    (11_025, 8_000),
    (44_100, 16_000),
    (44_100, 48_000),
];

#[test]
fn the_passband_is_flat_and_clean() {
    for (from, to) in PAIRS {
        let edge = 0.85 * f64::from(from.min(to)) / 2.0;
        for part in [0.02, 0.1, 0.31, 0.5, 0.77, 0.9, 1.0] {
            let hz = edge * part;
            let output = convert(&sine(hz, from, from as usize / 2), from, to);
            let (gain, rest) = split(&output, hz, to);
            assert!(gain.abs() < 0.01, "{from} to {to}: {gain:.3} dB at {hz:.0} Hz");
            assert!(rest < -80.0, "{from} to {to}: {rest:.1} dB beside {hz:.0} Hz");
        }
    }
}

#[test]
fn nothing_aliases_into_the_band() {
    for (from, to) in PAIRS.into_iter().filter(|(from, to)| from > to) {
        // From where the transition band ends up to half the input rate.
        let start = 1.15 * f64::from(to) / 2.0;
        let end = 0.98 * f64::from(from) / 2.0;
        for part in [0.0, 0.1, 0.25, 0.5, 0.75, 1.0] {
            let hz = start + (end - start) * part;
            let output = convert(&sine(hz, from, from as usize / 2), from, to);
            let inner = &output[200..output.len() - 200];
            let energy: f64 = inner.iter().map(|&s| f64::from(s) * f64::from(s)).sum();
            let level = 10.0 * (2.0 * energy / inner.len() as f64 / AMPLITUDE.powi(2)).log10();
            assert!(level < -80.0, "{from} to {to}: {level:.1} dB left of {hz:.0} Hz");
        }
    }
}

#[test]
fn there_and_back_is_the_same_speech_band() {
    // A signal within the telephone band, there and back: the error is far below speech.
    let input: Vec<i16> = (0..8_000)
        .map(|n| {
            let t = f64::from(n) / 8_000.0 * TAU;
            let value = (300.0 * t).sin() + (1_100.0 * t).sin() + (2_900.0 * t).sin();
            (value * 6_000.0).round() as i16
        })
        .collect();
    for middle in [16_000, 22_050, 24_000, 48_000] {
        let output = convert(&convert(&input, 8_000, middle), middle, 8_000);
        assert_eq!(output.len(), input.len());
        let worst = input[100..7_900]
            .iter()
            .zip(&output[100..7_900])
            .map(|(&a, &b)| (i32::from(a) - i32::from(b)).abs())
            .max();
        assert!(worst < Some(120), "through {middle} Hz: off by {worst:?}");
    }
}
