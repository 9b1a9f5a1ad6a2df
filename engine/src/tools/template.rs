//! Variables in texts: `{{ customer.number }}`.
//!
//! The part of Liquid that stands in assistants: a path into the variables, and the filter
//! `default`. A variable that is not there is the empty string, as with Vapi.

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
    let found = match literal(path) {
        Some(text) => text.to_owned(),
        None => scopes.iter().find_map(|scope| look_up(path, scope)).unwrap_or_default(),
    };
    if !found.is_empty() {
        return found;
    }
    let default = parts.find_map(|filter| literal(filter.strip_prefix("default:")?.trim()));
    default.unwrap_or_default().to_owned()
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
