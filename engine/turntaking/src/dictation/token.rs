//! What a caller dictates, piece by piece: digits, letters, marks and words.

use super::number;
use crate::phrases::{self, FILLERS};

/// One piece.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
    /// A number as it is written: "twenty seven" is `27`.
    Digits {
        /// Its digits.
        digits: String,
        /// It ends in a word that often goes on ("twenty").
        open: bool,
    },
    /// A letter, in lower case.
    Letter(char),
    /// `@`, `.`, `-`, `_`, `+` or `/`, said or written.
    Mark(char),
    /// Anything else, in lower case and without accents.
    Word(String),
}

impl Token {
    pub(super) const fn is_piece(&self) -> bool {
        !matches!(self, Self::Word(_))
    }

    pub(super) fn is_word(&self, words: &[&str]) -> bool {
        matches!(self, Self::Word(word) if words.contains(&word.as_str()))
    }
}

/// The pieces of `text`. Fillers are left out.
pub(super) fn tokens(text: &str) -> Vec<Token> {
    let raw = raw(text);
    let mut tokens = Vec::with_capacity(raw.len());
    let mut at = 0;
    while let Some(piece) = raw.get(at) {
        at += 1;
        match piece {
            Raw::Digits(digits) => {
                tokens.push(Token::Digits { digits: digits.clone(), open: false });
            }
            Raw::Mark(mark) => tokens.push(Token::Mark(*mark)),
            Raw::Word(word) => {
                let words: Vec<&str> = raw[at - 1..].iter().map_while(Raw::word).take(8).collect();
                at += push_words(word, &words, &mut tokens) - 1;
            }
        }
    }
    read_homophones(&mut tokens);
    tokens
}

/// Reads what stands at the front of `words`, the first of which is `word`; returns how many were
/// taken.
fn push_words(word: &str, words: &[&str], tokens: &mut Vec<Token>) -> usize {
    if FILLERS.contains(&word) {
        return 1;
    }
    if let Some((taken, said)) = phrase(words) {
        tokens.extend(said);
        return taken;
    }
    if let Some(number) = number::number(words) {
        tokens.push(Token::Digits { digits: number.digits, open: number.open });
        return number.words;
    }
    if let Some(times) = number::repeat(word)
        && let Some(letter) = words.get(1).and_then(|word| single(word))
    {
        tokens.extend(std::iter::repeat_n(Token::Letter(letter), times));
        return 2;
    }
    match single(word) {
        Some(letter) => tokens.push(Token::Letter(letter)),
        None => tokens.push(Token::Word(word.to_owned())),
    }
    1
}

/// Marks and letters that are said in words.
fn phrase(words: &[&str]) -> Option<(usize, Vec<Token>)> {
    let mark = |taken, mark| Some((taken, vec![Token::Mark(mark)]));
    match words {
        ["arobase" | "arobas" | "arrobase" | "arobaze" | "robase", ..] => mark(1, '@'),
        ["at", "sign", ..] | ["a", "robase", ..] => mark(2, '@'),
        ["tiret", "du", "bas", ..] => mark(3, '_'),
        ["tiret", "bas", ..] | ["under", "score", ..] => mark(2, '_'),
        ["underscore" | "souligne", ..] => mark(1, '_'),
        ["tiret" | "dash" | "hyphen", ..] => mark(1, '-'),
        ["point" | "dot", ..] => mark(1, '.'),
        ["slash", ..] => mark(1, '/'),
        ["plus", next, ..] if number::number(&[*next]).is_some() => mark(1, '+'),
        ["double", "v" | "ve", ..] => Some((2, vec![Token::Letter('w')])),
        ["i", "grec", ..] => Some((2, vec![Token::Letter('y')])),
        // "deux n" is what French says for "double n".
        ["deux", letter, ..] => {
            let letter = single(letter).filter(|letter| !matches!(letter, 'a' | 'y'))?;
            Some((2, vec![Token::Letter(letter); 2]))
        }
        // "B as in Bravo", "A comme Anatole": the letter; a word that is still to come is awaited.
        [letter, "as", "in", _, ..] => Some((4, vec![Token::Letter(single(letter)?)])),
        [letter, "comme" | "like", _, ..] => Some((3, vec![Token::Letter(single(letter)?)])),
        [letter, "for", name, ..] => {
            let letter = single(letter)?;
            let fits = name.len() > 1 && name.starts_with(letter);
            fits.then(|| (3, vec![Token::Letter(letter)]))
        }
        _ => None,
    }
}

/// A word that is one letter.
fn single(word: &str) -> Option<char> {
    let mut letters = word.chars();
    let letter = letters.next().filter(char::is_ascii_alphabetic)?;
    letters.next().is_none().then_some(letter)
}

/// Digits that a recogniser writes as other words, where they stand beside a digit.
fn read_homophones(tokens: &mut [Token]) {
    for at in 0..tokens.len() {
        let Token::Word(word) = &tokens[at] else { continue };
        let digit = match word.as_str() {
            "to" | "too" => "2",
            "for" => "4",
            "won" => "1",
            "ate" => "8",
            _ => continue,
        };
        let is_digit = |token: Option<&Token>| matches!(token, Some(Token::Digits { .. }));
        let before = at.checked_sub(1).and_then(|before| tokens.get(before));
        if is_digit(before) && (is_digit(tokens.get(at + 1)) || at + 1 == tokens.len()) {
            tokens[at] = Token::Digits { digits: digit.to_owned(), open: false };
        }
    }
}

/// A piece of text before number words are read.
enum Raw {
    Digits(String),
    Mark(char),
    Word(String),
}

impl Raw {
    fn word(&self) -> Option<&str> {
        match self {
            Self::Word(word) => Some(word),
            Self::Digits(_) | Self::Mark(_) => None,
        }
    }
}

fn raw(text: &str) -> Vec<Raw> {
    let mut pieces = Vec::new();
    for piece in text.split_whitespace() {
        let address = piece.contains('@');
        let chunks = chunks(piece);
        for (at, chunk) in chunks.iter().enumerate() {
            match chunk {
                Chunk::Text(text) => push_text(text, &mut pieces),
                Chunk::Mark(mark) => {
                    let inside = at > 0 && at + 1 < chunks.len();
                    if is_said(*mark, address, inside.then(|| (&chunks[at - 1], &chunks[at + 1]))) {
                        pieces.push(Raw::Mark(*mark));
                    }
                }
            }
        }
    }
    pieces
}

enum Chunk<'a> {
    Text(&'a str),
    Mark(char),
}

impl Chunk<'_> {
    /// Letters that make a word: a dot or a dash beside it means something.
    fn is_name(&self) -> bool {
        let Self::Text(text) = self else { return false };
        let words = phrases::words(text);
        let [word] = &words[..] else { return false };
        word.chars().count() > 1
            && word.chars().all(char::is_alphabetic)
            && number::number(&[word]).is_none()
    }
}

fn chunks(piece: &str) -> Vec<Chunk<'_>> {
    let mut chunks = Vec::new();
    let mut start = 0;
    for (at, character) in piece.char_indices() {
        let inside = character.is_alphanumeric() || matches!(character, '\'' | '’');
        if inside || ('\u{300}'..='\u{36f}').contains(&character) {
            continue;
        }
        if start < at {
            chunks.push(Chunk::Text(&piece[start..at]));
        }
        chunks.push(Chunk::Mark(character));
        start = at + character.len_utf8();
    }
    if start < piece.len() {
        chunks.push(Chunk::Text(&piece[start..]));
    }
    chunks
}

/// A written mark that is part of what is dictated, and no punctuation or grouping of digits.
fn is_said(mark: char, address: bool, beside: Option<(&Chunk<'_>, &Chunk<'_>)>) -> bool {
    match mark {
        '@' | '_' => true,
        '+' => true,
        '.' | '-' if address => beside.is_some(),
        '.' => beside.is_some_and(|(before, after)| before.is_name() || after.is_name()),
        '-' => beside.is_some_and(|(before, after)| before.is_name() && after.is_name()),
        '/' => beside.is_some(),
        _ => false,
    }
}

/// A run of letters and digits: words as they are, digits by themselves, letters that stand with
/// digits one by one (`AB123`).
fn push_text(text: &str, pieces: &mut Vec<Raw>) {
    if matches!(text, "à" | "À") {
        // Without its accent it would be a letter.
        pieces.push(Raw::Word("à".to_owned()));
        return;
    }
    let mixed = text.contains(|c: char| c.is_ascii_digit()) && !is_ordinal(text);
    for word in phrases::words(text) {
        if word.bytes().all(|byte| byte.is_ascii_digit()) {
            pieces.push(Raw::Digits(word));
        } else if mixed {
            let mut digits = String::new();
            for character in word.chars() {
                if character.is_ascii_digit() {
                    digits.push(character);
                    continue;
                }
                if !digits.is_empty() {
                    pieces.push(Raw::Digits(std::mem::take(&mut digits)));
                }
                pieces.push(Raw::Word(character.to_string()));
            }
            if !digits.is_empty() {
                pieces.push(Raw::Digits(digits));
            }
        } else {
            pieces.push(Raw::Word(word));
        }
    }
}

/// `17th`, `1er`, `19h30`: no spelling.
fn is_ordinal(text: &str) -> bool {
    let rest = text.trim_start_matches(|c: char| c.is_ascii_digit());
    let suffix = rest.to_lowercase();
    rest.len() < text.len()
        && (matches!(suffix.as_str(), "st" | "nd" | "rd" | "th" | "er" | "e" | "eme" | "ème")
            || suffix.starts_with('h') && suffix[1..].chars().all(|c| c.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The pieces in short: digits as they are, letters in capitals, words in quotes.
    fn read(text: &str) -> String {
        let shown = tokens(text).into_iter().map(|token| match token {
            Token::Digits { digits, .. } => digits,
            Token::Letter(letter) => letter.to_uppercase().to_string(),
            Token::Mark(mark) => mark.to_string(),
            Token::Word(word) => format!("'{word}'"),
        });
        shown.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn letters_are_letters_however_they_are_written() {
        for text in ["C I N D Y", "c-i-n-d-y.", "C. I. N. D. Y..", "C, I, N, D, Y", "C.I.N.D.Y"] {
            assert_eq!(read(text), "C I N D Y", "{text}");
        }
        assert_eq!(read("W, I, double L, O"), "W I L L O");
        assert_eq!(read("b o deux n e t"), "B O N N E T");
        assert_eq!(read("double v i grec"), "W Y");
        assert_eq!(read("A comme Anatole, B comme Berthe"), "A B");
        assert_eq!(read("B as in Bravo, t for Tango"), "B T");
        assert_eq!(read("AB-123-CD"), "'ab' 123 'cd'");
        assert_eq!(read("cqqf7"), "C Q Q F 7");
    }

    #[test]
    fn digits_are_digits_however_they_are_written() {
        assert_eq!(read("06.12.34.56.78"), "06 12 34 56 78");
        assert_eq!(read("(555) 123-4567"), "555 123 4567");
        assert_eq!(read("zéro six douze trente-quatre"), "0 6 12 34");
        assert_eq!(read("quatre-vingt-dix-sept"), "97");
        assert_eq!(read("plus trente-trois six"), "+ 33 6");
        assert_eq!(read("+33 6 12"), "+ 33 6 12");
        assert_eq!(read("Three zero to two one"), "3 0 2 2 1");
        assert_eq!(read("double five, euh, two"), "55 2");
        assert_eq!(read("the 17th"), "'the' '17th'");
        assert_eq!(read("à 19h30"), "'à' '19h30'");
    }

    #[test]
    fn marks_are_kept_where_they_are_said() {
        assert_eq!(read("jean.dupont@gmail.com."), "'jean' . 'dupont' @ 'gmail' . 'com'");
        assert_eq!(read("jean-pierre"), "'jean' - 'pierre'");
        assert_eq!(
            read("jean point dupont arobase gmail point com"),
            "'jean' . 'dupont' @ 'gmail' . 'com'"
        );
        assert_eq!(read("j tiret du bas martin tiret six"), "J _ 'martin' - 6");
        assert_eq!(read("That is all. Really."), "'that' 'is' 'all' 'really'");
    }

    #[test]
    fn words_are_left_as_words() {
        assert_eq!(read("to go for two"), "'to' 'go' 'for' 2");
        assert_eq!(read("?! …"), "");
    }
}
