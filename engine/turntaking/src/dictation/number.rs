//! Number words of English and French, as they are said when a number is dictated.

/// A number at the front of some words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Number {
    /// How many words it takes.
    pub(super) words: usize,
    /// Its digits, as written: "zero" is `0`, "soixante-dix" is `70`.
    pub(super) digits: String,
    /// It ends in a word that often goes on: "twenty" (one), "soixante" (-dix), "deux mille".
    pub(super) open: bool,
}

/// The longest number at the front of `words` (lower case, without accents).
pub(super) fn number(words: &[&str]) -> Option<Number> {
    let first = *words.first()?;
    if let Some(times) = repeat(first) {
        let unit = words.get(1).and_then(|word| digit(word))?;
        let digits = unit.to_string().repeat(times);
        return Some(Number { words: 2, digits, open: false });
    }
    if matches!(first, "oh" | "zero" | "nought") {
        return Some(Number { words: 1, digits: "0".to_owned(), open: false });
    }
    // The longer reading is meant: "quatre vingt" is 80, not 4 and 20.
    let (english, french) = (below_a_million(words, &ENGLISH), below_a_million(words, &FRENCH));
    let longest = match (english, french) {
        (Some(english), Some(french)) if english.1 > french.1 => english,
        (_, Some(french)) => french,
        (english, None) => english?,
    };
    let (value, words, open) = longest;
    Some(Number { words, digits: value.to_string(), open })
}

/// "double five", "triple zéro".
pub(super) fn repeat(word: &str) -> Option<usize> {
    match word {
        "double" => Some(2),
        "triple" => Some(3),
        _ => None,
    }
}

/// A single digit's word.
fn digit(word: &str) -> Option<u32> {
    match word {
        "oh" | "zero" => Some(0),
        _ => ENGLISH.unit(word).or_else(|| FRENCH.unit(word)),
    }
}

/// How a language builds its numbers.
struct Language {
    units: &'static [(&'static str, u32)],
    teens: &'static [(&'static str, u32)],
    tens: &'static [(&'static str, u32)],
    and: &'static str,
    hundred: &'static [&'static str],
    thousand: &'static [&'static str],
    /// French: "soixante-dix", "quatre-vingt-dix-sept", "dix-sept", "cent" and "mille" alone.
    french: bool,
}

const ENGLISH: Language = Language {
    units: &[
        ("one", 1),
        ("two", 2),
        ("three", 3),
        ("four", 4),
        ("five", 5),
        ("six", 6),
        ("seven", 7),
        ("eight", 8),
        ("nine", 9),
    ],
    teens: &[
        ("ten", 10),
        ("eleven", 11),
        ("twelve", 12),
        ("thirteen", 13),
        ("fourteen", 14),
        ("fifteen", 15),
        ("sixteen", 16),
        ("seventeen", 17),
        ("eighteen", 18),
        ("nineteen", 19),
    ],
    tens: &[
        ("twenty", 20),
        ("thirty", 30),
        ("forty", 40),
        ("fourty", 40),
        ("fifty", 50),
        ("sixty", 60),
        ("seventy", 70),
        ("eighty", 80),
        ("ninety", 90),
    ],
    and: "and",
    hundred: &["hundred"],
    thousand: &["thousand"],
    french: false,
};

const FRENCH: Language = Language {
    units: &[
        ("un", 1),
        ("une", 1),
        ("deux", 2),
        ("trois", 3),
        ("quatre", 4),
        ("cinq", 5),
        ("six", 6),
        ("sept", 7),
        ("huit", 8),
        ("neuf", 9),
    ],
    teens: &[
        ("dix", 10),
        ("onze", 11),
        ("douze", 12),
        ("treize", 13),
        ("quatorze", 14),
        ("quinze", 15),
        ("seize", 16),
    ],
    tens: &[
        ("vingt", 20),
        ("trente", 30),
        ("quarante", 40),
        ("cinquante", 50),
        ("soixante", 60),
        ("septante", 70),
        ("huitante", 80),
        ("octante", 80),
        ("nonante", 90),
    ],
    and: "et",
    hundred: &["cent", "cents"],
    thousand: &["mille", "mil"],
    french: true,
};

impl Language {
    fn unit(&self, word: &str) -> Option<u32> {
        look_up(self.units, word)
    }
}

fn look_up(list: &[(&str, u32)], word: &str) -> Option<u32> {
    list.iter().find(|(name, _)| *name == word).map(|(_, value)| *value)
}

/// A value, the words it takes, and whether its last word often goes on.
type Parsed = (u32, usize, bool);

fn below_a_million(words: &[&str], language: &Language) -> Option<Parsed> {
    let is_thousand = |at: usize| words.get(at).is_some_and(|w| language.thousand.contains(w));
    let (thousands, mut taken) = match below_a_thousand(words, language) {
        Some((value, taken, _)) if is_thousand(taken) => (value, taken + 1),
        None if language.french && is_thousand(0) => (1, 1),
        parsed => return parsed,
    };
    let and = usize::from(words.get(taken) == Some(&language.and) && !language.french);
    let Some((rest, more, open)) = below_a_thousand(&words[taken + and..], language) else {
        return Some((thousands * 1_000, taken, true));
    };
    taken += and + more;
    Some((thousands * 1_000 + rest, taken, open))
}

fn below_a_thousand(words: &[&str], language: &Language) -> Option<Parsed> {
    let is_hundred = |at: usize| words.get(at).is_some_and(|w| language.hundred.contains(w));
    let (hundreds, mut taken) = match below_a_hundred(words, language) {
        // "nineteen hundred" too.
        Some((value, taken, _)) if is_hundred(taken) && value > 1 => (value, taken + 1),
        Some((1, 1, _)) if is_hundred(1) => (1, 2),
        None if language.french && is_hundred(0) => (1, 1),
        parsed => return parsed,
    };
    let and = usize::from(words.get(taken) == Some(&language.and) && !language.french);
    let Some((rest, more, open)) = below_a_hundred(&words[taken + and..], language) else {
        return Some((hundreds * 100, taken, true));
    };
    taken += and + more;
    Some((hundreds * 100 + rest, taken, open))
}

fn below_a_hundred(words: &[&str], language: &Language) -> Option<Parsed> {
    let first = *words.first()?;
    let second = words.get(1).copied().unwrap_or_default();
    if language.french && first == "quatre" && matches!(second, "vingt" | "vingts") {
        return Some(french_tail(80, 2, words));
    }
    if language.french && first == "soixante" {
        return Some(french_tail(60, 1, words));
    }
    if let Some(ten) = look_up(language.tens, first) {
        let and = usize::from(second == language.and && language.french);
        return Some(match words.get(1 + and).and_then(|word| language.unit(word)) {
            // "vingt et un", but not "vingt et deux": those are two numbers.
            Some(unit) if and == 0 || unit == 1 => (ten + unit, 2 + and, false),
            _ => (ten, 1, true),
        });
    }
    if let Some(teen) = look_up(language.teens, first) {
        if language.french && teen == 10 {
            let more = language.unit(second).filter(|unit| *unit >= 7);
            return Some(more.map_or((10, 1, false), |unit| (10 + unit, 2, false)));
        }
        return Some((teen, 1, false));
    }
    language.unit(first).map(|unit| (unit, 1, false))
}

/// What may follow "soixante" and "quatre-vingt": 1 to 19.
fn french_tail(base: u32, taken: usize, words: &[&str]) -> Parsed {
    let and = usize::from(words.get(taken) == Some(&"et"));
    let rest = &words[(taken + and).min(words.len())..];
    let first = rest.first().copied().unwrap_or_default();
    if let Some(teen) = look_up(FRENCH.teens, first)
        && (and == 0 || teen == 11)
    {
        let unit = rest.get(1).and_then(|word| FRENCH.unit(word)).filter(|unit| *unit >= 7);
        return match unit {
            Some(unit) if teen == 10 => (base + 10 + unit, taken + and + 2, false),
            _ => (base + teen, taken + and + 1, teen == 10),
        };
    }
    match FRENCH.unit(first) {
        Some(unit) if and == 0 || unit == 1 => (base + unit, taken + and + 1, false),
        _ => (base, taken, true),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (String, usize, bool) {
        let words: Vec<&str> = text.split_whitespace().collect();
        let number = number(&words).unwrap_or_else(|| panic!("{text} is a number"));
        (number.digits, number.words, number.open)
    }

    #[test]
    fn french_numbers_are_read_to_their_end() {
        for (text, digits, words) in [
            ("zero six", "0", 1),
            ("dix sept", "17", 2),
            ("dix six", "10", 1),
            ("vingt et un", "21", 3),
            ("vingt et deux", "20", 1),
            ("soixante dix", "70", 2),
            ("soixante dix sept", "77", 3),
            ("soixante et onze", "71", 3),
            ("soixante huit", "68", 2),
            ("quatre vingt", "80", 2),
            ("quatre vingt dix sept", "97", 4),
            ("quatre vingts", "80", 2),
            ("nonante deux", "92", 2),
            ("cent vingt trois", "123", 3),
            ("mille neuf cent soixante sept", "1967", 5),
            ("deux mille douze", "2012", 3),
            ("quatre cinq", "4", 1),
        ] {
            let (found, taken, _) = read(text);
            assert_eq!((found.as_str(), taken), (digits, words), "{text}");
        }
    }

    #[test]
    fn english_numbers_are_read_to_their_end() {
        for (text, digits, words) in [
            ("oh two", "0", 1),
            ("double five two", "55", 2),
            ("triple zero", "000", 2),
            ("twenty seven", "27", 2),
            ("sixty zero", "60", 1),
            ("nineteen sixty seven", "19", 1),
            ("nineteen hundred", "1900", 2),
            ("two thousand and twelve", "2012", 4),
            ("one hundred and five", "105", 4),
            ("six", "6", 1),
        ] {
            let (found, taken, _) = read(text);
            assert_eq!((found.as_str(), taken), (digits, words), "{text}");
        }
    }

    #[test]
    fn tens_may_go_on_and_units_may_not() {
        for text in ["twenty", "soixante", "quatre vingt", "soixante dix", "deux mille", "cent"] {
            assert!(read(text).2, "{text}");
        }
        for text in ["seven", "twenty one", "dix", "soixante dix huit", "seize"] {
            assert!(!read(text).2, "{text}");
        }
    }

    #[test]
    fn other_words_are_no_numbers() {
        for words in [&["hello"][..], &["double"], &["double", "l"], &[]] {
            assert_eq!(number(words), None, "{words:?}");
        }
    }
}
