//! What is added up over calls: Vapi's `AnalyticsQueryDTO`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What `POST /analytics` takes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Analytics {
    /// The questions.
    pub queries: Option<Vec<AnalyticsQuery>>,
}

/// One question.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct AnalyticsQuery {
    /// `call`.
    pub table: Option<String>,
    /// What the answer is called: at most 40 characters.
    pub name: Option<String>,
    /// A row for each value of these together.
    pub group_by: Option<Vec<String>>,
    /// A row for each value of these variables.
    pub group_by_variable_value: Option<Value>,
    /// What is worked out.
    pub operations: Option<Vec<AnalyticsOperation>>,
    /// Of which calls.
    pub time_range: Option<TimeRange>,
}

/// Something that is worked out.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct AnalyticsOperation {
    /// `sum`, `avg`, `count`, `min` or `max`.
    pub operation: Option<String>,
    /// Of what.
    pub column: Option<String>,
    /// What it is called: at most 40 characters.
    pub alias: Option<String>,
}

/// A stretch of time, in steps.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct TimeRange {
    /// A row for each `day`, and so on; `None`: one for all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
    /// ISO 8601; `None`: seven days before the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start: Option<String>,
    /// ISO 8601; `None`: now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end: Option<String>,
    /// Where days begin; `None`: UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timezone: Option<String>,
}
