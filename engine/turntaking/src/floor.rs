//! The machine: what it is told, what it asks for, and when it wants to be called.

mod agenda;
mod closing;
mod concluding;
mod cut;
mod failing;
mod hearing;
mod idle;
mod invariants;
mod keypad;
mod replying;
mod settling;
mod tools;
mod voicemail;
mod yielding;

use std::collections::VecDeque;

use crate::awaited::Awaited;
use crate::caller::Caller;
use crate::counters::Counters;
use crate::dictation::Dictated;
use crate::history::{Entry, History};
use crate::idle::Idle;
use crate::input::{Input, TurnId};
use crate::interruption;
use crate::output::{Event, Output};
use crate::phrases::Phrases;
use crate::reply::{Cause, Order, Reply, ToolResult};
use crate::rules::Rules;
use crate::settings::{
    FirstMessageMode, Settings, SmartEndpointing, StartSpeakingPlan, StopSpeakingPlan,
};
use crate::state::State;
use crate::time::Instant;
use crate::timers::{Reason, Soonest};
use crate::toolbox::Toolbox;
use crate::voicemail::Evidence;
use crate::wait_function::WaitFunction;

use self::cut::Cut;
use self::keypad::Keypad;

/// More firings than any input can cause; a bound, so that a mistake of ours cannot hang a call.
const MOST_FIRINGS: usize = 32;

/// Who holds the floor of one call. See the crate's documentation for the contract.
#[derive(Debug)]
pub struct Floor {
    settings: Settings,
    phrases: Phrases,
    rules: Rules,
    wait_function: Option<WaitFunction>,
    /// The same while the assistant greets.
    greeting_phrases: Phrases,
    seed: u64,
    started: Instant,
    now: Instant,
    connected: bool,
    state: State,
    caller: Caller,
    keypad: Keypad,
    idle: Idle,
    /// Of a machine, where that is listened for.
    evidence: Evidence,
    toolbox: Toolbox,
    history: History,
    counters: Counters,
    outputs: VecDeque<Output>,
    /// The greeting is still owed.
    greeting_due: bool,
    orders: VecDeque<Order>,
    /// A cancelled reply of which it is not known yet how far it was heard.
    cut: Option<Cut>,
    next_turn: u32,
    next_pause: u32,
    next_look: u32,
    awaited: Awaited,
    /// Nobody has said a word since.
    quiet_since: Instant,
    /// The assistant was interrupted and may not be heard before.
    backoff_until: Instant,
    /// Replies in a row that failed.
    failures: u8,
    /// The recogniser has ended a turn by itself: it is one that can.
    recognizer_ends_turns: bool,
}

impl Floor {
    /// The floor of a call that begins at `now`. Nothing happens before [`Input::Connected`].
    ///
    /// `seed` stands for every choice that is left to chance (which of several idle messages), so
    /// that a journal replays bit for bit.
    pub fn new(settings: Settings, seed: u64, now: Instant) -> Self {
        let phrases = phrases_of(&settings);
        let rules = Rules::new(&settings.start_speaking.rules);
        let wait_function = wait_function_of(&settings);
        Self {
            idle: Idle::new(&settings.idle),
            evidence: settings.voicemail.as_ref().map(|_| Evidence::new()).unwrap_or_default(),
            settings,
            greeting_phrases: phrases.over_a_greeting(),
            phrases,
            rules,
            wait_function,
            seed,
            started: now,
            now,
            connected: false,
            state: State::Listening,
            caller: Caller::default(),
            keypad: Keypad::default(),
            toolbox: Toolbox::default(),
            history: History::default(),
            counters: Counters::default(),
            outputs: VecDeque::with_capacity(16),
            greeting_due: false,
            orders: VecDeque::new(),
            cut: None,
            next_turn: 1,
            next_pause: 1,
            next_look: 1,
            awaited: Awaited::default(),
            quiet_since: now,
            backoff_until: now,
            failures: 0,
            recognizer_ends_turns: false,
        }
    }

    /// Goes on with other plans. For the question what those would have done ([`crate::what_if`]):
    /// in a call plans do not change.
    pub fn replan(&mut self, start: StartSpeakingPlan, stop: StopSpeakingPlan) {
        self.settings.start_speaking = start;
        self.settings.stop_speaking = stop;
        self.phrases = phrases_of(&self.settings);
        self.greeting_phrases = self.phrases.over_a_greeting();
        self.rules = Rules::new(&self.settings.start_speaking.rules);
        self.wait_function = wait_function_of(&self.settings);
    }

    /// Who holds the floor.
    pub const fn state(&self) -> &State {
        &self.state
    }

    /// The conversation as it was heard. A [`Output::StartReply`] is a request for a reply to
    /// the history as it stands when that output is drained, followed by its `user`.
    pub fn history(&self) -> &[Entry] {
        self.history.entries()
    }

    /// What `words` of the caller dictate to an assistant that asked what this one did; `None`
    /// where that is nothing, or nothing of it was understood.
    pub fn dictated(&self, words: &str) -> Option<Dictated> {
        self.awaited.read(words).filter(|found| !found.value.is_empty())
    }

    /// What was dropped, and how often the Floor guessed right.
    pub const fn counters(&self) -> &Counters {
        &self.counters
    }

    /// What the call's turns are decided by.
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The seed it was made with.
    pub const fn seed(&self) -> u64 {
        self.seed
    }

    /// Tells the Floor what happened at `now`. Never fails: what comes late, twice or unasked is
    /// counted and dropped. Time that goes backwards counts as no time. Drain
    /// [`Self::poll_output`] afterwards.
    pub fn handle(&mut self, now: Instant, input: &Input<'_>) {
        self.now = self.now.max(now);
        if matches!(self.state, State::Closed(_)) {
            self.counters.late += 1;
            return;
        }
        if self.connected || matters_before_connected(input) {
            self.dispatch(self.now, input);
        } else {
            self.counters.foreign += 1;
        }
        self.fire_due();
        debug_assert_eq!(self.check(), Ok(()), "at {:?} after {input:?}", self.now);
    }

    /// What the Floor asks for next. `None`: all was said; now [`Self::poll_timeout`] holds.
    #[must_use]
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When to call [`Self::handle`] with [`Input::Timeout`], and why. Holds until the next
    /// `handle`; never in the past.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<(Instant, Reason)> {
        let mut soonest = Soonest::default();
        match &self.state {
            State::Closed(_) => return None,
            State::Closing(closing) => self.closing_deadlines(closing, &mut soonest),
            State::Hearing => {}
            State::Listening => self.listening_deadlines(&mut soonest),
            State::Settling(settling) => self.settling_deadlines(settling, &mut soonest),
            State::Speaking(speaking) => {
                soonest.at(failing::stalled_at(&speaking.reply), Reason::ReplyStalled);
            }
            State::Thinking(thinking) => {
                if let Some(release) = thinking.release {
                    soonest.at(release, Reason::Release);
                }
                soonest.at(failing::stalled_at(&thinking.reply), Reason::ReplyStalled);
            }
            State::Yielding(yielding) => self.yielding_deadlines(yielding, &mut soonest),
        }
        if !matches!(self.state, State::Closing(_)) {
            soonest.at(self.started + self.settings.max_duration, Reason::MaxDuration);
            if let Some(at) = self.keypad.deadline() {
                soonest.at(at, Reason::Keypad);
            }
            self.voicemail_deadline(&mut soonest);
        }
        soonest.get()
    }

    fn dispatch(&mut self, now: Instant, input: &Input<'_>) {
        match input {
            Input::Timeout => {}
            Input::Connected => self.on_connected(now),
            Input::SpeechStarted { since } => self.on_speech_started(now, *since),
            Input::SpeechStopped { since } => self.on_speech_stopped(now, *since),
            Input::NoiseSuspected => self.on_noise_suspected(now, true),
            Input::VoiceConfirmed => self.on_noise_suspected(now, false),
            Input::EchoSuspected => self.on_echo_suspected(),
            Input::EchoFound { since } => self.on_echo_found(now, *since),
            Input::Beep { until } => self.on_beep(now, *until),
            Input::Transcript { segment, text, stability, covers } => {
                self.on_transcript(now, *segment, text, *stability, *covers);
            }
            Input::EndOfTurn { eager } => self.on_end_of_turn(now, *eager),
            Input::TurnResumed => self.on_turn_resumed(now),
            Input::RecognizerFailed => self.on_recognizer_failed(now),
            Input::TurnScore { pause, complete } => self.on_turn_score(now, *pause, *complete),
            Input::EndpointingAnswer { look, wait } => self.on_endpointing_answer(*look, *wait),
            Input::ReplyText { turn, text } => self.on_reply_text(now, *turn, text),
            Input::ReplyToolCall { turn, id, name, arguments } => {
                self.on_tool_call(now, *turn, id, name, arguments);
            }
            Input::ReplyDone { turn } => self.on_reply_done(now, *turn),
            Input::ReplyFailed { turn, stage } => self.on_reply_failed(now, *turn, *stage),
            Input::ToolResult { turn, id, result, answered } => {
                let result = ToolResult { text: result.to_string(), answered: *answered };
                self.on_tool_result(now, *turn, id, result);
            }
            Input::ToolMessage { turn, id, text } => self.on_tool_message(now, *turn, id, text),
            Input::Span { turn, text, audio } => {
                self.on_span(*turn, text.clone(), audio.clone());
            }
            Input::Voiced { turn, until, complete } => {
                self.on_voiced(now, *turn, *until, *complete);
            }
            Input::Played { turn, until, acknowledged } => {
                self.on_played(now, *turn, *until, *acknowledged);
            }
            Input::Held { turn, at } => self.on_held(now, *turn, *at),
            Input::Digit { digit } => self.on_digit(now, *digit),
            Input::Say { text, end_call_after } => {
                let (text, end_call_after) = (text.to_string(), *end_call_after);
                self.on_say(now, Order { text, end_call_after, tool: None });
            }
            Input::Interrupt => self.on_interrupt(now),
            Input::Respond => self.on_respond(now),
            Input::EndCall { reason } => self.on_end_call(now, *reason),
        }
    }

    /// Does everything that is due.
    fn fire_due(&mut self) {
        for _ in 0..MOST_FIRINGS {
            match self.poll_timeout() {
                Some((at, reason)) if at <= self.now => self.fire(self.now, reason),
                _ => return,
            }
        }
        debug_assert!(false, "a deadline did not go away: {:?}", self.poll_timeout());
    }

    fn fire(&mut self, now: Instant, reason: Reason) {
        match reason {
            Reason::AskTurnModel => self.ask_turn_model(),
            Reason::Speculate => self.speculate(now),
            Reason::EndOfTurn => self.commit(now),
            Reason::Transcript => self.on_transcript_overdue(now),
            Reason::Voice | Reason::FalseAlarm | Reason::Verdict => self.judge(now),
            Reason::Held => self.on_held_overdue(now),
            Reason::Release => self.on_release(now),
            Reason::Keypad => self.submit_keys(now),
            Reason::Idle => self.on_idle(now),
            Reason::ReplyStalled => self.on_reply_stalled(now),
            Reason::SilenceTimeout => self.on_silence_timeout(now),
            Reason::MaxDuration => self.on_max_duration(now),
            Reason::Voicemail => {
                self.suspect_voicemail(now);
            }
            Reason::Beep => self.speak_to_machine(now),
            Reason::ClosingLimit => self.on_closing_limit(now),
        }
    }

    fn on_connected(&mut self, now: Instant) {
        if self.connected {
            self.counters.duplicate += 1;
            return;
        }
        self.connected = true;
        self.quiet_since = now;
        self.greeting_due = match self.settings.first_message_mode {
            FirstMessageMode::AssistantSpeaksFirst => !self.settings.first_message.is_empty(),
            FirstMessageMode::AssistantSpeaksFirstWithModelGeneratedMessage => true,
            FirstMessageMode::AssistantWaitsForUser => false,
        };
        self.take_floor(now);
    }

    /// The caller cannot stop this reply.
    fn is_uninterruptible(&self, reply: &Reply) -> bool {
        match &reply.cause {
            Cause::Greeting => !self.settings.first_message_interruptions,
            Cause::Order(order) => order.end_call_after,
            Cause::Farewell => true,
            Cause::Turn { .. } | Cause::ClosedTurn | Cause::Results | Cause::Idle { .. } => false,
        }
    }

    /// What the caller has said while this reply is heard takes the floor from it.
    fn words_interrupt(&self, reply: &Reply) -> bool {
        let spoken =
            self.caller.voicing().is_some() || self.caller.spoke_until() > reply.times.first_played;
        interruption::words_interrupt(
            &self.settings.stop_speaking,
            self.phrases_over(reply),
            self.caller.text(),
            spoken,
        )
    }

    /// What the caller's words are compared with while this reply is heard.
    const fn phrases_over(&self, reply: &Reply) -> &Phrases {
        match &reply.cause {
            Cause::Greeting => &self.greeting_phrases,
            Cause::Turn { .. }
            | Cause::ClosedTurn
            | Cause::Results
            | Cause::Order(_)
            | Cause::Idle { .. }
            | Cause::Farewell => &self.phrases,
        }
    }

    fn new_turn(&mut self) -> TurnId {
        let turn = TurnId(self.next_turn);
        self.next_turn += 1;
        turn
    }

    /// A message about a reply that is not the one in progress.
    fn count_stray(&mut self, turn: TurnId) {
        if turn.0 >= self.next_turn || turn.0 == 0 {
            self.counters.foreign += 1;
        } else {
            self.counters.late += 1;
        }
    }

    fn tell(&mut self, event: Event) {
        self.outputs.push_back(Output::Event { event });
    }
}

fn phrases_of(settings: &Settings) -> Phrases {
    let plan = &settings.stop_speaking;
    Phrases::new(&plan.acknowledgement_phrases, &plan.interruption_phrases, &settings.languages)
}

/// One that cannot be used is refused by the configuration; ours does its work.
fn wait_function_of(settings: &Settings) -> Option<WaitFunction> {
    match &settings.start_speaking.smart_endpointing {
        SmartEndpointing::WaitFunction { expression } => WaitFunction::parse(expression).ok(),
        SmartEndpointing::Off | SmartEndpointing::Own | SmartEndpointing::Model => None,
    }
}

const fn matters_before_connected(input: &Input<'_>) -> bool {
    matches!(
        input,
        Input::Timeout
            | Input::Connected
            | Input::EndCall { .. }
            | Input::RecognizerFailed
            | Input::Say { .. }
    )
}
