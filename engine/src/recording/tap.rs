//! The session's end of a recording.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use atomic_waker::AtomicWaker;
use codecs::SampleRate;
use codecs::ambience::Ambience;
use rtrb::{Consumer, Producer, RingBuffer};
use turntaking::time::Instant;

use super::lines::{LineWriter, line_ring};
use super::listener::Listener;
use super::{Options, Report};

/// Room for the audio of both sides, in milliseconds of one: a disk may stall for half as long.
pub(super) const AUDIO_MS: usize = 2_000;
/// Blocks of audio in flight: one each 10 ms of that room.
pub(super) const BLOCKS: usize = AUDIO_MS / 10;
/// Most who listen to one call.
const LISTENERS: usize = 4;
/// Most milliseconds of audio in one block; longer ones are cut.
pub(super) const BLOCK_MS: usize = 100;
/// Room for the journal, in bytes: some ten seconds of a busy call.
const JOURNAL_BYTES: usize = 32 * 1_024;
/// The same where it is fetched by hand: a scripted voice tells of a whole story at once.
const WHOLE_JOURNAL_BYTES: usize = 1_024 * 1_024;

/// What a block of audio is. Its samples are in the other ring.
#[derive(Clone, Copy, Debug)]
pub(super) enum Block {
    /// From the caller: position on the carrier's timestamps, arrival, samples.
    Caller { at: u64, now: Instant, len: u32 },
    /// From the agent: run, when the run's first sample was heard, position in the run, samples.
    Agent { run: u64, start: Instant, offset: u64, len: u32 },
}

/// What both ends see.
#[derive(Debug, Default)]
pub(super) struct Shared {
    /// Set by the session, after its last word.
    pub(super) finished: AtomicBool,
    pub(super) dropped_samples: AtomicU64,
    pub(super) lost_lines: AtomicU64,
    /// Lines lost at the end, of which no marker tells.
    pub(super) pending_lines: AtomicU64,
    /// What is heard behind the agent's voice, from the beginning to the end.
    pub(super) background: OnceLock<Arc<Ambience>>,
    /// Set by the writer, after the files are closed.
    pub(super) report: OnceLock<Report>,
    waker: AtomicWaker,
}

impl Shared {
    /// The files are complete.
    pub(super) fn complete(&self, report: Report) {
        // The first stands.
        let _ = self.report.set(report);
        self.waker.wake();
    }
}

/// The writer's end of the rings.
#[derive(Debug)]
pub(super) struct TapReader {
    pub(super) blocks: Consumer<Block>,
    pub(super) samples: Consumer<i16>,
    pub(super) lines: Consumer<u8>,
    pub(super) shared: Arc<Shared>,
}

impl Drop for TapReader {
    fn drop(&mut self) {
        // Whoever waits for the files must not wait for ever, whatever became of the writer. A
        // report that was given stands.
        let error = Some("the recorder stopped before the files were complete".to_owned());
        self.shared.complete(Report { error, ..Report::default() });
    }
}

/// The other end of [`CallTap::journal_only`]. To be read at least each second.
#[derive(Debug)]
pub struct JournalEnd {
    lines: Consumer<u8>,
}

impl JournalEnd {
    /// Appends what was written since the last time.
    pub fn read_into(&mut self, bytes: &mut Vec<u8>) {
        if let Ok(chunk) = self.lines.read_chunk(self.lines.slots()) {
            bytes.extend(chunk);
        }
    }
}

/// Takes a call's audio and journal from its session. Belongs to the session's task; none of its
/// methods locks, allocates, blocks or makes a system call. What the writer has no room for is
/// dropped, newest first, and counted in the [`Report`].
#[derive(Debug)]
pub struct CallTap {
    audio: Option<AudioTap>,
    listeners: Vec<Listener>,
    journal: Option<LineWriter>,
    shared: Arc<Shared>,
}

/// The way of both sides' audio to whoever reads it.
#[derive(Debug)]
pub(super) struct AudioTap {
    blocks: Producer<Block>,
    samples: Producer<i16>,
    /// Most samples in a block.
    block: usize,
    /// Number of the agent's run in progress, when it began, and how long it is so far.
    run: u64,
    start: Instant,
    offset: u64,
    dropped: u64,
}

impl CallTap {
    /// A tap into nothing, for a call of which nothing is kept.
    pub fn off() -> Self {
        let shared = Arc::new(Shared::default());
        shared.complete(Report::default());
        Self { audio: None, listeners: Vec::new(), journal: None, shared }
    }

    /// A tap of the journal alone, for a call that is played by hand, and the other end of it.
    pub fn journal_only() -> (Self, JournalEnd) {
        let (journal, lines) = line_ring(WHOLE_JOURNAL_BYTES);
        let mut tap = Self::off();
        tap.journal = Some(journal);
        (tap, JournalEnd { lines })
    }

    /// A tap and the writer's end of it.
    pub(super) fn new(options: Options) -> (Self, TapReader) {
        let shared = Arc::new(Shared::default());
        let samples_in = |ms: usize| (options.rate.hz() as usize * ms / 1_000).max(1);
        // What is switched off takes no room.
        let room = |on: bool, size: usize| if on { size } else { 0 };
        let (samples, sample_reader) = RingBuffer::new(room(options.audio, samples_in(AUDIO_MS)));
        let (blocks, block_reader) = RingBuffer::new(room(options.audio, BLOCKS));
        let (lines, line_reader) = line_ring(room(options.journal, JOURNAL_BYTES));
        let audio = options.audio.then(|| AudioTap::new(blocks, samples, samples_in(BLOCK_MS)));
        let journal = options.journal.then_some(lines);
        let tap = Self { audio, listeners: Vec::new(), journal, shared: Arc::clone(&shared) };
        let reader =
            TapReader { blocks: block_reader, samples: sample_reader, lines: line_reader, shared };
        (tap, reader)
    }

    /// The agent's side has a sound behind it, all the time.
    pub fn set_background(&self, ambience: Arc<Ambience>) {
        // The first stands: it is set once, before there is any audio.
        let _ = self.shared.background.set(ambience);
    }

    /// Lets somebody listen, from now on. Beyond a few they are turned away.
    pub fn add_listener(&mut self, listener: Listener, rate: SampleRate) {
        self.listeners.retain(|listener| !listener.is_gone());
        if self.listeners.len() < LISTENERS {
            listener.begin(rate, self.shared.background.get());
            self.listeners.push(listener);
        }
    }

    /// Records what the caller said: `at` is the first sample's position on the carrier's
    /// timestamps, in samples; `now` when it arrived.
    pub fn caller(&mut self, at: u64, now: Instant, samples: &[i16]) {
        for listener in &mut self.listeners {
            listener.caller(at, now, samples);
        }
        let Some(audio) = &mut self.audio else { return };
        audio.caller(at, now, samples);
        self.shared.dropped_samples.store(audio.dropped, Ordering::Relaxed);
    }

    /// Records what the caller heard of the agent: `at` is when the first of these samples was
    /// heard. A run is speech without a break: its samples follow each other whatever `at` says,
    /// so set `new_run` where playback began, was resumed after a hold, or ran dry.
    pub fn agent(&mut self, at: Instant, new_run: bool, samples: &[i16]) {
        for listener in &mut self.listeners {
            listener.agent(at, new_run, samples);
        }
        let Some(audio) = &mut self.audio else { return };
        audio.agent(at, new_run, samples);
        self.shared.dropped_samples.store(audio.dropped, Ordering::Relaxed);
    }

    /// Whether there is a journal: where not, a line need not be made.
    pub fn has_journal(&self) -> bool {
        self.journal.is_some()
    }

    /// Appends a line, without line break, to the journal.
    pub fn journal(&mut self, line: &str) {
        let Some(journal) = &mut self.journal else { return };
        journal.push(line);
        self.shared.lost_lines.store(journal.lost(), Ordering::Relaxed);
        self.shared.pending_lines.store(journal.pending(), Ordering::Relaxed);
    }

    /// Nothing more will come. The files are complete when the handle is. A tap that is dropped
    /// ends its recording as well.
    pub fn finish(self) -> FinishHandle {
        FinishHandle { shared: Arc::clone(&self.shared) }
    }
}

impl Drop for CallTap {
    fn drop(&mut self) {
        // Releases everything pushed before: a writer that sees it will find all of it.
        self.shared.finished.store(true, Ordering::Release);
    }
}

impl AudioTap {
    /// Fills these rings, in blocks of at most `block` samples.
    pub(super) const fn new(blocks: Producer<Block>, samples: Producer<i16>, block: usize) -> Self {
        Self { blocks, samples, block, run: 0, start: Instant::START, offset: 0, dropped: 0 }
    }

    pub(super) fn caller(&mut self, at: u64, now: Instant, samples: &[i16]) {
        let mut at = at;
        for part in samples.chunks(self.block) {
            self.push(Block::Caller { at, now, len: part.len() as u32 }, part);
            at = at.wrapping_add(part.len() as u64);
        }
    }

    pub(super) fn agent(&mut self, at: Instant, new_run: bool, samples: &[i16]) {
        if new_run || self.run == 0 {
            self.run += 1;
            self.start = at;
            self.offset = 0;
        }
        for part in samples.chunks(self.block) {
            let (run, start, offset) = (self.run, self.start, self.offset);
            self.push(Block::Agent { run, start, offset, len: part.len() as u32 }, part);
            // A part that was dropped keeps its place.
            self.offset += part.len() as u64;
        }
    }

    /// Samples that found no room so far.
    pub(super) const fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Nobody reads any more.
    pub(super) fn is_abandoned(&self) -> bool {
        self.samples.is_abandoned()
    }

    fn push(&mut self, block: Block, samples: &[i16]) {
        // The samples first, so that a block's are there when it is seen.
        if self.blocks.is_full() || self.samples.push_entire_slice(samples).is_err() {
            self.dropped += samples.len() as u64;
            return;
        }
        self.blocks.push(block).expect("only this end fills it, and it was not full");
    }
}

/// Resolves to the call's [`Report`] once its files are complete.
#[derive(Debug)]
pub struct FinishHandle {
    shared: Arc<Shared>,
}

impl FinishHandle {
    /// The report, if the files are complete.
    pub fn report(&self) -> Option<&Report> {
        self.shared.report.get()
    }
}

impl Future for FinishHandle {
    type Output = Report;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Report> {
        // Register before looking, so that no wake-up falls between the two.
        self.shared.waker.register(cx.waker());
        match self.shared.report.get() {
            Some(report) => Poll::Ready(report.clone()),
            None => Poll::Pending,
        }
    }
}
