//! The folder that holds the models, and whether what is in it is intact.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::manifest::{Manifest, Model, ModelFile};

/// The models folder.
#[derive(Clone, Debug)]
pub struct Library {
    root: PathBuf,
    manifest: Manifest,
}

/// What was found where a file should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileState {
    /// The file, with the right sha256.
    Intact,
    /// Nothing.
    Missing,
    /// Another file.
    Wrong {
        /// Its sha256 in hexadecimal, or its size where that alone tells.
        found: String,
    },
}

/// A model whose files were all seen to be intact.
#[derive(Clone, Debug)]
pub struct Verified {
    folder: PathBuf,
}

/// Why a model cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LibraryError {
    /// The manifest has no such model.
    #[error(
        "no model is called `{id}`{}; `causerie models list` shows them all",
        .nearest.as_ref().map(|nearest| format!(" (did you mean `{nearest}`?)")).unwrap_or_default()
    )]
    Unknown {
        /// What was asked for.
        id: String,
        /// What was probably meant.
        nearest: Option<String>,
    },
    /// A file of it is not there.
    #[error("{} is missing: run `causerie models pull {id}`", .path.display())]
    Missing {
        /// The model.
        id: String,
        /// The file.
        path: PathBuf,
    },
    /// A file of it is another one. It has been deleted, unless that failed.
    #[error(
        "{} was not the file it should be ({found}) and was deleted: run `causerie models pull {id}`",
        .path.display()
    )]
    Wrong {
        /// The model.
        id: String,
        /// The file.
        path: PathBuf,
        /// What was there instead.
        found: String,
    },
    /// A file of it, or the folder, cannot be read or written.
    #[error("{}: {source}; check its permissions and the free disk space", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
}

impl Library {
    /// The models under `root`, by this build's manifest. The folder need not exist yet.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self::with_manifest(root, Manifest::embedded())
    }

    /// The models under `root`, by another manifest.
    pub fn with_manifest(root: impl Into<PathBuf>, manifest: Manifest) -> Self {
        Self { root: root.into(), manifest }
    }

    /// The folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// What is known about the models.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The model called `id`.
    ///
    /// # Errors
    ///
    /// [`LibraryError::Unknown`].
    pub fn model(&self, id: &str) -> Result<&Model, LibraryError> {
        self.manifest.model(id).ok_or_else(|| LibraryError::Unknown {
            id: id.to_owned(),
            nearest: self.manifest.nearest(id).map(str::to_owned),
        })
    }

    /// Where `file` of `model` belongs.
    pub fn path(&self, model: &Model, file: &ModelFile) -> PathBuf {
        self.root.join(&model.id).join(&file.name)
    }

    /// Whether `file` of `model` has the right size: cheap, enough for a listing.
    pub fn has(&self, model: &Model, file: &ModelFile) -> bool {
        fs::metadata(self.path(model, file)).is_ok_and(|found| found.len() == file.size)
    }

    /// Reads `file` of `model` and compares its sha256.
    ///
    /// # Errors
    ///
    /// [`LibraryError::Io`] where it exists and cannot be read.
    pub fn state(&self, model: &Model, file: &ModelFile) -> Result<FileState, LibraryError> {
        let path = self.path(model, file);
        state(&path, file).map_err(|source| LibraryError::Io { path, source })
    }

    /// Checks every file of the model called `id`; a wrong one is deleted, so that it is never
    /// used.
    ///
    /// # Errors
    ///
    /// The first file that is missing, wrong or unreadable.
    pub fn verify(&self, id: &str) -> Result<Verified, LibraryError> {
        let model = self.model(id)?;
        for file in &model.files {
            let path = self.path(model, file);
            match self.state(model, file)? {
                FileState::Intact => {}
                FileState::Missing => {
                    return Err(LibraryError::Missing { id: id.to_owned(), path });
                }
                FileState::Wrong { found } => {
                    fs::remove_file(&path)
                        .map_err(|source| LibraryError::Io { path: path.clone(), source })?;
                    return Err(LibraryError::Wrong { id: id.to_owned(), path, found });
                }
            }
        }
        Ok(Verified { folder: self.root.join(id) })
    }
}

impl Verified {
    /// The model's folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The path of the file called `name`.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }
}

/// What stands at `path`, compared with what `file` should be.
pub(super) fn state(path: &Path, file: &ModelFile) -> io::Result<FileState> {
    let mut open = match File::open(path) {
        Ok(open) => open,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(FileState::Missing),
        Err(error) => return Err(error),
    };
    let size = open.metadata()?.len();
    if size != file.size {
        return Ok(FileState::Wrong { found: format!("{size} bytes instead of {}", file.size) });
    }
    let found = sha256(&mut open)?;
    if found == file.sha256 {
        Ok(FileState::Intact)
    } else {
        Ok(FileState::Wrong { found: format!("sha256 {found} instead of {}", file.sha256) })
    }
}

/// The sha256 of what is left to read, in lower-case hexadecimal.
fn sha256(reader: &mut impl Read) -> io::Result<String> {
    let mut hash = Sha256::new();
    io::copy(reader, &mut hash)?;
    Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn library(root: &Path) -> Library {
        let manifest = toml::from_str(
            r#"
            [[model]]
            id = "greeting"
            purpose = "audio"
            about = "a test"
            language = "en"
            licence = "MIT"
            [[model.file]]
            name = "hello.txt"
            size = 5
            sha256 = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
            sources = [{ url = "https://localhost/hello.txt" }]
            "#,
        )
        .expect("a manifest");
        Library::with_manifest(root, manifest)
    }

    #[test]
    fn an_intact_model_is_opened() {
        let root = tempfile::tempdir().expect("a folder");
        fs::create_dir(root.path().join("greeting")).expect("a folder");
        fs::write(root.path().join("greeting/hello.txt"), "hello").expect("a file");
        let verified = library(root.path()).verify("greeting").expect("it is intact");
        assert_eq!(verified.file("hello.txt"), root.path().join("greeting/hello.txt"));
    }

    #[test]
    fn a_wrong_file_is_deleted_and_named() {
        let root = tempfile::tempdir().expect("a folder");
        fs::create_dir(root.path().join("greeting")).expect("a folder");
        let path = root.path().join("greeting/hello.txt");
        for wrong in ["jello", "hello, world"] {
            fs::write(&path, wrong).expect("a file");
            let error = library(root.path()).verify("greeting").expect_err("it is wrong");
            assert!(matches!(error, LibraryError::Wrong { .. }), "{error}");
            assert!(error.to_string().contains("hello.txt"), "{error}");
            assert!(error.to_string().contains("causerie models pull greeting"), "{error}");
            assert!(!path.exists());
        }
    }

    #[test]
    fn a_missing_model_names_its_remedy() {
        let root = tempfile::tempdir().expect("a folder");
        let error = library(root.path()).verify("greeting").expect_err("it is missing");
        assert!(matches!(error, LibraryError::Missing { .. }), "{error}");
        assert!(error.to_string().ends_with("run `causerie models pull greeting`"), "{error}");
    }

    #[test]
    fn an_unknown_model_gets_a_suggestion() {
        let error = library(Path::new("")).verify("greting").expect_err("it is unknown");
        assert!(error.to_string().contains("did you mean `greeting`?"), "{error}");
    }
}
