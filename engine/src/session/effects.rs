//! Carries out what the Floor asks for.

use turntaking::dictation::Dictated;
use turntaking::input::{EndReason, Input, TurnId};
use turntaking::output::{Event, Output, Role};
use turntaking::time::Instant;

use super::driver::Session;
use super::event::SessionEventKind;
use super::history;
use super::tools::Order;
use crate::llm::{ChatMessage, ChatRequest};
use crate::tools::Occasion;

impl Session {
    /// Carries out one order. Returns what the Floor must be told at once.
    pub(super) fn carry_out(&mut self, output: &Output, now: Instant) -> Option<Input<'static>> {
        match output {
            Output::StartReply { turn, speculative, user, prompt } => {
                let dictated = self.floor.dictated(user);
                let request = self.request((user, dictated.as_ref()), prompt);
                if !speculative {
                    self.waiting_since.get_or_insert(now);
                }
                return self.egress.write(*turn, request, *speculative);
            }
            Output::CommitReply { turn } => {
                self.waiting_since.get_or_insert(now);
                self.egress.release(*turn, &mut *self.transport);
            }
            Output::CancelReply { turn } => {
                let transport = &mut *self.transport;
                return self.egress.cancel(*turn, now, transport, &mut self.tap);
            }
            Output::Say { turn, text } => return self.egress.say(*turn, text.clone()),
            Output::Hold { turn } => {
                let transport = &mut *self.transport;
                return Some(self.egress.hold(*turn, now, transport, &mut self.tap));
            }
            Output::Resume { turn, from } => {
                self.egress.resume(*turn, *from, now, &mut *self.transport);
            }
            Output::AskTurnModel { pause } => {
                self.ingress.ask_turn_model(*pause, self.clock.to_tokio(now).into_std());
            }
            Output::AskEndpointing { look, user } => {
                let request = self.request((user, None), "");
                let said = (&self.transcript, now);
                return self.endpointing.ask(*look, user, &request.messages, said);
            }
            Output::Recognizer { hint } => self.ingress.hint(*hint),
            Output::RunTool { turn, id, name, arguments } => {
                return self.run_tool(*turn, id, name, arguments, now);
            }
            Output::Event { event } => self.on_floor_event(event, now),
            Output::Hangup { reason } => self.hang_up(*reason, now),
        }
        None
    }

    /// The request for a reply to what was said, and to the caller's words `user`.
    pub(super) fn request(
        &self,
        (user, dictated): (&str, Option<&Dictated>),
        prompt: &str,
    ) -> ChatRequest {
        let history = self.floor.history();
        let spoken = (history, self.told.until(history), &self.notes);
        history::request(self.egress.persona(), spoken, (user, dictated), prompt)
    }

    fn on_floor_event(&mut self, event: &Event, now: Instant) {
        if let Event::TurnLatency { turn, times, speculative } = event {
            self.stop_waiting();
            tracing::debug!(call = %self.id, turn = turn.0, ?times, speculative, "first audio");
        }
        if matches!(event, Event::UserInterrupted { .. }) {
            self.on_occasion(Occasion::AssistantInterrupted, None);
        }
        if matches!(event, Event::SpeechUpdate { role: Role::User, started: true }) {
            // Who speaks does not wait.
            self.stop_waiting();
        }
        if let Event::ToolMessageSaid { turn, id } = event {
            self.tools.on_said(*turn, id);
        }
        self.measures.note(event);
        self.transcript.note(event, now);
        self.emit(now, SessionEventKind::Floor(event.clone()));
    }

    fn run_tool(
        &mut self,
        turn: TurnId,
        id: &str,
        name: &str,
        arguments: &str,
        now: Instant,
    ) -> Option<Input<'static>> {
        let called = SessionEventKind::ToolCalled {
            id: id.to_owned(),
            name: name.to_owned(),
            arguments: arguments.to_owned(),
        };
        self.emit(now, called);
        let reply = self.floor.state().reply().filter(|reply| reply.turn() == turn);
        let announced = reply.is_some_and(|reply| !reply.text().trim().is_empty());
        let request = self.request(("", None), "");
        let order = Order { turn, id, name, arguments, announced };
        let refused = self.tools.run(&order, &self.transcript, &request.messages);
        if let Some(Input::ToolResult { id, result, .. }) = &refused {
            let (id, result) = (id.to_string(), result.to_string());
            self.emit(now, SessionEventKind::ToolAnswered { id, result });
        }
        refused
    }

    /// Puts a message into the conversation, behind what was said so far.
    pub(super) fn add_message(&mut self, message: ChatMessage, now: Instant) {
        self.notes.add(self.floor.history().len(), message.clone());
        self.emit(now, SessionEventKind::MessageAdded { message });
    }

    fn hang_up(&mut self, reason: EndReason, now: Instant) {
        tracing::info!(call = %self.id, ?reason, "hanging up");
        self.ended = Some(reason);
        self.stop_waiting();
        self.emit(now, SessionEventKind::HangingUp { reason });
        self.on_occasion(Occasion::CallEnding, Some(reason));
        self.transport.close(now);
    }
}
