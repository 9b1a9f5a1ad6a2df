//! When to decode what the caller is saying, for models that hear a whole utterance at once.
//!
//! Such a model is made to stream by decoding the utterance again as it grows. The schedule says
//! when: often while it is short, more rarely as it grows or when decodes come back late; at the
//! first silence at once; and not at all while nobody speaks. It also says which results are
//! worth telling. Time is positions in the stream: nothing here reads a clock.

use std::time::Duration;

use codecs::SampleRate;

use crate::{Stability, Transcript};

/// A decode of the whole utterance as it is at this moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Order {
    /// Counts up within the stream.
    pub(crate) id: u64,
    /// The segment of the utterance.
    pub(crate) segment: u32,
    /// What the result will be.
    pub(crate) stability: Stability,
    /// The stream position up to which there is no speech that is not in the utterance.
    pub(crate) covers: u64,
    /// Samples in the utterance.
    length: u64,
    /// Samples of the stream when the order was given.
    given: u64,
}

/// What is due after more audio.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    Nothing,
    /// Queue this.
    Partial(Order),
    /// The utterance is as long as it may be: choose a place within its last
    /// [`Pace::last_stretch`] and call [`Schedule::cut`].
    Cut,
}

/// The pace of decodes, in samples of the stream.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    /// Speech before the first partial, the lead of the utterance included.
    first: u64,
    /// Fewest new samples between partials while the utterance is short: the first words decide
    /// whether it is an interruption ...
    eager: u64,
    /// ... and later.
    shortest: u64,
    /// Most new samples between partials.
    longest: u64,
    /// An utterance this long becomes final at the next pause.
    settled: u64,
    /// The longest utterance.
    limit: u64,
    /// The end of a longest utterance, where no partial is made so that it can be cut there.
    last_stretch: u64,
}

impl Pace {
    /// The longest utterance.
    pub(crate) const LIMIT: Duration = Duration::from_secs(16);

    /// The pace for a stream at `rate`.
    pub(crate) fn at(rate: SampleRate) -> Self {
        let ms = |ms: u64| rate.samples_in(Duration::from_millis(ms));
        Self {
            first: ms(460),
            eager: ms(240),
            shortest: ms(400),
            longest: ms(2_000),
            settled: ms(12_000),
            limit: rate.samples_in(Self::LIMIT),
            last_stretch: ms(2_000),
        }
    }

    /// Samples at the end of a longest utterance among which to choose the cut.
    pub(crate) const fn last_stretch(&self) -> u64 {
        self.last_stretch
    }

    /// New samples before the partial that follows one of `length` samples, which came back
    /// `late` samples after it was asked for. At most a third of the time goes into partials,
    /// and no partial hears ten times the audio that is new in it.
    fn interval(&self, length: u64, late: u64) -> u64 {
        let shortest = (length / 4).clamp(self.eager, self.shortest);
        (length / 10).max(3 * late).clamp(shortest, self.longest)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Nothing is being said.
    Idle,
    Speech,
    /// Silence within a segment.
    Pause,
}

/// One stream's schedule.
#[derive(Debug)]
pub(crate) struct Schedule {
    pace: Pace,
    segment: u32,
    phase: Phase,
    next_id: u64,
    /// The partial that was ordered and has not come back.
    partial: Option<u64>,
    /// Length of the utterance at which the next partial is due.
    due: u64,
    /// The last order that was not a partial. What is older says nothing new.
    firm: u64,
    /// The decode for the last pause, while it has not come back.
    stable: Option<u64>,
    /// The decode for the last pause of a segment whose turn ended meanwhile: it is final.
    closing: Option<u64>,
    /// The last text told of this segment.
    text: String,
}

impl Schedule {
    pub(crate) fn new(pace: Pace) -> Self {
        Self {
            pace,
            segment: 0,
            phase: Phase::Idle,
            next_id: 1,
            partial: None,
            due: 0,
            firm: 0,
            stable: None,
            closing: None,
            text: String::new(),
        }
    }

    pub(crate) const fn pace(&self) -> &Pace {
        &self.pace
    }

    /// Orders below this id that are not final need not be carried out.
    pub(crate) fn stale_below(&self) -> u64 {
        self.closing.unwrap_or(self.firm)
    }

    /// Speech began (again); the utterance holds `length` samples.
    pub(crate) fn speech_started(&mut self, length: u64) {
        match self.phase {
            Phase::Idle => self.due = self.pace.first,
            Phase::Pause => self.due = length + self.pace.shortest,
            Phase::Speech => {}
        }
        self.phase = Phase::Speech;
    }

    /// The stream has come to `position` and the utterance to `length` samples.
    pub(crate) fn pushed(&mut self, position: u64, length: u64) -> Due {
        if self.phase != Phase::Speech {
            return Due::Nothing;
        }
        if length >= self.pace.limit {
            return Due::Cut;
        }
        let in_last_stretch = length + self.pace.last_stretch > self.pace.limit;
        if self.partial.is_some() || length < self.due || in_last_stretch {
            return Due::Nothing;
        }
        let order = self.order(Stability::Partial, position, position, length);
        self.partial = Some(order.id);
        Due::Partial(order)
    }

    /// The utterance is cut at `covers`, where it holds `length` samples; what follows is a new
    /// segment, of which `rest` samples are there.
    pub(crate) fn cut(&mut self, position: u64, covers: u64, length: u64, rest: u64) -> Order {
        let order = self.order(Stability::Final, position, covers, length);
        self.close();
        self.due = rest + self.pace.shortest;
        order
    }

    /// Silence began; the utterance holds `length` samples.
    pub(crate) fn paused(&mut self, position: u64, length: u64) -> Option<Order> {
        if self.phase != Phase::Speech {
            return None;
        }
        // All since the last voiced window is silence, so the whole stream is covered.
        if length >= self.pace.settled {
            let order = self.order(Stability::Final, position, position, length);
            self.close();
            self.phase = Phase::Idle;
            return Some(order);
        }
        let order = self.order(Stability::Stable, position, position, length);
        self.stable = Some(order.id);
        self.phase = Phase::Pause;
        Some(order)
    }

    /// The turn is over. What was decoded for the pause is final; speech that is going on
    /// nevertheless is closed with the order that is returned.
    pub(crate) fn turn_ended(&mut self, position: u64, length: u64) -> Option<Order> {
        match self.phase {
            Phase::Idle => None,
            Phase::Pause => {
                if self.stable.is_some() {
                    self.closing = self.stable;
                }
                self.close();
                self.phase = Phase::Idle;
                None
            }
            Phase::Speech => {
                let order = self.order(Stability::Final, position, position, length);
                self.close();
                self.due = self.pace.first;
                Some(order)
            }
        }
    }

    /// An order came back when the stream had come to `position`: with the utterance's `text`,
    /// or, not being `complete`, with the segment's text as it was known when it was given.
    /// Returns what is worth telling.
    pub(crate) fn done(
        &mut self,
        order: &Order,
        position: u64,
        complete: bool,
        text: &str,
    ) -> Option<Transcript> {
        if self.partial == Some(order.id) {
            self.partial = None;
            if order.segment == self.segment {
                let late = position.saturating_sub(order.given);
                self.due = order.length + self.pace.interval(order.length, late);
            }
        }
        if self.stable == Some(order.id) {
            self.stable = None;
        }
        let closing = self.closing == Some(order.id);
        if closing {
            self.closing = None;
        }
        let told = |stability| Transcript {
            segment: order.segment,
            text: text.to_owned(),
            words: Vec::new(),
            stability,
            covers: order.covers,
        };
        if closing || order.stability == Stability::Final {
            return Some(told(Stability::Final));
        }
        if !complete || order.segment != self.segment || order.id < self.firm {
            return None;
        }
        if order.stability == Stability::Stable && self.phase == Phase::Pause {
            text.clone_into(&mut self.text);
            return Some(told(Stability::Stable));
        }
        // A partial; or the decode of a pause after which the caller went on.
        if text.is_empty() || text == self.text {
            return None;
        }
        text.clone_into(&mut self.text);
        Some(told(Stability::Partial))
    }

    fn order(&mut self, stability: Stability, given: u64, covers: u64, length: u64) -> Order {
        let id = self.next_id;
        self.next_id += 1;
        if stability != Stability::Partial {
            self.firm = id;
        }
        Order { id, segment: self.segment, stability, covers, length, given }
    }

    /// The next speech opens a new segment.
    fn close(&mut self) {
        self.segment += 1;
        self.stable = None;
        self.text.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 8;

    fn schedule() -> Schedule {
        Schedule::new(Pace::at(SampleRate::HZ_8000))
    }

    /// The partials of `seconds` of speech from position 0, as positions in ms, when each comes
    /// back `late` ms after it was ordered.
    fn partials(seconds: u64, late: u64) -> Vec<u64> {
        let mut schedule = schedule();
        schedule.speech_started(0);
        let mut ordered = Vec::new();
        let mut outstanding: Option<Order> = None;
        for ms in (20..=seconds * 1_000).step_by(20) {
            if let Some(order) = outstanding
                && ms * MS >= order.given + late * MS
            {
                outstanding = None;
                schedule.done(&order, ms * MS, true, "so far");
            }
            if let Due::Partial(order) = schedule.pushed(ms * MS, ms * MS) {
                assert!(outstanding.is_none(), "one partial at a time");
                outstanding = Some(order);
                ordered.push(ms);
            }
        }
        ordered
    }

    #[test]
    fn partials_flow_and_thin_out_as_the_utterance_grows() {
        assert_eq!(partials(2, 40), [460, 700, 940, 1_180, 1_480, 1_860]);
        let long = partials(13, 40);
        let gaps: Vec<u64> = long.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert!(gaps.is_sorted() && gaps[0] == 240, "{gaps:?}");
        assert!(*gaps.last().expect("many") >= 1_000, "{gaps:?}");
    }

    #[test]
    fn partials_back_off_from_a_busy_decoder() {
        let busy = partials(8, 400);
        assert!(busy.windows(2).all(|pair| pair[1] - pair[0] >= 1_200), "{busy:?}");
        assert_eq!(partials(8, 7_000), [460, 7_460]);
    }

    #[test]
    fn a_pause_is_decoded_at_once_and_its_turn_end_needs_nothing_more() {
        let mut schedule = schedule();
        schedule.speech_started(0);
        let Due::Partial(partial) = schedule.pushed(500 * MS, 500 * MS) else {
            panic!("a partial is due")
        };
        let stable = schedule.paused(600 * MS, 550 * MS).expect("speech paused");
        assert_eq!((stable.stability, stable.covers), (Stability::Stable, 600 * MS));
        assert_eq!(schedule.stale_below(), stable.id);
        assert_eq!(schedule.done(&partial, 610 * MS, true, "hello"), None, "older than the pause");
        let told = schedule.done(&stable, 650 * MS, true, "hello there").expect("news");
        assert_eq!((told.segment, told.stability), (0, Stability::Stable));
        assert_eq!(schedule.turn_ended(900 * MS, 550 * MS), None);
        schedule.speech_started(0);
        let Due::Partial(next) = schedule.pushed(2_000 * MS, 500 * MS) else {
            panic!("a partial is due")
        };
        assert_eq!(next.segment, 1);
    }

    #[test]
    fn a_pause_without_words_is_told_too() {
        let mut schedule = schedule();
        schedule.speech_started(0);
        let stable = schedule.paused(300 * MS, 280 * MS).expect("speech paused");
        let told = schedule.done(&stable, 320 * MS, true, "").expect("news");
        assert_eq!((told.text.as_str(), told.stability), ("", Stability::Stable));
        assert_eq!(schedule.paused(400 * MS, 280 * MS), None, "one order for a pause");
    }

    #[test]
    fn speech_that_resumes_goes_on_with_its_segment() {
        let mut schedule = schedule();
        schedule.speech_started(0);
        let first = schedule.paused(1_000 * MS, 900 * MS).expect("speech paused");
        schedule.speech_started(900 * MS);
        // The first pause comes back late: its words are told, but they are not stable now.
        let told = schedule.done(&first, 1_200 * MS, true, "one").expect("news");
        assert_eq!(told.stability, Stability::Partial);
        assert_eq!(schedule.pushed(1_390 * MS, 1_290 * MS), Due::Nothing);
        let Due::Partial(partial) = schedule.pushed(1_400 * MS, 1_300 * MS) else {
            panic!("a partial is due")
        };
        assert_eq!(partial.segment, 0);
        let second = schedule.paused(1_500 * MS, 1_400 * MS).expect("speech paused");
        let told = schedule.done(&second, 1_600 * MS, true, "one two").expect("news");
        assert_eq!((told.segment, told.stability), (0, Stability::Stable));
    }

    #[test]
    fn a_decode_that_the_turn_end_overtakes_is_final() {
        let mut schedule = schedule();
        schedule.speech_started(0);
        let stable = schedule.paused(1_000 * MS, 900 * MS).expect("speech paused");
        assert_eq!(schedule.turn_ended(1_010 * MS, 900 * MS), None);
        schedule.speech_started(0);
        let next = schedule.paused(1_500 * MS, 300 * MS).expect("speech paused");
        assert_eq!(schedule.stale_below(), stable.id, "still to be carried out");
        let told = schedule.done(&stable, 1_510 * MS, true, "late").expect("news");
        assert_eq!((told.segment, told.stability), (0, Stability::Final));
        assert_eq!(schedule.stale_below(), next.id);
        let told = schedule.done(&next, 1_520 * MS, true, "next").expect("news");
        assert_eq!((told.segment, told.stability), (1, Stability::Stable));
    }

    #[test]
    fn a_turn_end_in_mid_speech_closes_the_segment() {
        let mut schedule = schedule();
        schedule.speech_started(0);
        let last = schedule.turn_ended(1_000 * MS, 900 * MS).expect("there is speech");
        assert_eq!((last.segment, last.stability), (0, Stability::Final));
        let Due::Partial(next) = schedule.pushed(1_500 * MS, 500 * MS) else {
            panic!("a partial is due")
        };
        assert_eq!(next.segment, 1);
        // Given up by an overloaded decoder: the words known before are all there is.
        let told = schedule.done(&last, 1_600 * MS, false, "known").expect("the segment ends");
        assert_eq!((told.text.as_str(), told.stability), ("known", Stability::Final));
    }

    #[test]
    fn a_long_utterance_is_final_at_its_next_pause() {
        let mut schedule = schedule();
        schedule.speech_started(0);
        let last = schedule.paused(13_000 * MS, 12_500 * MS).expect("speech paused");
        assert_eq!(last.stability, Stability::Final);
        assert_eq!(schedule.turn_ended(13_100 * MS, 0), None);
        schedule.speech_started(0);
        let next = schedule.paused(14_000 * MS, 500 * MS).expect("speech paused");
        assert_eq!((next.segment, next.stability), (1, Stability::Stable));
    }

    #[test]
    fn speech_without_a_pause_is_cut_where_no_partial_was() {
        let mut schedule = schedule();
        schedule.speech_started(0);
        let mut covered = 0;
        for ms in (20..16_000).step_by(20) {
            match schedule.pushed(ms * MS, ms * MS) {
                Due::Partial(order) => {
                    covered = order.covers;
                    schedule.done(&order, ms * MS, true, &ms.to_string());
                }
                due => assert_eq!(due, Due::Nothing),
            }
        }
        assert_eq!(schedule.pushed(16_000 * MS, 16_000 * MS), Due::Cut);
        assert!(covered <= (16_000 * MS) - schedule.pace().last_stretch());
        let cut = schedule.cut(16_000 * MS, 15_000 * MS, 15_000 * MS, 1_000 * MS);
        assert_eq!((cut.segment, cut.stability, cut.covers), (0, Stability::Final, 15_000 * MS));
        assert_eq!(schedule.pushed(16_020 * MS, 1_020 * MS), Due::Nothing);
        assert!(matches!(schedule.pushed(16_400 * MS, 1_400 * MS), Due::Partial(_)));
    }

    #[test]
    fn only_news_is_told() {
        let mut schedule = schedule();
        schedule.speech_started(0);
        let mut told = Vec::new();
        for (ms, text) in [(500, ""), (1_000, "a"), (1_500, "a"), (2_000, "a b")] {
            let Due::Partial(order) = schedule.pushed(ms * MS, ms * MS) else {
                panic!("a partial is due")
            };
            let news = schedule.done(&order, ms * MS, true, text);
            told.extend(news.map(|transcript| transcript.text));
        }
        assert_eq!(told, ["a", "a b"]);
    }

    #[test]
    fn hints_without_speech_do_nothing() {
        let mut schedule = schedule();
        assert_eq!(schedule.paused(100, 0), None);
        assert_eq!(schedule.turn_ended(100, 0), None);
        assert_eq!(schedule.pushed(100 * 8_000, 0), Due::Nothing);
        schedule.speech_started(0);
        let order = schedule.paused(100 * 8_000, 100).expect("speech paused");
        assert_eq!(order.segment, 0);
    }
}
