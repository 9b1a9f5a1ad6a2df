//! Streaming through sherpa-onnx, with a transducer that says a word each 40 ms of sound: see
//! `data/tiny-transducer/README.md`.

mod call;

use std::time::Duration;

use asr::sherpa::{Sherpa, SherpaOptions};
use asr::{Hint, RecognizerEvent, Stability};
use call::Call;

fn sherpa(end_of_turn: Option<Duration>) -> Sherpa {
    let folder = call::repository().join("asr/tests/data/tiny-transducer");
    let options = SherpaOptions { languages: vec!["en".to_owned()], end_of_turn };
    Sherpa::load(&folder, options).expect("the tiny model loads")
}

/// `ms` of a sound with all frequencies in it.
fn sound(ms: usize) -> Vec<i16> {
    let mut state = 7_u32;
    let mut noise = move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 18) as i16 - 8_192
    };
    (0..ms * 8).map(|_| noise()).collect()
}

/// Sound with a hint 60 ms after its beginning, then 100 ms of silence.
fn speak(call: &mut Call, ms: usize) -> u64 {
    let began = call.position();
    call.push(&sound(60));
    call.hint(Hint::SpeechStarted { at: began });
    call.push(&sound(ms - 60));
    let ended = call.position();
    call.silence(100);
    ended
}

fn pause(call: &mut Call, at: u64) -> asr::Transcript {
    call.hint(Hint::Pause { at });
    call.wait_for_words(|words| words.stability != Stability::Partial && words.covers >= at)
}

#[test]
fn words_follow_the_sound_and_stand_where_it_was() {
    let sherpa = sherpa(None);
    let mut call = Call::open(&sherpa);
    call.silence(1_000);
    let at = speak(&mut call, 600);
    let stable = pause(&mut call, at);
    assert_eq!(stable.stability, Stability::Stable);
    assert!(stable.text.starts_with("one two three four five six one"), "{}", stable.text);
    // 600 ms are 15 frames of 40 ms; one of them at each end may be half silent.
    let tokens = stable.words.iter().map(|word| if word.text == "three" { 2 } else { 1 });
    assert!((13..=16).contains(&tokens.sum::<usize>()), "{stable:?}");
    let (first, last) = (&stable.words[0], stable.words.last().expect("many"));
    assert!(first.start.abs_diff(1_000 * 8) <= 60 * 8, "{first:?}");
    assert!(last.end.abs_diff(1_600 * 8) <= 60 * 8, "{last:?}");

    // After a long pause the same segment goes on, and the pause takes its place in time.
    call.silence(3_000);
    let began = call.position();
    let at = speak(&mut call, 400);
    let longer = pause(&mut call, at);
    assert_eq!(longer.segment, 0);
    assert!(longer.text.starts_with(&stable.text), "{} | {}", stable.text, longer.text);
    let next = &longer.words[stable.words.len()];
    assert!(next.start.abs_diff(began) <= 60 * 8, "{next:?} after {began}");
}

#[test]
fn partials_flow_while_the_caller_speaks() {
    let sherpa = sherpa(None);
    let mut call = Call::open(&sherpa);
    call.hint(Hint::SpeechStarted { at: 0 });
    let mut covered = 0;
    for _ in 0..4 {
        call.push(&sound(400));
        let partial = call.wait_for_words(|words| words.stability == Stability::Partial);
        assert!(partial.covers >= covered && partial.covers <= call.position(), "{partial:?}");
        covered = partial.covers;
    }
    assert!(covered > 800 * 8, "{covered}");
}

#[test]
fn turns_share_nothing() {
    let sherpa = sherpa(None);
    let mut call = Call::open(&sherpa);
    let texts = [(); 3].map(|()| {
        let at = speak(&mut call, 500);
        let stable = pause(&mut call, at);
        call.hint(Hint::TurnEnded);
        call.silence(700);
        (stable.segment, stable.text)
    });
    assert_eq!(texts.each_ref().map(|(segment, _)| *segment), [0, 1, 2]);
    assert!(texts.iter().all(|(_, text)| text.starts_with("one two three")), "{texts:?}");
}

#[test]
fn a_turn_that_ends_in_mid_speech_is_final_and_the_rest_a_new_segment() {
    let sherpa = sherpa(None);
    let mut call = Call::open(&sherpa);
    call.hint(Hint::SpeechStarted { at: 0 });
    call.push(&sound(500));
    call.hint(Hint::TurnEnded);
    let last = call.wait_for_words(|words| words.stability == Stability::Final);
    assert_eq!((last.segment, last.covers), (0, 500 * 8));
    assert!(last.text.starts_with("one two three"), "{last:?}");
    call.push(&sound(500));
    let at = call.position();
    let next = pause(&mut call, at);
    assert_eq!(next.segment, 1);
    assert!(next.words[0].start.abs_diff(500 * 8) <= 60 * 8, "{next:?}");
}

#[test]
fn the_models_own_end_of_turn_is_told_once_for_a_pause() {
    let sherpa = sherpa(Some(Duration::from_millis(600)));
    let mut call = Call::open(&sherpa);
    let ends = |call: &Call| {
        let end = |event: &&RecognizerEvent| matches!(event, RecognizerEvent::EndOfTurn { .. });
        call.events.iter().filter(end).count()
    };
    let at = speak(&mut call, 500);
    pause(&mut call, at);
    call.silence(200);
    assert_eq!(ends(&call), 0, "300 ms of silence are no end");
    let at = speak(&mut call, 500);
    pause(&mut call, at);
    call.silence(1_500);
    call.wait_for(|event| *event == RecognizerEvent::EndOfTurn { eager: false });
    call.silence(2_000);
    call.hint(Hint::TurnEnded);
    let at = speak(&mut call, 500);
    pause(&mut call, at);
    assert_eq!(ends(&call), 1);
}

#[test]
fn many_calls_are_decoded_together_and_apart() {
    let sherpa = sherpa(None);
    let mut calls: Vec<Call> = (0..40).map(|_| Call::open(&sherpa)).collect();
    let ended: Vec<u64> =
        calls.iter_mut().enumerate().map(|(n, call)| speak(call, 200 + 40 * (n % 10))).collect();
    let texts: Vec<String> =
        calls.iter_mut().zip(ended).map(|(call, at)| pause(call, at).text).collect();
    for (n, text) in texts.iter().enumerate() {
        assert_eq!(*text, texts[n % 10], "as long a sound gives the same words");
    }
    assert!(texts[9].len() > texts[0].len(), "{texts:?}");
}

#[test]
fn a_backlog_loses_its_oldest_audio_and_says_so() {
    let sherpa = sherpa(None);
    let mut call = Call::open(&sherpa);
    call.hint(Hint::SpeechStarted { at: 0 });
    // All at once is more than the ring holds.
    call.push_in(&sound(20_000), 160_000);
    let at = call.position();
    let stable = pause(&mut call, at);
    assert_eq!(stable.covers, 20_000 * 8);
    assert!(sherpa.counts().lost_samples > 0, "{:?}", sherpa.counts());
    let last = stable.words.last().expect("the rest was heard");
    assert!(last.end <= 20_000 * 8, "{last:?}");
}
