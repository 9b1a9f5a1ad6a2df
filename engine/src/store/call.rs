//! Calls, and what is still to be told about them.

use std::fmt;

use serde_json::{Map, Value};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, Sqlite, Transaction};
use uuid::Uuid;
use wire::{Call, CallStatus};

use super::database::{Store, StoreError};
use super::facts::Facts;
use super::filter::Page;
use super::resource::id;
use super::timestamp::Timestamp;

/// A call. Its `Debug` shows neither what was said nor the secrets of its assistant and server.
#[derive(Clone, PartialEq)]
pub struct CallRecord {
    /// Its name for ever.
    pub id: Uuid,
    /// Whose it is.
    pub organisation: Uuid,
    /// When the carrier announced it.
    pub created_at: Timestamp,
    /// When something was last noted about it.
    pub updated_at: Timestamp,
    /// What the API shows.
    pub call: Call,
    /// The assistant as it was when the call came in.
    pub assistant: Map<String, Value>,
    /// The number that was called, without its secrets.
    pub phone_number: Option<Value>,
    /// Where messages about it go.
    pub subscription: Option<Value>,
}

impl fmt::Debug for CallRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallRecord").field("id", &self.id).finish_non_exhaustive()
    }
}

impl CallRecord {
    /// As `GET /call/{id}` shows it.
    ///
    /// # Errors
    ///
    /// Never, as far as is known: everything in a call is JSON.
    pub fn to_json(&self) -> Result<Map<String, Value>, serde_json::Error> {
        let mut json = match serde_json::to_value(&self.call)? {
            Value::Object(json) => json,
            other => return Err(serde::ser::Error::custom(format!("not an object: {other}"))),
        };
        json.insert("id".to_owned(), self.id.to_string().into());
        json.insert("orgId".to_owned(), self.organisation.to_string().into());
        json.insert("createdAt".to_owned(), self.created_at.to_iso().into());
        json.insert("updatedAt".to_owned(), self.updated_at.to_iso().into());
        Ok(json)
    }
}

/// Which calls.
#[derive(Clone, Debug, Default)]
pub struct CallFilter {
    /// By age.
    pub page: Page,
    /// This one.
    pub id: Option<String>,
    /// Those this assistant answered.
    pub assistant_id: Option<String>,
    /// Those that came over this number.
    pub phone_number_id: Option<String>,
}

/// Something a customer's server is to be told.
#[derive(Clone, Debug, PartialEq)]
pub struct NewMessage {
    /// Vapi's `type`.
    pub kind: &'static str,
    /// When it happened.
    pub at: Timestamp,
    /// What `kind` has beside the fields that every message has.
    pub body: Map<String, Value>,
}

/// What has become of a call: kept together, or not at all.
#[derive(Clone, Debug)]
pub struct Progress {
    /// The call.
    pub id: Uuid,
    /// How it is now; `None`: as before.
    pub call: Option<Call>,
    /// To be told, in this order.
    pub messages: Vec<NewMessage>,
    /// Its report is still to be written, or was; `None`: as before.
    pub awaits_report: Option<bool>,
}

const COLUMNS: &str = "id, organisation_id, created_at, updated_at, document, assistant, \
                       phone_number, subscription";

impl Store {
    /// Keeps a call that was announced. Where the carrier announces it once more, what is there
    /// already is returned.
    ///
    /// # Errors
    ///
    /// Where the database fails.
    pub async fn announce(&self, record: CallRecord) -> Result<CallRecord, StoreError> {
        // A call that goes out has no name with the carrier yet: ours stands in for it.
        let id = || record.id.to_string();
        let carrier_call = record.call.phone_call_provider_id.clone().unwrap_or_else(id);
        let done = sqlx::query(
            "INSERT INTO calls (id, organisation_id, created_at, updated_at, document, assistant, \
             phone_number, subscription, status, carrier_call, assistant_id, phone_number_id, \
             facts, due_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14) \
             ON CONFLICT (carrier_call) DO NOTHING",
        )
        .bind(record.id.to_string())
        .bind(record.organisation.to_string())
        .bind(record.created_at.as_micros())
        .bind(record.updated_at.as_micros())
        .bind(serde_json::to_string(&record.call)?)
        .bind(serde_json::to_string(&record.assistant)?)
        .bind(optional_json(record.phone_number.as_ref())?)
        .bind(optional_json(record.subscription.as_ref())?)
        .bind(record.call.status.name())
        .bind(&carrier_call)
        .bind(&record.call.assistant_id)
        .bind(&record.call.phone_number_id)
        .bind(serde_json::to_string(&Facts::of(&record.call))?)
        .bind(due_at(&record.call).map(Timestamp::as_micros))
        .execute(&self.pool)
        .await?;
        if done.rows_affected() > 0 {
            return Ok(record);
        }
        Ok(self.announced(&carrier_call).await?.unwrap_or(record))
    }

    /// The call that the carrier knows by this id.
    ///
    /// # Errors
    ///
    /// Where the database fails.
    pub async fn announced(&self, carrier_call: &str) -> Result<Option<CallRecord>, StoreError> {
        let row = sqlx::query(
            "SELECT id, organisation_id, created_at, updated_at, document, assistant, \
             phone_number, subscription FROM calls WHERE carrier_call = $1",
        )
        .bind(carrier_call)
        .fetch_optional(&self.pool)
        .await?;
        row.map(read).transpose()
    }

    /// The call that the carrier knows by this id and whose media has come. `None`: there is no
    /// such call, or its media came before.
    ///
    /// # Errors
    ///
    /// Where the database fails.
    pub async fn claim(&self, carrier_call: &str) -> Result<Option<CallRecord>, StoreError> {
        let row = sqlx::query(
            "UPDATE calls SET status = $1 WHERE carrier_call = $2 AND status IN ($3, $4) \
             RETURNING id, organisation_id, created_at, updated_at, document, assistant, \
             phone_number, subscription",
        )
        .bind(CallStatus::InProgress.name())
        .bind(carrier_call)
        .bind(CallStatus::Ringing.name())
        .bind(CallStatus::Queued.name())
        .fetch_optional(&self.pool)
        .await?;
        row.map(read).transpose()
    }

    /// A call of this organisation.
    ///
    /// # Errors
    ///
    /// Where the database fails.
    pub async fn call(
        &self,
        organisation: Uuid,
        id: Uuid,
    ) -> Result<Option<CallRecord>, StoreError> {
        let row = sqlx::query(
            "SELECT id, organisation_id, created_at, updated_at, document, assistant, \
             phone_number, subscription FROM calls WHERE id = $1 AND organisation_id = $2",
        )
        .bind(id.to_string())
        .bind(organisation.to_string())
        .fetch_optional(&self.pool)
        .await?;
        row.map(read).transpose()
    }

    /// A call, whosever it is: for the engine's own use.
    ///
    /// # Errors
    ///
    /// Where the database fails.
    pub async fn any_call(&self, id: Uuid) -> Result<Option<CallRecord>, StoreError> {
        let row = sqlx::query(
            "SELECT id, organisation_id, created_at, updated_at, document, assistant, \
             phone_number, subscription FROM calls WHERE id = $1",
        )
        .bind(id.to_string())
        .fetch_optional(&self.pool)
        .await?;
        row.map(read).transpose()
    }

    /// This organisation's calls, the newest first.
    ///
    /// # Errors
    ///
    /// Where the database fails.
    pub async fn calls(
        &self,
        organisation: Uuid,
        filter: &CallFilter,
    ) -> Result<Vec<CallRecord>, StoreError> {
        let mut query = sqlx::QueryBuilder::<Sqlite>::new("SELECT ");
        query.push(COLUMNS).push(" FROM calls WHERE organisation_id = ");
        query.push_bind(organisation.to_string());
        let page = filter.page;
        query.push(" AND created_at >= ").push_bind(page.created.from.as_micros());
        query.push(" AND created_at < ").push_bind(page.created.until.as_micros());
        query.push(" AND updated_at >= ").push_bind(page.updated.from.as_micros());
        query.push(" AND updated_at < ").push_bind(page.updated.until.as_micros());
        for (column, wanted) in [
            (" AND id = ", &filter.id),
            (" AND assistant_id = ", &filter.assistant_id),
            (" AND phone_number_id = ", &filter.phone_number_id),
        ] {
            if let Some(wanted) = wanted {
                query.push(column).push_bind(wanted.clone());
            }
        }
        query.push(" ORDER BY created_at DESC, id LIMIT ").push_bind(i64::from(page.limit));
        let rows = query.build().fetch_all(&self.pool).await?;
        rows.into_iter().map(read).collect()
    }

    /// Calls that no process is running any more, or yet. Asked before the first call is taken.
    ///
    /// # Errors
    ///
    /// Where the database fails.
    pub async fn unfinished_calls(&self) -> Result<Vec<CallRecord>, StoreError> {
        let rows = sqlx::query(
            "SELECT id, organisation_id, created_at, updated_at, document, assistant, \
             phone_number, subscription FROM calls WHERE status NOT IN ($1, $2)",
        )
        .bind(CallStatus::Ended.name())
        .bind(CallStatus::Scheduled.name())
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter().map(read).collect()
    }

    /// Scheduled calls whose time has come by `now`, the earliest first; at most `limit`. And when
    /// the next one's comes.
    ///
    /// # Errors
    ///
    /// Where the database fails.
    pub async fn due_calls(
        &self,
        now: Timestamp,
        limit: u32,
    ) -> Result<(Vec<CallRecord>, Option<Timestamp>), StoreError> {
        let rows = sqlx::query(
            "SELECT id, organisation_id, created_at, updated_at, document, assistant, \
             phone_number, subscription FROM calls WHERE status = $1 AND due_at <= $2 \
             ORDER BY due_at, id LIMIT $3",
        )
        .bind(CallStatus::Scheduled.name())
        .bind(now.as_micros())
        .bind(i64::from(limit))
        .fetch_all(&self.pool)
        .await?;
        let due: Result<Vec<_>, _> = rows.into_iter().map(read).collect();
        let next: Option<i64> =
            sqlx::query("SELECT MIN(due_at) AS next FROM calls WHERE status = $1 AND due_at > $2")
                .bind(CallStatus::Scheduled.name())
                .bind(now.as_micros())
                .fetch_one(&self.pool)
                .await?
                .try_get("next")?;
        Ok((due?, next.map(Timestamp::from_micros)))
    }

    /// Calls that are over and whose report is not written.
    ///
    /// # Errors
    ///
    /// Where the database fails.
    pub async fn unreported_calls(&self) -> Result<Vec<CallRecord>, StoreError> {
        let rows = sqlx::query(
            "SELECT id, organisation_id, created_at, updated_at, document, assistant, \
             phone_number, subscription FROM calls WHERE awaits_report = 1",
        )
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter().map(read).collect()
    }

    /// Keeps what has become of calls: all of it, or nothing. A call that was deleted meanwhile is
    /// passed over.
    ///
    /// # Errors
    ///
    /// Where the database fails.
    pub async fn keep(&self, progress: &[Progress]) -> Result<(), StoreError> {
        let now = Timestamp::now();
        let mut transaction = self.begin().await?;
        for progress in progress {
            let row = sqlx::query("SELECT document FROM calls WHERE id = $1")
                .bind(progress.id.to_string())
                .fetch_optional(&mut *transaction)
                .await?;
            if let Some(row) = row {
                let stored = serde_json::from_str(row.try_get("document")?)?;
                advance(&mut transaction, progress, &stored, now).await?;
            }
        }
        Ok(transaction.commit().await?)
    }

    /// Keeps what has become of a call that is in one of these states. Returns whether it is.
    ///
    /// # Errors
    ///
    /// Where the database fails.
    pub async fn keep_if(
        &self,
        progress: &Progress,
        states: &[CallStatus],
    ) -> Result<bool, StoreError> {
        let now = Timestamp::now();
        let mut transaction = self.begin().await?;
        let row = sqlx::query("SELECT status, document FROM calls WHERE id = $1")
            .bind(progress.id.to_string())
            .fetch_optional(&mut *transaction)
            .await?;
        let Some(row) = row else { return Ok(false) };
        let status: &str = row.try_get("status")?;
        if !states.iter().any(|state| state.name() == status) {
            return Ok(false);
        }
        let stored = serde_json::from_str(row.try_get("document")?)?;
        advance(&mut transaction, progress, &stored, now).await?;
        transaction.commit().await?;
        Ok(true)
    }

    /// The carrier knows the call by this id.
    ///
    /// # Errors
    ///
    /// Where the database fails.
    pub async fn carried(&self, id: Uuid, carrier_call: &str) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        let row = sqlx::query("SELECT document FROM calls WHERE id = $1")
            .bind(id.to_string())
            .fetch_optional(&mut *transaction)
            .await?;
        let Some(row) = row else { return Ok(()) };
        let mut call: Call = serde_json::from_str(row.try_get("document")?)?;
        call.phone_call_provider_id = Some(carrier_call.to_owned());
        if let Some(transport) = &mut call.transport {
            transport.call_sid = Some(carrier_call.to_owned());
        }
        sqlx::query("UPDATE calls SET carrier_call = $1, document = $2 WHERE id = $3")
            .bind(carrier_call)
            .bind(serde_json::to_string(&call)?)
            .bind(id.to_string())
            .execute(&mut *transaction)
            .await?;
        Ok(transaction.commit().await?)
    }

    /// Gives a call a name of the customer's own.
    ///
    /// # Errors
    ///
    /// Where the database fails.
    pub async fn rename_call(
        &self,
        organisation: Uuid,
        id: Uuid,
        name: Option<String>,
    ) -> Result<Option<CallRecord>, StoreError> {
        let now = Timestamp::now();
        let mut transaction = self.begin().await?;
        let row = sqlx::query(
            "SELECT id, organisation_id, created_at, updated_at, document, assistant, \
             phone_number, subscription FROM calls WHERE id = $1 AND organisation_id = $2",
        )
        .bind(id.to_string())
        .bind(organisation.to_string())
        .fetch_optional(&mut *transaction)
        .await?;
        let Some(mut record) = row.map(read).transpose()? else { return Ok(None) };
        record.call.name = name;
        record.updated_at = now;
        write(&mut transaction, id, &record.call, now).await?;
        transaction.commit().await?;
        Ok(Some(record))
    }

    /// Forgets a call, and what was still to be told about it.
    ///
    /// # Errors
    ///
    /// Where the database fails.
    pub async fn delete_call(&self, organisation: Uuid, id: Uuid) -> Result<bool, StoreError> {
        let mut transaction = self.begin().await?;
        sqlx::query(
            "DELETE FROM outbox WHERE call_id IN \
             (SELECT id FROM calls WHERE id = $1 AND organisation_id = $2)",
        )
        .bind(id.to_string())
        .bind(organisation.to_string())
        .execute(&mut *transaction)
        .await?;
        let done = sqlx::query("DELETE FROM calls WHERE id = $1 AND organisation_id = $2")
            .bind(id.to_string())
            .bind(organisation.to_string())
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(done.rows_affected() > 0)
    }
}

/// Keeps what has become of the call that is `stored`.
async fn advance(
    transaction: &mut Transaction<'static, Sqlite>,
    progress: &Progress,
    stored: &Call,
    now: Timestamp,
) -> Result<(), StoreError> {
    if let Some(call) = &progress.call {
        let mut call = call.clone();
        // Others know these: the customer names a call, the carrier's answer brings its id.
        call.name.clone_from(&stored.name);
        if call.phone_call_provider_id.is_none() {
            call.phone_call_provider_id.clone_from(&stored.phone_call_provider_id);
            call.transport.clone_from(&stored.transport);
        }
        write(transaction, progress.id, &call, now).await?;
    }
    if let Some(awaits) = progress.awaits_report {
        sqlx::query("UPDATE calls SET awaits_report = $1 WHERE id = $2")
            .bind(i64::from(awaits))
            .bind(progress.id.to_string())
            .execute(&mut **transaction)
            .await?;
    }
    for message in &progress.messages {
        post(transaction, progress.id, message, now).await?;
    }
    Ok(())
}

async fn write(
    transaction: &mut Transaction<'static, Sqlite>,
    id: Uuid,
    call: &Call,
    now: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE calls SET document = $1, status = $2, updated_at = $3, facts = $4 WHERE id = $5",
    )
    .bind(serde_json::to_string(call)?)
    .bind(call.status.name())
    .bind(now.as_micros())
    .bind(serde_json::to_string(&Facts::of(call))?)
    .bind(id.to_string())
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

async fn post(
    transaction: &mut Transaction<'static, Sqlite>,
    call: Uuid,
    message: &NewMessage,
    now: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO outbox (id, call_id, sequence, kind, created_at, body, state, attempts, \
         due_at) SELECT $1, $2, COALESCE(MAX(sequence), 0) + 1, $3, $4, $5, 'pending', 0, $6 \
         FROM outbox WHERE call_id = $2",
    )
    .bind(Uuid::new_v4().to_string())
    .bind(call.to_string())
    .bind(message.kind)
    .bind(message.at.as_micros())
    .bind(serde_json::to_string(&message.body)?)
    .bind(now.as_micros())
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

/// When a scheduled call is placed.
fn due_at(call: &Call) -> Option<Timestamp> {
    let plan = call.schedule_plan.as_ref().filter(|_| call.status == CallStatus::Scheduled)?;
    plan.earliest_at.as_deref().and_then(Timestamp::from_iso)
}

fn optional_json(value: Option<&Value>) -> Result<Option<String>, StoreError> {
    Ok(value.map(serde_json::to_string).transpose()?)
}

fn read(row: SqliteRow) -> Result<CallRecord, StoreError> {
    let optional = |column| -> Result<Option<Value>, StoreError> {
        let text: Option<&str> = row.try_get(column)?;
        Ok(text.map(serde_json::from_str).transpose()?)
    };
    Ok(CallRecord {
        id: id(&row, "id")?,
        organisation: id(&row, "organisation_id")?,
        created_at: Timestamp::from_micros(row.try_get("created_at")?),
        updated_at: Timestamp::from_micros(row.try_get("updated_at")?),
        call: serde_json::from_str(row.try_get("document")?)?,
        assistant: serde_json::from_str(row.try_get("assistant")?)?,
        phone_number: optional("phone_number")?,
        subscription: optional("subscription")?,
    })
}
