//! Silence is running: has the caller finished?

use std::time::Duration;

use super::Floor;
use crate::caller::Coverage;
use crate::dictation::{self, Progress};
use crate::endpointing::{self, Evidence, Ground, Shape};
use crate::history::Entry;
use crate::input::Probability;
use crate::output::{Event, Output, RecognizerHint, TurnTimes};
use crate::reply::{Cause, Reply};
use crate::settings::SmartEndpointing;
use crate::speculation;
use crate::state::{Answer, Look, RecognizerEnd, Settling, State};
use crate::time::Instant;
use crate::timers::{Reason, Soonest};

/// Silence before the turn model is asked: enough for it to hear the fall of the voice and the
/// beginning of the pause, little enough to have its answer before [`endpointing::LEAST`].
const ASK_AFTER: Duration = Duration::from_millis(100);
/// Silence before a reply is prepared for words that are settled.
const DRAFT_AFTER: Duration = Duration::from_millis(100);
/// Silence before a reply is prepared for words that may still change, or to which more is
/// likely to come: the turn model has answered by then.
const DRAFT_GUESS_AFTER: Duration = Duration::from_millis(200);
/// Replies prepared for one turn. The first is for the pause that is the end, the second for the
/// caller who added something; a third guess is usually wrong again.
const MOST_SPECULATIONS: u8 = 2;
/// Least silence that ends a turn whose words may still change, where the recogniser is one that
/// settles them: it is late, and will.
const GUESS_WAIT: Duration = Duration::from_millis(700);
/// Time beyond its usual lag in which a recogniser that never settles its words has written the
/// last of them.
const LAG_SLACK: Duration = Duration::from_millis(300);
/// Silence after which the turn ends with the words there are.
const WORDS_LIMIT: Duration = Duration::from_millis(1_200);
/// Silence after which a sound without words was noise.
const NOISE_LIMIT: Duration = Duration::from_millis(1_500);
/// Silence that ends a turn where a recogniser that ends turns itself does not.
const RECOGNIZER_LIMIT: Duration = Duration::from_secs(3);
/// The longest wait it may ask for (Vapi's bound of `timeoutSeconds`).
const LONGEST_ANSWER: Duration = Duration::from_secs(15);
/// A score that says nothing, in ten-thousandths.
const UNKNOWN: u16 = 5_000;
/// Below this the turn model is certain enough to save the attempt to prepare a reply.
const NOT_WORTH_A_DRAFT: u16 = 2_000;

impl Floor {
    /// Silence runs since `since`.
    pub(super) fn settle(&mut self, now: Instant, since: Instant) {
        let pause = self.next_pause;
        self.next_pause += 1;
        self.state = State::Settling(Settling {
            pause,
            since: since.min(now),
            whispered: false,
            asked: false,
            score: None,
            look: None,
            ended: None,
            resumed: false,
            draft: None,
            draft_at: None,
            wanted: (NOISE_LIMIT, Ground::Overdue),
            end: (since + NOISE_LIMIT, Reason::Transcript),
        });
        self.reconsider();
    }

    /// Something that counts has changed: decides anew when the turn ends and whether to prepare
    /// a reply.
    pub(super) fn reconsider(&mut self) {
        self.ask_endpointing();
        let State::Settling(settling) = &self.state else { return };
        let text = self.caller.text();
        let evidence = self.evidence(settling.score);
        let coverage = self.caller.coverage(settling.since);
        let (wait, ground) = self.silence_wanted(settling, &evidence);
        let end = self.end_of(settling, wait, coverage);
        let draft_at = self.draft_time(settling, &evidence, coverage);
        let stale = settling
            .draft
            .as_ref()
            .is_some_and(|draft| text.is_empty() || !speculation::equivalent(&draft.user, text));
        let State::Settling(settling) = &mut self.state else { return };
        settling.end = end;
        settling.wanted = (wait, ground);
        settling.draft_at = draft_at;
        if stale && let Some(draft) = settling.draft.take() {
            self.cancel_draft(&draft);
            self.reconsider();
        }
    }

    /// What is known of the caller's turn so far.
    pub(super) fn evidence(&self, score: Option<Probability>) -> Evidence {
        let text = self.caller.text();
        Evidence {
            score,
            shape: endpointing::shape(text),
            words: dictation::words(text),
            punctuates: self.caller.punctuates(),
            expectation: self.awaited.expectation(),
            dictated: self.awaited.read(text).map(|found| (found.kind, found.progress)),
            slowness: endpointing::slowness(text, self.caller.voiced()),
        }
    }

    fn end_of(&self, settling: &Settling, wait: Duration, coverage: Coverage) -> (Instant, Reason) {
        let since = settling.since;
        if !self.caller.has_words() {
            return (since + NOISE_LIMIT, Reason::Transcript);
        }
        if self.caller.typed_last() {
            return (since, Reason::EndOfTurn);
        }
        if wait.is_zero() && settling.ended == Some(RecognizerEnd::Certain) {
            // It ends the turn with the words it has given.
            return (since, Reason::EndOfTurn);
        }
        match (coverage, self.caller.lag()) {
            (Coverage::Settled, _) => (since + wait, Reason::EndOfTurn),
            (Coverage::Guessed, _) if !self.caller.settles() => (since + wait, Reason::EndOfTurn),
            (Coverage::Guessed, _) => (since + wait.max(GUESS_WAIT), Reason::EndOfTurn),
            (Coverage::Missing, Some(lag)) => {
                (since + wait.max((lag + LAG_SLACK).min(WORDS_LIMIT)), Reason::Transcript)
            }
            (Coverage::Missing, None) => (since + wait.max(WORDS_LIMIT), Reason::Transcript),
        }
    }

    /// The silence that ends the turn, by Vapi's precedence: the assistant's rules, smart
    /// endpointing, the recogniser's own end of turn, the transcript.
    fn silence_wanted(&self, settling: &Settling, evidence: &Evidence) -> (Duration, Ground) {
        if self.caller.typed_last() {
            return (Duration::ZERO, Ground::Typed);
        }
        let rule = self.rules.matching(self.history.last_of_assistant(), self.caller.text());
        if let Some((index, wait)) = rule {
            return (wait, Ground::Rule { index });
        }
        let plan = &self.settings.start_speaking;
        match (&plan.smart_endpointing, &self.wait_function) {
            (SmartEndpointing::WaitFunction { .. }, Some(function)) => {
                // Not looked at yet, it is as likely one thing as the other.
                let complete = settling.score.map_or(UNKNOWN, Probability::ten_thousandths);
                let speaking = Probability::from_ten_thousandths(10_000 - complete);
                return (function.wait(speaking), Ground::WaitFunction);
            }
            (SmartEndpointing::Own | SmartEndpointing::WaitFunction { .. }, _) => {
                return (self.own_wait(evidence), Ground::Smart);
            }
            (SmartEndpointing::Model, _) => return self.by_model(settling, evidence),
            (SmartEndpointing::Off, _) => {}
        }
        if settling.ended == Some(RecognizerEnd::Certain) {
            return (Duration::ZERO, Ground::Recognizer);
        }
        let wait = endpointing::by_transcript(plan, self.caller.text());
        if self.recognizer_ends_turns && wait < RECOGNIZER_LIMIT {
            return (RECOGNIZER_LIMIT, Ground::Recognizer);
        }
        (wait, Ground::Transcript)
    }

    fn draft_time(
        &self,
        settling: &Settling,
        evidence: &Evidence,
        coverage: Coverage,
    ) -> Option<Instant> {
        let worth = self.settings.speculation
            && settling.draft.is_none()
            && !self.caller.draft_failed
            && !settling.resumed
            && self.caller.has_words()
            && self.caller.speculations < MOST_SPECULATIONS
            && settling.score.is_none_or(|score| score.ten_thousandths() >= NOT_WORTH_A_DRAFT);
        if !worth {
            return None;
        }
        if settling.ended.is_some() {
            return Some(settling.since);
        }
        let more = match evidence.dictated {
            Some((_, progress)) => progress < Progress::Likely,
            None => matches!(evidence.shape, Shape::Comma | Shape::Open | Shape::Hesitating),
        };
        if more {
            return None;
        }
        match (evidence.shape, coverage) {
            (_, Coverage::Missing) => None,
            // A whole sentence is answered in advance as soon as the voice pauses.
            (Shape::Closed | Shape::Stopped, _) if evidence.dictated.is_none() => {
                Some(settling.since)
            }
            (_, Coverage::Settled) if !evidence.is_unstopped() => {
                Some(settling.since + DRAFT_AFTER)
            }
            (_, Coverage::Settled | Coverage::Guessed) => Some(settling.since + DRAFT_GUESS_AFTER),
        }
    }

    pub(super) fn settling_deadlines(&self, settling: &Settling, soonest: &mut Soonest) {
        if self.keypad.deadline().is_some() {
            // The keys that are being pressed belong to the turn.
            return;
        }
        let (end, reason) = settling.end;
        // What was heard must be in history before what answers it.
        let after_cut = |at: Instant| self.cut.as_ref().map_or(at, |cut| at.max(cut.overdue_at()));
        let end = after_cut(end);
        // At the same moment a decision goes before what prepares it; overdue, before all of it.
        soonest.at(end, reason);
        if end <= self.now {
            return;
        }
        if self.settings.start_speaking.smart_endpointing.listens() && !settling.asked {
            soonest.at(settling.since + ASK_AFTER, Reason::AskTurnModel);
        }
        if let Some(at) = settling.draft_at {
            soonest.at(after_cut(at), Reason::Speculate);
        }
    }

    pub(super) fn ask_turn_model(&mut self) {
        if let State::Settling(settling) = &mut self.state {
            settling.asked = true;
            self.outputs.push_back(Output::AskTurnModel { pause: settling.pause });
        }
    }

    pub(super) fn on_turn_score(&mut self, _now: Instant, pause: u32, complete: Probability) {
        match &mut self.state {
            State::Settling(settling) if settling.pause == pause && settling.score.is_none() => {
                settling.score = Some(complete);
                self.reconsider();
            }
            State::Settling(settling) if settling.pause == pause => self.counters.duplicate += 1,
            _ if pause >= self.next_pause || pause == 0 => self.counters.foreign += 1,
            _ => self.counters.late += 1,
        }
    }

    /// Our own wait, as patient as the assistant wants it.
    fn own_wait(&self, evidence: &Evidence) -> Duration {
        endpointing::wait(evidence) * self.settings.start_speaking.patience / 100
    }

    /// Asks the assistant's endpointing server about words it has not been asked about.
    fn ask_endpointing(&mut self) {
        if self.settings.start_speaking.smart_endpointing != SmartEndpointing::Model {
            return;
        }
        let State::Settling(settling) = &mut self.state else { return };
        let user = self.caller.text();
        let known = settling.look.as_ref().is_some_and(|look| look.user == user);
        if user.is_empty() || known {
            return;
        }
        let look = Look {
            number: self.next_look,
            at: self.now,
            user: user.to_owned(),
            answer: Answer::Awaited,
        };
        self.next_look += 1;
        self.outputs
            .push_back(Output::AskEndpointing { look: look.number, user: look.user.clone() });
        settling.look = Some(look);
    }

    /// What the assistant's endpointing server wants; ours where it does not say.
    fn by_model(&self, settling: &Settling, evidence: &Evidence) -> (Duration, Ground) {
        let own = (self.own_wait(evidence), Ground::Smart);
        let Some(look) = &settling.look else { return own };
        let asked = look.at.since(settling.since);
        match look.answer {
            Answer::Wait(wait) => (asked + wait, Ground::Model),
            Answer::Awaited => (own.0.max(asked + endpointing::MODEL_PATIENCE), Ground::Smart),
            Answer::Failed => own,
        }
    }

    pub(super) fn on_endpointing_answer(&mut self, look: u32, wait: Option<Duration>) {
        let asked = match &mut self.state {
            State::Settling(settling) => settling.look.as_mut(),
            _ => None,
        };
        match asked {
            Some(asked) if asked.number == look && asked.answer == Answer::Awaited => {
                let wait = wait.filter(|wait| *wait <= LONGEST_ANSWER);
                asked.answer = wait.map_or(Answer::Failed, Answer::Wait);
                self.counters.failed_looks += u64::from(wait.is_none());
                self.reconsider();
            }
            Some(asked) if asked.number == look => self.counters.duplicate += 1,
            _ if look >= self.next_look || look == 0 => self.counters.foreign += 1,
            _ => self.counters.late += 1,
        }
    }

    pub(super) fn on_end_of_turn(&mut self, now: Instant, eager: bool) {
        self.recognizer_ends_turns |= !eager;
        let smart = self.settings.start_speaking.smart_endpointing.listens();
        match &mut self.state {
            State::Settling(settling) => {
                settling.resumed = false;
                settling.ended = Some(match (eager, settling.ended) {
                    (true, None | Some(RecognizerEnd::Eager)) => RecognizerEnd::Eager,
                    _ => RecognizerEnd::Certain,
                });
                self.reconsider();
            }
            // The recogniser hears the end where the voice gate hears noise go on.
            State::Hearing if !eager && !smart && self.caller.has_words() => self.commit(now),
            State::Hearing => {}
            _ => self.counters.late += 1,
        }
    }

    pub(super) fn on_turn_resumed(&mut self, _now: Instant) {
        let State::Settling(settling) = &mut self.state else {
            self.counters.late += 1;
            return;
        };
        settling.ended = None;
        settling.resumed = true;
        if let Some(draft) = settling.draft.take() {
            self.cancel_draft(&draft);
        }
        self.reconsider();
    }

    /// Prepares a reply to the words so far.
    pub(super) fn speculate(&mut self, now: Instant) {
        self.settle_cut(now);
        if !self.caller.has_words() {
            self.reconsider();
            return;
        }
        let user = self.caller.text().to_owned();
        self.caller.speculations += 1;
        self.counters.speculations += 1;
        let cause = Cause::Turn { pieces: self.caller.pieces() };
        let draft = self.ask_model(now, cause, user, true);
        if let State::Settling(settling) = &mut self.state {
            settling.draft = Some(draft);
            settling.draft_at = None;
        }
    }

    pub(super) fn cancel_draft(&mut self, draft: &Reply) {
        self.outputs.push_back(Output::CancelReply { turn: draft.turn });
    }

    /// The words of the last speech are overdue: the turn ends with those there are, and without
    /// any it was noise.
    pub(super) fn on_transcript_overdue(&mut self, now: Instant) {
        if self.caller.has_words() {
            self.commit(now);
            return;
        }
        self.counters.noises += 1;
        self.take_floor(now);
    }

    /// The caller has finished: the turn enters history and is answered.
    pub(super) fn commit(&mut self, now: Instant) {
        self.settle_cut(now);
        let (draft, why) = match std::mem::replace(&mut self.state, State::Listening) {
            State::Settling(settling) => {
                let overdue = settling.end.1 == Reason::Transcript;
                let unanswered =
                    settling.look.as_ref().is_some_and(|look| look.answer == Answer::Awaited);
                self.counters.failed_looks += u64::from(unanswered);
                let (wait, ground) = settling.wanted;
                let ground = if overdue { Ground::Overdue } else { ground };
                (settling.draft, (settling.since, wait, ground, settling.score))
            }
            _ => (None, (now, Duration::ZERO, Ground::Noise, None)),
        };
        if !self.caller.has_words() {
            // They belonged to the turn whose reply turned out to have been heard.
            if let Some(draft) = draft {
                self.cancel_draft(&draft);
            }
            self.take_floor(now);
            return;
        }
        let (since, wait, ground, score) = why;
        self.tell(Event::TurnEnded {
            silence_ms: millis(now.since(since)),
            wait_ms: millis(wait),
            ground,
            evidence: self.evidence(score),
            dictated: self.dictated(self.caller.text()),
        });
        self.hint(RecognizerHint::TurnEnded);
        self.greeting_due = false;
        self.idle.on_words(&self.settings.idle);
        self.toolbox.restart();
        self.answer(now, draft);
    }

    /// Answers the caller's words, with `draft` where that was prepared for them.
    pub(super) fn answer(&mut self, now: Instant, draft: Option<Reply>) {
        let words = self.caller.text().to_owned();
        let kept = draft.filter(|draft| {
            let keep = draft.asked_with == self.history.revision()
                && speculation::equivalent(&draft.user, &words);
            if !keep {
                self.cancel_draft(draft);
            }
            keep
        });
        self.history.push(Entry::User { text: words.clone(), dictated: self.dictated(&words) });
        self.quiet_since = now;
        self.tell(Event::UserTranscript { text: words.clone(), is_final: true });
        let spoke_until = self.caller.spoke_until().unwrap_or(now);
        let audible_from = self.backoff_until.max(spoke_until + self.settings.start_speaking.wait);
        let release = (audible_from > now).then_some(audible_from);
        let cause = Cause::Turn { pieces: self.caller.pieces() };
        let mut reply = match kept {
            Some(draft) => {
                self.counters.speculations_kept += 1;
                Reply { cause, ..draft }
            }
            None => self.ask_model(now, cause, String::new(), release.is_some()),
        };
        reply.user = words;
        reply.times = TurnTimes {
            speech_ended: self.caller.spoke_until(),
            transcribed: self.caller.changed(),
            committed: Some(now),
            ..reply.times
        };
        self.think(now, reply, release);
    }
}

fn millis(duration: Duration) -> u32 {
    u32::try_from(duration.as_millis()).unwrap_or(u32::MAX)
}
