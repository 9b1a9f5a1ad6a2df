//! Postal addresses.

use super::{Dictated, Kind, Progress, Token};

/// The address in `tokens`: a number, a street, and often a code and a town.
pub(super) fn read(tokens: &[Token]) -> Option<Dictated> {
    let street = tokens.iter().position(|token| token.is_word(STREETS));
    let number = tokens.iter().position(|token| matches!(token, Token::Digits { .. }));
    let start = match (number, street) {
        (Some(number), Some(street)) => number.min(street),
        (Some(number), None) => number,
        (None, Some(street)) => street,
        (None, None) => return None,
    };
    let tokens = &tokens[start..];
    let code = tokens
        .iter()
        .rposition(|token| matches!(token, Token::Digits { digits, .. } if digits.len() == 5));
    let behind_street = street.map_or(0, |street| tokens.len() - (street - start) - 1);
    let progress = match code {
        // A town behind the code.
        Some(code) if code + 1 < tokens.len() => Progress::Complete,
        _ if tokens.last().is_some_and(|token| token.is_word(OPEN)) => Progress::InProgress,
        // "rue Victor Hugo", "Main Street".
        None if behind_street >= 2 || (street.is_some() && tokens.len() >= 3) => {
            Progress::Extensible
        }
        _ => Progress::InProgress,
    };
    Some(Dictated::new(Kind::Address, progress, written(tokens)))
}

fn written(tokens: &[Token]) -> String {
    let pieces: Vec<String> = tokens
        .iter()
        .map(|token| match token {
            Token::Digits { digits, .. } => digits.clone(),
            Token::Letter(letter) => letter.to_string(),
            Token::Mark(mark) => mark.to_string(),
            Token::Word(word) => word.clone(),
        })
        .collect();
    pieces.join(" ")
}

const STREETS: &[&str] = &[
    "rue",
    "avenue",
    "boulevard",
    "place",
    "chemin",
    "allee",
    "impasse",
    "route",
    "quai",
    "cours",
    "square",
    "passage",
    "residence",
    "lotissement",
    "faubourg",
    "street",
    "road",
    "lane",
    "drive",
    "court",
    "way",
    "parkway",
    "terrace",
    "crescent",
    "highway",
    "circle",
    "close",
];

/// Words no address ends in.
const OPEN: &[&str] = &[
    "rue",
    "avenue",
    "boulevard",
    "place",
    "chemin",
    "allee",
    "impasse",
    "route",
    "quai",
    "cours",
    "de",
    "du",
    "des",
    "la",
    "le",
    "les",
    "l",
    "bis",
    "ter",
    "a",
    "à",
    "the",
    "of",
    "in",
    "apartment",
    "appartement",
    "suite",
    "north",
    "south",
    "east",
    "west",
    "saint",
    "sainte",
];

#[cfg(test)]
mod tests {
    use super::super::tokens;
    use super::*;

    fn progress(text: &str) -> Option<Progress> {
        read(&tokens(text)).map(|found| found.progress)
    }

    #[test]
    fn an_address_ends_in_its_town() {
        let text = "douze rue Victor Hugo, 69002 Lyon";
        assert_eq!(progress(text), Some(Progress::Complete));
        assert_eq!(progress("12 Main Street, 15213 Pittsburgh"), Some(Progress::Complete));
    }

    #[test]
    fn a_street_may_be_all() {
        assert_eq!(progress("douze rue Victor Hugo"), Some(Progress::Extensible));
        assert_eq!(progress("twelve Main Street"), Some(Progress::Extensible));
    }

    #[test]
    fn half_a_street_goes_on() {
        for text in ["douze", "douze rue", "douze rue de la", "12 bis", "c'est au douze rue du"] {
            assert_eq!(progress(text), Some(Progress::InProgress), "{text}");
        }
        assert_eq!(progress("je ne sais pas"), None);
    }
}
