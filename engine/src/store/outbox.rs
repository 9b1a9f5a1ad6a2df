//! Messages on their way to customers' servers: taken from here, in order for each call, until
//! the server has them.

use serde_json::{Map, Value};
use sqlx::Row as _;
use uuid::Uuid;

use super::database::{Store, StoreError};
use super::resource::id;
use super::timestamp::Timestamp;

/// A message that is to be delivered.
#[derive(Clone, Debug)]
pub struct Pending {
    /// The same at each try, so that a server can tell a repetition.
    pub id: Uuid,
    /// The call it is about.
    pub call: Uuid,
    /// Vapi's `type`.
    pub kind: String,
    /// When it happened.
    pub created_at: Timestamp,
    /// What `kind` has beside the fields that every message has.
    pub body: Map<String, Value>,
    /// Tries so far.
    pub attempts: u32,
    /// When the next one is due.
    pub due_at: Timestamp,
}

impl Store {
    /// The calls whose next message is due by `now`, those that wait longest first; at most
    /// `limit`. And when the first message of the others is due.
    ///
    /// # Errors
    ///
    /// Where the database fails.
    pub async fn calls_with_mail(
        &self,
        now: Timestamp,
        limit: u32,
    ) -> Result<(Vec<Uuid>, Option<Timestamp>), StoreError> {
        // A call's first message holds back the others, whenever they are due.
        let rows = sqlx::query(
            "SELECT o.call_id, o.due_at FROM outbox o JOIN \
             (SELECT call_id, MIN(sequence) AS first FROM outbox WHERE state = 'pending' \
             GROUP BY call_id) f ON o.call_id = f.call_id AND o.sequence = f.first \
             ORDER BY o.due_at LIMIT $1",
        )
        .bind(i64::from(limit) + 1)
        .fetch_all(&self.pool)
        .await?;
        let mut calls = Vec::new();
        for row in &rows {
            let due = Timestamp::from_micros(row.try_get("due_at")?);
            if due > now {
                return Ok((calls, Some(due)));
            }
            if calls.len() < limit as usize {
                calls.push(id(row, "call_id")?);
            }
        }
        Ok((calls, None))
    }

    /// The first message about a call that was neither taken nor given up.
    ///
    /// # Errors
    ///
    /// Where the database fails.
    pub async fn next_message(&self, call: Uuid) -> Result<Option<Pending>, StoreError> {
        let row = sqlx::query(
            "SELECT id, call_id, kind, created_at, body, attempts, due_at FROM outbox \
             WHERE call_id = $1 AND state = 'pending' ORDER BY sequence LIMIT 1",
        )
        .bind(call.to_string())
        .fetch_optional(&self.pool)
        .await?;
        let Some(row) = row else { return Ok(None) };
        Ok(Some(Pending {
            id: id(&row, "id")?,
            call: id(&row, "call_id")?,
            kind: row.try_get("kind")?,
            created_at: Timestamp::from_micros(row.try_get("created_at")?),
            body: serde_json::from_str(row.try_get("body")?)?,
            attempts: u32::try_from(row.try_get::<i64, _>("attempts")?).unwrap_or(u32::MAX),
            due_at: Timestamp::from_micros(row.try_get("due_at")?),
        }))
    }

    /// The server has taken it.
    ///
    /// # Errors
    ///
    /// Where the database fails.
    pub async fn delivered(&self, message: Uuid) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM outbox WHERE id = $1")
            .bind(message.to_string())
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// It was not taken: it is tried again at `retry`, or given up and kept.
    ///
    /// # Errors
    ///
    /// Where the database fails.
    pub async fn not_delivered(
        &self,
        message: Uuid,
        error: &str,
        retry: Option<Timestamp>,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "UPDATE outbox SET attempts = attempts + 1, last_error = $1, state = $2, due_at = $3 \
             WHERE id = $4",
        )
        .bind(error)
        .bind(if retry.is_some() { "pending" } else { "failed" })
        .bind(retry.map_or(0, Timestamp::as_micros))
        .bind(message.to_string())
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Messages that are neither taken nor given up, and those given up.
    ///
    /// # Errors
    ///
    /// Where the database fails.
    pub async fn outbox_sizes(&self) -> Result<(u64, u64), StoreError> {
        let row = sqlx::query(
            "SELECT COUNT(CASE WHEN state = 'pending' THEN 1 END) AS pending, \
             COUNT(CASE WHEN state = 'failed' THEN 1 END) AS failed FROM outbox",
        )
        .fetch_one(&self.pool)
        .await?;
        let count = |column| -> Result<u64, StoreError> {
            Ok(u64::try_from(row.try_get::<i64, _>(column)?).unwrap_or(0))
        };
        Ok((count("pending")?, count("failed")?))
    }
}
