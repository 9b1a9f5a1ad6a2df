//! What running tools bring about in a call.

use std::sync::Arc;

use turntaking::input::Input;
use turntaking::time::Instant;

use super::driver::Session;
use super::endpointing::Endpointing;
use super::event::SessionEventKind;
use super::history::Told;
use super::keys;
use super::tools::News;
use crate::tools::{Succession, Successor};

impl Session {
    pub(super) fn on_news(&mut self, news: News, now: Instant) {
        match news {
            News::Tell(input) => {
                if matches!(&input, Input::EndCall { .. }) {
                    self.tell_forwarded(now);
                }
                if let Input::ToolResult { id, result, .. } = &input {
                    let (id, result) = (id.to_string(), result.to_string());
                    self.emit(now, SessionEventKind::ToolAnswered { id, result });
                }
                self.tell(input, now);
            }
            News::Hold(sound) => {
                let own = || self.egress.persona().background.clone();
                // The recording has the assistant's own background alone.
                let sound = sound.or_else(own);
                self.transport
                    .set_background(sound.filter(|sound| sound.rate() == self.transport.rate()));
            }
            News::Press(keys) => {
                let tones = keys::tones(self.transport.rate(), now, &keys);
                self.transport.set_background(tones.map(Arc::new));
            }
            News::HandOver(to) => self.hand_over(*to, now),
            News::Learnt(variables) => {
                self.emit(now, SessionEventKind::Learnt { variables });
            }
        }
    }

    /// Another assistant takes the call over. What is being said is said to its end, and what the
    /// caller says meanwhile is heard.
    fn hand_over(&mut self, to: Succession, now: Instant) {
        let Succession { successor, context, destination } = to;
        let Successor { name, id, document, settings, mut persona, providers, tools } = successor;
        tracing::info!(call = %self.id, name, "another assistant takes over");
        let since = self.request(("", None), "").messages;
        let before = &self.egress.persona().preamble;
        let since = since.get(before.len()..).unwrap_or_default();
        persona.preamble =
            context.head((before, since), &persona.preamble, |name| self.tools.passes_on(name));
        self.told = Told::all(self.floor.history());
        if persona.background != self.egress.persona().background {
            let background = persona.background.clone();
            let rate = self.transport.rate();
            self.transport.set_background(background.filter(|sound| sound.rate() == rate));
        }
        if let Err(error) = self.ingress.retune(&providers, &persona.language) {
            // The one before goes on: better another language's than none.
            tracing::error!(call = %self.id, %error, "the next assistant's transcriber is missing");
        }
        self.endpointing = Endpointing::new(providers.endpointing.clone(), self.id);
        self.egress.replace(providers, persona);
        self.tools.replace(tools);
        let handed = SessionEventKind::HandedOver {
            name,
            assistant_id: id,
            assistant: document,
            destination,
        };
        self.emit(now, handed);
        self.tell(Input::HandOver { settings: Box::new(settings) }, now);
    }
}
