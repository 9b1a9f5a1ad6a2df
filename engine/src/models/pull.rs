//! Fetches what is missing.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use super::hub::{Hub, HubError};
use super::library::{self, FileState, Library, LibraryError};
use super::manifest::{Model, ModelFile, Source};
use super::package::{Clients, PackageError, Packages};

/// Why a source gave no file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Reason {
    /// The hub page.
    #[error(transparent)]
    Hub(#[from] HubError),
    /// The package.
    #[error(transparent)]
    Package(#[from] PackageError),
    /// What came is another file; it has been deleted.
    #[error("what it sent is another file ({found}); deleted")]
    Wrong {
        /// Its sha256 or size.
        found: String,
    },
    /// Its host did not answer for an earlier file.
    #[error("out of reach, as before")]
    Skipped,
}

/// Why a pull failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PullError {
    /// An id, or the folder.
    #[error(transparent)]
    Library(#[from] LibraryError),
    /// No source had the file.
    #[error("cannot fetch {model}/{file}: {}; {}", attempts(.tried), remedy(.tried))]
    Unavailable {
        /// The model's id.
        model: String,
        /// The file's name.
        file: String,
        /// Every source with its reason, in the order tried.
        tried: Vec<(Source, Reason)>,
    },
}

impl PullError {
    /// A program that could have fetched it is not installed.
    pub fn lacks_client(&self) -> bool {
        matches!(self, Self::Unavailable { tried, .. } if tried.iter().any(|(_, r)| r.lacks_client()))
    }
}

impl Reason {
    fn lacks_client(&self) -> bool {
        matches!(self, Self::Package(PackageError::ClientMissing { .. }))
    }
}

fn attempts(tried: &[(Source, Reason)]) -> String {
    let each: Vec<String> =
        tried.iter().map(|(source, reason)| format!("{source}: {reason}")).collect();
    each.join("; ")
}

fn remedy(tried: &[(Source, Reason)]) -> &'static str {
    if tried.iter().any(|(_, reason)| reason.lacks_client()) {
        "install what is missing, or mend the network, and run `causerie models pull` again"
    } else {
        "check the network and the free disk space and run `causerie models pull` again"
    }
}

/// One run of `causerie models pull`.
#[derive(Debug)]
pub struct Pull<'a> {
    library: &'a Library,
    clients: &'a Clients,
    hub: Option<Hub>,
    packages: Option<Packages<'a>>,
    unreachable: Vec<String>,
}

impl<'a> Pull<'a> {
    /// Fetches into `library`, packages through `clients`.
    pub fn new(library: &'a Library, clients: &'a Clients) -> Self {
        Self { library, clients, hub: None, packages: None, unreachable: Vec::new() }
    }

    /// Makes the models called `ids` complete: files that are there and intact stay, wrong ones
    /// are replaced, and `say` gets a line for each file that is fetched. Returns how many were.
    /// What is complete takes no network.
    ///
    /// # Errors
    ///
    /// The first file that no source had. What was fetched before it stays.
    pub async fn run(
        &mut self,
        ids: &[&str],
        say: &mut dyn FnMut(&str),
    ) -> Result<usize, PullError> {
        let library = self.library;
        let models: Vec<&Model> =
            ids.iter().map(|id| library.model(id)).collect::<Result<_, _>>()?;
        let mut wanted = Vec::new();
        for model in models {
            for file in &model.files {
                match library.state(model, file)? {
                    FileState::Intact => continue,
                    FileState::Missing => {}
                    FileState::Wrong { found } => {
                        let path = library.path(model, file);
                        say(&format!("{} is wrong ({found}): replacing it", path.display()));
                        fs::remove_file(&path)
                            .map_err(|source| LibraryError::Io { path, source })?;
                    }
                }
                wanted.push((model, file));
            }
        }
        if wanted.is_empty() {
            return Ok(0);
        }
        let _lock = lock(library.root(), say)?;
        let mut fetched = 0;
        for (model, file) in wanted {
            // Another run may have fetched it while this one waited for the lock.
            if library.state(model, file)? != FileState::Intact {
                self.file(model, file, say).await?;
                fetched += 1;
            }
        }
        Ok(fetched)
    }

    async fn file(
        &mut self,
        model: &Model,
        file: &ModelFile,
        say: &mut dyn FnMut(&str),
    ) -> Result<(), PullError> {
        let path = self.library.path(model, file);
        let part = path.with_file_name(format!(".{}.part", file.name));
        let folder = path.parent().expect("a model file lies in its model's folder");
        let io = |path: &Path| {
            let path = path.to_owned();
            move |source| LibraryError::Io { path, source }
        };
        fs::create_dir_all(folder).map_err(io(folder))?;

        let mut tried = Vec::new();
        for source in self.in_order(file) {
            let reason = match self.attempt(source, model, file, &part, say).await {
                Ok(()) => match library::state(&part, file).map_err(io(&part))? {
                    FileState::Intact => {
                        fs::rename(&part, &path).map_err(io(&path))?;
                        return Ok(());
                    }
                    FileState::Missing => Reason::Wrong { found: "nothing".to_owned() },
                    FileState::Wrong { found } => {
                        fs::remove_file(&part).map_err(io(&part))?;
                        Reason::Wrong { found }
                    }
                },
                Err(reason) => reason,
            };
            if !matches!(reason, Reason::Skipped) {
                say(&format!("  {source}: {reason}"));
            }
            tried.push((source.clone(), reason));
        }
        Err(PullError::Unavailable { model: model.id.clone(), file: file.name.clone(), tried })
    }

    /// The sources of `file`, those whose package is here already first.
    fn in_order<'f>(&self, file: &'f ModelFile) -> Vec<&'f Source> {
        let here = |source: &Source| self.packages.as_ref().is_some_and(|p| p.has(source));
        let mut sources: Vec<&Source> = file.sources.iter().collect();
        sources.sort_by_key(|source| !here(source));
        sources
    }

    async fn attempt(
        &mut self,
        source: &Source,
        model: &Model,
        file: &ModelFile,
        part: &Path,
        say: &mut dyn FnMut(&str),
    ) -> Result<(), Reason> {
        let megabytes = file.size as f64 / 1e6;
        let line = format!("fetching {}/{} ({megabytes:.1} MB): {source}", model.id, file.name);
        if let Source::Hub { url } = source {
            let host = source.host().unwrap_or_default();
            if self.unreachable.iter().any(|known| known == host) {
                return Err(Reason::Skipped);
            }
            say(&line);
            let hub = match &mut self.hub {
                Some(hub) => hub,
                empty => empty.insert(Hub::new()?),
            };
            let result = hub.fetch(url, part, file.size).await;
            if result.as_ref().is_err_and(HubError::is_unreachable) {
                self.unreachable.push(host.to_owned());
            }
            return Ok(result?);
        }
        say(&line);
        let packages = match &mut self.packages {
            Some(packages) => packages,
            empty => empty.insert(
                Packages::new(self.clients, self.library.root()).map_err(PackageError::from)?,
            ),
        };
        Ok(packages.extract(source, part, file.size).await?)
    }
}

/// Keeps two pulls from writing the same files. Released when the file is closed.
fn lock(root: &Path, say: &mut dyn FnMut(&str)) -> Result<File, LibraryError> {
    let path: PathBuf = root.join(".lock");
    let attempt = || -> io::Result<File> {
        fs::create_dir_all(root)?;
        let file = File::options().create(true).truncate(false).write(true).open(&path)?;
        Ok(file)
    };
    let file = attempt().map_err(|source| LibraryError::Io { path: path.clone(), source })?;
    if file.try_lock().is_err() {
        say("another pull is running: waiting for it");
        file.lock().map_err(|source| LibraryError::Io { path, source })?;
    }
    Ok(file)
}
