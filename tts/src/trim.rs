//! Where the speech of a recording is: voices put 50 to 250 ms of silence around a phrase, and
//! what stands before it is heard as latency.

use std::ops::Range;

use codecs::SampleRate;

/// Sound below this part of the loudest window (-46 dB) is silence; a soft `f` or `h` is not.
const SILENCE: f32 = 0.005;
const WINDOW_MS: usize = 5;
/// Kept before and after: onsets and decays are softer than the threshold.
const LEAD_MS: usize = 10;
const TAIL_MS: usize = 30;
/// Long enough for no click, too short to be heard.
const FADE_MS: usize = 3;

/// Cuts the silence at both ends and fades in and out over the cuts. Gives back which samples
/// were kept; an empty range where all is silence.
pub(crate) fn trim(samples: &mut Vec<i16>, rate: SampleRate) -> Range<usize> {
    let ms = rate.hz() as usize / 1_000;
    let kept = speech(samples, ms.max(1));
    samples.truncate(kept.end);
    samples.drain(..kept.start);
    let fade = (FADE_MS * ms).min(samples.len() / 2);
    let len = samples.len();
    for at in 0..fade {
        let gain = (at + 1) as f32 / (fade + 1) as f32;
        for sample in [at, len - 1 - at] {
            samples[sample] = (f32::from(samples[sample]) * gain) as i16;
        }
    }
    kept
}

/// Silences of at least `shortest_ms` between sounds, in order.
pub(crate) fn pauses(samples: &[i16], rate: SampleRate, shortest_ms: usize) -> Vec<Range<usize>> {
    let ms = (rate.hz() as usize / 1_000).max(1);
    let window = WINDOW_MS * ms;
    let threshold = threshold(samples, window);
    let mut pauses = Vec::new();
    let mut heard = false;
    let mut silent_from = None;
    for (at, part) in samples.chunks(window).enumerate() {
        if loudness(part) <= threshold {
            silent_from = silent_from.or(Some(at * window));
        } else {
            let pause = silent_from.take().map(|from| from..at * window);
            pauses.extend(pause.filter(|p| heard && p.len() >= shortest_ms * ms));
            heard = true;
        }
    }
    pauses
}

fn loudness(window: &[i16]) -> f32 {
    let sum: f32 = window.iter().map(|&s| f32::from(s) * f32::from(s)).sum();
    (sum / window.len() as f32).sqrt()
}

/// What is softer is silence.
fn threshold(samples: &[i16], window: usize) -> f32 {
    (samples.chunks(window).map(loudness).fold(0.0, f32::max) * SILENCE).max(2.0)
}

fn speech(samples: &[i16], ms: usize) -> Range<usize> {
    let window = WINDOW_MS * ms;
    let threshold = threshold(samples, window);
    let voiced = |w: &[i16]| loudness(w) > threshold;
    let Some(first) = samples.chunks(window).position(voiced) else { return 0..0 };
    let last = samples.chunks(window).rposition(voiced).unwrap_or(first);
    let start = (first * window).saturating_sub(LEAD_MS * ms);
    let end = ((last + 1) * window + TAIL_MS * ms).min(samples.len());
    start..end
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_goes_and_cuts_do_not_click() {
        let mut samples = vec![0_i16; 1_600];
        samples.extend((0..3_200).map(|at| if at % 40 < 20 { 8_000 } else { -8_000 }));
        samples.extend([1_i16; 2_400]);
        let kept = trim(&mut samples, SampleRate::HZ_16000);
        assert_eq!(kept, 1_600 - 160..4_800 + 480);
        assert_eq!(samples.len(), kept.len());
        assert_eq!((samples[0], samples[kept.len() - 1]), (0, 0));
        let speech_only: Vec<i16> =
            (0..3_200).map(|at| if at % 40 < 20 { 8_000 } else { -8_000 }).collect();
        let mut samples = speech_only.clone();
        assert_eq!(trim(&mut samples, SampleRate::HZ_16000), 0..3_200);
        assert!(samples[0].abs() < 300 && samples[3_199].abs() < 300);
        assert_eq!(samples[48..3_152], speech_only[48..3_152]);
    }

    #[test]
    fn pauses_are_between_sounds() {
        let mut samples = vec![0_i16; 800];
        for (sound, silence) in [(1_600, 400), (1_600, 1_600), (800, 2_000)] {
            samples.extend(std::iter::repeat_n(5_000, sound));
            samples.extend(std::iter::repeat_n(0, silence));
        }
        let found = pauses(&samples, SampleRate::HZ_8000, 60);
        let ends: Vec<_> = found.iter().map(|pause| (pause.start, pause.end)).collect();
        assert_eq!(ends, [(4_400, 6_000)]);
    }

    #[test]
    fn silence_alone_leaves_nothing() {
        for mut samples in [vec![], vec![0; 500], vec![1; 7]] {
            assert!(trim(&mut samples, SampleRate::HZ_8000).is_empty());
            assert!(samples.is_empty());
        }
    }
}
