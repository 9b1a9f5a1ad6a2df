//! What keeps secrets at rest: they are sealed under one key of the installation, so that a copy of
//! the database alone is worth nothing.
//!
//! AES-256-GCM-SIV (RFC 8452), whose nonces may be drawn by chance for longer than any installation
//! lives. What is sealed is bound to its place: nobody can move a secret to another row.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::Path;
use std::sync::Arc;

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, Nonce, RandomizedNonceKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Salt};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;

use crate::config::Secret;

/// The key's file in the data directory, where none is configured.
pub const KEY_FILE: &str = "encryption.key";

/// What sealed text begins with: how it was sealed.
const PREFIX: &str = "sealed:1:";

/// Bytes of a nonce (RFC 8452 §4).
const NONCE: usize = 12;

/// The key of an installation. Its `Debug` does not show it. Cheap to clone.
#[derive(Clone)]
pub(super) struct Seal(Arc<RandomizedNonceKey>);

impl fmt::Debug for Seal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seal")
    }
}

/// It was sealed under another key, for another place, or was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("what is sealed cannot be opened")]
pub(super) struct Broken;

impl Seal {
    /// The seal of this key, which may be any text.
    pub(super) fn new(key: &Secret) -> Self {
        struct Bytes32;
        impl KeyType for Bytes32 {
            fn len(&self) -> usize {
                32
            }
        }
        let mut bytes = [0; 32];
        Salt::new(HKDF_SHA256, b"causerie")
            .extract(key.expose().as_bytes())
            .expand(&[b"seal at rest, 1"], Bytes32)
            .and_then(|derived| derived.fill(&mut bytes))
            .expect("HKDF gives 32 bytes of any text (RFC 5869 §2.3)");
        let key = RandomizedNonceKey::new(&AES_256_GCM_SIV, &bytes).expect("a key has 32 bytes");
        Self(Arc::new(key))
    }

    /// The seal of the key in `data_dir`, which is drawn where there is none, for this user only.
    ///
    /// # Errors
    ///
    /// Where the file cannot be read or made.
    pub(super) fn of_directory(data_dir: &Path) -> io::Result<Self> {
        let path = data_dir.join(KEY_FILE);
        let mut text = String::new();
        match File::open(&path) {
            Ok(mut file) => {
                file.read_to_string(&mut text)?;
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let mut bits = [0; 32];
                getrandom::fill(&mut bits).map_err(io::Error::other)?;
                text = STANDARD_NO_PAD.encode(bits);
                let mut options = OpenOptions::new();
                options.write(true).create_new(true);
                #[cfg(unix)]
                {
                    use std::os::unix::fs::OpenOptionsExt as _;
                    options.mode(0o600);
                }
                let mut file = options.open(&path)?;
                file.write_all(text.as_bytes())?;
                // What is sealed must not outlive its key.
                file.sync_all()?;
            }
            Err(error) => return Err(error),
        }
        let text = text.trim();
        if text.is_empty() {
            let message =
                format!("{} is empty: restore it, or set `encryption_key`", path.display());
            return Err(io::Error::other(message));
        }
        Ok(Self::new(&Secret::new(text)))
    }

    /// Seals `text` for `place`.
    pub(super) fn close(&self, place: &str, text: &str) -> String {
        let mut bytes = text.as_bytes().to_vec();
        let nonce = self
            .0
            .seal_in_place_append_tag(Aad::from(place.as_bytes()), &mut bytes)
            .expect("a document is shorter than 64 GiB (RFC 8452 §6)");
        let mut whole = nonce.as_ref().to_vec();
        whole.append(&mut bytes);
        format!("{PREFIX}{}", STANDARD_NO_PAD.encode(whole))
    }

    /// The text that was sealed for `place`. What was kept before there was a seal is returned as
    /// it is.
    ///
    /// # Errors
    ///
    /// [`Broken`].
    pub(super) fn open(&self, place: &str, kept: &str) -> Result<String, Broken> {
        let Some(sealed) = kept.strip_prefix(PREFIX) else { return Ok(kept.to_owned()) };
        let whole = STANDARD_NO_PAD.decode(sealed).map_err(|_| Broken)?;
        let (nonce, sealed) = whole.split_at_checked(NONCE).ok_or(Broken)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| Broken)?;
        let mut bytes = sealed.to_vec();
        let aad = Aad::from(place.as_bytes());
        let text = self.0.open_in_place(nonce, aad, &mut bytes).map_err(|_| Broken)?;
        String::from_utf8(text.to_vec()).map_err(|_| Broken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_opens_in_its_place_under_its_key_only() {
        let seal = Seal::new(&Secret::new("a key"));
        let sealed = seal.close("credentials/1", "hunter2");
        assert!(!sealed.contains("hunter2"));
        assert_ne!(sealed, seal.close("credentials/1", "hunter2"), "another nonce");
        assert_eq!(seal.open("credentials/1", &sealed).as_deref(), Ok("hunter2"));
        assert_eq!(seal.open("credentials/2", &sealed), Err(Broken));
        let other = Seal::new(&Secret::new("another key"));
        assert_eq!(other.open("credentials/1", &sealed), Err(Broken));
        let mut changed = sealed;
        changed.pop();
        assert_eq!(seal.open("credentials/1", &changed), Err(Broken));
        assert_eq!(seal.open("credentials/1", "{}").as_deref(), Ok("{}"), "from before");
    }

    #[test]
    fn a_key_is_drawn_once_for_this_user_only() {
        let folder = tempfile::tempdir().expect("a folder");
        let seal = Seal::of_directory(folder.path()).expect("a seal");
        let again = Seal::of_directory(folder.path()).expect("a seal");
        assert_eq!(again.open("a", &seal.close("a", "hunter2")).as_deref(), Ok("hunter2"));
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let file = std::fs::metadata(folder.path().join(KEY_FILE)).expect("a file");
            assert_eq!(file.permissions().mode() & 0o777, 0o600);
        }
    }
}
