//! Keys that the assistant presses: their tones, to be heard behind everything at a moment of the
//! call.

use std::time::Duration;

use codecs::SampleRate;
use codecs::ambience::Ambience;
use codecs::dtmf;
use turntaking::time::Instant;

/// How long a key sounds, and the pause behind it: twice what every receiver must take (ITU-T Q.24).
const KEY: Duration = Duration::from_millis(100);

/// What `w` stands for, as with Twilio's `sendDigits`.
const PAUSE: Duration = Duration::from_millis(500);

/// From the order to the first key: what of other sound is at the carrier is heard before.
const AHEAD: Duration = Duration::from_millis(300);

/// What a loop needs for its seam, and some.
const SEAM: Duration = Duration::from_millis(500);

/// How long `keys` take from the order on.
pub(crate) fn duration(keys: &str) -> Duration {
    AHEAD + keys.chars().map(|key| if key == 'w' { PAUSE } else { 2 * KEY }).sum::<Duration>()
}

/// A loop that is silent at `now` and has the tones of `keys` (0-9, *, #, A-D, `w` for half a second
/// of nothing) from a moment after it on. It comes again no sooner than a second after them. `None`
/// where one is no key.
pub(super) fn tones(rate: SampleRate, now: Instant, keys: &str) -> Option<Ambience> {
    let samples = |length: Duration| rate.samples_in(length) as usize;
    let mut sound = Vec::new();
    for key in keys.chars() {
        if key == 'w' {
            sound.resize(sound.len() + samples(PAUSE), 0);
            continue;
        }
        let mut tone = vec![0; samples(KEY)];
        dtmf::tone(rate, key, KEY)?.fill_into(&mut tone);
        sound.append(&mut tone);
        sound.resize(sound.len() + samples(KEY), 0);
    }
    let seam = samples(SEAM);
    let shortest = seam + sound.len() + samples(Duration::from_secs(1));
    // The sound is a function of the call's time: the loop is as long as it takes for the moment to
    // fall behind the seam.
    let start = samples(now.since_start() + AHEAD).max(seam);
    let rounds = (start - seam) / shortest;
    let (length, offset) = match rounds {
        0 => (start + shortest, start),
        rounds => ((start - seam).div_ceil(rounds), seam),
    };
    // Its end is blended into its beginning, both silent.
    let mut whole = vec![0; length + samples(Duration::from_millis(400))];
    whole[offset..offset + sound.len()].copy_from_slice(&sound);
    Ambience::of(rate, whole)
}

#[cfg(test)]
mod tests {
    use codecs::dtmf::{DtmfDetector, DtmfEvent};

    use super::*;

    #[test]
    fn keys_are_heard_in_order_at_any_moment_of_a_call() {
        let rate = SampleRate::HZ_8000;
        for millis in [0, 200, 2_999, 61_234, 1_800_017] {
            let now = Instant::from_millis(millis);
            let tones = tones(rate, now, "1w23#").expect("keys");
            let from = rate.samples_in(now.since_start());
            let until = from + rate.samples_in(duration("1w23#") + Duration::from_millis(100));
            let heard: Vec<i16> = (from..until).map(|at| tones.sample(at)).collect();
            let mut digits = String::new();
            DtmfDetector::new().process(&heard, |event| {
                if let DtmfEvent::Pressed { digit, .. } = event {
                    digits.push(digit);
                }
            });
            assert_eq!(digits, "123#", "at {millis} ms");
        }
        assert_eq!(tones(rate, Instant::START, "1x"), None);
    }
}
