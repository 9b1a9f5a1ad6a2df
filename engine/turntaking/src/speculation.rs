//! Whether a reply prepared for one text may be given to another.
//!
//! The two must be equal once case, punctuation and fillers are removed. Everything that can
//! change the meaning stays: accents (`ou`, `où`), digits exactly as written, and the marks
//! that belong to a number or an address (`1.5` is not `15`, `5 €` is not `5`).

use crate::phrases::FILLERS;

/// The reply to `prepared` answers `said` as well.
pub fn equivalent(prepared: &str, said: &str) -> bool {
    tokens(prepared) == tokens(said)
}

fn tokens(text: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    let mut token = String::new();
    let mut end = |token: &mut String| {
        if !token.is_empty() && !FILLERS.contains(&token.as_str()) {
            tokens.push(std::mem::take(token));
        }
        token.clear();
    };
    let mut previous = ' ';
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        let next = characters.peek().copied().unwrap_or(' ');
        match character {
            '\'' | '’' => token.push('\''),
            _ if character.is_alphanumeric() || is_material(character, previous, next) => {
                token.extend(character.to_lowercase());
            }
            _ => end(&mut token),
        }
        previous = character;
    }
    end(&mut token);
    tokens
}

/// Whether a mark that is no letter or digit changes what was said.
fn is_material(mark: char, previous: char, next: char) -> bool {
    match mark {
        '%' | '€' | '$' | '£' | '@' | '#' | '*' => true,
        '+' => next.is_ascii_digit(),
        '-' if previous == ' ' => next.is_ascii_digit(),
        '-' | ',' | ':' | '/' => previous.is_ascii_digit() && next.is_ascii_digit(),
        '.' | '_' => previous.is_alphanumeric() && next.is_alphanumeric(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_punctuation_and_fillers_do_not_matter() {
        assert!(equivalent("what are your hours", "What are your, uh, hours?"));
        assert!(equivalent("Euh je voudrais réserver", "je voudrais réserver."));
        assert!(equivalent("un rendez-vous", "un rendez vous"));
        assert!(equivalent("c'est demain", "C’est demain !"));
    }

    #[test]
    fn digits_are_exact() {
        assert!(!equivalent("at 15", "at 1.5"));
        assert!(!equivalent("06 12", "0612"));
        assert!(!equivalent("at 7", "at seven"));
        assert!(!equivalent("le 3", "le 13"));
        assert!(!equivalent("10:30", "1030"));
        assert!(!equivalent("-5", "5"));
    }

    #[test]
    fn what_carries_meaning_stays() {
        assert!(!equivalent("5 €", "5"));
        assert!(!equivalent("ou", "où"));
        assert!(!equivalent("jean@exemple.fr", "jean exemple fr"));
        assert!(!equivalent("for two", "for two people"));
        assert!(!equivalent("no", ""));
    }

    #[test]
    fn only_fillers_equal_nothing() {
        assert!(equivalent("Euh…", ""));
    }
}
