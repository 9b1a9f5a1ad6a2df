//! What a caller hears while somebody else's telephone rings.

use std::time::Duration;

use codecs::SampleRate;
use codecs::ambience::Ambience;
use codecs::tone::{Partial, Tone};

/// Loudness of each of its tones, in dBFS: below the voices on either side of it.
const LEVEL_DBFS: f64 = -26.0;

/// Silence at either end of the loop, in which its seam lies.
const SEAM: Duration = Duration::from_millis(500);

/// The tones, and how long they sound and pause (ITU-T E.180, supplement 2).
struct Cadence {
    hz: &'static [f64],
    on: Duration,
    off: Duration,
}

const EUROPE: Cadence =
    Cadence { hz: &[440.0], on: Duration::from_millis(1_500), off: Duration::from_millis(3_500) };

const NORTH_AMERICA: Cadence = Cadence {
    hz: &[440.0, 480.0],
    on: Duration::from_millis(2_000),
    off: Duration::from_millis(4_000),
};

/// The ringing tone that speakers of `language` (a BCP 47 tag) know, as a loop at `rate`.
pub(crate) fn ringback(rate: SampleRate, language: &str) -> Option<Ambience> {
    let american = ["en", "en-us", "en-ca", "fr-ca"];
    let Cadence { hz, on, off } = if american.iter().any(|tag| language.eq_ignore_ascii_case(tag)) {
        NORTH_AMERICA
    } else {
        EUROPE
    };
    let partial = |hz: &f64| Partial::new(*hz, LEVEL_DBFS);
    let mut tone = match hz {
        [low, high] => Tone::dual(rate, [partial(low), partial(high)], on),
        [only, ..] => Tone::single(rate, partial(only), on),
        [] => return None,
    };
    let silence = |length| vec![0_i16; rate.samples_in(length) as usize];
    let mut samples = silence(SEAM);
    let mut sound = silence(on);
    tone.fill_into(&mut sound);
    samples.extend(sound);
    samples.extend(silence(off));
    Ambience::of(rate, samples)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_rings_and_pauses_as_the_country_knows_it() {
        let rate = SampleRate::HZ_8000;
        for (language, rings_until) in [("fr-FR", 2_000), ("en-US", 2_500)] {
            let ringing = ringback(rate, language).expect("a tone");
            let loudest = |from: u64, to: u64| {
                let samples = (from * 8..to * 8).map(|at| ringing.sample(at).unsigned_abs());
                samples.max().expect("a span")
            };
            assert!(loudest(600, rings_until - 100) > 500, "{language}");
            assert_eq!(loudest(rings_until + 100, rings_until + 2_500), 0, "{language}");
        }
    }
}
