//! Moonshine on real speech in telephone quality.

mod call;

use std::num::NonZeroUsize;
use std::time::Instant;

use asr::moonshine::Moonshine;
use asr::wer::WordErrors;
use asr::{Hint, Stability, Transcript};
use call::{Call, Recording};

fn moonshine() -> Option<Moonshine> {
    let folder = call::model("moonshine-tiny-en")?;
    let model = Moonshine::load(&call::runtime(), &folder, NonZeroUsize::MIN);
    Some(model.expect("the model loads"))
}

/// Plays a recording from the beginning of a call, with the hints that a voice gate would give
/// for it: the start 64 ms late, the pause `confirm` ms late.
fn play(call: &mut Call, recording: &Recording, confirm: u64) -> Transcript {
    let origin = call.position();
    let at = |ms: u64| origin + ms * 8;
    let take = |from: u64, to: u64| -> Vec<i16> {
        (from * 8..to * 8)
            .map(|n| recording.samples.get(n as usize).copied().unwrap_or(0))
            .collect()
    };
    let (heard, paused) = (recording.start + 64, recording.end + confirm);
    call.push(&take(0, heard));
    call.hint(Hint::SpeechStarted { at: at(recording.start) });
    call.push(&take(heard, paused));
    call.hint(Hint::Pause { at: at(recording.end) });
    call.wait_for_words(|transcript| {
        transcript.stability != Stability::Partial && transcript.covers >= at(recording.end)
    })
}

/// The word errors of the recordings in `part`, each in a segment of one call.
fn word_errors(part: &str) -> Option<WordErrors> {
    let recordings = call::recordings(part);
    let moonshine = moonshine()?;
    let mut call = Call::open(&moonshine);
    let mut sum = WordErrors::default();
    for recording in recordings.iter() {
        let began = Instant::now();
        let heard = play(&mut call, recording, 200);
        let took = began.elapsed();
        call.hint(Hint::TurnEnded);
        call.silence(400);
        let errors = WordErrors::between(&recording.said, &heard.text);
        println!("{:>4} ms {errors}: {} | {}", took.as_millis(), recording.said, heard.text);
        sum += errors;
    }
    println!("{part}: {sum}; {:?}", moonshine.counts());
    (sum.words > 0).then_some(sum)
}

#[test]
fn clean_speech_over_the_telephone_is_understood() {
    for part in ["librivox_sphinx", "voxforge/ar", "voxforge/rp"] {
        if let Some(errors) = word_errors(part) {
            assert!(errors.rate() < 0.15, "{part}: {errors}");
        }
    }
}

#[test]
fn dictation_over_the_telephone_is_mostly_understood() {
    if let Some(errors) = word_errors("an4_test") {
        assert!(errors.rate() < 0.3, "{errors}");
    }
}
