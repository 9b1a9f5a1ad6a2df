//! What the assistant has just asked for. Pure.
//!
//! Read from the words of its last message, in English and in French: a caller who was asked for a
//! telephone number will dictate one, one who was asked whether to go on will say a word.

use serde::{Deserialize, Serialize};

use crate::dictation::Kind;
use crate::phrases;

/// What the caller is expected to say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "type")]
pub enum Expectation {
    /// Anything: nothing was asked, or an open question.
    #[default]
    Open,
    /// Yes or no, or a choice put to the caller.
    YesNo,
    /// A few words: how many, which day, what name.
    Short,
    /// One letter or one digit.
    Single,
    /// Something that is dictated.
    Dictated {
        /// What.
        kind: Kind,
        /// How many digits or letters it has, where the assistant said so.
        length: Option<u8>,
        /// The assistant asked in French.
        french: bool,
    },
}

/// What `message`, the assistant's last, asks for; `None` where it only makes the caller go on
/// ("take your time"), so that what was asked before still stands.
pub fn expectation(message: &str) -> Option<Expectation> {
    let sentences = sentences(message);
    if sentences.iter().all(|sentence| sentence.only_waits()) && !sentences.is_empty() {
        return None;
    }
    // The last one that asks for something.
    let asked = sentences.iter().rev().take(3).find_map(Sentence::asks);
    Some(asked.unwrap_or_default())
}

struct Sentence {
    /// ` words of the sentence `, lower case, without accents, a space at both ends.
    words: String,
    question: bool,
    /// It holds digits or an address: the assistant reads something back.
    reads_back: bool,
}

fn sentences(message: &str) -> Vec<Sentence> {
    let mut sentences = Vec::new();
    let mut start = 0;
    let ends = message.match_indices(['.', '?', '!', '…', '\n']);
    for (at, end) in ends.chain(std::iter::once((message.len(), ""))) {
        // A dot inside a number, an abbreviation or an address ends nothing.
        let next = message[at + end.len()..].chars().next();
        if end == "." && next.is_some_and(|next| !next.is_whitespace()) {
            continue;
        }
        let text = &message[start..at];
        start = at + end.len();
        let words = phrases::words(&text.replace(['-', '\'', '’'], " "));
        if words.is_empty() {
            if end == "?"
                && let Some(last) = sentences.last_mut()
            {
                let last: &mut Sentence = last;
                last.question = true;
            }
            continue;
        }
        sentences.push(Sentence {
            words: format!(" {} ", words.join(" ")),
            question: end == "?",
            reads_back: text.contains(|c: char| c.is_ascii_digit()) || text.contains('@'),
        });
    }
    sentences
}

impl Sentence {
    fn has(&self, phrases: &[&str]) -> bool {
        phrases.iter().any(|phrase| {
            self.words.match_indices(phrase).any(|(at, _)| {
                let before = self.words[..at].ends_with(' ');
                let after = self.words[at + phrase.len()..].starts_with(' ');
                before && after
            })
        })
    }

    fn starts(&self, phrases: &[&str]) -> bool {
        phrases.iter().any(|phrase| {
            self.words[1..].strip_prefix(phrase).is_some_and(|rest| rest.starts_with(' '))
        })
    }

    fn only_waits(&self) -> bool {
        let asks = self.question && self.starts(YES_NO);
        !asks && self.has(WAITING) && self.words.split_whitespace().count() <= 8
    }

    fn is_french(&self) -> bool {
        self.has(&[
            "votre", "vos", "quel", "quelle", "est", "le", "la", "de", "du", "un", "une", "vous",
            "moi", "les", "epelez", "ton", "ta",
        ])
    }

    fn asks(&self) -> Option<Expectation> {
        let wanted = self.has(REQUESTS);
        if (self.question || wanted) && !self.confirms() {
            if self.has(SINGLE) {
                return Some(Expectation::Single);
            }
            if let Some(kind) = self.kind() {
                let length = self.length();
                return Some(Expectation::Dictated { kind, length, french: self.is_french() });
            }
        }
        if !self.question {
            return None;
        }
        if self.has(OPENERS) {
            return Some(Expectation::Open);
        }
        if self.has(SHORT) {
            return Some(Expectation::Short);
        }
        if self.confirms() || self.starts(YES_NO) || self.has(CONFIRMING) {
            return Some(Expectation::YesNo);
        }
        Some(Expectation::Open)
    }

    /// It asks whether something is right, and not for it.
    fn confirms(&self) -> bool {
        self.reads_back && self.length().is_none()
            || self.has(CONFIRMING)
            || self.has(&["bien"]) && !self.has(&["tres bien", "voulez vous bien", "bien sur"])
    }

    fn kind(&self) -> Option<Kind> {
        KINDS.iter().find(|(_, names)| self.has(names)).map(|(kind, _)| *kind)
    }

    /// "the last four digits", "votre code à six chiffres".
    fn length(&self) -> Option<u8> {
        let words: Vec<&str> = self.words.split_whitespace().collect();
        let of = words.iter().position(|word| {
            matches!(
                *word,
                "digit"
                    | "digits"
                    | "letters"
                    | "characters"
                    | "chiffres"
                    | "lettres"
                    | "caracteres"
            )
        })?;
        words[of.saturating_sub(3)..of].iter().find_map(|word| {
            let value = match *word {
                "two" | "deux" => 2,
                "three" | "trois" => 3,
                "four" | "quatre" => 4,
                "five" | "cinq" => 5,
                "six" => 6,
                "seven" | "sept" => 7,
                "eight" | "huit" => 8,
                "nine" | "neuf" => 9,
                "ten" | "dix" => 10,
                "twelve" | "douze" => 12,
                _ => word.parse().ok().filter(|length| (2..=32).contains(length))?,
            };
            Some(value)
        })
    }
}

/// What is dictated, by the words that ask for it; the first that is found.
const KINDS: &[(Kind, &[&str])] = &[
    (
        Kind::Email,
        &["email", "e mail", "emails", "mail", "courriel", "adresse electronique", "adresse mel"],
    ),
    (Kind::Iban, &["iban", "rib", "bank account number", "numero de compte bancaire"]),
    (
        Kind::Plate,
        &[
            "plaque",
            "immatriculation",
            "license plate",
            "licence plate",
            "number plate",
            "registration number",
            "plate number",
        ],
    ),
    (
        Kind::Spelling,
        &[
            "spell",
            "spelling",
            "spelled",
            "epeler",
            "epelez",
            "epelle",
            "epellation",
            "letter by letter",
            "lettre par lettre",
            "lettre a lettre",
            "comment s ecrit",
            "comment ca s ecrit",
        ],
    ),
    (
        Kind::BirthDate,
        &[
            "date of birth",
            "birth date",
            "birthdate",
            "birthday",
            "date de naissance",
            "ne le",
            "nee le",
            "ne e le",
            "when were you born",
            "ou etes vous ne",
            "quand etes vous ne",
            "quand etes vous nee",
        ],
    ),
    (
        Kind::Phone,
        &[
            "phone",
            "telephone",
            "phone number",
            "mobile",
            "cell",
            "cell number",
            "callback number",
            "number to call you back",
            "number can we reach you",
            "portable",
            "numero ou vous joindre",
            "numero pour vous joindre",
            "numero pour vous rappeler",
            "quel numero peut on vous",
            "a quel numero",
            "best number to reach you",
            "number to reach you",
        ],
    ),
    (
        Kind::PostalCode,
        &["zip", "zip code", "zipcode", "postal code", "postcode", "post code", "code postal"],
    ),
    (
        Kind::Code,
        &[
            "code",
            "pin",
            "password",
            "mot de passe",
            "reference",
            "order number",
            "confirmation number",
            "booking number",
            "reservation number",
            "tracking number",
            "account number",
            "card number",
            "policy number",
            "case number",
            "ticket number",
            "customer number",
            "member number",
            "serial number",
            "security number",
            "invoice number",
            "numero de commande",
            "numero de dossier",
            "numero client",
            "numero de client",
            "numero de reservation",
            "numero de suivi",
            "numero de compte",
            "numero de carte",
            "numero de contrat",
            "numero de police",
            "numero de facture",
            "numero de serie",
            "numero de securite sociale",
            "numero d adherent",
            "matricule",
            "numero siret",
            "siret",
            "siren",
            "vin",
        ],
    ),
    (Kind::Address, &["address", "adresse", "where do you live", "ou habitez vous"]),
    (
        Kind::Date,
        &["what date", "which date", "quelle date", "a quelle date", "the date", "la date"],
    ),
    (Kind::Number, &["number", "numero", "digits", "chiffres"]),
];

/// A sentence without a question mark asks for something where it has one of these.
const REQUESTS: &[&str] = &[
    "spell",
    "give me",
    "give us",
    "tell me",
    "say",
    "enter",
    "type",
    "i need",
    "i ll need",
    "i will need",
    "we need",
    "provide",
    "please",
    "may i have",
    "can i have",
    "could i have",
    "can i get",
    "epelez",
    "epeler",
    "donnez",
    "donner",
    "dites",
    "dire",
    "indiquez",
    "indiquer",
    "besoin",
    "saisissez",
    "composez",
    "tapez",
    "laissez",
    "laisser",
    "precisez",
    "preciser",
    "veuillez",
    "merci de",
    "il me faut",
    "il me faudrait",
    "il me manque",
    "communiquez",
    "communiquer",
    "rappelez moi",
    "rappeler",
    "dis moi",
    "donne moi",
];

/// The assistant waits for more of the same.
const WAITING: &[&str] = &[
    "take your time",
    "go ahead",
    "i m listening",
    "i am listening",
    "whenever you re ready",
    "no rush",
    "carry on",
    "go on",
    "prenez votre temps",
    "je vous ecoute",
    "allez y",
    "continuez",
    "je note",
    "et ensuite",
    "et apres",
    "la suite",
    "and then",
    "i m ready",
    "poursuivez",
    "je suis pret",
    "je suis prete",
    "vous pouvez y aller",
];

const SINGLE: &[&str] = &[
    "which letter",
    "what letter",
    "which digit",
    "what digit",
    "letter or digit",
    "quelle lettre",
    "quel chiffre",
    "which key",
    "quelle touche",
    "which number between",
    "un chiffre entre",
];

/// Questions that are answered at length.
const OPENERS: &[&str] = &[
    "how can i help",
    "how may i help",
    "how can i assist",
    "what can i do for you",
    "what can i help",
    "what happened",
    "tell me more",
    "tell me about",
    "describe",
    "why",
    "what brings you",
    "what seems to be",
    "comment puis je vous aider",
    "comment vous aider",
    "que puis je faire",
    "en quoi puis je",
    "qu est ce qui",
    "que s est il passe",
    "pourquoi",
    "racontez",
    "expliquez",
    "decrivez",
    "dites m en plus",
    "quel est le probleme",
    "quel est l objet",
    "what is the problem",
    "what s the problem",
    "anything else",
    "autre chose",
    "what is it about",
    "a quel sujet",
];

/// Questions that are answered in a few words.
const SHORT: &[&str] = &[
    "how many",
    "how much",
    "how old",
    "how long",
    "what time",
    "which time",
    "when",
    "which day",
    "what day",
    "what size",
    "which",
    "your name",
    "first name",
    "last name",
    "who",
    "where",
    "combien",
    "quelle heure",
    "quand",
    "quel jour",
    "quel age",
    "quelle taille",
    "lequel",
    "laquelle",
    "votre nom",
    "votre prenom",
    "quel nom",
    "qui",
    "quelle ville",
    "ou",
    "quel service",
    "quelle prestation",
    "a quel nom",
];

const YES_NO: &[&str] = &[
    "is",
    "are",
    "am",
    "do",
    "does",
    "did",
    "can",
    "could",
    "shall",
    "should",
    "would",
    "will",
    "was",
    "were",
    "have",
    "has",
    "may",
    "est ce",
    "avez vous",
    "voulez vous",
    "souhaitez vous",
    "etes vous",
    "puis je",
    "pouvez vous",
    "pourriez vous",
    "voudriez vous",
    "desirez vous",
    "ca vous",
    "cela vous",
    "c est",
    "vous confirmez",
    "vous etes",
    "vous avez",
    "vous voulez",
    "vous souhaitez",
    "dois je",
    "faut il",
    "ok",
    "okay",
    "d accord",
    "y a t il",
    "so",
];

const CONFIRMING: &[&str] = &[
    "correct",
    "right",
    "is that right",
    "c est bien ca",
    "c est ca",
    "c est bien",
    "est ce exact",
    "c est exact",
    "exact",
    "n est ce pas",
    "vous confirmez",
    "can you confirm",
    "do you confirm",
    "est ce correct",
    "est ce bien",
    "is that your",
    "est bien",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(message: &str) -> Option<Kind> {
        match expectation(message) {
            Some(Expectation::Dictated { kind, .. }) => Some(kind),
            _ => None,
        }
    }

    #[test]
    fn a_question_names_what_will_be_dictated() {
        for (message, expected) in [
            ("What is your phone number?", Kind::Phone),
            ("Could you give me your e-mail address, please?", Kind::Email),
            ("How do you spell your last name?", Kind::Spelling),
            ("What is your zip code?", Kind::PostalCode),
            ("What is your date of birth?", Kind::BirthDate),
            ("Which code should I enter?", Kind::Code),
            ("Do you have your order number?", Kind::Code),
            ("What is the number?", Kind::Number),
            ("And your address?", Kind::Address),
            ("May I have your IBAN?", Kind::Iban),
            ("What is your licence plate?", Kind::Plate),
            ("Quel est votre numéro de téléphone ?", Kind::Phone),
            ("Très bien. À quel numéro peut-on vous rappeler ?", Kind::Phone),
            ("Pouvez-vous m'épeler votre nom ?", Kind::Spelling),
            ("Quelle est votre adresse e-mail ?", Kind::Email),
            ("Quelle est votre adresse ?", Kind::Address),
            ("Votre code postal, s'il vous plaît ?", Kind::PostalCode),
            ("Quelle est votre date de naissance ?", Kind::BirthDate),
            ("Quelle est votre plaque d'immatriculation ?", Kind::Plate),
            ("Auriez-vous votre numéro de commande ?", Kind::Code),
            ("Merci. Dites-moi votre adresse mail.", Kind::Email),
            ("Please spell your first name.", Kind::Spelling),
        ] {
            assert_eq!(kind(message), Some(expected), "{message}");
        }
    }

    #[test]
    fn what_is_read_back_or_noted_is_not_asked_for() {
        for message in [
            "So your number is 06 12 34 56 78, is that right?",
            "Votre adresse est bien jean@exemple.fr ?",
            "C'est bien le 06 12 34 56 78 ?",
        ] {
            assert_eq!(expectation(message), Some(Expectation::YesNo), "{message}");
        }
        assert_eq!(expectation("I have noted your email address."), Some(Expectation::Open));
        assert_eq!(expectation("J'ai bien votre numéro de téléphone."), Some(Expectation::Open));
    }

    #[test]
    fn other_questions_have_short_or_long_answers() {
        for (message, expected) in [
            ("Shall I go on?", Expectation::YesNo),
            ("Would you like to book a table?", Expectation::YesNo),
            ("Est-ce que ça vous convient ?", Expectation::YesNo),
            ("Souhaitez-vous un rendez-vous ?", Expectation::YesNo),
            ("For how many people?", Expectation::Short),
            ("Pour combien de personnes ?", Expectation::Short),
            ("À quel nom ?", Expectation::Short),
            ("Which letter or digit?", Expectation::Single),
            ("Hello, how can I help you?", Expectation::Open),
            ("Bonjour, que puis-je faire pour vous ?", Expectation::Open),
            ("We are open until eight.", Expectation::Open),
            ("", Expectation::Open),
        ] {
            assert_eq!(expectation(message), Some(expected), "{message}");
        }
    }

    #[test]
    fn an_assistant_that_waits_changes_nothing() {
        for message in
            ["Take your time.", "Prenez votre temps.", "Oui, je vous écoute.", "Go ahead!"]
        {
            assert_eq!(expectation(message), None, "{message}");
        }
    }

    #[test]
    fn a_length_that_was_named_is_known() {
        for (message, wanted) in [
            ("What are the last four digits of your card number?", Some(4)),
            ("Quel est votre code à six chiffres ?", Some(6)),
            ("What is your 8-digit reference?", Some(8)),
            ("What is your reference?", None),
        ] {
            let Some(Expectation::Dictated { length, .. }) = expectation(message) else {
                panic!("{message}");
            };
            assert_eq!(length, wanted, "{message}");
        }
    }
}
