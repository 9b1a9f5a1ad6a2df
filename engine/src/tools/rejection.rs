//! When a call of a tool is refused before anything is done (Vapi's `rejectionPlan`).

use serde_json::Value;
use turntaking::rules::Pattern;

/// A condition on what was said.
#[derive(Clone, Debug, PartialEq)]
pub enum Condition {
    /// A pattern is found in a message.
    Pattern {
        /// Which.
        pattern: Pattern,
        /// In whose messages; `None`: in anybody's.
        role: Option<String>,
        /// Which of them: from the first on, or from the last backwards, which is -1.
        position: i64,
        /// It holds where the pattern is not found.
        negate: bool,
    },
    /// All hold.
    All(Vec<Self>),
    /// One holds.
    Any(Vec<Self>),
}

impl Condition {
    /// Whether it holds for `messages`, in OpenAI's form. A message that is not there has no words.
    pub(crate) fn holds(&self, messages: &[Value]) -> bool {
        match self {
            Self::Pattern { pattern, role, position, negate } => {
                let by = |row: &&Value| match role {
                    Some(role) => row["role"] == role.as_str(),
                    None => row["role"] != "system",
                };
                let rows: Vec<&Value> = messages.iter().filter(by).collect();
                let index = if *position < 0 {
                    i64::try_from(rows.len()).unwrap_or(i64::MAX) + position
                } else {
                    *position
                };
                let row = usize::try_from(index).ok().and_then(|index| rows.get(index));
                let text = row.and_then(|row| row["content"].as_str()).unwrap_or_default();
                pattern.is_found_in(text) != *negate
            }
            Self::All(conditions) => conditions.iter().all(|condition| condition.holds(messages)),
            Self::Any(conditions) => conditions.iter().any(|condition| condition.holds(messages)),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn says(regex: &str, role: Option<&str>, position: i64, negate: bool) -> Condition {
        let pattern = Pattern { regex: regex.to_owned(), ignore_case: true, ..Pattern::default() };
        Condition::Pattern { pattern, role: role.map(str::to_owned), position, negate }
    }

    #[test]
    fn conditions_look_at_the_message_they_name() {
        let messages = [
            json!({"role": "system", "content": "au revoir"}),
            json!({"role": "assistant", "content": "Bonjour"}),
            json!({"role": "user", "content": "Au revoir et merci"}),
            json!({"role": "assistant", "content": "À bientôt"}),
        ];
        let holds = |condition: &Condition| condition.holds(&messages);
        assert!(holds(&says("revoir", Some("user"), -1, false)));
        assert!(!holds(&says("revoir", None, -1, false)), "the last is the assistant's");
        assert!(holds(&says("revoir", None, 1, false)), "counted from the first");
        assert!(holds(&says("merci", Some("assistant"), -1, true)));
        assert!(!holds(&says(".", Some("user"), -2, false)), "there is none");
        let [yes, no] = [says("revoir", Some("user"), -1, false), says("x", None, 0, false)];
        assert!(holds(&Condition::Any(vec![no.clone(), yes.clone()])));
        assert!(!holds(&Condition::All(vec![no, yes])));
    }
}
