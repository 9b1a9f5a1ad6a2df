//! Whether the caller is in the middle of dictating: letters, digits, an e-mail address.
//!
//! People pause for a second and more inside a number or a spelled name, and neither the pitch
//! of their voice nor the grammar of the words so far tells that more will come. What was
//! dictated does: a French telephone number has ten digits, an address ends in a domain.

use crate::phrases;

/// Digits that make a national telephone number in France and in North America, the longest
/// thing that callers dictate often. A run that has reached them is complete.
const PHONE_DIGITS: usize = 10;

/// Digits in a row, in one word, that are more than a year, a price or a room.
const LONG_NUMBER: usize = 5;

/// What the end of a transcript dictates, if anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dictation {
    /// More is likely to come.
    InProgress,
    /// It has a length or an ending at which it stops.
    Complete,
}

/// Looks for something dictated at the end of `text`.
pub fn at_the_end_of(text: &str) -> Option<Dictation> {
    email(text).or_else(|| run(text))
}

/// An e-mail address, written as such or spelled out.
fn email(text: &str) -> Option<Dictation> {
    let last = text.split_whitespace().next_back()?.trim_end_matches(['.', ',', '!', '?', '…']);
    if let Some((_, domain)) = last.rsplit_once('@') {
        let complete = domain.rsplit_once('.').is_some_and(|(_, tld)| tld.len() >= 2);
        return Some(if complete { Dictation::Complete } else { Dictation::InProgress });
    }
    let words = phrases::words(text);
    let at = words.iter().rposition(|word| matches!(word.as_str(), "arobase" | "arobas"));
    let domain = &words[at? + 1..];
    let complete = match domain {
        [.., host, tld] if host != "point" && host != "dot" => {
            matches!(tld.as_str(), "com" | "fr" | "net" | "org" | "be" | "ch" | "eu" | "io")
        }
        [.., point, tld] if point == "point" || point == "dot" => tld.len() >= 2,
        _ => false,
    };
    Some(if complete { Dictation::Complete } else { Dictation::InProgress })
}

/// Letters and digits said one after the other. Two numbers are a time or a price ("7 30") unless
/// the first begins with a zero.
fn run(text: &str) -> Option<Dictation> {
    let last = text.split_whitespace().next_back()?;
    if last.contains([':', '/', '€', '$', '%']) {
        return None;
    }
    let words = phrases::words(text);
    let (mut tokens, mut digits, mut letters) = (0, 0, 0);
    let mut zero = false;
    for word in words.iter().rev() {
        match said(word) {
            Some(Said::Digits(count)) => digits += count,
            // One-letter words ("il y a") are spelled only among others.
            Some(Said::Letter) if matches!(word.as_str(), "a" | "i" | "y" | "o") => {}
            Some(Said::Letter) => letters += 1,
            Some(Said::Mark) => {}
            None => break,
        }
        tokens += 1;
        zero = word.starts_with('0') || word == "zero";
    }
    if letters == 0 && digits >= PHONE_DIGITS {
        return Some(Dictation::Complete);
    }
    let spelled = letters >= 1 && tokens >= 2;
    let counted = digits >= LONG_NUMBER || (tokens >= 3 && digits >= 3) || (tokens >= 2 && zero);
    (spelled || counted).then_some(Dictation::InProgress)
}

enum Said {
    Digits(usize),
    Letter,
    Mark,
}

fn said(word: &str) -> Option<Said> {
    if word.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(Said::Digits(word.len()));
    }
    if word.chars().count() == 1 {
        return Some(Said::Letter);
    }
    number(word).map(Said::Digits).or_else(|| mark(word).then_some(Said::Mark))
}

/// Words that join what is dictated.
fn mark(word: &str) -> bool {
    matches!(word, "double" | "dash" | "tiret" | "underscore" | "slash" | "dot")
}

/// How many digits a number word stands for when a number is dictated.
pub(crate) fn number(word: &str) -> Option<usize> {
    Some(match word {
        "zero" | "oh" | "one" | "two" | "three" | "four" | "five" | "six" | "seven" | "eight"
        | "nine" | "deux" | "trois" | "quatre" | "cinq" | "sept" | "huit" | "neuf" => 1,
        "ten" | "eleven" | "twelve" | "thirteen" | "fourteen" | "fifteen" | "sixteen"
        | "seventeen" | "eighteen" | "nineteen" | "twenty" | "thirty" | "forty" | "fifty"
        | "sixty" | "seventy" | "eighty" | "ninety" | "dix" | "onze" | "douze" | "treize"
        | "quatorze" | "quinze" | "seize" | "vingt" | "trente" | "quarante" | "cinquante"
        | "soixante" => 2,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MORE: Option<Dictation> = Some(Dictation::InProgress);
    const DONE: Option<Dictation> = Some(Dictation::Complete);

    #[test]
    fn a_number_is_in_progress_until_it_has_its_digits() {
        assert_eq!(at_the_end_of("my number is five five five"), MORE);
        assert_eq!(at_the_end_of("c'est le 06 12"), MORE);
        assert_eq!(at_the_end_of("c'est le 06 12 34 56 78."), DONE);
        assert_eq!(at_the_end_of("zéro six douze trente-quatre"), MORE);
    }

    #[test]
    fn a_spelled_name_may_always_go_on() {
        assert_eq!(at_the_end_of("It's J O H"), MORE);
        assert_eq!(at_the_end_of("D, U, P, O, N"), MORE);
        assert_eq!(at_the_end_of("D-U-P-O-N-T."), MORE);
    }

    #[test]
    fn an_address_ends_in_its_domain() {
        assert_eq!(at_the_end_of("jean.dupont@"), MORE);
        assert_eq!(at_the_end_of("jean.dupont@gmail"), MORE);
        assert_eq!(at_the_end_of("jean.dupont@gmail.com."), DONE);
        assert_eq!(at_the_end_of("jean point dupont arobase"), MORE);
        assert_eq!(at_the_end_of("jean arobase orange"), MORE);
        assert_eq!(at_the_end_of("jean arobase orange point"), MORE);
        assert_eq!(at_the_end_of("jean arobase orange point fr"), DONE);
    }

    #[test]
    fn short_answers_are_not_dictated() {
        for text in [
            "four",
            "a table for 4",
            "at 7 30",
            "à 10:30",
            "19h30",
            "in 2024",
            "plan B",
            "il y a",
            "yes",
            "",
        ] {
            assert_eq!(at_the_end_of(text), None, "{text}");
        }
    }
}
