//! One reply on its way to the caller: model → phrases → voice → the call's sample rate.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::ops::Range;
use std::task::{Context, Poll};

use codecs::SampleRate;
use codecs::resample::{Resampler, UnsupportedRates};
use tts::{Chunker, SpeechEvent, SpeechStream};
use turntaking::input::{Input, Offset, Stage, TurnId};

use super::measure::AUDIBLE;
use crate::llm::{ReplyEvent, ReplyStream};

/// One reply in the making. Dropping it stops the model and the voice.
pub(super) struct Reply {
    turn: TurnId,
    rate: SampleRate,
    /// `None` once the text is complete (from the start, where the words are given).
    model: Option<Box<dyn ReplyStream>>,
    chunker: Chunker,
    voice: Option<Box<dyn SpeechStream>>,
    resampler: Option<Resampler>,
    /// Rate of the voice's samples, known with the first of them.
    voice_rate: Option<SampleRate>,
    /// Spans that came before the voice's rate was known.
    unplaced: Vec<(Range<u32>, Range<u64>)>,
    /// Samples at the call's rate, not yet handed to the carrier.
    ready: Vec<i16>,
    /// Samples at the call's rate so far.
    produced: u64,
    /// The first of them that can be heard.
    onset: Option<u64>,
    /// What it cost so far.
    cost: Cost,
    /// All audio is there that will ever be.
    complete: bool,
    inputs: VecDeque<Input<'static>>,
}

impl Reply {
    /// A reply that `model` writes and `voice` speaks.
    pub(super) fn written(
        turn: TurnId,
        rate: SampleRate,
        model: Box<dyn ReplyStream>,
        chunker: Chunker,
        voice: Box<dyn SpeechStream>,
    ) -> Self {
        Self {
            turn,
            rate,
            model: Some(model),
            chunker,
            voice: Some(voice),
            resampler: None,
            voice_rate: None,
            unplaced: Vec::new(),
            ready: Vec::new(),
            produced: 0,
            onset: None,
            cost: Cost::default(),
            complete: false,
            inputs: VecDeque::new(),
        }
    }

    /// A reply whose words are given.
    pub(super) fn given(
        turn: TurnId,
        rate: SampleRate,
        text: String,
        chunker: Chunker,
        voice: Box<dyn SpeechStream>,
    ) -> Self {
        Self::written(turn, rate, Box::new(GivenText(Some(text))), chunker, voice)
    }

    pub(super) const fn turn(&self) -> TurnId {
        self.turn
    }

    /// No more samples will come than those that are ready.
    pub(super) const fn is_complete(&self) -> bool {
        self.complete
    }

    /// The first of its samples that can be heard, once there is one.
    pub(super) const fn onset(&self) -> Option<u64> {
        self.onset
    }

    /// What it cost so far.
    pub(super) const fn cost(&self) -> Cost {
        self.cost
    }

    /// The samples that are ready for the carrier; the caller empties the buffer.
    pub(super) const fn ready_mut(&mut self) -> &mut Vec<i16> {
        &mut self.ready
    }

    /// The next thing the Floor should know, if there is one.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Input<'static>> {
        loop {
            if let Some(input) = self.inputs.pop_front() {
                return Poll::Ready(input);
            }
            if let Some(model) = &mut self.model
                && let Poll::Ready(event) = model.poll_event(cx)
            {
                self.on_model(event);
                continue;
            }
            match &mut self.voice {
                Some(voice) => match voice.poll_event(cx) {
                    Poll::Ready(event) => self.on_voice(event),
                    Poll::Pending => return Poll::Pending,
                },
                None => return Poll::Pending,
            }
        }
    }

    fn on_model(&mut self, event: ReplyEvent) {
        match event {
            ReplyEvent::Text(text) => {
                self.cost.tokens += 1;
                self.chunker.push(&text);
                self.speak_phrases();
            }
            ReplyEvent::ToolCall(call) => {
                // What was said before the call is a phrase of its own: a tool may take long.
                self.chunker.settle();
                self.speak_phrases();
                self.inputs.push_back(Input::ReplyToolCall {
                    turn: self.turn,
                    id: Cow::Owned(call.id),
                    name: Cow::Owned(call.name),
                    arguments: Cow::Owned(call.arguments),
                });
            }
            ReplyEvent::Done => self.end_text(),
            ReplyEvent::Failed(error) => {
                tracing::error!(%error, turn = self.turn.0, "the model failed");
                self.fail(Stage::Model);
            }
        }
    }

    fn end_text(&mut self) {
        self.model = None;
        self.chunker.finish();
        self.speak_phrases();
        if let Some(voice) = &mut self.voice {
            voice.finish();
        }
        self.inputs.push_back(Input::ReplyDone { turn: self.turn });
    }

    fn speak_phrases(&mut self) {
        while let Some(phrase) = self.chunker.next_chunk() {
            let text = Cow::Owned(phrase.text.clone());
            self.inputs.push_back(Input::ReplyText { turn: self.turn, text });
            if let Some(voice) = &mut self.voice {
                self.cost.characters += phrase.text.chars().count() as u64;
                voice.push(phrase);
            }
        }
    }

    fn on_voice(&mut self, event: SpeechEvent) {
        match event {
            SpeechEvent::Audio { rate, samples } => {
                if self.voice_rate.is_none()
                    && let Err(error) = self.begin_audio(rate)
                {
                    tracing::error!(%error, turn = self.turn.0, "the voice cannot be played");
                    self.fail(Stage::Voice);
                    return;
                }
                self.resample(&samples);
                self.voiced(false);
            }
            SpeechEvent::Span { text, audio } => match self.voice_rate {
                Some(rate) => self.place(rate, text, audio),
                None => self.unplaced.push((text, audio)),
            },
            SpeechEvent::Done => {
                self.voice = None;
                if let Some(resampler) = &mut self.resampler {
                    let before = self.ready.len();
                    resampler.flush(&mut self.ready);
                    self.count(before);
                }
                self.complete = true;
                self.voiced(true);
            }
            SpeechEvent::Failed(error) => {
                tracing::error!(%error, turn = self.turn.0, "the voice failed");
                self.fail(Stage::Voice);
            }
        }
    }

    /// The voice's rate is known: prepares the way to the call's, and places the waiting spans.
    fn begin_audio(&mut self, rate: SampleRate) -> Result<(), UnsupportedRates> {
        if rate != self.rate {
            self.resampler = Some(Resampler::new(rate, self.rate)?);
        }
        self.voice_rate = Some(rate);
        for (text, audio) in std::mem::take(&mut self.unplaced) {
            self.place(rate, text, audio);
        }
        Ok(())
    }

    fn fail(&mut self, stage: Stage) {
        self.model = None;
        self.voice = None;
        self.complete = true;
        self.inputs.push_back(Input::ReplyFailed { turn: self.turn, stage });
    }

    fn resample(&mut self, samples: &[i16]) {
        let before = self.ready.len();
        match &mut self.resampler {
            Some(resampler) => resampler.process(samples, &mut self.ready),
            None => self.ready.extend_from_slice(samples),
        }
        self.count(before);
    }

    /// The ready samples from `before` on are new.
    fn count(&mut self, before: usize) {
        let new = &self.ready[before..];
        if self.onset.is_none() {
            let heard = new.iter().position(|sample| sample.unsigned_abs() > AUDIBLE);
            self.onset = heard.map(|at| self.produced + at as u64);
        }
        self.produced += new.len() as u64;
    }

    fn place(&mut self, rate: SampleRate, text: Range<u32>, audio: Range<u64>) {
        self.inputs.push_back(Input::Span {
            turn: self.turn,
            text,
            audio: offset(rate, audio.start)..offset(rate, audio.end),
        });
    }

    fn voiced(&mut self, complete: bool) {
        self.inputs.push_back(Input::Voiced {
            turn: self.turn,
            until: offset(self.rate, self.produced),
            complete,
        });
    }
}

/// What a reply costs, in what services count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Cost {
    /// Pieces of text from the model. A server that streams sends one for each token, as a rule.
    pub(super) tokens: u64,
    /// Characters that went to the voice.
    pub(super) characters: u64,
}

/// Words that need no model.
struct GivenText(Option<String>);

impl ReplyStream for GivenText {
    fn poll_event(&mut self, _: &mut Context<'_>) -> Poll<ReplyEvent> {
        Poll::Ready(self.0.take().map_or(ReplyEvent::Done, ReplyEvent::Text))
    }
}

/// A position in a reply's audio, from samples at `rate`.
pub(super) fn offset(rate: SampleRate, samples: u64) -> Offset {
    let micros = rate.duration_of(samples).as_micros();
    Offset(u64::try_from(micros).unwrap_or(u64::MAX))
}

/// Samples at `rate` before a position in a reply's audio.
pub(super) const fn samples(rate: SampleRate, offset: Offset) -> u64 {
    // Half a microsecond up: `offset` rounds down, and a sample lasts 20 µs at the least.
    rate.samples_in(std::time::Duration::from_nanos(offset.0 * 1_000 + 999))
}
