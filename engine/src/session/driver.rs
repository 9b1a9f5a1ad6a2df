//! The driver loop of a call.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Sleep;
use turntaking::floor::Floor;
use turntaking::input::{EndReason, Input};
use turntaking::journal;
use turntaking::output::Output;
use turntaking::settings::Settings;
use turntaking::time::Instant;

use super::CallId;
use super::clock::CallClock;
use super::egress::Egress;
use super::endpointing::Endpointing;
use super::event::{CallStats, Pulse, SessionEvent, SessionEventKind};
use super::history;
use super::ingress::Ingress;
use super::measure::Measures;
use super::notes::Notes;
use super::providers::{Persona, Providers};
use super::refusal::Unserved;
use super::tools::Tools;
use super::transcript::Transcript;
use crate::llm::ChatMessage;
use crate::recording::{CallTap, FinishHandle, Listener};
use crate::tools::Toolset;
use crate::transport::{LegEnd, MediaTransport, TransportEvent};

/// The most events taken from one source before the others have their turn. A carrier that
/// bunches a second of audio (50 frames) is served in two rounds.
const WORK_PER_SOURCE: usize = 32;

/// Rounds of a wake-up before the task yields to the other calls of its thread.
const ROUNDS_PER_WAKE: usize = 8;

/// How long a carrier may take to close its leg once we hung up.
pub(super) const CLOSING_LIMIT: Duration = Duration::from_secs(3);

/// How long behind the time in which a machine is listened for its beep may still come: a message
/// that was begun too early is said again.
const BEEPS_AFTER: Duration = Duration::from_secs(60);

/// Between two pulses.
const PULSE: Duration = Duration::from_secs(2);
/// The assistant has kept the caller waiting for this long: as long as nobody waits in silence
/// without asking whether the other is still there.
const HANGS_AFTER: Duration = Duration::from_secs(5);

/// An order from outside the call.
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Command {
    /// Say this.
    Say {
        /// The words.
        text: String,
        /// Hang up once they were heard.
        end_call_after: bool,
    },
    /// Let what was ordered go before what is being said.
    Interrupt,
    /// Put a message into the conversation.
    AddMessage {
        /// The message.
        message: ChatMessage,
        /// Have the model answer it.
        respond: bool,
    },
    /// Say the assistant's first message.
    SayFirstMessage,
    /// Let the caller hear silence instead of the assistant, or the assistant again.
    MuteAssistant(bool),
    /// Hear silence instead of the caller, or the caller again.
    MuteCustomer(bool),
    /// Let somebody listen.
    Listen(Listener),
    /// End the call.
    End {
        /// Why.
        reason: EndReason,
    },
}

/// Everything that makes a call what it is.
#[derive(Debug)]
pub struct SessionConfig {
    /// The call.
    pub id: CallId,
    /// The carrier's id of the call.
    pub carrier_call: String,
    /// What the Floor decides by.
    pub settings: Settings,
    /// Seed of the Floor's choices.
    pub seed: u64,
    /// Who speaks, and how.
    pub persona: Persona,
    /// What serves the call.
    pub providers: Providers,
    /// What the model may call; `None`: nothing.
    pub tools: Option<Toolset>,
}

/// One call. [`Session::run`] is its task.
pub struct Session {
    pub(super) id: CallId,
    pub(super) floor: Floor,
    pub(super) transport: Box<dyn MediaTransport>,
    pub(super) ingress: Ingress,
    pub(super) egress: Egress,
    pub(super) endpointing: Endpointing,
    pub(super) tools: Tools,
    pub(super) transcript: Transcript,
    /// Of the history, what the requests' beginning has already.
    pub(super) told: history::Told,
    pub(super) measures: Measures,
    pub(super) notes: Notes,
    /// Set once the Floor hung up.
    pub(super) ended: Option<EndReason>,
    pub(super) clock: CallClock,
    pub(super) tap: CallTap,
    commands: mpsc::Receiver<Command>,
    commands_open: bool,
    events: mpsc::Sender<SessionEvent>,
    /// Room for the last event, taken at the beginning: whoever keeps something for each call
    /// must learn that it is over.
    last_event: Option<mpsc::OwnedPermit<SessionEvent>>,
    timer: Pin<Box<Sleep>>,
    timer_at: Option<Instant>,
    /// Since when the caller waits for a reply to be heard.
    pub(super) waiting_since: Option<Instant>,
    /// It was told that they wait.
    hang_told: bool,
    customer_muted: bool,
    /// Caller audio of the frame in hand.
    frame: Vec<i16>,
    outputs: Vec<Output>,
    pub(super) follow_ups: VecDeque<Input<'static>>,
    journal_line: String,
    leg_over: bool,
    closing_since: Option<Instant>,
    next_pulse: Instant,
    stats: CallStats,
}

impl Session {
    /// Opens the call's streams. `clock` is the one the transport was made with.
    ///
    /// # Errors
    ///
    /// Where a provider refuses the call: with the leg, for [`turn_away`](super::turn_away).
    pub fn open(
        config: SessionConfig,
        clock: CallClock,
        mut transport: Box<dyn MediaTransport>,
        mut tap: CallTap,
        commands: mpsc::Receiver<Command>,
        events: mpsc::Sender<SessionEvent>,
    ) -> Result<Self, Box<Unserved>> {
        let SessionConfig { id, carrier_call, settings, seed, persona, providers, tools } = config;
        let rate = transport.rate();
        let mut ingress = match Ingress::open(&providers, &persona.language, rate) {
            Ok(ingress) => ingress,
            Err(error) => return Err(Box::new(Unserved { error, leg: transport })),
        };
        let now = clock.now();
        if let Some(plan) = &settings.voicemail {
            ingress.listen_for_beeps(rate, now + plan.until.max(plan.beep_wait) + BEEPS_AFTER);
        }
        if let Some(background) = &persona.background {
            if background.rate() == rate {
                transport.set_background(Some(Arc::clone(background)));
                tap.set_background(Arc::clone(background));
            } else {
                tracing::warn!(call = %id, ?rate, "the background sound is of another rate");
            }
        }
        let header = journal::header_line(env!("CARGO_PKG_VERSION"), &settings, seed, now);
        tap.journal(header.trim_end());
        let mut session = Self {
            id,
            floor: Floor::new(settings, seed, now),
            transport,
            ingress,
            endpointing: Endpointing::new(providers.endpointing.clone(), id),
            tools: Tools::new(tools, seed),
            transcript: Transcript::new(clock),
            told: history::Told::default(),
            measures: Measures::default(),
            notes: Notes::default(),
            egress: Egress::new(providers, persona, rate),
            ended: None,
            clock,
            tap,
            commands,
            commands_open: true,
            last_event: events.clone().try_reserve_owned().ok(),
            events,
            timer: Box::pin(tokio::time::sleep_until(clock.to_tokio(now))),
            timer_at: None,
            waiting_since: None,
            hang_told: false,
            customer_muted: false,
            frame: Vec::with_capacity(rate.hz() as usize / 10),
            outputs: Vec::with_capacity(16),
            follow_ups: VecDeque::with_capacity(8),
            journal_line: String::with_capacity(1_024),
            leg_over: false,
            closing_since: None,
            next_pulse: now + PULSE,
            stats: CallStats::default(),
        };
        session.emit(now, SessionEventKind::Started { carrier_call });
        Ok(session)
    }

    /// Runs the call to its end. Returns why it ended, how it went, and a future that completes
    /// once its files are whole.
    pub async fn run(mut self) -> (EndReason, CallStats, FinishHandle) {
        let now = self.clock.now();
        self.tell(Input::Connected, now);
        poll_fn(|cx| self.poll_call(cx)).await;
        let now = self.clock.now();
        let reason = self.ended.unwrap_or(EndReason::MediaLost);
        self.stats.duration_ms = u64::try_from(now.since_start().as_millis()).unwrap_or(u64::MAX);
        self.stats.gaps = self.ingress.gaps();
        self.stats.echo_ms = self.ingress.echo_ms();
        self.stats.echoes_mistaken = self.floor.counters().echoes;
        self.stats.inputs_dropped = self.floor.counters().dropped();
        self.stats.speculations = self.floor.counters().speculations;
        self.stats.speculations_wasted = self.floor.counters().speculations_wasted();
        self.stats.tokens_wasted = self.egress.wasted().tokens;
        self.stats.characters_wasted = self.egress.wasted().characters;
        self.stats.frames_late = self.ingress.frames_late();
        let on_the_way = self.transport.one_way().unwrap_or_default() + self.ingress.mean_delay();
        self.stats.from_transport_us = micros(on_the_way);
        self.note_lag();
        let stats = self.stats;
        let kind = SessionEventKind::Ended { reason, stats };
        match self.last_event.take() {
            Some(room) => {
                room.send(SessionEvent { call: self.id, at: now, kind });
            }
            None => self.emit(now, kind),
        }
        (reason, stats, self.tap.finish())
    }

    fn poll_call(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        for _ in 0..ROUNDS_PER_WAKE {
            let now = self.clock.now();
            if now >= self.next_pulse {
                self.pulse(now);
            }
            let worked = self.poll_round(cx, now);
            if self.is_over(now) {
                return Poll::Ready(());
            }
            if !worked && self.arm_timer(cx, now).is_pending() {
                return Poll::Pending;
            }
        }
        // Something is always ready: let the other calls of this thread have their turn.
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Tells how the call is. A call that nothing wakes has nothing to tell.
    fn pulse(&mut self, now: Instant) {
        self.next_pulse = now + PULSE;
        let state = self.floor.state().name();
        let (lag, frames_late) = (self.note_lag(), self.ingress.frames_late());
        self.emit(now, SessionEventKind::Pulse(Pulse { state, lag, frames_late }));
    }

    fn note_lag(&mut self) -> Duration {
        let lag = self.transport.take_wake_lag();
        self.stats.worst_lag_us = self.stats.worst_lag_us.max(micros(lag));
        lag
    }

    /// Takes what is ready from every source once. Returns whether there was anything.
    fn poll_round(&mut self, cx: &mut Context<'_>, now: Instant) -> bool {
        let mut worked = self.poll_commands(cx, now);
        worked |= self.poll_transport(cx, now);
        for _ in 0..WORK_PER_SOURCE {
            let Poll::Ready(input) = self.ingress.poll(cx, now) else { break };
            self.tell(input, now);
            worked = true;
        }
        for _ in 0..WORK_PER_SOURCE {
            let Poll::Ready(input) = self.egress.poll(cx, &mut *self.transport) else { break };
            if let Input::ReplyText { turn, text } = &input {
                let (turn, text) = (*turn, text.to_string());
                self.emit(now, SessionEventKind::Phrase { turn, text });
            }
            self.tell(input, now);
            worked = true;
        }
        if let Poll::Ready(input) = self.endpointing.poll(cx) {
            self.tell(input, now);
            worked = true;
        }
        while let Poll::Ready(news) = self.tools.poll(cx) {
            self.on_news(news, now);
            worked = true;
        }
        if self.floor.poll_timeout().is_some_and(|(at, _)| at <= now) {
            self.tell(Input::Timeout, now);
            worked = true;
        }
        if self.hangs_at().is_some_and(|at| at <= now) {
            self.hang_told = true;
            self.emit(now, SessionEventKind::Hangs);
        }
        worked
    }

    fn poll_commands(&mut self, cx: &mut Context<'_>, now: Instant) -> bool {
        let mut worked = false;
        while self.commands_open {
            match self.commands.poll_recv(cx) {
                Poll::Ready(Some(Command::Say { text, end_call_after })) => {
                    self.tell(Input::Say { text: text.into(), end_call_after }, now);
                }
                Poll::Ready(Some(Command::Interrupt)) => self.tell(Input::Interrupt, now),
                Poll::Ready(Some(Command::AddMessage { message, respond })) => {
                    self.add_message(message, now);
                    if respond {
                        self.tell(Input::Respond, now);
                    }
                }
                Poll::Ready(Some(Command::SayFirstMessage)) => {
                    let text = self.floor.settings().first_message.clone().into();
                    self.tell(Input::Say { text, end_call_after: false }, now);
                }
                Poll::Ready(Some(Command::MuteAssistant(muted))) => self.transport.set_muted(muted),
                Poll::Ready(Some(Command::MuteCustomer(muted))) => self.customer_muted = muted,
                Poll::Ready(Some(Command::Listen(listener))) => {
                    self.tap.add_listener(listener, self.transport.rate());
                }
                Poll::Ready(Some(Command::End { reason })) => {
                    self.tell(Input::EndCall { reason }, now);
                }
                Poll::Ready(None) => self.commands_open = false,
                Poll::Pending => break,
            }
            worked = true;
        }
        worked
    }

    fn poll_transport(&mut self, cx: &mut Context<'_>, now: Instant) -> bool {
        let mut worked = false;
        for _ in 0..WORK_PER_SOURCE {
            if self.leg_over {
                break;
            }
            let Poll::Ready(event) = self.transport.poll_event(cx, now, &mut self.frame) else {
                break;
            };
            worked = true;
            match event {
                TransportEvent::Audio { at } => {
                    self.stats.frames_in += 1;
                    if self.customer_muted {
                        self.frame.fill(0);
                    }
                    self.tap.caller(at, now, &self.frame);
                    self.ingress.push(now, at, &self.frame, &*self.transport);
                }
                TransportEvent::Digit(digit) => self.tell(Input::Digit { digit }, now),
                TransportEvent::Played { turn, until, acknowledged } => {
                    let input = self.egress.on_played(
                        turn,
                        until,
                        acknowledged,
                        now,
                        &*self.transport,
                        &mut self.tap,
                    );
                    let onset = match &input {
                        Input::Played { until, .. } => self.egress.onset(turn, *until),
                        _ => None,
                    };
                    self.tell(input, now);
                    if let Some(onset) = onset
                        && let Some(measure) = self.measures.audible(turn, onset)
                    {
                        self.emit(now, SessionEventKind::Audible(measure));
                    }
                }
                TransportEvent::Ended(end) => {
                    self.leg_over = true;
                    tracing::info!(call = %self.id, ?end, "leg over");
                    let reason = match end_reason(end) {
                        _ if self.tell_forwarded(now) => EndReason::AssistantForwardedCall,
                        EndReason::CustomerEndedCall if self.tools.is_calling() => {
                            EndReason::CustomerEndedCallBeforeTransfer
                        }
                        reason => reason,
                    };
                    self.tell(Input::EndCall { reason }, now);
                }
            }
        }
        worked
    }

    /// Feeds the Floor, drains it, and carries out what it asks for, until nothing is left.
    pub(super) fn tell(&mut self, input: Input<'static>, now: Instant) {
        self.follow_ups.push_back(input);
        while let Some(input) = self.follow_ups.pop_front() {
            self.floor.handle(now, &input);
            let mut outputs = std::mem::take(&mut self.outputs);
            outputs.clear();
            while let Some(output) = self.floor.poll_output() {
                outputs.push(output);
            }
            if self.tap.has_journal() {
                self.journal_line.clear();
                journal::record_line(now, &input, &outputs, &mut self.journal_line);
                self.tap.journal(self.journal_line.trim_end());
            }
            for output in &outputs {
                if let Some(answer) = self.carry_out(output, now) {
                    self.follow_ups.push_back(answer);
                }
            }
            self.outputs = outputs;
        }
    }

    /// Tells where the caller is taken, where they are. A carrier may end our leg before it has
    /// answered that it does.
    pub(super) fn tell_forwarded(&mut self, now: Instant) -> bool {
        let Some(destination) = self.tools.forwarded() else { return false };
        self.emit(now, SessionEventKind::Forwarded { destination });
        true
    }

    /// Tells the rest of the engine; a consumer that does not keep up loses events, counted.
    pub(super) fn emit(&mut self, at: Instant, kind: SessionEventKind) {
        if self.events.try_send(SessionEvent { call: self.id, at, kind }).is_err() {
            self.stats.events_lost += 1;
        }
    }

    fn is_over(&mut self, now: Instant) -> bool {
        if self.ended.is_none() {
            return false;
        }
        let since = *self.closing_since.get_or_insert(now);
        self.leg_over || now.since(since) >= CLOSING_LIMIT
    }

    /// When the caller will have waited for too long; once for each wait.
    fn hangs_at(&self) -> Option<Instant> {
        self.waiting_since.filter(|_| !self.hang_told).map(|since| since + HANGS_AFTER)
    }

    /// The caller hears something, speaks, or leaves.
    pub(super) const fn stop_waiting(&mut self) {
        self.waiting_since = None;
        self.hang_told = false;
    }

    /// Arms the one timer. Ready: its time has come.
    fn arm_timer(&mut self, cx: &mut Context<'_>, now: Instant) -> Poll<()> {
        let closing = self.closing_since.map(|since| since + CLOSING_LIMIT);
        let floor = self.floor.poll_timeout().map(|(at, _)| at);
        let Some(at) = closing.into_iter().chain(floor).chain(self.hangs_at()).min() else {
            return Poll::Pending;
        };
        if at <= now {
            return Poll::Ready(());
        }
        if self.timer_at != Some(at) {
            self.timer.as_mut().reset(self.clock.to_tokio(at));
            self.timer_at = Some(at);
        }
        self.timer.as_mut().poll(cx)
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// What the end of a leg means for the call, unless it has ended already.
const fn end_reason(end: LegEnd) -> EndReason {
    match end {
        LegEnd::Stopped | LegEnd::PeerClosed => EndReason::CustomerEndedCall,
        LegEnd::Closed => EndReason::ManuallyCanceled,
        LegEnd::Disconnected => EndReason::MediaLost,
        LegEnd::Silent => EndReason::MediaSilent,
        LegEnd::Stalled => EndReason::MediaStalled,
        LegEnd::ProtocolError => EndReason::MediaBroken,
    }
}
