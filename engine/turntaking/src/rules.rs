//! Rules of the assistant's own for the end of a turn (Vapi's `customEndpointingRules`).
//!
//! Their patterns are JavaScript's, tested as `RegExp.test` does. An engine that backtracks as
//! JavaScript's does can take for ever over a pattern such as `(\d+ ?)+$`; a call would stand
//! still, and its neighbours with it. Patterns that nest repetitions are therefore run by an
//! engine whose time is linear, where they can be put into its words, and are refused where not.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The longest text that is searched, in characters: the end of it.
const LONGEST_TEXT: usize = 1_000;

/// One rule. The first that matches holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndpointingRule {
    /// What the assistant's last message must match; `None`: anything.
    pub assistant: Option<Pattern>,
    /// What the caller's words so far must match; `None`: anything.
    pub customer: Option<Pattern>,
    /// The silence that then ends the turn. Vapi: 0 to 15 s.
    pub timeout: Duration,
}

/// A regular expression as it was sent, with its options.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pattern {
    /// JavaScript's, without slashes.
    pub regex: String,
    /// `ignore-case`.
    #[serde(default)]
    pub ignore_case: bool,
    /// `whole-word`.
    #[serde(default)]
    pub whole_word: bool,
    /// `multi-line`: `^` and `$` match at each line.
    #[serde(default)]
    pub multi_line: bool,
}

/// Why a pattern cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PatternError {
    /// It is no regular expression.
    Invalid {
        /// What is wrong with it.
        reason: String,
    },
    /// It could take for ever.
    Endless,
}

impl fmt::Display for PatternError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid { reason } => {
                write!(f, "must be a regular expression of JavaScript: {reason}")
            }
            Self::Endless => f.write_str(
                "must not nest one repetition in another beside a look-around or a \
                 back-reference: it could take for ever",
            ),
        }
    }
}

impl std::error::Error for PatternError {}

impl Pattern {
    /// Whether the pattern can be used.
    ///
    /// # Errors
    ///
    /// Where it is no pattern of JavaScript, or could take for ever.
    pub fn check(&self) -> Result<(), PatternError> {
        self.compile().map(|_| ())
    }

    /// Whether it is found in the end of `text`; never, where it cannot be used. Made ready anew each
    /// time: for what is asked now and then.
    pub fn is_found_in(&self, text: &str) -> bool {
        self.compile().is_ok_and(|compiled| compiled.matches(text))
    }

    fn compile(&self) -> Result<Compiled, PatternError> {
        let regex =
            if self.whole_word { format!(r"\b(?:{})\b", self.regex) } else { self.regex.clone() };
        let flags = regress::Flags {
            icase: self.ignore_case,
            multiline: self.multi_line,
            ..regress::Flags::default()
        };
        // Alone first: `a)|(b` is no pattern, though `(?:a)|(b)` is.
        let invalid = |error: regress::Error| PatternError::Invalid { reason: error.text };
        regress::Regex::with_flags(&self.regex, flags).map_err(invalid)?;
        let compiled = regress::Regex::with_flags(&regex, flags).map_err(invalid)?;
        if !may_be_endless(&regex) {
            return Ok(Compiled::Exact(compiled));
        }
        let linear = jsonschema_regex::to_rust_regex(&regex).map_err(|()| PatternError::Endless)?;
        regex::RegexBuilder::new(&linear)
            .case_insensitive(self.ignore_case)
            .multi_line(self.multi_line)
            .build()
            .map(Compiled::Linear)
            .map_err(|_| PatternError::Endless)
    }
}

/// A repetition without limit inside another, alternatives inside one, or three in a row: what a
/// backtracking engine can spend exponential (or cubic) time on.
fn may_be_endless(regex: &str) -> bool {
    /// What a group has in it.
    #[derive(Clone, Copy, Default)]
    struct Group {
        repeats: u32,
        alternatives: bool,
    }
    let mut open: Vec<Group> = vec![Group::default()];
    // What the piece just read has in it, in case it is repeated.
    let mut last = Group::default();
    let mut characters = regex.chars().peekable();
    let mut class = false;
    while let Some(character) = characters.next() {
        if class {
            match character {
                '\\' => drop(characters.next()),
                ']' => class = false,
                _ => {}
            }
            continue;
        }
        match character {
            '\\' => {
                characters.next();
                last = Group::default();
            }
            '[' => {
                class = true;
                last = Group::default();
            }
            '(' => open.push(Group::default()),
            ')' => {
                last = open.pop().unwrap_or_default();
                let around = open.last_mut();
                if let Some(around) = around {
                    around.repeats += last.repeats;
                    if around.repeats >= 3 {
                        return true;
                    }
                } else {
                    open.push(Group::default());
                }
            }
            '|' => {
                if let Some(group) = open.last_mut() {
                    group.alternatives = true;
                }
            }
            '*' | '+' | '{' => {
                let unbounded = character != '{' || {
                    let count: String = characters.by_ref().take_while(|c| *c != '}').collect();
                    count.ends_with(',')
                };
                if unbounded {
                    if last.repeats > 0 || last.alternatives {
                        return true;
                    }
                    let Some(group) = open.last_mut() else { return true };
                    group.repeats += 1;
                    if group.repeats >= 3 {
                        return true;
                    }
                }
            }
            '?' => {}
            _ => last = Group::default(),
        }
    }
    false
}

#[derive(Debug)]
enum Compiled {
    /// As JavaScript does it.
    Exact(regress::Regex),
    /// In linear time.
    Linear(regex::Regex),
}

impl Compiled {
    fn matches(&self, text: &str) -> bool {
        let text = end_of(text);
        match self {
            Self::Exact(regex) => regex.find(text).is_some(),
            Self::Linear(regex) => regex.is_match(text),
        }
    }
}

/// The last [`LONGEST_TEXT`] characters.
fn end_of(text: &str) -> &str {
    let start = text.char_indices().rev().nth(LONGEST_TEXT - 1).map_or(0, |(at, _)| at);
    &text[start..]
}

/// A call's rules, made ready.
#[derive(Debug, Default)]
pub(crate) struct Rules(Vec<Rule>);

#[derive(Debug)]
struct Rule {
    /// Its place in the list that was sent.
    index: u32,
    assistant: Option<Compiled>,
    customer: Option<Compiled>,
    timeout: Duration,
}

impl Rules {
    /// Rules whose pattern cannot be used are left out; the configuration refuses them before.
    pub(crate) fn new(rules: &[EndpointingRule]) -> Self {
        let compile = |pattern: &Option<Pattern>| match pattern {
            Some(pattern) => pattern.compile().map(Some),
            None => Ok(None),
        };
        let rules = (0..).zip(rules).filter_map(|(index, rule)| {
            let assistant = compile(&rule.assistant).ok()?;
            let customer = compile(&rule.customer).ok()?;
            Some(Rule { index, assistant, customer, timeout: rule.timeout })
        });
        Self(rules.collect())
    }

    /// The first rule that matches: its place, and the silence it wants.
    pub(crate) fn matching(&self, assistant: &str, customer: &str) -> Option<(u32, Duration)> {
        let fits = |pattern: &Option<Compiled>, text: &str| {
            pattern.as_ref().is_none_or(|pattern| pattern.matches(text))
        };
        self.0
            .iter()
            .find(|rule| fits(&rule.assistant, assistant) && fits(&rule.customer, customer))
            .map(|rule| (rule.index, rule.timeout))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(regex: &str) -> Pattern {
        Pattern { regex: regex.to_owned(), ..Pattern::default() }
    }

    fn test(pattern: &Pattern, text: &str) -> bool {
        pattern.compile().expect("a pattern").matches(text)
    }

    #[test]
    fn patterns_are_tested_as_javascript_tests_them() {
        assert!(test(&pattern("cat"), "I love cats"), "anywhere");
        assert!(!test(&pattern("^cat$"), "cats"));
        assert!(!test(&pattern("Cat"), "cat"));
        assert!(test(&Pattern { ignore_case: true, ..pattern("Cat") }, "cat"));
        assert!(!test(&Pattern { whole_word: true, ..pattern("cat|dog") }, "cats"));
        assert!(test(&Pattern { whole_word: true, ..pattern("cat|dog") }, "a dog"));
        assert!(!test(&pattern("^two"), "one\ntwo"));
        assert!(test(&Pattern { multi_line: true, ..pattern("^two") }, "one\ntwo"));
        assert!(test(&pattern(r"(\d)\1"), "a 55"), "back-references");
        assert!(test(&pattern(r"numéro(?! de commande)"), "votre numéro de téléphone"));
        assert!(!test(&pattern(r"numéro(?! de commande)"), "votre numéro de commande"));
        assert!(!test(&pattern(r"^\d$"), "٣"), "digits are ASCII's");
        assert!(test(&pattern("a[^]b"), "a\nb"), "[^] is anything");
        assert!(test(&pattern(r"\/"), "a/b"));
    }

    #[test]
    fn what_could_take_for_ever_takes_linear_time() {
        let digits = "1 ".repeat(40) + "x";
        for regex in [r"^(\d+\s*)+$", r"(a|a)*b", r"(\w+\s?)*!", r"(x+x+)+y", r"(?:\d{1,}\s?)+$"] {
            let compiled = pattern(regex).compile().expect("a pattern");
            assert!(matches!(compiled, Compiled::Linear(_)), "{regex}");
            assert!(!compiled.matches(&digits) || regex == r"(?:\d{1,}\s?)+$", "{regex}");
        }
        assert!(test(&pattern(r"^(\d+\s*)+$"), "06 12 34"));
        assert_eq!(pattern(r"(a+)+(?=b)").check(), Err(PatternError::Endless));
        for regex in [r"\d+\s*", "[a+*]+", r"\(\+\)", "a{2}b{3}c{4}d{5}", "(yes|no)?", "(ab)+"] {
            assert!(matches!(pattern(regex).compile(), Ok(Compiled::Exact(_))), "{regex}");
        }
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        for regex in ["(", "a)|(b", "[z-a]", "*a"] {
            let found = pattern(regex).check();
            assert!(matches!(found, Err(PatternError::Invalid { .. })), "{regex}: {found:?}");
        }
    }

    #[test]
    fn the_first_rule_that_matches_holds() {
        let rule = |assistant: Option<&str>, customer: Option<&str>, seconds| EndpointingRule {
            assistant: assistant.map(pattern),
            customer: customer.map(pattern),
            timeout: Duration::from_secs(seconds),
        };
        let rules = Rules::new(&[
            rule(Some("numéro"), Some(r"\d"), 3),
            rule(Some("("), None, 9),
            rule(Some("numéro"), None, 2),
            rule(None, Some("euh"), 1),
        ]);
        let matching = |assistant, customer| {
            rules.matching(assistant, customer).map(|(index, after)| (index, after.as_secs()))
        };
        assert_eq!(matching("Votre numéro ?", "le 06"), Some((0, 3)), "both");
        assert_eq!(matching("Votre numéro ?", "euh"), Some((2, 2)));
        assert_eq!(matching("Votre nom ?", "euh"), Some((3, 1)));
        assert_eq!(matching("Votre nom ?", "Dupont"), None);
    }

    #[test]
    fn only_the_end_of_a_long_text_is_searched() {
        let long = "é".repeat(5_000) + "fin";
        assert!(test(&pattern("fin$"), &long));
        assert_eq!(end_of(&long).chars().count(), LONGEST_TEXT);
        assert_eq!(end_of("court"), "court");
    }
}
