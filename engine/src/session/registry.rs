//! Which calls are running: admission, orders to one call, draining.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use turntaking::input::EndReason;

use super::overload::Overload;
use super::{CallId, Command};

/// Orders that wait for one call. They are few and small; a call that does not take them within
/// this many is ending.
const COMMANDS_PER_CALL: usize = 16;

/// The running calls. Cheap to clone; the map itself has one owner, a task.
#[derive(Clone, Debug)]
pub struct Registry {
    places: Arc<Semaphore>,
    capacity: u32,
    overload: Overload,
    requests: mpsc::Sender<Request>,
}

#[derive(Debug)]
enum Request {
    Enter { id: CallId, commands: mpsc::Sender<Command> },
    Leave { id: CallId },
    Order { id: CallId, command: Command, known: oneshot::Sender<bool> },
    EndAll { reason: EndReason },
}

/// A place among the running calls. Dropping it gives the place back.
#[derive(Debug)]
pub struct Admission {
    id: CallId,
    commands: Option<mpsc::Receiver<Command>>,
    requests: mpsc::Sender<Request>,
    _place: OwnedSemaphorePermit,
}

/// Why a call is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// All places are taken; raise `max_concurrent_calls` or add an engine.
    #[error("all {capacity} places are taken")]
    Full {
        /// `max_concurrent_calls`.
        capacity: u32,
    },
    /// The calls in progress would suffer: tasks are woken late.
    #[error("the engine is overloaded: tasks are woken {lag_ms} ms late")]
    Overloaded {
        /// How late they were in the last half second, at the 95th percentile.
        lag_ms: u64,
    },
    /// The engine is shutting down.
    #[error("the engine is draining")]
    Draining,
}

impl Refused {
    /// In one word, for counts.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Full { .. } => "full",
            Self::Overloaded { .. } => "overloaded",
            Self::Draining => "draining",
        }
    }
}

/// How a drain went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drained {
    /// Calls that had to be ended at the limit.
    pub cut: u32,
}

impl Registry {
    /// A registry with `capacity` places. Must be called in a tokio runtime.
    pub fn start(capacity: u32) -> Self {
        Self::guarded(capacity, Overload::default())
    }

    /// The same, which takes no call while `overload` says so.
    pub fn guarded(capacity: u32, overload: Overload) -> Self {
        let (requests, receiver) = mpsc::channel(256);
        tokio::spawn(keep(receiver));
        let places = Arc::new(Semaphore::new(capacity as usize));
        Self { places, capacity, overload, requests }
    }

    /// Takes a place for the call `id`.
    ///
    /// # Errors
    ///
    /// [`Refused`] where there is none.
    pub async fn admit(&self, id: CallId) -> Result<Admission, Refused> {
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|error| match error {
            tokio::sync::TryAcquireError::Closed => Refused::Draining,
            tokio::sync::TryAcquireError::NoPermits => Refused::Full { capacity: self.capacity },
        })?;
        if self.overload.is_overloaded() {
            return Err(self.overloaded());
        }
        let (sender, commands) = mpsc::channel(COMMANDS_PER_CALL);
        let entered = self.requests.send(Request::Enter { id, commands: sender }).await;
        entered.map_err(|_| Refused::Draining)?;
        Ok(Admission {
            id,
            commands: Some(commands),
            requests: self.requests.clone(),
            _place: place,
        })
    }

    /// The most calls taken at once.
    pub const fn capacity(&self) -> u32 {
        self.capacity
    }

    /// A call would be admitted now.
    pub fn has_room(&self) -> bool {
        self.refusal().is_none()
    }

    /// A call is announced, and will ask to be admitted once its media is there. Said once for each.
    ///
    /// # Errors
    ///
    /// [`Refused`] where it is better turned away at once.
    pub fn knock(&self) -> Result<(), Refused> {
        match self.refusal() {
            Some(refused) => Err(refused),
            None if self.overload.take() => Ok(()),
            None => Err(self.overloaded()),
        }
    }

    /// Why a call would not be admitted now.
    pub fn refusal(&self) -> Option<Refused> {
        if !self.is_open() {
            Some(Refused::Draining)
        } else if self.places.available_permits() == 0 {
            Some(Refused::Full { capacity: self.capacity })
        } else {
            (!self.overload.has_room()).then(|| self.overloaded())
        }
    }

    /// Whether the engine keeps time.
    pub const fn overload(&self) -> &Overload {
        &self.overload
    }

    fn overloaded(&self) -> Refused {
        let lag_ms = u64::try_from(self.overload.lag().as_millis()).unwrap_or(u64::MAX);
        Refused::Overloaded { lag_ms }
    }

    /// The engine takes calls.
    pub fn is_open(&self) -> bool {
        !self.places.is_closed()
    }

    /// Calls in progress.
    pub fn running(&self) -> u32 {
        let free = u32::try_from(self.places.available_permits()).unwrap_or(self.capacity);
        self.capacity.saturating_sub(free)
    }

    /// Gives an order to one call. Returns whether the call is running.
    pub async fn order(&self, id: CallId, command: Command) -> bool {
        let (known, answer) = oneshot::channel();
        let sent = self.requests.send(Request::Order { id, command, known }).await;
        sent.is_ok() && answer.await.unwrap_or(false)
    }

    /// Takes no new calls, lets those in progress finish within `limit`, then ends the rest.
    pub async fn drain(&self, limit: Duration) -> Drained {
        self.places.close();
        if tokio::time::timeout(limit, self.empty()).await.is_ok() {
            return Drained { cut: 0 };
        }
        let cut = self.running();
        let all = Request::EndAll { reason: EndReason::WorkerShutdown };
        if self.requests.send(all).await.is_ok() {
            // Long enough for each to hang up and write its report.
            let _ = tokio::time::timeout(Duration::from_secs(5), self.empty()).await;
        }
        Drained { cut }
    }

    async fn empty(&self) {
        // A closed semaphore wakes nobody when places come back.
        while self.running() > 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Admission {
    /// The orders for this call. Yields them once.
    pub const fn take_commands(&mut self) -> Option<mpsc::Receiver<Command>> {
        self.commands.take()
    }

    /// The call.
    pub const fn id(&self) -> CallId {
        self.id
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        // A full queue means that the registry is far behind; it then notices the closed queue of
        // the call's orders the next time it has one.
        let _ = self.requests.try_send(Request::Leave { id: self.id });
    }
}

async fn keep(mut requests: mpsc::Receiver<Request>) {
    let mut calls = BTreeMap::new();
    while let Some(request) = requests.recv().await {
        match request {
            Request::Enter { id, commands } => {
                calls.retain(|_, commands: &mut mpsc::Sender<Command>| !commands.is_closed());
                calls.insert(id, commands);
            }
            Request::Leave { id } => {
                calls.remove(&id);
            }
            Request::Order { id, command, known } => {
                let taken =
                    calls.get(&id).is_some_and(|commands| commands.try_send(command).is_ok());
                let _ = known.send(taken);
            }
            Request::EndAll { reason } => {
                for commands in calls.values() {
                    let _ = commands.try_send(Command::End { reason });
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::overload::WINDOW;
    use super::*;
    use crate::lag::LagHistogram;

    #[tokio::test(start_paused = true)]
    async fn the_call_beyond_capacity_is_refused_and_its_place_comes_back() {
        let registry = Registry::start(1);
        let first = registry.admit(CallId::random()).await.expect("a free place");
        assert_eq!(
            registry.admit(CallId::random()).await.expect_err("full"),
            Refused::Full { capacity: 1 }
        );
        drop(first);
        assert!(registry.admit(CallId::random()).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn calls_are_refused_while_tasks_are_woken_late_and_taken_again_after() {
        let limit = Duration::from_millis(20);
        let lags = Arc::new(LagHistogram::default());
        let overload = Overload::default();
        let registry = Registry::guarded(100, overload.clone());
        let read = Arc::clone(&lags);
        tokio::spawn(overload.watch(move || read.read(), limit));
        let mut calls = Vec::new();
        // Four wake-ups in each window, so late.
        let windows = async |count: u32, lag_ms: u64| {
            for _ in 0..count * 4 {
                lags.note(Duration::from_millis(lag_ms));
                tokio::time::sleep(WINDOW / 4).await;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        };
        windows(4, 2).await;
        for _ in 0..10 {
            calls.push(registry.admit(CallId::random()).await.expect("it keeps time"));
        }
        windows(4, 60).await;
        let refused = registry.admit(CallId::random()).await.expect_err("overloaded");
        assert_eq!(refused, Refused::Overloaded { lag_ms: 64 });
        assert_eq!((registry.refusal(), registry.knock()), (Some(refused), Err(refused)));
        assert_eq!(EndReason::from(refused), EndReason::NoCapacity);
        assert_eq!(registry.running(), 10, "those in progress go on");
        windows(4, 2).await;
        assert!(registry.refusal().is_some(), "two seconds are not enough");
        windows(4, 2).await;
        assert!(registry.admit(CallId::random()).await.is_ok(), "it has recovered");
    }

    #[tokio::test(start_paused = true)]
    async fn an_order_reaches_its_call_alone() {
        let registry = Registry::start(2);
        let mut first = registry.admit(CallId::random()).await.expect("a free place");
        let mut second = registry.admit(CallId::random()).await.expect("a free place");
        let command = || Command::Say { text: "hello".into(), end_call_after: false };
        assert!(registry.order(first.id(), command()).await);
        assert!(!registry.order(CallId::random(), command()).await);
        let mut orders = first.take_commands().expect("not taken yet");
        assert_eq!(orders.recv().await, Some(command()));
        assert!(second.take_commands().expect("not taken yet").try_recv().is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn draining_ends_the_calls_that_do_not_finish() {
        let registry = Registry::start(2);
        let mut call = registry.admit(CallId::random()).await.expect("a free place");
        let mut orders = call.take_commands().expect("not taken yet");
        let task = tokio::spawn(async move {
            let order = orders.recv().await;
            drop(call);
            order
        });
        let drained = registry.drain(Duration::from_secs(10)).await;
        assert_eq!(drained, Drained { cut: 1 });
        assert_eq!(
            task.await.expect("no panic"),
            Some(Command::End { reason: EndReason::WorkerShutdown })
        );
        assert_eq!(registry.admit(CallId::random()).await.expect_err("closed"), Refused::Draining);
        assert!(!registry.is_open());
    }
}
