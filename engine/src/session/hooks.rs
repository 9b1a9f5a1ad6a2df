//! What the assistant's hooks do.

use turntaking::input::{EndReason, Input};

use super::driver::Session;
use crate::tools::{HookAction, Occasion};

impl Session {
    /// Does what follows on `occasion`. What is said waits until nobody speaks.
    pub(super) fn on_occasion(&mut self, occasion: Occasion, ended: Option<EndReason>) {
        for action in self.tools.due(occasion, ended) {
            match action {
                HookAction::Say(texts) => {
                    let Some(text) = self.tools.draw(&texts) else { continue };
                    let said = Input::Say { text: text.into(), end_call_after: false };
                    self.follow_ups.push_back(said);
                }
                HookAction::Run(tool) => {
                    let request = self.request(("", None), "");
                    self.tools.run_by_itself(&tool, &self.transcript, &request.messages);
                }
            }
        }
    }
}
