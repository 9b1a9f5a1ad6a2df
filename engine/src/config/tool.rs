//! A tool by itself: `POST /tool`.

use super::assistant;
use super::checked::Checked;
use super::validation::Validation;

/// Checks a tool.
pub fn tool_check(json: &str) -> Checked {
    let mut check = Validation::of("model.tools");
    if let Some(wire) = check.read::<wire::Tool>(json) {
        assistant::tool(&wire, "", "", &mut check);
    }
    check.into()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_tool_is_read_as_it_is_in_an_assistant() {
        let problems = |json: serde_json::Value| tool_check(&json.to_string()).problems;
        let sound = json!({"type": "function", "async": false, "server": {"url": "https://x.io"},
            "messages": [], "function": {"name": "checkAvailability", "strict": true}});
        assert_eq!(problems(sound), [""; 0]);
        assert_eq!(problems(json!({"type": "transferCall", "destinations": []})), [""; 0]);
        let told = problems(json!({"type": "function", "function": {"nom": "x"}, "urll": ""}));
        assert_eq!(
            told,
            [
                "function.property nom should not exist",
                "property urll should not exist; did you mean url?",
                "function.name should not be empty",
            ]
        );
    }
}
