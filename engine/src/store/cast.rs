//! The assistants of a call that has several: kept from the moment it is announced until its media
//! comes.

use serde_json::Value;
use sqlx::Row as _;
use uuid::Uuid;

use super::database::{Store, StoreError};

impl Store {
    /// Keeps the squad of a call that is known already.
    ///
    /// # Errors
    ///
    /// Where the database fails.
    pub async fn keep_squad(&self, call: Uuid, squad: &Value) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO call_squads (call_id, squad) VALUES ($1, $2) \
             ON CONFLICT (call_id) DO UPDATE SET squad = excluded.squad",
        )
        .bind(call.to_string())
        .bind(squad.to_string())
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// The squad of a call; `None`: it has one assistant.
    ///
    /// # Errors
    ///
    /// Where the database fails.
    pub async fn kept_squad(&self, call: Uuid) -> Result<Option<Value>, StoreError> {
        let row = sqlx::query("SELECT squad FROM call_squads WHERE call_id = $1")
            .bind(call.to_string())
            .fetch_optional(&self.pool)
            .await?;
        let Some(row) = row else { return Ok(None) };
        Ok(Some(serde_json::from_str(row.try_get("squad")?)?))
    }
}
