//! What is added up over calls.
//!
//! It is added up here and not by the database: days begin where the product's customers live, and
//! every database cuts time in its own way.

use std::collections::BTreeMap;

use jiff::civil::{Date, DateTime, Weekday};
use jiff::tz::TimeZone;
use serde_json::{Map, Value, json};
use wire::{AnalyticsOperation, AnalyticsQuery};

use crate::store::{Facts, Span, Timestamp};

/// How far a query reaches back that does not say.
const SEVEN_DAYS: i64 = 7 * 24 * 3_600 * 1_000_000;

/// One question, and what has been added up of its answer.
#[derive(Debug)]
pub(crate) struct Tally {
    query: AnalyticsQuery,
    from: Timestamp,
    until: Timestamp,
    zone: TimeZone,
    rows: BTreeMap<Place, Vec<Sum>>,
}

/// A row's step and the values it stands for.
type Place = (Option<i64>, Vec<Option<String>>);

/// One column of one row.
#[derive(Clone, Copy, Debug, Default)]
struct Sum {
    count: u64,
    sum: f64,
    least: Option<f64>,
    most: Option<f64>,
}

impl Tally {
    /// Begins to answer `query`, which is sound, at `now`.
    pub(crate) fn new(query: AnalyticsQuery, now: Timestamp) -> Self {
        let range = query.time_range.clone().unwrap_or_default();
        let read = |text: &Option<String>| text.as_deref().and_then(Timestamp::from_iso);
        let until = read(&range.end).unwrap_or(now);
        let from = read(&range.start);
        let from = from.unwrap_or_else(|| Timestamp::from_micros(until.as_micros() - SEVEN_DAYS));
        let zone = range.timezone.as_deref().and_then(|name| TimeZone::get(name).ok());
        Self { query, from, until, zone: zone.unwrap_or(TimeZone::UTC), rows: BTreeMap::new() }
    }

    /// When the calls were made that are counted.
    pub(crate) fn span(&self) -> Span {
        let mut span = Span::default();
        span.at_or_after(self.from);
        span.at_or_before(self.until);
        span
    }

    /// Counts a call.
    pub(crate) fn add(&mut self, call: &Facts) {
        let step = self.query.time_range.as_ref().and_then(|range| range.step.as_deref());
        let step = step.map(|step| begin(call.created, step, &self.zone));
        let groups = self.query.group_by.iter().flatten().map(|group| value(group, call)).collect();
        let operations = self.query.operations.as_deref().unwrap_or_default();
        let sums = self.rows.entry((step, groups));
        let sums = sums.or_insert_with(|| vec![Sum::default(); operations.len()]);
        for (sum, operation) in sums.iter_mut().zip(operations) {
            sum.add(amount(operation.column.as_deref().unwrap_or_default(), call));
        }
    }

    /// The answer.
    pub(crate) fn finish(self) -> Value {
        let groups = self.query.group_by.clone().unwrap_or_default();
        let operations = self.query.operations.clone().unwrap_or_default();
        let row = |((step, values), sums): (Place, Vec<Sum>)| {
            let mut row = Map::new();
            if let Some(step) = step {
                let date = Timestamp::from_micros(step).to_iso();
                row.insert("date".to_owned(), date.into());
            }
            for (group, value) in groups.iter().zip(values) {
                row.insert(group.clone(), json!(value));
            }
            for (operation, sum) in operations.iter().zip(sums) {
                let result = sum.result(operation.operation.as_deref().unwrap_or_default());
                row.insert(alias(operation), result);
            }
            Value::from(row)
        };
        let range = self.query.time_range.clone().unwrap_or_default();
        let time_range = json!({
            "start": self.from.to_iso(),
            "end": self.until.to_iso(),
            "step": range.step,
            "timezone": range.timezone.unwrap_or_else(|| "UTC".to_owned()),
        });
        let result: Vec<Value> = self.rows.into_iter().map(row).collect();
        json!({"name": self.query.name, "timeRange": time_range, "result": result})
    }
}

impl Sum {
    fn add(&mut self, amount: Option<f64>) {
        let Some(amount) = amount else { return };
        self.count += 1;
        self.sum += amount;
        self.least = Some(self.least.map_or(amount, |least| least.min(amount)));
        self.most = Some(self.most.map_or(amount, |most| most.max(amount)));
    }

    fn result(self, operation: &str) -> Value {
        match operation {
            "count" => self.count.into(),
            "sum" => self.sum.into(),
            "min" => json!(self.least),
            "max" => json!(self.most),
            _ => json!((self.count > 0).then(|| self.sum / self.count as f64)),
        }
    }
}

/// `sumDuration`, where nobody says otherwise.
fn alias(operation: &AnalyticsOperation) -> String {
    if let Some(alias) = operation.alias.as_ref().filter(|alias| !alias.is_empty()) {
        return alias.clone();
    }
    let name = operation.operation.as_deref().unwrap_or_default();
    let column = operation.column.as_deref().unwrap_or_default();
    let mut letters = column.chars();
    let first = letters.next().into_iter().flat_map(char::to_uppercase);
    name.chars().chain(first).chain(letters).collect()
}

fn value(group: &str, call: &Facts) -> Option<String> {
    match group {
        "type" => Some(call.kind.clone()),
        "status" => Some(call.status.clone()),
        "assistantId" => call.assistant_id.clone(),
        "endedReason" => call.ended_reason.clone(),
        _ => call.success_evaluation.clone(),
    }
}

/// What of a call goes into a column; `None`: nothing. Vapi does not say what a duration is counted
/// in; here it is minutes, as everything is that it bills.
fn amount(column: &str, call: &Facts) -> Option<f64> {
    match column {
        // Only counted.
        "id" => Some(1.0),
        "cost" => call.cost,
        "duration" => call.seconds.map(|seconds| seconds / 60.0),
        path => {
            let path = path.strip_prefix("costBreakdown.")?;
            let breakdown = &call.cost_breakdown;
            path.split('.').try_fold(breakdown, |value, name| value.get(name))?.as_f64()
        }
    }
}

/// When the step began in which `micros` lies, where days begin as in `zone`.
fn begin(micros: i64, step: &str, zone: &TimeZone) -> i64 {
    let Ok(moment) = jiff::Timestamp::from_microsecond(micros) else { return micros };
    let local = zone.to_datetime(moment);
    let first_of =
        |year: i16, month: i8| Date::new(year, month, 1).unwrap_or_else(|_| local.date());
    let whole_years = |years: i16| first_of((local.year() / years * years).max(1), 1);
    // The first year of a century is the one that ends in 01.
    let counted = |years: i16| first_of(((local.year() - 1) / years * years) + 1, 1);
    let (date, time) = (local.date(), local.time());
    let at = |hour, minute, second| jiff::civil::time(hour, minute, second, 0);
    let midnight = at(0, 0, 0);
    let begun = match step {
        "second" => date.to_datetime(at(time.hour(), time.minute(), time.second())),
        "minute" => date.to_datetime(at(time.hour(), time.minute(), 0)),
        "hour" => date.to_datetime(at(time.hour(), 0, 0)),
        "week" => monday(date).to_datetime(midnight),
        "month" => first_of(date.year(), date.month()).to_datetime(midnight),
        "quarter" => first_of(date.year(), (date.month() - 1) / 3 * 3 + 1).to_datetime(midnight),
        "year" => first_of(date.year(), 1).to_datetime(midnight),
        "decade" => whole_years(10).to_datetime(midnight),
        "century" => counted(100).to_datetime(midnight),
        "millennium" => counted(1_000).to_datetime(midnight),
        _ => date.to_datetime(midnight),
    };
    let instant = |datetime: DateTime| zone.to_ambiguous_zoned(datetime).compatible();
    instant(begun).map_or(micros, |zoned| zoned.timestamp().as_microsecond())
}

fn monday(date: Date) -> Date {
    let since = date.weekday().since(Weekday::Monday);
    date.checked_sub(jiff::Span::new().days(since)).unwrap_or(date)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(created: &str, assistant: &str, reason: &str, seconds: f64) -> Facts {
        Facts {
            created: Timestamp::from_iso(created).expect("ISO").as_micros(),
            kind: "inboundPhoneCall".to_owned(),
            status: "ended".to_owned(),
            assistant_id: Some(assistant.to_owned()),
            ended_reason: Some(reason.to_owned()),
            seconds: Some(seconds),
            cost: (seconds > 0.0).then_some(seconds / 120.0),
            cost_breakdown: json!({"llm": 0.5}),
            ..Facts::default()
        }
    }

    fn ask(query: Value, calls: &[Facts]) -> Value {
        let query: AnalyticsQuery = serde_json::from_value(query).expect("a query");
        let now = Timestamp::from_iso("2026-03-10T12:00:00Z").expect("ISO");
        let mut tally = Tally::new(query, now);
        calls.iter().for_each(|call| tally.add(call));
        tally.finish()
    }

    #[test]
    fn columns_are_added_up_by_group() {
        let calls = [
            call("2026-03-09T10:00:00Z", "a", "customer-ended-call", 60.0),
            call("2026-03-09T11:00:00Z", "a", "customer-ended-call", 180.0),
            call("2026-03-09T12:00:00Z", "b", "silence-timed-out", 0.0),
        ];
        let operations = json!([
            {"operation": "count", "column": "id"},
            {"operation": "sum", "column": "duration"},
            {"operation": "avg", "column": "cost", "alias": "mean"},
            {"operation": "min", "column": "duration"},
            {"operation": "max", "column": "duration"},
            {"operation": "sum", "column": "costBreakdown.llm"},
        ]);
        let query = json!({"table": "call", "name": "by reason",
            "groupBy": ["assistantId", "endedReason"], "operations": operations});
        let answer = ask(query, &calls);
        assert_eq!(answer["timeRange"]["start"], "2026-03-03T12:00:00.000Z");
        assert_eq!(
            answer["result"],
            json!([
                {"assistantId": "a", "endedReason": "customer-ended-call", "countId": 2,
                 "sumDuration": 4.0, "mean": 1.0, "minDuration": 1.0, "maxDuration": 3.0,
                 "sumCostBreakdown.llm": 1.0},
                {"assistantId": "b", "endedReason": "silence-timed-out", "countId": 1,
                 "sumDuration": 0.0, "mean": null, "minDuration": 0.0, "maxDuration": 0.0,
                 "sumCostBreakdown.llm": 0.5},
            ])
        );
    }

    #[test]
    fn a_day_begins_where_the_customers_live() {
        let calls = [
            // Half past midnight in Paris, on the day of the change to summer time and after it.
            call("2026-03-28T23:30:00Z", "a", "x", 1.0),
            call("2026-03-29T22:30:00Z", "a", "x", 1.0),
            call("2026-03-29T20:00:00Z", "a", "x", 1.0),
        ];
        let query = |zone: &str| {
            json!({"table": "call", "name": "days", "operations":
                [{"operation": "count", "column": "id", "alias": "calls"}],
                "timeRange": {"step": "day", "timezone": zone}})
        };
        assert_eq!(
            ask(query("Europe/Paris"), &calls)["result"],
            json!([
                {"date": "2026-03-28T23:00:00.000Z", "calls": 2},
                {"date": "2026-03-29T22:00:00.000Z", "calls": 1},
            ])
        );
        assert_eq!(
            ask(query("UTC"), &calls)["result"],
            json!([
                {"date": "2026-03-28T00:00:00.000Z", "calls": 1},
                {"date": "2026-03-29T00:00:00.000Z", "calls": 2},
            ])
        );
    }

    #[test]
    fn every_step_begins_where_the_calendar_says() {
        let micros = |text| Timestamp::from_iso(text).expect("ISO").as_micros();
        let moment = micros("2026-11-21T10:20:30.123Z");
        for (step, begun) in [
            ("second", "2026-11-21T10:20:30Z"),
            ("minute", "2026-11-21T10:20:00Z"),
            ("hour", "2026-11-21T10:00:00Z"),
            ("day", "2026-11-21"),
            ("week", "2026-11-16"),
            ("month", "2026-11-01"),
            ("quarter", "2026-10-01"),
            ("year", "2026-01-01"),
            ("decade", "2020-01-01"),
            ("century", "2001-01-01"),
            ("millennium", "2001-01-01"),
        ] {
            assert_eq!(begin(moment, step, &TimeZone::UTC), micros(begun), "{step}");
        }
    }
}
