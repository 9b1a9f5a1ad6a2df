//! What the two ends of a stream's line to its decode thread know of each other.

use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Waker;

use atomic_waker::AtomicWaker;

/// Shared by a stream and its thread.
#[derive(Default)]
pub(crate) struct Link {
    stream_gone: AtomicBool,
    thread_gone: AtomicBool,
    waker: AtomicWaker,
}

impl Link {
    /// The stream has sent its last.
    pub(crate) fn leave_stream(&self) {
        self.stream_gone.store(true, Ordering::Release);
    }

    /// Whether the stream has sent its last. What it sent is then there to be seen.
    pub(crate) fn stream_is_gone(&self) -> bool {
        self.stream_gone.load(Ordering::Acquire)
    }

    /// The thread has sent its last; wakes the stream.
    pub(crate) fn leave_thread(&self) {
        self.thread_gone.store(true, Ordering::Release);
        self.waker.wake();
    }

    /// Whether the thread has sent its last. What it sent is then there to be seen.
    pub(crate) fn thread_is_gone(&self) -> bool {
        self.thread_gone.load(Ordering::Acquire)
    }

    /// Wakes the stream: there is something for it.
    pub(crate) fn wake(&self) {
        self.waker.wake();
    }

    /// The stream wants to be woken. It looks once more after this.
    pub(crate) fn register(&self, waker: &Waker) {
        self.waker.register(waker);
    }
}
