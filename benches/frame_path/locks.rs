//! The locks that the process of a steady call takes, by who takes them, counted by callgrind.
//!
//! The standard library's locks are a few inlined instructions in an optimised build; nothing sees
//! them there. In the profile `locks` (no optimisation at all) each is a call, and callgrind counts
//! calls. It runs the program some fifty times slower and one thread at a time, which changes how
//! long everything takes, and not what a frame does.

use std::fs;
use std::process::Command;
use std::sync::Mutex;
use std::time::Duration;

use benches::call_graph::{self, Callers, Calls, callers};
use benches::symbol::{Author, author, shortened};

use crate::Outcome;
use crate::call::{Running, runtime};
use crate::carrier::Caller;

/// The first argument of the process that callgrind runs.
pub(crate) const ROLE: &str = "locked-call";

/// Long enough to make the greeting under callgrind.
const WARM_UP: Duration = Duration::from_secs(15);

const WINDOW: Duration = Duration::from_secs(5);

/// What takes a lock, or may sleep for one: parts of names.
const LOCKS: [&str; 11] = [
    "sync::poison::mutex::Mutex<T>::lock",
    "sync::poison::mutex::Mutex<T>::try_lock",
    "sync::poison::rwlock::RwLock<T>::read",
    "sync::poison::rwlock::RwLock<T>::write",
    "sync::poison::rwlock::RwLock<T>::try_read",
    "sync::poison::rwlock::RwLock<T>::try_write",
    "sync::poison::condvar::Condvar::wait",
    "sync::reentrant_lock::ReentrantLock<T>::lock",
    "lock_api::",
    "pthread_mutex_lock",
    "pthread_rwlock_",
];

/// Ours, but on threads that no frame waits for, and the benchmark itself.
const BESIDE: [&str; 3] = ["engine::recording::recorder::", "engine::store::", "frame_path::"];

/// Runs the call under callgrind and prints who locks. False: something of ours does.
pub(crate) fn count() -> Outcome {
    if !cfg!(debug_assertions) {
        return Err("an optimised build hides its locks: add `--profile locks`".into());
    }
    let folder = tempfile::tempdir()?;
    let dump = folder.path().join("callgrind.out");
    let status = Command::new("valgrind")
        // Without fair turns a busy thread may keep the others from theirs for seconds.
        .args(["--quiet", "--tool=callgrind", "--fair-sched=yes"])
        .arg(format!("--callgrind-out-file={}", dump.display()))
        .args(["--zero-before=*window_opens*", "--dump-before=*window_closes*"])
        .arg(std::env::current_exe()?)
        .arg(ROLE)
        .status()
        .map_err(|error| format!("cannot run valgrind ({error}): apt-get install valgrind"))?;
    if !status.success() {
        return Err(format!("the call under valgrind: {status}").into());
    }
    // The first dump is the window; the last, without a number, is what came after.
    let window = fs::read_to_string(dump.with_extension("out.1"))?;
    report(&call_graph::read(&window))
}

/// The process that callgrind runs.
pub(crate) fn run_call() -> Outcome {
    runtime()?.block_on(async {
        let length = WARM_UP + WINDOW + Duration::from_secs(1);
        let mut engine = Running::start(length).await?;
        let carrier = engine.call(1, length, Caller::Quiet).await?;
        tokio::time::sleep(WARM_UP).await;
        window_opens();
        tokio::time::sleep(WINDOW).await;
        window_closes();
        carrier.wait()?;
        engine.stop().await?;
        Ok(true)
    })
}

/// Callgrind forgets what it has counted so far. The lock shows that locks are seen.
#[inline(never)]
fn window_opens() {
    static SEEN: Mutex<u32> = Mutex::new(0);
    if let Ok(mut seen) = SEEN.lock() {
        *std::hint::black_box(&mut *seen) += 1;
    }
}

/// Callgrind writes down what it has counted.
#[inline(never)]
fn window_closes() {
    std::hint::black_box(());
}

fn report(calls: &Calls) -> Outcome {
    let calls_of = |wanted: &str| -> u64 {
        let of = calls.iter().filter(|((_, callee), _)| callee.ends_with(wanted));
        of.map(|(_, &count)| count).sum()
    };
    let frames_in = calls_of("session::ingress::Ingress::push");
    println!(
        "# Locks of one steady call: {frames_in} frames in, {} out, {} windows through Silero, {} \
         polls of the call\n",
        calls_of("outbound::FrameWriter::media"),
        calls_of("silero::Batch::run"),
        calls_of("session::driver::Session::poll_call"),
    );
    if frames_in == 0 {
        return Err("no frame was seen in the window".into());
    }

    // The standard library's own functions and tokio's wrapper around its locks ask for nothing.
    let passes = |name: &str| author(name) == Author::Standard || name.starts_with("tokio::loom::");
    let locks = callers(calls, |name| LOCKS.iter().any(|lock| name.contains(lock)), passes);
    if !locks.keys().any(|(caller, _)| caller.contains("window_opens")) {
        return Err("the benchmark's own lock was not seen: is this an optimised build?".into());
    }
    let sleeps = callers(calls, |name| name == "syscall", passes);

    let list = |title: &str, wanted: &dyn Fn(&str) -> bool, rows: &Callers| -> bool {
        println!("## {title}\n");
        let mut rows: Vec<(&(String, String), &f64)> =
            rows.iter().filter(|((caller, _), _)| wanted(caller)).collect();
        rows.sort_by(|a, b| b.1.total_cmp(a.1));
        if rows.is_empty() {
            println!("none\n");
            return false;
        }
        println!("{:>7} {:>9}  by", "times", "per frame");
        for ((caller, callee), count) in &rows {
            let kind = shortened(callee);
            let kind = kind.rsplit("::").take(2).collect::<Vec<_>>();
            let kind = kind.into_iter().rev().collect::<Vec<_>>().join("::");
            let per_frame = *count / frames_in as f64;
            println!("{count:>7.0} {per_frame:>9.3}  {} ({kind})", shortened(caller));
        }
        println!();
        true
    };
    let beside = |caller: &str| BESIDE.iter().any(|part| caller.starts_with(part));
    let ours = |caller: &str| author(caller) == Author::Ours;
    let taken = list("Ours", &|caller| ours(caller) && !beside(caller), &locks);
    list("Ours, beside the path", &beside, &locks);
    list("Runtime and libraries", &|caller| !ours(caller), &locks);
    list("Threads put to sleep and woken, and other calls of syscall(2)", &|_| true, &sleeps);
    println!("A frame takes no lock of ours: {}", if taken { "DOES NOT HOLD" } else { "holds" });
    Ok(!taken)
}
