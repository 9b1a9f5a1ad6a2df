//! Which fields an object of the API may have, so that a slip can be told from a field that does not
//! exist.

use schemars::{JsonSchema, schema_for};
use serde_json::Value;

/// The fields that a `T` has at `path`, whose steps are names and indices. Empty where that is not
/// known.
pub(super) fn of<T: JsonSchema>(path: &[&str]) -> Vec<String> {
    let root = Value::from(schema_for!(T));
    let mut objects = resolved(&root, &root);
    for step in path {
        let below = objects.iter().flat_map(|object| below(object, step));
        objects = below.flat_map(|schema| resolved(&root, schema)).collect();
    }
    let fields = objects.iter().filter_map(|object| object.get("properties")?.as_object());
    fields.flat_map(|fields| fields.keys().cloned()).collect()
}

/// What stands under `step` in an object or a list.
fn below<'a>(schema: &'a Value, step: &str) -> Option<&'a Value> {
    if step.bytes().all(|byte| byte.is_ascii_digit()) {
        return schema.get("items");
    }
    schema.get("properties")?.get(step)
}

/// The schemas that `schema` stands for: it may be a reference, or a choice.
fn resolved<'a>(root: &'a Value, schema: &'a Value) -> Vec<&'a Value> {
    if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
        let target = reference.strip_prefix('#').and_then(|pointer| root.pointer(pointer));
        return target.map(|target| resolved(root, target)).unwrap_or_default();
    }
    let choices =
        ["anyOf", "oneOf", "allOf"].iter().filter_map(|name| schema.get(*name)?.as_array());
    let mut all: Vec<_> = choices.flatten().flat_map(|choice| resolved(root, choice)).collect();
    all.push(schema);
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_however_deep_they_are() {
        let has = |path: &[&str], field: &str| {
            let fields = of::<wire::Assistant>(path);
            assert!(fields.iter().any(|known| known == field), "{path:?}: {fields:?}");
        };
        has(&[], "firstMessage");
        has(&["voice", "chunkPlan"], "minCharacters");
        has(&["model", "tools", "0", "function"], "parameters");
        assert!(of::<wire::Assistant>(&["nowhere"]).is_empty());
    }
}
