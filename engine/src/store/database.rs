//! The database: opened, brought up to date, and shared.

use std::fs::OpenOptions;
use std::io;
use std::path::Path;
use std::time::Duration;

use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{Row as _, SqlSafeStr as _, Sqlite, Transaction};

use super::seal::{KEY_FILE, Seal};
use crate::config::Secret;
use crate::recording;

/// The database's file in the data directory.
pub const DATABASE_FILE: &str = "causerie.db";

/// Connections: one writes at a time, the others read beside it.
const CONNECTIONS: u32 = 4;

/// How long a writer waits for another.
const BUSY: Duration = Duration::from_secs(10);

/// What brings a database up to date, in order. A file that was released is never changed.
const MIGRATIONS: &[(i64, &str, &str)] = &[
    (1, "first", include_str!("migrations/0001_first.sql")),
    (2, "reports", include_str!("migrations/0002_reports.sql")),
    (3, "resources", include_str!("migrations/0003_resources.sql")),
    (4, "chats", include_str!("migrations/0004_chats.sql")),
    (6, "squads", include_str!("migrations/0006_squads.sql")),
];

/// Everything that outlives the process. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Store {
    pub(super) pool: SqlitePool,
    pub(super) seal: Seal,
}

/// Why the store did not do what it was asked to.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The database refuses.
    #[error("the database: {0}")]
    Database(#[from] sqlx::Error),
    /// It cannot be brought up to date: as a rule, a newer version made it.
    #[error("the database cannot be brought up to date: {0}")]
    Migration(#[from] MigrateError),
    /// What it holds is not what we wrote.
    #[error("the database holds a document that is not JSON: {0}")]
    Document(#[from] serde_json::Error),
    /// The folder or the file.
    #[error("{path}: {source}")]
    File {
        /// Which.
        path: String,
        /// The system's words.
        source: io::Error,
    },
    /// A secret cannot be opened: its row was changed by hand.
    #[error("the database holds a secret that was not sealed here")]
    Sealed,
    /// The database was sealed under another key.
    #[error(
        "the secrets in the database were sealed with another key: set `encryption_key`, or restore \
         {key_file} in the data directory, to what it was"
    )]
    WrongKey {
        /// The key's file.
        key_file: &'static str,
    },
    /// The system has no randomness to give.
    #[error("no key could be drawn: {0}")]
    Randomness(#[from] getrandom::Error),
}

impl StoreError {
    /// A row like this is there already.
    pub(super) fn is_duplicate(&self) -> bool {
        let Self::Database(sqlx::Error::Database(error)) = self else { return false };
        error.is_unique_violation()
    }
}

impl Store {
    /// Opens the database in `data_dir`, makes it where there is none, and brings it up to date.
    /// It is for this user only. Its secrets are sealed with the key beside it, which is drawn
    /// where there is none.
    ///
    /// # Errors
    ///
    /// Where it cannot be opened, is newer than this program, or was sealed with another key.
    pub async fn open(data_dir: &Path) -> Result<Self, StoreError> {
        Self::open_with_key(data_dir, None).await
    }

    /// The same with this key, which lies elsewhere.
    ///
    /// # Errors
    ///
    /// As [`Self::open`].
    pub async fn open_with_key(data_dir: &Path, key: Option<&Secret>) -> Result<Self, StoreError> {
        let path = data_dir.join(DATABASE_FILE);
        let failed = |source| StoreError::File { path: path.display().to_string(), source };
        recording::make_private_directory(data_dir).map_err(failed)?;
        make_private_file(&path).map_err(failed)?;
        let options = SqliteConnectOptions::new()
            .filename(&path)
            .journal_mode(SqliteJournalMode::Wal)
            // With a write-ahead log nothing is lost when the process dies; when the machine does,
            // the last transactions may be, and the file stays whole (sqlite.org/pragma.html).
            .synchronous(SqliteSynchronous::Normal)
            .foreign_keys(true)
            .busy_timeout(BUSY);
        let pool =
            SqlitePoolOptions::new().max_connections(CONNECTIONS).connect_with(options).await?;
        migrations().run(&pool).await?;
        let seal = match key {
            Some(key) => Seal::new(key),
            None => Seal::of_directory(data_dir).map_err(|source| StoreError::File {
                path: data_dir.join(KEY_FILE).display().to_string(),
                source,
            })?,
        };
        let store = Self { pool, seal };
        store.check_seal().await?;
        Ok(store)
    }

    /// The first key that is used is the one that stays.
    async fn check_seal(&self) -> Result<(), StoreError> {
        const NAME: &str = "seal";
        sqlx::query(
            "INSERT INTO signing_keys (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING",
        )
        .bind(NAME)
        .bind(self.seal.close(NAME, NAME))
        .execute(&self.pool)
        .await?;
        let row = sqlx::query("SELECT value FROM signing_keys WHERE name = $1")
            .bind(NAME)
            .fetch_one(&self.pool)
            .await?;
        match self.seal.open(NAME, row.try_get("value")?).as_deref() {
            Ok(NAME) => Ok(()),
            _ => Err(StoreError::WrongKey { key_file: KEY_FILE }),
        }
    }

    /// A transaction that writes. It takes its turn at the beginning, so that it never fails in
    /// its middle because another was faster.
    pub(super) async fn begin(&self) -> Result<Transaction<'static, Sqlite>, StoreError> {
        Ok(self.pool.begin_with("BEGIN IMMEDIATE").await?)
    }

    /// Ends what is underway and closes the file.
    pub async fn close(&self) {
        self.pool.close().await;
    }
}

fn migrations() -> Migrator {
    let migration = |&(version, name, sql): &(i64, &'static str, &'static str)| {
        Migration::new(version, name.into(), MigrationType::Simple, sql.into_sql_str(), false)
    };
    Migrator::with_migrations(MIGRATIONS.iter().map(migration).collect())
}

/// SQLite gives its log and index files the mode of the database.
fn make_private_file(path: &Path) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.create(true).append(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    options.open(path).map(drop)
}
