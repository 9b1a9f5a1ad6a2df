//! What a voice is given to say for a written text: no markdown, no emoji, symbols as words.
//!
//! The result is a list of words, each with its place in the written text, so that history keeps
//! the reply as it was written while audio positions are known word by word.

use std::ops::Range;

/// A word to be said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpokenWord {
    /// What the voice is given, punctuation included: `exemple`, `oui,`, `jean arobase exemple`.
    pub text: String,
    /// The written word, in bytes of the text.
    pub range: Range<usize>,
}

/// The names of symbols in one language.
#[derive(Debug)]
struct Symbols {
    at: &'static str,
    dot: &'static str,
    slash: &'static str,
    underscore: &'static str,
    dash: &'static str,
    and: &'static str,
    percent: &'static str,
    euros: &'static str,
    plus: &'static str,
    equals: &'static str,
    degrees: &'static str,
    number: &'static str,
}

const ENGLISH: Symbols = Symbols {
    at: "at",
    dot: "dot",
    slash: "slash",
    underscore: "underscore",
    dash: "dash",
    and: "and",
    percent: "percent",
    euros: "euros",
    plus: "plus",
    equals: "equals",
    degrees: "degrees",
    number: "number",
};

const FRENCH: Symbols = Symbols {
    at: "arobase",
    dot: "point",
    slash: "barre oblique",
    underscore: "tiret bas",
    dash: "tiret",
    and: "et",
    percent: "pour cent",
    euros: "euros",
    plus: "plus",
    equals: "égale",
    degrees: "degrés",
    number: "numéro",
};

/// The words of `text` as a voice of `language` (BCP 47) says them. Text without a letter or a
/// digit (punctuation, emoji) gives no word of its own; its punctuation goes to the word before.
pub fn spoken_words(text: &str, language: &str) -> Vec<SpokenWord> {
    let symbols = match primary_subtag(language).as_str() {
        "en" => Some(&ENGLISH),
        "fr" => Some(&FRENCH),
        _ => None,
    };
    let hidden = link_markup(text);
    let mut words: Vec<SpokenWord> = Vec::new();
    for range in word_ranges(text) {
        let visible: String = text[range.clone()]
            .char_indices()
            .filter(|(at, _)| !hidden.iter().any(|h| h.contains(&(range.start + at))))
            .map(|(_, c)| c)
            .collect();
        let said = say(&visible, symbols);
        if said.chars().any(char::is_alphanumeric) {
            words.push(SpokenWord { text: said, range });
        } else if let Some(last) = words.last_mut() {
            // `Vraiment ?`: the mark decides the melody of the word before it.
            let marks = said.chars().filter(|c| matches!(c, '.' | ',' | ';' | ':' | '!' | '?'));
            last.text.extend(marks);
        }
    }
    words
}

/// `fr` of `fr-FR`, in small letters.
pub(crate) fn primary_subtag(language: &str) -> String {
    language.split(['-', '_']).next().unwrap_or_default().to_ascii_lowercase()
}

/// Runs of characters that are not white space.
fn word_ranges(text: &str) -> impl Iterator<Item = Range<usize>> + '_ {
    text.split(char::is_whitespace).filter(|word| !word.is_empty()).map(|word| {
        let start = word.as_ptr() as usize - text.as_ptr() as usize;
        start..start + word.len()
    })
}

/// The parts of `[label](target)` and `![label](target)` that are not the label.
fn link_markup(text: &str) -> Vec<Range<usize>> {
    let mut hidden = Vec::new();
    let mut from = 0;
    while let Some(middle) = text[from..].find("](").map(|at| from + at) {
        from = middle + 2;
        let opening = text[..middle].rfind('[');
        let closing = text[middle..].find([')', '\n']).map(|at| middle + at);
        if let (Some(opening), Some(closing)) = (opening, closing)
            && text.as_bytes()[closing] == b')'
        {
            let image = usize::from(text[..opening].ends_with('!'));
            hidden.push(opening - image..opening + 1);
            hidden.push(middle..closing + 1);
            from = closing + 1;
        }
    }
    hidden
}

/// One written word, as it is said.
fn say(word: &str, symbols: Option<&Symbols>) -> String {
    let end = word.trim_end_matches(|c: char| !c.is_alphanumeric()).len();
    let body_start = word.len() - word.trim_start_matches(|c: char| !c.is_alphanumeric()).len();
    let body = &word[body_start.min(end)..end];
    if let Some(symbols) = symbols {
        if is_address(body) {
            let mut said = spell_address(body, symbols);
            push_plain(&mut said, word[end..].trim_start_matches('/'));
            return said;
        }
        if let Some(said) = say_amount(word, body, symbols) {
            return said;
        }
    }
    let mut said = String::with_capacity(word.len());
    for c in word.chars() {
        match (c, symbols) {
            ('%', Some(s)) => push_word(&mut said, s.percent),
            ('&', Some(s)) => push_word(&mut said, s.and),
            ('€', Some(s)) => push_word(&mut said, s.euros),
            ('+', Some(s)) if word.len() == 1 || word.starts_with('+') => {
                push_word(&mut said, s.plus);
            }
            ('=', Some(s)) => push_word(&mut said, s.equals),
            ('°', Some(s)) => push_word(&mut said, s.degrees),
            ('#', Some(s))
                if word.starts_with('#') && body.starts_with(|c: char| c.is_numeric()) =>
            {
                push_word(&mut said, s.number);
            }
            _ => push_plain_char(&mut said, c),
        }
    }
    let said = said.trim();
    // `- item`, `* item`, `—`: a mark of layout, not a word; a dash between words is a pause.
    if said.chars().all(|c| c == '-') {
        return if word.starts_with(['—', '–']) { ",".to_owned() } else { String::new() };
    }
    said.to_owned()
}

/// An e-mail or web address: its dots and slashes are said.
fn is_address(body: &str) -> bool {
    let inner = body.trim_end_matches('/');
    body.starts_with("http://")
        || body.starts_with("https://")
        || body.starts_with("www.")
        || inner.split_once('@').is_some_and(|(name, host)| {
            !name.is_empty() && host.contains('.') && !host.contains('@')
        })
}

fn spell_address(body: &str, symbols: &Symbols) -> String {
    let body =
        body.strip_prefix("https://").or_else(|| body.strip_prefix("http://")).unwrap_or(body);
    let mut said = String::new();
    for c in body.trim_end_matches('/').chars() {
        match c {
            '@' => push_word(&mut said, symbols.at),
            '.' => push_word(&mut said, symbols.dot),
            '/' => push_word(&mut said, symbols.slash),
            '_' => push_word(&mut said, symbols.underscore),
            '-' => push_word(&mut said, symbols.dash),
            '+' => push_word(&mut said, symbols.plus),
            c if c.is_alphanumeric() => {
                said.push(c);
            }
            _ => said.push(' '),
        }
    }
    said.trim().to_owned()
}

/// `€5` and `5€`: the sign is said after the number.
fn say_amount(word: &str, body: &str, symbols: &Symbols) -> Option<String> {
    let before = word.contains('€') && body.starts_with(|c: char| c.is_ascii_digit());
    if !before {
        return None;
    }
    let mut said = String::from(body);
    push_word(&mut said, symbols.euros);
    let mut said = said.trim_end().to_owned();
    push_plain(&mut said, word.rsplit(|c: char| c.is_alphanumeric() || c == '€').next()?);
    Some(said)
}

/// A word of its own, apart from what is around it.
fn push_word(said: &mut String, word: &str) {
    if !said.is_empty() && !said.ends_with(' ') {
        said.push(' ');
    }
    said.push_str(word);
    said.push(' ');
}

fn push_plain(said: &mut String, text: &str) {
    text.chars().for_each(|c| push_plain_char(said, c));
}

/// A character as every voice takes it: letters, digits and the punctuation that shapes a phrase.
/// Brackets and markup marks become spaces: to some programs they are commands.
fn push_plain_char(said: &mut String, c: char) {
    if matches!(c, '.' | ',' | ';' | ':' | '!' | '?' | '…') {
        said.truncate(said.trim_end().len());
    }
    match c {
        '’' | '‘' | '\'' | 'ʼ' => said.push('\''),
        '…' => said.push_str("..."),
        '。' => said.push('.'),
        '，' | '、' | '،' => said.push(','),
        '！' => said.push('!'),
        '？' | '؟' => said.push('?'),
        '—' | '–' | '‑' | '−' | '-' => said.push('-'),
        '.' | ',' | ';' | ':' | '!' | '?' | '$' | '£' | '/' | '@' => said.push(c),
        '_' | '(' | ')' | '[' | ']' | '{' | '}' | '|' | '\\' | '~'
            if !said.is_empty() && !said.ends_with(' ') =>
        {
            said.push(' ');
        }
        c if c.is_alphanumeric() && !is_emoji(c) => said.push(c),
        c if is_combining(c) => said.push(c),
        _ => {}
    }
}

/// Marks that belong to the letter before them.
fn is_combining(c: char) -> bool {
    matches!(u32::from(c), 0x300..=0x36f | 0x591..=0x5c7 | 0x64b..=0x65f | 0x900..=0x903
        | 0x93a..=0x94f | 0xe31..=0xe4e)
}

/// Pictures that `char::is_alphanumeric` counts as letters or digits (circled and squared ones).
fn is_emoji(c: char) -> bool {
    matches!(u32::from(c), 0x2460..=0x24ff | 0x2776..=0x2793 | 0x1f100..=0x1faff)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn english(text: &str) -> String {
        joined(text, "en-US")
    }

    fn french(text: &str) -> String {
        joined(text, "fr-FR")
    }

    fn joined(text: &str, language: &str) -> String {
        let words = spoken_words(text, language);
        words.iter().map(|w| w.text.as_str()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn plain_words_stay_and_know_their_place() {
        let text = " Bien sûr, l’été !";
        let words = spoken_words(text, "fr");
        let said: Vec<_> =
            words.iter().map(|w| (w.text.as_str(), &text[w.range.clone()])).collect();
        assert_eq!(said, [("Bien", "Bien"), ("sûr,", "sûr,"), ("l'été!", "l’été")]);
    }

    #[test]
    fn markdown_is_not_spoken() {
        assert_eq!(
            english("# Plan\n- **Bold** and `code`\n* _soft_, ~~no~~"),
            "Plan Bold and code soft, no"
        );
        assert_eq!(english("See [the site](https://a.example/b) now."), "See the site now.");
        assert_eq!(english("![logo](x.png) Done"), "logo Done");
        assert_eq!(english("> quoted | cell [[x]]"), "quoted cell x");
    }

    #[test]
    fn emoji_and_control_characters_are_not_spoken() {
        assert_eq!(english("Great 😀👍🏽 job ❤️\u{7}\u{1b}!"), "Great job!");
        assert!(spoken_words("😀 — ** …", "en").is_empty());
        assert!(spoken_words(" \n\u{0}", "en").is_empty());
    }

    #[test]
    fn addresses_are_spelled_in_the_language() {
        assert_eq!(
            french("Écrivez à jean.dupont@exemple.fr."),
            "Écrivez à jean point dupont arobase exemple point fr."
        );
        assert_eq!(
            english("Mail a_b@example.com, ok"),
            "Mail a underscore b at example dot com, ok"
        );
        assert_eq!(
            english("https://www.example.com/x-y/"),
            "www dot example dot com slash x dash y"
        );
        assert_eq!(joined("a@b.de", "de"), "a@b.de");
    }

    #[test]
    fn signs_become_words() {
        assert_eq!(english("50% & more"), "50 percent and more");
        assert_eq!(french("20 % de 42,50 €."), "20 pour cent de 42,50 euros.");
        assert_eq!(english("It costs €5."), "It costs 5 euros.");
        assert_eq!(french("Pour 5€ ou 18°"), "Pour 5 euros ou 18 degrés");
        assert_eq!(english("#4 and $3"), "number 4 and $3");
    }

    #[test]
    fn marks_apart_from_their_word_join_it() {
        assert_eq!(french("Vraiment\u{202f}? Il dit\u{a0}: « oui »"), "Vraiment? Il dit: oui");
        assert_eq!(english("one — two"), "one, two");
        assert_eq!(english("well-known O'Neil"), "well-known O'Neil");
    }
}
