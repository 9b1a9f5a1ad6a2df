//! Who may ask: organisations and their keys.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, Sqlite, Transaction};
use uuid::Uuid;
use wire::KeyRestrictions;

use super::database::{Store, StoreError};
use super::resource::id;
use super::seal::Broken;
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
    /// As Vapi calls it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Private => "private",
            Self::Public => "public",
        }
    }

    /// The kind that Vapi calls `name`.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Private, Self::Public].into_iter().find(|kind| kind.name() == name)
    }
}

/// What is known of a key, which is not kept itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRecord {
    /// Its name for ever.
    pub id: Uuid,
    /// Whose it is.
    pub organisation: Uuid,
    /// What it is for.
    pub kind: KeyKind,
    /// What it is called.
    pub name: Option<String>,
    /// What a public one may do; `None`: everything that public ones may.
    pub restrictions: Option<KeyRestrictions>,
    /// When it was made.
    pub created_at: Timestamp,
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
            None => make_organisation(&mut transaction, None, now).await?,
        };
        let mut new_keys = Vec::new();
        for (kind, configured) in [(KeyKind::Private, private), (KeyKind::Public, public)] {
            let present: i64 = sqlx::query(
                "SELECT COUNT(*) AS n FROM api_keys \
                 WHERE organisation_id = $1 AND kind = $2 AND made_by = 'start'",
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
            sqlx::query(
                "DELETE FROM api_keys \
                 WHERE organisation_id = $1 AND kind = $2 AND made_by = 'start'",
            )
            .bind(organisation.to_string())
            .bind(kind.name())
            .execute(&mut *transaction)
            .await?;
            let record = KeyRecord {
                id: Uuid::new_v4(),
                organisation,
                kind,
                name: None,
                restrictions: None,
                created_at: now,
            };
            self.insert_key(&mut transaction, &record, &key, "start").await?;
        }
        transaction.commit().await?;
        Ok(FirstOrganisation { id: organisation, new_keys })
    }

    /// A new organisation, and its first keys: the only moment at which they can be shown.
    ///
    /// # Errors
    ///
    /// Where the database fails.
    pub async fn new_organisation(
        &self,
        name: Option<&str>,
    ) -> Result<FirstOrganisation, StoreError> {
        let now = Timestamp::now();
        let mut transaction = self.begin().await?;
        let organisation = make_organisation(&mut transaction, name, now).await?;
        let mut new_keys = Vec::new();
        for kind in [KeyKind::Private, KeyKind::Public] {
            let key = Secret::new(draw()?);
            let record = KeyRecord {
                id: Uuid::new_v4(),
                organisation,
                kind,
                name: None,
                restrictions: None,
                created_at: now,
            };
            self.insert_key(&mut transaction, &record, &key, "api").await?;
            new_keys.push((kind, key));
        }
        transaction.commit().await?;
        Ok(FirstOrganisation { id: organisation, new_keys })
    }

    /// Every organisation, the oldest first: its id, its name, when it was made.
    ///
    /// # Errors
    ///
    /// Where the database fails.
    pub async fn organisations(
        &self,
    ) -> Result<Vec<(Uuid, Option<String>, Timestamp)>, StoreError> {
        let rows =
            sqlx::query("SELECT id, name, created_at FROM organisations ORDER BY created_at, id")
                .fetch_all(&self.pool)
                .await?;
        let read = |row: &SqliteRow| {
            let made = Timestamp::from_micros(row.try_get("created_at")?);
            Ok((id(row, "id")?, row.try_get("name")?, made))
        };
        rows.iter().map(read).collect()
    }

    /// A new key of this organisation: the only moment at which it can be shown.
    ///
    /// # Errors
    ///
    /// Where the database fails.
    pub async fn new_key(
        &self,
        organisation: Uuid,
        kind: KeyKind,
        name: Option<String>,
        restrictions: Option<KeyRestrictions>,
    ) -> Result<(KeyRecord, Secret), StoreError> {
        let created_at = Timestamp::now();
        let id = Uuid::new_v4();
        let record = KeyRecord { id, organisation, kind, name, restrictions, created_at };
        let key = Secret::new(draw()?);
        let mut transaction = self.begin().await?;
        self.insert_key(&mut transaction, &record, &key, "api").await?;
        transaction.commit().await?;
        Ok((record, key))
    }

    /// What is known of `key`; `None`: it is nobody's.
    ///
    /// # Errors
    ///
    /// Where the database fails.
    pub async fn key(&self, key: &str) -> Result<Option<KeyRecord>, StoreError> {
        let row = sqlx::query(
            "SELECT id, organisation_id, kind, name, restrictions, created_at FROM api_keys \
             WHERE hash = $1",
        )
        .bind(hash(key))
        .fetch_optional(&self.pool)
        .await?;
        row.as_ref().map(read).transpose()
    }

    /// This organisation's keys, the newest first.
    ///
    /// # Errors
    ///
    /// Where the database fails.
    pub async fn keys(&self, organisation: Uuid) -> Result<Vec<KeyRecord>, StoreError> {
        let rows = sqlx::query(
            "SELECT id, organisation_id, kind, name, restrictions, created_at FROM api_keys \
             WHERE organisation_id = $1 ORDER BY created_at DESC, hash",
        )
        .bind(organisation.to_string())
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(read).collect()
    }

    /// Makes a key of this organisation worthless, and returns what was known of it.
    ///
    /// # Errors
    ///
    /// Where the database fails.
    pub async fn delete_key(
        &self,
        organisation: Uuid,
        id: Uuid,
    ) -> Result<Option<KeyRecord>, StoreError> {
        let row = sqlx::query(
            "DELETE FROM api_keys WHERE id = $1 AND organisation_id = $2 \
             RETURNING id, organisation_id, kind, name, restrictions, created_at",
        )
        .bind(id.to_string())
        .bind(organisation.to_string())
        .fetch_optional(&self.pool)
        .await?;
        row.as_ref().map(read).transpose()
    }

    /// The private keys of this organisation themselves: its tokens are signed with them.
    ///
    /// # Errors
    ///
    /// Where the database fails.
    pub(crate) async fn private_keys(&self, organisation: Uuid) -> Result<Vec<Secret>, StoreError> {
        let rows = sqlx::query(
            "SELECT hash, sealed FROM api_keys \
             WHERE organisation_id = $1 AND kind = 'private' AND sealed IS NOT NULL",
        )
        .bind(organisation.to_string())
        .fetch_all(&self.pool)
        .await?;
        let open = |row: &SqliteRow| {
            let (hash, sealed): (&str, &str) = (row.try_get("hash")?, row.try_get("sealed")?);
            let key = self.seal.open(&place(hash), sealed);
            Ok(Secret::new(key.map_err(|Broken| StoreError::Sealed)?))
        };
        rows.iter().map(open).collect()
    }

    async fn insert_key(
        &self,
        transaction: &mut Transaction<'static, Sqlite>,
        record: &KeyRecord,
        key: &Secret,
        made_by: &str,
    ) -> Result<(), StoreError> {
        let hash = hash(key.expose());
        let restrictions = record.restrictions.as_ref().map(serde_json::to_string).transpose()?;
        sqlx::query(
            "INSERT INTO api_keys \
             (hash, organisation_id, kind, created_at, id, name, restrictions, sealed, made_by) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        )
        .bind(&hash)
        .bind(record.organisation.to_string())
        .bind(record.kind.name())
        .bind(record.created_at.as_micros())
        .bind(record.id.to_string())
        .bind(&record.name)
        .bind(restrictions)
        // A public key signs nothing.
        .bind(
            (record.kind == KeyKind::Private).then(|| self.seal.close(&place(&hash), key.expose())),
        )
        .bind(made_by)
        .execute(&mut **transaction)
        .await?;
        Ok(())
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

async fn make_organisation(
    transaction: &mut Transaction<'static, Sqlite>,
    name: Option<&str>,
    now: Timestamp,
) -> Result<Uuid, StoreError> {
    let organisation = Uuid::new_v4();
    sqlx::query("INSERT INTO organisations (id, created_at, name) VALUES ($1, $2, $3)")
        .bind(organisation.to_string())
        .bind(now.as_micros())
        .bind(name)
        .execute(&mut **transaction)
        .await?;
    Ok(organisation)
}

fn read(row: &SqliteRow) -> Result<KeyRecord, StoreError> {
    let kind: &str = row.try_get("kind")?;
    let restrictions: Option<&str> = row.try_get("restrictions")?;
    let unnamed = row.try_get::<Option<&str>, _>("id")?.is_none();
    Ok(KeyRecord {
        // Those that were made before they had names are not listed by one.
        id: if unnamed { Uuid::nil() } else { id(row, "id")? },
        organisation: id(row, "organisation_id")?,
        // The table has no other kinds.
        kind: KeyKind::from_name(kind).unwrap_or(KeyKind::Public),
        name: row.try_get("name")?,
        restrictions: restrictions.map(serde_json::from_str).transpose()?,
        created_at: Timestamp::from_micros(row.try_get("created_at")?),
    })
}

/// What a sealed key is bound to.
fn place(hash: &str) -> String {
    format!("api_keys/{hash}")
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

        let known = async |key: &Secret| store.key(key.expose()).await.expect("an answer");
        let record = known(private).await.expect("it is known");
        assert_eq!((record.organisation, record.kind), (first.id, KeyKind::Private));
        assert_eq!(known(public).await.map(|record| record.kind), Some(KeyKind::Public));
        let signing = store.private_keys(first.id).await.expect("an answer");
        assert_eq!(signing, std::slice::from_ref(private), "and no public one");

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
        assert_eq!(store.key("old").await.expect("an answer"), None);
        let record = store.key("new").await.expect("an answer").expect("it is known");
        assert_eq!(record.organisation, first.id);

        let (made, key) = store
            .new_key(first.id, KeyKind::Private, Some("CI".to_owned()), None)
            .await
            .expect("a key");
        store.first_organisation(Some(&new), None).await.expect("an organisation");
        let known = store.key(key.expose()).await.expect("an answer");
        assert_eq!(known.as_ref(), Some(&made), "what a request made stays");
        assert_eq!(store.keys(first.id).await.expect("an answer").len(), 3);
        assert_eq!(store.delete_key(Uuid::new_v4(), made.id).await.expect("an answer"), None);
        assert_eq!(store.delete_key(first.id, made.id).await.expect("an answer"), Some(made));
        assert_eq!(store.key(key.expose()).await.expect("an answer"), None);
    }
}
