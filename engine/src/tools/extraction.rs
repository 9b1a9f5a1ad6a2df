//! Variables that are taken out of an answer (Vapi's `variableExtractionPlan`).

use serde_json::{Map, Value};

use super::template::render;

/// What is taken out, and what is made of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Extraction {
    /// JSON schema: its properties are variables.
    pub schema: Option<Value>,
    /// More variables: their names, and texts that name the others.
    pub aliases: Vec<(String, String)>,
}

impl Extraction {
    /// The variables in `answer`. Aliases may name them, the answer itself as `$`, and what `scopes`
    /// have.
    pub(crate) fn variables(
        &self,
        answer: &Value,
        scopes: &[&Map<String, Value>],
    ) -> Map<String, Value> {
        let mut found = Map::new();
        if let Some(schema) = &self.schema {
            match pick(schema, answer) {
                Some(Value::Object(fields)) => found.extend(fields),
                // A list or a value by itself has no name but this.
                Some(other) => drop(found.insert("result".to_owned(), other)),
                None => {}
            }
        }
        let whole = Map::from_iter([("$".to_owned(), answer.clone())]);
        for (key, text) in &self.aliases {
            let mut all: Vec<&Map<String, Value>> = vec![&found, &whole];
            all.extend_from_slice(scopes);
            let value = render(text, &all);
            found.insert(key.clone(), value.into());
        }
        found
    }
}

/// What of `value` the schema names; `None` where it has nothing of it.
fn pick(schema: &Value, value: &Value) -> Option<Value> {
    let properties = schema.get("properties").and_then(Value::as_object);
    match (properties, value) {
        (Some(properties), Value::Object(fields)) => {
            let named = |(name, schema): (&String, &Value)| {
                Some((name.clone(), pick(schema, fields.get(name)?)?))
            };
            Some(Value::Object(properties.iter().filter_map(named).collect()))
        }
        (Some(_), _) => None,
        (None, value) => match (schema.get("items"), value) {
            (Some(items), Value::Array(values)) => {
                Some(values.iter().filter_map(|value| pick(items, value)).collect())
            }
            (_, Value::Null) => None,
            (_, value) => Some(value.clone()),
        },
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn properties_are_variables_and_aliases_are_made_of_them() {
        let extraction = Extraction {
            schema: Some(json!({"type": "object", "properties": {
                "name": {"type": "string"},
                "address": {"type": "object", "properties": {"city": {"type": "string"}}},
                "slots": {"type": "array", "items": {"type": "object", "properties": {
                    "at": {"type": "string"}}}},
                "age": {"type": "number"},
            }})),
            aliases: vec![
                ("greeting".to_owned(), "Bonjour {{name | upcase}} de {{address.city}}".to_owned()),
                ("first".to_owned(), "{{slots.0.at}} {{$.id}} {{customer}}".to_owned()),
            ],
        };
        let answer = json!({"id": 7, "name": "Martin", "address": {"city": "Lyon", "zip": "69001"},
            "slots": [{"at": "15 h", "room": 2}, {"at": "16 h"}], "age": null});
        let scope = Map::from_iter([("customer".to_owned(), json!("Mme"))]);
        assert_eq!(
            Value::from(extraction.variables(&answer, &[&scope])),
            json!({"name": "Martin", "address": {"city": "Lyon"},
                "slots": [{"at": "15 h"}, {"at": "16 h"}],
                "greeting": "Bonjour MARTIN de Lyon", "first": "15 h 7 Mme"})
        );
    }

    #[test]
    fn an_answer_of_another_shape_has_none() {
        let schema = Some(json!({"type": "object", "properties": {"a": {}}}));
        let extraction = Extraction { schema, aliases: Vec::new() };
        assert!(extraction.variables(&json!("text"), &[]).is_empty());
        assert!(extraction.variables(&Value::Null, &[]).is_empty());
    }
}
