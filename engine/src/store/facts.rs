//! What is counted about calls: a few facts of each, kept beside its row, so that a year of calls
//! is added up without reading what was said in them.

use futures_util::TryStreamExt as _;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::Row as _;
use uuid::Uuid;
use wire::Call;

use super::database::{Store, StoreError};
use super::filter::Span;
use super::timestamp::Timestamp;

/// The facts of a call.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Facts {
    /// When it was made; not kept among the facts.
    #[serde(skip)]
    pub created: i64,
    /// `type`.
    pub kind: String,
    /// Vapi's word.
    pub status: String,
    /// The stored assistant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub assistant_id: Option<String>,
    /// Why it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended_reason: Option<String>,
    /// What a model made of its success.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub success_evaluation: Option<String>,
    /// How long it lasted, in seconds; `None`: it did not begin, or is not over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds: Option<f64>,
    /// What it cost, in USD; `None`: no prices were known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost: Option<f64>,
    /// Of what.
    #[serde(skip_serializing_if = "Value::is_null")]
    pub cost_breakdown: Value,
}

impl Facts {
    /// Of a call as it is now.
    pub(super) fn of(call: &Call) -> Self {
        let moment = |text: &Option<String>| text.as_deref().and_then(Timestamp::from_iso);
        let lasted = match (moment(&call.started_at), moment(&call.ended_at)) {
            (Some(from), Some(to)) => Some((to.as_millis() - from.as_millis()).max(0)),
            _ => None,
        };
        let analysis = call.analysis.as_ref();
        let success = analysis.and_then(|analysis| analysis.success_evaluation.clone());
        Self {
            created: 0,
            kind: call.kind.clone(),
            status: call.status.name().to_owned(),
            assistant_id: call.assistant_id.clone(),
            ended_reason: call.ended_reason.clone(),
            success_evaluation: success,
            seconds: lasted.map(|millis| millis as f64 / 1_000.0),
            cost: None,
            cost_breakdown: Value::Null,
        }
    }
}

impl Store {
    /// Shows each of this organisation's calls that were made in `span` to `add`, the oldest first.
    ///
    /// # Errors
    ///
    /// Where the database fails.
    pub async fn add_up_calls(
        &self,
        organisation: Uuid,
        span: Span,
        mut add: impl FnMut(&Facts) + Send,
    ) -> Result<(), StoreError> {
        // Rows of older versions have no facts: what they were made of is read.
        let mut rows = sqlx::query(
            "SELECT created_at, facts, CASE WHEN facts IS NULL THEN document END AS document \
             FROM calls WHERE organisation_id = $1 AND created_at >= $2 AND created_at < $3 \
             ORDER BY created_at",
        )
        .bind(organisation.to_string())
        .bind(span.from.as_micros())
        .bind(span.until.as_micros())
        .fetch(&self.pool);
        while let Some(row) = rows.try_next().await? {
            let facts: Option<&str> = row.try_get("facts")?;
            let document: Option<&str> = row.try_get("document")?;
            let mut facts: Facts = match (facts, document) {
                (Some(facts), _) => serde_json::from_str(facts)?,
                (None, Some(document)) => Facts::of(&serde_json::from_str(document)?),
                (None, None) => continue,
            };
            facts.created = row.try_get("created_at")?;
            add(&facts);
        }
        Ok(())
    }
}
