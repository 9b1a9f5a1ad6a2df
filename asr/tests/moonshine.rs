//! Moonshine on real speech in telephone quality.

mod call;

use std::num::NonZeroUsize;
use std::path::Path;
use std::time::Instant;

use asr::moonshine::{Model, Moonshine};
use asr::wer::WordErrors;
use asr::{Hint, RecognizerError, Stability, Transcript};
use call::{Call, Recording};

fn moonshine() -> Option<Moonshine> {
    let folder = call::model("moonshine-tiny-en")?;
    let model = Moonshine::load(&call::runtime(), &folder, NonZeroUsize::MIN);
    Some(model.expect("the model loads"))
}

/// Plays a recording from the beginning of a call, with the hints that a voice gate would give
/// for it, each 64 ms late.
fn play(call: &mut Call, recording: &Recording) -> Transcript {
    let origin = call.position();
    let at = |ms: u64| origin + ms * 8;
    let take = |from: u64, to: u64| -> Vec<i16> {
        (from * 8..to * 8)
            .map(|n| recording.samples.get(n as usize).copied().unwrap_or(0))
            .collect()
    };
    let (heard, paused) = (recording.start + 64, recording.end + 64);
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
        let heard = play(&mut call, recording);
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
    let parts = ["librivox_sphinx", "voxforge/ar", "voxforge/rp"];
    let mut sum = WordErrors::default();
    for errors in parts.into_iter().filter_map(word_errors) {
        sum += errors;
    }
    assert!(sum.rate() < 0.12, "{sum}");
}

#[test]
fn dictation_over_the_telephone_is_mostly_understood() {
    if let Some(errors) = word_errors("an4_test") {
        assert!(errors.rate() < 0.3, "{errors}");
    }
}

/// What is read in `two_cities.wav` (Charles Dickens, A Tale of Two Cities, 1859).
const TWO_CITIES: &str = "It was the best of times, it was the worst of times, it was the age of \
    wisdom, it was the age of foolishness, it was the epoch of belief, it was the epoch of \
    incredulity, it was the season of Light, it was the season of Darkness, it was the spring of \
    hope, it was the winter of despair, we had everything before us, we had nothing before us, we \
    were all going direct to Heaven, we were all going direct the other way - in short, the period \
    was so far like the present period, that some of its noisiest authorities insisted on its \
    being received, for good or for evil, in the superlative degree of comparison only.";

fn two_cities() -> Option<Vec<i16>> {
    let path = call::model("demo-speech-en")?.join("two_cities.wav");
    path.exists().then(|| call::telephone(&path))
}

#[test]
fn speech_without_a_pause_is_cut_into_segments_and_no_word_lost() {
    let (Some(moonshine), Some(samples)) = (moonshine(), two_cities()) else { return };
    let mut call = Call::open(&moonshine);
    call.hint(Hint::SpeechStarted { at: 0 });
    call.push(&samples);
    let end = call.position();
    call.hint(Hint::Pause { at: end });
    call.wait_for_words(|words| words.stability != Stability::Partial && words.covers >= end);

    let mut segments: Vec<(u32, String)> = Vec::new();
    for transcript in call.transcripts() {
        if transcript.stability != Stability::Partial {
            segments.push((transcript.segment, transcript.text.clone()));
        }
    }
    assert_eq!(segments.iter().map(|(segment, _)| *segment).collect::<Vec<_>>(), [0, 1, 2]);
    let heard: Vec<&str> = segments.iter().map(|(_, text)| text.as_str()).collect();
    let errors = WordErrors::between(TWO_CITIES, &heard.join(" "));
    println!("{errors}: {heard:#?}");
    assert!(errors.rate() < 0.2, "{errors}");
}

#[test]
fn a_pause_within_a_sentence_is_left_out_and_the_sentence_goes_on() {
    let (Some(moonshine), Some(samples)) = (moonshine(), two_cities()) else { return };
    let mut call = Call::open(&moonshine);
    // "It was the best of times," from 1.15 s to 2.85 s; "it was the worst of times" to 4.6 s.
    let at = |ms: u64| ms * 8;
    call.push(&samples[..8 * 1_250]);
    call.hint(Hint::SpeechStarted { at: at(1_150) });
    call.push(&samples[8 * 1_250..8 * 2_850]);
    call.silence(5_000);
    call.hint(Hint::Pause { at: at(2_850) });
    let first = call.wait_for_words(|words| words.stability == Stability::Stable);
    let resumed = call.position();
    call.push(&samples[8 * 2_850..8 * 2_950]);
    call.hint(Hint::SpeechStarted { at: resumed });
    call.push(&samples[8 * 2_950..8 * 4_650]);
    call.silence(200);
    call.hint(Hint::Pause { at: resumed + at(1_800) });
    let both =
        call.wait_for_words(|words| words.stability == Stability::Stable && words.covers > resumed);
    assert_eq!((first.segment, both.segment), (0, 0));
    assert_eq!(
        WordErrors::between("it was the best of times", &first.text).errors(),
        0,
        "{}",
        first.text
    );
    let said = "it was the best of times it was the worst of times";
    assert_eq!(WordErrors::between(said, &both.text).errors(), 0, "{}", both.text);
}

#[test]
fn silence_and_noise_have_no_words() {
    let Some(folder) = call::model("moonshine-tiny-en") else { return };
    let mut model = Model::load(&call::runtime(), &folder).expect("the model loads");
    let mut state = 1_u32;
    let mut noise = move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        ((state >> 16) as f32 / 32_768.0 - 1.0) * 0.01
    };
    for samples in [0, 1, 700, 8_000, 48_000] {
        let silence = vec![0.0; samples];
        assert_eq!(model.transcribe(&silence).expect("it runs"), "");
        let hiss: Vec<f32> = (0..samples).map(|_| noise()).collect();
        assert_eq!(model.transcribe(&hiss).expect("it runs"), "");
    }
}

#[test]
fn a_folder_without_the_model_is_named_with_the_remedy() {
    let Some(folder) = call::model("moonshine-tiny-en") else { return };
    let load = |folder: &Path| match Model::load(&call::runtime(), folder) {
        Err(RecognizerError::Model { provider: "moonshine", reason }) => reason,
        other => panic!("{other:?}"),
    };
    let reason = load(Path::new("nowhere"));
    assert!(reason.contains("nowhere/tokenizer.bin"), "{reason}");

    let broken = tempfile::tempdir().expect("a temporary folder");
    let files = ["encoder_model.onnx", "decoder_model_merged.onnx", "tokenizer.bin"];
    for file in files {
        std::fs::copy(folder.join(file), broken.path().join(file)).expect("the model is there");
    }
    std::fs::write(broken.path().join("decoder_model_merged.onnx"), "page not found")
        .expect("written");
    let reason = load(broken.path());
    assert!(reason.contains("decoder_model_merged.onnx") && reason.contains("verify"), "{reason}");

    std::fs::copy(folder.join(files[0]), broken.path().join(files[1])).expect("copied");
    let reason = load(broken.path());
    assert!(reason.contains("not a merged Moonshine decoder"), "{reason}");

    std::fs::copy(folder.join(files[1]), broken.path().join(files[1])).expect("copied");
    std::fs::write(broken.path().join("tokenizer.bin"), b"\x01a\x01b\x01c").expect("written");
    let reason = load(broken.path());
    assert!(reason.contains("holds 3 tokens"), "{reason}");
}
