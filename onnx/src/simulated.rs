//! Inference on somebody else's time.
//!
//! In a call a model runs on a thread of its own and takes as long as it takes. A simulation runs
//! the same model, with the same queue in front of it, as a task on a virtual clock: the inference
//! itself takes no time on that clock, and its result is given out once its cost, which the
//! simulation states, has passed there. So the outcome does not depend on the machine.

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::thread::Thread;
use std::time::{Duration, Instant};

use atomic_waker::AtomicWaker;

/// Whoever runs a model, as those who have work for it know it.
#[derive(Clone, Debug)]
pub enum Runner {
    /// A thread of its own, which parks.
    Thread(Thread),
    /// A task of a simulation.
    Task(Arc<AtomicWaker>),
}

impl Runner {
    /// Wakes it: there is something to do.
    pub fn wake(&self) {
        match self {
            Self::Thread(thread) => thread.unpark(),
            Self::Task(waker) => waker.wake(),
        }
    }
}

type Sleeping = Pin<Box<dyn Future<Output = ()>>>;

/// The clock of a simulation, which runs on one thread.
#[derive(Clone)]
pub struct VirtualTime {
    now: Rc<dyn Fn() -> Instant>,
    sleep: Rc<dyn Fn(Duration) -> Sleeping>,
}

impl VirtualTime {
    /// A clock that reads `now`, and on which `sleep` waits.
    pub fn new<S: Future<Output = ()> + 'static>(
        now: impl Fn() -> Instant + 'static,
        sleep: impl Fn(Duration) -> S + 'static,
    ) -> Self {
        Self { now: Rc::new(now), sleep: Rc::new(move |time| Box::pin(sleep(time))) }
    }

    /// The present moment.
    pub fn now(&self) -> Instant {
        (self.now)()
    }

    /// Waits.
    pub async fn sleep(&self, time: Duration) {
        if !time.is_zero() {
            (self.sleep)(time).await;
        }
    }

    /// Waits until a [`Runner::Task`] with this waker is woken, at most for `limit`. Nothing can
    /// be missed before it waits: a simulation has one thread.
    pub async fn until_woken(&self, waker: &AtomicWaker, limit: Option<Duration>) {
        let mut limit = pin!(async {
            match limit {
                Some(limit) => self.sleep(limit).await,
                None => std::future::pending().await,
            }
        });
        let mut waiting = false;
        poll_fn(|cx| {
            let late = limit.as_mut().poll(cx).is_ready();
            waker.register(cx.waker());
            if late || std::mem::replace(&mut waiting, true) {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })
        .await;
    }
}

impl fmt::Debug for VirtualTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VirtualTime").finish_non_exhaustive()
    }
}
