//! The caller makes a sound, or stops, and says words.

use std::time::Duration;

use super::Floor;
use crate::caller::Accepted;
use crate::input::{EndReason, Stability, Stage};
use crate::output::{Event, Output, RecognizerHint, Role};
use crate::phrases::Meaning;
use crate::reply::{Cause, Reply};
use crate::speculation;
use crate::state::{State, Thinking};
use crate::time::Instant;

/// Times a reply is started again because words came late. Twice is a recogniser that trails
/// behind; more would keep the caller waiting for nothing.
const MOST_RESTARTS: u8 = 2;

/// Voice without words that ends a turn: a television, a street. Without this a call from a noisy
/// place would never be answered; a caller who hums that long is asked.
const NOISE_AFTER: Duration = Duration::from_secs(3);

/// Words that cover no more than this beyond the last speech belong to it: a recogniser decodes
/// the silence behind it too.
const WORDS_LATE_BY: Duration = Duration::from_secs(2);

impl Floor {
    pub(super) fn on_speech_started(&mut self, now: Instant, since: Instant) {
        let since = since.min(now);
        if !self.caller.start(since) {
            self.counters.duplicate += 1;
            return;
        }
        if self.settings.voicemail.is_some() {
            self.evidence.on_speech(self.started, since);
        }
        self.hint(RecognizerHint::SpeechStarted);
        self.tell(Event::SpeechUpdate { role: Role::User, started: true });
        match std::mem::replace(&mut self.state, State::Hearing) {
            State::Listening | State::Hearing => {}
            State::Settling(settling) => {
                if let Some(draft) = settling.draft {
                    self.cancel_draft(&draft);
                }
            }
            State::Thinking(thinking) if self.is_uninterruptible(&thinking.reply) => {
                self.state = State::Thinking(thinking);
            }
            State::Thinking(thinking) => self.take_back(now, thinking.reply),
            State::Speaking(speaking) => {
                self.forget_acknowledgement(&speaking.reply);
                if self.is_uninterruptible(&speaking.reply) {
                    self.state = State::Speaking(speaking);
                } else {
                    self.hold(now, speaking.reply);
                }
            }
            state @ (State::Yielding(_) | State::Closing(_) | State::Closed(_)) => {
                self.state = state;
            }
        }
    }

    /// A noise that resembles a voice only holds the assistant; once it is a voice it may do more.
    pub(super) fn on_noise_suspected(&mut self, now: Instant, noise: bool) {
        if !self.caller.suspect_noise(noise) {
            self.counters.late += 1;
            return;
        }
        if noise {
            return;
        }
        match std::mem::replace(&mut self.state, State::Hearing) {
            State::Speaking(speaking) if !self.is_uninterruptible(&speaking.reply) => {
                self.hold(now, speaking.reply);
            }
            state => self.state = state,
        }
        self.judge(now);
    }

    pub(super) fn on_speech_stopped(&mut self, now: Instant, since: Instant) {
        let since = since.min(now);
        let Some(began) = self.caller.voicing() else {
            self.counters.duplicate += 1;
            return;
        };
        self.caller.stop(since);
        self.evidence.on_pause(since);
        self.hint(RecognizerHint::Pause);
        self.tell(Event::SpeechUpdate { role: Role::User, started: false });
        match &mut self.state {
            State::Hearing => self.settle(now, since),
            State::Yielding(yielding) => {
                yielding.voiced += since.since(began);
                self.judge(now);
            }
            _ => {}
        }
    }

    pub(super) fn on_echo_suspected(&mut self) {
        if self.caller.voicing().is_some() {
            self.caller.suspect_echo();
        } else {
            self.counters.late += 1;
        }
    }

    /// The caller did not say that: the assistant did. Playback goes on, and the words are no turn.
    pub(super) fn on_echo_found(&mut self, now: Instant, since: Instant) {
        let since = since.min(now);
        self.counters.echoes += 1;
        if self.caller.take_back(since) {
            self.hint(RecognizerHint::Pause);
            self.tell(Event::SpeechUpdate { role: Role::User, started: false });
        }
        match self.state {
            State::Speaking(_) | State::Yielding(_) | State::Thinking(_) => {
                self.caller.close(self.caller.pieces(), now);
                self.hint(RecognizerHint::TurnEnded);
                self.play_on(now);
            }
            State::Hearing => self.settle(now, since),
            _ => {}
        }
    }

    pub(super) fn on_transcript(
        &mut self,
        now: Instant,
        segment: u32,
        text: &str,
        stability: Stability,
        covers: Instant,
    ) {
        let covers = covers.min(now);
        match self.caller.transcribe(now, segment, text, stability, covers) {
            Accepted::Late => {
                self.counters.late_words += 1;
                return;
            }
            Accepted::Unchanged => {
                // The same words may be firmer now, or cover more.
                match self.state {
                    State::Settling(_) => self.reconsider(),
                    State::Hearing if self.hears_only_noise(covers) => self.commit(now),
                    _ => {}
                }
                return;
            }
            Accepted::Changed => {}
        }
        self.quiet_since = now;
        let text = self.caller.text().to_owned();
        if self.settings.voicemail.is_some() {
            self.evidence.on_words(&text);
        }
        self.tell(Event::UserTranscript { text, is_final: false });
        if !self.suspect_voicemail(now) {
            return;
        }
        match &self.state {
            State::Listening if self.caller.has_words() => self.settle_on_words(now, covers),
            State::Settling(_) => self.hear_more_words(covers),
            State::Thinking(_) => self.hear_late_words(now),
            State::Speaking(speaking)
                if !self.is_uninterruptible(&speaking.reply)
                    && self.words_interrupt(&speaking.reply) =>
            {
                self.interrupt(now);
            }
            State::Yielding(_) => self.judge(now),
            _ => {}
        }
    }

    /// The voice gate stays open, and the recogniser finds no word in what it lets through.
    fn hears_only_noise(&self, covers: Instant) -> bool {
        self.caller.has_words() && self.caller.wordless(covers) >= NOISE_AFTER
    }

    /// Words came while nobody seemed to speak: the recogniser is late, or hears what the voice
    /// gate does not. Then only the words tell when silence began.
    fn settle_on_words(&mut self, now: Instant, covers: Instant) {
        let spoke_until = self.caller.spoke_until();
        let late = spoke_until.filter(|until| covers <= *until + WORDS_LATE_BY);
        self.settle(now, late.unwrap_or(covers));
        if late.is_none()
            && let State::Settling(settling) = &mut self.state
        {
            settling.whispered = true;
        }
    }

    fn hear_more_words(&mut self, covers: Instant) {
        if let State::Settling(settling) = &mut self.state
            && settling.whispered
        {
            settling.since = settling.since.max(covers);
        }
        self.reconsider();
    }

    pub(super) fn on_recognizer_failed(&mut self, now: Instant) {
        self.end(now, EndReason::ProviderFailed(Stage::Transcriber));
    }

    pub(super) fn hint(&mut self, hint: RecognizerHint) {
        self.outputs.push_back(Output::Recognizer { hint });
    }

    /// Words of the turn that is being answered came late. As long as no audio of the reply
    /// exists it is started again; afterwards the caller is about to hear it.
    fn hear_late_words(&mut self, now: Instant) {
        let State::Thinking(thinking) = &self.state else { return };
        let Cause::Turn { .. } = thinking.reply.cause else { return };
        let words = self.caller.text();
        let material = !speculation::equivalent(&thinking.reply.user, words);
        let bound = self.caller.restarts >= MOST_RESTARTS;
        if !material {
            return;
        }
        if words.is_empty() || bound || thinking.reply.has_acted() || thinking.reply.may_be_heard()
        {
            self.counters.late_words += 1;
            return;
        }
        let State::Thinking(Thinking { reply, .. }) =
            std::mem::replace(&mut self.state, State::Listening)
        else {
            return;
        };
        self.caller.restarts += 1;
        self.counters.restarts += 1;
        self.outputs.push_back(Output::CancelReply { turn: reply.turn });
        self.history.reopen_user();
        self.tell(Event::TurnReopened);
        self.answer(now, None);
    }

    /// The words so far only acknowledged, and the assistant went on: they are no part of what
    /// is said next.
    fn forget_acknowledgement(&mut self, over: &Reply) {
        let phrases = self.phrases_over(over);
        if phrases.meaning(self.caller.text()) == Meaning::Acknowledgement {
            self.drop_words();
        }
    }

    /// The words so far are no turn.
    pub(super) fn drop_words(&mut self) {
        self.counters.backchannels += 1;
        let until = self.caller.spoke_until().unwrap_or(self.now);
        self.caller.close(self.caller.pieces(), until);
        self.hint(RecognizerHint::TurnEnded);
    }
}
