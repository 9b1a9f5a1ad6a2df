//! Decode threads, shared by all streams.
//!
//! A stream has a [`Line`] to one of the threads: a bounded ring of jobs there and a bounded ring
//! of the same jobs back, so that their buffers are used again. Neither side ever waits for a
//! lock. A thread takes first what a pause is waiting for (stable and final), in the order given,
//! and partials only when there is none; a partial in progress is given up between two decoder
//! steps as soon as something more urgent comes, and so is any job that its stream no longer
//! wants. Full-policy: a line holds [`IN_FLIGHT`] jobs; one more is refused and counted.

use std::fmt;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use atomic_waker::AtomicWaker;
use codecs::SampleRate;
use onnx::{Runner, VirtualTime};
use rtrb::{Consumer, Producer, RingBuffer};

use crate::Stability;
use crate::link::Link;
use crate::schedule::Order;

/// Most jobs of one stream that are queued, running, or done and not yet fetched.
const IN_FLIGHT: usize = 8;

/// One decode, on its way to a thread or back.
#[derive(Debug)]
pub(crate) struct Job {
    /// What is asked.
    pub(crate) order: Order,
    /// Rate of `audio`, in Hz.
    pub(crate) rate: SampleRate,
    /// The utterance.
    pub(crate) audio: Vec<i16>,
    /// There: what is known of the segment. Back: the utterance's tokens.
    pub(crate) tokens: Vec<i64>,
    /// There: what is known of the segment. Back: the utterance's words.
    pub(crate) text: String,
    /// How it went.
    pub(crate) verdict: Verdict,
    /// Place in the thread's queue.
    ticket: u64,
}

/// How a job went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Not done: overtaken, or no longer wanted. `tokens` may have changed, `text` has not.
    Abandoned,
    Decoded,
    /// The decoder cannot go on.
    Failed(String),
}

/// What the threads have done since they began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DecodeCounts {
    /// Decodes carried out.
    pub decoded: u64,
    /// Decodes given up for something more urgent, or because nobody wanted them any more.
    pub abandoned: u64,
    /// Decodes refused because a stream's queue was full.
    pub refused: u64,
    /// Samples of speech that were gone before anyone said that they were speech.
    pub lost_samples: u64,
}

/// The threads.
pub(crate) struct Pool {
    threads: Vec<Worker>,
    counts: Arc<Counts>,
}

#[derive(Default)]
struct Counts {
    decoded: AtomicU64,
    abandoned: AtomicU64,
    refused: AtomicU64,
    lost_samples: AtomicU64,
}

struct Worker {
    inbox: mpsc::Sender<Lane>,
    desk: Arc<Desk>,
    handle: Option<JoinHandle<()>>,
}

/// What a thread shares with all its streams.
struct Desk {
    runner: Runner,
    state: Arc<DeskState>,
    counts: Arc<Counts>,
}

#[derive(Default)]
struct DeskState {
    stop: AtomicBool,
    /// Stable and final jobs that the thread has not taken up.
    urgent: AtomicUsize,
    tickets: AtomicU64,
    streams: AtomicUsize,
}

/// What a stream shares with its thread.
#[derive(Default)]
struct LineState {
    /// Jobs below this order that are not final are not wanted.
    stale_below: AtomicU64,
    link: Link,
}

/// A stream's end.
pub(crate) struct Line {
    jobs: Producer<Job>,
    results: Consumer<Job>,
    state: Arc<LineState>,
    desk: Arc<Desk>,
    in_flight: usize,
    /// Jobs whose buffers wait to be used again.
    spare: Vec<Job>,
}

/// A thread's end of one stream.
struct Lane {
    jobs: Consumer<Job>,
    results: Producer<Job>,
    state: Arc<LineState>,
    waiting: Vec<Job>,
}

impl Pool {
    /// Starts a thread for each of `decoders`. A decoder replaces a job's tokens and text and
    /// says how it went; between steps it asks its second argument whether to go on.
    pub(crate) fn start<D>(name: &str, decoders: Vec<D>) -> io::Result<Self>
    where
        D: FnMut(&mut Job, &mut dyn FnMut() -> bool) -> Verdict + Send + 'static,
    {
        let counts = Arc::new(Counts::default());
        let mut threads = Vec::with_capacity(decoders.len());
        for decoder in decoders {
            let state = Arc::new(DeskState::default());
            let (inbox, lanes) = mpsc::channel();
            let (thread_state, thread_counts) = (Arc::clone(&state), Arc::clone(&counts));
            let handle = thread::Builder::new().name(name.to_owned()).spawn(move || {
                onnx::lower_thread_priority();
                run(decoder, &lanes, &thread_state, &thread_counts);
            })?;
            let runner = Runner::Thread(handle.thread().clone());
            let desk = Desk { runner, state, counts: Arc::clone(&counts) };
            threads.push(Worker { inbox, desk: Arc::new(desk), handle: Some(handle) });
        }
        Ok(Self { threads, counts })
    }

    /// A single "thread" on the clock of a simulation: the future that is returned. A decoder
    /// gives a job's tokens and text, and how long each of its steps takes there.
    pub(crate) fn simulated<D>(
        time: VirtualTime,
        decoder: D,
    ) -> (Self, impl Future<Output = ()> + use<D>)
    where
        D: FnMut(&mut Job) -> Result<(Vec<i64>, String, Vec<Duration>), String>,
    {
        let counts = Arc::new(Counts::default());
        let state = Arc::new(DeskState::default());
        let waker = Arc::new(AtomicWaker::new());
        let (inbox, lanes) = mpsc::channel();
        let runner = Runner::Task(Arc::clone(&waker));
        let desk = Desk { runner, state: Arc::clone(&state), counts: Arc::clone(&counts) };
        let worker = Worker { inbox, desk: Arc::new(desk), handle: None };
        let pool = Self { threads: vec![worker], counts: Arc::clone(&counts) };
        let run =
            async move { run_simulated(decoder, &lanes, &state, &counts, &time, &waker).await };
        (pool, run)
    }

    /// A line to the thread that serves the fewest streams; `None` once they have ended.
    pub(crate) fn line(&self) -> Option<Line> {
        let streams = |worker: &&Worker| worker.desk.state.streams.load(Ordering::Relaxed);
        let worker = self.threads.iter().min_by_key(streams)?;
        let (jobs, jobs_there) = RingBuffer::new(IN_FLIGHT);
        let (results_there, results) = RingBuffer::new(IN_FLIGHT);
        let state = Arc::new(LineState::default());
        let lane = Lane {
            jobs: jobs_there,
            results: results_there,
            state: Arc::clone(&state),
            waiting: Vec::with_capacity(IN_FLIGHT),
        };
        worker.inbox.send(lane).ok()?;
        worker.desk.state.streams.fetch_add(1, Ordering::Relaxed);
        let desk = Arc::clone(&worker.desk);
        Some(Line {
            jobs,
            results,
            state,
            desk,
            in_flight: 0,
            spare: Vec::with_capacity(IN_FLIGHT),
        })
    }

    /// Stable and final jobs that no thread has taken up.
    pub(crate) fn backlog(&self) -> usize {
        self.threads.iter().map(|worker| worker.desk.state.urgent.load(Ordering::Relaxed)).sum()
    }

    pub(crate) fn counts(&self) -> DecodeCounts {
        DecodeCounts {
            decoded: self.counts.decoded.load(Ordering::Relaxed),
            abandoned: self.counts.abandoned.load(Ordering::Relaxed),
            refused: self.counts.refused.load(Ordering::Relaxed),
            lost_samples: self.counts.lost_samples.load(Ordering::Relaxed),
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        for worker in &self.threads {
            worker.desk.state.stop.store(true, Ordering::Release);
            worker.desk.runner.wake();
        }
        for worker in &mut self.threads {
            if let Some(handle) = worker.handle.take()
                && handle.join().is_err()
            {
                tracing::error!("a decode thread had panicked");
            }
        }
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool")
            .field("threads", &self.threads.len())
            .field("counts", &self.counts())
            .finish()
    }
}

/// A stream's queue is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Full;

impl Line {
    /// Queues a decode of `audio` at `rate`, of which `tokens` and `text` are known. Takes a
    /// buffer that came back where there is one.
    pub(crate) fn submit(
        &mut self,
        order: Order,
        rate: SampleRate,
        audio: &[i16],
        tokens: &[i64],
        text: &str,
    ) -> Result<(), Full> {
        if self.in_flight == IN_FLIGHT {
            self.desk.counts.refused.fetch_add(1, Ordering::Relaxed);
            return Err(Full);
        }
        let ticket = self.desk.state.tickets.fetch_add(1, Ordering::Relaxed);
        let verdict = Verdict::Abandoned;
        let mut job = match self.spare.pop() {
            Some(spare) => Job { order, rate, verdict, ticket, ..spare },
            None => {
                let (audio, tokens, text) = Default::default();
                Job { order, rate, audio, tokens, text, verdict, ticket }
            }
        };
        job.audio.clear();
        job.audio.extend_from_slice(audio);
        job.tokens.clear();
        job.tokens.extend_from_slice(tokens);
        text.clone_into(&mut job.text);
        if order.stability != Stability::Partial {
            // Before the job can be seen, so that the thread never counts below zero.
            self.desk.state.urgent.fetch_add(1, Ordering::Release);
        }
        self.in_flight += 1;
        self.jobs.push(job).expect("the ring holds all jobs in flight");
        self.desk.runner.wake();
        Ok(())
    }

    /// Jobs below `order` are not wanted any more, unless they are final.
    pub(crate) fn forget_below(&self, order: u64) {
        self.state.stale_below.store(order, Ordering::Release);
    }

    /// The next job that came back; `None` once the thread has ended.
    pub(crate) fn poll(&mut self, cx: &Context<'_>) -> Poll<Option<Job>> {
        if let Ok(job) = self.results.pop() {
            self.in_flight -= 1;
            return Poll::Ready(Some(job));
        }
        self.state.link.register(cx.waker());
        // It may have come, or the thread gone, before the waker was there.
        let closed = self.state.link.thread_is_gone();
        match self.results.pop() {
            Ok(job) => {
                self.in_flight -= 1;
                Poll::Ready(Some(job))
            }
            Err(_) if closed => Poll::Ready(None),
            Err(_) => Poll::Pending,
        }
    }

    /// Counts samples of speech that will not be decoded.
    pub(crate) fn count_lost(&self, samples: u64) {
        self.desk.counts.lost_samples.fetch_add(samples, Ordering::Relaxed);
    }

    /// Keeps the buffers of a job for another one.
    pub(crate) fn reuse(&mut self, job: Job) {
        // Two serve a steady call; a backlog's buffers are given back.
        if self.spare.len() < 2 {
            self.spare.push(job);
        }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.desk.state.streams.fetch_sub(1, Ordering::Relaxed);
        self.state.link.leave_stream();
        self.desk.runner.wake();
    }
}

impl Lane {
    fn wants(&self, order: &Order) -> bool {
        let stale = order.id < self.state.stale_below.load(Ordering::Acquire);
        !self.state.link.stream_is_gone() && (!stale || order.stability == Stability::Final)
    }

    /// Moves new jobs from the ring to `waiting`, and sends unwanted ones back. Returns whether
    /// the stream is still there; where it is not, nothing of it is left.
    fn collect(&mut self, desk: &DeskState, counts: &Counts) -> bool {
        // Asked first: once a stream is gone its last job is in the ring.
        let gone = self.state.link.stream_is_gone();
        while let Ok(job) = self.jobs.pop() {
            self.waiting.push(job);
        }
        while let Some(unwanted) = self.waiting.iter().position(|job| !self.wants(&job.order)) {
            let job = self.take(unwanted, desk);
            self.give_back(job, counts);
        }
        !gone
    }

    fn take(&mut self, index: usize, desk: &DeskState) -> Job {
        let job = self.waiting.swap_remove(index);
        if job.order.stability != Stability::Partial {
            desk.urgent.fetch_sub(1, Ordering::AcqRel);
        }
        job
    }

    fn give_back(&mut self, job: Job, counts: &Counts) {
        let count = match job.verdict {
            Verdict::Abandoned => &counts.abandoned,
            Verdict::Decoded | Verdict::Failed(_) => &counts.decoded,
        };
        count.fetch_add(1, Ordering::Relaxed);
        // The ring holds all that a stream may have in flight; only a stream that is gone has
        // no use for its job.
        if self.results.push(job).is_ok() {
            self.state.link.wake();
        }
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        self.state.link.leave_thread();
    }
}

/// Which job of which lane comes next: first what a pause waits for, in the order given.
fn next(lanes: &[Lane]) -> Option<(usize, usize)> {
    lanes
        .iter()
        .enumerate()
        .flat_map(|(at, lane)| lane.waiting.iter().enumerate().map(move |(n, job)| (at, n, job)))
        .min_by_key(|(.., job)| (job.order.stability == Stability::Partial, job.ticket))
        .map(|(at, n, _)| (at, n))
}

/// Whether a job of `lane` that has been taken up is worth another step.
fn is_wanted(lane: &Lane, order: &Order, desk: &DeskState) -> bool {
    let overtaken =
        order.stability == Stability::Partial && desk.urgent.load(Ordering::Acquire) > 0;
    lane.wants(order) && !overtaken && !desk.stop.load(Ordering::Acquire)
}

/// A thread's life.
fn run<D>(mut decoder: D, inbox: &mpsc::Receiver<Lane>, desk: &DeskState, counts: &Counts)
where
    D: FnMut(&mut Job, &mut dyn FnMut() -> bool) -> Verdict,
{
    let mut lanes: Vec<Lane> = Vec::new();
    while !desk.stop.load(Ordering::Acquire) {
        lanes.extend(inbox.try_iter());
        lanes.retain_mut(|lane| lane.collect(desk, counts));
        let Some((at, n)) = next(&lanes) else {
            thread::park();
            continue;
        };
        let lane = &mut lanes[at];
        let mut job = lane.take(n, desk);
        let order = job.order;
        job.verdict = decoder(&mut job, &mut || is_wanted(lane, &order, desk));
        lane.give_back(job, counts);
    }
}

/// The same on the clock of a simulation.
async fn run_simulated<D>(
    mut decoder: D,
    inbox: &mpsc::Receiver<Lane>,
    desk: &DeskState,
    counts: &Counts,
    time: &VirtualTime,
    waker: &AtomicWaker,
) where
    D: FnMut(&mut Job) -> Result<(Vec<i64>, String, Vec<Duration>), String>,
{
    let mut lanes: Vec<Lane> = Vec::new();
    while !desk.stop.load(Ordering::Acquire) {
        lanes.extend(inbox.try_iter());
        lanes.retain_mut(|lane| lane.collect(desk, counts));
        let Some((at, n)) = next(&lanes) else {
            time.until_woken(waker, None).await;
            continue;
        };
        let lane = &mut lanes[at];
        let mut job = lane.take(n, desk);
        job.verdict = match decoder(&mut job) {
            Ok((tokens, text, steps)) => {
                let mut verdict = Verdict::Decoded;
                let mut due = time.now();
                for step in steps {
                    if !is_wanted(lane, &job.order, desk) {
                        verdict = Verdict::Abandoned;
                        break;
                    }
                    // From one moment, so that what the clock rounds up does not add up.
                    due += step;
                    time.sleep(due.saturating_duration_since(time.now())).await;
                }
                if verdict == Verdict::Decoded {
                    (job.tokens, job.text) = (tokens, text);
                }
                verdict
            }
            Err(reason) => Verdict::Failed(reason),
        };
        lane.give_back(job, counts);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};
    use std::task::Waker;

    use super::*;
    use crate::schedule::{Due, Pace, Schedule};

    const RATE: SampleRate = SampleRate::HZ_8000;

    /// What the thread does, told step by step by the test.
    struct Bench {
        pool: Pool,
        /// The audio of each job that the thread takes up.
        taken: Receiver<Vec<i16>>,
        /// One message lets a step begin; a job has three.
        step: Sender<()>,
    }

    fn bench() -> Bench {
        let (taken_there, taken) = channel();
        let (step, step_there) = channel();
        let decoder = move |job: &mut Job, proceed: &mut dyn FnMut() -> bool| {
            taken_there.send(job.audio.clone()).expect("the test listens");
            for _ in 0..3 {
                step_there.recv().expect("the test goes on");
                if !proceed() {
                    return Verdict::Abandoned;
                }
            }
            job.text = format!("{} samples", job.audio.len());
            Verdict::Decoded
        };
        let pool = Pool::start("test-decode", vec![decoder]).expect("threads can be started");
        Bench { pool, taken, step }
    }

    impl Bench {
        fn steps(&self, count: usize) {
            for _ in 0..count {
                self.step.send(()).expect("the thread listens");
            }
        }
    }

    /// Orders as a schedule makes them: a partial, and what the pause after it asks for.
    fn orders() -> (Order, Order) {
        let mut schedule = Schedule::new(Pace::at(RATE));
        schedule.speech_started(0);
        let Due::Partial(partial) = schedule.pushed(8_000, 8_000) else {
            panic!("a partial is due")
        };
        (partial, schedule.paused(9_000, 9_000).expect("speech paused"))
    }

    /// The next job, once the thread is through with it.
    fn wait(line: &mut Line) -> Job {
        struct Unpark(thread::Thread);
        impl std::task::Wake for Unpark {
            fn wake(self: Arc<Self>) {
                self.0.unpark();
            }
        }
        let waker = Waker::from(Arc::new(Unpark(thread::current())));
        loop {
            match line.poll(&Context::from_waker(&waker)) {
                Poll::Ready(job) => return job.expect("the thread lives"),
                Poll::Pending => thread::park(),
            }
        }
    }

    #[test]
    fn a_pause_overtakes_a_partial_of_another_stream() {
        let bench = bench();
        let (partial, stable) = orders();
        let mut one = bench.pool.line().expect("a thread");
        let mut other = bench.pool.line().expect("a thread");
        one.submit(partial, RATE, &[1], &[], "known").expect("room");
        assert_eq!(bench.taken.recv().expect("taken"), [1]);
        one.submit(partial, RATE, &[2], &[], "").expect("room");
        other.submit(stable, RATE, &[3, 3], &[], "").expect("room");
        bench.steps(1);
        let overtaken = wait(&mut one);
        assert_eq!((overtaken.verdict, overtaken.text.as_str()), (Verdict::Abandoned, "known"));
        assert_eq!(bench.taken.recv().expect("taken"), [3, 3], "before the second partial");
        bench.steps(6);
        assert_eq!(wait(&mut other).text, "2 samples");
        assert_eq!(wait(&mut one).text, "1 samples");
        assert_eq!(
            bench.pool.counts(),
            DecodeCounts { decoded: 2, abandoned: 1, ..DecodeCounts::default() }
        );
    }

    #[test]
    fn what_is_stale_is_given_up_or_never_begun() {
        let bench = bench();
        let (partial, stable) = orders();
        let mut line = bench.pool.line().expect("a thread");
        line.submit(partial, RATE, &[1], &[], "").expect("room");
        assert_eq!(bench.taken.recv().expect("taken"), [1]);
        line.submit(partial, RATE, &[2], &[], "").expect("room");
        line.forget_below(stable.id);
        line.submit(stable, RATE, &[3], &[], "").expect("room");
        bench.steps(4);
        let verdicts = [(); 3].map(|()| wait(&mut line)).map(|job| (job.audio[0], job.verdict));
        assert_eq!(
            verdicts,
            [(1, Verdict::Abandoned), (2, Verdict::Abandoned), (3, Verdict::Decoded)]
        );
    }

    #[test]
    fn a_dropped_stream_cancels_its_work() {
        let bench = bench();
        let (_, stable) = orders();
        let mut dropped = bench.pool.line().expect("a thread");
        let mut other = bench.pool.line().expect("a thread");
        dropped.submit(stable, RATE, &[1], &[], "").expect("room");
        assert_eq!(bench.taken.recv().expect("taken"), [1]);
        dropped.submit(stable, RATE, &[2], &[], "").expect("room");
        drop(dropped);
        other.submit(stable, RATE, &[3], &[], "").expect("room");
        bench.steps(4);
        assert_eq!(wait(&mut other).audio, [3]);
        assert_eq!(bench.taken.recv().expect("taken"), [3]);
        assert_eq!(bench.pool.counts().abandoned, 2);
        // The next partial is not taken for overtaken by work that is gone.
        let (partial, _) = orders();
        other.submit(partial, RATE, &[4], &[], "").expect("room");
        bench.steps(3);
        assert_eq!(wait(&mut other).verdict, Verdict::Decoded);
    }

    #[test]
    fn a_full_line_refuses_and_buffers_come_back() {
        let bench = bench();
        let (_, stable) = orders();
        let mut line = bench.pool.line().expect("a thread");
        for _ in 0..IN_FLIGHT {
            line.submit(stable, RATE, &[1; 100], &[7], "").expect("room");
        }
        assert_eq!(line.submit(stable, RATE, &[1; 100], &[7], ""), Err(Full));
        assert_eq!(bench.pool.counts().refused, 1);
        bench.steps(3 * IN_FLIGHT);
        for _ in 0..IN_FLIGHT {
            let job = wait(&mut line);
            assert_eq!(job.tokens, [7]);
            line.reuse(job);
        }
        line.submit(stable, RATE, &[2], &[], "").expect("room");
        bench.steps(3);
        let job = wait(&mut line);
        assert_eq!((job.audio.len(), job.tokens.len()), (1, 0));
        assert!(job.audio.capacity() >= 100);
    }

    #[test]
    fn streams_learn_that_the_threads_have_ended() {
        let bench = bench();
        let mut line = bench.pool.line().expect("a thread");
        drop(bench.pool);
        assert!(matches!(line.poll(&Context::from_waker(Waker::noop())), Poll::Ready(None)));
    }

    #[test]
    fn a_panic_in_a_decoder_ends_its_streams() {
        let decoder = |_: &mut Job, _: &mut dyn FnMut() -> bool| panic!("as the test wants");
        let pool = Pool::start("test-decode", vec![decoder]).expect("threads can be started");
        let (_, stable) = orders();
        let mut line = pool.line().expect("a thread");
        line.submit(stable, RATE, &[1], &[], "").expect("room");
        while !line.state.link.thread_is_gone() {
            thread::yield_now();
        }
        assert!(matches!(line.poll(&Context::from_waker(Waker::noop())), Poll::Ready(None)));
        drop(pool);
    }
}
