//! A reply is over: what was heard of it enters history, and the floor passes on.

use std::time::Duration;

use super::Floor;
use crate::history::Entry;
use crate::input::EndReason;
use crate::output::{Event, Output, Role};
use crate::phrases::Meaning;
use crate::reply::{Cause, Reply, ToolCall};
use crate::state::{Speaking, State, Thinking};
use crate::time::Instant;

/// An acknowledgement that ended this long before the reply did was one. A later one answers it:
/// callers say "yes" into the last words of a question.
const ANSWER_WITHIN: Duration = Duration::from_secs(1);

impl Floor {
    /// Concludes the reply once its last sample was heard.
    pub(super) fn finish_if_over(&mut self, now: Instant) {
        let over = match &self.state {
            State::Thinking(thinking) => thinking.release.is_none() && thinking.reply.is_over(),
            State::Yielding(yielding) => yielding.held.is_some() && yielding.reply.is_over(),
            State::Speaking(Speaking { reply }) => reply.is_over(),
            State::Closing(closing) => closing.farewell.as_ref().is_some_and(Reply::is_over),
            _ => false,
        };
        if !over {
            return;
        }
        match std::mem::replace(&mut self.state, State::Listening) {
            State::Thinking(Thinking { mut reply, .. }) => {
                self.close_turn(&mut reply);
                self.conclude(now, reply);
            }
            State::Speaking(Speaking { reply }) => self.conclude(now, reply),
            State::Yielding(yielding) => self.conclude(now, yielding.reply),
            State::Closing(mut closing) => {
                if let Some(farewell) = closing.farewell.take() {
                    if farewell.audible {
                        self.tell(Event::SpeechUpdate { role: Role::Assistant, started: false });
                    }
                    self.enter_heard(farewell);
                }
                self.state = State::Closing(closing);
                self.hang_up_if_done(now);
            }
            other => self.state = other,
        }
    }

    /// All of the reply that will be heard was heard.
    pub(super) fn conclude(&mut self, now: Instant, reply: Reply) {
        match reply.cause {
            Cause::Idle { rule, .. } => self.idle.heard(now, rule),
            _ => self.quiet_since = now,
        }
        if reply.failed.is_some() {
            self.outputs.push_back(Output::CancelReply { turn: reply.turn });
        } else {
            self.failures = 0;
        }
        if reply.audible {
            self.tell(Event::SpeechUpdate { role: Role::Assistant, started: false });
        }
        let (heard, _) = reply.heard();
        let said_end = contains_any(heard, &self.settings.end_call_phrases);
        let failed = reply.failed;
        let end_call = reply.end_call && failed.is_none();
        let ordered = matches!(&reply.cause, Cause::Order(order) if order.end_call_after);
        let asks_nothing = self.is_backchannel(now, &reply);
        self.enter_heard(reply);
        if let Some(stage) = failed
            && self.failures > 1
        {
            self.end(now, EndReason::ProviderFailed(stage));
        } else if end_call {
            self.close(now, EndReason::AssistantEndedCall, true);
        } else if ordered {
            self.close(now, EndReason::AssistantEndedCall, false);
        } else if said_end {
            self.close(now, EndReason::AssistantSaidEndCallPhrase, false);
        } else {
            if asks_nothing {
                self.drop_words();
            }
            self.take_floor(now);
        }
    }

    /// An acknowledgement said well before `reply` ended asks for no answer, nor does a greeting
    /// while the assistant greets.
    fn is_backchannel(&self, now: Instant, reply: &Reply) -> bool {
        let before = self.caller.spoke_until().is_some_and(|until| until + ANSWER_WITHIN <= now);
        let meaning = self.phrases_over(reply).meaning(self.caller.text());
        self.caller.voicing().is_none() && before && meaning == Meaning::Acknowledgement
    }

    /// What was heard of a reply enters history, and the tools it ran.
    pub(super) fn enter_heard(&mut self, reply: Reply) {
        let (heard, complete) = reply.heard();
        if !heard.is_empty() {
            let text = heard.to_owned();
            self.awaited.on_heard(&text, complete, self.history.last_of_caller());
            self.history.push(Entry::Assistant { turn: reply.turn, text: text.clone(), complete });
            self.tell(Event::AssistantHeard { turn: reply.turn, text, complete });
        }
        if let Cause::Order(order) = &reply.cause {
            self.tell_said(order.tool.clone());
        }
        self.enter_tools(reply);
    }

    pub(super) fn enter_tools(&mut self, reply: Reply) {
        if !reply.committed {
            return;
        }
        let turn = reply.turn;
        let mut results = Vec::new();
        for ToolCall { id, name, arguments, result } in reply.tools {
            if let Some(result) = result {
                results.push((id.clone(), result));
            }
            self.history.push(Entry::ToolCall { turn, id, name, arguments });
        }
        for (id, result) in results {
            self.enter_result(turn, &id, &result);
        }
    }
}

/// Whether `text` contains one of `phrases`, as Vapi compares them: a substring, without case. A
/// model writes typographic apostrophes and spaces where a person types plain ones.
fn contains_any(text: &str, phrases: &[String]) -> bool {
    let text = plain(text);
    phrases.iter().map(|phrase| plain(phrase)).any(|phrase| {
        let phrase = phrase.trim();
        !phrase.is_empty() && text.contains(phrase)
    })
}

fn plain(text: &str) -> String {
    let plain = |character: char| match character {
        '’' | 'ʼ' => '\'',
        _ if character.is_whitespace() => ' ',
        _ => character,
    };
    text.chars().map(plain).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn end_call_phrases_are_found_whatever_the_case_and_the_apostrophe() {
        let phrases = ["C'est terminé".to_owned(), "bonne journée !".to_owned(), " ".to_owned()];
        assert!(contains_any("Voilà, c’est terminé.", &phrases));
        assert!(contains_any("Bonne journée\u{a0}!", &phrases));
        assert!(!contains_any("C'est noté.", &phrases));
        assert!(!contains_any("", &phrases));
    }
}
