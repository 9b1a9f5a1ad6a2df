//! Conversations in text: sessions and chats, as documents that are listed by the page.

use serde_json::{Map, Value};
use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, QueryBuilder, Row as _, Sqlite};
use uuid::Uuid;

use super::database::{Store, StoreError};
use super::filter::Page;
use super::resource::{Resource, id};
use super::timestamp::Timestamp;

/// Which conversations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conversations {
    /// `/session`.
    Sessions,
    /// `/chat`.
    Chats,
}

impl Conversations {
    const fn table(self) -> &'static str {
        match self {
            Self::Sessions => "sessions",
            Self::Chats => "chats",
        }
    }

    /// Fields of the document that have a column of their own, and that column.
    const fn columns(self) -> [(&'static str, &'static str); 3] {
        match self {
            Self::Sessions => [
                ("name", "name"),
                ("assistantId", "assistant_id"),
                ("phoneNumberId", "phone_number_id"),
            ],
            Self::Chats => [
                ("assistantId", "assistant_id"),
                ("sessionId", "session_id"),
                ("previousChatId", "previous_chat_id"),
            ],
        }
    }

    /// The column of this field; `None`: it cannot be asked for.
    fn column(self, field: &str) -> Option<&'static str> {
        let own = [("id", "id")];
        let mut all = own.into_iter().chain(self.columns());
        all.find(|(known, _)| *known == field).map(|(_, column)| column)
    }
}

/// A page of a list.
#[derive(Clone, Debug)]
pub struct Sheet {
    /// By age, and how many to a page.
    pub page: Page,
    /// Which page, from 1.
    pub number: u32,
    /// The oldest first.
    pub ascending: bool,
    /// Only where the field has one of these values.
    pub only: Vec<(String, Vec<String>)>,
}

impl Store {
    /// Keeps a new conversation.
    ///
    /// # Errors
    ///
    /// Where the database fails.
    pub async fn insert_conversation(
        &self,
        of: Conversations,
        resource: &Resource,
    ) -> Result<(), StoreError> {
        let [first, second, third] = of.columns().map(|(_, column)| column);
        let sql = format!(
            "INSERT INTO {} (id, organisation_id, created_at, updated_at, document, {first}, \
             {second}, {third}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
            of.table()
        );
        let mut query = sqlx::query(AssertSqlSafe(sql))
            .bind(resource.id.to_string())
            .bind(resource.organisation.to_string())
            .bind(resource.created_at.as_micros())
            .bind(resource.updated_at.as_micros())
            .bind(serde_json::to_string(&resource.document)?);
        for (field, _) in of.columns() {
            query = query.bind(resource.document.get(field).and_then(Value::as_str));
        }
        query.execute(&self.pool).await?;
        Ok(())
    }

    /// A conversation of this organisation.
    ///
    /// # Errors
    ///
    /// Where the database fails.
    pub async fn conversation(
        &self,
        of: Conversations,
        organisation: Uuid,
        id: Uuid,
    ) -> Result<Option<Resource>, StoreError> {
        let sql = format!(
            "SELECT id, organisation_id, created_at, updated_at, document FROM {} \
             WHERE id = $1 AND organisation_id = $2",
            of.table()
        );
        let query = sqlx::query(AssertSqlSafe(sql));
        let row = query.bind(id.to_string()).bind(organisation.to_string());
        row.fetch_optional(&self.pool).await?.map(read).transpose()
    }

    /// A page of this organisation's conversations, and how many there are on all pages.
    ///
    /// # Errors
    ///
    /// Where the database fails.
    pub async fn conversations(
        &self,
        of: Conversations,
        organisation: Uuid,
        sheet: &Sheet,
    ) -> Result<(Vec<Resource>, u64), StoreError> {
        let mut counting = QueryBuilder::<Sqlite>::new("SELECT COUNT(*) AS n");
        select(&mut counting, of, organisation, sheet);
        let total: i64 = counting.build().fetch_one(&self.pool).await?.try_get("n")?;
        let mut query = QueryBuilder::<Sqlite>::new(
            "SELECT id, organisation_id, created_at, updated_at, document",
        );
        select(&mut query, of, organisation, sheet);
        let order = if sheet.ascending { "ASC" } else { "DESC" };
        query.push(" ORDER BY created_at ").push(order).push(", id LIMIT ");
        query.push_bind(i64::from(sheet.page.limit));
        let passed = i64::from(sheet.page.limit) * i64::from(sheet.number.saturating_sub(1));
        query.push(" OFFSET ").push_bind(passed);
        let rows = query.build().fetch_all(&self.pool).await?;
        let found: Result<Vec<_>, _> = rows.into_iter().map(read).collect();
        Ok((found?, u64::try_from(total).unwrap_or(0)))
    }

    /// Changes a conversation by `change`: nobody else changes it meanwhile. `None`: it is not
    /// there.
    ///
    /// # Errors
    ///
    /// Where the database fails.
    pub async fn change_conversation(
        &self,
        of: Conversations,
        organisation: Uuid,
        id: Uuid,
        change: impl FnOnce(&mut Map<String, Value>) + Send,
    ) -> Result<Option<Resource>, StoreError> {
        let mut transaction = self.begin().await?;
        let sql = format!(
            "SELECT id, organisation_id, created_at, updated_at, document FROM {} \
             WHERE id = $1 AND organisation_id = $2",
            of.table()
        );
        let query = sqlx::query(AssertSqlSafe(sql));
        let row = query.bind(id.to_string()).bind(organisation.to_string());
        let found = row.fetch_optional(&mut *transaction).await?;
        let Some(mut resource) = found.map(read).transpose()? else { return Ok(None) };
        change(&mut resource.document);
        resource.updated_at = Timestamp::now();
        let [first, second, third] = of.columns().map(|(_, column)| column);
        let sql = format!(
            "UPDATE {} SET document = $1, updated_at = $2, {first} = $3, {second} = $4, \
             {third} = $5 WHERE id = $6",
            of.table()
        );
        let mut query = sqlx::query(AssertSqlSafe(sql))
            .bind(serde_json::to_string(&resource.document)?)
            .bind(resource.updated_at.as_micros());
        for (field, _) in of.columns() {
            query = query.bind(resource.document.get(field).and_then(Value::as_str));
        }
        query.bind(id.to_string()).execute(&mut *transaction).await?;
        transaction.commit().await?;
        Ok(Some(resource))
    }

    /// Forgets a conversation, and returns it.
    ///
    /// # Errors
    ///
    /// Where the database fails.
    pub async fn delete_conversation(
        &self,
        of: Conversations,
        organisation: Uuid,
        id: Uuid,
    ) -> Result<Option<Resource>, StoreError> {
        let sql = format!(
            "DELETE FROM {} WHERE id = $1 AND organisation_id = $2 \
             RETURNING id, organisation_id, created_at, updated_at, document",
            of.table()
        );
        let query = sqlx::query(AssertSqlSafe(sql));
        let row = query.bind(id.to_string()).bind(organisation.to_string());
        row.fetch_optional(&self.pool).await?.map(read).transpose()
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

fn select(query: &mut QueryBuilder<Sqlite>, of: Conversations, organisation: Uuid, sheet: &Sheet) {
    query.push(" FROM ").push(of.table()).push(" WHERE organisation_id = ");
    query.push_bind(organisation.to_string());
    let page = sheet.page;
    query.push(" AND created_at >= ").push_bind(page.created.from.as_micros());
    query.push(" AND created_at < ").push_bind(page.created.until.as_micros());
    query.push(" AND updated_at >= ").push_bind(page.updated.from.as_micros());
    query.push(" AND updated_at < ").push_bind(page.updated.until.as_micros());
    for (field, values) in &sheet.only {
        // What cannot be asked for is not asked.
        let Some(column) = of.column(field) else { continue };
        query.push(" AND ").push(column).push(" IN (");
        let mut list = query.separated(", ");
        for value in values {
            list.push_bind(value.clone());
        }
        query.push(")");
    }
}
