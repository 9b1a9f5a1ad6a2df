//! Has the caller finished? How much silence it takes, from what is known. Pure.

use std::time::Duration;

use crate::dictation::{self, Dictation};
use crate::input::Probability;
use crate::phrases::{self, FILLERS};
use crate::settings::StartSpeakingPlan;

/// Silence that ends a turn which the turn model holds for finished and the transcript closes
/// with a full stop. 320 ms is ten windows of the voice detector, more than the longest silence
/// inside a fluent word or between two (a stop consonant lasts about 100 ms), and leaves the turn
/// model (asked at 100 ms, about 50 ms a look) and the final decode time to answer.
pub const SURE: Duration = Duration::from_millis(320);
/// The same where the transcript does not end in punctuation.
pub const SURE_UNPUNCTUATED: Duration = Duration::from_millis(360);
/// Silence that ends a turn nobody is sure about: the median gap between speakers is 200 ms, and
/// nine in ten pauses inside a turn are shorter than 700.
pub const UNSURE: Duration = Duration::from_millis(700);
/// The same without a word from the turn model and without punctuation.
pub const UNSURE_UNPUNCTUATED: Duration = Duration::from_millis(900);
/// Silence that ends a turn which the turn model holds for unfinished, but only just.
pub const UNFINISHED: Duration = Duration::from_millis(1_200);
/// The same where it has no doubt. Beyond this a caller who has finished thinks the line dead.
pub const SURELY_UNFINISHED: Duration = Duration::from_millis(1_600);
/// Silence that ends a dictation: long enough to look at the next digits on a card.
pub const DICTATING: Duration = Duration::from_millis(1_800);
/// The same where the turn model holds it for finished: intonation falls at the end of each group
/// of digits, so it is half believed.
pub const DICTATING_SURE: Duration = Duration::from_millis(1_000);
/// Silence after "and", "the", "pour": the sentence must go on, but the caller may be lost.
pub const OPEN: Duration = Duration::from_millis(1_000);
/// Silence after "uh": the caller holds the floor on purpose.
pub const HESITATING: Duration = Duration::from_millis(1_200);

/// The turn model's own threshold: at and above it the caller has finished.
const FINISHED: u16 = 5_000;
/// Below it the caller has not.
const NOT_FINISHED: u16 = 3_000;

/// What the end of a transcript looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// A question mark, an exclamation mark, or a full stop after a word that can end a sentence.
    Closed,
    /// No punctuation.
    Plain,
    /// A conjunction, an article, a preposition: the sentence is not complete.
    Open,
    /// A filler, or dots.
    Hesitating,
    /// Letters, digits or an address, not yet complete.
    Dictating,
}

/// Words after which no sentence ends, full stop or not.
const NEVER_LAST: &[&str] = &[
    "and", "or", "but", "because", "the", "an", "my", "your", "our", "their", "et", "ou", "mais",
    "donc", "parce", "que", "le", "les", "un", "une", "des", "du", "au", "aux", "mon", "ma", "mes",
    "votre", "vos", "notre", "nos", "je", "c'est", "est", "qu'il", "qu'elle",
];

/// Words after which a sentence may end in a question or with a full stop, but hardly without.
const SELDOM_LAST: &[&str] = &[
    "a", "to", "of", "for", "with", "from", "in", "on", "at", "by", "is", "are", "i", "i'm",
    "it's", "if", "than", "about", "like", "so", "that", "want", "need", "de", "à", "pour", "avec",
    "dans", "sur", "chez", "par", "sans", "la", "en", "qui", "si", "comme", "quand", "vers",
    "voudrais", "j'ai", "suis",
];

/// The shape of a transcript's end.
pub fn shape(text: &str) -> Shape {
    let text = text.trim_end();
    match dictation::at_the_end_of(text) {
        Some(Dictation::InProgress) => return Shape::Dictating,
        Some(Dictation::Complete) => return Shape::Closed,
        None => {}
    }
    if text.ends_with('…') || text.ends_with("...") || text.ends_with('-') {
        return Shape::Hesitating;
    }
    let last = last_word(text);
    if FILLERS.contains(&last.as_str()) {
        return Shape::Hesitating;
    }
    if text.ends_with(['?', '!']) {
        return Shape::Closed;
    }
    if NEVER_LAST.contains(&last.as_str()) || text.ends_with(',') {
        return Shape::Open;
    }
    if text.ends_with(['.', '。']) {
        return Shape::Closed;
    }
    if SELDOM_LAST.contains(&last.as_str()) {
        return Shape::Open;
    }
    Shape::Plain
}

/// The last word in lower case, accents and apostrophe kept.
fn last_word(text: &str) -> String {
    text.split(|character: char| !(character.is_alphanumeric() || matches!(character, '\'' | '’')))
        .rfind(|word| !word.is_empty())
        .unwrap_or("")
        .to_lowercase()
        .replace('’', "'")
}

/// The silence, counted from the end of speech, that ends a turn with this transcript: our own
/// smart endpointing.
pub fn smart(shape: Shape, score: Option<Probability>) -> Duration {
    let Some(score) = score.map(Probability::ten_thousandths) else {
        return match shape {
            Shape::Closed => UNSURE,
            Shape::Plain => UNSURE_UNPUNCTUATED,
            Shape::Open => OPEN.max(UNFINISHED),
            Shape::Hesitating => HESITATING,
            Shape::Dictating => DICTATING,
        };
    };
    if score >= FINISHED {
        return match shape {
            Shape::Closed => SURE,
            Shape::Plain => SURE_UNPUNCTUATED,
            Shape::Open => UNSURE,
            Shape::Hesitating => UNSURE_UNPUNCTUATED,
            Shape::Dictating => DICTATING_SURE,
        };
    }
    if shape == Shape::Dictating {
        return DICTATING;
    }
    if score >= NOT_FINISHED {
        return match shape {
            Shape::Closed | Shape::Plain => UNSURE,
            Shape::Open => OPEN,
            Shape::Hesitating | Shape::Dictating => HESITATING,
        };
    }
    // From UNFINISHED just below the threshold to SURELY_UNFINISHED at 0, in whole milliseconds
    // so that every machine waits the same.
    let doubt = u64::from(NOT_FINISHED - score);
    let most = SURELY_UNFINISHED - UNFINISHED;
    UNFINISHED + most * u32::try_from(doubt).unwrap_or(0) / u32::from(NOT_FINISHED)
}

/// The silence that ends a turn by `transcriptionEndpointingPlan`.
pub fn by_transcript(plan: &StartSpeakingPlan, text: &str) -> Duration {
    let text = text.trim_end();
    let bare = text.trim_end_matches(['.', ',', '!', '?', '…']);
    let last = phrases::words(bare).pop().unwrap_or_default();
    if bare.ends_with(|character: char| character.is_ascii_digit())
        || dictation::number(&last).is_some()
    {
        plan.on_number
    } else if text.ends_with(['.', '!', '?', '…', '。']) {
        plan.on_punctuation
    } else {
        plan.on_no_punctuation
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn score(value: f32) -> Option<Probability> {
        Some(Probability::new(value))
    }

    #[test]
    fn shapes() {
        for (text, expected) in [
            ("What are your hours?", Shape::Closed),
            ("Un rendez-vous demain matin.", Shape::Closed),
            ("a table for two", Shape::Plain),
            ("I would like to book and", Shape::Open),
            ("I would like to book and.", Shape::Open),
            ("That's what I was looking for.", Shape::Closed),
            ("I was looking for", Shape::Open),
            ("je voudrais réserver pour", Shape::Open),
            ("celui-là", Shape::Plain),
            ("c’est", Shape::Open),
            ("I want, uh", Shape::Hesitating),
            ("je voudrais… ", Shape::Hesitating),
            ("Euh.", Shape::Hesitating),
            ("my number is 555 01", Shape::Dictating),
            ("06 12 34 56 78", Shape::Closed),
        ] {
            assert_eq!(shape(text), expected, "{text}");
        }
    }

    #[test]
    fn a_sure_turn_ends_within_360_ms() {
        assert_eq!(smart(Shape::Closed, score(0.5)), SURE);
        assert_eq!(smart(Shape::Plain, score(0.9)), SURE_UNPUNCTUATED);
    }

    #[test]
    fn doubt_waits_longer_and_never_less() {
        let shapes =
            [Shape::Closed, Shape::Plain, Shape::Open, Shape::Hesitating, Shape::Dictating];
        for shape in shapes {
            let waits: Vec<_> = (0..=100)
                .rev()
                .map(|percent| smart(shape, score(percent as f32 / 100.0)))
                .collect();
            assert!(waits.is_sorted(), "{shape:?}: {waits:?}");
            assert!(waits.iter().all(|wait| *wait <= DICTATING), "{shape:?}");
        }
    }

    #[test]
    fn an_unfinished_turn_waits_1_2_to_1_6_seconds() {
        assert_eq!(smart(Shape::Closed, score(0.0)), SURELY_UNFINISHED);
        assert_eq!(smart(Shape::Closed, score(0.15)), Duration::from_millis(1_400));
        assert!(smart(Shape::Closed, score(0.299)) < UNFINISHED + Duration::from_millis(2));
    }

    #[test]
    fn without_smart_endpointing_the_transcript_decides() {
        let plan = StartSpeakingPlan::default();
        assert_eq!(by_transcript(&plan, "Hello."), plan.on_punctuation);
        assert_eq!(by_transcript(&plan, "hello"), plan.on_no_punctuation);
        assert_eq!(by_transcript(&plan, "it is 42."), plan.on_number);
        assert_eq!(by_transcript(&plan, "c'est quatre-vingt"), plan.on_number);
    }
}
