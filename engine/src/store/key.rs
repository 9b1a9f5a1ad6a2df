//! Who may ask: organisations and their keys.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};
use sqlx::Row as _;
use uuid::Uuid;

use super::database::{Store, StoreError};
use super::resource::id;
use super::timestamp::Timestamp;
use crate::config::Secret;

/// What a key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyKind {
    /// Everything.
    Private,
    /// Calls from a browser.
    Public,
}

impl KeyKind {
    const fn name(self) -> &'static str {
        match self {
            Self::Private => "private",
            Self::Public => "public",
        }
    }
}

/// The organisation that a fresh installation has.
#[derive(Clone, Debug)]
pub struct FirstOrganisation {
    /// Its id.
    pub id: Uuid,
    /// Keys that were made just now: the only moment at which they can be shown.
    pub new_keys: Vec<(KeyKind, Secret)>,
}

impl Store {
    /// The first organisation, made where there is none. A configured key takes the place of the
    /// one it had; where none is configured and it has none, one is made.
    ///
    /// # Errors
    ///
    /// Where the database fails.
    pub async fn first_organisation(
        &self,
        private: Option<&Secret>,
        public: Option<&Secret>,
    ) -> Result<FirstOrganisation, StoreError> {
        let now = Timestamp::now();
        let mut transaction = self.begin().await?;
        let row = sqlx::query("SELECT id FROM organisations ORDER BY created_at, id LIMIT 1")
            .fetch_optional(&mut *transaction)
            .await?;
        let organisation = match row {
            Some(row) => id(&row, "id")?,
            None => {
                let organisation = Uuid::new_v4();
                sqlx::query("INSERT INTO organisations (id, created_at) VALUES ($1, $2)")
                    .bind(organisation.to_string())
                    .bind(now.as_micros())
                    .execute(&mut *transaction)
                    .await?;
                organisation
            }
        };
        let mut new_keys = Vec::new();
        for (kind, configured) in [(KeyKind::Private, private), (KeyKind::Public, public)] {
            let present: i64 = sqlx::query(
                "SELECT COUNT(*) AS n FROM api_keys WHERE organisation_id = $1 AND kind = $2",
            )
            .bind(organisation.to_string())
            .bind(kind.name())
            .fetch_one(&mut *transaction)
            .await?
            .try_get("n")?;
            let key = match configured {
                Some(key) => key.clone(),
                None if present > 0 => continue,
                None => {
                    let key = Secret::new(draw()?);
                    new_keys.push((kind, key.clone()));
                    key
                }
            };
            sqlx::query("DELETE FROM api_keys WHERE organisation_id = $1 AND kind = $2")
                .bind(organisation.to_string())
                .bind(kind.name())
                .execute(&mut *transaction)
                .await?;
            sqlx::query(
                "INSERT INTO api_keys (hash, organisation_id, kind, created_at) \
                 VALUES ($1, $2, $3, $4)",
            )
            .bind(hash(key.expose()))
            .bind(organisation.to_string())
            .bind(kind.name())
            .bind(now.as_micros())
            .execute(&mut *transaction)
            .await?;
        }
        transaction.commit().await?;
        Ok(FirstOrganisation { id: organisation, new_keys })
    }

    /// Whose key this is.
    ///
    /// # Errors
    ///
    /// Where the database fails.
    pub async fn owner(&self, key: &str, kind: KeyKind) -> Result<Option<Uuid>, StoreError> {
        let row = sqlx::query("SELECT organisation_id FROM api_keys WHERE hash = $1 AND kind = $2")
            .bind(hash(key))
            .bind(kind.name())
            .fetch_optional(&self.pool)
            .await?;
        row.map(|row| id(&row, "organisation_id")).transpose()
    }

    /// What this installation signs `name` with; drawn at first use.
    ///
    /// # Errors
    ///
    /// Where the database fails.
    pub async fn signing_key(&self, name: &str) -> Result<Secret, StoreError> {
        sqlx::query(
            "INSERT INTO signing_keys (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING",
        )
        .bind(name)
        .bind(draw()?)
        .execute(&self.pool)
        .await?;
        let row = sqlx::query("SELECT value FROM signing_keys WHERE name = $1")
            .bind(name)
            .fetch_one(&self.pool)
            .await?;
        Ok(Secret::new(row.try_get::<String, _>("value")?))
    }
}

/// 256 bits of the system's randomness. Nobody can try them all, so a plain hash is enough to
/// keep them by.
fn draw() -> Result<String, StoreError> {
    let mut bits = [0; 32];
    getrandom::fill(&mut bits)?;
    Ok(URL_SAFE_NO_PAD.encode(bits))
}

fn hash(key: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(key.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn store() -> (tempfile::TempDir, Store) {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::open(folder.path()).await.expect("a store");
        (folder, store)
    }

    #[tokio::test]
    async fn keys_are_made_once_and_kept_hashed() {
        let (folder, store) = store().await;
        let first = store.first_organisation(None, None).await.expect("an organisation");
        let [(KeyKind::Private, private), (KeyKind::Public, public)] = &first.new_keys[..] else {
            panic!("{:?}", first.new_keys);
        };
        let again = store.first_organisation(None, None).await.expect("an organisation");
        assert_eq!((again.id, again.new_keys.len()), (first.id, 0));

        let owner = store.owner(private.expose(), KeyKind::Private).await.expect("an answer");
        assert_eq!(owner, Some(first.id));
        let owner = store.owner(public.expose(), KeyKind::Private).await.expect("an answer");
        assert_eq!(owner, None, "a public key is no private one");

        store.close().await;
        let file = std::fs::read(folder.path().join(super::super::DATABASE_FILE)).expect("a file");
        let needle = private.expose().as_bytes();
        assert!(!file.windows(needle.len()).any(|bytes| bytes == needle));
    }

    #[tokio::test]
    async fn a_configured_key_takes_the_place_of_the_one_before() {
        let (_folder, store) = store().await;
        let (old, new) = (Secret::new("old"), Secret::new("new"));
        let first = store.first_organisation(Some(&old), None).await.expect("an organisation");
        assert_eq!(first.new_keys.len(), 1, "only the public one was made");
        store.first_organisation(Some(&new), None).await.expect("an organisation");
        let owner = |key| store.owner(key, KeyKind::Private);
        assert_eq!(owner("old").await.expect("an answer"), None);
        assert_eq!(owner("new").await.expect("an answer"), Some(first.id));
    }
}
