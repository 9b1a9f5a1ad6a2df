//! Beeps on recordings: speech, noise and music are hardly ever taken for one.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use codecs::beep::{Beep, BeepDetector};
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

fn beeps(samples: &[i16]) -> Vec<Beep> {
    let mut found = Vec::new();
    let mut detector = BeepDetector::new(SampleRate::HZ_8000);
    for frame in samples.chunks(160) {
        detector.process(frame, |beep| found.push(beep));
    }
    found
}

#[test]
fn speech_is_hardly_ever_taken_for_a_beep() {
    let mut paths = Vec::new();
    for folder in ["speech_en", "speech_fr", "speech_multi", "telephony", "dialog", "noise"] {
        wavs_below(&Path::new(SHARED).join(folder), &mut paths);
    }
    if paths.is_empty() {
        eprintln!("skipped: no recorded speech");
        return;
    }
    let (mut samples, mut false_beeps) = (0, Vec::new());
    for path in &paths {
        for channel in at_8_khz(path) {
            samples += channel.len();
            for beep in beeps(&channel) {
                false_beeps.push(format!("{}: {beep:?}", path.display()));
            }
        }
    }
    let minutes = samples / 8_000 / 60;
    eprintln!("{} beeps in {minutes} min of speech, noise and music", false_beeps.len());
    assert!(false_beeps.len() <= 1 + minutes / 20, "in {minutes} min: {false_beeps:#?}");
}
