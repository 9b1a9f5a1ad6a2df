//! Listens to a recording the way an engineer looks at its waveform: clicks, gaps, tails.

use std::ops::Range;

use codecs::SampleRate;

use crate::carrier::script::AUDIBLE;

/// What is wrong with a recorded voice.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Flaws {
    /// Where the waveform jumps as no voice does, in ms.
    pub clicks_ms: Vec<u64>,
    /// Where the voice is cut out and comes back within a word, in ms.
    pub gaps_ms: Vec<u64>,
}

/// A jump must be this many times the local bend of the waveform. Plosives and the synthetic
/// voices' own joins stay below 9.
const CLICK_RATIO: f64 = 14.0;

/// And this large, of 32,768: quieter jumps cannot be heard beside speech.
const CLICK_FLOOR: f64 = 1_500.0;

/// Samples this quiet are digital silence, whatever the codec made of a zero.
const SILENT: i16 = 16;

/// Samples this loud are in mid-voice.
const LOUD: i16 = 600;

/// Finds clicks and gaps in mono speech.
pub fn flaws(rate: SampleRate, samples: &[i16]) -> Flaws {
    let clicks_ms = clicks(rate, samples);
    let gaps_ms = gaps(rate, samples);
    Flaws { clicks_ms, gaps_ms }
}

/// Outliers of the second difference against its level within 10 ms on both sides.
fn clicks(rate: SampleRate, samples: &[i16]) -> Vec<u64> {
    let bend: Vec<f64> = samples
        .windows(3)
        .map(|three| f64::from(three[0]) - 2.0 * f64::from(three[1]) + f64::from(three[2]))
        .collect();
    let reach = rate.hz() as usize / 100;
    let mut clicks = Vec::new();
    let mut next = 0;
    for (index, value) in bend.iter().enumerate() {
        if value.abs() < CLICK_FLOOR || index < next {
            continue;
        }
        let around = bend[index.saturating_sub(reach)..(index + reach).min(bend.len())]
            .iter()
            .enumerate()
            .filter(|(near, _)| (near + index.saturating_sub(reach)).abs_diff(index) > 3)
            .map(|(_, value)| value * value);
        let (sum, count) =
            around.fold((0.0, 0_u32), |(sum, count), value| (sum + value, count + 1));
        let level = (sum / f64::from(count.max(1))).sqrt();
        if value.abs() > CLICK_RATIO * level {
            clicks.push(millis(rate, index));
            next = index + reach;
        }
    }
    clicks
}

/// Silence of 8 to 80 ms with loud voice right before and right after it.
fn gaps(rate: SampleRate, samples: &[i16]) -> Vec<u64> {
    let per_ms = rate.hz() as usize / 1_000;
    let is_loud = |range: &[i16]| range.iter().any(|sample| sample.unsigned_abs() > LOUD as u16);
    let mut gaps = Vec::new();
    let mut start = None;
    for (index, sample) in samples.iter().enumerate() {
        if sample.unsigned_abs() <= SILENT as u16 {
            start.get_or_insert(index);
            continue;
        }
        let Some(from) = start.take() else { continue };
        let length = index - from;
        let edge = 2 * per_ms;
        if (8 * per_ms..=80 * per_ms).contains(&length)
            && is_loud(&samples[from.saturating_sub(edge)..from])
            && is_loud(&samples[index..(index + edge).min(samples.len())])
        {
            gaps.push(millis(rate, from));
        }
    }
    gaps
}

/// Stretches of voice with at least 160 ms of quiet between them, 100 ms of it left on each side.
pub fn sentences(rate: SampleRate, samples: &[i16]) -> Vec<Range<usize>> {
    let ms = rate.hz() as usize / 1_000;
    let (pause, margin) = (160 * ms, 100 * ms);
    let mut voiced: Vec<Range<usize>> = Vec::new();
    for (index, _) in samples.iter().enumerate().filter(|(_, s)| s.unsigned_abs() > AUDIBLE) {
        match voiced.last_mut() {
            Some(last) if index < last.end + pause => last.end = index + 1,
            _ => voiced.push(index..index + 1),
        }
    }
    voiced
        .into_iter()
        .map(|voice| voice.start.saturating_sub(margin)..(voice.end + margin).min(samples.len()))
        .collect()
}

fn millis(rate: SampleRate, index: usize) -> u64 {
    index as u64 * 1_000 / u64::from(rate.hz())
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: SampleRate = SampleRate::HZ_8000;

    fn voice(samples: usize) -> Vec<i16> {
        (0..samples)
            .map(|index| {
                let time = index as f64 / 8_000.0;
                let wave = (time * 700.0).sin() * 6_000.0 + (time * 2_900.0).sin() * 3_000.0;
                wave as i16
            })
            .collect()
    }

    #[test]
    fn a_clean_voice_has_no_flaws() {
        assert_eq!(flaws(RATE, &voice(16_000)), Flaws::default());
    }

    #[test]
    fn a_jump_is_a_click() {
        let mut samples = voice(16_000);
        samples[8_000] = samples[8_000].saturating_add(20_000);
        assert_eq!(flaws(RATE, &samples).clicks_ms.len(), 1);
    }

    #[test]
    fn a_missing_frame_is_a_gap() {
        let mut samples = voice(16_000);
        samples[8_000..8_160].fill(0);
        assert_eq!(flaws(RATE, &samples).gaps_ms, [1_000]);
    }

    #[test]
    fn sentences_are_parted_by_pauses() {
        let mut samples = voice(8_000);
        samples.extend(vec![0; 3_200]);
        samples.extend(voice(4_000));
        let found = sentences(RATE, &samples);
        assert_eq!(found.len(), 2);
        assert!(found[0].end.abs_diff(8_800) < 16, "{found:?}");
        assert!(found[1].start.abs_diff(10_400) < 16, "{found:?}");
    }
}
