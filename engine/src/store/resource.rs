//! Assistants, squads, tools, phone numbers and the like: documents with an owner.

use std::fmt;

use serde_json::{Map, Value};
use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, Row as _, Sqlite};
use uuid::Uuid;

use super::database::{Store, StoreError};
use super::filter::ResourceFilter;
use super::seal::Broken;
use super::timestamp::Timestamp;

/// Which documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Collection {
    /// `/assistant`.
    Assistants,
    /// `/credential`.
    Credentials,
    /// `/file`.
    Files,
    /// `/knowledge-base`.
    KnowledgeBases,
    /// `/phone-number`.
    PhoneNumbers,
    /// `/squad`.
    Squads,
    /// `/structured-output`.
    StructuredOutputs,
    /// `/tool`.
    Tools,
}

impl Collection {
    /// Its documents hold other people's keys.
    const fn is_sealed(self) -> bool {
        matches!(self, Self::Credentials | Self::PhoneNumbers)
    }

    const fn table(self) -> &'static str {
        match self {
            Self::Assistants => "assistants",
            Self::Credentials => "credentials",
            Self::Files => "files",
            Self::KnowledgeBases => "knowledge_bases",
            Self::PhoneNumbers => "phone_numbers",
            Self::Squads => "squads",
            Self::StructuredOutputs => "structured_outputs",
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
        let number = self.document.get("number").and_then(Value::as_str);
        number.filter(|_| collection == Collection::PhoneNumbers)
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
        let numbered = collection == Collection::PhoneNumbers;
        let (column, place) = if numbered { (", number", ", $6") } else { ("", "") };
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
            .bind(self.written(collection, resource)?);
        if numbered {
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
        row.map(|row| self.read(collection, &row)).transpose()
    }

    /// A document, whosever it is: for the engine's own use.
    ///
    /// # Errors
    ///
    /// Where the database fails.
    pub async fn any_resource(
        &self,
        collection: Collection,
        id: Uuid,
    ) -> Result<Option<Resource>, StoreError> {
        let sql = format!(
            "SELECT id, organisation_id, created_at, updated_at, document FROM {} WHERE id = $1",
            collection.table()
        );
        let row =
            sqlx::query(AssertSqlSafe(sql)).bind(id.to_string()).fetch_optional(&self.pool).await?;
        row.map(|row| self.read(collection, &row)).transpose()
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
        filter: &ResourceFilter,
    ) -> Result<Vec<Resource>, StoreError> {
        let mut query = sqlx::QueryBuilder::<Sqlite>::new(
            "SELECT id, organisation_id, created_at, updated_at, document FROM ",
        );
        query.push(collection.table()).push(" WHERE organisation_id = ");
        query.push_bind(organisation.to_string());
        let page = filter.page;
        query.push(" AND created_at >= ").push_bind(page.created.from.as_micros());
        query.push(" AND created_at < ").push_bind(page.created.until.as_micros());
        query.push(" AND updated_at >= ").push_bind(page.updated.from.as_micros());
        query.push(" AND updated_at < ").push_bind(page.updated.until.as_micros());
        if let Some(ids) = &filter.ids {
            query.push(" AND id IN (");
            let mut list = query.separated(", ");
            for id in ids {
                list.push_bind(id.clone());
            }
            query.push(")");
        }
        query.push(" ORDER BY created_at DESC, id LIMIT ").push_bind(i64::from(page.limit));
        let rows = query.build().fetch_all(&self.pool).await?;
        rows.iter().map(|row| self.read(collection, row)).collect()
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
        let numbered = collection == Collection::PhoneNumbers;
        let number = if numbered { ", number = $5" } else { "" };
        let sql = format!(
            "UPDATE {} SET document = $1, updated_at = $2{number} \
             WHERE id = $3 AND organisation_id = $4",
            collection.table()
        );
        let mut query = sqlx::query(AssertSqlSafe(sql))
            .bind(self.written(collection, resource)?)
            .bind(resource.updated_at.as_micros())
            .bind(resource.id.to_string())
            .bind(resource.organisation.to_string());
        if numbered {
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
        row.map(|row| self.read(collection, &row)).transpose()
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
        row.map(|row| self.read(Collection::PhoneNumbers, &row)).transpose()
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
        rows.iter().map(|row| self.read(Collection::PhoneNumbers, row)).collect()
    }

    /// A document as it is kept.
    fn written(&self, collection: Collection, resource: &Resource) -> Result<String, StoreError> {
        let text = serde_json::to_string(&resource.document)?;
        Ok(match collection.is_sealed() {
            true => self.seal.close(&place(collection, resource.id), &text),
            false => text,
        })
    }

    fn read(&self, collection: Collection, row: &SqliteRow) -> Result<Resource, StoreError> {
        let resource_id = id(row, "id")?;
        let kept: &str = row.try_get("document")?;
        let document = match collection.is_sealed() {
            true => {
                let opened = self.seal.open(&place(collection, resource_id), kept);
                serde_json::from_str(&opened.map_err(|Broken| StoreError::Sealed)?)?
            }
            false => serde_json::from_str(kept)?,
        };
        Ok(Resource {
            id: resource_id,
            organisation: id(row, "organisation_id")?,
            created_at: Timestamp::from_micros(row.try_get("created_at")?),
            updated_at: Timestamp::from_micros(row.try_get("updated_at")?),
            document,
        })
    }
}

/// What a sealed document is bound to.
fn place(collection: Collection, id: Uuid) -> String {
    format!("{}/{id}", collection.table())
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

pub(super) fn id(row: &SqliteRow, column: &str) -> Result<Uuid, StoreError> {
    let text: &str = row.try_get(column)?;
    Uuid::parse_str(text).map_err(|error| {
        sqlx::Error::ColumnDecode { index: column.to_owned(), source: Box::new(error) }.into()
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[tokio::test]
    async fn what_is_secret_is_not_in_the_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::open(folder.path()).await.expect("a store");
        let owner = store.first_organisation(None, None).await.expect("an organisation").id;
        let document = json!({"provider": "openai", "apiKey": "hunter2-and-more"});
        let Value::Object(document) = document else { panic!("an object") };
        let made = Resource::new(owner, document);
        for collection in [Collection::Credentials, Collection::PhoneNumbers] {
            assert!(store.insert(collection, &made).await.expect("kept"));
            let found = store.resource(collection, owner, made.id).await.expect("an answer");
            assert_eq!(found.map(|found| found.document), Some(made.document.clone()));
        }
        store.close().await;
        let file = std::fs::read(folder.path().join(super::super::DATABASE_FILE)).expect("a file");
        assert!(!file.windows(16).any(|bytes| bytes == b"hunter2-and-more"));

        std::fs::write(folder.path().join(super::super::KEY_FILE), "another").expect("written");
        let refused = Store::open(folder.path()).await;
        assert!(matches!(refused, Err(StoreError::WrongKey { .. })), "{refused:?}");
    }
}
