//! What the caller dictates: letters, digits, an e-mail address, a date. Pure.
//!
//! People pause for a second and more inside a number or a spelled name, and neither the pitch of
//! their voice nor the grammar of the words so far tells that more will come. What was dictated
//! does: a French telephone number has ten digits, an e-mail address ends in a domain. So does the
//! question that was asked ([`crate::expectation`]); where none was, the words alone must show
//! that something is being dictated.
//!
//! The same reading gives the model what a person would have written down: `jean.dupont@gmail.com`
//! for "jean point dupont arobase gmail point com".

mod account;
mod address;
mod date;
mod email;
mod number;
mod phone;
mod spelling;
mod token;

use serde::{Deserialize, Serialize};

use crate::expectation::Expectation;
use crate::phrases;

use token::{Token, tokens};

/// What kind of thing is dictated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// An e-mail address.
    Email,
    /// A name or a word, letter by letter.
    Spelling,
    /// A telephone number.
    Phone,
    /// A postal code.
    PostalCode,
    /// A date of birth: it has a year.
    BirthDate,
    /// Another date.
    Date,
    /// Where somebody lives.
    Address,
    /// An international bank account number.
    Iban,
    /// A number plate.
    Plate,
    /// A code, a reference, an order number.
    Code,
    /// A number that may be anything.
    Number,
}

/// How far it has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Progress {
    /// Something is missing.
    InProgress,
    /// It may be all, and it may go on: nothing tells where it ends.
    Extensible,
    /// It has a length at which it often ends, and sometimes goes on.
    Likely,
    /// Nothing is missing.
    Complete,
}

/// Something dictated.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dictated {
    /// What it is.
    pub kind: Kind,
    /// How far it has come.
    pub progress: Progress,
    /// As it is written; empty where nothing of it was understood yet.
    pub value: String,
}

impl Dictated {
    fn new(kind: Kind, progress: Progress, value: impl Into<String>) -> Self {
        Self { kind, progress, value: value.into() }
    }
}

/// What `text`, the caller's turn so far, dictates to an assistant that expects `expectation`.
pub fn dictated(text: &str, expectation: Expectation) -> Option<Dictated> {
    let mut tokens = tokens(text);
    if tokens.is_empty() {
        return None;
    }
    let closed = take_closing_words(&mut tokens);
    let mut found = match expectation {
        Expectation::Dictated { .. } if refuses(&tokens) => unasked(text, &tokens),
        Expectation::Dictated { kind, length, french } => asked_for(kind, length, french, &tokens)
            .or_else(|| unasked(text, &tokens))
            .or_else(|| not_understood(kind, text.trim_end(), &tokens)),
        Expectation::Open | Expectation::YesNo | Expectation::Short | Expectation::Single => {
            unasked(text, &tokens)
        }
    }?;
    if closed && !found.value.is_empty() && found.progress >= Progress::Extensible {
        found.progress = Progress::Complete;
    }
    Some(found)
}

/// What was asked for, as far as the words have it.
fn asked_for(kind: Kind, length: Option<u8>, french: bool, tokens: &[Token]) -> Option<Dictated> {
    match kind {
        Kind::Email => email::read(tokens),
        Kind::Spelling => spelling::read(tokens),
        Kind::Phone => phone::read(run(tokens), french),
        Kind::PostalCode => account::postal_code(run(tokens)),
        Kind::BirthDate | Kind::Date => date::read(tokens, kind),
        Kind::Address => address::read(tokens),
        Kind::Iban => account::iban(run(tokens)),
        Kind::Plate => account::plate(tokens),
        Kind::Code | Kind::Number => account::code(kind, run(tokens), length),
    }
}

/// Something that was not asked for, and is dictated all the same.
fn unasked(text: &str, tokens: &[Token]) -> Option<Dictated> {
    if tokens.contains(&Token::Mark('@')) {
        return email::read(tokens);
    }
    let last = text.split_whitespace().next_back()?;
    if last.contains([':', '€', '$', '%']) {
        return None;
    }
    let run = run(tokens);
    if let Some(iban) = account::iban(run).filter(|_| account::begins_as_iban(run)) {
        return Some(iban);
    }
    if let Some(plate) = account::plate(tokens).filter(|plate| plate.progress == Progress::Complete)
    {
        return Some(plate);
    }
    let pieces = run.iter().filter(|token| token.is_piece()).count();
    let has_digits = run.iter().any(|token| matches!(token, Token::Digits { .. }));
    let digits = digits(run);
    // "il y a", "a", "i": words before they are letters.
    let is_spelled = |token: &&Token| matches!(token, Token::Letter(letter) if !matches!(letter, 'a' | 'i' | 'y' | 'o'));
    let letters = run.iter().filter(is_spelled).count();
    if letters == 0 {
        // Two numbers are a time or a price ("7 30") unless the first begins with a zero.
        let counted = digits.len() >= LONG_NUMBER
            || (pieces >= 3 && digits.len() >= 3)
            || (pieces >= 2 && digits.starts_with('0'))
            || (pieces >= 2 && run.first() == Some(&Token::Mark('+')));
        return if counted { phone::read(run, true) } else { None };
    }
    if pieces < 2 {
        return None;
    }
    match spelling::read(run) {
        Some(spelled) if !has_digits => Some(spelled),
        _ => account::code(Kind::Code, run, None),
    }
}

/// Digits in a row that are more than a year, a price or a room.
const LONG_NUMBER: usize = 5;

/// Something was asked for and the words have nothing of it. A few words that are no answer of
/// their own are a group that the recogniser did not understand ("ate it" for "eight eight"), or
/// an introduction.
fn not_understood(kind: Kind, text: &str, tokens: &[Token]) -> Option<Dictated> {
    let last = tokens.last()?;
    let introduced = last.is_word(&["is", "its", "cest", "est", "le", "la", "number", "numero"]);
    let answered = tokens.iter().all(|token| token.is_word(ANSWERS));
    let asks = (tokens.len() > 2 && tokens[0].is_word(QUESTIONS)) || text.ends_with('?');
    let short = tokens.len() <= MOST_MISUNDERSTOOD && !answered && !asks;
    (introduced || short).then(|| Dictated::new(kind, Progress::InProgress, ""))
}

/// Answers that dictate nothing.
const ANSWERS: &[&str] = &[
    "yes", "yeah", "no", "nope", "ok", "okay", "sure", "sorry", "pardon", "what", "why", "hello",
    "wait", "hold", "on", "none", "nothing", "please", "repeat", "again", "dont", "oui", "ouais",
    "non", "quoi", "comment", "pourquoi", "attendez", "allo", "aucun", "aucune", "rien", "excusez",
    "moi", "bonjour", "stop", "help", "operator", "daccord", "thank", "thanks", "you", "merci",
];

/// More words than a group of letters or digits is misunderstood for.
const MOST_MISUNDERSTOOD: usize = 5;

/// The caller asks something back.
const QUESTIONS: &[&str] = &[
    "can", "could", "do", "does", "is", "are", "what", "which", "where", "why", "how", "who",
    "should", "may", "est", "quel", "quelle", "quoi", "qui", "comment", "pourquoi", "lequel",
    "laquelle", "pouvez", "pourriez", "vous",
];

/// "I don't have one", "je ne sais pas": no dictation, whatever number is in it.
fn refuses(tokens: &[Token]) -> bool {
    let pieces = tokens.iter().filter(|token| token.is_piece()).count();
    pieces < 3 && tokens.iter().any(|token| token.is_word(REFUSALS))
}

const REFUSALS: &[&str] = &[
    "dont", "not", "havent", "cant", "cannot", "know", "remember", "forgot", "pas", "sais", "plus",
    "oublie", "aucune", "aucun", "why", "pourquoi",
];

/// Takes "that's all", "voilà", "merci" off the end. Returns whether there were any.
fn take_closing_words(tokens: &mut Vec<Token>) -> bool {
    let before = tokens.len();
    loop {
        let taken = CLOSING.iter().find(|phrase| {
            tokens.len() > phrase.len()
                && tokens[tokens.len() - phrase.len()..]
                    .iter()
                    .zip(**phrase)
                    .all(|(token, word)| token.is_word(&[*word]))
        });
        match taken {
            Some(phrase) => tokens.truncate(tokens.len() - phrase.len()),
            None => return tokens.len() < before,
        }
    }
}

const CLOSING: &[&[&str]] = &[
    &["thats", "it"],
    &["thats", "all"],
    &["that", "is", "all"],
    &["thank", "you"],
    &["thanks"],
    &["please"],
    &["ok"],
    &["okay"],
    &["voila"],
    &["merci"],
    &["cest", "tout"],
    &["cest", "ca"],
    &["sil", "vous", "plait"],
    &["sil", "te", "plait"],
];

/// The pieces at the end, with the words that may stand between them.
fn run(tokens: &[Token]) -> &[Token] {
    let start = tokens
        .iter()
        .rposition(|token| !token.is_piece() && !token.is_word(JOINING))
        .map_or(0, |word| word + 1);
    let run = &tokens[start..];
    let lead = run.iter().position(Token::is_piece).unwrap_or(run.len());
    &run[lead..]
}

/// Words that join what is dictated.
const JOINING: &[&str] =
    &["et", "and", "puis", "ensuite", "then", "alors", "donc", "so", "espace", "space", "apres"];

/// All digits, a letter O taken for a zero.
fn digits(run: &[Token]) -> String {
    let mut all = String::new();
    for token in run {
        match token {
            Token::Digits { digits, .. } => all.push_str(digits),
            Token::Letter('o') => all.push('0'),
            Token::Letter(_) | Token::Mark(_) | Token::Word(_) => {}
        }
    }
    all
}

/// Its last number may go on ("twenty").
fn ends_open(run: &[Token]) -> bool {
    matches!(run.last(), Some(Token::Digits { open: true, .. }))
}

/// `text` in groups of `lengths`, the last of which repeats.
fn grouped(text: &str, lengths: &[usize], between: char) -> String {
    let mut grouped = String::with_capacity(text.len() * 2);
    let mut lengths = lengths.iter().copied();
    let mut length = lengths.next().unwrap_or(usize::MAX);
    let mut room = length;
    for character in text.chars() {
        if room == 0 {
            grouped.push(between);
            length = lengths.next().unwrap_or(length);
            room = length;
        }
        grouped.push(character);
        room -= 1;
    }
    grouped
}

/// Whether `word` is a number's word, in English or French.
pub(crate) fn is_number(word: &str) -> bool {
    number::number(&[word]).is_some()
}

/// How many words `text` has, as far as how much was said is concerned: letters and numbers count
/// as one each.
pub fn words(text: &str) -> u32 {
    let said = phrases::words(text);
    let count = said.iter().filter(|word| !phrases::FILLERS.contains(&word.as_str())).count();
    u32::try_from(count).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unasked(text: &str) -> Option<(Kind, Progress)> {
        dictated(text, Expectation::Open).map(|found| (found.kind, found.progress))
    }

    fn asked(kind: Kind, text: &str) -> Option<Progress> {
        let expectation = Expectation::Dictated { kind, length: None, french: false };
        dictated(text, expectation).map(|found| found.progress)
    }

    #[test]
    fn what_is_dictated_unasked_is_noticed() {
        use Progress::{Complete, Extensible, InProgress};
        for (text, kind, progress) in [
            ("my number is five five five", Kind::Phone, InProgress),
            ("c'est le 06 12", Kind::Phone, InProgress),
            ("c'est le 06 12 34 56 78.", Kind::Phone, Complete),
            ("zéro six douze trente-quatre", Kind::Phone, InProgress),
            ("It's J O H", Kind::Spelling, Extensible),
            ("D-U-P-O-N-T.", Kind::Spelling, Extensible),
            ("jean.dupont@gmail", Kind::Email, InProgress),
            ("jean arobase orange point fr", Kind::Email, Complete),
            ("it is X 7 double 2 B", Kind::Code, Extensible),
            ("c'est AB-123-CD", Kind::Plate, Complete),
            ("FR76 3000", Kind::Iban, InProgress),
        ] {
            assert_eq!(unasked(text), Some((kind, progress)), "{text}");
        }
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
            "I have two cats",
            "une table pour quatre",
            "it costs 15 €",
        ] {
            assert_eq!(unasked(text), None, "{text}");
        }
    }

    #[test]
    fn a_group_that_was_not_understood_is_part_of_what_was_asked_for() {
        assert_eq!(asked(Kind::Phone, "Nate it."), Some(Progress::InProgress));
        assert_eq!(asked(Kind::Phone, "my number is"), Some(Progress::InProgress));
        assert_eq!(asked(Kind::Spelling, "Willett."), Some(Progress::InProgress));
        for text in ["No.", "I don't have one", "Pardon ?", "why do you need that?"] {
            assert_eq!(asked(Kind::Phone, text), None, "{text}");
        }
    }

    #[test]
    fn closing_words_complete_what_may_go_on() {
        assert_eq!(asked(Kind::Spelling, "D U P O N T, voilà"), Some(Progress::Complete));
        assert_eq!(asked(Kind::Code, "seven four one, that's it"), Some(Progress::Complete));
        assert_eq!(asked(Kind::Phone, "five five five, thanks"), Some(Progress::InProgress));
        assert_eq!(asked(Kind::Phone, "Thank you."), None);
    }

    #[test]
    fn groups_are_cut_from_the_left() {
        assert_eq!(grouped("0612345678", &[2], ' '), "06 12 34 56 78");
        assert_eq!(grouped("7162446714", &[3, 3, 4], '-'), "716-244-6714");
        assert_eq!(grouped("", &[4], ' '), "");
    }
}
