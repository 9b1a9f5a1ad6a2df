//! A transducer's files, found and checked before the library sees them: it ends the process when
//! it meets a file that it cannot use.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use onnx::metadata;

/// The encoders that sherpa-onnx can stream.
const FAMILIES: [&str; 5] = ["conformer", "ebranchformer", "lstm", "zipformer", "zipformer2"];

/// The files of one streaming transducer.
#[derive(Debug)]
pub(super) struct ModelFiles {
    pub(super) encoder: String,
    pub(super) decoder: String,
    pub(super) joiner: String,
    pub(super) tokens: String,
    /// Frames of 10 ms that a step looks at: what must be there beyond the last word before that
    /// comes out.
    pub(super) window_frames: u32,
}

impl ModelFiles {
    pub(super) fn find(folder: &Path) -> Result<Self, String> {
        let entries = fs::read_dir(folder)
            .map_err(|error| format!("cannot read the folder {}: {error}", folder.display()))?;
        let mut names: Vec<String> =
            entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect();
        names.sort();
        // As the project's own examples do: a quantised decoder saves nothing and costs accuracy.
        let encoder = pick(folder, &names, "encoder", true)?;
        let decoder = pick(folder, &names, "decoder", false)?;
        let joiner = pick(folder, &names, "joiner", true)?;
        let tokens = folder.join("tokens.txt");

        let metadata = read_metadata(&encoder)?;
        let family = text(&metadata, &encoder, "model_type")?;
        if !FAMILIES.contains(&family) {
            return Err(format!(
                "{} is of the type {family}, not a streaming transducer; those are {}",
                encoder.display(),
                FAMILIES.join(", ")
            ));
        }
        let window_frames = number(&metadata, &encoder, "T")?;
        number(&metadata, &encoder, "decode_chunk_len")?;
        let metadata = read_metadata(&decoder)?;
        number(&metadata, &decoder, "context_size")?;
        let vocabulary = number(&metadata, &decoder, "vocab_size")?;
        read_metadata(&joiner)?;
        check_tokens(&tokens, vocabulary)?;

        let [encoder, decoder, joiner, tokens] =
            [encoder, decoder, joiner, tokens].map(|path| path.into_os_string().into_string());
        let not_text = |_| format!("the path {} is not UTF-8; move the model", folder.display());
        Ok(Self {
            encoder: encoder.map_err(not_text)?,
            decoder: decoder.map_err(not_text)?,
            joiner: joiner.map_err(not_text)?,
            tokens: tokens.map_err(not_text)?,
            window_frames,
        })
    }
}

/// The one file of a `part`; quantised or not as preferred where there are both.
fn pick(folder: &Path, names: &[String], part: &str, quantised: bool) -> Result<PathBuf, String> {
    let of_part = |name: &&String| name.contains(part) && name.ends_with(".onnx");
    let fits = |name: &&String| name.contains("int8") == quantised;
    let mut found: Vec<&String> = names.iter().filter(of_part).collect();
    if found.iter().any(fits) {
        found.retain(fits);
    }
    match found[..] {
        [name] => Ok(folder.join(name)),
        [] => Err(format!("there is no *{part}*.onnx in {}", folder.display())),
        _ => Err(format!(
            "there are several *{part}*.onnx in {}: {found:?}; leave one",
            folder.display()
        )),
    }
}

/// The metadata of the model at `path`.
fn read_metadata(path: &Path) -> Result<BTreeMap<String, String>, String> {
    metadata::read(path).map_err(|error| match error.kind() {
        io::ErrorKind::InvalidData => format!("{} is {error}", path.display()),
        io::ErrorKind::UnexpectedEof => {
            format!("{} is not an ONNX model: it is cut short", path.display())
        }
        _ => format!("cannot read {}: {error}", path.display()),
    })
}

fn text<'a>(
    metadata: &'a BTreeMap<String, String>,
    path: &Path,
    key: &str,
) -> Result<&'a str, String> {
    metadata.get(key).map(String::as_str).ok_or_else(|| {
        format!(
            "{} has no {key} in its metadata; export the model with icefall's export-onnx.py for \
             streaming",
            path.display()
        )
    })
}

fn number(metadata: &BTreeMap<String, String>, path: &Path, key: &str) -> Result<u32, String> {
    let value = text(metadata, path, key)?;
    value.parse().map_err(|_| {
        format!("{} has {key} = {value:?} in its metadata, not a number", path.display())
    })
}

/// Checks that each line is a token and its number, and each number below `vocabulary` there.
fn check_tokens(path: &Path, vocabulary: u32) -> Result<(), String> {
    let failed = |reason: String| format!("{}: {reason}", path.display());
    let file = fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
    let mut there = vec![false; vocabulary as usize];
    for (line, content) in file.lines().enumerate() {
        // A token may itself be white space, so only the last field is sure.
        let number = content.split_whitespace().next_back().and_then(|last| last.parse().ok());
        let Some(number) = number else {
            return Err(failed(format!("line {} does not end in a token's number", line + 1)));
        };
        if let Some(there) = there.get_mut::<usize>(number) {
            *there = true;
        }
    }
    match there.iter().position(|there| !there) {
        None => Ok(()),
        Some(missing) => Err(failed(format!(
            "token {missing} of {vocabulary} is missing; take the file that came with the model"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tiny() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/tiny-transducer")
    }

    /// A folder with the tiny model's files under other names.
    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a temporary folder");
        for (from, to) in files {
            fs::copy(tiny().join(from), folder.path().join(to)).expect("the tiny model is there");
        }
        folder
    }

    #[test]
    fn a_models_files_are_found_by_their_parts() {
        let files = ModelFiles::find(&tiny()).expect("complete");
        assert_eq!(files.window_frames, 19);
        let folder = folder(&[
            ("encoder.onnx", "encoder-epoch-99.onnx"),
            ("encoder.onnx", "encoder-epoch-99.int8.onnx"),
            ("decoder.onnx", "decoder-epoch-99.onnx"),
            ("decoder.onnx", "decoder-epoch-99.int8.onnx"),
            ("joiner.onnx", "joiner-epoch-99.int8.onnx"),
            ("tokens.txt", "tokens.txt"),
        ]);
        let files = ModelFiles::find(folder.path()).expect("complete");
        assert!(files.encoder.ends_with("encoder-epoch-99.int8.onnx"));
        assert!(files.decoder.ends_with("decoder-epoch-99.onnx"));
        assert!(files.joiner.ends_with("joiner-epoch-99.int8.onnx"));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let missing = ModelFiles::find(Path::new("nowhere")).expect_err("no folder");
        assert!(missing.contains("nowhere"), "{missing}");

        let parts = ["encoder.onnx", "decoder.onnx", "joiner.onnx", "tokens.txt"];
        for missing in parts {
            let there: Vec<_> =
                parts.iter().filter(|part| **part != missing).map(|part| (*part, *part)).collect();
            let error = ModelFiles::find(folder(&there).path()).expect_err("a part is missing");
            assert!(error.contains(missing.trim_end_matches(".onnx")), "{error}");
        }

        let all = parts.map(|part| (part, part));
        let twice = folder(&all);
        fs::copy(tiny().join("encoder.onnx"), twice.path().join("encoder-2.onnx")).expect("copied");
        let error = ModelFiles::find(twice.path()).expect_err("two encoders");
        assert!(error.contains("encoder-2.onnx") && error.contains("leave one"), "{error}");

        let swapped = folder(&[
            ("joiner.onnx", "encoder.onnx"),
            ("decoder.onnx", "decoder.onnx"),
            ("joiner.onnx", "joiner.onnx"),
            ("tokens.txt", "tokens.txt"),
        ]);
        let error = ModelFiles::find(swapped.path()).expect_err("not an encoder");
        assert!(error.contains("no model_type"), "{error}");

        let cut = folder(&all);
        fs::write(cut.path().join("tokens.txt"), "<blk> 0\nfoo\n").expect("written");
        let error = ModelFiles::find(cut.path()).expect_err("not tokens");
        assert!(error.contains("line 2"), "{error}");
        fs::write(cut.path().join("tokens.txt"), "<blk> 0\n  2\n").expect("written");
        let error = ModelFiles::find(cut.path()).expect_err("not all tokens");
        assert!(error.contains("token 1 of 9"), "{error}");
    }
}
