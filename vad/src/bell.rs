//! How a call's task wakes a model's thread: without a lock, and without entering the kernel unless
//! the thread sleeps.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::thread::{self, Thread};
use std::time::Duration;

use atomic_waker::AtomicWaker;
use onnx::Runner;

/// The thread's end.
#[derive(Debug, Default)]
pub(crate) struct Sleep {
    /// The thread sleeps for want of work, or is about to.
    asleep: Arc<AtomicBool>,
}

impl Sleep {
    /// A bell for the thread that owns this.
    pub(crate) fn bell(asleep: &Arc<AtomicBool>, thread: &Thread) -> Bell {
        Bell { runner: Runner::Thread(thread.clone()), asleep: Arc::clone(asleep) }
    }

    /// What [`bell`](Self::bell) needs, taken before the thread has it.
    pub(crate) fn flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.asleep)
    }

    /// Sleeps until [`Bell::ring`], or [`Bell::ring_if_asleep`], or `at_most` has passed; not at
    /// all where there `is_work`. A ring that came before ends the sleep at once.
    ///
    /// The fence pairs with the bell's: of "there is work" and "I go to sleep" at least one side
    /// sees the other's.
    pub(crate) fn until_rung(&self, at_most: Option<Duration>, is_work: impl FnOnce() -> bool) {
        self.asleep.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        if !is_work() {
            match at_most {
                Some(at_most) => thread::park_timeout(at_most),
                None => thread::park(),
            }
        }
        self.asleep.store(false, Ordering::Relaxed);
    }
}

/// A stream's end.
#[derive(Clone, Debug)]
pub(crate) struct Bell {
    runner: Runner,
    asleep: Arc<AtomicBool>,
}

impl Bell {
    /// A bell for a task, which is woken whenever it rings.
    pub(crate) fn of_task(waker: &Arc<AtomicWaker>) -> Self {
        Self { runner: Runner::Task(Arc::clone(waker)), asleep: Arc::default() }
    }

    /// Wakes the thread, whatever it waits for: a stream has come or gone.
    pub(crate) fn ring(&self) {
        self.runner.wake();
    }

    /// Wakes the thread if it sleeps for want of work. To be called after the work is in its ring.
    pub(crate) fn ring_if_asleep(&self) {
        if matches!(self.runner, Runner::Task(_)) {
            self.runner.wake();
            return;
        }
        fence(Ordering::SeqCst);
        if self.asleep.load(Ordering::Relaxed) && self.asleep.swap(false, Ordering::Relaxed) {
            self.runner.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU32;

    use super::*;

    #[test]
    fn no_work_is_slept_through() {
        // One side hands over a number at a time and waits for it to be taken; were a wake-up lost,
        // both would stand still.
        let sleep = Sleep::default();
        let flag = sleep.flag();
        let (given, taken) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
        let worker = {
            let (given, taken) = (Arc::clone(&given), Arc::clone(&taken));
            thread::spawn(move || {
                for expected in 1..=20_000 {
                    while given.load(Ordering::Acquire) != expected {
                        sleep.until_rung(None, || given.load(Ordering::Acquire) == expected);
                    }
                    taken.store(expected, Ordering::Release);
                }
            })
        };
        let bell = Sleep::bell(&flag, worker.thread());
        for number in 1..=20_000 {
            given.store(number, Ordering::Release);
            bell.ring_if_asleep();
            while taken.load(Ordering::Acquire) != number {
                thread::yield_now();
            }
        }
        worker.join().expect("it took all numbers");
    }
}
