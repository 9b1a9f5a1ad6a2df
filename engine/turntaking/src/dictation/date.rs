//! Dates.

use super::{Dictated, Kind, Progress, Token};

/// The date in `tokens`. A date of birth has a year, another date need not.
pub(super) fn read(tokens: &[Token], kind: Kind) -> Option<Dictated> {
    match tokens.iter().position(|token| month(token).is_some()) {
        Some(at) => Some(with_month(tokens, at, kind)),
        None => in_numbers(tokens, kind),
    }
}

fn with_month(tokens: &[Token], at: usize, kind: Kind) -> Dictated {
    let month = month(&tokens[at]).unwrap_or_default();
    let before = tokens[..at].iter().rev().find(|token| !token.is_word(&["of", "de"]));
    let mut day = before.and_then(day_of);
    let mut rest = &tokens[at + 1..];
    while let Some((Token::Word(word), after)) = rest.split_first()
        && day.is_none()
        && matches!(word.as_str(), "the" | "le")
    {
        rest = after;
    }
    if day.is_none()
        && let Some((first, after)) = rest.split_first()
    {
        day = day_of(first);
        if day.is_some() {
            rest = after;
        }
    }
    let mut year = String::new();
    let mut open = false;
    for token in rest {
        match token {
            Token::Digits { digits, open: may_go_on } => {
                year.push_str(digits);
                open = *may_go_on;
            }
            Token::Letter('o') => year.push('0'),
            Token::Letter(_) | Token::Mark(_) | Token::Word(_) => {}
        }
    }
    let progress = match (day, year.len()) {
        (None, 0..=3) => Progress::InProgress,
        (_, 0) if kind == Kind::Date => Progress::Complete,
        (Some(_), 2) => two_digits(&year, open),
        (_, 4) if open => Progress::Extensible,
        (_, 4..) => Progress::Complete,
        _ => Progress::InProgress,
    };
    let year = match (year.len(), kind) {
        (2, Kind::BirthDate) if progress > Progress::InProgress => century(&year),
        _ => year,
    };
    let written = match (day, year.len()) {
        (Some(day), 4) => format!("{year}-{month:02}-{day:02}"),
        (None, 4) => format!("{year}-{month:02}"),
        (Some(day), _) => format!("--{month:02}-{day:02}"),
        (None, _) => String::new(),
    };
    Dictated::new(kind, progress, written)
}

/// "soixante-sept" is a year; "nineteen" and "vingt" begin one.
fn two_digits(year: &str, open: bool) -> Progress {
    match year {
        _ if open => Progress::InProgress,
        "18" | "19" | "20" => Progress::InProgress,
        _ => Progress::Complete,
    }
}

/// Nobody who telephones was born in the future: the two digits above this are of the 1900s.
const LATEST: u32 = 25;

fn century(year: &str) -> String {
    let value: u32 = year.parse().unwrap_or(0);
    let century = if value > LATEST { 19 } else { 20 };
    format!("{century}{year}")
}

/// "7 1 1967", "07/01/1967". Which of the first two is the month depends on the country, so they
/// are left as they were said.
fn in_numbers(tokens: &[Token], kind: Kind) -> Option<Dictated> {
    let numbers: Vec<&Token> =
        tokens.iter().filter(|token| matches!(token, Token::Digits { .. })).collect();
    let written: Vec<&str> = numbers
        .iter()
        .filter_map(|token| match token {
            Token::Digits { digits, .. } => Some(digits.as_str()),
            Token::Letter(_) | Token::Mark(_) | Token::Word(_) => None,
        })
        .collect();
    if written.is_empty() {
        return None;
    }
    let open = matches!(numbers.last(), Some(Token::Digits { open: true, .. }));
    let all: usize = written.iter().map(|digits| digits.len()).sum();
    let whole = match &written[..] {
        [_, _, year] => year.len() == 4 || (year.len() == 2 && !["18", "19", "20"].contains(year)),
        [_, _, century, year] => century.len() == 2 && year.len() == 2,
        _ => false,
    };
    let progress = match (whole || all >= 8, open) {
        (true, false) => Progress::Complete,
        (true, true) => Progress::Extensible,
        (false, _) if kind == Kind::Date && written.len() >= 2 => Progress::Extensible,
        (false, _) => Progress::InProgress,
    };
    Some(Dictated::new(kind, progress, written.join("/")))
}

fn day_of(token: &Token) -> Option<u8> {
    let day = match token {
        Token::Digits { digits, .. } => digits.parse().ok()?,
        Token::Word(word) => ordinal(word)?,
        Token::Letter(_) | Token::Mark(_) => return None,
    };
    (1..=31).contains(&day).then_some(day)
}

fn ordinal(word: &str) -> Option<u8> {
    let digits = word.trim_end_matches(|c: char| c.is_alphabetic());
    if !digits.is_empty() {
        return digits.parse().ok();
    }
    const ORDINALS: &[&str] = &[
        "first",
        "second",
        "third",
        "fourth",
        "fifth",
        "sixth",
        "seventh",
        "eighth",
        "ninth",
        "tenth",
        "eleventh",
        "twelfth",
        "thirteenth",
        "fourteenth",
        "fifteenth",
        "sixteenth",
        "seventeenth",
        "eighteenth",
        "nineteenth",
        "twentieth",
    ];
    match word {
        "premier" => Some(1),
        "thirtieth" => Some(30),
        _ => {
            let at = ORDINALS.iter().position(|ordinal| *ordinal == word)?;
            u8::try_from(at + 1).ok()
        }
    }
}

fn month(token: &Token) -> Option<u8> {
    let Token::Word(word) = token else { return None };
    Some(match word.as_str() {
        "january" | "janvier" | "jan" => 1,
        "february" | "fevrier" | "feb" => 2,
        "march" | "mars" => 3,
        "april" | "avril" => 4,
        "may" | "mai" => 5,
        "june" | "juin" => 6,
        "july" | "juillet" => 7,
        "august" | "aout" => 8,
        "september" | "septembre" => 9,
        "october" | "octobre" => 10,
        "november" | "novembre" => 11,
        "december" | "decembre" => 12,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::super::tokens;
    use super::*;

    fn read(text: &str, kind: Kind) -> (Progress, String) {
        let found = super::read(&tokens(text), kind).unwrap_or_else(|| panic!("{text}"));
        (found.progress, found.value)
    }

    #[test]
    fn a_date_of_birth_ends_in_its_year() {
        for (text, value) in [
            ("January seventh nineteen sixty seven", "1967-01-07"),
            ("March seven, nineteen sixty-seven.", "1967-03-07"),
            ("June 18th, 1968", "1968-06-18"),
            ("the second of May two thousand and four", "2004-05-02"),
            ("le sept janvier mille neuf cent soixante-sept", "1967-01-07"),
            ("sept janvier soixante-sept", "1967-01-07"),
            ("le premier mars deux mille un", "2001-03-01"),
            ("07/01/1967", "07/01/1967"),
        ] {
            assert_eq!(
                read(text, Kind::BirthDate),
                (Progress::Complete, value.to_owned()),
                "{text}"
            );
        }
    }

    #[test]
    fn without_its_year_a_date_of_birth_goes_on() {
        for text in [
            "January",
            "January seventh",
            "March seven nineteen",
            "March seven, nineteen six",
            "le sept janvier",
            "sept janvier mille neuf cent soixante",
            "le sept",
            "07/01",
            "le sept janvier dix-neuf",
        ] {
            assert!(read(text, Kind::BirthDate).0 < Progress::Likely, "{text}");
        }
    }

    #[test]
    fn another_date_needs_no_year() {
        assert_eq!(read("le douze mars", Kind::Date).0, Progress::Complete);
        assert_eq!(read("March twelfth", Kind::Date).0, Progress::Complete);
        assert_eq!(read("March", Kind::Date).0, Progress::InProgress);
        assert_eq!(super::read(&tokens("next Tuesday"), Kind::Date), None);
    }
}
