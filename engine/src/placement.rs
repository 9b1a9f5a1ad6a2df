//! Which threads run on which cores.
//!
//! A thread has the cores of the one that starts it, and keeps them. So the threads of local models
//! are given theirs by being started from a thread that has them already, and nothing that starts
//! threads need know.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::thread::{CpuSet, sched_setaffinity};

use crate::config::Cores;

/// Lets the calling thread, and those it starts from now on, run on these cores only.
///
/// # Errors
///
/// Where the process has none of them.
pub(crate) fn pin(cores: &[usize]) -> io::Result<()> {
    let mut set = CpuSet::new();
    for core in cores.iter().copied().filter(|core| *core < CpuSet::MAX_CPU) {
        set.set(core);
    }
    Ok(sched_setaffinity(None, &set)?)
}

/// Runs `start` where the threads it starts may run on `cores` only; `None`: on the calling
/// thread's own.
pub(crate) fn starting_on<T: Send>(
    cores: Option<&Cores>,
    start: impl FnOnce() -> T + Send,
) -> io::Result<T> {
    let Some(cores) = cores else { return Ok(start()) };
    // It may need the runtime's reactor, as where it is called.
    let runtime = tokio::runtime::Handle::try_current().ok();
    std::thread::scope(|scope| {
        let started = scope.spawn(|| {
            let _entered = runtime.as_ref().map(tokio::runtime::Handle::enter);
            pin(cores.numbers()).map(|()| start())
        });
        started.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// Gives each of the first `workers` threads that ask a core of its own, in turn; those after them
/// (tokio's threads for blocking work) run on any of these.
#[derive(Debug)]
pub struct Seats {
    cores: Cores,
    workers: usize,
    taken: AtomicUsize,
}

impl Seats {
    /// Seats for `workers` threads.
    pub const fn new(cores: Cores, workers: usize) -> Self {
        Self { cores, workers, taken: AtomicUsize::new(0) }
    }

    /// Seats the calling thread.
    pub fn take(&self) {
        let seat = self.taken.fetch_add(1, Ordering::Relaxed);
        let cores = self.cores.numbers();
        let own = if seat < self.workers { &cores[seat % cores.len()..][..1] } else { cores };
        if let Err(error) = pin(own) {
            tracing::warn!(cores = ?own, %error, "`runtime.worker_cores`: a thread stays where it is");
        }
    }
}

#[cfg(test)]
mod tests {
    use rustix::thread::sched_getaffinity;

    use super::*;

    fn cores_of_this_thread() -> Vec<usize> {
        let set = sched_getaffinity(None).expect("the system tells");
        (0..CpuSet::MAX_CPU).filter(|core| set.is_set(*core)).collect()
    }

    fn cores(numbers: &[usize]) -> Cores {
        let text: Vec<_> = numbers.iter().map(usize::to_string).collect();
        text.join(",").parse().expect("numbers")
    }

    #[test]
    fn threads_are_started_on_the_cores_that_are_asked_for() {
        let ours = cores_of_this_thread();
        let last = *ours.last().expect("one at least");
        let theirs = starting_on(Some(&cores(&[last])), || {
            std::thread::spawn(cores_of_this_thread).join().expect("no panic")
        });
        assert_eq!(theirs.expect("a core of this process"), [last]);
        assert_eq!(cores_of_this_thread(), ours, "the caller stays where it was");
        assert!(starting_on(Some(&cores(&[8_191])), || ()).is_err(), "there is no such core");
    }

    #[test]
    fn workers_have_a_core_each_and_the_others_any() {
        let ours = cores_of_this_thread();
        let seats = Seats::new(cores(&ours), ours.len() + 1);
        let seated = || {
            std::thread::scope(|scope| {
                let thread = scope.spawn(|| {
                    seats.take();
                    cores_of_this_thread()
                });
                thread.join().expect("no panic")
            })
        };
        for core in &ours {
            assert_eq!(seated(), [*core]);
        }
        assert_eq!(seated(), [ours[0]], "one more worker than cores");
        assert_eq!(seated(), ours, "no worker");
    }
}
