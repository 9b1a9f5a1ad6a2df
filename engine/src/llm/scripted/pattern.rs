//! What the caller may say, matched as speech is: without case, accents or punctuation.

use regex::{Captures, Regex, RegexBuilder};

/// A caller's words in the form patterns see: lower case, no accents, words and numbers apart by
/// one space each, with the way back to what was said.
#[derive(Debug)]
pub(super) struct Spoken<'a> {
    said: &'a str,
    text: String,
    /// For each byte of `text`, the byte range of `said` it comes from.
    origins: Vec<(usize, usize)>,
}

impl<'a> Spoken<'a> {
    pub(super) fn new(said: &'a str) -> Self {
        let mut spoken = Self { said, text: String::new(), origins: Vec::new() };
        let chars: Vec<(usize, char)> = said.char_indices().collect();
        let digit = |at: usize| chars.get(at).is_some_and(|(_, c)| c.is_ascii_digit());
        for (at, &(start, c)) in chars.iter().enumerate() {
            let end = start + c.len_utf8();
            // 7:30, 42,50 and 3.5 are one word.
            let in_number =
                matches!(c, '.' | ',' | ':') && at > 0 && digit(at - 1) && digit(at + 1);
            if c.is_alphanumeric() || in_number {
                let mut folded = String::new();
                fold(c, &mut folded);
                spoken.push(&folded.to_lowercase(), start, end);
            } else if is_combining(c) {
                // An accent of its own belongs to its letter.
                if let Some(origin) = spoken.origins.last_mut() {
                    origin.1 = end;
                }
            } else if !spoken.text.is_empty() && !spoken.text.ends_with(' ') {
                spoken.push(" ", start, end);
            }
        }
        if spoken.text.ends_with(' ') {
            spoken.text.pop();
            spoken.origins.pop();
        }
        spoken
    }

    fn push(&mut self, text: &str, start: usize, end: usize) {
        self.text.push_str(text);
        self.origins.resize(self.text.len(), (start, end));
    }

    /// The words as they were said, for a range of the folded text.
    fn original(&self, start: usize, end: usize) -> &'a str {
        match self.origins.get(start..end) {
            Some([first, .., last]) => &self.said[first.0..last.1],
            Some([only]) => &self.said[only.0..only.1],
            _ => "",
        }
    }
}

/// What a rule listens for.
#[derive(Debug)]
pub(super) enum Pattern {
    /// Anything, nothing included.
    Any,
    /// One of these phrases, anywhere among the words.
    Phrases(Vec<String>),
    /// A regular expression on the folded text.
    Regex(Regex),
}

impl Pattern {
    /// A list of phrases.
    ///
    /// # Errors
    /// Where one of them holds no word.
    pub(super) fn phrases(phrases: &[String]) -> Result<Self, String> {
        if phrases.is_empty() {
            return Err("an empty list never matches; name a phrase, or leave `user` out".into());
        }
        let folded = phrases.iter().map(|phrase| match Spoken::new(phrase).text {
            text if text.is_empty() => Err(format!("the phrase `{phrase}` holds no word")),
            text => Ok(text),
        });
        Ok(Self::Phrases(folded.collect::<Result<_, _>>()?))
    }

    /// A regular expression, whose letters may carry accents and capitals: they are folded too.
    ///
    /// # Errors
    /// Where it is empty, or no regular expression.
    pub(super) fn regex(source: &str) -> Result<Self, String> {
        if source.trim().is_empty() {
            return Err("an empty pattern; leave `user` out to match anything".into());
        }
        let mut folded = String::with_capacity(source.len());
        for c in source.chars() {
            match c {
                // The caller's apostrophes are spaces by now.
                '\'' | '’' => folded.push(' '),
                c if is_combining(c) => {}
                c => fold(c, &mut folded),
            }
        }
        let regex = RegexBuilder::new(&folded).case_insensitive(true).build();
        regex.map(Self::Regex).map_err(|error| error.to_string())
    }

    /// The names of the pattern's captures.
    pub(super) fn captures(&self) -> impl Iterator<Item = &str> {
        let regex = if let Self::Regex(regex) = self { Some(regex) } else { None };
        regex.into_iter().flat_map(Regex::capture_names).flatten()
    }

    /// The named captures, as they were said; `None` where the pattern does not match.
    pub(super) fn matches<'a>(&self, spoken: &Spoken<'a>) -> Option<Vec<(String, &'a str)>> {
        match self {
            Self::Any => Some(Vec::new()),
            Self::Phrases(phrases) => {
                phrases.iter().any(|phrase| contains_words(&spoken.text, phrase)).then(Vec::new)
            }
            Self::Regex(regex) => {
                let captures = regex.captures(&spoken.text)?;
                Some(named(regex, &captures, spoken))
            }
        }
    }
}

fn named<'a>(
    regex: &Regex,
    captures: &Captures<'_>,
    spoken: &Spoken<'a>,
) -> Vec<(String, &'a str)> {
    let named = regex.capture_names().flatten().filter_map(|name| {
        let found = captures.name(name)?;
        let words = spoken.original(found.start(), found.end()).trim();
        (!words.is_empty()).then(|| (name.to_owned(), words))
    });
    named.collect()
}

/// `phrase` occurs in `text` as whole words.
fn contains_words(text: &str, phrase: &str) -> bool {
    text.match_indices(phrase).any(|(start, found)| {
        let end = start + found.len();
        (start == 0 || text.as_bytes()[start - 1] == b' ')
            && (end == text.len() || text.as_bytes()[end] == b' ')
    })
}

/// A diacritic that stands after its letter (Unicode block "Combining Diacritical Marks").
fn is_combining(c: char) -> bool {
    ('\u{300}'..='\u{36f}').contains(&c)
}

/// Writes `c` without its accent: the letters of the languages written in Latin-1, and French œ.
fn fold(c: char, out: &mut String) {
    out.push(match c {
        'à' | 'á' | 'â' | 'ã' | 'ä' | 'å' => 'a',
        'À' | 'Á' | 'Â' | 'Ã' | 'Ä' | 'Å' => 'A',
        'ç' => 'c',
        'Ç' => 'C',
        'è' | 'é' | 'ê' | 'ë' => 'e',
        'È' | 'É' | 'Ê' | 'Ë' => 'E',
        'ì' | 'í' | 'î' | 'ï' => 'i',
        'Ì' | 'Í' | 'Î' | 'Ï' => 'I',
        'ñ' => 'n',
        'Ñ' => 'N',
        'ò' | 'ó' | 'ô' | 'õ' | 'ö' | 'ø' => 'o',
        'Ò' | 'Ó' | 'Ô' | 'Õ' | 'Ö' | 'Ø' => 'O',
        'ù' | 'ú' | 'û' | 'ü' => 'u',
        'Ù' | 'Ú' | 'Û' | 'Ü' => 'U',
        'ý' | 'ÿ' => 'y',
        'Ý' | 'Ÿ' => 'Y',
        'œ' | 'Œ' => return out.push_str("oe"),
        'æ' | 'Æ' => return out.push_str("ae"),
        'ß' => return out.push_str("ss"),
        other => other,
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folded(said: &str) -> String {
        Spoken::new(said).text
    }

    fn captures<'a>(pattern: &str, said: &'a str) -> Option<Vec<(String, &'a str)>> {
        Pattern::regex(pattern).expect("a valid pattern").matches(&Spoken::new(said))
    }

    #[test]
    fn words_are_folded() {
        assert_eq!(folded("  No, wait -- make it FIVE!  "), "no wait make it five");
        assert_eq!(folded("J'ai réservé à Nîmes, sœur…"), "j ai reserve a nimes soeur");
        assert_eq!(folded("cafe\u{301}."), "cafe");
        assert_eq!(folded("At 7:30, 42,50 or 3.5. Then 9."), "at 7:30 42,50 or 3.5 then 9");
        assert_eq!(folded("İstanbul Straße 東京"), "i\u{307}stanbul strasse 東京");
        assert_eq!(folded("?!"), "");
        assert_eq!(folded(""), "");
    }

    #[test]
    fn captures_are_the_words_as_said() {
        let found = captures(r"\bmy name is (?P<name>.+)", "My name is Zoé d’Œuvre-Müller, sir.");
        assert_eq!(found, Some(vec![("name".to_owned(), "Zoé d’Œuvre-Müller, sir")]));
        let found = captures("(?P<count>cinq|six) personnes", "Pour CINQ personnes.");
        assert_eq!(found, Some(vec![("count".to_owned(), "CINQ")]));
        assert_eq!(captures("(?P<name>martin)?", "nobody"), Some(Vec::new()));
    }

    #[test]
    fn a_pattern_may_have_accents_capitals_and_apostrophes() {
        assert!(captures("L'Été, ?s'il", "l’ete, s’il vous plaît").is_none());
        assert!(captures("L'Été s'il", "l’ete, s’il vous plaît").is_some());
        assert!(captures(r"\bI'd like\b", "I’d like a table").is_some());
    }

    #[test]
    fn phrases_match_whole_words() {
        let pattern = Pattern::phrases(&["Good-bye".to_owned(), "that's all".to_owned()])
            .expect("valid phrases");
        let matches = |said| pattern.matches(&Spoken::new(said)).is_some();
        assert!(matches("Thank you. Good bye!"));
        assert!(matches("That’s all"));
        assert!(!matches("good byes"));
        assert!(!matches("that s allowed, that s allied"));
        assert!(!matches(""));
    }

    #[test]
    fn what_cannot_match_is_refused() {
        assert!(Pattern::phrases(&[]).is_err());
        assert!(Pattern::phrases(&["…".to_owned()]).expect_err("no word").contains('…'));
        assert!(Pattern::regex(" ").is_err());
        assert!(Pattern::regex("(").expect_err("unclosed").contains("unclosed group"));
    }
}
