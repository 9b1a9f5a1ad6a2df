//! What must not appear in an error or a log.

use std::fmt;
use std::sync::LazyLock;

use regex::Regex;

/// Shorter strings are no secrets, and would blank out ordinary words.
const SHORTEST_SECRET: usize = 6;

/// Longest excerpt of a server's words in an error, in characters.
const LONGEST_EXCERPT: usize = 300;

/// Keys as OpenAI and most others write them: servers quote them back, masked or whole.
static KEY: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"\b(?:sk|gsk|xai|pplx)-[\w*.\-]+|(?i:\bbearer\s+)[\w*.\-]+").expect("tested below")
});

/// The secrets of one server: its key, its header values, the query of its address.
#[derive(Clone, Default)]
pub(super) struct Secrets(Vec<String>);

impl Secrets {
    pub(super) fn add(&mut self, secret: &str) {
        if secret.len() >= SHORTEST_SECRET {
            self.0.push(secret.to_owned());
            // The longest first: one may be a part of another.
            self.0.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        }
    }

    /// A server's words, fit for a log: on one line, of bounded length, without keys.
    pub(super) fn excerpt(&self, words: &str) -> String {
        let mut words = words.split_whitespace().collect::<Vec<_>>().join(" ");
        for secret in &self.0 {
            words = words.replace(secret, "[hidden]");
        }
        let words = KEY.replace_all(&words, "[hidden]");
        match words.char_indices().nth(LONGEST_EXCERPT) {
            Some((end, _)) => format!("{}…", &words[..end]),
            None => words.into_owned(),
        }
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secrets({})", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_and_keys_are_hidden() {
        let mut secrets = Secrets::default();
        secrets.add("hunter22");
        secrets.add("hunter22-and-more");
        secrets.add("key");
        assert_eq!(
            secrets.excerpt("the key hunter22,\n hunter22-and-more or sk-proj-***ab_9 is wrong"),
            "the key [hidden], [hidden] or [hidden] is wrong"
        );
        assert_eq!(
            secrets.excerpt("Authorization: Bearer abc.def-1 was refused"),
            "Authorization: [hidden] was refused"
        );
        assert_eq!(secrets.excerpt("risk-free"), "risk-free");
        assert_eq!(format!("{secrets:?}"), "Secrets(2)");
    }

    #[test]
    fn an_excerpt_is_short_and_cut_between_characters() {
        let words = Secrets::default().excerpt(&"é".repeat(1000));
        assert_eq!(words.chars().count(), LONGEST_EXCERPT + 1);
        assert!(words.ends_with('…'));
    }
}
