//! What is found in a document that somebody sends.

use std::collections::BTreeSet;

use super::assistant::{Assistant, Unserved};
use super::{Config, Validation};

/// What is wrong with a document, in the words of Vapi's API; and what of it is taken and has no
/// effect here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checked {
    /// Each with its path; empty: it can be used.
    pub problems: Vec<String>,
    /// By path.
    pub without_effect: BTreeSet<String>,
    /// Providers it asks for that are not here, and that nothing may stand in for.
    pub unserved: Vec<String>,
}

impl From<Validation> for Checked {
    fn from(validation: Validation) -> Self {
        let (problems, without_effect) = validation.finish();
        Self { problems, without_effect, unserved: Vec::new() }
    }
}

/// Checks an assistant: `POST /assistant`.
pub fn assistant_check(json: &str, config: &Config) -> Checked {
    match Assistant::from_json(json, config) {
        Ok(assistant) => Checked {
            problems: Vec::new(),
            without_effect: assistant.without_effect,
            unserved: assistant.unserved.into_iter().map(provider).collect(),
        },
        Err(error) => Checked { problems: error.problems().to_vec(), ..Checked::default() },
    }
}

fn provider(unserved: Unserved) -> String {
    unserved.provider
}
