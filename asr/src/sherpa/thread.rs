//! The decode thread: the audio of all streams through one model.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use codecs::resample::Resampler;
use rtrb::{Consumer, Producer, RingBuffer};
use sherpa_onnx::{OnlineRecognizer, OnlineRecognizerConfig, OnlineStream};

use super::files::ModelFiles;
use super::timeline::Timeline;
use super::{Line, MODEL_RATE, SherpaCounts};
use crate::link::Link;
use crate::{RecognizerEvent, Stability, Transcript};

/// Audio that a stream's ring holds.
const RING: Duration = Duration::from_secs(4);
/// A backlog beyond this loses its oldest audio.
const BACKLOG: Duration = Duration::from_secs(2);
/// Orders that wait with the audio: several for each second of the ring.
const ORDERS: usize = 32;
/// Events that a stream has not fetched. Full-policy: a partial is dropped and counted, anything
/// else waits.
const EVENTS: usize = 32;
/// Most streams decoded in one batch.
const BATCH: usize = 16;
/// Samples taken from a ring at once.
const BLOCK: usize = 480;
/// sherpa-onnx counts frames of 10 ms; a transducer's encoder makes one of four.
const FRAME: Duration = Duration::from_millis(10);
const TOKEN_SECONDS: f32 = 0.04;
/// Frames beyond a step's window that the library wants: the last window's end.
const SPARE_FRAMES: u32 = 3;

/// What a stream says between its samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Order {
    /// Holds once this many samples were taken from the ring.
    pub(super) after: u64,
    pub(super) control: Control,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Control {
    /// The samples that follow are of the stream from this position on, and speech.
    Speech { from: u64 },
    /// Speech is over; all that was said before this position is in what was sent.
    Pause { covers: u64 },
    /// The turn is over; all that was said before this position is in what was sent.
    TurnEnded { covers: u64 },
}

#[derive(Default)]
pub(super) struct Counts {
    lost_samples: AtomicU64,
    unheard_partials: AtomicU64,
}

impl Counts {
    pub(super) fn lose(&self, samples: u64) {
        if samples > 0 {
            self.lost_samples.fetch_add(samples, Ordering::Relaxed);
        }
    }
}

/// The thread, seen from outside.
pub(super) struct Worker {
    inbox: mpsc::Sender<Lane>,
    stop: Arc<AtomicBool>,
    counts: Arc<Counts>,
    handle: Option<JoinHandle<()>>,
    /// Silence that brings out the last word.
    padding: Duration,
}

impl Worker {
    pub(super) fn start(files: &ModelFiles, end_of_turn: Option<Duration>) -> Result<Self, String> {
        let padding = FRAME * (files.window_frames + SPARE_FRAMES);
        let mut config = OnlineRecognizerConfig::default();
        config.model_config.transducer.encoder = Some(files.encoder.clone());
        config.model_config.transducer.decoder = Some(files.decoder.clone());
        config.model_config.transducer.joiner = Some(files.joiner.clone());
        config.model_config.tokens = Some(files.tokens.clone());
        config.decoding_method = Some("greedy_search".to_owned());
        if let Some(silence) = end_of_turn {
            config.enable_endpoint = true;
            // The padding counts as silence too. The first rule, for turns without a word, and
            // the third, for long ones, are for the Floor to decide.
            config.rule1_min_trailing_silence = f32::MAX;
            config.rule2_min_trailing_silence = (silence + padding).as_secs_f32();
            config.rule3_min_utterance_length = f32::MAX;
        }
        let recognizer = OnlineRecognizer::create(&config)
            .ok_or_else(|| format!("sherpa-onnx cannot load {}", files.encoder))?;

        let (inbox, lanes) = mpsc::channel();
        let stop = Arc::new(AtomicBool::new(false));
        let counts = Arc::new(Counts::default());
        let decoding = Decoding {
            recognizer,
            detects_ends: end_of_turn.is_some(),
            counts: Arc::clone(&counts),
            lanes: Vec::new(),
        };
        let stopped = Arc::clone(&stop);
        let handle = thread::Builder::new()
            .name("sherpa".to_owned())
            .spawn(move || {
                onnx::lower_thread_priority();
                decoding.run(&lanes, &stopped);
            })
            .map_err(|error| format!("cannot start a decode thread: {error}"))?;
        Ok(Self { inbox, stop, counts, handle: Some(handle), padding })
    }

    /// A line for a stream with this way to the model's rate; `None` once the thread has ended.
    pub(super) fn line(&self, resampler: Resampler) -> Option<Line> {
        let rate = resampler.input_rate();
        let (audio, audio_there) = RingBuffer::new(rate.samples_in(RING) as usize);
        let (control, control_there) = RingBuffer::new(ORDERS);
        let (events_there, events) = RingBuffer::new(EVENTS);
        let link = Arc::new(Link::default());
        let lane = Lane {
            audio: audio_there,
            control: control_there,
            events: events_there,
            link: Arc::clone(&link),
            heard: vec![0; resampler.output_bound(BLOCK)].into(),
            samples: vec![0.0; resampler.output_bound(BLOCK)].into(),
            resampler,
            backlog: rate.samples_in(BACKLOG) as usize,
            padding: rate.samples_in(self.padding),
            taken: 0,
            segment: 0,
            turn: None,
            closing: None,
            waiting: VecDeque::new(),
        };
        self.inbox.send(lane).ok()?;
        let thread = self.handle.as_ref()?.thread().clone();
        Some(Line { audio, control, events, link, thread, counts: Arc::clone(&self.counts) })
    }

    pub(super) fn counts(&self) -> SherpaCounts {
        SherpaCounts {
            lost_samples: self.counts.lost_samples.load(Ordering::Relaxed),
            unheard_partials: self.counts.unheard_partials.load(Ordering::Relaxed),
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        if let Some(handle) = self.handle.take() {
            handle.thread().unpark();
            if handle.join().is_err() {
                tracing::error!("the decode thread had panicked");
            }
        }
    }
}

/// One stream, seen from the thread.
struct Lane {
    audio: Consumer<i16>,
    control: Consumer<Order>,
    events: Producer<RecognizerEvent>,
    link: Arc<Link>,
    resampler: Resampler,
    /// Scratch: a block at the model's rate.
    heard: Box<[i16]>,
    samples: Box<[f32]>,
    /// In samples of the stream, as what follows.
    backlog: usize,
    padding: u64,
    /// Samples taken from the ring.
    taken: u64,
    segment: u32,
    turn: Option<Turn>,
    /// What is told once all that was heard is decoded; nothing more is taken before.
    closing: Option<Closing>,
    /// Events that found no room in the ring.
    waiting: VecDeque<RecognizerEvent>,
}

/// One turn's decoding.
struct Turn {
    stream: OnlineStream,
    timeline: Timeline,
    text: String,
    /// In a pause whose transcript was told.
    paused: bool,
    /// The model's own end of the turn was told.
    ended: bool,
    decoded: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct Closing {
    stability: Stability,
    covers: u64,
}

impl Lane {
    /// Takes what was sent, up to the next thing that must be decoded first. Returns whether
    /// there was anything.
    fn take(&mut self, recognizer: &OnlineRecognizer, counts: &Counts) -> bool {
        let mut any = false;
        while self.closing.is_none() {
            let due = self.control.peek().ok().map(|order| order.after);
            if due.is_some_and(|after| after <= self.taken) {
                if let Ok(order) = self.control.pop() {
                    self.obey(order.control, recognizer);
                }
                any = true;
                continue;
            }
            if !self.take_audio(due, counts) {
                break;
            }
            any = true;
        }
        any
    }

    fn take_audio(&mut self, until: Option<u64>, counts: &Counts) -> bool {
        let there = self.audio.slots();
        let wanted = until.map_or(there, |until| there.min((until - self.taken) as usize));
        if wanted == 0 {
            return false;
        }
        let late = there.saturating_sub(self.backlog).min(wanted);
        let count = if late > 0 { late } else { wanted.min(BLOCK) };
        if late > 0 {
            let Ok(chunk) = self.audio.read_chunk(late) else { return false };
            chunk.commit_all();
            counts.lose(late as u64);
            if let Some(turn) = &mut self.turn {
                turn.timeline.skip(late as u64);
            }
        } else {
            let mut block = [0; BLOCK];
            let block = &mut block[..count];
            if self.audio.pop_entire_slice(block).is_err() {
                return false;
            }
            self.hear(block);
            if let Some(turn) = &mut self.turn {
                turn.timeline.advance(count as u64);
            }
        }
        self.taken += count as u64;
        true
    }

    /// Gives the model a block to hear. Between turns there is nobody to hear it.
    fn hear(&mut self, block: &[i16]) {
        let Some(turn) = &self.turn else { return };
        let count = self.resampler.process_into(block, &mut self.heard);
        for (to, &from) in self.samples.iter_mut().zip(&self.heard[..count]) {
            *to = f32::from(from) / 32_768.0;
        }
        turn.stream.accept_waveform(MODEL_RATE.hz() as i32, &self.samples[..count]);
    }

    fn obey(&mut self, control: Control, recognizer: &OnlineRecognizer) {
        match control {
            Control::Speech { from } => {
                let rate = self.resampler.input_rate();
                let turn = self.turn.get_or_insert_with(|| Turn {
                    // A fresh one for each turn: nothing of the last words leaks into the next,
                    // and what was heard does not pile up.
                    stream: recognizer.create_stream(),
                    timeline: Timeline::new(rate),
                    text: String::new(),
                    paused: false,
                    ended: false,
                    decoded: false,
                });
                turn.paused = false;
                turn.ended = false;
                turn.timeline.resume(from);
            }
            Control::Pause { covers } => {
                self.pad();
                self.closing = Some(Closing { stability: Stability::Stable, covers });
            }
            Control::TurnEnded { covers } => match &self.turn {
                Some(turn) if turn.paused => self.close(),
                Some(_) => {
                    self.pad();
                    self.closing = Some(Closing { stability: Stability::Final, covers });
                }
                None => {}
            },
        }
    }

    /// Gives the model the silence that it waits for before it says the last word. The stream
    /// goes on afterwards, as it could not after the library's own end of input.
    fn pad(&mut self) {
        let silence = [0; BLOCK];
        let mut left = self.padding;
        while left > 0 {
            let count = left.min(BLOCK as u64);
            self.hear(&silence[..count as usize]);
            left -= count;
        }
        if let Some(turn) = &mut self.turn {
            turn.timeline.pad(self.padding);
        }
    }

    fn close(&mut self) {
        self.turn = None;
        self.resampler.reset();
        self.segment += 1;
    }

    /// Tells what is new. Returns whether more can be taken now.
    fn report(
        &mut self,
        recognizer: &OnlineRecognizer,
        detects_ends: bool,
        counts: &Counts,
    ) -> bool {
        while let Some(event) = self.waiting.pop_front() {
            if let Err(rtrb::PushError::Full(event)) = self.events.push(event) {
                self.waiting.push_front(event);
                break;
            }
            self.link.wake();
        }
        let Some(turn) = &mut self.turn else {
            // A pause or an end before any speech.
            return self.closing.take().is_some();
        };
        let ready = recognizer.is_ready(&turn.stream);
        let closing = self.closing.filter(|_| !ready);
        if closing.is_none() && !std::mem::take(&mut turn.decoded) {
            return false;
        }
        let result = recognizer.get_result(&turn.stream);
        let (text, tokens, starts) = match &result {
            Some(result) => (
                result.text.trim(),
                result.tokens.as_slice(),
                result.timestamps.as_deref().unwrap_or_default(),
            ),
            // What the library says is not to be read: the words known before stand.
            None => (&*turn.text.clone(), &[][..], &[][..]),
        };
        let mut transcript = Transcript {
            segment: self.segment,
            text: text.to_owned(),
            words: turn.timeline.words(tokens, starts, TOKEN_SECONDS),
            stability: Stability::Partial,
            covers: turn.timeline.position_before(self.padding),
        };
        let news = text != turn.text;
        text.clone_into(&mut turn.text);
        if let Some(Closing { stability, covers }) = closing {
            self.closing = None;
            // The turn may have ended while this was decoded.
            let next = self.control.peek().map(|order| order.control);
            let over = matches!(next, Ok(Control::TurnEnded { .. }));
            transcript.stability = if over { Stability::Final } else { stability };
            transcript.covers = covers;
            turn.paused = true;
            turn.decoded = false;
            if stability == Stability::Final {
                self.close();
            }
            self.tell(RecognizerEvent::Transcript(transcript));
        } else if news && self.closing.is_none() && !turn.paused {
            if self.events.is_full() {
                counts.unheard_partials.fetch_add(1, Ordering::Relaxed);
            } else {
                self.tell(RecognizerEvent::Transcript(transcript));
            }
        }
        if let Some(turn) = &mut self.turn
            && detects_ends
            && turn.paused
            && !turn.ended
            && recognizer.is_endpoint(&turn.stream)
        {
            turn.ended = true;
            self.tell(RecognizerEvent::EndOfTurn { eager: false });
        }
        closing.is_some()
    }

    fn tell(&mut self, event: RecognizerEvent) {
        if !self.waiting.is_empty() {
            self.waiting.push_back(event);
        } else if let Err(rtrb::PushError::Full(event)) = self.events.push(event) {
            self.waiting.push_back(event);
        }
        self.link.wake();
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        self.link.leave_thread();
    }
}

/// The thread's own things.
struct Decoding {
    recognizer: OnlineRecognizer,
    detects_ends: bool,
    counts: Arc<Counts>,
    lanes: Vec<Lane>,
}

impl Decoding {
    fn run(mut self, inbox: &mpsc::Receiver<Lane>, stop: &AtomicBool) {
        while !stop.load(Ordering::Acquire) {
            self.lanes.extend(inbox.try_iter());
            self.lanes.retain(|lane| !lane.link.stream_is_gone());
            let mut busy = false;
            for lane in &mut self.lanes {
                busy |= lane.take(&self.recognizer, &self.counts);
            }
            busy |= self.decode();
            for lane in &mut self.lanes {
                busy |= lane.report(&self.recognizer, self.detects_ends, &self.counts);
            }
            if !busy {
                thread::park();
            }
        }
    }

    /// One step of all streams that have enough to hear. Returns whether there was one.
    fn decode(&mut self) -> bool {
        let mut ready: Vec<&mut Turn> = self
            .lanes
            .iter_mut()
            .filter_map(|lane| lane.turn.as_mut())
            .filter(|turn| self.recognizer.is_ready(&turn.stream))
            .collect();
        for batch in ready.chunks_mut(BATCH) {
            let streams: Vec<&OnlineStream> = batch.iter().map(|turn| &turn.stream).collect();
            self.recognizer.decode_multiple_streams(&streams);
            for turn in batch {
                turn.decoded = true;
            }
        }
        !ready.is_empty()
    }
}
