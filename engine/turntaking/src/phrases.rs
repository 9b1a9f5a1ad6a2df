//! Words compared as they sound: without case, punctuation and accents.
//!
//! Acknowledgement and interruption phrases are matched by the longest phrase at each word, so
//! that "no problem" can acknowledge although "no" interrupts.

/// Vapi's acknowledgement phrases (`stopSpeakingPlan.acknowledgementPhrases`), with the forms a
/// recogniser writes for them.
const ACKNOWLEDGEMENTS_EN: &[&str] = &[
    "i understand",
    "i see",
    "i got it",
    "i hear you",
    "im listening",
    "im with you",
    "right",
    "okay",
    "ok",
    "sure",
    "alright",
    "all right",
    "got it",
    "understood",
    "yeah",
    "yep",
    "yes",
    "uh-huh",
    "mm-hmm",
    "mmhmm",
    "mm",
    "hmm",
    "gotcha",
    "mhmm",
    "mhm",
    "ah",
    "oh",
    "yeah okay",
    "yeah sure",
    "no problem",
];

/// What a French caller says to show that they follow.
const ACKNOWLEDGEMENTS_FR: &[&str] = &[
    "oui",
    "ouais",
    "d'accord",
    "daccord",
    "très bien",
    "bien",
    "bien sûr",
    "entendu",
    "je vois",
    "je comprends",
    "compris",
    "c'est ça",
    "voilà",
    "exactement",
    "tout à fait",
    "parfait",
    "super",
    "hum",
    "mh",
    "ah bon",
    "ah oui",
    "ah d'accord",
    "pas de souci",
    "pas de problème",
];

/// Vapi's interruption phrases (`stopSpeakingPlan.interruptionPhrases`).
const INTERRUPTIONS_EN: &[&str] = &[
    "stop",
    "shut",
    "up",
    "enough",
    "quiet",
    "silence",
    "but",
    "dont",
    "not",
    "no",
    "hold",
    "wait",
    "cut",
    "pause",
    "nope",
    "nah",
    "nevermind",
    "never",
    "bad",
    "actually",
];

/// How a French caller takes the floor.
const INTERRUPTIONS_FR: &[&str] = &[
    "non",
    "arrêtez",
    "arrête",
    "attendez",
    "attends",
    "mais",
    "pardon",
    "excusez-moi",
    "une seconde",
    "un instant",
    "deux secondes",
    "pas du tout",
    "ça suffit",
    "taisez-vous",
    "en fait",
    "jamais",
];

/// The default acknowledgement phrases, English and French.
pub fn default_acknowledgements() -> Vec<String> {
    [ACKNOWLEDGEMENTS_EN, ACKNOWLEDGEMENTS_FR].concat().into_iter().map(str::to_owned).collect()
}

/// The default interruption phrases, English and French.
pub fn default_interruptions() -> Vec<String> {
    [INTERRUPTIONS_EN, INTERRUPTIONS_FR].concat().into_iter().map(str::to_owned).collect()
}

/// Vapi's own lists, English only: acknowledgements, then interruptions.
pub(crate) fn vapi() -> (Vec<String>, Vec<String>) {
    let acknowledgements = ACKNOWLEDGEMENTS_EN
        .iter()
        .filter(|phrase| {
            !["all right", "yep", "mmhmm", "mm", "hmm", "mhm", "oh", "no problem"].contains(phrase)
        })
        .map(|&phrase| phrase.to_owned())
        .collect();
    (acknowledgements, INTERRUPTIONS_EN.iter().map(|&phrase| phrase.to_owned()).collect())
}

/// Sounds of hesitation: no words of the caller, in any language we listen for.
pub(crate) const FILLERS: &[&str] = &["uh", "uhm", "um", "erm", "hm", "euh", "heu", "euhm"];

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
}

impl Phrases {
    /// Prepares both lists; phrases without a letter or digit are left out.
    pub fn new(acknowledgements: &[String], interruptions: &[String]) -> Self {
        let prepare = |phrases: &[String]| {
            phrases.iter().map(|phrase| words(phrase)).filter(|words| !words.is_empty()).collect()
        };
        Self { acknowledgements: prepare(acknowledgements), interruptions: prepare(interruptions) }
    }

    /// What `text` amounts to.
    pub fn meaning(&self, text: &str) -> Meaning {
        let words = words(text);
        let mut count = 0;
        let mut acknowledged = false;
        let mut other = false;
        let mut at = 0;
        while at < words.len() {
            let rest = &words[at..];
            let interruption = longest(&self.interruptions, rest);
            let acknowledgement = longest(&self.acknowledgements, rest);
            if interruption > 0 && interruption >= acknowledgement {
                return Meaning::Interruption;
            }
            if acknowledgement > 0 {
                acknowledged = true;
                count += acknowledgement;
                at += acknowledgement;
                continue;
            }
            if !FILLERS.contains(&words[at].as_str()) {
                other = true;
                count += 1;
            }
            at += 1;
        }
        match (acknowledged, other) {
            (_, true) => Meaning::Words { count: u32::try_from(count).unwrap_or(u32::MAX) },
            (true, false) => Meaning::Acknowledgement,
            (false, false) => Meaning::Nothing,
        }
    }
}

/// How many words the longest phrase at the start of `words` has; 0: none matches.
fn longest(phrases: &[Vec<String>], words: &[String]) -> usize {
    phrases.iter().filter(|phrase| words.starts_with(phrase)).map(Vec::len).max().unwrap_or(0)
}

/// The words of `text`: lower case, without accents, apostrophes joined (`d'accord` is
/// `daccord`), everything else that is no letter or digit taken as a space.
pub fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    for character in text.chars() {
        if matches!(character, '\'' | '’' | '\u{300}'..='\u{36f}') {
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

/// The plain letters of an accented one, for the Latin letters of western Europe.
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
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meaning(text: &str) -> Meaning {
        Phrases::new(&default_acknowledgements(), &default_interruptions()).meaning(text)
    }

    #[test]
    fn words_lose_case_punctuation_and_accents() {
        assert_eq!(words("D'accord, ÇA marche !"), ["daccord", "ca", "marche"]);
        assert_eq!(words("Uh-huh… don’t"), ["uh", "huh", "dont"]);
        assert_eq!(words("e\u{301}te\u{301}"), ["ete"], "combining accents");
        assert_eq!(words("?! —"), Vec::<String>::new());
    }

    #[test]
    fn acknowledgements_in_a_row_are_still_one() {
        for text in ["Mhm.", "Yeah, okay.", "okay right", "Oui, d'accord.", "Très bien !", "Uh huh"]
        {
            assert_eq!(meaning(text), Meaning::Acknowledgement, "{text}");
        }
    }

    #[test]
    fn an_interruption_phrase_wins_wherever_it_stands() {
        for text in ["Stop!", "okay but", "yeah no", "Non, attendez", "oui mais", "excusez-moi"] {
            assert_eq!(meaning(text), Meaning::Interruption, "{text}");
        }
    }

    #[test]
    fn the_longest_phrase_decides() {
        assert_eq!(meaning("no problem"), Meaning::Acknowledgement);
        assert_eq!(meaning("no, problem solved"), Meaning::Words { count: 3 });
        assert_eq!(meaning("pas de souci"), Meaning::Acknowledgement);
    }

    #[test]
    fn fillers_are_no_words() {
        assert_eq!(meaning("euh… um"), Meaning::Nothing);
        assert_eq!(meaning(""), Meaning::Nothing);
        assert_eq!(meaning("euh les horaires"), Meaning::Words { count: 2 });
    }

    #[test]
    fn a_phrase_matches_whole_words_only() {
        assert_eq!(meaning("upstairs"), Meaning::Words { count: 1 });
        assert_eq!(meaning("nobody"), Meaning::Words { count: 1 });
    }
}
