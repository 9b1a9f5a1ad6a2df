//! A machine has answered: it is told what it is to be told, after its beep.

use std::time::Duration;

use super::Floor;
use crate::input::EndReason;
use crate::output::Event;
use crate::reply::Cause;
use crate::state::{Closing, Machine, State};
use crate::time::Instant;
use crate::timers::{Reason, Soonest};
use crate::voicemail::{CERTAIN, VoicemailPlan};

/// Silence behind a beep before the machine is spoken to: some beep twice, and some cut off what
/// is said at once.
const SETTLE: Duration = Duration::from_millis(300);

/// Silence of the machine after which its beep was missed, or it has none.
const QUIET: Duration = Duration::from_secs(4);

impl Floor {
    /// The plan, while whether a machine has answered is still open.
    fn suspicion(&self) -> Option<&VoicemailPlan> {
        let settled = matches!(self.state, State::Closing(_) | State::Closed(_));
        self.settings.voicemail.as_ref().filter(|_| self.connected && !settled)
    }

    /// Looks at the evidence. Returns whether the call goes on as before.
    pub(super) fn suspect_voicemail(&mut self, now: Instant) -> bool {
        let Some(plan) = self.suspicion() else { return true };
        let time = now.since(self.started);
        let looks = plan.from <= time && time <= plan.until;
        if !looks || self.evidence.weight(plan, now) < CERTAIN {
            return true;
        }
        self.on_voicemail(now);
        false
    }

    /// When speech that goes on, or the beginning of the time to look, decides it.
    pub(super) fn voicemail_deadline(&self, soonest: &mut Soonest) {
        let Some(plan) = self.suspicion() else { return };
        let (from, until) = (self.started + plan.from, self.started + plan.until);
        let certain = if self.evidence.weight(plan, self.now) >= CERTAIN {
            Some(from)
        } else {
            self.evidence.certain_at(plan).map(|at| at.max(from))
        };
        if let Some(at) = certain
            && at.max(self.now) <= until
        {
            soonest.at(at, Reason::Voicemail);
        }
    }

    fn on_voicemail(&mut self, now: Instant) {
        self.tell(Event::VoicemailDetected);
        if self.message().is_none() {
            self.end(now, EndReason::Voicemail);
            return;
        }
        let beeped = self.evidence.last_beep(self.caller.voicing(), self.caller.spoke_until());
        self.await_machine(now, beeped.map_or(Machine::Greeting, Machine::Beeped));
    }

    /// What a machine is told.
    fn message(&self) -> Option<&str> {
        let message = self.settings.voicemail.as_ref()?.message.trim();
        (!message.is_empty()).then_some(message)
    }

    /// Nothing is said before the machine listens.
    fn await_machine(&mut self, now: Instant, machine: Machine) {
        self.cut_reply(now);
        let closing = Closing::new(EndReason::Voicemail, now);
        self.state = State::Closing(Closing { machine: Some(machine), ..closing });
    }

    pub(super) fn on_beep(&mut self, now: Instant, until: Instant) {
        if self.settings.voicemail.is_none() {
            self.counters.foreign += 1;
            return;
        }
        let until = until.min(now);
        self.evidence.on_beep(until);
        if !self.suspect_voicemail(now) {
            return;
        }
        let State::Closing(closing) = &mut self.state else { return };
        match &mut closing.machine {
            Some(machine @ (Machine::Greeting | Machine::Beeped(_))) => {
                *machine = Machine::Beeped(until);
            }
            // It was spoken to before it listened: once more, now that it does.
            Some(Machine::Listening { beeped: false }) => {
                self.await_machine(now, Machine::Beeped(until));
            }
            Some(Machine::Listening { beeped: true }) | None => self.counters.late += 1,
        }
    }

    /// When the machine is spoken to.
    pub(super) fn machine_deadline(&self, closing: &Closing) -> Option<Instant> {
        match closing.machine? {
            Machine::Listening { .. } => None,
            Machine::Beeped(ended) => Some(ended + SETTLE),
            Machine::Greeting => {
                let plan = self.settings.voicemail.as_ref()?;
                let longest = self.started + plan.beep_wait;
                if self.caller.voicing().is_some() {
                    return Some(longest);
                }
                let quiet_since = self.caller.spoke_until().max(Some(closing.since));
                quiet_since.map(|since| longest.min(since + QUIET))
            }
        }
    }

    /// The machine listens.
    pub(super) fn speak_to_machine(&mut self, now: Instant) {
        let State::Closing(Closing { machine: Some(machine), .. }) = self.state else { return };
        let Some(message) = self.message().map(str::to_owned) else {
            self.end(now, EndReason::Voicemail);
            return;
        };
        self.enter_unanswered(now);
        let farewell = Some(self.say(now, Cause::Farewell, message));
        let machine = Machine::Listening { beeped: matches!(machine, Machine::Beeped(_)) };
        let closing = Closing::new(EndReason::Voicemail, now);
        self.state = State::Closing(Closing { farewell, machine: Some(machine), ..closing });
    }
}
