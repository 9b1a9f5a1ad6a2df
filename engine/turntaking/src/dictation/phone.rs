//! Telephone numbers.

use super::{Dictated, Kind, Progress, Token, digits, ends_open, grouped};

/// The number in `run`. `french`: asked in French, where seven digits are no local number.
pub(super) fn read(run: &[Token], french: bool) -> Option<Dictated> {
    let digits = digits(run);
    if digits.is_empty() {
        let begun = run.first() == Some(&Token::Mark('+'));
        return begun.then(|| Dictated::new(Kind::Phone, Progress::InProgress, "+"));
    }
    let plus = run.first() == Some(&Token::Mark('+'));
    let (mut progress, value) = match digits.strip_prefix("00").filter(|_| !plus) {
        Some(international) if international.len() >= 2 => abroad(international),
        _ if plus => abroad(&digits),
        _ => national(&digits, french),
    };
    if ends_open(run) && progress >= Progress::Likely {
        progress = Progress::Extensible;
    }
    Some(Dictated::new(Kind::Phone, progress, value))
}

/// With a country code: France and North America have a length of their own.
fn abroad(digits: &str) -> (Progress, String) {
    if let Some(national) = digits.strip_prefix("33") {
        // "+33 (0)6": the zero is said and not dialled.
        let national = national.strip_prefix('0').unwrap_or(national);
        let value = format!("+33 {}", grouped(national, &[1, 2], ' '));
        return (at_length(national.len(), 9), value.trim_end().to_owned());
    }
    if let Some(national) = digits.strip_prefix('1') {
        let value = format!("+1 {}", grouped(national, &[3, 3, 4], '-'));
        return (at_length(national.len(), 10), value.trim_end().to_owned());
    }
    // E.164: at most 15 digits; few countries have numbers of less than nine with their code.
    let progress = match digits.len() {
        0..=8 => Progress::InProgress,
        9..=14 => Progress::Extensible,
        _ => Progress::Complete,
    };
    (progress, format!("+{digits}"))
}

fn national(digits: &str, french: bool) -> (Progress, String) {
    if digits.starts_with('0') {
        // British numbers have eleven digits.
        let length = if french { 10 } else { 11 };
        let progress = match digits.len() {
            10 if !french => Progress::Likely,
            digits => at_length(digits, length),
        };
        return (progress, grouped(digits, &[2], ' '));
    }
    if digits.starts_with('1') {
        return (at_length(digits.len(), 11), grouped(digits, &[1, 3, 3, 4], '-'));
    }
    match digits.len() {
        // A local number of North America.
        7 if !french => (Progress::Likely, grouped(digits, &[3, 4], '-')),
        0..=9 => (Progress::InProgress, digits.to_owned()),
        10 => (Progress::Complete, grouped(digits, &[3, 3, 4], '-')),
        _ => (Progress::Complete, digits.to_owned()),
    }
}

const fn at_length(length: usize, whole: usize) -> Progress {
    if length < whole { Progress::InProgress } else { Progress::Complete }
}

#[cfg(test)]
mod tests {
    use super::super::tokens;
    use super::*;

    fn read(text: &str, french: bool) -> (Progress, String) {
        let found = super::read(&tokens(text), french).unwrap_or_else(|| panic!("{text}"));
        (found.progress, found.value)
    }

    #[test]
    fn a_french_number_has_ten_digits() {
        let words = "zéro six douze trente-quatre cinquante-six soixante-dix-huit";
        assert_eq!(read(words, true), (Progress::Complete, "06 12 34 56 78".to_owned()));
        assert_eq!(
            read("zéro six, douze, trente-quatre, cinquante-six", true),
            (Progress::InProgress, "06 12 34 56".to_owned())
        );
        assert_eq!(
            read("zéro un quarante-deux quatre-vingt-dix-sept dix-huit zéro trois", true),
            (Progress::Complete, "01 42 97 18 03".to_owned())
        );
        assert_eq!(
            read("plus trente-trois six douze trente-quatre cinquante-six soixante-dix-huit", true),
            (Progress::Complete, "+33 6 12 34 56 78".to_owned())
        );
        assert_eq!(read("zéro zéro trente-trois six", true).0, Progress::InProgress);
    }

    #[test]
    fn the_last_pair_may_go_on() {
        let words = "zéro six douze trente-quatre cinquante-six soixante";
        assert_eq!(read(words, true).0, Progress::Extensible, "soixante... dix-huit");
    }

    #[test]
    fn a_north_american_number_has_ten_digits_or_seven() {
        let ten = "seven one six, two four four, six seven one four";
        assert_eq!(read(ten, false), (Progress::Complete, "716-244-6714".to_owned()));
        let local = "eight eight four three six four eight";
        assert_eq!(read(local, false), (Progress::Likely, "884-3648".to_owned()));
        assert_eq!(read("seven one six two four four six seven", false).0, Progress::InProgress);
        assert_eq!(read("one, seven one six, 244-6714", false).0, Progress::Complete);
        assert_eq!(read("6 5 5 8 7 4 0", true).0, Progress::InProgress, "not in French");
    }

    #[test]
    fn other_countries_may_go_on() {
        assert_eq!(read("+49 30 1234", false).0, Progress::InProgress);
        assert_eq!(read("+49 30 123456", false).0, Progress::Extensible);
    }
}
