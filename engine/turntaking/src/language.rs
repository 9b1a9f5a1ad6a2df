//! The languages whose phone manners are known here.

use serde::{Deserialize, Serialize};

/// A language with lists of its own of what people say without wanting the floor, and to take it
/// ([`crate::phrases`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Language {
    /// Arabic: the standard language, and what is said in Egypt, the Levant and the Maghreb.
    Arabic,
    /// English.
    English,
    /// French.
    French,
    /// German.
    German,
    /// Italian.
    Italian,
    /// Spanish, of Spain and of Latin America.
    Spanish,
}

impl Language {
    /// All of them.
    pub const ALL: &[Self] =
        &[Self::English, Self::French, Self::Spanish, Self::German, Self::Italian, Self::Arabic];

    /// The language of a BCP 47 tag (`fr`, `fr-FR`, `FR_ca`).
    pub fn of_tag(tag: &str) -> Option<Self> {
        let primary = tag.split(['-', '_']).next().unwrap_or_default().to_ascii_lowercase();
        Some(match primary.as_str() {
            "ar" => Self::Arabic,
            "de" => Self::German,
            "en" => Self::English,
            "es" => Self::Spanish,
            "fr" => Self::French,
            "it" => Self::Italian,
            _ => return None,
        })
    }

    /// What callers of an assistant with this tag speak. English is in every list: "ok", "yeah"
    /// and "no" are said everywhere. Arabic comes with French, as it is spoken in the Maghreb and
    /// in France. A word that is a back-channel in one language and says something in another
    /// ("si": Italian for yes, French for if) is why not all are listened for at once, but where
    /// the tag asks for it: `multi`.
    pub fn spoken_to(tag: &str) -> Vec<Self> {
        if tag.eq_ignore_ascii_case("multi") {
            return Self::ALL.to_vec();
        }
        match Self::of_tag(tag) {
            None | Some(Self::English | Self::French) => vec![Self::English, Self::French],
            Some(Self::Arabic) => vec![Self::Arabic, Self::French, Self::English],
            Some(other) => vec![other, Self::English],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_names_a_language_whatever_its_region() {
        for (tag, language) in [
            ("fr", Some(Language::French)),
            ("FR_ca", Some(Language::French)),
            ("de-AT", Some(Language::German)),
            ("arz", None),
            ("", None),
        ] {
            assert_eq!(Language::of_tag(tag), language, "{tag}");
        }
    }

    #[test]
    fn english_is_spoken_everywhere() {
        for tag in ["en-GB", "fr", "es-MX", "de", "it", "ar-MA", "multi", "nl", ""] {
            assert!(Language::spoken_to(tag).contains(&Language::English), "{tag}");
        }
        assert!(Language::spoken_to("ar").contains(&Language::French));
        assert!(!Language::spoken_to("it").contains(&Language::French), "si");
    }
}
