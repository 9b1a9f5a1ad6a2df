//! Has the caller finished? How much silence it takes, from what is known. Pure.
//!
//! Two things are asked of every pause: how likely is it that the caller goes on, and how long do
//! such pauses last? Pauses inside fluent speech are short and their lengths fall off
//! exponentially, so that after a silence `t` a caller of whom we thought, with probability `p`,
//! that they would go on still does so with about `p · e^(-t/τ)`. The turn ends when that falls
//! below the share of pauses we allow to be cut:
//!
//! ```text
//! wait = least + τ · ln(p / ε)        p = 1 / (1 + e^-L),  L = the sum of the evidence
//! ```
//!
//! `L` is a sum of log-odds, in hundredths of a nat: a prior from what the assistant asked and how
//! much was said, the turn model's score, the transcript's punctuation. `τ` is 170 ms in fluent
//! speech, longer for those who speak slowly, and longer still where the words themselves are not
//! finished. Dictation is another matter: its pauses last as long as it takes to read the next
//! group off a card, so there only the form of what is dictated counts ([`crate::dictation`]).
//!
//! The weights were fitted on 45 read sentences (English and French, 8 kHz) with 60 pauses of 64
//! ms and more, and rounded until nothing changed when one of them moved by a quarter. How many
//! words were said tells much in such sentences and little in a conversation, so it counts up to
//! the eighth word only. What was tried and left out: pitch, loudness and length of the last
//! syllables (within speakers they raise the area under the curve from 0.71 to 0.76, and spare no
//! cut at the same delay), and more looks of the turn model at the same pause. The sums are in
//! whole numbers, so that every machine waits the same.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::dictation::{self, Kind, Progress};
use crate::expectation::Expectation;
use crate::input::Probability;
use crate::phrases::{self, FILLERS};
use crate::settings::StartSpeakingPlan;

/// No turn ends before: longer than the silence inside a stop consonant (about 100 ms) by far, and
/// the time in which the turn model (asked at 100 ms, about 60 ms a look) and the last decode
/// answer.
pub const LEAST: Duration = Duration::from_millis(240);
/// The longest wait where no word says that the sentence goes on. Beyond this a caller who has
/// finished thinks the line dead.
pub const MOST: Duration = Duration::from_millis(750);
/// The longest wait after "and", "the", "pour": the sentence must go on, but the caller may be
/// lost.
pub const MOST_OPEN: Duration = Duration::from_millis(1_600);
/// The least wait for free speech without a full stop, from a recogniser that writes them: it heard
/// the sentence, and does not take it for a whole one, whatever the turn model says. Pauses in
/// mid-sentence last about 600 ms, and as the voice gate sees them up to 250 ms more.
pub const LEAST_UNSTOPPED: Duration = Duration::from_millis(900);
/// The longest wait there.
pub const MOST_UNSTOPPED: Duration = Duration::from_millis(1_100);
/// The longest wait after "uh": the caller holds the floor on purpose.
pub const MOST_HESITATING: Duration = Duration::from_millis(1_500);
/// Silence that ends a dictation whose end cannot be known: longer than the pauses of people who
/// dictate slowly (up to 1.8 s between groups), with the two windows in which the voice gate
/// notices that they go on, and a natural pause at the same place of 300 ms.
pub const DICTATING: Duration = Duration::from_millis(2_180);
/// Silence after something dictated that is complete.
pub const DICTATED: Duration = Duration::from_millis(400);
/// The same where the turn model hears that more will come: it may be misunderstood.
pub const DICTATED_DOUBTED: Duration = Duration::from_millis(520);

/// How long the assistant's own endpointing server may take before our wait holds.
pub const MODEL_PATIENCE: Duration = Duration::from_secs(1);

/// What the end of a transcript looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shape {
    /// A question mark, an exclamation mark, or words that close ("merci", "please").
    Closed,
    /// A full stop after a word that can end a sentence.
    Stopped,
    /// No punctuation.
    Plain,
    /// A comma.
    Comma,
    /// A conjunction, an article, a preposition: the sentence is not complete.
    Open,
    /// A filler, or dots.
    Hesitating,
}

/// Everything the wait is computed from. Silence itself is not among it: it is compared with the
/// wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// The turn model: that the caller has finished. `None`: it has not answered.
    pub score: Option<Probability>,
    /// The end of the transcript.
    pub shape: Shape,
    /// Words of the turn, fillers not counted.
    pub words: u32,
    /// The recogniser is one that punctuates, so that a missing full stop means something.
    pub punctuates: bool,
    /// What the assistant asked for.
    pub expectation: Expectation,
    /// What is being dictated, and how far it has come.
    pub dictated: Option<(Kind, Progress)>,
    /// How slowly the caller speaks, in thousandths of the usual time for a syllable.
    pub slowness: u16,
}

impl Evidence {
    /// Free speech without a full stop, from a recogniser that writes them. Short answers are
    /// often written without.
    pub fn is_unstopped(&self) -> bool {
        self.punctuates
            && self.dictated.is_none()
            && self.expectation == Expectation::Open
            && matches!(self.shape, Shape::Plain | Shape::Comma)
    }
}

/// What decided a turn's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Ground {
    /// Keys were the last thing.
    Typed,
    /// A rule of `customEndpointingRules`.
    Rule {
        /// Its place in the list.
        index: u32,
    },
    /// Our own smart endpointing.
    Smart,
    /// `waitFunction`.
    WaitFunction,
    /// The assistant's endpointing server.
    Model,
    /// The recogniser's own end of turn.
    Recognizer,
    /// `transcriptionEndpointingPlan`.
    Transcript,
    /// The words of the last speech never came.
    Overdue,
    /// Voice went on without a word.
    Noise,
}

/// The silence, counted from the end of speech, that ends a turn of which this is known: our own
/// smart endpointing.
pub fn wait(evidence: &Evidence) -> Duration {
    match evidence.dictated {
        Some((_, progress)) => dictated(progress, evidence.score),
        None if evidence.expectation == Expectation::Single => DICTATED,
        None => said(evidence),
    }
}

fn dictated(progress: Progress, score: Option<Probability>) -> Duration {
    let score = score.map(Probability::ten_thousandths);
    match progress {
        Progress::InProgress | Progress::Extensible => DICTATING,
        Progress::Likely if score.is_none_or(|score| score < HIGH) => DICTATING,
        Progress::Complete if score.is_some_and(|score| score < LOW) => DICTATED_DOUBTED,
        Progress::Likely | Progress::Complete => DICTATED,
    }
}

/// Below this the turn model is sure that the caller goes on.
const LOW: u16 = 2_000;
/// Above this it is sure that they have finished. What lies between the two is noise.
const HIGH: u16 = 8_000;

fn said(evidence: &Evidence) -> Duration {
    let mut odds = prior(evidence.expectation, evidence.words);
    let score = evidence.score.map(Probability::ten_thousandths);
    let heard_more = score.is_some_and(|score| score < LOW);
    if evidence.shape == Shape::Closed {
        // "Allô ?" is whole, short as it is.
        odds = odds.min(0);
    }
    let (more, scale, bounds) = match evidence.shape {
        Shape::Closed => (-250, FLUENT_MS, (LEAST, MOST)),
        Shape::Stopped => (-150, FLUENT_MS, (LEAST, MOST)),
        Shape::Plain | Shape::Comma if evidence.is_unstopped() => {
            (110, PLANNING_MS, (LEAST_UNSTOPPED, MOST_UNSTOPPED))
        }
        Shape::Plain if evidence.punctuates => (50, FLUENT_MS, (LEAST, MOST)),
        Shape::Plain => (0, FLUENT_MS, (LEAST, MOST)),
        Shape::Comma => (100, FLUENT_MS, (LEAST, MOST)),
        // The words weigh more than everything that speaks against them.
        Shape::Open if heard_more => (250 - odds.min(0), HESITATING_MS, (LEAST, MOST_OPEN)),
        Shape::Open => (250 - odds.min(0), PLANNING_MS, (LEAST, MOST_OPEN)),
        Shape::Hesitating => (300 - odds.min(0), HESITATING_MS, (LEAST, MOST_HESITATING)),
    };
    odds += more;
    odds += score.map_or(0, |score| interpolate(SCORE, i64::from(score)));
    // Where nobody has listened yet, nobody is sure either.
    if heard_more || score.is_none() {
        odds = odds.max(UNSURE);
    }
    // ln(p / ε) = ln(1 / ε) - ln(1 + e^-L)
    let nats = TOLERANCE - interpolate(SOFTPLUS, -odds);
    // Who speaks fast thinks no faster.
    let slowness = match evidence.shape {
        Shape::Open | Shape::Hesitating => evidence.slowness.max(USUAL),
        Shape::Closed | Shape::Stopped | Shape::Plain | Shape::Comma => evidence.slowness,
    };
    let scale = scale * i64::from(slowness);
    let millis = CLOSING_MS + scale * nats / 100_000;
    let wait = Duration::from_millis(u64::try_from(millis).unwrap_or(0));
    wait.clamp(bounds.0, bounds.1)
}

/// Time the voice gate takes to close: no pause that is shorter is seen.
const CLOSING_MS: i64 = 64;
/// The mean of the pauses inside fluent speech, beyond that.
const FLUENT_MS: i64 = 170;
/// Where the words show that the next ones are being looked for.
const PLANNING_MS: i64 = 250;
/// Where the caller says so.
const HESITATING_MS: i64 = 330;
/// ln(1/ε): one pause in a hundred may be taken for the end.
const TOLERANCE: i64 = 461;
/// Log-odds below which nobody is sure that the caller has finished.
const UNSURE: i64 = -100;

/// Log-odds that the caller goes on, before anything was listened to. Who speaks freely seldom
/// stops after three words, and after eight as well as after twenty; who was asked a question that
/// is answered in one word may.
fn prior(expectation: Expectation, words: u32) -> i64 {
    let freely = 200 - 50 * i64::from(words.min(8));
    match expectation {
        Expectation::Open | Expectation::Dictated { .. } => freely,
        Expectation::Short => freely.min(-80),
        Expectation::YesNo => freely.min(-100),
        Expectation::Single => freely.min(-200),
    }
}

/// What the turn model's score is worth. Its own odds, taken at 0.4 of their face value: over the
/// ends of utterances and the pauses inside them that it was tried on, it tells them apart with an
/// area under the curve of 0.72.
const SCORE: &[(i64, i64)] =
    &[(500, 118), (1_000, 88), (2_000, 55), (5_000, 0), (8_000, -55), (9_000, -88), (9_500, -118)];

/// ln(1 + e^x), both in hundredths.
const SOFTPLUS: &[(i64, i64)] = &[
    (-400, 2),
    (-300, 5),
    (-200, 13),
    (-150, 20),
    (-100, 31),
    (-50, 47),
    (0, 69),
    (50, 97),
    (100, 131),
    (150, 170),
    (200, 213),
    (300, 305),
    (400, 402),
    (800, 800),
];

/// The value at `x` between the points of `table`; outside them, that of the nearest.
fn interpolate(table: &[(i64, i64)], x: i64) -> i64 {
    let above = table.iter().position(|(at, _)| *at >= x);
    match above {
        Some(0) => table[0].1,
        Some(above) => {
            let ((x0, y0), (x1, y1)) = (table[above - 1], table[above]);
            y0 + (y1 - y0) * (x - x0) / (x1 - x0)
        }
        None => table.last().map_or(0, |(_, y)| *y),
    }
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

/// Words that close a turn.
const LAST: &[&str] =
    &["please", "thanks", "merci", "voilà", "plaît", "goodbye", "bye", "revoir", "tout"];

/// Words with which a caller hesitates, at the end and without a full stop.
const HESITATIONS: &[&str] = &["ben", "bah", "bon", "alors", "enfin", "well", "genre"];

/// The shape of a transcript's end.
pub fn shape(text: &str) -> Shape {
    let text = text.trim_end();
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
    if NEVER_LAST.contains(&last.as_str()) {
        return Shape::Open;
    }
    if text.ends_with(',') {
        return Shape::Comma;
    }
    if LAST.contains(&last.as_str()) {
        return Shape::Closed;
    }
    if text.ends_with(['.', '。']) {
        return Shape::Stopped;
    }
    if HESITATIONS.contains(&last.as_str()) {
        return Shape::Hesitating;
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

/// The usual time for a syllable, pauses left out: a little over 4 of them a second on the
/// telephone, in English and in French.
const SYLLABLE: Duration = Duration::from_millis(235);
/// Fewer syllables tell nothing about a caller's rate.
const ENOUGH_SYLLABLES: u32 = 8;
/// The usual slowness.
pub const USUAL: u16 = 1_000;

/// How slowly `text` was said, of which the voice took `voiced`: in thousandths of the usual time,
/// from 900 to 1,400.
pub fn slowness(text: &str, voiced: Duration) -> u16 {
    let syllables = syllables(text);
    // A number in figures has more syllables than can be seen.
    if syllables < ENOUGH_SYLLABLES || text.contains(|c: char| c.is_ascii_digit()) {
        return USUAL;
    }
    let usual = SYLLABLE * syllables;
    let slowness = voiced.as_millis() * u128::from(USUAL) / usual.as_millis().max(1);
    u16::try_from(slowness).unwrap_or(u16::MAX).clamp(900, 1_400)
}

/// Groups of vowels, without a silent e at the end.
fn syllables(text: &str) -> u32 {
    let mut count = 0;
    for word in phrases::words(text) {
        let mut groups = 0;
        let mut vowel = false;
        for letter in word.chars() {
            let is_vowel = matches!(letter, 'a' | 'e' | 'i' | 'o' | 'u' | 'y');
            groups += u32::from(is_vowel && !vowel);
            vowel = is_vowel;
        }
        let silent = groups > 1 && (word.ends_with('e') || word.ends_with("es"));
        count += (groups - u32::from(silent)).max(1);
    }
    count
}

/// The silence that ends a turn by `transcriptionEndpointingPlan`.
pub fn by_transcript(plan: &StartSpeakingPlan, text: &str) -> Duration {
    let text = text.trim_end();
    let bare = text.trim_end_matches(['.', ',', '!', '?', '…']);
    let last = phrases::words(bare).pop().unwrap_or_default();
    if bare.ends_with(|character: char| character.is_ascii_digit()) || dictation::is_number(&last) {
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

    const PLAIN: Evidence = Evidence {
        score: None,
        shape: Shape::Plain,
        words: 8,
        punctuates: false,
        expectation: Expectation::Open,
        dictated: None,
        slowness: USUAL,
    };

    fn score(value: f32) -> Option<Probability> {
        Some(Probability::new(value))
    }

    fn ms(evidence: Evidence) -> u128 {
        wait(&evidence).as_millis()
    }

    const SHAPES: [Shape; 6] =
        [Shape::Closed, Shape::Stopped, Shape::Plain, Shape::Comma, Shape::Open, Shape::Hesitating];

    #[test]
    fn shapes() {
        for (text, expected) in [
            ("What are your hours?", Shape::Closed),
            ("Un rendez-vous demain matin.", Shape::Stopped),
            ("a table for two", Shape::Plain),
            ("a table for two please", Shape::Closed),
            ("s'il vous plaît", Shape::Closed),
            ("I would like to book and", Shape::Open),
            ("I would like to book and.", Shape::Open),
            ("That's what I was looking for.", Shape::Stopped),
            ("I was looking for", Shape::Open),
            ("je voudrais réserver pour", Shape::Open),
            ("celui-là", Shape::Plain),
            ("c’est", Shape::Open),
            ("I want a table,", Shape::Comma),
            ("I want, uh", Shape::Hesitating),
            ("je voudrais… ", Shape::Hesitating),
            ("oui alors", Shape::Hesitating),
            ("alors euh", Shape::Hesitating),
            ("Euh.", Shape::Hesitating),
        ] {
            assert_eq!(shape(text), expected, "{text}");
        }
    }

    #[test]
    fn a_sentence_that_sounds_finished_is_answered_at_once() {
        let sure = Evidence { score: score(0.95), shape: Shape::Stopped, ..PLAIN };
        assert!(ms(sure) <= 300, "{}", ms(sure));
        assert!(ms(Evidence { shape: Shape::Plain, ..sure }) <= 330);
    }

    #[test]
    fn three_words_to_an_open_question_wait_for_more() {
        let short = Evidence { score: score(0.98), words: 3, ..PLAIN };
        assert!((500..700).contains(&ms(short)), "{}", ms(short));
        let answer = Evidence { expectation: Expectation::YesNo, words: 1, ..short };
        assert!(ms(answer) < 500, "{}", ms(answer));
    }

    #[test]
    fn doubt_waits_longer_and_never_less() {
        for shape in SHAPES {
            for words in 0..20 {
                let waits: Vec<_> = (0..=100)
                    .rev()
                    .map(|percent| {
                        let score = score(percent as f32 / 100.0);
                        wait(&Evidence { score, shape, words, ..PLAIN })
                    })
                    .collect();
                assert!(waits.is_sorted(), "{shape:?}, {words} words: {waits:?}");
                assert!(waits.iter().all(|wait| (LEAST..=MOST_OPEN).contains(wait)));
            }
        }
    }

    #[test]
    fn an_unfinished_sentence_waits_whatever_the_turn_model_says() {
        for words in [2, 6, 12] {
            let open = Evidence { score: score(0.98), shape: Shape::Open, words, ..PLAIN };
            assert!(ms(open) >= 900, "{}", ms(open));
            let hesitating = Evidence { shape: Shape::Hesitating, ..open };
            assert!(ms(hesitating) >= 1_200, "{}", ms(hesitating));
        }
    }

    #[test]
    fn a_model_that_is_sure_of_more_costs_a_finished_sentence_less_than_a_second() {
        for shape in [Shape::Closed, Shape::Stopped, Shape::Plain, Shape::Comma] {
            for words in [1, 4, 8, 16] {
                let low = Evidence { score: score(0.01), shape, words, ..PLAIN };
                assert!((550..=750).contains(&ms(low)), "{shape:?} {words}: {}", ms(low));
            }
        }
    }

    #[test]
    fn missing_punctuation_counts_only_where_there_is_some() {
        let plain = Evidence { score: score(0.6), ..PLAIN };
        assert!(ms(Evidence { punctuates: true, ..plain }) > ms(plain));
    }

    #[test]
    fn free_speech_that_was_given_no_full_stop_goes_on() {
        for shape in [Shape::Plain, Shape::Comma] {
            for sure in [None, score(0.01), score(0.5), score(0.98)] {
                let paused = Evidence { score: sure, shape, punctuates: true, ..PLAIN };
                assert!((900..=1_100).contains(&ms(paused)), "{shape:?}: {}", ms(paused));
            }
        }
        let answer = Evidence { score: score(0.98), punctuates: true, words: 1, ..PLAIN };
        assert!(ms(Evidence { expectation: Expectation::YesNo, ..answer }) < 600);
    }

    #[test]
    fn slow_speakers_get_longer() {
        let usual = Evidence { score: score(0.5), ..PLAIN };
        assert!(ms(Evidence { slowness: 1_400, ..usual }) > ms(usual) + 100);
        let text = "je voudrais réserver une table pour demain soir";
        assert_eq!(slowness(text, Duration::from_millis(3_000)), 1_063);
        assert_eq!(slowness(text, Duration::from_secs(9)), 1_400);
        assert_eq!(slowness("oui", Duration::from_secs(9)), USUAL);
        assert_eq!(slowness("le 06 12 34 56 78 s'il vous plaît", Duration::from_secs(9)), USUAL);
    }

    #[test]
    fn what_is_dictated_waits_until_it_is_complete() {
        let of = |progress, score| {
            ms(Evidence { dictated: Some((Kind::Phone, progress)), score, ..PLAIN })
        };
        for sure in [None, score(0.99)] {
            assert_eq!(of(Progress::InProgress, sure), 2_180);
            assert_eq!(of(Progress::Extensible, sure), 2_180);
            assert_eq!(of(Progress::Complete, sure), 400);
        }
        assert_eq!(of(Progress::Complete, score(0.01)), 520);
        assert_eq!(of(Progress::Likely, score(0.9)), 400);
        assert_eq!(of(Progress::Likely, score(0.3)), 2_180);
    }

    #[test]
    fn tables_are_read_between_their_points() {
        assert_eq!(interpolate(SOFTPLUS, 0), 69);
        assert_eq!(interpolate(SOFTPLUS, 25), 83);
        assert_eq!(interpolate(SOFTPLUS, -9_999), 2);
        assert_eq!(interpolate(SCORE, 10_000), -118);
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
