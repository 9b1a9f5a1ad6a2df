//! Files: in a folder of this machine, or at a service that speaks Amazon S3's protocol.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use object_store::aws::AmazonS3Builder;
use object_store::local::LocalFileSystem;
use object_store::path::Path as Key;
use object_store::{ObjectStore, ObjectStoreExt as _};

use crate::config::Storage;
use crate::recording;

/// Where files are, in the data directory.
const FOLDER: &str = "objects";

/// Files by their keys. Cheap to clone.
#[derive(Clone)]
pub struct Objects {
    place: Arc<dyn ObjectStore>,
    bucket: String,
}

impl fmt::Debug for Objects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Objects").field("bucket", &self.bucket).finish_non_exhaustive()
    }
}

/// Why a file is not to be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ObjectError {
    /// The folder cannot be made.
    #[error("{folder}: {source}")]
    Folder {
        /// Which.
        folder: String,
        /// The system's words.
        source: std::io::Error,
    },
    /// The place of files refuses.
    #[error("files: {0}")]
    Place(#[from] object_store::Error),
}

impl Objects {
    /// Where `storage` says; where it does not, a folder in `data_dir`.
    ///
    /// # Errors
    ///
    /// Where the folder cannot be made, or the service cannot be described.
    pub fn open(data_dir: &Path, storage: &Storage) -> Result<Self, ObjectError> {
        let Some(bucket) = &storage.bucket else {
            let folder = data_dir.join(FOLDER);
            recording::make_private_directory(&folder).map_err(|source| ObjectError::Folder {
                folder: folder.display().to_string(),
                source,
            })?;
            let place = LocalFileSystem::new_with_prefix(folder)?;
            return Ok(Self { place: Arc::new(place), bucket: "local".to_owned() });
        };
        let mut builder = AmazonS3Builder::new()
            .with_bucket_name(bucket)
            .with_region(&storage.region)
            .with_virtual_hosted_style_request(false);
        if let Some(endpoint) = &storage.endpoint {
            let endpoint = endpoint.expose();
            builder =
                builder.with_endpoint(endpoint).with_allow_http(endpoint.starts_with("http://"));
        }
        if let (Some(id), Some(secret)) = (&storage.access_key_id, &storage.secret_access_key) {
            builder = builder.with_access_key_id(id).with_secret_access_key(secret.expose());
        }
        Ok(Self { place: Arc::new(builder.build()?), bucket: bucket.clone() })
    }

    /// What the place is called.
    pub fn bucket(&self) -> &str {
        &self.bucket
    }

    /// Keeps a file, whole or not at all.
    ///
    /// # Errors
    ///
    /// Where the place refuses.
    pub async fn put(&self, key: &str, content: Bytes) -> Result<(), ObjectError> {
        self.place.put(&Key::from(key), content.into()).await?;
        Ok(())
    }

    /// A file; `None`: there is none.
    ///
    /// # Errors
    ///
    /// Where the place refuses.
    pub async fn get(&self, key: &str) -> Result<Option<Bytes>, ObjectError> {
        match self.place.get(&Key::from(key)).await {
            Ok(found) => Ok(Some(found.bytes().await?)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Forgets a file, where there is one.
    ///
    /// # Errors
    ///
    /// Where the place refuses.
    pub async fn delete(&self, key: &str) -> Result<(), ObjectError> {
        match self.place.delete(&Key::from(key)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_file_is_kept_in_the_data_directory() {
        let data = tempfile::tempdir().expect("a folder");
        let objects = Objects::open(data.path(), &Storage::default()).expect("a place");
        objects.put("files/a/menu", Bytes::from_static(b"tarte")).await.expect("kept");
        let again = Objects::open(data.path(), &Storage::default()).expect("a place");
        let found = again.get("files/a/menu").await.expect("an answer");
        assert_eq!(found.as_deref(), Some(&b"tarte"[..]));
        again.delete("files/a/menu").await.expect("deleted");
        again.delete("files/a/menu").await.expect("there is none: that is fine");
        assert_eq!(objects.get("files/a/menu").await.expect("an answer"), None);
    }
}
