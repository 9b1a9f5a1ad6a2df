//! From the Floor's orders to the carrier: the live reply, its audio, its playhead.

use std::task::{Context, Poll};
use std::time::Duration;

use codecs::SampleRate;
use tts::Chunker;
use turntaking::input::{Input, Offset, Stage, TurnId};
use turntaking::time::Instant;

use super::providers::{Persona, Providers};
use super::reply::{Cost, Reply, offset, samples};
use crate::llm::ChatRequest;
use crate::recording::CallTap;
use crate::transport::MediaTransport;

/// What the recording takes to let a voice fade where playback is cut, and to let it come back:
/// three of the longest periods of a voice's first formant. The carrier stops in mid-wave, and
/// nothing sounds more like a fault of the recording than the click of that.
const EDGE: Duration = Duration::from_millis(3);

/// One call's speaking side. At most one reply lives at a time: the Floor sees to it.
pub(super) struct Egress {
    providers: Providers,
    persona: Persona,
    rate: SampleRate,
    reply: Option<Reply>,
    /// The reply may be heard; until then its audio is kept here.
    released: bool,
    /// The carrier was told that no more will come.
    finished: bool,
    /// The reply whose audio is with the carrier, and how far it was heard.
    playing: Option<(TurnId, u64)>,
    /// Where the reply that is with the carrier can first be heard.
    onset: Option<(TurnId, u64)>,
    /// What replies cost that nobody wanted in the end.
    wasted: Cost,
    /// Playback is held: where it stands was told.
    held: bool,
    /// The run being recorded; `None`: what comes next starts a new one.
    run: Option<u64>,
    /// Playback goes on after a hold: the recording's next run begins in mid-wave.
    resumed: bool,
    heard: Vec<i16>,
}

impl Egress {
    pub(super) fn new(providers: Providers, persona: Persona, rate: SampleRate) -> Self {
        Self {
            providers,
            persona,
            rate,
            reply: None,
            released: false,
            finished: false,
            playing: None,
            onset: None,
            wasted: Cost::default(),
            held: false,
            run: None,
            resumed: false,
            heard: Vec::with_capacity(rate.hz() as usize / 2),
        }
    }

    pub(super) const fn persona(&self) -> &Persona {
        &self.persona
    }

    /// Another assistant speaks from now on; the reply in the making is the last of the one before.
    pub(super) fn replace(&mut self, providers: Providers, persona: Persona) {
        self.providers = providers;
        self.persona = persona;
    }

    /// Has the model write a reply; speculative ones are kept unheard until [`Self::release`].
    ///
    /// Returns what the Floor must know at once: that there is no voice.
    pub(super) fn write(
        &mut self,
        turn: TurnId,
        request: ChatRequest,
        speculative: bool,
    ) -> Option<Input<'static>> {
        let voice = match self.providers.synthesizer.open(&self.persona.voice) {
            Ok(voice) => voice,
            Err(error) => return Some(self.voiceless(turn, &error)),
        };
        let model = self.providers.model.start(request);
        self.begin(Reply::written(turn, self.rate, model, self.chunker(), voice), !speculative);
        None
    }

    /// Says the given words.
    ///
    /// Returns what the Floor must know at once: that there is no voice.
    pub(super) fn say(&mut self, turn: TurnId, text: String) -> Option<Input<'static>> {
        let voice = match self.providers.synthesizer.open(&self.persona.voice) {
            Ok(voice) => voice,
            Err(error) => return Some(self.voiceless(turn, &error)),
        };
        self.begin(Reply::given(turn, self.rate, text, self.chunker(), voice), true);
        None
    }

    fn voiceless(&self, turn: TurnId, error: &tts::SynthesizerError) -> Input<'static> {
        tracing::error!(%error, turn = turn.0, "no voice");
        Input::ReplyFailed { turn, stage: Stage::Voice }
    }

    fn chunker(&self) -> Chunker {
        Chunker::new(self.persona.chunk_plan.clone())
    }

    fn begin(&mut self, reply: Reply, released: bool) {
        self.reply = Some(reply);
        self.released = released;
        self.finished = false;
    }

    /// The prepared reply is wanted.
    pub(super) fn release(&mut self, turn: TurnId, transport: &mut dyn MediaTransport) {
        if self.reply.as_ref().is_some_and(|reply| reply.turn() == turn) {
            self.released = true;
            self.hand_over(transport);
        }
    }

    /// Drops the reply. Returns where playback stood, where it was playing and not held.
    pub(super) fn cancel(
        &mut self,
        turn: TurnId,
        now: Instant,
        transport: &mut dyn MediaTransport,
        tap: &mut CallTap,
    ) -> Option<Input<'static>> {
        if let Some(reply) = self.reply.take_if(|reply| reply.turn() == turn)
            && !self.released
        {
            self.wasted.tokens += reply.cost().tokens;
            self.wasted.characters += reply.cost().characters;
        }
        self.playing.filter(|(playing, _)| *playing == turn)?;
        let stopped = transport.stop(now);
        if let Some((turn, at)) = stopped {
            // The last words before the clear were heard, and are still there.
            self.record(turn, at, Edge::Cut, now, &*transport, tap);
        }
        self.playing = None;
        self.run = None;
        if std::mem::take(&mut self.held) {
            return None;
        }
        let (turn, at) = stopped?;
        Some(Input::Held { turn, at: offset(self.rate, at) })
    }

    /// Holds playback. Returns where it stands.
    pub(super) fn hold(
        &mut self,
        turn: TurnId,
        now: Instant,
        transport: &mut dyn MediaTransport,
        tap: &mut CallTap,
    ) -> Input<'static> {
        let known = self.playing.map_or(0, |(_, heard)| heard);
        let at = transport.hold(now).map_or(known, |(_, at)| at);
        self.record(turn, at, Edge::Cut, now, &*transport, tap);
        self.run = None;
        self.held = true;
        Input::Held { turn, at: offset(self.rate, at) }
    }

    /// Plays on.
    pub(super) fn resume(
        &mut self,
        turn: TurnId,
        from: Offset,
        now: Instant,
        transport: &mut dyn MediaTransport,
    ) {
        let from = samples(self.rate, from);
        if let Some((playing, heard)) = &mut self.playing
            && *playing == turn
        {
            *heard = from;
        }
        self.held = false;
        self.resumed = true;
        transport.resume(now, from);
    }

    /// The next thing the Floor should know of the reply in the making, if there is one. Hands
    /// the carrier what is ready.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        transport: &mut dyn MediaTransport,
    ) -> Poll<Input<'static>> {
        let Some(reply) = &mut self.reply else { return Poll::Pending };
        let input = reply.poll(cx);
        if self.released {
            self.hand_over(transport);
        }
        input
    }

    fn hand_over(&mut self, transport: &mut dyn MediaTransport) {
        let Some(reply) = &mut self.reply else { return };
        let turn = reply.turn();
        let complete = reply.is_complete();
        if let Some(at) = reply.onset() {
            self.onset = Some((turn, at));
        }
        let ready = reply.ready_mut();
        if !ready.is_empty() {
            if self.playing.is_none_or(|(playing, _)| playing != turn) {
                self.playing = Some((turn, 0));
                self.held = false;
                self.run = None;
                self.resumed = false;
            }
            transport.queue(turn, ready);
            ready.clear();
        }
        if complete && !self.finished {
            self.finished = true;
            transport.finish(turn);
        }
    }

    /// The silence that the reply `turn` begins with, once `until` of its samples were heard and
    /// something was to be heard among them.
    pub(super) fn onset(&self, turn: TurnId, until: Offset) -> Option<Duration> {
        let (_, at) =
            self.onset.filter(|(of, at)| *of == turn && offset(self.rate, *at) < until)?;
        Some(self.rate.duration_of(at))
    }

    /// What replies cost that were prepared in advance and dropped unheard.
    pub(super) const fn wasted(&self) -> Cost {
        self.wasted
    }

    /// The carrier's playhead moved: records what was heard and tells the Floor.
    pub(super) fn on_played(
        &mut self,
        turn: TurnId,
        until: u64,
        acknowledged: bool,
        now: Instant,
        transport: &dyn MediaTransport,
        tap: &mut CallTap,
    ) -> Input<'static> {
        self.record(turn, until, Edge::Open, now, transport, tap);
        Input::Played { turn, until: offset(self.rate, until), acknowledged }
    }

    /// Records what was heard of the reply since the last time.
    fn record(
        &mut self,
        turn: TurnId,
        until: u64,
        edge: Edge,
        now: Instant,
        transport: &dyn MediaTransport,
        tap: &mut CallTap,
    ) {
        let Some((playing, heard)) = &mut self.playing else { return };
        if *playing != turn || until <= *heard {
            return;
        }
        self.heard.clear();
        transport.reply_samples(turn, *heard..until, &mut self.heard);
        let duration = self.rate.duration_of(until - *heard);
        let began = now - duration;
        let run = transport.run();
        let new_run = self.run.replace(run) != Some(run);
        let edge_samples = self.rate.samples_in(EDGE) as usize;
        if new_run && std::mem::take(&mut self.resumed) {
            fade(self.heard.iter_mut().take(edge_samples));
        }
        if edge == Edge::Cut {
            fade(self.heard.iter_mut().rev().take(edge_samples));
        }
        tap.agent(began, new_run, &self.heard);
        *heard = until;
    }
}

/// How recorded samples end.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Edge {
    /// More follow, or the voice had come to its end.
    Open,
    /// The carrier was told to stop in their midst.
    Cut,
}

/// A straight line from nothing to full level over `samples`.
fn fade<'a>(samples: impl ExactSizeIterator<Item = &'a mut i16>) {
    let length = samples.len() as i32;
    for (index, sample) in samples.enumerate() {
        *sample = (i32::from(*sample) * index as i32 / length) as i16;
    }
}
