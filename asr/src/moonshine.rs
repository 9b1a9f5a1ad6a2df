//! Moonshine: speech recognition on the engine's own machine, in English.
//!
//! The model hears an utterance as a whole, so it is decoded again as it grows: `schedule.rs`
//! says when and `worker.rs` where. Each decode starts from the words of the one before, which
//! are checked in a single step, so that a pause after a partial costs little more than listening
//! to the audio once.

mod decoder;
mod model;
mod tokenizer;

use std::collections::VecDeque;
use std::num::NonZeroUsize;
use std::path::Path;
use std::task::{Context, Poll};
use std::time::Duration;

use codecs::SampleRate;
use codecs::resample::Resampler;
use onnx::VirtualTime;

use crate::schedule::{Due, Order, Pace, Schedule};
use crate::utterance::Utterance;
use crate::worker::{DecodeCounts, Job, Line, Pool, Verdict};
use crate::{
    Hint, Recognizer, RecognizerError, RecognizerEvent, RecognizerStream, Stability, StreamConfig,
    Transcript,
};

pub use decoder::{DecodeRequest, Decoded, Decoder};
use model::Ending;
pub use model::{MODEL_RATE, Model};

const PROVIDER: &str = "moonshine";
/// Longest block that is worked on at once, in samples: what a push holds beyond it is cut into
/// more, so that the schedule sees every utterance grow in small steps.
const BLOCK: usize = 480;

/// The recogniser: one copy of the model for each decode thread, shared by all calls.
#[derive(Debug)]
pub struct Moonshine {
    pool: Pool,
}

impl Moonshine {
    /// Loads the English model in `folder` (see [`Model::load`]) for `threads` decode threads.
    /// Each thread has a copy of about 160 MB.
    ///
    /// # Errors
    ///
    /// [`RecognizerError::Model`] where the model cannot be loaded or a thread not be started.
    pub fn load(
        runtime: &onnx::Runtime,
        folder: &Path,
        threads: NonZeroUsize,
    ) -> Result<Self, RecognizerError> {
        let decoders = (0..threads.get())
            .map(|_| Model::load(runtime, folder).map(|model| carry_out(Decoder::new(model))))
            .collect::<Result<Vec<_>, _>>()?;
        let pool = Pool::start("moonshine", decoders).map_err(|error| RecognizerError::Model {
            provider: PROVIDER,
            reason: format!("cannot start a decode thread: {error}"),
        })?;
        Ok(Self { pool })
    }

    /// The same on the clock of a simulation: in place of a decode thread there is a future, which
    /// is to be run for as long as streams are open, and in place of the model `decode`, such as
    /// [`Decoder::answer`]. `cost` says how long each step of a decode takes there: the encoder,
    /// the check of the guess, and one for each of [`Decoded::steps`]. Between two of them a decode
    /// gives way as it does on a thread; utterances, schedule and queue are those of the thread.
    pub fn simulated<D, C>(
        time: VirtualTime,
        decode: D,
        cost: C,
    ) -> (Self, impl Future<Output = ()> + use<D, C>)
    where
        D: FnMut(&DecodeRequest<'_>) -> Result<Decoded, String>,
        C: Fn(&DecodeRequest<'_>, &Decoded) -> Vec<Duration>,
    {
        let mut decode = decode;
        let decoder = move |job: &mut Job| {
            let paused = job.order.stability != Stability::Partial;
            let request =
                DecodeRequest { rate: job.rate, samples: &job.audio, paused, guess: &job.tokens };
            let decoded = decode(&request)?;
            let steps = cost(&request, &decoded);
            Ok((decoded.tokens, decoded.text, steps))
        };
        let (pool, run) = Pool::simulated(time, decoder);
        (Self { pool }, run)
    }

    /// What the decode threads have done so far.
    pub fn counts(&self) -> DecodeCounts {
        self.pool.counts()
    }
}

impl Recognizer for Moonshine {
    fn backlog(&self) -> usize {
        self.pool.backlog()
    }

    fn lost_samples(&self) -> u64 {
        self.pool.counts().lost_samples
    }

    fn open(&self, config: &StreamConfig) -> Result<Box<dyn RecognizerStream>, RecognizerError> {
        config.expect_language(PROVIDER, &["en"])?;
        // The filter is made by the decode thread; here only to learn whether it can be.
        if let Err(error) = Resampler::new(config.rate, MODEL_RATE) {
            return Err(RecognizerError::Rate { provider: PROVIDER, reason: error.to_string() });
        }
        let line = self.pool.line().ok_or_else(stopped)?;
        Ok(Box::new(Stream {
            line,
            rate: config.rate,
            utterance: Utterance::new(config.rate, Pace::LIMIT),
            schedule: Schedule::new(Pace::at(config.rate)),
            known: Known::default(),
            given_up: VecDeque::new(),
            failed: false,
        }))
    }
}

/// One call's recognition.
struct Stream {
    line: Line,
    rate: SampleRate,
    utterance: Utterance,
    schedule: Schedule,
    known: Known,
    /// Finals that found no room in the queue: the overload is told with the words known before.
    given_up: VecDeque<Transcript>,
    failed: bool,
}

/// What is known of the segment that was decoded last: the next decode's guess.
#[derive(Default)]
struct Known {
    segment: u32,
    tokens: Vec<i64>,
    text: String,
}

impl Stream {
    /// Queues a decode of the utterance's first `length` samples.
    fn decode(&mut self, order: Order, length: usize) {
        if order.segment != self.known.segment {
            self.known.segment = order.segment;
            self.known.tokens.clear();
            self.known.text.clear();
        }
        let audio = &self.utterance.samples()[..length];
        let Known { tokens, text, .. } = &self.known;
        self.line.forget_below(self.schedule.stale_below());
        if self.line.submit(order, self.rate, audio, tokens, text).is_err() {
            tracing::warn!("a call's decode queue is full; a decode is left out");
            let position = self.utterance.position();
            self.given_up.extend(self.schedule.done(&order, position, false, text));
        }
    }

    fn take_block(&mut self, samples: &[i16]) {
        self.utterance.push(samples);
        let (position, length) = (self.utterance.position(), self.utterance.len());
        match self.schedule.pushed(position, length as u64) {
            Due::Nothing => {}
            Due::Partial(order) => self.decode(order, length),
            Due::Cut => {
                let cut = self.utterance.quietest(self.schedule.pace().last_stretch() as usize);
                let covers = self.utterance.position_of(cut);
                let rest = (length - cut) as u64;
                let order = self.schedule.cut(position, covers, cut as u64, rest);
                self.decode(order, cut);
                self.utterance.drop_front(cut);
            }
        }
    }

    /// What a job that came back has to tell.
    fn on_job(&mut self, job: Job) -> Option<RecognizerEvent> {
        if let Verdict::Failed(reason) = &job.verdict {
            self.failed = true;
            let reason = reason.clone();
            let error = RecognizerError::Stream { provider: PROVIDER, reason };
            return Some(RecognizerEvent::Failed(error));
        }
        let complete = job.verdict == Verdict::Decoded;
        if complete && job.order.segment == self.known.segment {
            self.known.tokens.clone_from(&job.tokens);
            self.known.text.clone_from(&job.text);
        }
        let position = self.utterance.position();
        let news = self.schedule.done(&job.order, position, complete, &job.text);
        self.line.forget_below(self.schedule.stale_below());
        self.line.reuse(job);
        news.map(RecognizerEvent::Transcript)
    }
}

impl RecognizerStream for Stream {
    fn push(&mut self, samples: &[i16]) {
        if self.failed {
            return;
        }
        for block in samples.chunks(BLOCK) {
            self.take_block(block);
        }
    }

    fn hint(&mut self, hint: Hint) {
        if self.failed {
            return;
        }
        let position = self.utterance.position();
        match hint {
            Hint::SpeechStarted { at } => {
                self.utterance.begin(at);
                self.line.count_lost(self.utterance.take_lost());
                self.schedule.speech_started(self.utterance.len() as u64);
            }
            Hint::Pause { at } => {
                self.utterance.end(at);
                let length = self.utterance.len();
                if let Some(order) = self.schedule.paused(position, length as u64) {
                    self.decode(order, length);
                    if order.stability == Stability::Final {
                        self.utterance.clear();
                    }
                }
            }
            Hint::TurnEnded => {
                let length = self.utterance.len();
                if let Some(order) = self.schedule.turn_ended(position, length as u64) {
                    self.decode(order, length);
                }
                self.utterance.clear();
            }
        }
    }

    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<RecognizerEvent> {
        if self.failed {
            return Poll::Pending;
        }
        if let Some(transcript) = self.given_up.pop_front() {
            return Poll::Ready(RecognizerEvent::Transcript(transcript));
        }
        while let Poll::Ready(job) = self.line.poll(cx) {
            let Some(job) = job else {
                self.failed = true;
                return Poll::Ready(RecognizerEvent::Failed(stopped()));
            };
            if let Some(event) = self.on_job(job) {
                return Poll::Ready(event);
            }
        }
        Poll::Pending
    }
}

fn stopped() -> RecognizerError {
    let reason = "its decode thread has ended".to_owned();
    RecognizerError::Stream { provider: PROVIDER, reason }
}

/// What a decode thread does with a job.
fn carry_out(
    mut decoder: Decoder,
) -> impl FnMut(&mut Job, &mut dyn FnMut() -> bool) -> Verdict + Send + 'static {
    move |job, proceed| {
        let paused = job.order.stability != Stability::Partial;
        match decoder.decode(job.rate, &job.audio, paused, &mut job.tokens, proceed) {
            Ok(Ending::Complete) => {
                decoder.write_text(&job.tokens, &mut job.text);
                Verdict::Decoded
            }
            Ok(Ending::Interrupted) => Verdict::Abandoned,
            Err(error) => Verdict::Failed(error),
        }
    }
}
