//! Questions about calls: `POST /analytics`.

use jiff::tz::TimeZone;

use super::call::CallProblem;
use super::validation::Validation;
use crate::store::Timestamp;

const TABLES: &[&str] = &["call", "subscription"];
const GROUPS: &[&str] =
    &["type", "assistantId", "endedReason", "analysis.successEvaluation", "status"];
const OPERATIONS: &[&str] = &["sum", "avg", "count", "min", "max", "history"];
const COLUMNS: &[&str] = &[
    "id",
    "cost",
    "costBreakdown.llm",
    "costBreakdown.stt",
    "costBreakdown.tts",
    "costBreakdown.vapi",
    "costBreakdown.transport",
    "costBreakdown.analysisBreakdown.summary",
    "costBreakdown.transcriber",
    "costBreakdown.ttsCharacters",
    "costBreakdown.llmPromptTokens",
    "costBreakdown.llmCompletionTokens",
    "costBreakdown.llmCachedPromptTokens",
    "duration",
    "concurrency",
    "minutesUsed",
];
const STEPS: &[&str] = &[
    "second",
    "minute",
    "hour",
    "day",
    "week",
    "month",
    "quarter",
    "year",
    "decade",
    "century",
    "millennium",
];

/// Understands `json`, questions about calls.
///
/// # Errors
///
/// What is wrong with them, or what of them is not answered here.
pub fn analytics(json: &str) -> Result<Vec<wire::AnalyticsQuery>, CallProblem> {
    let mut check = Validation::of("analytics");
    let read = check.read::<wire::Analytics>(json);
    let queries = read.and_then(|read| read.queries);
    if queries.is_none() {
        check.problem("queries must be an array");
    }
    let queries = queries.unwrap_or_default();
    let mut not_served = None;
    for (index, query) in queries.iter().enumerate() {
        let path = format!("queries.{index}");
        let found = check_query(query, &path, &mut check);
        not_served = not_served.or(found);
    }
    let (problems, _) = check.finish();
    match not_served {
        _ if !problems.is_empty() => Err(CallProblem::Invalid(problems)),
        Some(what) => Err(CallProblem::NotServed(what)),
        None => Ok(queries),
    }
}

/// Returns what of it is not answered here.
fn check_query(
    query: &wire::AnalyticsQuery,
    path: &str,
    check: &mut Validation,
) -> Option<&'static str> {
    check.required_one_of(&format!("{path}.table"), query.table.as_deref(), TABLES);
    match query.name.as_deref() {
        None => check.problem(format!("{path}.name should not be empty")),
        name => check.length(&format!("{path}.name"), name, 1..=40),
    }
    for group in query.group_by.iter().flatten() {
        check.one_of(&format!("each value in {path}.groupBy"), Some(group), GROUPS);
    }
    let operations = query.operations.as_deref().unwrap_or_default();
    if operations.is_empty() {
        check.problem(format!("{path}.operations should not be empty"));
    }
    let mut not_served = match query.table.as_deref() {
        Some("subscription") => Some("table subscription"),
        _ => query.group_by_variable_value.as_ref().map(|_| "groupByVariableValue"),
    };
    for (index, operation) in operations.iter().enumerate() {
        let path = format!("{path}.operations.{index}");
        let (name, column) = (operation.operation.as_deref(), operation.column.as_deref());
        check.required_one_of(&format!("{path}.operation"), name, OPERATIONS);
        check.required_one_of(&format!("{path}.column"), column, COLUMNS);
        check.length(&format!("{path}.alias"), operation.alias.as_deref(), 0..=40);
        not_served = not_served.or(match (name, column) {
            (Some("history"), _) => Some("operation history"),
            (_, Some("concurrency")) => Some("column concurrency"),
            (_, Some("minutesUsed")) => Some("column minutesUsed"),
            _ => None,
        });
    }
    if let Some(range) = &query.time_range {
        let path = format!("{path}.timeRange");
        check.one_of(&format!("{path}.step"), range.step.as_deref(), STEPS);
        for (name, moment) in [("start", &range.start), ("end", &range.end)] {
            if moment.as_deref().is_some_and(|text| Timestamp::from_iso(text).is_none()) {
                check.problem(format!("{path}.{name} must be a valid ISO 8601 date string"));
            }
        }
        if range.timezone.as_deref().is_some_and(|name| TimeZone::get(name).is_err()) {
            check.problem(format!("{path}.timezone must be a time zone, such as Europe/Paris"));
        }
    }
    not_served
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(json: Value) -> Result<Vec<wire::AnalyticsQuery>, CallProblem> {
        analytics(&json.to_string())
    }

    #[test]
    fn everything_that_is_wrong_is_told_at_once() {
        let wrong = json!({"queries": [{"table": "calls", "name": "a", "groupBy": ["day"],
            "operations": [{"operation": "sum", "column": "minutes"}],
            "timeRange": {"step": "fortnight", "start": "soon", "timezone": "Paris"}}]});
        let Err(CallProblem::Invalid(problems)) = read(wrong) else { panic!("it is taken") };
        let starts = [
            "queries.0.table must be one of",
            "each value in queries.0.groupBy must be one of",
            "queries.0.operations.0.column must be one of",
            "queries.0.timeRange.step must be one of",
            "queries.0.timeRange.start must be a valid",
            "queries.0.timeRange.timezone must be a time zone",
        ];
        assert_eq!(problems.len(), starts.len(), "{problems:?}");
        for (problem, start) in problems.iter().zip(starts) {
            assert!(problem.starts_with(start), "{problem}");
        }
    }

    #[test]
    fn what_is_not_answered_here_is_named() {
        let history = json!({"queries": [{"table": "subscription", "name": "a",
            "operations": [{"operation": "history", "column": "concurrency"}]}]});
        assert_eq!(read(history), Err(CallProblem::NotServed("table subscription")));
    }
}
