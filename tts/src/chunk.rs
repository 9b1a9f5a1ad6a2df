//! Cuts a reply into phrases that can be spoken on their own, as early as that is possible.
//!
//! The first phrase decides how soon the caller hears something, so it goes at its first comma
//! (`Bien sûr,`). Later ones are synthesised while the one before is heard: they may wait for
//! [`ChunkPlan::min_characters`], which gives the voice more context and a better melody.
//!
//! Where the cuts fall depends on the text alone, never on how the model's deltas split it
//! (except through [`Chunker::settle`]). No character is lost: the phrases, joined, are the reply
//! without its `<flush />` tags; white space at its very end may be left out.

use crate::TextChunk;

/// When a phrase may end: Vapi's `chunkPlan`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChunkPlan {
    /// Fewest characters of a phrase that ends at punctuation (`minCharacters`; Vapi: 30).
    pub min_characters: usize,
    /// The first phrase need not have `min_characters`. Vapi: false.
    pub first_exempt: bool,
    /// Most characters of a phrase; a longer one is cut at its last white space.
    pub max_characters: usize,
    /// Characters a phrase may end at (`punctuationBoundaries`).
    pub boundaries: String,
}

impl Default for ChunkPlan {
    fn default() -> Self {
        Self {
            min_characters: 30,
            first_exempt: true,
            max_characters: 240,
            boundaries: ".!?…,;:。，！？；：、،؛؟۔।॥".to_owned(),
        }
    }
}

/// A first phrase without punctuation may end before one of these words, once it has
/// [`FIRST_PHRASE_SOFT_LIMIT`] characters: what comes before them can stand alone.
const JOINTS: [&str; 26] = [
    "and", "because", "but", "for", "if", "or", "so", "that", "to", "when", "where", "which",
    "while", "who", "with", "avec", "car", "donc", "et", "mais", "ou", "parce", "pour", "que",
    "qui", "si",
];
const FIRST_PHRASE_SOFT_LIMIT: usize = 40;

/// Titles: a full stop after them never ends a sentence.
const TITLES: [&str; 23] = [
    "M", "MM", "Mme", "Mmes", "Mlle", "Mlles", "Dr", "Drs", "Pr", "Me", "St", "Ste", "Mr", "Mrs",
    "Ms", "Prof", "Gen", "Col", "Capt", "Lt", "Sgt", "Rev", "Hon",
];

/// After these, a full stop does not end the sentence where a small letter or a digit follows.
const ABBREVIATIONS: [&str; 24] = [
    "etc", "ex", "e.g", "i.e", "a.m", "p.m", "vs", "cf", "env", "approx", "av", "bd", "no", "nos",
    "art", "p", "pp", "fig", "vol", "chap", "tel", "tél", "ext", "min",
];

/// Cuts one reply.
#[derive(Clone, Debug)]
pub struct Chunker {
    plan: ChunkPlan,
    /// Text that is in no phrase yet.
    pending: String,
    /// Where `pending` begins in the reply, in bytes, tags not counted.
    start: u32,
    first: bool,
    ended: bool,
    /// What is pending is let go at the next call, whole.
    forced: Option<usize>,
}

/// What the scan of the pending text found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cut {
    /// A phrase ends before byte `end`; the `skip` bytes after it are a tag, not text.
    At { end: usize, skip: usize },
    /// More text is needed to know.
    Wait,
}

impl Chunker {
    /// A cutter for one reply.
    pub fn new(plan: ChunkPlan) -> Self {
        Self { plan, pending: String::new(), start: 0, first: true, ended: false, forced: None }
    }

    /// Takes the model's next words. Text after [`finish`](Self::finish) is ignored.
    pub fn push(&mut self, delta: &str) {
        if !self.ended {
            self.pending.push_str(delta);
        }
    }

    /// No more text will come: what is pending is the last phrase.
    pub fn finish(&mut self) {
        self.ended = true;
    }

    /// The model has paused: a phrase that ends in punctuation goes without waiting to see what
    /// follows. Without this, `Let me check.` before a slow tool would be heard after it.
    pub fn settle(&mut self) {
        let text = self.pending.trim_end();
        let speaks = text.chars().any(char::is_alphanumeric);
        if speaks && text.ends_with(|c| is_terminal(c) || self.plan.boundaries.contains(c)) {
            self.forced = Some(text.len());
        }
    }

    /// The next phrase, if one is known to be whole. Its range counts bytes of the reply without
    /// `<flush />` tags: the phrases given so far, joined, end at `range.end`.
    pub fn next_chunk(&mut self) -> Option<TextChunk> {
        loop {
            let Cut::At { end, skip } = self.scan() else { return None };
            self.forced =
                self.forced.and_then(|at| at.checked_sub(end + skip)).filter(|&at| at > 0);
            self.pending.drain(end..end + skip);
            if self.pending[..end].trim().is_empty() {
                // White space before a tag belongs to the phrase that follows.
                continue;
            }
            let text: String = self.pending.drain(..end).collect();
            let start = self.start;
            self.start = start.saturating_add(u32::try_from(text.len()).unwrap_or(u32::MAX));
            self.first = false;
            return Some(TextChunk { range: start..self.start, text });
        }
    }

    /// Looks for the first place where a phrase may end, character by character, so that the
    /// answer does not depend on text that came later.
    fn scan(&self) -> Cut {
        let text = self.pending.as_str();
        let exempt = self.first && self.plan.first_exempt;
        let mut spoken = false;
        let mut characters = 0;
        let mut last_space = None;
        let mut quotes = 0_i32;
        let mut at = 0;
        while let Some(c) = text[at..].chars().next() {
            let next = at + c.len_utf8();
            if self.forced == Some(at) {
                return Cut::At { end: at, skip: 0 };
            }
            if c == '<' {
                match flush_tag(&text[at..]) {
                    Tag::Whole(len) => return Cut::At { end: at, skip: len },
                    Tag::Partial if !self.ended && self.forced.is_none() => return Cut::Wait,
                    Tag::Partial | Tag::No => {}
                }
            }
            quotes += i32::from(c == '«') - i32::from(c == '»');
            if characters >= self.plan.max_characters {
                if let Some(space) = last_space {
                    return Cut::At { end: space, skip: 0 };
                }
                if characters >= self.plan.max_characters.saturating_mul(2) {
                    return Cut::At { end: at, skip: 0 };
                }
            }
            if spoken && c.is_whitespace() {
                last_space = Some(at);
                if exempt && characters >= FIRST_PHRASE_SOFT_LIMIT {
                    match self.joint_follows(&text[next..]) {
                        Some(true) => return Cut::At { end: at, skip: 0 },
                        Some(false) => {}
                        None => return Cut::Wait,
                    }
                }
            }
            let long_enough = exempt || characters + 1 >= self.plan.min_characters;
            if spoken && matches!(c, '\n' | '\r') && long_enough {
                return Cut::At { end: at, skip: 0 };
            }
            if spoken && self.plan.boundaries.contains(c) {
                match self.phrase_end(at, next, quotes > 0) {
                    Some(End::Here(end)) if long_enough => return Cut::At { end, skip: 0 },
                    Some(_) => {}
                    None if long_enough && self.forced.is_none() => return Cut::Wait,
                    None => {}
                }
            }
            spoken |= c.is_alphanumeric();
            characters += usize::from(spoken);
            at = next;
        }
        match self.forced {
            Some(end) if end == at => Cut::At { end, skip: 0 },
            _ if self.ended && !text.trim_end().is_empty() => {
                Cut::At { end: text.trim_end().len(), skip: 0 }
            }
            _ => Cut::Wait,
        }
    }

    /// Whether the boundary character at `at..next` ends a phrase, and where: closing quotes and
    /// more punctuation belong to it. `None`: what follows has to be seen first.
    fn phrase_end(&self, at: usize, next: usize, in_quotes: bool) -> Option<End> {
        let text = self.pending.as_str();
        let mark = text[at..].chars().next()?;
        let mut end = next;
        loop {
            let Some(c) = text[end..].chars().next() else {
                return if self.ended { Some(End::Here(end)) } else { None };
            };
            if is_terminal(c) || is_closer(c) {
                end += c.len_utf8();
                continue;
            }
            if !c.is_whitespace() && !is_wide(mark) {
                return Some(End::No);
            }
            break;
        }
        // `« Bonjour ! »`, `Vraiment ?  !`: French puts a space before these.
        let ahead = text[end..].trim_start_matches(|c: char| c.is_whitespace() && c != '\n');
        match ahead.chars().next() {
            None if !self.ended && in_quotes => return None,
            Some('»') if in_quotes => end = text.len() - ahead.len() + '»'.len_utf8(),
            _ => {}
        }
        if mark == '.' && !text[at + 1..end].contains(['!', '?']) {
            match self.full_stop_is_inner(at, &text[end..]) {
                Some(true) => return Some(End::No),
                Some(false) => {}
                None => return None,
            }
        }
        Some(End::Here(end))
    }

    /// Whether the full stop at `at` belongs to an abbreviation, an initial or a list number, so
    /// that the sentence goes on. `None`: the next word has to be seen first.
    fn full_stop_is_inner(&self, at: usize, rest: &str) -> Option<bool> {
        let before = &self.pending[..at];
        let word = before
            .rsplit(|c: char| c.is_whitespace() || matches!(c, '(' | '«' | '"' | '\'' | '’' | '-'))
            .next()
            .unwrap_or_default();
        let line = before.rsplit('\n').next().unwrap_or_default();
        if !word.is_empty() && word.chars().all(|c| c.is_ascii_digit()) && line.trim() == word {
            return Some(true);
        }
        let mut letters = word.chars();
        let initial = matches!((letters.next(), letters.next()), (Some(c), None) if c.is_uppercase())
            && !matches!(word, "I" | "À" | "Y");
        if initial || TITLES.contains(&word) {
            return Some(true);
        }
        let initials = word.contains('.') && word.split('.').all(|part| part.chars().count() == 1);
        if !initials && !ABBREVIATIONS.contains(&word.to_lowercase().as_str()) {
            return Some(false);
        }
        match rest.trim_start().chars().next() {
            Some(c) => Some(c.is_lowercase() || c.is_numeric()),
            None if self.ended => Some(false),
            None => None,
        }
    }

    /// Whether the next word is one of [`JOINTS`]; `None` where it is not whole yet.
    fn joint_follows(&self, rest: &str) -> Option<bool> {
        let word = rest.split(char::is_whitespace).next().unwrap_or_default();
        if word.len() == rest.len() && !self.ended {
            return if JOINTS.iter().any(|joint| joint.starts_with(word)) {
                None
            } else {
                Some(false)
            };
        }
        Some(JOINTS.contains(&word))
    }
}

/// What [`Chunker::phrase_end`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// The phrase ends before this byte.
    Here(usize),
    /// The character is part of a word, a number, an address.
    No,
}

/// Characters that end a sentence, or go on with such an end.
fn is_terminal(c: char) -> bool {
    matches!(c, '.' | '!' | '?' | '…' | '。' | '！' | '？')
}

/// Characters that close what a phrase is wrapped in.
fn is_closer(c: char) -> bool {
    matches!(c, '"' | '”' | '’' | '\'' | ')' | ']' | '»' | '*' | '_' | '`')
}

/// Full-width punctuation, after which no space is written.
fn is_wide(c: char) -> bool {
    matches!(c, '。' | '，' | '！' | '？' | '；' | '：' | '、')
}

/// Whether a text that begins with `<` begins with a flush tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tag {
    /// It does; this many bytes.
    Whole(usize),
    /// It may, once more text has come.
    Partial,
    /// It does not.
    No,
}

/// Vapi's `/<\s*flush\s*\/?>|<\s*\/\s*flush\s*>/i`.
fn flush_tag(text: &str) -> Tag {
    const NAME: &[u8] = b"flush";
    let mut matched = 0;
    let mut slash = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        let outside_name = matched == 0 || matched == NAME.len();
        match byte {
            b'>' if matched == NAME.len() => return Tag::Whole(at + 1),
            b'/' if outside_name && !slash => slash = true,
            b' ' | b'\t' | b'\n' | b'\r' if outside_name => {}
            _ if NAME.get(matched).is_some_and(|name| byte.eq_ignore_ascii_case(name)) => {
                matched += 1;
            }
            _ => return Tag::No,
        }
    }
    Tag::Partial
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Phrases of `text`, given whole.
    fn phrases(text: &str) -> Vec<String> {
        cut(Chunker::new(ChunkPlan::default()), [text]).into_iter().map(|c| c.text).collect()
    }

    fn cut<'a>(mut chunker: Chunker, deltas: impl IntoIterator<Item = &'a str>) -> Vec<TextChunk> {
        let mut chunks = Vec::new();
        for delta in deltas {
            chunker.push(delta);
            chunks.extend(std::iter::from_fn(|| chunker.next_chunk()));
        }
        chunker.finish();
        chunks.extend(std::iter::from_fn(|| chunker.next_chunk()));
        chunks
    }

    /// No limit of length, so that a test sees where sentences end.
    fn sentences(text: &str) -> Vec<String> {
        let plan = ChunkPlan {
            min_characters: 0,
            first_exempt: false,
            max_characters: usize::MAX,
            boundaries: ".!?…".to_owned(),
        };
        cut(Chunker::new(plan), [text]).into_iter().map(|c| c.text.trim().to_owned()).collect()
    }

    #[test]
    fn the_first_phrase_goes_at_its_first_comma() {
        assert_eq!(
            phrases("Bien sûr, je peux vous aider avec votre commande. Quel est le numéro ?"),
            ["Bien sûr,", " je peux vous aider avec votre commande.", " Quel est le numéro ?"]
        );
        assert_eq!(phrases("Sure. Go on."), ["Sure.", " Go on."]);
    }

    #[test]
    fn a_phrase_waits_for_the_character_after_its_punctuation() {
        let mut chunker = Chunker::new(ChunkPlan::default());
        chunker.push("It costs 3.");
        assert_eq!(chunker.next_chunk(), None);
        chunker.push("50 today. ");
        assert_eq!(chunker.next_chunk().expect("whole").text, "It costs 3.50 today.");
    }

    #[test]
    fn later_phrases_have_the_plan_s_length() {
        let text = "Yes. One, two, three. Then the rest of the sentence follows here. End.";
        assert_eq!(
            phrases(text),
            ["Yes.", " One, two, three. Then the rest of the sentence follows here.", " End."]
        );
    }

    #[test]
    fn full_stops_inside_sentences_do_not_end_them() {
        for text in [
            "Ask M. Dupont or Mme. Martin at the desk.",
            "Dr. J. K. Smith lives on St. James Street.",
            "It is 3.14, not 42,50 € or 1.000.000.",
            "Write to jean.dupont@exemple.fr or see www.exemple.fr now.",
            "Fruit, e.g. apples, pears etc. are in aisle no. 5 at 9 a.m. on weekdays.",
            "Les U.S. et l'O.N.U. sont loin.",
        ] {
            assert_eq!(sentences(text), [text]);
        }
        assert_eq!(sentences("I said no. Then we left."), ["I said no.", "Then we left."]);
        assert_eq!(sentences("Pears etc. Then left."), ["Pears etc.", "Then left."]);
        assert_eq!(sentences("It is I. He left."), ["It is I.", "He left."]);
        assert_eq!(sentences("1. First one.\n2. Second."), ["1. First one.", "2. Second."]);
    }

    #[test]
    fn french_typography_is_understood() {
        assert_eq!(
            sentences("Vraiment\u{a0}?! Il a dit : « Bonjour ! » Et puis… Rien."),
            ["Vraiment\u{a0}?!", "Il a dit : « Bonjour ! »", "Et puis…", "Rien."]
        );
        let mut chunker = Chunker::new(ChunkPlan::default());
        chunker.push("« Bonjour ! ");
        assert_eq!(chunker.next_chunk(), None, "the closing quote may follow");
        chunker.push("» Entrez.");
        assert_eq!(chunker.next_chunk().expect("whole").text, "« Bonjour ! »");
    }

    #[test]
    fn quotes_and_markdown_close_with_the_sentence() {
        assert_eq!(
            sentences("He said \"Stop.\" Then **left.** Now (really!) go."),
            ["He said \"Stop.\"", "Then **left.**", "Now (really!)", "go."]
        );
    }

    #[test]
    fn a_flush_tag_cuts_and_is_not_text() {
        for tag in ["<flush />", "<flush/>", "<FLUSH>", "< flush / >", "</flush>", "< / flush >"] {
            let text = format!("One moment{tag} please, I look it up.");
            let chunks = cut(Chunker::new(ChunkPlan::default()), [text.as_str()]);
            let texts: Vec<_> = chunks.iter().map(|c| c.text.as_str()).collect();
            assert_eq!(texts, ["One moment", " please, I look it up."], "{tag}");
            assert_eq!(chunks[1].range, 10..32);
        }
        assert_eq!(phrases("a < b and <flu is no tag"), ["a < b and <flu is no tag"]);
        let deltas = ["Wait <fl", "us", "h /", "> now"];
        let texts: Vec<_> =
            cut(Chunker::new(ChunkPlan::default()), deltas).into_iter().map(|c| c.text).collect();
        assert_eq!(texts, ["Wait ", " now"]);
    }

    #[test]
    fn a_pause_of_the_model_lets_a_whole_phrase_go() {
        let mut chunker = Chunker::new(ChunkPlan::default());
        chunker.push("Let me check.");
        assert_eq!(chunker.next_chunk(), None);
        chunker.settle();
        assert_eq!(chunker.next_chunk().expect("settled").text, "Let me check.");
        chunker.push(" It is he");
        chunker.settle();
        assert_eq!(chunker.next_chunk(), None, "half a word is not let go");
        chunker.push("re.");
        chunker.finish();
        assert_eq!(chunker.next_chunk().expect("the end").text, " It is here.");
    }

    #[test]
    fn a_long_first_phrase_without_punctuation_ends_before_a_joint() {
        let text = "I have found the reservation of the table for tonight and I will move it to \
                    another day";
        assert_eq!(phrases(text)[0], "I have found the reservation of the table");
    }

    #[test]
    fn text_without_punctuation_or_spaces_is_cut_at_the_limit() {
        let words = "word ".repeat(200);
        let chunks = phrases(&words);
        assert!(chunks.iter().all(|c| c.chars().count() <= 241), "{chunks:?}");
        assert_eq!(chunks.concat(), words.trim_end());
        let solid = "é".repeat(2_000);
        let chunks = phrases(&solid);
        assert!(chunks.iter().all(|c| c.chars().count() <= 480));
        assert_eq!(chunks.concat(), solid);
    }

    /// Any text, split into any deltas: nothing lost, nothing doubled, the same phrases.
    #[test]
    fn the_phrases_joined_are_the_reply() {
        let parts = [
            "Bonjour",
            " ",
            "M. ",
            "Dupont",
            ", ",
            "« oui",
            " ! »",
            "3.14",
            ". ",
            "?",
            "!",
            "\n",
            "\u{a0}",
            "é",
            "😀",
            "<flush />",
            "<fl",
            ">",
            "etc.",
            " a",
            "A",
            "**",
            "…",
            "1.",
            "。",
            ":",
            " http://a.b/c",
            "x@y.fr",
            "\r\n",
            "and ",
            "parce que ",
        ];
        let mut random = crate::scripted::Random::new(7);
        for _ in 0..3_000 {
            let count = random.below(60) as usize;
            let text: String =
                (0..count).map(|_| parts[random.below(parts.len() as u64) as usize]).collect();
            let max_characters = 20 + random.below(200) as usize;
            let plan = ChunkPlan { max_characters, ..ChunkPlan::default() };
            let whole = cut(Chunker::new(plan.clone()), [text.as_str()]);
            let mut deltas = Vec::new();
            let mut rest = text.as_str();
            while !rest.is_empty() {
                let upto = random.below(8) as usize + 1;
                let at = rest.char_indices().nth(upto).map_or(rest.len(), |(at, _)| at);
                let (delta, after) = rest.split_at(at);
                deltas.push(delta);
                rest = after;
            }
            let split = cut(Chunker::new(plan), deltas.iter().copied());
            assert_eq!(whole, split, "{text:?} as {deltas:?}");
            let spoken = text.replace("<flush />", "");
            let joined: String = whole.iter().map(|c| c.text.as_str()).collect();
            assert_eq!(joined.trim_end(), spoken.trim_end(), "{text:?}");
            assert!(spoken.starts_with(&joined), "{text:?}");
            let mut at = 0;
            for chunk in &whole {
                assert_eq!(chunk.range, at..at + chunk.text.len() as u32);
                at = chunk.range.end;
            }
        }
    }
}
