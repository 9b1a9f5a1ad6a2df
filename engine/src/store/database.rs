//! The database: opened, brought up to date, and shared.

use std::fs::OpenOptions;
use std::io;
use std::path::Path;
use std::time::Duration;

use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{SqlSafeStr as _, Sqlite, Transaction};

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
    (6, "squads", include_str!("migrations/0006_squads.sql")),
];

/// Everything that outlives the process. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Store {
    pub(super) pool: SqlitePool,
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
    /// It is for this user only.
    ///
    /// # Errors
    ///
    /// Where it cannot be opened, or is newer than this program.
    pub async fn open(data_dir: &Path) -> Result<Self, StoreError> {
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
        Ok(Self { pool })
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
