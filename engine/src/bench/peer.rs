//! The engines that Causerie is measured beside.
//!
//! Each is a Twilio Media Streams server in Python (`benches/peers`, installed by
//! `scripts/peers.sh`) that asks the same stand-ins through its own clients. How they are set up,
//! and what of it is to their favour, is in `benches/peers/README.md`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Serialize;

use super::BenchError;
use super::services::Services;

/// An engine that is not ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Peer {
    /// Pipecat, of the package `pipecat-ai`.
    Pipecat,
    /// LiveKit Agents, of the package `livekit-agents`.
    Livekit,
}

impl Peer {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Pipecat, Self::Livekit];

    /// Its name in the report and of its files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pipecat => "pipecat",
            Self::Livekit => "livekit",
        }
    }

    const fn package(self) -> &'static str {
        match self {
            Self::Pipecat => "pipecat-ai==",
            Self::Livekit => "livekit-agents==",
        }
    }

    /// The version that is installed under `folder` (`benches/peers`).
    ///
    /// # Errors
    ///
    /// Where it is not installed.
    pub fn version(self, folder: &Path) -> Result<String, BenchError> {
        let list = self.place(folder).join("installed.txt");
        let installed = fs::read_to_string(&list).map_err(|error| {
            let name = self.name();
            let path = list.display();
            BenchError::Engine(format!(
                "{name} is not installed ({path}: {error}): run scripts/peers.sh, and name the \
                 folder of its agents in --peers"
            ))
        })?;
        let version = installed.lines().find_map(|line| line.strip_prefix(self.package()));
        Ok(version.unwrap_or("of an unknown version").trim().to_owned())
    }

    fn place(self, folder: &Path) -> PathBuf {
        folder.join("venv").join(self.name())
    }

    /// What starts it on any free port.
    pub(super) fn command(
        self,
        folder: &Path,
        endpointing: Endpointing,
        services: &Services,
    ) -> std::io::Result<Command> {
        let folder = std::path::absolute(folder)?;
        let mut command = Command::new(self.place(&folder).join("bin/python"));
        command
            .arg(folder.join(format!("{}_agent.py", self.name())))
            .args(["--endpointing", endpointing.name()])
            // No key, proxy or setting of this machine's.
            .env_clear()
            .env("DEEPGRAM_BASE_URL", services.deepgram.base_url())
            .env("OPENAI_BASE_URL", services.openai.base_url())
            .env("CARTESIA_BASE_URL", services.cartesia.base_url());
        Ok(command)
    }
}

/// Where calls go on each peer.
pub(super) const MEDIA: &str = "/media";

/// How a peer takes turns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Endpointing {
    /// As it is shipped, with its turn model.
    Shipped,
    /// 0.2 s of silence, no turn model, nothing prepared: the same for everybody.
    Equal,
}

impl Endpointing {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Shipped, Self::Equal];

    /// Its name in the report and on a command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Shipped => "shipped",
            Self::Equal => "equal",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_that_is_not_installed_says_what_to_do() {
        let nowhere = Path::new("/nonexistent");
        let error = Peer::Pipecat.version(nowhere).expect_err("there is nothing");
        assert!(error.to_string().contains("scripts/peers.sh"), "{error}");
    }
}
