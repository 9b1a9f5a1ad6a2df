//! What a folder of recordings holds beside its list: noises, echoes, meetings, calls.
//!
//! Found by name, wherever they are: noises below a folder `noise` (room responses, `rir*`, and
//! anything with `test` in its name are none); echoes as `*_lpb.wav` beside `*_mic.wav`, what a
//! loudspeaker played and what the microphone heard (Microsoft's AEC challenge); speaker turns as
//! `*.rttm` beside their recordings; calls as `*_agent.wav` beside `*_caller.wav`.

use std::fs;
use std::path::{Path, PathBuf};

use super::super::line;
use super::super::set::Skipped;
use super::super::sound;

/// A sound at the line's rate.
#[derive(Clone, Debug)]
pub(in crate::eval) struct Sound {
    /// Its path in the folder.
    pub(in crate::eval) name: String,
    pub(in crate::eval) samples: Vec<i16>,
}

/// What a loudspeaker played and what the microphone beside it heard, from the same moment on.
#[derive(Clone, Debug)]
pub(in crate::eval) struct EchoPair {
    pub(in crate::eval) name: String,
    pub(in crate::eval) played: Vec<i16>,
    pub(in crate::eval) heard: Vec<i16>,
    /// Somebody speaks into the microphone, too.
    pub(in crate::eval) double_talk: bool,
}

/// A speaker's turn in a meeting, in ms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::eval) struct SpeakerTurn {
    pub(in crate::eval) recording: String,
    pub(in crate::eval) from: u64,
    pub(in crate::eval) to: u64,
}

/// A call with each side in a file of its own.
#[derive(Clone, Debug)]
pub(in crate::eval) struct TwoChannel {
    pub(in crate::eval) name: String,
    pub(in crate::eval) caller: Vec<i16>,
    pub(in crate::eval) agent: Vec<i16>,
}

/// Everything that was found.
#[derive(Clone, Debug, Default)]
pub(in crate::eval) struct Material {
    pub(in crate::eval) noises: Vec<Sound>,
    pub(in crate::eval) echoes: Vec<EchoPair>,
    /// Short turns of meetings while nobody else spoke.
    pub(in crate::eval) short_turns: Vec<Sound>,
    pub(in crate::eval) calls: Vec<TwoChannel>,
    pub(in crate::eval) skipped: Vec<Skipped>,
}

/// A turn this short is a back-channel more often than not, in ms.
const SHORT_TURN_MS: u64 = 1_000;
/// Nobody else speaks this close to it, in ms.
const ALONE_MS: u64 = 150;
/// Sound kept on either side of it, in ms.
const AROUND_MS: u64 = 100;

impl Material {
    /// Looks through `folder`.
    pub(in crate::eval) fn find(folder: &Path) -> Self {
        let mut files = Vec::new();
        walk(folder, &mut files);
        files.sort();
        let mut material = Self::default();
        for path in &files {
            material.take(folder, path);
        }
        material
    }

    fn take(&mut self, folder: &Path, path: &Path) {
        let name = path.strip_prefix(folder).unwrap_or(path).display().to_string();
        let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let beside = |ending: &str, other: &str| {
            let other = format!("{}{other}.wav", stem.strip_suffix(ending)?);
            Some(path.with_file_name(other)).filter(|path| path.is_file())
        };
        let is_sound = path.extension().is_some_and(|e| e == "wav" || e == "flac");
        let is_noise = path.components().any(|part| part.as_os_str() == "noise");
        if path.extension().is_some_and(|extension| extension == "rttm") {
            self.take_meeting(path);
        } else if !is_sound {
        } else if let Some(heard) = beside("_lpb", "_mic") {
            if stem.contains("nearend") {
                return;
            }
            let (Some(played), Some(heard)) = (self.read(path, &name), self.read(&heard, &name))
            else {
                return;
            };
            let double_talk = stem.contains("doubletalk");
            self.echoes.push(EchoPair { name, played, heard, double_talk });
        } else if let Some(caller) = beside("_agent", "_caller") {
            let (Some(agent), Some(caller)) = (self.read(path, &name), self.read(&caller, &name))
            else {
                return;
            };
            self.calls.push(TwoChannel { name, caller, agent });
        } else if is_noise
            && !stem.starts_with("rir")
            && !stem.contains("test")
            && let Some(samples) = self.read(path, &name)
        {
            self.noises.push(Sound { name, samples });
        }
    }

    /// The short turns of the meetings that `rttm` describes.
    fn take_meeting(&mut self, rttm: &Path) {
        let text = fs::read_to_string(rttm).unwrap_or_default();
        for turn in short_turns(&turns(&text)) {
            let path = rttm.with_file_name(format!("{}.wav", turn.recording));
            if !path.is_file() {
                continue;
            }
            let name = format!("{} at {} ms", turn.recording, turn.from);
            let Some(samples) = self.read(&path, &name) else { continue };
            let from = line::samples(turn.from.saturating_sub(AROUND_MS)).min(samples.len());
            let to = line::samples(turn.to + AROUND_MS).min(samples.len());
            self.short_turns.push(Sound { name, samples: samples[from..to].to_vec() });
        }
    }

    fn read(&mut self, path: &Path, name: &str) -> Option<Vec<i16>> {
        let read = sound::read(path).and_then(|(rate, wide)| line::at_line_rate(rate, &wide));
        read.map_err(|reason| self.skipped.push(Skipped { file: name.to_owned(), reason })).ok()
    }
}

fn walk(folder: &Path, files: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        if path.is_dir() {
            walk(&path, files);
        } else {
            files.push(path);
        }
    }
}

/// The turns of an RTTM file (NIST's Rich Transcription, 2009, appendix A).
fn turns(rttm: &str) -> Vec<SpeakerTurn> {
    let turn = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let ms = |index: usize| {
            let seconds: f64 = fields.get(index)?.parse().ok()?;
            Some((seconds * 1_000.0).round() as u64)
        };
        let (from, length) = (ms(3)?, ms(4)?);
        let recording = (*fields.get(1)?).to_owned();
        (fields.first() == Some(&"SPEAKER")).then_some(SpeakerTurn {
            recording,
            from,
            to: from + length,
        })
    };
    rttm.lines().filter_map(turn).collect()
}

/// Those that are short while nobody else speaks.
fn short_turns(turns: &[SpeakerTurn]) -> Vec<SpeakerTurn> {
    let overlaps = |a: &SpeakerTurn, b: &SpeakerTurn| {
        a != b && a.recording == b.recording && b.from < a.to + ALONE_MS && a.from < b.to + ALONE_MS
    };
    turns
        .iter()
        .filter(|turn| turn.to - turn.from <= SHORT_TURN_MS)
        .filter(|turn| !turns.iter().any(|other| overlaps(turn, other)))
        .cloned()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_turns_are_those_spoken_alone() {
        let rttm = "SPEAKER a 1 1.000 0.400 <NA> <NA> X <NA> <NA>\n\
                    SPEAKER a 1 1.500 0.300 <NA> <NA> Y <NA> <NA>\n\
                    SPEAKER a 1 5.000 0.500 <NA> <NA> X <NA> <NA>\n\
                    SPEAKER a 1 7.000 2.500 <NA> <NA> Y <NA> <NA>\n\
                    SPEAKER b 1 5.100 0.300 <NA> <NA> X <NA> <NA>\n\
                    ;; a comment\n";
        let turns = turns(rttm);
        assert_eq!(turns.len(), 5);
        let alone: Vec<_> =
            short_turns(&turns).iter().map(|turn| (turn.recording.clone(), turn.from)).collect();
        assert_eq!(alone, [("a".to_owned(), 5_000), ("b".to_owned(), 5_100)]);
    }

    #[test]
    fn things_are_found_by_their_names() {
        let folder = tempfile::tempdir().expect("a directory");
        let write = |name: &str| {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
            let file = fs::File::create(path).expect("a file");
            let pcm = codecs::Pcm::new(line::RATE, &[7; 80]);
            codecs::wav::write_mono(file, pcm).expect("room on the disk");
        };
        for name in [
            "noise/x/street.wav",
            "noise/rir1.wav",
            "noise/test.wav",
            "echo/a_farend_singletalk_lpb.wav",
            "echo/a_farend_singletalk_mic.wav",
            "echo/b_lpb.wav",
            "echo/c_nearend_singletalk_lpb.wav",
            "echo/c_nearend_singletalk_mic.wav",
            "calls/one_agent.wav",
            "calls/one_caller.wav",
            "plain/a.wav",
        ] {
            write(name);
        }
        fs::write(folder.path().join("noise/broken.wav"), b"no sound").expect("a file");
        let found = Material::find(folder.path());
        let noises: Vec<&str> = found.noises.iter().map(|noise| noise.name.as_str()).collect();
        assert_eq!(noises, ["noise/x/street.wav"]);
        assert_eq!((found.echoes.len(), found.calls.len()), (1, 1));
        assert!(!found.echoes[0].double_talk);
        assert_eq!(found.skipped.len(), 1, "{:?}", found.skipped);
    }
}
