//! The caller says nothing: what the assistant does about it.

use super::Floor;
use crate::idle::IdleAction;
use crate::input::EndReason;
use crate::reply::{Cause, Reply};
use crate::time::Instant;
use crate::timers::{Reason, Soonest};

impl Floor {
    /// When the next rule is due, as long as nobody has anything to say. Not while a tool runs:
    /// then the caller waits for us. Not while keys are pressed.
    pub(super) fn idle_deadline(&self, soonest: &mut Soonest) {
        if self.toolbox.is_idle()
            && self.keypad.deadline().is_none()
            && let Some((at, _)) = self.idle.next(&self.settings.idle, self.quiet_since)
        {
            soonest.at(at, Reason::Idle);
        }
    }

    pub(super) fn on_idle(&mut self, now: Instant) {
        if let Some((_, rule)) = self.idle.next(&self.settings.idle, self.quiet_since) {
            self.idle.fire(&self.settings.idle, rule);
            self.take_floor(now);
        }
    }

    /// Does what follows on the silence, as far as it takes no reply: `None` where nothing is
    /// left to say, or the call is closing.
    pub(super) fn break_silence(&mut self, now: Instant) -> Option<Reply> {
        while let Some((rule, action)) = self.idle.take() {
            if action == IdleAction::EndCall {
                self.close(now, EndReason::AssistantEndedCall, true);
                return None;
            }
            let reply = self.act_on_silence(now, rule, action);
            if reply.is_some() {
                return reply;
            }
        }
        None
    }

    /// The reply that carries out `action`; `None` where it has no words.
    pub(super) fn act_on_silence(
        &mut self,
        now: Instant,
        rule: usize,
        action: IdleAction,
    ) -> Option<Reply> {
        match &action {
            IdleAction::Say(texts) => {
                let chosen = self.idle.choose(self.seed, rule, texts.len());
                let text = texts.get(chosen).filter(|text| !text.trim().is_empty())?.clone();
                Some(self.say(now, Cause::Idle { rule, action }, text))
            }
            IdleAction::Ask(prompt) => {
                let prompt = prompt.clone();
                Some(self.ask_model_to(now, Cause::Idle { rule, action }, prompt))
            }
            IdleAction::EndCall => None,
        }
    }
}
