//! sherpa-onnx: streaming transducers (zipformer, conformer, LSTM), in whatever language a model
//! was trained for.
//!
//! A transducer hears each moment once and its words follow the audio, so nothing is decoded
//! again. It looks a little ahead, though: at a pause silence is given to it that is not in the
//! stream, so that the last word comes out at once, and the stream goes on after that. Only
//! speech is decoded, with a little audio before it. One thread decodes for all calls, together
//! in one batch where several are ready.

mod files;
mod thread;
mod timeline;

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use codecs::SampleRate;
use codecs::resample::Resampler;
use rtrb::{Consumer, Producer};

use crate::history::History;
use crate::link::Link;
use crate::utterance::{HISTORY, LEAD};
use crate::{Hint, Recognizer, RecognizerError, RecognizerEvent, RecognizerStream, StreamConfig};

use files::ModelFiles;
use thread::{Control, Order, Worker};

const PROVIDER: &str = "sherpa";
/// What all of sherpa-onnx's streaming transducers hear.
const MODEL_RATE: SampleRate = SampleRate::HZ_16000;
/// Audio after which the thread is woken: waking it for each frame would cost more than it gains.
const WAKE_EVERY: Duration = Duration::from_millis(100);

/// How a model is used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SherpaOptions {
    /// BCP 47 tags of the languages that the model was trained for.
    pub languages: Vec<String>,
    /// Report the end of the turn after this much silence; `None` leaves that to the Floor.
    pub end_of_turn: Option<Duration>,
}

/// What the decode thread has had to give up since it began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SherpaCounts {
    /// Samples of speech that were not decoded, because the thread could not keep up or the news
    /// of speech came too late.
    pub lost_samples: u64,
    /// Partial transcripts that were not told, because those before had not been fetched.
    pub unheard_partials: u64,
}

/// The recogniser: one model and one decode thread for all calls.
pub struct Sherpa {
    options: SherpaOptions,
    worker: Worker,
}

impl Sherpa {
    /// Loads the transducer in `folder`: one `*encoder*.onnx`, `*decoder*.onnx` and
    /// `*joiner*.onnx` (of encoder and joiner the one with `int8` in its name, where there are
    /// two) and `tokens.txt`.
    ///
    /// # Errors
    ///
    /// [`RecognizerError::Model`] where a file is missing, is not a streaming transducer's, or
    /// cannot be loaded.
    pub fn load(folder: &Path, options: SherpaOptions) -> Result<Self, RecognizerError> {
        let failed = |reason| RecognizerError::Model { provider: PROVIDER, reason };
        let files = ModelFiles::find(folder).map_err(failed)?;
        let worker = Worker::start(&files, options.end_of_turn).map_err(failed)?;
        Ok(Self { options, worker })
    }

    /// What the decode thread has had to give up so far.
    pub fn counts(&self) -> SherpaCounts {
        self.worker.counts()
    }
}

impl Recognizer for Sherpa {
    fn open(&self, config: &StreamConfig) -> Result<Box<dyn RecognizerStream>, RecognizerError> {
        config.expect_language(PROVIDER, &self.options.languages)?;
        let resampler = Resampler::new(config.rate, MODEL_RATE).map_err(|error| {
            RecognizerError::Rate { provider: PROVIDER, reason: error.to_string() }
        })?;
        let line = self.worker.line(resampler).ok_or_else(stopped)?;
        let samples = |duration| config.rate.samples_in(duration);
        Ok(Box::new(Stream {
            line,
            history: History::new(samples(HISTORY) as usize),
            sent: 0,
            until: 0,
            unannounced: 0,
            speaking: false,
            sending: false,
            hears_pauses: self.options.end_of_turn.is_some(),
            lead: samples(LEAD),
            wake_every: samples(WAKE_EVERY),
            failed: None,
            dead: false,
        }))
    }
}

impl fmt::Debug for Sherpa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sherpa")
            .field("options", &self.options)
            .field("counts", &self.counts())
            .finish_non_exhaustive()
    }
}

/// A stream's line to the thread.
pub(crate) struct Line {
    audio: Producer<i16>,
    control: Producer<Order>,
    events: Consumer<RecognizerEvent>,
    link: Arc<Link>,
    thread: std::thread::Thread,
    counts: Arc<thread::Counts>,
}

/// One call's recognition.
struct Stream {
    line: Line,
    history: History,
    /// Samples put into the ring so far.
    sent: u64,
    /// One past the last sample that was sent, as a stream position.
    until: u64,
    /// Samples sent since the thread was last woken.
    unannounced: u64,
    /// The caller speaks, as far as the hints say.
    speaking: bool,
    /// Audio goes to the thread: while the caller speaks, and also in the pauses of a turn where
    /// the model is asked for its end.
    sending: bool,
    hears_pauses: bool,
    lead: u64,
    wake_every: u64,
    failed: Option<RecognizerError>,
    dead: bool,
}

impl Stream {
    /// Sends the history since `until`. What finds no room in the ring is lost and counted; the
    /// thread drops the oldest of a backlog long before that.
    fn send(&mut self) {
        let oldest = self.history.oldest();
        if self.until < oldest {
            self.line.counts.lose(oldest - self.until);
            self.until = oldest;
        }
        for piece in self.history.since(self.until) {
            let (taken, left) = self.line.audio.push_partial_slice(piece);
            self.sent += taken.len() as u64;
            self.unannounced += taken.len() as u64;
            self.line.counts.lose(left.len() as u64);
        }
        self.until = self.history.position();
        if self.unannounced >= self.wake_every {
            self.wake();
        }
    }

    fn wake(&mut self) {
        self.unannounced = 0;
        self.line.thread.unpark();
    }

    fn tell(&mut self, control: Control) {
        let order = Order { after: self.sent, control };
        if self.line.control.push(order).is_err() && self.failed.is_none() {
            let reason = "its decode thread does not take orders any more".to_owned();
            self.failed = Some(RecognizerError::Stream { provider: PROVIDER, reason });
        }
        self.wake();
    }
}

impl RecognizerStream for Stream {
    fn push(&mut self, samples: &[i16]) {
        for block in samples.chunks(self.wake_every as usize) {
            self.history.push(block);
            if self.sending && !self.dead {
                self.send();
            }
        }
    }

    fn hint(&mut self, hint: Hint) {
        if self.dead {
            return;
        }
        match hint {
            Hint::SpeechStarted { at } if !self.speaking => {
                self.speaking = true;
                if !self.sending {
                    self.sending = true;
                    let from = at.saturating_sub(self.lead).max(self.until);
                    self.until = from.clamp(self.history.oldest(), self.history.position());
                    self.line.counts.lose(self.until.saturating_sub(from));
                }
                self.tell(Control::Speech { from: self.until });
                self.send();
            }
            Hint::Pause { .. } if self.speaking => {
                self.speaking = false;
                self.sending = self.hears_pauses;
                self.tell(Control::Pause { covers: self.history.position() });
            }
            Hint::SpeechStarted { .. } | Hint::Pause { .. } => {}
            Hint::TurnEnded => {
                self.sending = self.speaking;
                self.tell(Control::TurnEnded { covers: self.history.position() });
                if self.speaking {
                    self.tell(Control::Speech { from: self.until });
                }
            }
        }
    }

    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<RecognizerEvent> {
        if self.dead {
            return Poll::Pending;
        }
        let was_full = self.line.events.slots() == self.line.events.buffer().capacity();
        if let Ok(event) = self.line.events.pop() {
            if was_full {
                // The thread may hold more.
                self.wake();
            }
            return Poll::Ready(event);
        }
        self.line.link.register(cx.waker());
        let ended = self.line.link.thread_is_gone();
        match self.line.events.pop() {
            Ok(event) => Poll::Ready(event),
            Err(_) => match self.failed.take().or_else(|| ended.then(stopped)) {
                Some(error) => {
                    self.dead = true;
                    Poll::Ready(RecognizerEvent::Failed(error))
                }
                None => Poll::Pending,
            },
        }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.link.leave_stream();
        self.thread.unpark();
    }
}

fn stopped() -> RecognizerError {
    let reason = "its decode thread has ended".to_owned();
    RecognizerError::Stream { provider: PROVIDER, reason }
}
