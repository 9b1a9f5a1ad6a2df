//! Assistants, tools and phone numbers: documents with an owner.

use std::fmt;

use serde_json::{Map, Value};
use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, Row as _};
use uuid::Uuid;

use super::database::{Store, StoreError};
use super::filter::Page;
use super::timestamp::Timestamp;

/// Which documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Collection {
    /// `/assistant`.
    Assistants,
    /// `/phone-number`.
    PhoneNumbers,
    /// `/tool`.
    Tools,
}

impl Collection {
    const fn table(self) -> &'static str {
        match self {
            Self::Assistants => "assistants",
            Self::PhoneNumbers => "phone_numbers",
            Self::Tools => "tools",
        }
    }
}

/// A stored document. Its `Debug` does not show it: it may hold secrets.
#[derive(Clone, PartialEq)]
pub struct Resource {
    /// Its name for ever.
    pub id: Uuid,
    /// Whose it is.
    pub organisation: Uuid,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was changed last.
    pub updated_at: Timestamp,
    /// What was sent, to the letter.
    pub document: Map<String, Value>,
}

impl fmt::Debug for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resource").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Resource {
    /// A new one, made now.
    pub fn new(organisation: Uuid, document: Map<String, Value>) -> Self {
        let now = Timestamp::now();
        Self { id: Uuid::new_v4(), organisation, created_at: now, updated_at: now, document }
    }

    fn number(&self, collection: Collection) -> Option<&str> {
        match collection {
            Collection::PhoneNumbers => self.document.get("number").and_then(Value::as_str),
            Collection::Assistants | Collection::Tools => None,
        }
    }
}

impl Store {
    /// Keeps a new document. `false`: another phone number is the same.
    ///
    /// # Errors
    ///
    /// Where the database fails.
    pub async fn insert(
        &self,
        collection: Collection,
        resource: &Resource,
    ) -> Result<bool, StoreError> {
        let (column, place) = match collection {
            Collection::PhoneNumbers => (", number", ", $6"),
            Collection::Assistants | Collection::Tools => ("", ""),
        };
        let sql = format!(
            "INSERT INTO {} (id, organisation_id, created_at, updated_at, document{column}) \
             VALUES ($1, $2, $3, $4, $5{place})",
            collection.table()
        );
        let mut query = sqlx::query(AssertSqlSafe(sql))
            .bind(resource.id.to_string())
            .bind(resource.organisation.to_string())
            .bind(resource.created_at.as_micros())
            .bind(resource.updated_at.as_micros())
            .bind(serde_json::to_string(&resource.document)?);
        if collection == Collection::PhoneNumbers {
            query = query.bind(resource.number(collection));
        }
        unless_duplicate(query.execute(&self.pool).await)
    }

    /// A document of this organisation.
    ///
    /// # Errors
    ///
    /// Where the database fails.
    pub async fn resource(
        &self,
        collection: Collection,
        organisation: Uuid,
        id: Uuid,
    ) -> Result<Option<Resource>, StoreError> {
        let sql = format!(
            "SELECT id, organisation_id, created_at, updated_at, document FROM {} \
             WHERE id = $1 AND organisation_id = $2",
            collection.table()
        );
        let row = sqlx::query(AssertSqlSafe(sql))
            .bind(id.to_string())
            .bind(organisation.to_string())
            .fetch_optional(&self.pool)
            .await?;
        row.map(read).transpose()
    }

    /// This organisation's documents, the newest first.
    ///
    /// # Errors
    ///
    /// Where the database fails.
    pub async fn resources(
        &self,
        collection: Collection,
        organisation: Uuid,
        page: Page,
    ) -> Result<Vec<Resource>, StoreError> {
        let sql = format!(
            "SELECT id, organisation_id, created_at, updated_at, document FROM {} \
             WHERE organisation_id = $1 AND created_at >= $2 AND created_at < $3 \
             AND updated_at >= $4 AND updated_at < $5 ORDER BY created_at DESC, id LIMIT $6",
            collection.table()
        );
        let rows = sqlx::query(AssertSqlSafe(sql))
            .bind(organisation.to_string())
            .bind(page.created.from.as_micros())
            .bind(page.created.until.as_micros())
            .bind(page.updated.from.as_micros())
            .bind(page.updated.until.as_micros())
            .bind(i64::from(page.limit))
            .fetch_all(&self.pool)
            .await?;
        rows.into_iter().map(read).collect()
    }

    /// Puts `resource` in the place of what is there. `false`: there is nothing, or another phone
    /// number is the same.
    ///
    /// # Errors
    ///
    /// Where the database fails.
    pub async fn replace(
        &self,
        collection: Collection,
        resource: &Resource,
    ) -> Result<bool, StoreError> {
        let number = match collection {
            Collection::PhoneNumbers => ", number = $5",
            Collection::Assistants | Collection::Tools => "",
        };
        let sql = format!(
            "UPDATE {} SET document = $1, updated_at = $2{number} \
             WHERE id = $3 AND organisation_id = $4",
            collection.table()
        );
        let mut query = sqlx::query(AssertSqlSafe(sql))
            .bind(serde_json::to_string(&resource.document)?)
            .bind(resource.updated_at.as_micros())
            .bind(resource.id.to_string())
            .bind(resource.organisation.to_string());
        if collection == Collection::PhoneNumbers {
            query = query.bind(resource.number(collection));
        }
        unless_duplicate(query.execute(&self.pool).await)
    }

    /// Forgets a document, and returns it.
    ///
    /// # Errors
    ///
    /// Where the database fails.
    pub async fn delete(
        &self,
        collection: Collection,
        organisation: Uuid,
        id: Uuid,
    ) -> Result<Option<Resource>, StoreError> {
        let sql = format!(
            "DELETE FROM {} WHERE id = $1 AND organisation_id = $2 \
             RETURNING id, organisation_id, created_at, updated_at, document",
            collection.table()
        );
        let row = sqlx::query(AssertSqlSafe(sql))
            .bind(id.to_string())
            .bind(organisation.to_string())
            .fetch_optional(&self.pool)
            .await?;
        row.map(read).transpose()
    }

    /// The phone number that is `number`, whoever has it.
    ///
    /// # Errors
    ///
    /// Where the database fails.
    pub async fn phone_number(&self, number: &str) -> Result<Option<Resource>, StoreError> {
        let row = sqlx::query(
            "SELECT id, organisation_id, created_at, updated_at, document FROM phone_numbers \
             WHERE number = $1",
        )
        .bind(number)
        .fetch_optional(&self.pool)
        .await?;
        row.map(read).transpose()
    }

    /// Every phone number of the installation.
    ///
    /// # Errors
    ///
    /// Where the database fails.
    pub async fn all_phone_numbers(&self) -> Result<Vec<Resource>, StoreError> {
        let rows = sqlx::query(
            "SELECT id, organisation_id, created_at, updated_at, document FROM phone_numbers",
        )
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter().map(read).collect()
    }
}

fn unless_duplicate(
    result: Result<sqlx::sqlite::SqliteQueryResult, sqlx::Error>,
) -> Result<bool, StoreError> {
    match result.map_err(StoreError::from) {
        Ok(done) => Ok(done.rows_affected() > 0),
        Err(error) if error.is_duplicate() => Ok(false),
        Err(error) => Err(error),
    }
}

fn read(row: SqliteRow) -> Result<Resource, StoreError> {
    Ok(Resource {
        id: id(&row, "id")?,
        organisation: id(&row, "organisation_id")?,
        created_at: Timestamp::from_micros(row.try_get("created_at")?),
        updated_at: Timestamp::from_micros(row.try_get("updated_at")?),
        document: serde_json::from_str(row.try_get("document")?)?,
    })
}

pub(super) fn id(row: &SqliteRow, column: &str) -> Result<Uuid, StoreError> {
    let text: &str = row.try_get(column)?;
    Uuid::parse_str(text).map_err(|error| {
        sqlx::Error::ColumnDecode { index: column.to_owned(), source: Box::new(error) }.into()
    })
}
