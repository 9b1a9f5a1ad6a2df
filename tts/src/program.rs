//! Voices that are programs: a bounded pool of short-lived child processes.
//!
//! The children belong to a thread of their own, so that a fork never holds up a call. No shell
//! is involved and no text is ever an argument: it goes in by standard input. A child that is no
//! longer wanted is killed and reaped before its place in the pool is given to another.

use std::fmt;
use std::fs::File;
use std::future::Future;
use std::io::{Read, Seek};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};
use tokio::runtime::Runtime;
use tokio::sync::{Semaphore, oneshot};

use crate::SynthesizerError;

/// How much a [`ProgramPool`] may take of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolLimits {
    /// Most children at once.
    pub children: usize,
    /// Most phrases in work or waiting for a child; one more fails.
    pub queue: usize,
    /// The longest a child may take.
    pub time: Duration,
    /// The most a child may print, in bytes.
    pub output: usize,
}

impl Default for PoolLimits {
    fn default() -> Self {
        Self { children: 8, queue: 512, time: Duration::from_secs(10), output: 16 << 20 }
    }
}

/// A pool of child processes, shared by the voices of a process. Clones are the same pool.
#[derive(Clone)]
pub struct ProgramPool {
    shared: Arc<Shared>,
}

struct Shared {
    limits: PoolLimits,
    places: Semaphore,
    queued: AtomicUsize,
    running: AtomicUsize,
    peak: AtomicUsize,
    /// `None` only while dropping.
    runtime: Option<Runtime>,
}

impl fmt::Debug for ProgramPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProgramPool")
            .field("limits", &self.shared.limits)
            .field("queued", &self.queued())
            .field("running", &self.running())
            .finish()
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // The last call may end on a runtime's thread, where waiting is forbidden.
            runtime.shutdown_background();
        }
    }
}

/// What a child is asked.
#[derive(Debug)]
pub(crate) struct Invocation<'a> {
    /// For errors.
    pub provider: &'static str,
    /// Absolute path.
    pub program: &'a Path,
    pub args: &'a [&'a str],
    /// Written to its standard input.
    pub input: String,
    /// Its standard error is a file in memory that it may seek in.
    pub seekable_stderr: bool,
}

/// What a child printed.
#[derive(Debug)]
pub(crate) struct Printed {
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
}

impl ProgramPool {
    /// Starts the pool's thread.
    ///
    /// # Errors
    ///
    /// [`SynthesizerError::Unavailable`] where the system gives no thread.
    pub fn new(limits: PoolLimits) -> Result<Self, SynthesizerError> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("tts-programs")
            .enable_io()
            .enable_time()
            .build()
            .map_err(|error| SynthesizerError::Unavailable {
                provider: "programs",
                reason: format!("the thread for voice programs cannot be started: {error}"),
            })?;
        Ok(Self {
            shared: Arc::new(Shared {
                limits,
                places: Semaphore::new(limits.children.max(1)),
                queued: AtomicUsize::new(0),
                running: AtomicUsize::new(0),
                peak: AtomicUsize::new(0),
                runtime: Some(runtime),
            }),
        })
    }

    /// Phrases in work or waiting.
    pub fn queued(&self) -> usize {
        self.shared.queued.load(Ordering::Relaxed)
    }

    /// Children alive now.
    pub fn running(&self) -> usize {
        self.shared.running.load(Ordering::Relaxed)
    }

    /// The most children that were ever alive at once.
    pub fn peak(&self) -> usize {
        self.shared.peak.load(Ordering::Relaxed)
    }

    /// Runs `job` on the pool's thread. Dropping the ticket cancels it: [`Work::run`] kills.
    pub(crate) fn submit<T, F>(
        &self,
        provider: &'static str,
        job: impl FnOnce(Work) -> F,
    ) -> Ticket<T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, SynthesizerError>> + Send + 'static,
    {
        let (reply, result) = oneshot::channel();
        let ticket = Ticket { result, provider };
        let Some(place) = QueuePlace::take(&self.shared) else {
            let reason = format!(
                "{} phrases wait for a child process already; raise the limit or add a machine",
                self.shared.limits.queue
            );
            // The receiver is in our hands, so it takes the message.
            let _ = reply.send(Err(SynthesizerError::Stream { provider, reason }));
            return ticket;
        };
        let (cancelled, cancel) = tokio::sync::watch::channel(false);
        let job = job(Work { shared: Arc::clone(&self.shared), cancel });
        if let Some(runtime) = &self.shared.runtime {
            runtime.spawn(async move {
                let _place = place;
                let mut reply = reply;
                let mut job = std::pin::pin!(job);
                let outcome = tokio::select! {
                    outcome = &mut job => outcome,
                    () = reply.closed() => {
                        cancelled.send_replace(true);
                        // Ends as soon as its children are reaped.
                        job.await
                    }
                };
                // Nobody listens to a cancelled job.
                let _ = reply.send(outcome);
            });
        }
        ticket
    }
}

/// A place in the queue, given back when dropped.
struct QueuePlace(Arc<Shared>);

impl QueuePlace {
    fn take(shared: &Arc<Shared>) -> Option<Self> {
        let limit = shared.limits.queue;
        shared
            .queued
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| (n < limit).then_some(n + 1))
            .ok()
            .map(|_| Self(Arc::clone(shared)))
    }
}

impl Drop for QueuePlace {
    fn drop(&mut self) {
        self.0.queued.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The result of a job, to come. Needs no runtime to be polled; dropping it cancels the job.
#[derive(Debug)]
pub(crate) struct Ticket<T> {
    result: oneshot::Receiver<Result<T, SynthesizerError>>,
    provider: &'static str,
}

impl<T> Future for Ticket<T> {
    type Output = Result<T, SynthesizerError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.result).poll(cx).map(|result| {
            result.unwrap_or_else(|_| {
                let reason = "the pool of voice programs was shut down".to_owned();
                Err(SynthesizerError::Stream { provider: self.provider, reason })
            })
        })
    }
}

/// What a job may do.
#[derive(Clone)]
pub(crate) struct Work {
    shared: Arc<Shared>,
    cancel: tokio::sync::watch::Receiver<bool>,
}

impl Work {
    /// Runs one child to its end and gives back what it printed.
    ///
    /// # Errors
    ///
    /// [`SynthesizerError::Unavailable`] where it cannot be started, else
    /// [`SynthesizerError::Stream`]: an exit status other than 0, a limit that was reached, or
    /// cancellation. The child is dead and reaped then.
    pub(crate) async fn run(&self, asked: Invocation<'_>) -> Result<Printed, SynthesizerError> {
        let provider = asked.provider;
        let failed = |reason: String| SynthesizerError::Stream { provider, reason };
        let cancelled = || failed("cancelled".to_owned());
        let _place = tokio::select! {
            place = self.shared.places.acquire() => {
                place.map_err(|_| failed("the pool was shut down".to_owned()))?
            }
            () = self.cancelled() => return Err(cancelled()),
        };
        let mut running = Running::start(&asked, &self.shared)?;
        let limits = self.shared.limits;
        let error = tokio::select! {
            outcome = running.converse(asked.input, limits.output) => match outcome {
                Ok(printed) => return Ok(printed),
                Err(reason) => failed(reason),
            },
            () = tokio::time::sleep(limits.time) => {
                failed(format!("no result within {:?}", limits.time))
            }
            () = self.cancelled() => cancelled(),
        };
        running.kill().await;
        Err(error)
    }

    /// Ready once the ticket was dropped.
    pub(crate) async fn cancelled(&self) {
        let mut cancel = self.cancel.clone();
        // The sender lives as long as the job.
        let _ = cancel.wait_for(|&cancelled| cancelled).await;
    }
}

/// A child that is alive, counted.
struct Running<'a> {
    child: Child,
    file: Option<File>,
    shared: &'a Shared,
}

impl<'a> Running<'a> {
    fn start(asked: &Invocation<'_>, shared: &'a Shared) -> Result<Self, SynthesizerError> {
        let unavailable = |error: std::io::Error| SynthesizerError::Unavailable {
            provider: asked.provider,
            reason: format!("{} cannot be started: {error}", asked.program.display()),
        };
        let mut command = Command::new(asked.program);
        command
            .args(asked.args)
            // No key of ours in its environment, and no Ctrl-C of a terminal.
            .env_clear()
            .env("LC_ALL", "C.UTF-8")
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true);
        let file = if asked.seekable_stderr {
            let file = rustix::fs::memfd_create("speech", rustix::fs::MemfdFlags::CLOEXEC)
                .map_err(|error| unavailable(error.into()))?;
            let file = File::from(file);
            command.stderr(file.try_clone().map_err(unavailable)?);
            Some(file)
        } else {
            command.stderr(Stdio::piped());
            None
        };
        let child = command.spawn().map_err(unavailable)?;
        let now = shared.running.fetch_add(1, Ordering::Relaxed) + 1;
        shared.peak.fetch_max(now, Ordering::Relaxed);
        Ok(Self { child, file, shared })
    }

    /// Feeds the child, reads what it prints, and waits for its end.
    async fn converse(&mut self, input: String, limit: usize) -> Result<Printed, String> {
        let stdin = self.child.stdin.take();
        let stdout = self.child.stdout.take();
        let stderr = self.child.stderr.take();
        let feed = async {
            if let Some(mut stdin) = stdin {
                // A child that stops reading says why by its exit status.
                let _ = stdin.write_all(input.as_bytes()).await;
                let _ = stdin.shutdown().await;
            }
        };
        let ((), stdout, stderr) =
            tokio::join!(feed, read_up_to(stdout, limit), read_up_to(stderr, limit));
        let (stdout, mut stderr) = (stdout?, stderr?);
        let status = self.child.wait().await.map_err(|error| error.to_string())?;
        if let Some(file) = &mut self.file {
            let len = file.metadata().map_err(|error| error.to_string())?.len();
            if len > limit as u64 {
                return Err(format!("{len} bytes of output, more than the limit of {limit}"));
            }
            stderr.reserve(len as usize);
            file.rewind()
                .and_then(|()| file.read_to_end(&mut stderr))
                .map_err(|e| e.to_string())?;
        }
        if !status.success() {
            let said: String = String::from_utf8_lossy(&stderr).chars().take(200).collect();
            return Err(format!("{status}: {}", said.trim()));
        }
        Ok(Printed { stdout, stderr })
    }

    /// Kills and reaps.
    async fn kill(&mut self) {
        if let Err(error) = self.child.kill().await {
            tracing::warn!(%error, "a voice program could not be killed");
        }
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.shared.running.fetch_sub(1, Ordering::Relaxed);
    }
}

async fn read_up_to(from: Option<impl AsyncRead + Unpin>, limit: usize) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let Some(from) = from else { return Ok(bytes) };
    let mut from = from.take(limit as u64 + 1);
    from.read_to_end(&mut bytes).await.map_err(|error| error.to_string())?;
    if bytes.len() > limit {
        return Err(format!("more output than the limit of {limit} bytes"));
    }
    Ok(bytes)
}

/// The absolute path of `program`: itself where it has a slash, else the first of the search path.
///
/// # Errors
///
/// [`SynthesizerError::Unavailable`] that names the Debian package.
pub(crate) fn find(
    provider: &'static str,
    program: &Path,
    package: &str,
) -> Result<PathBuf, SynthesizerError> {
    let missing = || SynthesizerError::Unavailable {
        provider,
        reason: format!(
            "the program {} is not installed; on Debian: apt-get install {package}",
            program.display()
        ),
    };
    if program.components().count() > 1 {
        return std::path::absolute(program).ok().filter(|path| path.is_file()).ok_or_else(missing);
    }
    let search = std::env::var_os("PATH").unwrap_or_else(|| "/usr/local/bin:/usr/bin:/bin".into());
    std::env::split_paths(&search)
        .map(|directory| directory.join(program))
        .find(|path| path.is_absolute() && path.is_file())
        .ok_or_else(missing)
}

/// Runs a program that prints a list, and waits for it: only for the start of the process.
///
/// # Errors
///
/// [`SynthesizerError::Unavailable`] where it cannot be run or fails.
pub(crate) fn list(
    provider: &'static str,
    program: &Path,
    args: &[&str],
) -> Result<String, SynthesizerError> {
    let unavailable = |reason: String| SynthesizerError::Unavailable { provider, reason };
    let output = std::process::Command::new(program)
        .args(args)
        .env_clear()
        .env("LC_ALL", "C.UTF-8")
        .stdin(Stdio::null())
        .output()
        .map_err(|error| unavailable(format!("{} cannot be run: {error}", program.display())))?;
    if !output.status.success() {
        return Err(unavailable(format!("{} {args:?}: {}", program.display(), output.status)));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn small() -> PoolLimits {
        let time = Duration::from_millis(200);
        PoolLimits { children: 2, queue: 2, time, output: 1_000 }
    }

    /// Runs `program` (of coreutils) in the pool.
    fn start(
        pool: &ProgramPool,
        program: &str,
        args: &'static [&str],
        input: &str,
    ) -> Ticket<Printed> {
        let program = find("test", Path::new(program), "coreutils").expect("coreutils");
        let input = input.to_owned();
        pool.submit("test", |work| async move {
            let program = program.as_path();
            work.run(Invocation { provider: "test", program, args, input, seekable_stderr: false })
                .await
        })
    }

    #[tokio::test]
    async fn text_goes_in_and_output_comes_back() {
        let pool = ProgramPool::new(small()).expect("a pool");
        let printed = start(&pool, "cat", &[], "héllo -t\n").await.expect("cat");
        assert_eq!(printed.stdout, "héllo -t\n".as_bytes());
        let printed = start(&pool, "env", &[], "").await.expect("env");
        assert_eq!(printed.stdout, b"LC_ALL=C.UTF-8\n", "no secret of ours in its environment");
    }

    #[tokio::test]
    async fn limits_end_a_child() {
        let pool = ProgramPool::new(small()).expect("a pool");
        let error = start(&pool, "sleep", &["600"], "").await.expect_err("too long");
        assert!(error.to_string().contains("no result within"), "{error}");
        let error = start(&pool, "yes", &[], "").await.expect_err("too much");
        assert!(error.to_string().contains("limit of 1000 bytes"), "{error}");
        let error = start(&pool, "ls", &["/no/such"], "").await.expect_err("a failure");
        assert!(error.to_string().contains("exit status: 2"), "{error}");
        assert_eq!(pool.running(), 0);
    }

    #[tokio::test]
    async fn a_full_queue_refuses_and_a_dropped_ticket_makes_room() {
        let limits = PoolLimits { time: Duration::from_secs(600), ..small() };
        let pool = ProgramPool::new(limits).expect("a pool");
        let waiting = [0, 1].map(|_| start(&pool, "sleep", &["600"], ""));
        let error = start(&pool, "cat", &[], "").await.expect_err("full");
        assert!(error.to_string().contains("2 phrases wait"), "{error}");
        drop(waiting);
        while pool.queued() > 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(pool.running(), 0);
        start(&pool, "cat", &[], "").await.expect("room again");
    }
}
