//! DTMF on recordings: digits are found, and speech is never taken for one.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use codecs::dtmf::{DtmfDetector, DtmfEvent};
use codecs::wav::Wav;
use codecs::{Resampler, SampleRate};

const SHARED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/audio");

fn wavs_below(folder: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = folder.read_dir() else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        if path.is_dir() {
            wavs_below(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "wav") {
            found.push(path);
        }
    }
}

/// Channel by channel, at 8 kHz.
fn at_8_khz(path: &Path) -> Vec<Vec<i16>> {
    let file = BufReader::new(File::open(path).expect("listed a moment ago"));
    let wav = Wav::read(file).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut resampler =
        Resampler::new(wav.rate, SampleRate::HZ_8000).expect("rates of speech corpora");
    (0..wav.channels)
        .map(|channel| {
            let mut samples = Vec::new();
            resampler.process(&wav.channel(channel), &mut samples);
            resampler.flush(&mut samples);
            samples
        })
        .collect()
}

fn digits(samples: &[i16]) -> String {
    let mut found = String::new();
    let mut detector = DtmfDetector::new();
    for block in samples.chunks(160) {
        detector.process(block, |event| {
            if let DtmfEvent::Pressed { digit, .. } = event {
                found.push(digit);
            }
        });
    }
    found
}

#[test]
fn recorded_digits_are_found() {
    let folder = Path::new(SHARED).join("telephony/dtmf_pipecat");
    if !folder.is_dir() {
        eprintln!("skipped: no telephony/dtmf_pipecat");
        return;
    }
    let keys = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "star", "pound"];
    for key in keys {
        let digit = match key {
            "star" => "*",
            "pound" => "#",
            digit => digit,
        };
        for samples in at_8_khz(&folder.join(format!("dtmf-{key}.wav"))) {
            assert_eq!(digits(&samples), digit);
        }
    }
}

#[test]
fn speech_is_never_taken_for_a_digit() {
    let mut paths = Vec::new();
    for folder in ["speech_en", "speech_fr", "speech_multi", "telephony", "dialog", "noise"] {
        wavs_below(&Path::new(SHARED).join(folder), &mut paths);
    }
    paths.retain(|path| !path.components().any(|part| part.as_os_str() == "dtmf_pipecat"));
    if paths.is_empty() {
        eprintln!("skipped: no recorded speech");
        return;
    }
    let mut samples = 0;
    let mut false_digits = Vec::new();
    for path in &paths {
        for channel in at_8_khz(path) {
            samples += channel.len();
            let found = digits(&channel);
            if !found.is_empty() {
                false_digits.push(format!("{}: {found}", path.display()));
            }
        }
    }
    let minutes = samples / 8_000 / 60;
    assert!(false_digits.is_empty(), "in {minutes} min: {false_digits:#?}");
    eprintln!("no digit in {minutes} min of {} recordings", paths.len());
}
