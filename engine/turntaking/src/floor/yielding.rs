//! Barge-in: the assistant is held, and a verdict is due.

use std::time::Duration;

use super::Floor;
use super::cut::Cut;
use crate::input::{Offset, TurnId};
use crate::interruption::{self, Evidence, GATE_LAG, OVER_AFTER, VERDICT_WITHIN, Verdict};
use crate::output::{Event, Output, Role};
use crate::reply::Reply;
use crate::state::{Speaking, State, Yielding};
use crate::time::Instant;
use crate::timers::{Reason, Soonest};

/// How long `Input::Held` may take. The session answers at once; this only keeps a call from
/// standing still should it not.
pub(super) const HELD_WITHIN: Duration = Duration::from_millis(500);

impl Floor {
    /// The caller made a sound while `reply` is heard.
    pub(super) fn hold(&mut self, now: Instant, reply: Reply) {
        self.outputs.push_back(Output::Hold { turn: reply.turn });
        self.state = State::Yielding(Yielding {
            reply,
            since: now,
            judged: now,
            voiced: Duration::ZERO,
            held: None,
            resume: None,
        });
    }

    pub(super) fn yielding_deadlines(&self, yielding: &Yielding, soonest: &mut Soonest) {
        if let Some(resume) = yielding.resume {
            soonest.at(resume + HELD_WITHIN, Reason::Held);
            return;
        }
        soonest.at(self.verdict_at(yielding), Reason::Verdict);
        let plan = &self.settings.stop_speaking;
        match self.caller.voicing() {
            Some(since) if plan.num_words == 0 => {
                let voice_at = since + plan.voice.saturating_sub(yielding.voiced) + GATE_LAG;
                if voice_at > yielding.judged {
                    soonest.at(voice_at, Reason::Voice);
                }
            }
            Some(_) => {}
            None => {
                let over_at = self.caller.spoke_until().unwrap_or(yielding.since) + OVER_AFTER;
                if over_at > yielding.judged {
                    soonest.at(over_at, Reason::FalseAlarm);
                }
            }
        }
    }

    /// A verdict takes [`VERDICT_WITHIN`], or longer where `voiceSeconds` itself is longer.
    fn verdict_at(&self, yielding: &Yielding) -> Instant {
        let plan = &self.settings.stop_speaking;
        let voice = if plan.num_words == 0 { plan.voice + GATE_LAG } else { Duration::ZERO };
        yielding.since + voice.max(VERDICT_WITHIN)
    }

    /// Looks at the evidence.
    pub(super) fn judge(&mut self, now: Instant) {
        let State::Yielding(yielding) = &mut self.state else { return };
        yielding.judged = now;
        let State::Yielding(yielding) = &self.state else { return };
        let (voicing, current) = match self.caller.voicing() {
            Some(since) => (true, (now - GATE_LAG).since(since)),
            None => {
                let until = self.caller.spoke_until().unwrap_or(now);
                (now < until + OVER_AFTER, Duration::ZERO)
            }
        };
        let evidence = Evidence {
            words: self.caller.text(),
            voiced: yielding.voiced + current,
            voicing,
            perhaps_noise: self.caller.may_be_noise(),
            perhaps_echo: self.caller.may_be_echo(),
            overdue: now >= self.verdict_at(yielding),
        };
        let plan = &self.settings.stop_speaking;
        match interruption::verdict(plan, self.phrases_over(&yielding.reply), evidence) {
            Verdict::Undecided => {}
            Verdict::Interruption => self.interrupt(now),
            Verdict::Resume => self.play_on(now),
        }
    }

    /// The caller takes the floor from the reply that is heard or held.
    pub(super) fn interrupt(&mut self, now: Instant) {
        let (mut reply, held) = match std::mem::replace(&mut self.state, State::Hearing) {
            State::Speaking(speaking) => (speaking.reply, None),
            State::Yielding(yielding) => (yielding.reply, yielding.held),
            other => {
                self.state = other;
                return;
            }
        };
        let turn = reply.turn;
        self.outputs.push_back(Output::CancelReply { turn });
        self.tell(Event::UserInterrupted { turn });
        self.tell(Event::SpeechUpdate { role: Role::Assistant, started: false });
        self.backoff_until = now + self.settings.stop_speaking.backoff;
        self.quiet_since = now;
        // An interrupted goodbye is none: the caller has something to say.
        reply.end_call = false;
        let known = held.is_some();
        self.cut = Some(Cut::new(reply, now));
        if known {
            self.settle_cut(now);
        }
        if self.caller.voicing().is_none() {
            let since = self.caller.spoke_until().unwrap_or(now);
            self.settle(now, since);
        }
    }

    /// It was no interruption: playback goes on as soon as it is known from where.
    pub(super) fn play_on(&mut self, now: Instant) {
        let State::Yielding(yielding) = &mut self.state else { return };
        if yielding.held.is_none() {
            yielding.resume.get_or_insert(now);
            return;
        }
        let State::Yielding(yielding) = std::mem::replace(&mut self.state, State::Listening) else {
            return;
        };
        let mut reply = yielding.reply;
        let (turn, from) = (reply.turn, reply.ledger.resume_point());
        reply.ledger.resume(from);
        reply.progress = now;
        self.outputs.push_back(Output::Resume { turn, from });
        self.tell(Event::FalseInterruption { turn });
        self.state = State::Speaking(Speaking { reply });
    }

    pub(super) fn on_held(&mut self, now: Instant, turn: TurnId, at: Offset) {
        if let State::Yielding(yielding) = &mut self.state
            && yielding.reply.turn == turn
        {
            if yielding.held.is_some() {
                self.counters.duplicate += 1;
                return;
            }
            yielding.held = Some(at);
            yielding.reply.ledger.hold(at);
            if yielding.reply.is_over() {
                // The last sample had been played when the hold came.
                self.finish_if_over(now);
            } else if yielding.resume.is_some() {
                self.play_on(now);
            }
            return;
        }
        match &mut self.cut {
            Some(cut) if cut.turn() == turn => {
                cut.hold(at);
                self.settle_cut(now);
                match self.state {
                    State::Listening => self.take_floor(now),
                    // Its words may have belonged to the turn that was answered.
                    State::Settling(_) => self.reconsider(),
                    _ => {}
                }
            }
            _ => self.count_stray(turn),
        }
    }

    /// The session did not say where playback stands: the last estimate must do.
    pub(super) fn on_held_overdue(&mut self, now: Instant) {
        match &mut self.state {
            State::Yielding(yielding) => {
                yielding.held = Some(yielding.reply.ledger.playhead());
                self.play_on(now);
            }
            _ => self.take_floor(now),
        }
    }
}
