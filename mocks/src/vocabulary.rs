//! The words of the stand-ins' replies, each with a tone of its own, so that what was heard can be
//! read from the audio.

/// The words, in the order of their tones.
pub const WORDS: [&str; 40] = [
    "amber", "basil", "cedar", "delta", "ember", "fable", "gable", "hazel", "igloo", "jolly",
    "karma", "lemon", "mango", "noble", "ocean", "pearl", "quiet", "river", "salsa", "tulip",
    "ultra", "velvet", "willow", "yellow", "zebra", "anchor", "bridge", "candle", "dragon",
    "engine", "forest", "garden", "harbor", "island", "jungle", "kettle", "ladder", "marble",
    "needle", "orchid",
];

/// What is written `42,50 €` is spoken as these words: a spoken form that differs from the text.
pub const PRICE: [&str; 3] = ["forty-two", "euros", "fifty"];

/// The price as it is written: two tokens.
pub const PRICE_WRITTEN: [&str; 2] = ["42,50", "€"];

/// Tones there are: the words', the price's, and one for whatever else is said.
pub const TONES: usize = WORDS.len() + PRICE.len() + 1;

/// The lowest tone, in Hz.
const LOWEST: f64 = 350.0;

/// The highest tone, in Hz.
const HIGHEST: f64 = 2_950.0;

/// The tone of a spoken word; punctuation and case do not matter. Words that are not in the
/// vocabulary share the last one.
pub fn tone(word: &str) -> usize {
    let plain = word.trim_matches(|c: char| !c.is_alphanumeric());
    WORDS
        .iter()
        .chain(&PRICE)
        .position(|known| plain.eq_ignore_ascii_case(known))
        .unwrap_or(TONES - 1)
}

/// The frequency of a tone, in Hz. Neighbours are 5 % apart.
pub fn frequency(tone: usize) -> f64 {
    let step = tone.min(TONES - 1) as f64 / (TONES - 1) as f64;
    LOWEST * (HIGHEST / LOWEST).powf(step)
}

/// The tone nearest to a frequency in Hz; `None` where it is further away than half a step.
pub fn nearest_tone(hz: f64) -> Option<usize> {
    let steps = (hz / LOWEST).ln() / (HIGHEST / LOWEST).ln() * (TONES - 1) as f64;
    let nearest = steps.round();
    let known = (steps - nearest).abs() < 0.5 && (0.0..TONES as f64).contains(&nearest);
    known.then_some(nearest as usize)
}

/// The tokens of reply number `number`, each with the space before it: three words and a comma,
/// then words and a price, 20 in all. Its first two words are its own among 1,560 replies.
pub fn reply(number: u64) -> Vec<String> {
    let count = WORDS.len() as u64;
    let first = number % count;
    let second = (first + 1 + number / count % (count - 1)) % count;
    let mut order: Vec<u64> = (0..count).filter(|word| *word != first && *word != second).collect();
    // The rest follows the number too, so that neighbours are not alike.
    let turn = usize::try_from(number * 7 % (count - 2)).unwrap_or(0);
    order.rotate_left(turn);
    let mut words = [first, second].into_iter().chain(order);
    let mut tokens: Vec<String> = Vec::with_capacity(20);
    for position in 0..20 {
        let space = if position == 0 { "" } else { " " };
        let token = match position {
            9 => PRICE_WRITTEN[0].to_owned(),
            10 => PRICE_WRITTEN[1].to_owned(),
            _ => {
                let word = words.next().and_then(|word| usize::try_from(word).ok()).unwrap_or(0);
                let word = WORDS[word];
                match position {
                    0 => word[..1].to_uppercase() + &word[1..],
                    2 | 14 => format!("{word},"),
                    19 => format!("{word}."),
                    _ => word.to_owned(),
                }
            }
        };
        tokens.push(format!("{space}{token}"));
    }
    tokens
}

/// The tones in which a written word of a reply is heard.
pub fn tones_of(written: &str) -> Vec<usize> {
    match written {
        // The three words of the price are one: its sign is written and heard with it.
        written if written == PRICE_WRITTEN[0] => PRICE.iter().map(|word| tone(word)).collect(),
        written if written == PRICE_WRITTEN[1] => Vec::new(),
        written => vec![tone(written)],
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_tone_is_found_again() {
        for tone in 0..TONES {
            let hz = frequency(tone);
            assert_eq!(nearest_tone(hz), Some(tone));
            assert_eq!(nearest_tone(hz * 1.02), Some(tone));
        }
        assert_eq!(nearest_tone(100.0), None);
        assert_eq!(tone("Amber,"), 0);
        assert_eq!(tone("otherwise"), TONES - 1);
    }

    #[test]
    fn a_reply_has_twenty_words_and_is_known_by_two() {
        let mut beginnings = BTreeSet::new();
        for number in 0..1_560 {
            let tokens = reply(number);
            assert_eq!(tokens.len(), 20);
            assert!(tokens[2].ends_with(',') && tokens[19].ends_with('.'));
            assert!(beginnings.insert(tokens[..2].concat()), "{number}");
            let words: BTreeSet<String> = tokens.iter().map(|word| word.to_lowercase()).collect();
            assert_eq!(words.len(), 20, "no word twice: {tokens:?}");
        }
    }
}
