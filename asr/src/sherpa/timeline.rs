//! From the time that a model counts to the stream's positions.

use codecs::SampleRate;

use crate::Word;

/// What a model was given to hear in one segment: stretches of the stream, and silence that was
/// not in the stream. All counts are samples.
#[derive(Debug)]
pub(super) struct Timeline {
    rate: SampleRate,
    pieces: Vec<Piece>,
    heard: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Piece {
    /// What the model had heard before.
    heard: u64,
    /// Where the piece begins in the stream.
    position: u64,
    /// Whether it is of the stream, or silence put in at that position.
    of_stream: bool,
}

impl Timeline {
    pub(super) fn new(rate: SampleRate) -> Self {
        Self { rate, pieces: Vec::new(), heard: 0 }
    }

    /// The model hears the stream from `position` on.
    pub(super) fn resume(&mut self, position: u64) {
        self.begin(Piece { heard: self.heard, position, of_stream: true });
    }

    /// The model heard `samples` more of the piece.
    pub(super) fn advance(&mut self, samples: u64) {
        self.heard += samples;
    }

    /// `samples` of the stream were not given to the model.
    pub(super) fn skip(&mut self, samples: u64) {
        let position = self.position() + samples;
        self.resume(position);
    }

    /// The model heard `samples` of silence that are not in the stream.
    pub(super) fn pad(&mut self, samples: u64) {
        let position = self.position();
        self.begin(Piece { heard: self.heard, position, of_stream: false });
        self.heard += samples;
        self.resume(position);
    }

    /// The stream position up to which the model has heard.
    pub(super) fn position(&self) -> u64 {
        self.position_of(self.heard)
    }

    /// The stream position that the model heard after `heard` samples.
    fn position_of(&self, heard: u64) -> u64 {
        let next = self.pieces.partition_point(|piece| piece.heard <= heard);
        let Some(piece) = next.checked_sub(1).and_then(|index| self.pieces.get(index)) else {
            return 0;
        };
        let along = if piece.of_stream { heard - piece.heard } else { 0 };
        piece.position + along
    }

    /// The stream position of a moment after `seconds` of what the model heard.
    fn position_at(&self, seconds: f32) -> u64 {
        let samples = f64::from(seconds.max(0.0)) * f64::from(self.rate.hz());
        self.position_of((samples.round() as u64).min(self.heard))
    }

    /// The stream position `samples` before what the model heard last.
    pub(super) fn position_before(&self, samples: u64) -> u64 {
        self.position_of(self.heard.saturating_sub(samples))
    }

    /// Joins tokens into words. `starts` are the tokens' times in seconds, as the model counts
    /// them. A token that begins with a space (or SentencePiece's mark for one) begins a word; a
    /// word lasts until the next, or `token_seconds` beyond the beginning of its last token.
    pub(super) fn words(&self, tokens: &[String], starts: &[f32], token_seconds: f32) -> Vec<Word> {
        let mut words: Vec<Word> = Vec::new();
        for (token, &start) in tokens.iter().zip(starts) {
            let bare = token.trim_start_matches([' ', '\u{2581}']);
            let end = self.position_at(start + token_seconds);
            match words.last_mut() {
                Some(word) if bare.len() == token.len() => {
                    word.text.push_str(bare);
                    word.end = end.max(word.start);
                }
                last => {
                    let start = self.position_at(start);
                    if let Some(last) = last {
                        last.end = last.end.min(start).max(last.start);
                    }
                    words.push(Word { text: bare.to_owned(), start, end: end.max(start) });
                }
            }
        }
        words.retain(|word| !word.text.is_empty());
        words
    }

    fn begin(&mut self, piece: Piece) {
        // A piece in which nothing was heard was none.
        if self.pieces.last().is_some_and(|last| last.heard == piece.heard) {
            self.pieces.pop();
        }
        self.pieces.push(piece);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A second from 1 s on, half a second put in, and a second from 3 s on.
    fn timeline() -> Timeline {
        let mut timeline = Timeline::new(SampleRate::HZ_8000);
        timeline.resume(8_000);
        timeline.advance(8_000);
        timeline.pad(4_000);
        timeline.resume(24_000);
        timeline.advance(8_000);
        timeline
    }

    #[test]
    fn silence_that_was_put_in_takes_no_time() {
        let timeline = timeline();
        let at = |seconds| timeline.position_at(seconds);
        assert_eq!([at(0.0), at(0.5), at(1.2), at(1.75)], [8_000, 12_000, 16_000, 26_000]);
        assert_eq!(at(99.0), 32_000, "no later than what was heard");
        assert_eq!(timeline.position(), 32_000);
        assert_eq!(timeline.position_before(4_000), 28_000);
    }

    #[test]
    fn what_was_skipped_is_left_out() {
        let mut timeline = timeline();
        timeline.skip(800);
        assert_eq!(timeline.position(), 32_800);
        timeline.advance(80);
        assert_eq!(timeline.position(), 32_880);
    }

    #[test]
    fn tokens_join_into_words() {
        let timeline = timeline();
        let tokens = [" he", "llo", "\u{2581}there", " ", " you"].map(str::to_owned);
        let words = timeline.words(&tokens, &[0.0, 0.1, 0.12, 1.6, 1.75], 0.04);
        let word = |text: &str, start, end| Word { text: text.to_owned(), start, end };
        assert_eq!(
            words,
            [word("hello", 8_000, 8_960), word("there", 8_960, 9_280), word("you", 26_000, 26_320)]
        );
    }
}
