//! The playout ledger: which words of a reply were heard.
//!
//! The voice says where words lie in its audio (spans), the carrier how far the audio was played.
//! Where a span holds several words, their places in it are estimated by weight: a letter counts
//! one, a digit as much as the word it is read as, punctuation the pause it makes.
//!
//! A word counts as heard once its middle was played. The word in progress must fall on one
//! side; past the middle a listener has usually recognised it, before it hardly ever.

use std::ops::Range;

use crate::input::Offset;

/// Weight of a digit, in letters: "7" is read as "seven".
const DIGIT: u64 = 5;
/// Weight of the pause after a comma: about 150 ms, where a letter takes about 60.
const COMMA: u64 = 3;
/// Weight of the pause after a sentence.
const STOP: u64 = 5;

#[derive(Clone, Debug)]
struct Span {
    text: Range<usize>,
    audio: Range<u64>,
}

/// The text, the audio and the playhead of one reply.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ledger {
    text: String,
    spans: Vec<Span>,
    voiced: u64,
    playhead: u64,
    acknowledged: u64,
    /// The furthest position ever played: a resume starts behind it.
    furthest: u64,
}

impl Ledger {
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// The text goes on.
    pub(crate) fn push_text(&mut self, text: &str) {
        self.text.push_str(text);
    }

    /// The voice places `text` at `audio`; where that overlaps the audio of the span before, the
    /// earlier one has it. Returns false, and keeps nothing, where the place makes no sense:
    /// outside the text, inside a character, backwards, or before an earlier span.
    pub(crate) fn push_span(&mut self, text: Range<u32>, audio: Range<Offset>) -> bool {
        let text = text.start as usize..text.end as usize;
        let (text_free, audio_free) =
            self.spans.last().map_or((0, 0), |last| (last.text.end, last.audio.end));
        let audio = audio.start.0.max(audio_free)..audio.end.0;
        if text.start < text_free
            || text.start >= text.end
            || audio.start > audio.end
            || self.text.get(text.clone()).is_none()
        {
            return false;
        }
        self.spans.push(Span { text, audio });
        true
    }

    /// Audio is ready up to `until`.
    pub(crate) fn voice(&mut self, until: Offset) {
        self.voiced = self.voiced.max(until.0);
    }

    /// The end of what is ready.
    pub(crate) const fn voiced(&self) -> Offset {
        Offset(self.voiced)
    }

    /// Where playback stands.
    pub(crate) const fn playhead(&self) -> Offset {
        Offset(self.playhead)
    }

    /// Everything that is ready was played.
    pub(crate) const fn is_played_out(&self) -> bool {
        self.playhead >= self.voiced
    }

    /// Playback reached `until`.
    pub(crate) fn play(&mut self, until: Offset, acknowledged: bool) {
        let until = until.0;
        self.playhead = self.playhead.max(until);
        self.furthest = self.furthest.max(self.playhead);
        if acknowledged {
            self.acknowledged = self.acknowledged.max(until);
        }
    }

    /// Playback stands at `at`: better known than the estimate, but not against the carrier's own
    /// word.
    pub(crate) fn hold(&mut self, at: Offset) {
        let at = at.0.max(self.acknowledged);
        if at < self.playhead && self.furthest == self.playhead {
            self.furthest = at;
        }
        self.playhead = at;
        self.furthest = self.furthest.max(at);
    }

    /// Playback goes on from `from`.
    pub(crate) fn resume(&mut self, from: Offset) {
        self.playhead = from.0;
        self.acknowledged = self.acknowledged.min(from.0);
    }

    /// The words that were heard: a prefix of the text, without white space around it.
    pub(crate) fn heard(&self) -> &str {
        let end = self
            .placed_words()
            .filter(|(_, audio)| self.furthest > 0 && midpoint(audio) <= self.furthest)
            .map(|(text, _)| text.end)
            .max()
            .unwrap_or(0);
        self.text[..end].trim()
    }

    /// The start of the word in progress at the playhead; between words, the playhead itself.
    pub(crate) fn resume_point(&self) -> Offset {
        let word = self
            .placed_words()
            .find(|(_, audio)| audio.start <= self.playhead && self.playhead < audio.end);
        Offset(word.map_or(self.playhead, |(_, audio)| audio.start))
    }

    /// Each word whose place is known: its bytes and its audio.
    fn placed_words(&self) -> impl Iterator<Item = (Range<usize>, Range<u64>)> + '_ {
        words(&self.text).filter_map(|word| Some((word.clone(), self.place(&word)?)))
    }

    fn place(&self, word: &Range<usize>) -> Option<Range<u64>> {
        if self.spans.is_empty() {
            // A voice that knows nothing: all the text lies evenly in all the audio.
            let whole = Span { text: 0..self.text.len(), audio: 0..self.voiced };
            return (self.voiced > 0)
                .then(|| self.position(&whole, word.start)..self.position(&whole, word.end));
        }
        let first = self.spans.partition_point(|span| span.text.end <= word.start);
        let behind = self.spans.partition_point(|span| span.text.start < word.end);
        let (first, last) = (self.spans[..behind].get(first)?, &self.spans[behind - 1]);
        let start = self.position(first, word.start.max(first.text.start));
        let end = self.position(last, word.end.min(last.text.end));
        Some(start..end)
    }

    /// Where the byte `at` of the text lies in the audio of `span`.
    fn position(&self, span: &Span, at: usize) -> u64 {
        if at >= span.text.end {
            return span.audio.end;
        }
        let whole = weight(&self.text[span.text.clone()]);
        let before = weight(&self.text[span.text.start..at]);
        let length = span.audio.end - span.audio.start;
        let scaled = u128::from(length) * u128::from(before) / u128::from(whole.max(1));
        span.audio.start + u64::try_from(scaled).unwrap_or(length)
    }
}

const fn midpoint(audio: &Range<u64>) -> u64 {
    audio.start + (audio.end - audio.start) / 2
}

/// The words of `text` as byte ranges: what lies between white space, punctuation included.
fn words(text: &str) -> impl Iterator<Item = Range<usize>> + '_ {
    text.split_whitespace().map(move |word| {
        let start = word.as_ptr() as usize - text.as_ptr() as usize;
        start..start + word.len()
    })
}

/// About how long `text` takes to say, in letters.
fn weight(text: &str) -> u64 {
    let mut weight = 0;
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        let ends_word = characters.peek().is_some_and(|next| next.is_whitespace());
        weight += match character {
            ',' | ';' | ':' if ends_word => COMMA,
            '.' | '!' | '?' | '…' if ends_word => STOP,
            _ if character.is_numeric() => DIGIT,
            _ if character.is_alphabetic() => 1,
            _ => 0,
        };
    }
    weight
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000;

    fn ledger(text: &str, spans: &[(Range<u32>, Range<u64>)]) -> Ledger {
        let mut ledger = Ledger::default();
        ledger.push_text(text);
        for (text, audio) in spans {
            let audio = Offset(audio.start * MS)..Offset(audio.end * MS);
            assert!(ledger.push_span(text.clone(), audio.clone()));
            ledger.voice(audio.end);
        }
        ledger
    }

    #[test]
    fn a_word_is_heard_once_its_middle_was_played() {
        let mut ledger = ledger("one two", &[(0..3, 0..200), (4..7, 300..500)]);
        assert_eq!(ledger.heard(), "");
        for (until, heard) in [(99, ""), (100, "one"), (399, "one"), (400, "one two")] {
            ledger.play(Offset(until * MS), false);
            assert_eq!(ledger.heard(), heard, "at {until} ms");
        }
    }

    #[test]
    fn words_inside_a_span_are_placed_by_weight() {
        // 5 letters each: the second word begins half-way.
        let mut ledger = ledger("horse mouse", &[(0..11, 0..1_000)]);
        ledger.play(Offset(740 * MS), false);
        assert_eq!(ledger.heard(), "horse");
        ledger.play(Offset(760 * MS), false);
        assert_eq!(ledger.heard(), "horse mouse");
    }

    #[test]
    fn digits_and_pauses_take_their_time() {
        // A, 1 and B weigh 1 + 3 (comma), 5, 1.
        let mut ledger = ledger("A, 1 B", &[(0..6, 0..1_000)]);
        ledger.play(Offset(600 * MS), false);
        assert_eq!(ledger.heard(), "A,", "the middle of 1 is at 650");
        ledger.play(Offset(650 * MS), false);
        assert_eq!(ledger.heard(), "A, 1");
    }

    #[test]
    fn without_spans_the_text_lies_evenly_in_the_audio() {
        let mut ledger = Ledger::default();
        ledger.push_text("horse mouse");
        ledger.voice(Offset(1_000 * MS));
        ledger.play(Offset(300 * MS), false);
        assert_eq!(ledger.heard(), "horse");
    }

    #[test]
    fn a_word_in_several_spans_lasts_from_the_first_to_the_last() {
        let mut ledger = ledger("don't go", &[(0..3, 0..100), (4..5, 200..300), (6..8, 300..400)]);
        ledger.play(Offset(149 * MS), false);
        assert_eq!(ledger.heard(), "");
        assert_eq!(ledger.resume_point(), Offset(0));
        ledger.play(Offset(150 * MS), false);
        assert_eq!(ledger.heard(), "don't");
    }

    #[test]
    fn marks_alone_last_as_long_as_their_span() {
        let mut ledger = ledger("… ", &[(0..3, 100..300)]);
        ledger.play(Offset(199 * MS), false);
        assert_eq!(ledger.heard(), "");
        ledger.play(Offset(200 * MS), false);
        assert_eq!(ledger.heard(), "…");
    }

    #[test]
    fn words_between_placed_ones_go_with_them() {
        let mut ledger = ledger("« Oui » dit-elle", &[(3..6, 0..200), (10..18, 300..900)]);
        ledger.play(Offset(250 * MS), false);
        assert_eq!(ledger.heard(), "« Oui");
        ledger.play(Offset(600 * MS), false);
        assert_eq!(ledger.heard(), "« Oui » dit-elle");
    }

    #[test]
    fn a_resume_starts_at_the_word_in_progress() {
        let mut ledger = ledger("one two", &[(0..3, 0..200), (4..7, 300..500)]);
        ledger.play(Offset(460 * MS), false);
        ledger.hold(Offset(470 * MS));
        assert_eq!(ledger.resume_point(), Offset(300 * MS));
        ledger.resume(Offset(300 * MS));
        assert!(!ledger.is_played_out());
        assert_eq!(ledger.heard(), "one two", "heard words stay heard");
        ledger.hold(Offset(250 * MS));
        assert_eq!(ledger.resume_point(), Offset(250 * MS), "between words");
    }

    #[test]
    fn the_hold_corrects_the_estimate_but_not_the_carrier() {
        let mut ledger = ledger("one two", &[(0..3, 0..200), (4..7, 300..500)]);
        ledger.play(Offset(410 * MS), false);
        ledger.hold(Offset(390 * MS));
        assert_eq!(ledger.heard(), "one");
        ledger.play(Offset(400 * MS), true);
        ledger.hold(Offset(390 * MS));
        assert_eq!(ledger.heard(), "one two");
    }

    #[test]
    fn senseless_spans_are_refused() {
        let mut ledger = ledger("été là", &[(0..5, 0..200)]);
        let at = |ms: Range<u64>| Offset(ms.start * MS)..Offset(ms.end * MS);
        assert!(!ledger.push_span(6..40, at(200..300)), "outside the text");
        assert!(!ledger.push_span(6..8, at(200..300)), "inside a character");
        assert!(!ledger.push_span(3..6, at(200..300)), "before an earlier span");
        assert!(!ledger.push_span(6..9, at(100..150)), "audio inside an earlier span's");
        #[expect(clippy::reversed_empty_ranges, reason = "what is tested")]
        let backwards = 9..6;
        assert!(!ledger.push_span(backwards, at(200..300)));
        assert!(ledger.push_span(6..9, at(190..300)), "an overlap is the earlier one's");
        ledger.play(Offset(249 * MS), false);
        assert_eq!(ledger.heard(), "été", "là lies from 200 to 300");
    }
}
