//! Deepgram's streaming recognition over WebSocket (developers.deepgram.com: "Live Audio",
//! "Interim Results", "Finalize", "Audio Keep Alive", "Close Stream"; read 2026-11-21).
//!
//! A call has a connection of its own. One more is kept open ahead of the next call, so that no
//! call waits for DNS, TCP and TLS; it costs nothing as long as no audio goes through it. The
//! call's task hands its audio over through a bounded ring and never blocks (while the connection is
//! still being made, what does not fit waits beside it, up to 5 s); the connection's task
//! runs on the runtime that was given.
//!
//! Deepgram's own end of turn is not asked for (`endpointing=false`): the Floor has better
//! evidence. A pause of the caller sends `Finalize`, which is answered with settled words.

mod connection;
mod segment;
mod spare;
mod wire;

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};

use rtrb::{Consumer, Producer, PushError, RingBuffer};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use websocket::{Endpoint, EndpointError};

use self::connection::{Block, Item, Lane, News};
use self::segment::Segments;
use self::spare::Order;
use crate::link::Link;
use crate::{Hint, Recognizer, RecognizerError, RecognizerEvent, RecognizerStream, StreamConfig};

const PROVIDER: &str = "deepgram";

/// Where the service is, where nothing else is configured.
pub const BASE_URL: &str = "https://api.deepgram.com";

/// The model, where nothing else is configured.
pub const MODEL: &str = "nova-3";

/// Audio on its way to the connection, in blocks of 20 ms at 8 kHz: 0.6 s. A connection takes a
/// block as it comes; more is wanted only while there is none.
const IN_FLIGHT: usize = 32;

/// Audio that waits beside that until a connection was made, when none was kept open: 5 s. Given
/// back as soon as the connection has taken it.
const WAITING_BLOCKS: usize = 256;

/// Results that wait for the call's task. It takes them as they come.
const WAITING_NEWS: usize = 128;

/// How to reach the service. `Debug` shows no key.
#[derive(Clone)]
pub struct DeepgramConfig {
    /// The server; `/v1/listen` is appended.
    pub base_url: String,
    /// Sent as `Authorization: Token …`; `None`: no such header, as for a server of one's own.
    pub api_key: Option<String>,
    /// The model: `nova-3`.
    pub model: String,
}

impl Default for DeepgramConfig {
    fn default() -> Self {
        Self { base_url: BASE_URL.to_owned(), api_key: None, model: MODEL.to_owned() }
    }
}

impl fmt::Debug for DeepgramConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeepgramConfig")
            .field("model", &self.model)
            .field("api_key", &self.api_key.as_ref().map(|_| "[hidden]"))
            .finish_non_exhaustive()
    }
}

/// The recogniser. Dropping it leaves the streams that are open alone.
pub struct Deepgram {
    config: DeepgramConfig,
    orders: mpsc::UnboundedSender<Order>,
    lost_samples: Arc<AtomicU64>,
}

impl fmt::Debug for Deepgram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deepgram").field("config", &self.config).finish_non_exhaustive()
    }
}

impl Deepgram {
    /// A recogniser whose connections live on `runtime`, which has IO and time enabled.
    ///
    /// # Errors
    ///
    /// [`RecognizerError::Model`] where the address, the model or the key cannot be sent.
    pub fn new(config: DeepgramConfig, runtime: &Handle) -> Result<Self, RecognizerError> {
        // What is wrong with the address is found out now.
        endpoint(&config, &wire::query(&config.model, "en", codecs::SampleRate::HZ_8000))?;
        let (orders, received) = mpsc::unbounded_channel();
        runtime.spawn(spare::keep(received));
        Ok(Self { config, orders, lost_samples: Arc::default() })
    }
}

fn endpoint(config: &DeepgramConfig, query: &str) -> Result<Endpoint, RecognizerError> {
    let make = || -> Result<Endpoint, EndpointError> {
        let endpoint = Endpoint::new(&config.base_url, &format!("/v1/listen?{query}"))?;
        match &config.api_key {
            Some(key) => endpoint.with_header("authorization", &format!("Token {key}"), "the key"),
            None => Ok(endpoint),
        }
    };
    make().map_err(|error| RecognizerError::Model { provider: PROVIDER, reason: error.to_string() })
}

impl Recognizer for Deepgram {
    fn lost_samples(&self) -> u64 {
        self.lost_samples.load(Ordering::Relaxed)
    }

    /// Opens the spare connection, where it is not open yet.
    fn prepare(&self, config: &StreamConfig) {
        let query = wire::query(&self.config.model, &config.language, config.rate);
        // What is wrong with it is told when a stream wants it.
        if let Ok(endpoint) = endpoint(&self.config, &query) {
            let _ = self.orders.send(Order { query, endpoint, lane: None });
        }
    }

    fn open(&self, config: &StreamConfig) -> Result<Box<dyn RecognizerStream>, RecognizerError> {
        config.expect_language(PROVIDER, wire::languages(&self.config.model))?;
        let query = wire::query(&self.config.model, &config.language, config.rate);
        let endpoint = endpoint(&self.config, &query)?;
        let (items, to_send) = RingBuffer::new(IN_FLIGHT);
        let (news, received) = RingBuffer::new(WAITING_NEWS);
        let line = Arc::new(Line::default());
        let lane = Lane { items: to_send, news, line: Arc::clone(&line), rate: config.rate };
        // The receiver ends with the runtime, and then the lane says so to the stream.
        let _ = self.orders.send(Order { query, endpoint, lane: Some(lane) });
        Ok(Box::new(Stream {
            items,
            waiting: VecDeque::new(),
            news: received,
            line,
            segments: Segments::default(),
            position: 0,
            block: Block::empty(0),
            lost: 0,
            lost_in_all: Arc::clone(&self.lost_samples),
            failed: false,
        }))
    }
}

/// What the two ends of a stream know of each other: each wakes the other.
#[derive(Default)]
struct Line {
    /// Wakes the stream; says who has gone.
    link: Link,
    /// Wakes the connection.
    task: atomic_waker::AtomicWaker,
    /// The stream has more than fits, and wants to be woken once there is room.
    waits: AtomicBool,
}

/// One call's end.
struct Stream {
    items: Producer<Item>,
    /// What does not fit in there.
    waiting: VecDeque<Item>,
    news: Consumer<News>,
    line: Arc<Line>,
    segments: Segments,
    /// Samples pushed so far.
    position: u64,
    /// The block being filled.
    block: Block,
    lost: u64,
    lost_in_all: Arc<AtomicU64>,
    failed: bool,
}

impl Stream {
    /// Hands over what is in the block.
    fn flush(&mut self) {
        if self.block.is_empty() {
            return;
        }
        let next = Block::empty(self.position);
        let block = std::mem::replace(&mut self.block, next);
        let samples = block.samples().len() as u64;
        if !self.hand_over(Item::Audio(block)) {
            // The connection takes nothing: it hears silence instead, once it does again.
            self.lost += samples;
            self.lost_in_all.fetch_add(samples, Ordering::Relaxed);
        }
    }

    /// Hands `item` over behind what waits. `false`: there is no room.
    fn hand_over(&mut self, item: Item) -> bool {
        self.hand_over_waiting();
        let item = if self.waiting.is_empty() {
            let Err(PushError::Full(item)) = self.items.push(item) else { return true };
            item
        } else {
            item
        };
        let fits = self.waiting.len() < WAITING_BLOCKS;
        if fits {
            self.waiting.push_back(item);
            self.line.waits.store(true, Ordering::Release);
        }
        fits
    }

    /// Hands over what waits, as far as there is room.
    fn hand_over_waiting(&mut self) {
        if self.waiting.is_empty() {
            return;
        }
        while let Some(first) = self.waiting.pop_front() {
            if let Err(PushError::Full(first)) = self.items.push(first) {
                self.waiting.push_front(first);
                break;
            }
        }
        if self.waiting.is_empty() {
            // A call that goes well never needs it again.
            self.waiting = VecDeque::new();
            self.line.waits.store(false, Ordering::Release);
        }
        self.line.task.wake();
    }

    fn fail(&mut self, reason: String) -> RecognizerEvent {
        self.failed = true;
        if self.lost > 0 {
            tracing::warn!(samples = self.lost, "audio was lost on its way to the transcriber");
        }
        RecognizerEvent::Failed(RecognizerError::Stream { provider: PROVIDER, reason })
    }

    fn next_event(&mut self) -> Option<RecognizerEvent> {
        loop {
            if let Some(transcript) = self.segments.poll() {
                return Some(RecognizerEvent::Transcript(transcript));
            }
            match self.news.pop() {
                Ok(News::Result(result)) => self.segments.take(result, self.position),
                Ok(News::Failed(reason)) => return Some(self.fail(reason)),
                Err(_) => return None,
            }
        }
    }
}

impl RecognizerStream for Stream {
    fn push(&mut self, mut samples: &[i16]) {
        if self.failed {
            return;
        }
        while !samples.is_empty() {
            let taken = self.block.take(samples);
            self.position += taken as u64;
            samples = &samples[taken..];
            if self.block.is_full() {
                self.flush();
            }
        }
        self.line.task.wake();
    }

    fn hint(&mut self, hint: Hint) {
        if self.failed {
            return;
        }
        let finalize = self.segments.hint(hint, self.position);
        // The end of what was said must not wait for the block to be full.
        self.flush();
        if finalize {
            // Where there is no room the words come with the silence that follows.
            let _ = self.hand_over(Item::Finalize);
        }
        self.line.task.wake();
    }

    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<RecognizerEvent> {
        if self.failed {
            return Poll::Pending;
        }
        self.hand_over_waiting();
        if let Some(event) = self.next_event() {
            return Poll::Ready(event);
        }
        self.line.link.register(cx.waker());
        let gone = self.line.link.thread_is_gone();
        // Room that was made before the registration woke nobody.
        self.hand_over_waiting();
        match self.next_event() {
            Some(event) => Poll::Ready(event),
            None if gone => Poll::Ready(self.fail("the connection's task has ended".to_owned())),
            None => Poll::Pending,
        }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.line.link.leave_stream();
        self.line.task.wake();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_never_shown() {
        let config = DeepgramConfig { api_key: Some("hunter2".to_owned()), ..Default::default() };
        assert!(!format!("{config:?}").contains("hunter2"));
        let config = DeepgramConfig { api_key: Some("hunter2\n".to_owned()), ..config };
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let error = Deepgram::new(config, runtime.handle()).expect_err("no header").to_string();
        assert!(error.contains("line breaks") && !error.contains("hunter2"), "{error}");
    }

    #[test]
    fn audio_waits_in_order_while_there_is_no_connection() {
        let (items, mut to_send) = RingBuffer::new(IN_FLIGHT);
        let (_news, received) = RingBuffer::new(1);
        let mut stream = Stream {
            items,
            waiting: VecDeque::new(),
            news: received,
            line: Arc::default(),
            segments: Segments::default(),
            position: 0,
            block: Block::empty(0),
            lost: 0,
            lost_in_all: Arc::default(),
            failed: false,
        };
        let frame = |number: usize| [number as i16; 160];
        let room = IN_FLIGHT + WAITING_BLOCKS;
        for number in 0..room + 3 {
            stream.push(&frame(number));
        }
        assert_eq!(stream.lost, 3 * 160, "5.6 s wait, and no more");
        let mut taken = Vec::new();
        let mut take = |stream: &mut Stream, to_send: &mut Consumer<Item>, number: usize| {
            stream.push(&frame(number));
            while let Ok(Item::Audio(block)) = to_send.pop() {
                taken.push(block.samples()[0] as usize);
            }
        };
        for number in 1_000..1_020 {
            take(&mut stream, &mut to_send, number);
        }
        assert_eq!(taken[..room], (0..room).collect::<Vec<_>>());
        assert_eq!(taken[room..].first(), Some(&1_001), "the first found no room");
        assert_eq!(stream.waiting.capacity(), 0, "given back");
    }

    #[test]
    fn without_a_runtime_a_stream_fails() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let deepgram = Deepgram::new(DeepgramConfig::default(), runtime.handle()).expect("sound");
        drop(runtime);
        let config = StreamConfig { rate: codecs::SampleRate::HZ_8000, language: "en".into() };
        let mut stream = deepgram.open(&config).expect("speaks English");
        let mut cx = Context::from_waker(std::task::Waker::noop());
        let Poll::Ready(RecognizerEvent::Failed(_)) = stream.poll_event(&mut cx) else {
            panic!("nobody listens");
        };
        assert!(stream.poll_event(&mut cx).is_pending());
    }
}
