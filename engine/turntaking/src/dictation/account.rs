//! Codes with a form of their own: IBAN, number plate, postal code, and those without.

use super::{Dictated, Kind, Progress, Token, digits, ends_open, grouped};

/// A postal code: five digits in France and the United States.
pub(super) fn postal_code(run: &[Token]) -> Option<Dictated> {
    let all = characters(run);
    if all.is_empty() {
        return None;
    }
    let digits = digits(run);
    if digits.len() < all.len() {
        // Britain and Canada have letters in it, and no one length.
        return Some(Dictated::new(Kind::PostalCode, Progress::Extensible, all));
    }
    let progress = match digits.len() {
        0..=4 => Progress::InProgress,
        _ if ends_open(run) => Progress::Extensible,
        _ => Progress::Complete,
    };
    Some(Dictated::new(Kind::PostalCode, progress, digits))
}

/// A code of any kind; `length`: so many characters were asked for.
pub(super) fn code(kind: Kind, run: &[Token], length: Option<u8>) -> Option<Dictated> {
    let all = characters(run);
    if all.is_empty() {
        return None;
    }
    let progress = match length.map(usize::from) {
        None => Progress::Extensible,
        Some(length) if all.len() < length => Progress::InProgress,
        Some(_) if ends_open(run) => Progress::Extensible,
        Some(_) => Progress::Complete,
    };
    Some(Dictated::new(kind, progress, all))
}

/// Letters and digits one after the other, in capitals.
fn characters(run: &[Token]) -> String {
    let mut all = String::new();
    for token in run {
        match token {
            Token::Digits { digits, .. } => all.push_str(digits),
            Token::Letter(letter) => all.push(letter.to_ascii_uppercase()),
            Token::Mark(mark) if matches!(mark, '-' | '_' | '/') && !all.is_empty() => {
                all.push(*mark);
            }
            Token::Mark(_) | Token::Word(_) => {}
        }
    }
    if run.iter().any(|token| matches!(token, Token::Letter(letter) if *letter != 'o')) {
        all
    } else {
        all.replace('O', "0")
    }
}

/// An international bank account number (ISO 13616).
pub(super) fn iban(run: &[Token]) -> Option<Dictated> {
    let all = characters(run).replace(['-', '_', '/'], "");
    let mut letters = all.chars();
    let country: String = letters.by_ref().take(2).collect();
    if all.is_empty() {
        return None;
    }
    let length = length_in(&country);
    let progress = match length {
        Some(length) if all.len() < length => Progress::InProgress,
        Some(length) if all.len() == length && is_checked(&all) => Progress::Complete,
        // A digit was misunderstood, or one is too many: it may be corrected.
        Some(_) => Progress::Extensible,
        None if all.len() < 15 => Progress::InProgress,
        None => Progress::Extensible,
    };
    let whole = progress == Progress::Complete || all.len() < length.unwrap_or(usize::MAX);
    let mut value = grouped(&all, &[4], ' ');
    if !whole && length.is_some() {
        value.push_str(" (its check digits do not match)");
    }
    Some(Dictated::new(Kind::Iban, progress, value))
}

/// A country that has them, and a digit.
pub(super) fn begins_as_iban(run: &[Token]) -> bool {
    let all = characters(run);
    let is_digit = |at: usize| all.as_bytes().get(at).is_some_and(u8::is_ascii_digit);
    all.len() >= 4 && length_in(&all[..2]).is_some() && is_digit(2) && is_digit(3)
}

/// Lengths of the IBAN registry (SWIFT), for the countries callers come from.
fn length_in(country: &str) -> Option<usize> {
    Some(match country {
        "NO" => 15,
        "BE" => 16,
        "DK" | "FI" | "NL" => 18,
        "AT" | "LT" | "LU" => 20,
        "CH" | "LI" | "LV" => 21,
        "DE" | "GB" | "IE" => 22,
        "CZ" | "ES" | "SE" | "SK" | "RO" | "TN" => 24,
        "PT" => 25,
        "FR" | "GR" | "IT" | "MC" => 27,
        "PL" | "MA" | "HU" => 28,
        _ => return None,
    })
}

/// The check digits are right: ISO 7064, mod 97-10.
fn is_checked(iban: &str) -> bool {
    let mut rest = 0;
    for character in iban[4..].chars().chain(iban[..4].chars()) {
        let Some(value) = character.to_digit(36) else { return false };
        rest = if value < 10 { rest * 10 + value } else { rest * 100 + value };
        rest %= 97;
    }
    rest == 1
}

/// A French number plate: AB-123-CD, or 123 ABC 75 before 2009.
pub(super) fn plate(tokens: &[Token]) -> Option<Dictated> {
    let mut all = String::new();
    for token in tokens {
        match token {
            Token::Digits { digits, .. } => all.push_str(digits),
            Token::Letter(letter) => all.push(letter.to_ascii_uppercase()),
            // The recogniser wrote two letters as one word.
            Token::Word(word)
                if word.len() <= 3 && !matches!(word.as_str(), "est" | "le" | "la") =>
            {
                all.push_str(&word.to_uppercase());
            }
            Token::Word(_) => all.clear(),
            Token::Mark(_) => {}
        }
    }
    if all.is_empty() {
        return None;
    }
    let mut form: String =
        all.chars().map(|c| if c.is_ascii_digit() { '9' } else { 'A' }).collect();
    // Short words may stand before it.
    if form.ends_with("AA999AA") {
        all = all.split_off(all.len() - 7);
        form = form.split_off(form.len() - 7);
    }
    let (progress, value) = match form.as_str() {
        "AA999AA" => (Progress::Complete, format!("{}-{}-{}", &all[..2], &all[2..5], &all[5..])),
        form if is_old(form) => (Progress::Likely, all),
        form if form.len() >= 7 => (Progress::Extensible, all),
        _ => (Progress::InProgress, all),
    };
    Some(Dictated::new(Kind::Plate, progress, value))
}

/// One to four digits, two or three letters, two digits of the department.
fn is_old(form: &str) -> bool {
    let front = form.len() - form.trim_start_matches('9').len();
    let Some(rest) = form.get(front..) else { return false };
    (1..=4).contains(&front) && matches!(rest, "AA99" | "AAA99")
}

#[cfg(test)]
mod tests {
    use super::super::{run, tokens};
    use super::*;

    fn of(found: Option<Dictated>) -> (Progress, String) {
        let found = found.expect("something is dictated");
        (found.progress, found.value)
    }

    #[test]
    fn a_postal_code_has_five_digits() {
        let read = |text: &str| of(postal_code(run(&tokens(text))));
        assert_eq!(read("One, five, two, one, three."), (Progress::Complete, "15213".to_owned()));
        assert_eq!(read("soixante-neuf zéro zéro deux"), (Progress::Complete, "69002".to_owned()));
        assert_eq!(read("soixante-quinze mille"), (Progress::Extensible, "75000".to_owned()));
        assert_eq!(read("one three seven").0, Progress::InProgress);
        assert_eq!(read("S W 1 A").0, Progress::Extensible);
    }

    #[test]
    fn a_code_ends_where_its_length_was_asked_for() {
        let read = |text: &str, length| of(code(Kind::Code, run(&tokens(text)), length));
        assert_eq!(read("seven one five", None), (Progress::Extensible, "715".to_owned()));
        assert_eq!(read("seven one five", Some(4)).0, Progress::InProgress);
        assert_eq!(read("seven one five four", Some(4)).0, Progress::Complete);
        assert_eq!(read("R H N 54", None).1, "RHN54");
        assert_eq!(read("o two one", None).1, "021");
        assert_eq!(code(Kind::Code, run(&tokens("I do not know")), None), None);
    }

    #[test]
    fn an_iban_is_checked() {
        let read = |text: &str| of(iban(run(&tokens(text))));
        let whole = "FR76 3000 6000 0112 3456 7890 189";
        assert_eq!(read(whole), (Progress::Complete, whole.to_owned()));
        let (progress, value) = read("FR76 3000 6000 0112 3456 7890 188");
        assert_eq!(progress, Progress::Extensible, "a digit is wrong");
        assert!(value.contains("check digits"), "{value}");
        assert_eq!(read("F R 76 3000 6000"), (Progress::InProgress, "FR76 3000 6000".to_owned()));
        let spoken = "B E soixante-huit, cinquante-trois quatre-vingt-dix, zéro sept \
                      cinquante-quatre, soixante-dix trente-quatre";
        assert_eq!(read(spoken), (Progress::Complete, "BE68 5390 0754 7034".to_owned()));
    }

    #[test]
    fn a_plate_has_its_form() {
        let read = |text: &str| of(plate(&tokens(text)));
        for text in ["A B 123 C D", "AB-123-CD", "c'est a b cent vingt-trois c d"] {
            assert_eq!(read(text), (Progress::Complete, "AB-123-CD".to_owned()), "{text}");
        }
        assert_eq!(read("A B 123").0, Progress::InProgress);
        assert_eq!(read("1234 AB 75").0, Progress::Likely);
    }
}
