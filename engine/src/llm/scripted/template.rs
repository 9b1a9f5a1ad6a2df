//! Text with slots: `Thank you, {name}.`
//!
//! `{slot}` is the slot's value; `{result}` what a tool answered, `{result.time}` a field of it;
//! `{result.time|eight}` says `eight` where there is none; `{{` and `}}` are braces.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// The name that stands for a tool's answer.
const RESULT: &str = "result";

/// What a template is filled with.
#[derive(Clone, Debug, Default)]
pub(super) struct Values {
    pub(super) slots: BTreeMap<String, String>,
    /// The answer of the tool that was called last.
    pub(super) result: Option<Value>,
}

impl Values {
    /// A tool's answer, read as JSON where it is that.
    pub(super) fn set_result(&mut self, text: &str) {
        let value = serde_json::from_str(text);
        self.result = Some(value.unwrap_or_else(|_| Value::String(text.to_owned())));
    }
}

/// Text with places to fill.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Template(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Place { path: Vec<String>, default: Option<String> },
}

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    /// Where a brace has no partner, or holds no name.
    pub(super) fn parse(source: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut text = String::new();
        let mut rest = source;
        while let Some(at) = rest.find(['{', '}']) {
            text.push_str(&rest[..at]);
            let brace = &rest[at..=at];
            rest = &rest[at + 1..];
            if let Some(after) = rest.strip_prefix(brace) {
                text.push_str(brace);
                rest = after;
                continue;
            }
            let closed = if brace == "{" { rest.split_once('}') } else { None };
            let Some((place, after)) = closed else {
                return Err(format!("a lone `{brace}` in `{source}`; write `{brace}{brace}`"));
            };
            if !text.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut text)));
            }
            parts.push(Part::place(place)?);
            rest = after;
        }
        text.push_str(rest);
        if !text.is_empty() {
            parts.push(Part::Text(text));
        }
        Ok(Self(parts))
    }

    /// The slots it uses.
    pub(super) fn slots(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|part| match part {
            Part::Place { path, .. } if path[0] != RESULT => Some(path[0].as_str()),
            Part::Place { .. } | Part::Text(_) => None,
        })
    }

    /// It uses a tool's answer.
    pub(super) fn uses_result(&self) -> bool {
        self.0.iter().any(|part| matches!(part, Part::Place { path, .. } if path[0] == RESULT))
    }

    /// The text with its places filled; what has neither value nor default is left out.
    pub(super) fn fill(&self, values: &Values) -> String {
        let mut text = String::new();
        for part in &self.0 {
            match part {
                Part::Text(words) => text.push_str(words),
                Part::Place { path, default } => {
                    let value = value(path, values).filter(|value| !value.is_empty());
                    text.push_str(&value.or_else(|| default.clone()).unwrap_or_default());
                }
            }
        }
        text
    }
}

impl Part {
    fn place(source: &str) -> Result<Self, String> {
        let (path, default) = match source.split_once('|') {
            Some((path, default)) => (path, Some(default.to_owned())),
            None => (source, None),
        };
        let path: Vec<String> = path.trim().split('.').map(str::to_owned).collect();
        let is_name = |name: &String| {
            !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '-')
        };
        if !path.iter().all(is_name) {
            return Err(format!("`{{{source}}}` holds no name; write `{{{{` for a brace"));
        }
        if path.len() > 1 && path[0] != RESULT {
            return Err(format!("`{{{source}}}`: only `{RESULT}` has fields"));
        }
        Ok(Self::Place { path, default })
    }
}

fn value(path: &[String], values: &Values) -> Option<String> {
    let (name, fields) = path.split_first()?;
    if name != RESULT {
        return values.slots.get(name).cloned();
    }
    fn step<'a>(value: &'a Value, field: &String) -> Option<&'a Value> {
        match value {
            Value::Array(items) => items.get(field.parse::<usize>().ok()?),
            other => other.get(field),
        }
    }
    match fields.iter().try_fold(values.result.as_ref()?, step)? {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

/// A tool's arguments, whose texts are templates.
#[derive(Clone, Debug)]
pub(super) enum Arguments {
    Text(Template),
    Plain(Value),
    List(Vec<Self>),
    Object(Vec<(String, Self)>),
}

impl Arguments {
    /// Reads arguments.
    ///
    /// # Errors
    /// As [`Template::parse`].
    pub(super) fn parse(value: Value) -> Result<Self, String> {
        Ok(match value {
            Value::String(text) => Self::Text(Template::parse(&text)?),
            Value::Array(items) => {
                Self::List(items.into_iter().map(Self::parse).collect::<Result<_, _>>()?)
            }
            Value::Object(fields) => Self::Object(
                fields
                    .into_iter()
                    .map(|(name, value)| Ok((name, Self::parse(value)?)))
                    .collect::<Result<_, String>>()?,
            ),
            plain => Self::Plain(plain),
        })
    }

    /// The templates within.
    pub(super) fn templates(&self) -> Vec<&Template> {
        match self {
            Self::Text(template) => vec![template],
            Self::Plain(_) => Vec::new(),
            Self::List(items) => items.iter().flat_map(Self::templates).collect(),
            Self::Object(fields) => {
                fields.iter().flat_map(|(_, value)| value.templates()).collect()
            }
        }
    }

    /// The arguments with their texts filled.
    pub(super) fn fill(&self, values: &Values) -> Value {
        match self {
            Self::Text(template) => Value::String(template.fill(values)),
            Self::Plain(value) => value.clone(),
            Self::List(items) => items.iter().map(|item| item.fill(values)).collect(),
            Self::Object(fields) => Value::Object(
                fields
                    .iter()
                    .map(|(name, value)| (name.clone(), value.fill(values)))
                    .collect::<Map<_, _>>(),
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn values(result: &str) -> Values {
        let mut values = Values::default();
        values.slots.insert("name".to_owned(), "Martin".to_owned());
        values.slots.insert("empty".to_owned(), String::new());
        values.set_result(result);
        values
    }

    fn fill(template: &str, result: &str) -> String {
        Template::parse(template).expect("a valid template").fill(&values(result))
    }

    #[test]
    fn slots_results_and_defaults() {
        assert_eq!(fill("Thank you, {name}.", ""), "Thank you, Martin.");
        assert_eq!(fill("{empty|nobody}{empty}!", ""), "nobody!");
        assert_eq!(fill("{result}", "plain words"), "plain words");
        let table = r#"{"table": 7, "at": {"time": "eight"}, "seats": ["a", "b"], "no": null}"#;
        assert_eq!(fill("{result.table} at {result.at.time}", table), "7 at eight");
        assert_eq!(fill("{result.seats.1}{result.seats}", table), r#"b["a","b"]"#);
        assert_eq!(fill("{result.no|none}{result.x|none}{result.table.x}", table), "nonenone");
        assert_eq!(fill("{{name}} {{{name}}}", ""), "{name} {Martin}");
    }

    #[test]
    fn what_is_no_template_is_refused() {
        for wrong in ["{", "}", "a { b", "{}", "{a b}", "{name.first}", "{.x}", "{result.}"] {
            let error = Template::parse(wrong).expect_err(wrong);
            assert!(error.contains('`'), "{error}");
        }
    }

    #[test]
    fn what_is_used_is_known() {
        let template = Template::parse("{name} {result.x} {day|today}").expect("valid");
        assert_eq!(template.slots().collect::<Vec<_>>(), ["name", "day"]);
        assert!(template.uses_result());
    }

    #[test]
    fn arguments_are_filled_at_any_depth() {
        let arguments = json!({"who": ["{name}", 4], "when": {"day": "{empty|today}"}, "x": null});
        let arguments = Arguments::parse(arguments).expect("valid");
        assert_eq!(
            arguments.fill(&values("")),
            json!({"who": ["Martin", 4], "when": {"day": "today"}, "x": null})
        );
        assert_eq!(arguments.templates().len(), 2);
    }
}
