//! Brings a voice as Piper publishes it (`NAME.onnx` and `NAME.onnx.json`) into the form
//! sherpa-onnx loads: metadata inside the model, and `tokens.txt`
//! (<https://k2-fsa.github.io/sherpa/onnx/tts/piper.html>).

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use onnx::metadata;
use serde_json::Value;

/// Why a voice cannot be imported.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// A file cannot be read or written.
    #[error("{path}: {source}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The description is not one of Piper's.
    #[error("{path}: {reason}")]
    Description {
        /// Which.
        path: PathBuf,
        /// What is wrong in it.
        reason: String,
    },
}

/// Writes `model.onnx` and `tokens.txt` into the directory `into` (made where it is missing) from
/// a Piper model and its description.
///
/// # Errors
///
/// [`ImportError`], naming the file.
pub fn import(model: &Path, description: &Path, into: &Path) -> Result<(), ImportError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source: io::Error| ImportError::File { path, source }
    };
    let wrong = |reason: String| ImportError::Description { path: description.to_owned(), reason };
    let json = fs::read(description).map_err(failed(description))?;
    let json: Value = serde_json::from_slice(&json).map_err(|error| wrong(error.to_string()))?;
    let tokens = tokens(&json).map_err(wrong)?;
    let text = |pointer: &str| {
        let value = json.pointer(pointer).and_then(Value::as_str);
        value.map(str::to_owned).ok_or_else(|| wrong(format!("no text at {pointer}")))
    };
    let number = |pointer: &str| {
        let value = json.pointer(pointer).and_then(Value::as_u64);
        value.map(|n| n.to_string()).ok_or_else(|| wrong(format!("no number at {pointer}")))
    };
    let voice = text("/espeak/voice")?;
    let language = text("/language/name_english").unwrap_or_else(|_| voice.clone());
    let (speakers, rate) = (number("/num_speakers")?, number("/audio/sample_rate")?);
    fs::create_dir_all(into).map_err(failed(into))?;
    let tokens_path = into.join("tokens.txt");
    fs::write(&tokens_path, tokens).map_err(failed(&tokens_path))?;
    let target = into.join("model.onnx");
    let write = || -> io::Result<()> {
        let mut source = File::open(model)?;
        let mut copy = BufWriter::new(File::create(&target)?);
        io::copy(&mut source, &mut copy)?;
        let pairs = [
            ("model_type", "vits"),
            ("comment", "piper"),
            ("has_espeak", "1"),
            ("language", &language),
            ("voice", &voice),
            ("n_speakers", &speakers),
            ("sample_rate", &rate),
        ];
        metadata::append(&mut copy, pairs)?;
        copy.flush()
    };
    write().map_err(failed(&target))
}

/// `tokens.txt`: a symbol and its number on each line. Symbols of several characters are left
/// out: the loader takes one character each.
fn tokens(json: &Value) -> Result<String, String> {
    let map = json.get("phoneme_id_map").and_then(Value::as_object);
    let map = map.ok_or("no phoneme_id_map; is this a Piper voice?")?;
    let mut lines = String::new();
    for (symbol, ids) in map {
        let mut characters = symbol.chars();
        let (Some(c), None) = (characters.next(), characters.next()) else { continue };
        if c.is_whitespace() && c != ' ' {
            continue;
        }
        let id = ids.get(0).and_then(Value::as_u64);
        let id = id.ok_or_else(|| format!("no number for {symbol:?} in phoneme_id_map"))?;
        lines.push_str(&format!("{symbol} {id}\n"));
    }
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_that_lacks_something_is_named() {
        let directory = tempfile::tempdir().expect("a directory");
        let at = |name: &str| directory.path().join(name);
        fs::write(at("v.onnx"), b"").expect("written");
        let import_with = |json: &str| {
            fs::write(at("v.json"), json).expect("written");
            import(&at("v.onnx"), &at("v.json"), &at("out")).expect_err("refused").to_string()
        };
        assert!(import_with("{}").contains("phoneme_id_map"));
        assert!(import_with("[").contains("v.json"));
        assert!(import_with(r#"{"phoneme_id_map":{"a":[]}}"#).contains("\"a\""));
        let no_rate = r#"{"phoneme_id_map":{},"espeak":{"voice":"fr"},"num_speakers":1}"#;
        assert!(import_with(no_rate).contains("/audio/sample_rate"));
        let missing = import(&at("v.onnx"), &at("none.json"), &at("out")).expect_err("missing");
        assert!(missing.to_string().contains("none.json"));
    }

    #[test]
    fn tokens_are_single_characters() {
        let json =
            serde_json::json!({"phoneme_id_map": {" ": [3], "aɪ": [9], "ə": [59], "\n": [1]}});
        assert_eq!(tokens(&json).expect("tokens"), "  3\nə 59\n");
    }
}
