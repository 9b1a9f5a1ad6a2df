//! The caller's side: voice, silence, and the words of the turn in progress.

use std::time::Duration;

use crate::input::Stability;
use crate::time::Instant;

/// How far the transcript's end may lie before the end of speech and still have it all: the voice
/// gate's last window is 32 ms and often half empty, and recognisers report whole hops.
pub(crate) const COVERAGE_TOLERANCE: Duration = Duration::from_millis(100);

/// Words whose lag was seen before it is believed.
const ENOUGH_LAGS: u32 = 3;

/// A piece of the turn: a segment of speech, or keys.
#[derive(Clone, Debug)]
struct Piece {
    /// The recogniser's segment; `None`: typed.
    segment: Option<u32>,
    text: String,
    stability: Stability,
    covers: Instant,
}

/// What a transcript did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Accepted {
    /// It belongs to a turn that is over.
    Late,
    /// The words are the same.
    Unchanged,
    /// The turn's words are different now.
    Changed,
}

/// How sure it is that the words are all there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Coverage {
    /// Words of the last speech are still missing.
    Missing,
    /// They are there, and may still change.
    Guessed,
    /// They are there.
    Settled,
}

/// The caller, as far as turns are concerned.
#[derive(Debug, Default)]
pub(crate) struct Caller {
    /// The voice gate is open, since then.
    voicing: Option<Instant>,
    /// What it opened for last may be a noise.
    perhaps_noise: bool,
    /// The last speech may be echo.
    perhaps_echo: bool,
    /// The end of the last speech.
    spoke_until: Option<Instant>,
    pieces: Vec<Piece>,
    text: String,
    /// When the words last changed.
    changed: Option<Instant>,
    /// What the transcript covered then.
    changed_covers: Option<Instant>,
    /// Segments up to this one belong to turns that are over.
    closed_segment: Option<u32>,
    /// Words that cover no more than this belong to turns that are over.
    closed_at: Option<Instant>,
    /// How long the turn's speech was so far, pauses left out.
    voiced: Duration,
    /// The recogniser has written punctuation or a capital in this call: it is one that does.
    punctuates: bool,
    /// The recogniser has settled words in this call: it is one that does.
    settles: bool,
    /// How long after its sound a word was written, at most, and how often that was seen.
    lag: Duration,
    lags: u32,
    /// Replies prepared for this turn.
    pub(crate) speculations: u8,
    /// A reply that was prepared for it failed: the model is not asked in advance again.
    pub(crate) draft_failed: bool,
    /// Times its reply was started again.
    pub(crate) restarts: u8,
}

impl Caller {
    pub(crate) const fn voicing(&self) -> Option<Instant> {
        self.voicing
    }

    pub(crate) const fn spoke_until(&self) -> Option<Instant> {
        self.spoke_until
    }

    pub(crate) const fn changed(&self) -> Option<Instant> {
        self.changed
    }

    /// The words of the turn in progress.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    pub(crate) const fn has_words(&self) -> bool {
        !self.text.is_empty()
    }

    /// How many pieces the turn has.
    pub(crate) const fn pieces(&self) -> usize {
        self.pieces.len()
    }

    /// The gate opened. Returns false where it was open.
    pub(crate) fn start(&mut self, since: Instant) -> bool {
        let closed = self.voicing.is_none();
        if closed {
            self.voicing = Some(since);
            self.perhaps_noise = false;
            self.perhaps_echo = false;
        }
        closed
    }

    /// Whether the gate may be open for a noise. Returns false where nothing changes.
    pub(crate) fn suspect_noise(&mut self, noise: bool) -> bool {
        let changes = self.voicing.is_some() && self.perhaps_noise != noise;
        if changes {
            self.perhaps_noise = noise;
        }
        changes
    }

    /// What the gate opened for last may be a noise.
    pub(crate) const fn may_be_noise(&self) -> bool {
        self.perhaps_noise
    }

    /// The gate closed. Returns false where it was closed.
    pub(crate) fn stop(&mut self, since: Instant) -> bool {
        let Some(began) = self.voicing.take() else { return false };
        self.spoke_until = Some(since);
        self.voiced += since.since(began);
        true
    }

    /// The last speech may be echo.
    pub(crate) const fn suspect_echo(&mut self) {
        self.perhaps_echo = true;
    }

    pub(crate) const fn may_be_echo(&self) -> bool {
        self.perhaps_echo
    }

    /// There was no speech since `since`: it was echo. Returns false where the gate was closed.
    pub(crate) fn take_back(&mut self, since: Instant) -> bool {
        self.perhaps_echo = false;
        let Some(began) = self.voicing.take() else { return false };
        // Speech that began before it was cut off there.
        self.voiced += since.since(began);
        self.spoke_until = self.spoke_until.max(Some(since));
        true
    }

    /// How long the turn's speech was so far, pauses left out.
    pub(crate) const fn voiced(&self) -> Duration {
        self.voiced
    }

    /// The recogniser is one that punctuates.
    pub(crate) const fn punctuates(&self) -> bool {
        self.punctuates
    }

    /// The recogniser is one that settles its words at a pause.
    pub(crate) const fn settles(&self) -> bool {
        self.settles
    }

    /// How late the words of a recogniser come that only ever guesses, word by word; `None` where
    /// that is not known.
    pub(crate) fn lag(&self) -> Option<Duration> {
        (!self.settles && self.lags >= ENOUGH_LAGS).then_some(self.lag)
    }

    /// Takes a transcript.
    pub(crate) fn transcribe(
        &mut self,
        now: Instant,
        segment: u32,
        text: &str,
        stability: Stability,
        covers: Instant,
    ) -> Accepted {
        let known = self.pieces.iter_mut().find(|piece| piece.segment == Some(segment));
        let text = text.trim();
        self.settles |= stability != Stability::Partial && !text.is_empty();
        self.punctuates |= text.contains(['.', ',', '?', '!']) || is_capitalised(text);
        if let Some(piece) = known {
            piece.stability = stability;
            piece.covers = piece.covers.max(covers);
            if piece.text == text {
                return Accepted::Unchanged;
            }
            text.clone_into(&mut piece.text);
        } else {
            if self.is_late(segment, covers) {
                return Accepted::Late;
            }
            let behind = |piece: &Piece| piece.segment.is_some_and(|other| other > segment);
            let at = self.pieces.iter().position(behind).unwrap_or(self.pieces.len());
            let piece = Piece { segment: Some(segment), text: text.to_owned(), stability, covers };
            self.pieces.insert(at, piece);
            if text.is_empty() {
                return Accepted::Unchanged;
            }
        }
        self.join();
        self.changed = Some(now);
        self.changed_covers = Some(covers);
        self.lag = self.lag.max(now.since(covers));
        self.lags += 1;
        Accepted::Changed
    }

    /// How much audio brought no further word, by a transcript that covers it.
    pub(crate) fn wordless(&self, covers: Instant) -> Duration {
        self.changed_covers.map_or(Duration::ZERO, |changed| covers.since(changed))
    }

    fn is_late(&self, segment: u32, covers: Instant) -> bool {
        if self.closed_segment.is_some_and(|closed| segment <= closed) {
            return true;
        }
        // A new segment with the tail of the old turn: it covers nothing said since.
        let before_this_speech = self.voicing.is_none_or(|since| covers <= since);
        let closed = self.closed_at.is_some_and(|closed| covers <= closed + COVERAGE_TOLERANCE);
        self.pieces.is_empty() && before_this_speech && closed
    }

    /// Takes what was typed as words.
    pub(crate) fn type_in(&mut self, now: Instant, text: String) {
        let piece = Piece { segment: None, text, stability: Stability::Final, covers: now };
        self.pieces.push(piece);
        self.join();
        self.changed = Some(now);
    }

    /// The last thing the caller did was to type.
    pub(crate) fn typed_last(&self) -> bool {
        self.voicing.is_none()
            && self.pieces.last().is_some_and(|piece| {
                piece.segment.is_none()
                    && self.spoke_until.is_none_or(|until| until <= piece.covers)
            })
    }

    /// Whether the words of speech up to `until` are there.
    pub(crate) fn coverage(&self, until: Instant) -> Coverage {
        let spoken = || self.pieces.iter().filter(|piece| piece.segment.is_some());
        let wanted = until - COVERAGE_TOLERANCE;
        let covered = spoken().any(|piece| piece.covers >= wanted);
        let firm = spoken()
            .filter(|piece| piece.stability != Stability::Partial)
            .any(|piece| piece.covers >= wanted);
        let guess = spoken().next_back().is_some_and(|piece| piece.stability == Stability::Partial);
        match (covered, firm && !guess) {
            (_, true) => Coverage::Settled,
            (true, false) => Coverage::Guessed,
            (false, false) => Coverage::Missing,
        }
    }

    /// The first `pieces` pieces of the turn are over; what follows them belongs to the next.
    /// Words that cover no more than `at` come too late for both.
    pub(crate) fn close(&mut self, pieces: usize, at: Instant) {
        let closed = self.pieces.drain(..pieces.min(self.pieces.len()));
        let last = closed.filter_map(|piece| piece.segment).max();
        self.closed_segment = self.closed_segment.max(last);
        self.closed_at = self.closed_at.max(Some(at));
        self.voiced = Duration::ZERO;
        self.speculations = 0;
        self.draft_failed = false;
        self.restarts = 0;
        self.join();
    }

    fn join(&mut self) {
        self.text.clear();
        for piece in self.pieces.iter().filter(|piece| !piece.text.is_empty()) {
            if !self.text.is_empty() {
                self.text.push(' ');
            }
            self.text.push_str(&piece.text);
        }
    }
}

/// Begins with a capital and goes on in small letters, unlike what a recogniser writes that knows
/// one case only.
fn is_capitalised(text: &str) -> bool {
    text.starts_with(char::is_uppercase) && text.contains(char::is_lowercase)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(millis: u64) -> Instant {
        Instant::from_millis(millis)
    }

    fn hear(caller: &mut Caller, segment: u32, text: &str, covers: u64) -> Accepted {
        caller.transcribe(ms(covers), segment, text, Stability::Stable, ms(covers))
    }

    #[test]
    fn segments_join_in_their_order() {
        let mut caller = Caller::default();
        assert_eq!(hear(&mut caller, 2, "four people", 900), Accepted::Changed);
        assert_eq!(hear(&mut caller, 1, " a table for ", 500), Accepted::Changed);
        assert_eq!(caller.text(), "a table for four people");
        assert_eq!(hear(&mut caller, 1, "a table for", 600), Accepted::Unchanged);
        assert_eq!(hear(&mut caller, 1, "a table at", 600), Accepted::Changed);
        assert_eq!(caller.text(), "a table at four people");
    }

    #[test]
    fn words_of_a_closed_turn_are_late() {
        let mut caller = Caller::default();
        caller.start(ms(100));
        caller.stop(ms(500));
        hear(&mut caller, 1, "hello", 500);
        caller.close(1, ms(900));
        assert_eq!(caller.text(), "");
        assert_eq!(hear(&mut caller, 1, "hello there", 900), Accepted::Late);
        assert_eq!(hear(&mut caller, 2, "there", 900), Accepted::Late, "the old turn's tail");
        caller.start(ms(950));
        assert_eq!(hear(&mut caller, 2, "and", 1_100), Accepted::Changed);
    }

    #[test]
    fn closing_keeps_what_was_said_since() {
        let mut caller = Caller::default();
        hear(&mut caller, 1, "hello", 500);
        let pieces = caller.pieces();
        hear(&mut caller, 2, "wait", 1_500);
        caller.close(pieces, ms(900));
        assert_eq!(caller.text(), "wait");
    }

    #[test]
    fn coverage_allows_for_the_last_window() {
        let mut caller = Caller::default();
        assert_eq!(caller.coverage(ms(1_000)), Coverage::Missing);
        caller.transcribe(ms(0), 1, "one", Stability::Partial, ms(900));
        assert_eq!(caller.coverage(ms(1_000)), Coverage::Guessed);
        hear(&mut caller, 1, "one", 899);
        assert_eq!(caller.coverage(ms(1_000)), Coverage::Settled, "covers never goes back");
        assert_eq!(caller.coverage(ms(1_001)), Coverage::Missing);
        caller.transcribe(ms(0), 2, "two", Stability::Partial, ms(900));
        assert_eq!(caller.coverage(ms(1_000)), Coverage::Guessed, "more is coming");
    }

    #[test]
    fn keys_are_words_that_need_no_silence() {
        let mut caller = Caller::default();
        caller.type_in(ms(100), "12".to_owned());
        assert!(caller.typed_last());
        caller.start(ms(200));
        assert!(!caller.typed_last());
        caller.stop(ms(400));
        assert!(!caller.typed_last(), "speech came after the keys");
    }
}
