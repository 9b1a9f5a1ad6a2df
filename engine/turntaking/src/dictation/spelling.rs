//! Names and words, letter by letter.

use super::{Dictated, Kind, Progress, Token};

/// The letters at the end of `tokens`.
pub(super) fn read(tokens: &[Token]) -> Option<Dictated> {
    let start = tokens
        .iter()
        .rposition(|token| letters(token).is_none() && !token.is_word(MODIFIERS))
        .map_or(0, |word| word + 1);
    let mut spelled = String::new();
    for token in &tokens[start..] {
        match token {
            Token::Word(word) if word == "espace" || word == "space" => spelled.push(' '),
            token => spelled.push_str(&letters(token).unwrap_or_default()),
        }
    }
    let spelled = spelled.trim().to_uppercase();
    if spelled.is_empty() {
        return None;
    }
    // "Dupont, D U P O N T": the whole name is there.
    let said = tokens[..start].iter().any(
        |token| matches!(token, Token::Word(word) if word.len() > 2 && *word == spelled.to_lowercase()),
    );
    let progress = if said { Progress::Complete } else { Progress::Extensible };
    Some(Dictated::new(Kind::Spelling, progress, spelled))
}

/// The letters that a piece of a spelling stands for.
fn letters(token: &Token) -> Option<String> {
    match token {
        Token::Letter(letter) => Some(letter.to_string()),
        Token::Mark(mark) if matches!(mark, '-' | '.') => {
            Some(if *mark == '-' { "-".to_owned() } else { String::new() })
        }
        Token::Word(word) if word == "apostrophe" => Some("'".to_owned()),
        Token::Word(word) => alphabet(word)
            .map(|letter| letter.to_string())
            .or_else(|| is_unpronounceable(word).then(|| word.clone())),
        Token::Digits { .. } | Token::Mark(_) => None,
    }
}

/// "gm", "cqqf": letters that the recogniser wrote as one word.
fn is_unpronounceable(word: &str) -> bool {
    word.len() <= 6
        && word.chars().all(|letter| letter.is_ascii_alphabetic())
        && !word.contains(['a', 'e', 'i', 'o', 'u', 'y'])
}

/// Words about the letter before or after them.
const MODIFIERS: &[&str] = &[
    "accent",
    "aigu",
    "grave",
    "circonflexe",
    "trema",
    "cedille",
    "majuscule",
    "minuscule",
    "capital",
    "uppercase",
    "lowercase",
    "espace",
    "space",
    "et",
    "and",
    "puis",
    "then",
];

/// The alphabets callers spell by (ICAO), and French names of letters.
fn alphabet(word: &str) -> Option<char> {
    Some(match word {
        "alpha" | "alfa" => 'a',
        "bravo" | "be" => 'b',
        "charlie" | "ce" => 'c',
        "delta" => 'd',
        "echo" => 'e',
        "foxtrot" | "effe" => 'f',
        "golf" => 'g',
        "hotel" | "ache" => 'h',
        "india" => 'i',
        "juliett" | "juliet" | "juliette" | "ji" => 'j',
        "kilo" | "ka" => 'k',
        "lima" | "elle" => 'l',
        "mike" | "emme" => 'm',
        "november" | "enne" => 'n',
        "oscar" => 'o',
        "papa" | "pe" => 'p',
        "quebec" => 'q',
        "romeo" | "erre" => 'r',
        "sierra" | "esse" => 's',
        "tango" | "te" => 't',
        "uniform" => 'u',
        "victor" | "ve" => 'v',
        "whiskey" | "whisky" => 'w',
        "xray" | "ixe" => 'x',
        "yankee" => 'y',
        "zulu" | "zede" => 'z',
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::super::tokens;
    use super::*;

    fn read(text: &str) -> (Progress, String) {
        let found = super::read(&tokens(text)).unwrap_or_else(|| panic!("{text}"));
        (found.progress, found.value)
    }

    #[test]
    fn letters_may_always_go_on() {
        for (text, value) in [
            ("D U P O N T", "DUPONT"),
            ("W. I. double L. O. W.", "WILLOW"),
            ("it's B as in Bravo, O, B", "BOB"),
            ("alpha bravo charlie", "ABC"),
            ("m a r t i n e z accent aigu", "MARTINEZ"),
            ("L E tiret G A L L", "LE-GALL"),
            ("d apostrophe a r c", "D'ARC"),
            ("gm e f", "GMEF"),
        ] {
            assert_eq!(read(text), (Progress::Extensible, value.to_owned()), "{text}");
        }
    }

    #[test]
    fn a_name_that_was_said_before_is_complete_when_it_is_spelled() {
        assert_eq!(read("Dupont, D U P O N T").0, Progress::Complete);
        assert_eq!(read("Dupont, D U P O N").0, Progress::Extensible);
    }

    #[test]
    fn words_are_no_letters() {
        assert_eq!(super::read(&tokens("je ne sais pas")), None);
    }
}
