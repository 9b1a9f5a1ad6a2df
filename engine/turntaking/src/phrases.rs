//! Words compared as they sound: without case, punctuation and accents.
//!
//! Acknowledgement and interruption phrases are matched by the longest phrase at each word, so
//! that "no problem" can acknowledge although "no" interrupts. Acknowledgements in a row are one:
//! "oui oui, d'accord". Lists an assistant gives replace ours; fillers stay.

mod arabic;
mod english;
mod french;
mod german;
mod italian;
mod spanish;

use crate::language::Language;

/// What people say on the phone in one language.
struct Lists {
    /// To show that they follow: never wants the floor. Thanks are not among them: said over
    /// somebody's voice they mean that it is enough.
    acknowledgements: &'static [&'static str],
    /// To take the floor.
    interruptions: &'static [&'static str],
    /// While they look for words: says nothing by itself. Beside [`FILLERS`], which are sounds.
    fillers: &'static [&'static str],
    /// To answer the phone, or who has called.
    hellos: &'static [&'static str],
}

const fn lists(language: Language) -> &'static Lists {
    match language {
        Language::Arabic => &arabic::LISTS,
        Language::English => &english::LISTS,
        Language::French => &french::LISTS,
        Language::German => &german::LISTS,
        Language::Italian => &italian::LISTS,
        Language::Spanish => &spanish::LISTS,
    }
}

/// The default acknowledgement phrases in these languages.
pub fn acknowledgements(languages: &[Language]) -> Vec<String> {
    let vapis = english::VAPI_ACKNOWLEDGEMENTS.iter().filter(|_| is_english(languages));
    vapis.chain(of(languages, |lists| lists.acknowledgements)).map(|&text| text.into()).collect()
}

/// The default interruption phrases in these languages.
pub fn interruptions(languages: &[Language]) -> Vec<String> {
    let vapis = english::VAPI_INTERRUPTIONS.iter().filter(|_| is_english(languages));
    vapis.chain(of(languages, |lists| lists.interruptions)).map(|&text| text.into()).collect()
}

/// Vapi's own lists, English only: acknowledgements, then interruptions.
pub(crate) fn vapi() -> (Vec<String>, Vec<String>) {
    let owned = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect();
    (owned(english::VAPI_ACKNOWLEDGEMENTS), owned(english::VAPI_INTERRUPTIONS))
}

fn is_english(languages: &[Language]) -> bool {
    languages.contains(&Language::English)
}

fn of(
    languages: &[Language],
    pick: fn(&'static Lists) -> &'static [&'static str],
) -> impl Iterator<Item = &'static &'static str> {
    languages.iter().flat_map(move |&language| pick(lists(language)))
}

/// Sounds of hesitation: no words of the caller, in any language we listen for.
pub(crate) const FILLERS: &[&str] = &[
    "uh", "uhh", "uhm", "um", "umm", "erm", "hm", "hmm", "mmm", "euh", "heu", "euhm", "ehm", "ahm",
];

/// What words amount to while the assistant speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// Nothing was said, or only fillers.
    Nothing,
    /// Acknowledgements and nothing else.
    Acknowledgement,
    /// An interruption phrase is among them.
    Interruption,
    /// Anything else.
    Words {
        /// How many, fillers not counted.
        count: u32,
    },
}

/// A call's phrases, made ready for comparison.
#[derive(Clone, Debug, Default)]
pub struct Phrases {
    acknowledgements: Vec<Vec<String>>,
    interruptions: Vec<Vec<String>>,
    fillers: Vec<Vec<String>>,
    hellos: Vec<Vec<String>>,
}

impl Phrases {
    /// Prepares both lists, and the fillers of `languages`; phrases without a letter or digit are
    /// left out.
    pub fn new(
        acknowledgements: &[String],
        interruptions: &[String],
        languages: &[Language],
    ) -> Self {
        let given = |phrases: &[String]| prepare(phrases.iter().map(String::as_str));
        let sounds = FILLERS.iter().chain(of(languages, |lists| lists.fillers));
        Self {
            acknowledgements: given(acknowledgements),
            interruptions: given(interruptions),
            fillers: prepare(sounds.copied()),
            hellos: prepare(of(languages, |lists| lists.hellos).copied()),
        }
    }

    /// What `text` amounts to.
    pub fn meaning(&self, text: &str) -> Meaning {
        let words = heard(text);
        let mut count = 0;
        let mut acknowledged = false;
        let mut other = false;
        let mut at = 0;
        while at < words.len() {
            let rest = &words[at..];
            let interruption = longest(&self.interruptions, rest);
            let acknowledgement = longest(&self.acknowledgements, rest);
            let filler = longest(&self.fillers, rest);
            if interruption > 0 && interruption >= acknowledgement.max(filler) {
                return Meaning::Interruption;
            }
            if acknowledgement > 0 && acknowledgement >= filler {
                acknowledged = true;
                count += acknowledgement;
                at += acknowledgement;
            } else if filler > 0 {
                at += filler;
            } else {
                other = true;
                count += 1;
                at += 1;
            }
        }
        match (acknowledged, other) {
            (_, true) => Meaning::Words { count: u32::try_from(count).unwrap_or(u32::MAX) },
            (true, false) => Meaning::Acknowledgement,
            (false, false) => Meaning::Nothing,
        }
    }

    /// The same while the assistant greets: a greeting only returns it ("Allô ? Oui, bonjour").
    pub(crate) fn over_a_greeting(&self) -> Self {
        let mut phrases = self.clone();
        phrases.interruptions.retain(|phrase| !self.hellos.contains(phrase));
        phrases.acknowledgements.extend(self.hellos.iter().cloned());
        phrases
    }
}

fn prepare<'a>(phrases: impl Iterator<Item = &'a str>) -> Vec<Vec<String>> {
    phrases.map(heard).filter(|words| !words.is_empty()).collect()
}

/// How many words the longest phrase at the start of `words` has; 0: none matches.
fn longest(phrases: &[Vec<String>], words: &[String]) -> usize {
    phrases.iter().filter(|phrase| words.starts_with(phrase)).map(Vec::len).max().unwrap_or(0)
}

/// The words of `text` as they are compared here: drawn-out sounds are as good as short ones, so
/// "mmmm" is "mm" and "ouiii" is "oui".
fn heard(text: &str) -> Vec<String> {
    let mut words = words(text);
    for word in &mut words {
        shorten(word);
    }
    words
}

/// Makes one letter of three or more; a word of one letter only keeps two of it.
fn shorten(word: &mut String) {
    let letters: Vec<char> = word.chars().collect();
    let runs: Vec<&[char]> = letters.chunk_by(|one, next| one == next).collect();
    let drawn = |run: &&[char]| run.len() >= 3 && run[0].is_alphabetic();
    if !runs.iter().any(drawn) {
        return;
    }
    let alone = runs.len() == 1;
    word.clear();
    for run in &runs {
        let kept = if !drawn(run) {
            run.len()
        } else if alone {
            2
        } else {
            1
        };
        word.extend(&run[..kept]);
    }
}

/// The words of `text`: lower case, without accents, apostrophes joined (`d'accord` is
/// `daccord`), everything else that is no letter or digit taken as a space. Arabic is without its
/// vowel signs, with one form of each letter that is written in several, and with our digits.
pub fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    for character in text.chars() {
        if is_mark(character) {
            continue;
        }
        if !character.is_alphanumeric() {
            if !word.is_empty() {
                words.push(std::mem::take(&mut word));
            }
            continue;
        }
        for lower in character.to_lowercase() {
            match unaccented(lower) {
                Some(plain) => word.push_str(plain),
                None => word.push(lower),
            }
        }
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

/// Apostrophes, combining accents, the vowel signs of Arabic and the line that stretches its words.
const fn is_mark(character: char) -> bool {
    matches!(
        character,
        '\'' | '’' | '\u{300}'..='\u{36f}' | '\u{640}' | '\u{64b}'..='\u{65f}' | '\u{670}'
    )
}

/// The plain letters of an accented one, for the Latin letters of western Europe; the common form
/// of an Arabic one.
const fn unaccented(letter: char) -> Option<&'static str> {
    Some(match letter {
        'à' | 'á' | 'â' | 'ã' | 'ä' | 'å' => "a",
        'ç' => "c",
        'è' | 'é' | 'ê' | 'ë' => "e",
        'ì' | 'í' | 'î' | 'ï' => "i",
        'ñ' => "n",
        'ò' | 'ó' | 'ô' | 'õ' | 'ö' | 'ø' => "o",
        'ù' | 'ú' | 'û' | 'ü' => "u",
        'ý' | 'ÿ' => "y",
        'æ' => "ae",
        'œ' => "oe",
        'ß' => "ss",
        'أ' | 'إ' | 'آ' | 'ٱ' => "ا",
        'ى' | 'ئ' => "ي",
        'ؤ' => "و",
        'ة' => "ه",
        '٠' => "0",
        '١' => "1",
        '٢' => "2",
        '٣' => "3",
        '٤' => "4",
        '٥' => "5",
        '٦' => "6",
        '٧' => "7",
        '٨' => "8",
        '٩' => "9",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn phrases(tag: &str) -> Phrases {
        let languages = Language::spoken_to(tag);
        Phrases::new(&acknowledgements(&languages), &interruptions(&languages), &languages)
    }

    fn meaning(text: &str) -> Meaning {
        phrases("fr").meaning(text)
    }

    fn all_mean(tag: &str, meaning: Meaning, texts: &[&str]) {
        let phrases = phrases(tag);
        for text in texts {
            assert_eq!(phrases.meaning(text), meaning, "{tag}: {text}");
        }
    }

    #[test]
    fn words_lose_case_punctuation_and_accents() {
        assert_eq!(words("D'accord, ÇA marche !"), ["daccord", "ca", "marche"]);
        assert_eq!(words("Uh-huh… don’t"), ["uh", "huh", "dont"]);
        assert_eq!(words("e\u{301}te\u{301}"), ["ete"], "combining accents");
        assert_eq!(words("أَيوَة، ٢٤"), ["ايوه", "24"]);
        assert_eq!(words("?! —"), Vec::<String>::new());
    }

    #[test]
    fn drawn_out_sounds_are_as_good_as_short_ones() {
        for text in ["Mmmm.", "hmmmmm", "ouiiii", "Mhmmm", "yeaaah"] {
            assert_eq!(meaning(text), Meaning::Acknowledgement, "{text}");
        }
        assert_eq!(meaning("noooon"), Meaning::Interruption);
        assert_eq!(meaning("m"), Meaning::Words { count: 1 }, "a letter of a name");
        assert_eq!(heard("06 000"), ["06", "000"], "digits are not shortened");
    }

    #[test]
    fn acknowledgements_in_a_row_are_still_one() {
        all_mean(
            "en",
            Meaning::Acknowledgement,
            &["Mhm.", "Yeah, okay.", "okay right", "Uh huh", "oh really", "so yeah", "um, sure"],
        );
        all_mean(
            "fr",
            Meaning::Acknowledgement,
            &[
                "Mhm.",
                "Oui, d'accord.",
                "Très bien !",
                "ok ok",
                "oui oui",
                "oui oui d'accord",
                "ouais ouais ok",
                "Ah d'accord.",
                "ben oui",
                "bah oui bien sûr",
                "euh, oui",
                "voilà voilà, c'est ça",
            ],
        );
    }

    #[test]
    fn people_acknowledge_in_their_own_language() {
        all_mean(
            "es",
            Meaning::Acknowledgement,
            &["sí, sí", "vale", "Claro que sí.", "ah, ya", "pues sí", "¡No hay problema!", "ok"],
        );
        all_mean(
            "de",
            Meaning::Acknowledgement,
            &["ja, ja", "Genau.", "Alles klar", "ach so, okay", "ja, kein Problem", "Ähm, ja"],
        );
        all_mean(
            "it",
            Meaning::Acknowledgement,
            &["sì sì", "Va bene.", "ho capito", "eh sì", "ma certo", "non c’è problema"],
        );
        all_mean(
            "ar",
            Meaning::Acknowledgement,
            &["نعم نعم", "أيوه، تمام", "طَيِّب", "إن شاء الله", "لا مشكلة", "واخا", "oui d'accord"],
        );
    }

    #[test]
    fn people_interrupt_in_their_own_language() {
        all_mean(
            "en",
            Meaning::Interruption,
            &["Stop!", "okay but", "yeah no", "hang on", "Sorry?", "one sec", "no no no"],
        );
        all_mean(
            "fr",
            Meaning::Interruption,
            &[
                "Non, attendez",
                "oui mais",
                "excusez-moi",
                "non non",
                "Pardon ?",
                "une petite seconde",
                "Allô ?",
                "d'accord mais en fait",
                "stop",
                "si si",
            ],
        );
        all_mean(
            "es",
            Meaning::Interruption,
            &["no", "espere", "sí, pero", "¡Oiga!", "un momento"],
        );
        all_mean(
            "de",
            Meaning::Interruption,
            &["Nein", "Moment mal", "ja aber", "Halt!", "Entschuldigung", "das stimmt nicht"],
        );
        all_mean("it", Meaning::Interruption, &["no", "aspetti", "sì, ma", "scusi", "un attimo"]);
        all_mean("ar", Meaning::Interruption, &["لا", "لحظة", "لكن", "اسمعني", "استنى", "طيب بس"]);
    }

    #[test]
    fn the_longest_phrase_decides() {
        assert_eq!(meaning("no problem"), Meaning::Acknowledgement);
        assert_eq!(meaning("no, problem solved"), Meaning::Words { count: 3 });
        assert_eq!(meaning("pas de souci"), Meaning::Acknowledgement);
        assert_eq!(meaning("c'est pas grave"), Meaning::Acknowledgement);
        assert_eq!(meaning("let me see"), Meaning::Nothing);
        assert_eq!(meaning("let me go"), Meaning::Interruption);
    }

    #[test]
    fn fillers_are_no_words() {
        for text in ["euh… um", "", "ben euh", "alors", "bon alors", "et bien", "well, you know"]
        {
            assert_eq!(meaning(text), Meaning::Nothing, "{text}");
        }
        assert_eq!(meaning("euh les horaires"), Meaning::Words { count: 2 });
        assert_eq!(meaning("alors les horaires"), Meaning::Words { count: 2 });
    }

    #[test]
    fn a_phrase_matches_whole_words_only() {
        assert_eq!(meaning("upstairs"), Meaning::Words { count: 1 });
        assert_eq!(meaning("nobody"), Meaning::Words { count: 1 });
    }

    #[test]
    fn a_word_of_one_language_is_not_heard_in_another() {
        assert_eq!(phrases("it").meaning("sì"), Meaning::Acknowledgement);
        assert_eq!(phrases("fr").meaning("si"), Meaning::Words { count: 1 });
        assert_eq!(phrases("de").meaning("mais"), Meaning::Words { count: 1 });
    }

    #[test]
    fn lists_that_are_given_replace_ours_and_fillers_stay() {
        let given = ["entendu".to_owned()];
        let phrases = Phrases::new(&given, &[], &[Language::French]);
        assert_eq!(phrases.meaning("euh entendu"), Meaning::Acknowledgement);
        assert_eq!(phrases.meaning("d'accord"), Meaning::Words { count: 1 });
        assert_eq!(phrases.meaning("non"), Meaning::Words { count: 1 });
    }

    #[test]
    fn a_greeting_only_returns_a_greeting() {
        let greeted = |tag| phrases(tag).over_a_greeting();
        for text in ["Allô ?", "Allô oui bonjour", "Oui, bonjour madame.", "Hello?", "euh bonjour"]
        {
            assert_eq!(greeted("fr").meaning(text), Meaning::Acknowledgement, "{text}");
        }
        for text in ["bonjour je voudrais un rendez-vous", "allô non", "bonjour attendez"] {
            assert_ne!(greeted("fr").meaning(text), Meaning::Acknowledgement, "{text}");
        }
        assert_eq!(greeted("it").meaning("Pronto?"), Meaning::Acknowledgement);
        assert_eq!(greeted("de").meaning("Ja, hallo?"), Meaning::Acknowledgement);
        assert_eq!(greeted("ar").meaning("ألو، السلام عليكم"), Meaning::Acknowledgement);
        assert_eq!(meaning("Allô ?"), Meaning::Interruption, "later it asks whether one is there");
    }

    #[test]
    fn no_phrase_stands_in_two_lists_of_a_language() {
        for &language in Language::ALL {
            let lists = lists(language);
            let acknowledgements = prepare(lists.acknowledgements.iter().copied());
            for phrase in prepare(lists.interruptions.iter().copied()) {
                assert!(!acknowledgements.contains(&phrase), "{language:?}: {phrase:?}");
            }
            for phrase in prepare(lists.fillers.iter().copied()) {
                assert!(!acknowledgements.contains(&phrase), "{language:?}: {phrase:?}");
            }
        }
    }
}
