//! What a sherpa-onnx voice is, told from the files of its directory and the metadata of its
//! model, and checked: the library ends the process on some files it does not understand.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use onnx::metadata;
use sherpa_onnx::{
    OfflineTtsConfig, OfflineTtsKokoroModelConfig, OfflineTtsMatchaModelConfig,
    OfflineTtsModelConfig, OfflineTtsVitsModelConfig,
};

use crate::spoken::primary_subtag;

/// Kokoro 1.0's languages that espeak-ng has the sounds for (the model's own list).
const KOKORO_LANGUAGES: [&str; 6] = ["en", "es", "fr", "hi", "it", "pt"];

/// What a model is, as its directory and its metadata say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Card {
    pub kind: Kind,
    pub tokens: PathBuf,
    /// Comma-separated, as the library takes them; empty: none.
    pub lexicons: String,
    /// Sounds the model knows.
    pub symbols: HashSet<char>,
    /// Trained on the sounds of espeak-ng.
    pub espeak: bool,
    /// espeak-ng's voice for the model's language.
    pub voice: String,
    pub languages: Vec<String>,
    pub speakers: usize,
    pub speaker_names: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Vits { model: PathBuf },
    Kokoro { model: PathBuf, voices: PathBuf },
    Matcha { acoustic: PathBuf, vocoder: PathBuf },
}

impl Card {
    /// Reads a directory.
    ///
    /// # Errors
    ///
    /// What is missing or wrong, naming the file.
    pub(crate) fn read(directory: &Path) -> Result<Self, String> {
        let mut names: Vec<String> = fs::read_dir(directory)
            .map_err(|error| error.to_string())?
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .collect();
        names.sort();
        let tokens = directory.join("tokens.txt");
        if !tokens.is_file() {
            return Err("no tokens.txt; a voice as Piper publishes it (.onnx and .onnx.json) has \
                        to be imported first"
                .to_owned());
        }
        let is_vocoder = |name: &str| name.starts_with("vocos") || name.starts_with("hifigan");
        let models: Vec<&String> = names.iter().filter(|n| n.ends_with(".onnx")).collect();
        let vocoder = models.iter().find(|name| is_vocoder(name));
        let mut voices: Vec<&String> =
            models.iter().copied().filter(|name| !is_vocoder(name)).collect();
        if voices.len() > 1 && voices.iter().any(|name| *name == "model.onnx") {
            voices.retain(|name| *name == "model.onnx");
        }
        let model = match voices.as_slice() {
            [] => return Err("no model (*.onnx)".to_owned()),
            [model] => directory.join(model),
            several => return Err(format!("several models ({several:?}); keep one of them")),
        };
        let pairs = metadata::read(&model).map_err(|e| format!("{}: {e}", model.display()))?;
        let voices_bin = directory.join("voices.bin");
        let (kind, required): (_, &[&str]) = if let Some(vocoder) = vocoder {
            let vocoder = directory.join(vocoder);
            (Kind::Matcha { acoustic: model.clone(), vocoder }, &["sample_rate", "n_speakers"])
        } else if voices_bin.is_file() {
            let kind = Kind::Kokoro { model: model.clone(), voices: voices_bin };
            (kind, &["sample_rate", "n_speakers", "style_dim"])
        } else {
            let kind = Kind::Vits { model: model.clone() };
            (kind, &["sample_rate", "n_speakers", "language", "comment"])
        };
        for key in required {
            if !pairs.contains_key(*key) {
                let model = model.display();
                return Err(format!("{model} has no {key} in its metadata; import it again"));
            }
        }
        Self::from_parts(kind, tokens, directory, &names, &pairs)
    }

    fn from_parts(
        kind: Kind,
        tokens: PathBuf,
        directory: &Path,
        names: &[String],
        pairs: &BTreeMap<String, String>,
    ) -> Result<Self, String> {
        let get = |key: &str| pairs.get(key).map_or("", String::as_str);
        let lexicons: Vec<String> = names
            .iter()
            .filter(|name| name.starts_with("lexicon") && name.ends_with(".txt"))
            .map(|name| directory.join(name).to_string_lossy().into_owned())
            .collect();
        let comment = get("comment");
        let espeak = match &kind {
            Kind::Vits { .. } => ["piper", "coqui", "icefall"].iter().any(|k| comment.contains(k)),
            Kind::Kokoro { .. } => true,
            Kind::Matcha { .. } => get("has_espeak") == "1",
        };
        if !espeak && lexicons.is_empty() {
            return Err("the model needs a lexicon (lexicon*.txt), and there is none".to_owned());
        }
        let symbols = if espeak { symbols(&tokens)? } else { HashSet::new() };
        let piper = matches!(&kind, Kind::Vits { .. }) && comment.contains("piper");
        if let Some(missing) = ['_', '^', '$'].iter().find(|c| piper && !symbols.contains(c)) {
            return Err(format!("tokens.txt has no {missing}"));
        }
        let voice = match get("voice") {
            "" => "en-us".to_owned(),
            voice => voice.to_owned(),
        };
        let many = matches!(&kind, Kind::Kokoro { .. })
            && get("version").parse::<u32>().is_ok_and(|version| version >= 2);
        let languages = if many {
            KOKORO_LANGUAGES.map(str::to_owned).to_vec()
        } else if espeak {
            vec![primary_subtag(&voice)]
        } else {
            vec![language_named(get("language"))]
        };
        let names = get("speaker_names").split(',').filter(|name| !name.is_empty());
        Ok(Self {
            kind,
            tokens,
            lexicons: lexicons.join(","),
            symbols,
            espeak,
            voice,
            languages,
            speakers: get("n_speakers").parse().map_err(|_| "n_speakers is not a number")?,
            speaker_names: names.map(str::to_owned).collect(),
        })
    }

    /// What the library is told.
    pub(crate) fn options(&self) -> OfflineTtsConfig {
        let path = |path: &Path| Some(path.to_string_lossy().into_owned());
        let tokens = path(&self.tokens);
        // Where the sounds come from espeak-ng, a lexicon beside the model is not loaded.
        let lexicon = Some(self.lexicons.clone()).filter(|l| !l.is_empty());
        let lexicon = lexicon.filter(|_| !self.espeak || matches!(self.kind, Kind::Kokoro { .. }));
        let mut model = OfflineTtsModelConfig {
            num_threads: 1,
            provider: Some("cpu".to_owned()),
            ..OfflineTtsModelConfig::default()
        };
        match &self.kind {
            Kind::Vits { model: file } => {
                model.vits = OfflineTtsVitsModelConfig {
                    model: path(file),
                    lexicon,
                    tokens,
                    ..OfflineTtsVitsModelConfig::default()
                };
            }
            Kind::Kokoro { model: file, voices } => {
                model.kokoro = OfflineTtsKokoroModelConfig {
                    model: path(file),
                    voices: path(voices),
                    tokens,
                    lexicon,
                    lang: Some(primary_subtag(&self.voice)),
                    ..OfflineTtsKokoroModelConfig::default()
                };
            }
            Kind::Matcha { acoustic, vocoder } => {
                model.matcha = OfflineTtsMatchaModelConfig {
                    acoustic_model: path(acoustic),
                    vocoder: path(vocoder),
                    lexicon,
                    tokens,
                    ..OfflineTtsMatchaModelConfig::default()
                };
            }
        }
        OfflineTtsConfig {
            model,
            max_num_sentences: 1,
            silence_scale: 1.0,
            ..OfflineTtsConfig::default()
        }
    }
}

/// The characters of `tokens.txt`: one and its number on each line; a line of a number alone is
/// the space.
fn symbols(path: &Path) -> Result<HashSet<char>, String> {
    let text = fs::read_to_string(path).map_err(|error| format!("tokens.txt: {error}"))?;
    let mut symbols = HashSet::new();
    for (at, line) in text.lines().enumerate() {
        let wrong = || format!("tokens.txt, line {}: not a character and a number", at + 1);
        let (symbol, id) = match line.trim_start().rsplit_once([' ', '\t']) {
            Some((symbol, id)) => (symbol.trim_end(), id),
            None => (" ", line.trim()),
        };
        id.parse::<u32>().map_err(|_| wrong())?;
        let mut characters = symbol.chars();
        let (Some(c), None) = (characters.next(), characters.next()) else {
            if symbol == "<BLNK>" {
                continue;
            }
            return Err(wrong());
        };
        if !symbols.insert(c) {
            return Err(format!("tokens.txt, line {}: {c:?} for the second time", at + 1));
        }
    }
    Ok(symbols)
}

/// The tag of a language the metadata names in English, or by tag.
fn language_named(name: &str) -> String {
    let lower = name.to_ascii_lowercase();
    let known = [
        ("english", "en"),
        ("french", "fr"),
        ("german", "de"),
        ("spanish", "es"),
        ("italian", "it"),
        ("portuguese", "pt"),
        ("chinese", "zh"),
        ("japanese", "ja"),
        ("korean", "ko"),
    ];
    let tag = known.iter().find(|(word, _)| lower.contains(word)).map(|&(_, tag)| tag.to_owned());
    tag.unwrap_or_else(|| primary_subtag(&lower))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(directory: &Path) -> String {
        Card::read(directory).expect_err("refused")
    }

    #[test]
    fn what_is_missing_is_named() {
        let directory = tempfile::tempdir().expect("a directory");
        let at = |name: &str| directory.path().join(name);
        assert!(refusal(&at("nowhere")).contains("No such file"));
        assert!(refusal(directory.path()).contains("tokens.txt"));
        fs::write(at("tokens.txt"), "_ 0\n^ 1\n  3\n").expect("written");
        assert!(refusal(directory.path()).contains("no model"));
        fs::write(at("a.onnx"), "").expect("written");
        assert!(refusal(directory.path()).contains("not an ONNX model: it is empty"));
        // A model without metadata: its version alone.
        fs::write(at("a.onnx"), [0x08, 8]).expect("written");
        assert!(refusal(directory.path()).contains("sample_rate"));
        fs::write(at("b.onnx"), [0x08, 8]).expect("written");
        assert!(refusal(directory.path()).contains("several models"));
        let mut model = Vec::new();
        let pairs = [("sample_rate", "16000"), ("n_speakers", "1"), ("language", "English")];
        metadata::append(&mut model, pairs).expect("memory");
        fs::write(at("model.onnx"), &model).expect("written");
        assert!(refusal(directory.path()).contains("comment"));
        let mut melo = model.clone();
        metadata::append(&mut melo, [("comment", "melo")]).expect("memory");
        fs::write(at("model.onnx"), &melo).expect("written");
        assert!(refusal(directory.path()).contains("lexicon"));
        metadata::append(&mut model, [("comment", "piper")]).expect("memory");
        fs::write(at("model.onnx"), &model).expect("written");
        assert!(refusal(directory.path()).contains("tokens.txt has no $"));
        for (tokens, wrong) in
            [("ab 1\n", "line 1"), ("a 1\na 2\n", "second time"), ("a x\n", "line 1")]
        {
            fs::write(at("tokens.txt"), tokens).expect("written");
            assert!(refusal(directory.path()).contains(wrong), "{tokens}");
        }
    }

    #[test]
    fn the_files_tell_the_kind() {
        let directory = tempfile::tempdir().expect("a directory");
        let at = |name: &str| directory.path().join(name);
        fs::write(at("tokens.txt"), "_ 0\n^ 1\n$ 2\n  3\nə 4\n").expect("written");
        let mut model = Vec::new();
        let pairs = [
            ("sample_rate", "24000"),
            ("n_speakers", "2"),
            ("language", "English"),
            ("comment", "piper"),
            ("style_dim", "510,1,256"),
            ("version", "2"),
            ("speaker_names", "af_heart,ff_siwis"),
            ("voice", "en-gb"),
            ("has_espeak", "1"),
        ];
        metadata::append(&mut model, pairs).expect("memory");
        fs::write(at("model.onnx"), &model).expect("written");
        let card = Card::read(directory.path()).expect("VITS");
        assert!(matches!(card.kind, Kind::Vits { .. }));
        assert_eq!((card.languages, card.voice.as_str()), (vec!["en".to_owned()], "en-gb"));
        assert!(card.symbols.contains(&' ') && card.symbols.contains(&'ə'));
        fs::write(at("voices.bin"), "").expect("written");
        let card = Card::read(directory.path()).expect("Kokoro");
        assert!(matches!(card.kind, Kind::Kokoro { .. }));
        assert!(card.languages.contains(&"fr".to_owned()));
        assert_eq!(card.speaker_names, ["af_heart", "ff_siwis"]);
        fs::write(at("vocos-22khz-univ.onnx"), "").expect("written");
        let card = Card::read(directory.path()).expect("Matcha");
        assert!(matches!(card.kind, Kind::Matcha { .. }));
    }

    #[test]
    fn languages_are_known_by_name_or_tag() {
        assert_eq!(language_named("British English"), "en");
        assert_eq!(language_named("sw-KE"), "sw");
    }
}
