//! A structured output: `POST /structured-output`.

use wire::{StructuredOutput, StructuredOutputCondition};

use super::checked::Checked;
use super::validation::Validation;

/// When it may be asked.
const CONDITIONS: &[&str] = &["endedReason", "minCallDuration", "minMessages"];

/// Checks a structured output.
pub fn structured_output_check(json: &str) -> Checked {
    let mut check = Validation::of("structuredOutput");
    if let Some(wire) = check.read::<StructuredOutput>(json) {
        validate(&wire, &mut check);
    }
    check.into()
}

fn validate(wire: &StructuredOutput, check: &mut Validation) {
    let kind = wire.kind.as_deref();
    check.one_of("type", kind, &["ai", "regex"]);
    match &wire.name {
        Some(name) => check.length("name", Some(name), 1..=40),
        None => check.problem("name should not be empty"),
    }
    match &wire.schema {
        None => check.problem("schema should not be empty"),
        Some(schema) if !schema.is_object() => check.problem("schema must be an object"),
        Some(_) => {}
    }
    check.length("regex", wire.regex.as_deref(), 1..=1_000);
    if kind == Some("regex") && wire.regex.is_none() {
        check.problem("regex should not be empty");
    }
    for (index, condition) in wire.conditions.iter().flatten().enumerate() {
        validate_condition(condition, &format!("conditions.{index}"), check);
    }
}

fn validate_condition(condition: &StructuredOutputCondition, path: &str, check: &mut Validation) {
    let kind = condition.kind.as_deref();
    check.required_one_of(&format!("{path}.type"), kind, CONDITIONS);
    check.range(&format!("{path}.count"), condition.count, 0.0..=f64::MAX);
    check.range(&format!("{path}.seconds"), condition.seconds, 0.0..=f64::MAX);
    let missing = match kind {
        Some("minMessages") if condition.count.is_none() => "count",
        Some("minCallDuration") if condition.seconds.is_none() => "seconds",
        Some("endedReason") if condition.values.is_none() => "values",
        Some("endedReason") => {
            let operator = condition.operator.as_deref();
            return check.required_one_of(&format!("{path}.operator"), operator, &["oneOf"]);
        }
        _ => return,
    };
    check.problem(format!("{path}.{missing} should not be empty"));
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_structured_output_has_a_name_and_a_schema() {
        let problems =
            |json: serde_json::Value| structured_output_check(&json.to_string()).problems;
        let sound = json!({"name": "Rendez-vous", "type": "ai", "schema": {"type": "object"},
            "conditions": [{"type": "minMessages", "count": 4},
                           {"type": "endedReason", "operator": "oneOf", "values": ["voicemail"]}],
            "assistantIds": [], "model": {"provider": "openai", "model": "gpt-4o"}});
        assert_eq!(problems(sound), [""; 0]);
        assert_eq!(
            problems(json!({"type": "regex", "schema": 1, "nom": "",
                "conditions": [{"type": "minMessages"}, {"type": "later"}]})),
            [
                "property nom should not exist",
                "name should not be empty",
                "schema must be an object",
                "regex should not be empty",
                "conditions.0.count should not be empty",
                "conditions.1.type must be one of the following values: endedReason, \
                 minCallDuration, minMessages",
            ]
        );
    }
}
