//! Word error rate: how far recognised words are from those that were said.

use std::fmt;
use std::ops::AddAssign;

/// Word errors of one text, or of several added up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WordErrors {
    /// Words that were recognised as others.
    pub substitutions: usize,
    /// Words that were not recognised.
    pub deletions: usize,
    /// Words that were not said.
    pub insertions: usize,
    /// Words that were said.
    pub words: usize,
}

impl WordErrors {
    /// Compares what was `said` with what was `heard`: the fewest substitutions, deletions and
    /// insertions that turn one into the other, after [`normalise`].
    pub fn between(said: &str, heard: &str) -> Self {
        Self::between_words(&normalise(said), &normalise(heard))
    }

    fn between_words(said: &[String], heard: &[String]) -> Self {
        // The best alignment of all of `said` so far with each beginning of `heard`.
        let mut row: Vec<Self> =
            (0..=heard.len()).map(|insertions| Self { insertions, ..Self::default() }).collect();
        for word in said {
            let mut diagonal = row[0];
            row[0].deletions += 1;
            for (n, other) in heard.iter().enumerate() {
                let mut substituted = diagonal;
                substituted.substitutions += usize::from(word != other);
                let mut deleted = row[n + 1];
                deleted.deletions += 1;
                let mut inserted = row[n];
                inserted.insertions += 1;
                diagonal = row[n + 1];
                row[n + 1] = [substituted, deleted, inserted]
                    .into_iter()
                    .min_by_key(Self::errors)
                    .expect("there are three");
            }
        }
        Self { words: said.len(), ..row[heard.len()] }
    }

    /// All errors.
    pub const fn errors(&self) -> usize {
        self.substitutions + self.deletions + self.insertions
    }

    /// Errors for each word that was said: 0 is perfect, and much that was not said makes it
    /// more than 1. Where nothing was said and nothing heard, 0; where something was heard, 1.
    pub fn rate(&self) -> f64 {
        match (self.words, self.errors()) {
            (0, 0) => 0.0,
            (0, _) => 1.0,
            (words, errors) => errors as f64 / words as f64,
        }
    }
}

impl AddAssign for WordErrors {
    fn add_assign(&mut self, other: Self) {
        self.substitutions += other.substitutions;
        self.deletions += other.deletions;
        self.insertions += other.insertions;
        self.words += other.words;
    }
}

impl fmt::Display for WordErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:.1} % of {} words ({} substituted, {} deleted, {} inserted)",
            100.0 * self.rate(),
            self.words,
            self.substitutions,
            self.deletions,
            self.insertions
        )
    }
}

/// The words of `text` as they are compared: in lower case, apart at spaces and punctuation,
/// apostrophes left out (`don't` is `dont`), and digits spelled out one by one in English (`42`
/// is `four two`), so that a number read digit by digit compares equal however it is written.
/// Numbers written as larger words (`forty-two`) are not turned into digits.
pub fn normalise(text: &str) -> Vec<String> {
    const DIGITS: [&str; 10] =
        ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"];
    let mut spaced = String::with_capacity(text.len());
    for character in text.chars().flat_map(char::to_lowercase) {
        match (character, character.to_digit(10)) {
            ('\'' | '\u{2019}', _) => {}
            (_, Some(digit)) => {
                spaced.push(' ');
                spaced.push_str(DIGITS[digit as usize]);
                spaced.push(' ');
            }
            _ if character.is_alphanumeric() => spaced.push(character),
            _ => spaced.push(' '),
        }
    }
    spaced.split_whitespace().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_punctuation_and_digits_do_not_count() {
        assert_eq!(
            normalise("Don\u{2019}t call 555-01, Zoë!"),
            ["dont", "call", "five", "five", "five", "zero", "one", "zoë"]
        );
        let errors = WordErrors::between("IT IS NINE ONE ONE", "it is: 911.");
        assert_eq!((errors.errors(), errors.words), (0, 5));
    }

    #[test]
    fn each_kind_of_error_is_told_apart() {
        let errors = WordErrors::between("a b c d e f g h", "a x c d f g h i");
        let expected = WordErrors { substitutions: 1, deletions: 1, insertions: 1, words: 8 };
        assert_eq!(errors, expected);
        assert_eq!(errors.rate(), 0.375);
    }

    #[test]
    fn nothing_said_and_nothing_heard_are_allowed() {
        assert_eq!(WordErrors::between("", "").rate(), 0.0);
        assert_eq!(WordErrors::between("", "uh").rate(), 1.0);
        assert_eq!(WordErrors::between("two words", "").rate(), 1.0);
    }

    #[test]
    fn errors_add_up() {
        let mut sum = WordErrors::between("a b", "a");
        sum += WordErrors::between("c d", "c d e");
        assert_eq!(sum.to_string(), "50.0 % of 4 words (0 substituted, 1 deleted, 1 inserted)");
    }
}
