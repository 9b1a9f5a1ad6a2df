//! A set of recordings: a folder with an `eval.tsv`.
//!
//! Where a line has a `voice` (what `espeak-ng -v` takes) there is no recording: that voice says
//! the transcript, or what stands under `say`, and `start_ms` and `end_ms` are left out.

use std::fs;
use std::path::{Path, PathBuf};

use codecs::SampleRate;
use serde::Serialize;

use super::sound;
use super::spoken::Spoken;

/// The list of a set, in its folder.
pub const LIST: &str = "eval.tsv";

/// One utterance of the list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// The recording, relative to the folder.
    pub file: String,
    /// BCP 47 tag of its language.
    pub language: String,
    /// What is said: `plain`, or what is dictated.
    pub kind: String,
    /// The question that it answers; empty: none.
    pub prompt: String,
    /// What was said.
    pub transcript: String,
    /// Where speech begins, in ms of the recording.
    pub start_ms: u64,
    /// Where it ends.
    pub end_ms: u64,
    /// Said by a synthetic voice.
    #[serde(skip)]
    pub(super) spoken: Option<Spoken>,
}

/// An utterance that is left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Skipped {
    /// The recording, or the line of the list.
    pub file: String,
    /// Why.
    pub reason: String,
}

/// Why a set cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SetError {
    /// There is no list.
    #[error("cannot read {}: {source}; give a folder that has an {LIST}", path.display())]
    Read {
        /// The list.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The list lacks a column.
    #[error("{} has no column `{column}`; its first line must name file, lang, kind, prompt, transcript, start_ms and end_ms, with tabs between", path.display())]
    Column {
        /// The list.
        path: PathBuf,
        /// The column.
        column: &'static str,
    },
}

impl Entry {
    /// Where the recording comes from: the first two folders of its path.
    pub fn set(&self) -> String {
        let folders: Vec<&str> = self.file.split('/').collect();
        let folders = &folders[..folders.len().saturating_sub(1).min(2)];
        if folders.is_empty() { ".".to_owned() } else { folders.join("/") }
    }

    /// Something is dictated: letters, digits, a date.
    pub fn is_dictated(&self) -> bool {
        self.kind != "plain"
    }

    /// The recording, WAV or FLAC, or what was synthesised.
    ///
    /// # Errors
    ///
    /// Why it cannot be read.
    pub fn read(&self, folder: &Path) -> Result<(SampleRate, Vec<i16>), String> {
        match &self.spoken {
            Some(spoken) => Ok((spoken.rate, spoken.samples.to_vec())),
            None => sound::read(&folder.join(&self.file)),
        }
    }
}

/// Reads the list of the set in `folder`: its utterances, and the lines that are none.
///
/// # Errors
///
/// Where there is no list, or it lacks a column.
pub(super) fn read(folder: &Path) -> Result<(Vec<Entry>, Vec<Skipped>), SetError> {
    let path = folder.join(LIST);
    let text = fs::read_to_string(&path)
        .map_err(|source| SetError::Read { path: path.clone(), source })?;
    parse(&text).map_err(|column| SetError::Column { path, column })
}

fn parse(text: &str) -> Result<(Vec<Entry>, Vec<Skipped>), &'static str> {
    let mut lines = text.lines().enumerate();
    let header: Vec<&str> =
        lines.next().map(|(_, line)| line.split('\t').map(str::trim).collect()).unwrap_or_default();
    let column = |name: &'static str| header.iter().position(|column| *column == name).ok_or(name);
    let file = column("file")?;
    let (language, kind) = (column("lang")?, column("kind")?);
    let (prompt, transcript) = (column("prompt")?, column("transcript")?);
    let (start, end) = (column("start_ms")?, column("end_ms")?);
    let (voice, say) = (column("voice").ok(), column("say").ok());
    let (mut entries, mut skipped) = (Vec::new(), Vec::new());
    for (at, line) in lines.filter(|(_, line)| !line.trim().is_empty()) {
        let fields: Vec<&str> = line.split('\t').map(str::trim).collect();
        let field = |index: usize| fields.get(index).copied().unwrap_or_default();
        let name = match field(file) {
            "" => format!("{LIST} line {}", at + 1),
            name => name.to_owned(),
        };
        let ms = |index: usize| field(index).parse::<f64>().ok().filter(|ms| *ms >= 0.0);
        let optional = |column: Option<usize>| column.map(field).filter(|value| !value.is_empty());
        let mut entry = Entry {
            file: name.clone(),
            language: field(language).to_owned(),
            kind: field(kind).to_owned(),
            prompt: field(prompt).to_owned(),
            transcript: field(transcript).to_owned(),
            start_ms: 0,
            end_ms: 0,
            spoken: None,
        };
        if let Some(voice) = optional(voice).filter(|_| !field(file).is_empty()) {
            match Spoken::say(voice, optional(say).unwrap_or(&entry.transcript)) {
                Ok(spoken) => {
                    (entry.start_ms, entry.end_ms) = spoken.span;
                    entry.spoken = Some(spoken);
                    entries.push(entry);
                }
                Err(reason) => skipped.push(Skipped { file: name, reason }),
            }
            continue;
        }
        match (field(file), ms(start), ms(end)) {
            ("", ..) => skipped.push(Skipped { file: name, reason: "no file is named".into() }),
            (_, Some(start), Some(end)) if start < end => {
                (entry.start_ms, entry.end_ms) = (start as u64, end as u64);
                entries.push(entry);
            }
            _ => {
                let reason = format!(
                    "start_ms \"{}\" and end_ms \"{}\" are not two times in ms, the first the \
                     smaller",
                    field(start),
                    field(end)
                );
                skipped.push(Skipped { file: name, reason });
            }
        }
    }
    Ok((entries, skipped))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_found_by_name_and_bad_lines_are_named() {
        let text = "lang\tfile\tkind\tprompt\ttranscript\tend_ms\tstart_ms\n\
                    en\ta/b/c.wav\tplain\t\thello there\t900\t100\n\
                    \n\
                    fr\tx.wav\tcode\tQuel code ?\tA\t100\t900\n\
                    fr\t\tcode\t\tA\t900\t100\n";
        let (entries, skipped) = parse(text).expect("all columns are there");
        assert_eq!(entries.len(), 1);
        assert_eq!((entries[0].start_ms, entries[0].end_ms), (100, 900));
        assert_eq!((entries[0].set().as_str(), entries[0].is_dictated()), ("a/b", false));
        let names: Vec<&str> = skipped.iter().map(|line| line.file.as_str()).collect();
        assert_eq!(names, ["x.wav", "eval.tsv line 5"]);
        assert!(skipped[0].reason.contains("900"), "{}", skipped[0].reason);
    }

    #[test]
    fn a_missing_column_is_named() {
        assert_eq!(parse("file\tlang\tkind\tprompt\ttranscript\tstart_ms\n"), Err("end_ms"));
        assert_eq!(parse(""), Err("file"));
    }

    #[test]
    fn a_set_is_at_most_two_folders() {
        let set = |file: &str| {
            let text = format!(
                "file\tlang\tkind\tprompt\ttranscript\tstart_ms\tend_ms\n{file}\ten\tplain\t\tx\t1\t2"
            );
            parse(&text).expect("a list").0[0].set()
        };
        assert_eq!([set("a.wav"), set("a/b.wav"), set("a/b/c/d.wav")], [".", "a", "a/b"]);
    }
}
