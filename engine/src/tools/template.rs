//! Variables in texts: `{{ customer.number }}`.
//!
//! The part of Liquid that stands in assistants: a path into the variables or a text, and the
//! filters `default`, `date`, `upcase`, `downcase` and `capitalize`. A variable that is not there is
//! the empty string, as with Vapi; other filters change nothing.

use jiff::Timestamp;
use jiff::fmt::strtime;
use jiff::tz::TimeZone;
use serde_json::{Map, Value};

/// `text` with each `{{ path }}` replaced by what the first of `scopes` that has it says. What is
/// not closed stays as it is.
pub fn render(text: &str, scopes: &[&Map<String, Value>]) -> String {
    let mut rendered = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once("{{") {
        let Some((expression, after)) = behind.split_once("}}") else { break };
        rendered.push_str(before);
        rendered.push_str(&evaluate(expression, scopes));
        rest = after;
    }
    rendered.push_str(rest);
    rendered
}

fn evaluate(expression: &str, scopes: &[&Map<String, Value>]) -> String {
    let mut parts = expression.split('|').map(str::trim);
    let path = parts.next().unwrap_or_default();
    let value = match literal(path) {
        Some(text) => text.to_owned(),
        None => scopes.iter().find_map(|scope| look_up(path, scope)).unwrap_or_default(),
    };
    parts.fold(value, |value, filter| {
        let (name, arguments) = filter.split_once(':').unwrap_or((filter, ""));
        let mut arguments = arguments.split(',').filter_map(|argument| literal(argument.trim()));
        match name.trim() {
            "default" if value.is_empty() => arguments.next().unwrap_or_default().to_owned(),
            "date" => {
                let is_now = path == "now" || literal(path) == Some("now");
                date(&value, is_now, arguments.next().unwrap_or("%F"), arguments.next())
            }
            "upcase" => value.to_uppercase(),
            "downcase" => value.to_lowercase(),
            "capitalize" => {
                let mut letters = value.chars();
                let first = letters.next().into_iter().flat_map(char::to_uppercase);
                first.chain(letters).collect()
            }
            _ => value,
        }
    })
}

/// A moment in the form and time zone that are asked for; what is no moment stays as it is.
fn date(value: &str, is_now: bool, format: &str, zone: Option<&str>) -> String {
    let moment = match is_now {
        true => Ok(Timestamp::now()),
        false => value.parse::<Timestamp>(),
    };
    let Ok(moment) = moment else { return value.to_owned() };
    let zone = zone.and_then(|name| TimeZone::get(name).ok()).unwrap_or(TimeZone::UTC);
    let written = strtime::format(format, &moment.to_zoned(zone));
    written.unwrap_or_else(|_| value.to_owned())
}

fn literal(text: &str) -> Option<&str> {
    let quoted = |quote| text.strip_prefix(quote)?.strip_suffix(quote);
    quoted('"').or_else(|| quoted('\''))
}

fn look_up(path: &str, scope: &Map<String, Value>) -> Option<String> {
    let mut steps = path.split('.').map(str::trim);
    let first = scope.get(steps.next()?)?;
    let found = steps.try_fold(first, |value, step| match value {
        Value::Array(values) => values.get(step.parse::<usize>().ok()?),
        value => value.get(step),
    })?;
    Some(match found {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn moments_are_written_in_a_time_zone() {
        let Value::Object(scope) = json!({"at": "2026-07-14T10:00:00Z", "nom": "martin"}) else {
            panic!("an object")
        };
        let rendered = |text| render(text, &[&scope]);
        let at = r#"{{ at | date: "%d/%m/%Y %H:%M", "Europe/Paris" }}"#;
        assert_eq!(rendered(at), "14/07/2026 12:00");
        assert!(rendered(r#"{{"now" | date: "%Y"}}"#).starts_with("20"));
        assert_eq!(rendered(r#"{{ nom | date: "%Y" | capitalize }}"#), "Martin");
    }

    #[test]
    fn variables_are_replaced_and_what_is_not_there_is_empty() {
        let Value::Object(own) = json!({"nom": "Martin", "couverts": 4}) else {
            panic!("an object")
        };
        let Value::Object(call) = json!({"customer": {"number": "+336"}, "nom": "x"}) else {
            panic!("an object")
        };
        let rendered = |text| render(text, &[&own, &call]);
        assert_eq!(rendered("Table {{ nom }}, {{couverts}} couverts"), "Table Martin, 4 couverts");
        assert_eq!(rendered("{{customer.number}}{{customer.name}}"), "+336");
        assert_eq!(rendered("Bonjour {{ prénom | default: \"Madame\" }}."), "Bonjour Madame.");
        assert_eq!(rendered("{{ \"now\" }} {{open"), "now {{open");
    }
}
