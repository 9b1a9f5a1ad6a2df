//! Operators who are being called, and who waits for them.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use uuid::Uuid;

use super::Briefing;

/// How long the carrier is kept waiting for what is to be done with whoever answered: it hangs up
/// after 15 s.
const TREATMENT_WITHIN: Duration = Duration::from_secs(8);

/// How long a session may take to tell how it ended once its socket is closed.
const VERDICT_WITHIN: Duration = Duration::from_secs(5);

/// What the carrier may tell of one call before it is taken note of.
const QUEUE: usize = 16;

/// What is done with whoever answers.
#[derive(Clone, Debug)]
pub(crate) enum Treatment {
    /// A session tells them what it is about.
    Brief(Arc<Briefing>),
    /// The carrier follows the customer's own TwiML.
    Follow(String),
}

/// What becomes of a call to an operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Moment {
    /// The carrier's word for it.
    Status(String),
    /// They have heard what it is about, and wait for the caller.
    Taken,
    /// They do not want the caller.
    Declined,
}

/// All of an engine. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Board {
    #[expect(
        clippy::disallowed_types,
        reason = "taken when the carrier asks about an operator, far from any audio"
    )]
    waiting: Arc<std::sync::Mutex<BTreeMap<Uuid, Entry>>>,
}

struct Entry {
    moments: mpsc::Sender<Moment>,
    treatment: watch::Receiver<Option<Treatment>>,
    verdict: watch::Sender<Option<bool>>,
    /// The carrier's id of the call, once it is answered.
    call_sid: Option<String>,
    /// A sound that is heard before the caller is.
    chime: Option<String>,
}

/// An operator who is being called. Dropped, nobody waits for them any more.
pub(super) struct Expected {
    board: Board,
    id: Uuid,
    pub(super) moments: mpsc::Receiver<Moment>,
    treatment: watch::Sender<Option<Treatment>>,
}

impl Board {
    /// Notes that an operator is about to be called.
    pub(super) fn expect(&self, id: Uuid, chime: Option<String>) -> Expected {
        let (sender, moments) = mpsc::channel(QUEUE);
        let (treatment, treated) = watch::channel(None);
        let (verdict, _) = watch::channel(None);
        let entry = Entry { moments: sender, treatment: treated, verdict, call_sid: None, chime };
        self.with(|waiting| waiting.insert(id, entry));
        Expected { board: self.clone(), id, moments, treatment }
    }

    /// The operator has answered: what is to be done with them? `None`: nobody waits for them.
    pub(crate) async fn answered(&self, id: Uuid, call_sid: &str) -> Option<Treatment> {
        let mut treatment = self.with(|waiting| {
            let entry = waiting.get_mut(&id)?;
            entry.call_sid = Some(call_sid.to_owned());
            Some(entry.treatment.clone())
        })?;
        let decided = treatment.wait_for(Option::is_some);
        let treatment =
            tokio::time::timeout(TREATMENT_WITHIN, decided).await.ok()?.ok()?.clone()?;
        if let Treatment::Follow(_) = treatment {
            self.settle(id, true);
        }
        Some(treatment)
    }

    /// The media of an operator's call has come.
    pub(crate) fn claim(&self, call_sid: &str) -> Option<(Uuid, Arc<Briefing>)> {
        self.with(|waiting| {
            let found = waiting.iter().find(|(_, e)| e.call_sid.as_deref() == Some(call_sid));
            let (id, entry) = found?;
            match &*entry.treatment.borrow() {
                Some(Treatment::Brief(briefing)) => Some((*id, Arc::clone(briefing))),
                Some(Treatment::Follow(_)) | None => None,
            }
        })
    }

    /// The operator wants the caller, or does not.
    pub(crate) fn settle(&self, id: Uuid, taken: bool) {
        self.with(|waiting| {
            let Some(entry) = waiting.get(&id) else { return };
            entry.verdict.send_if_modified(|verdict| verdict.replace(taken).is_none());
            if !taken {
                let _ = entry.moments.try_send(Moment::Declined);
            }
        });
    }

    /// What the operator was told is over. Returns the sound that comes before the caller; `None`:
    /// they do not want the caller, who may be gone, too.
    pub(crate) async fn joins(&self, id: Uuid) -> Option<Option<String>> {
        let (mut verdict, moments, chime) = self.with(|waiting| {
            let entry = waiting.get(&id)?;
            Some((entry.verdict.subscribe(), entry.moments.clone(), entry.chime.clone()))
        })?;
        let settled = verdict.wait_for(Option::is_some);
        let taken = *tokio::time::timeout(VERDICT_WITHIN, settled).await.ok()?.ok()?;
        if taken != Some(true) {
            return None;
        }
        moments.send(Moment::Taken).await.ok()?;
        Some(chime)
    }

    /// The carrier tells what became of an operator's call.
    pub(crate) fn tell(&self, id: Uuid, status: &str) {
        self.with(|waiting| {
            if let Some(entry) = waiting.get(&id) {
                let _ = entry.moments.try_send(Moment::Status(status.to_owned()));
            }
        });
    }

    fn with<T>(&self, act: impl FnOnce(&mut BTreeMap<Uuid, Entry>) -> T) -> T {
        act(&mut self.waiting.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl fmt::Debug for Board {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Board")
    }
}

impl Expected {
    /// Says what is done with them.
    pub(super) fn treat(&self, treatment: Treatment) {
        self.treatment.send_replace(Some(treatment));
    }
}

impl Drop for Expected {
    fn drop(&mut self) {
        self.board.with(|waiting| waiting.remove(&self.id));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_follows_twiml_joins_and_who_is_not_waited_for_does_not() {
        let board = Board::default();
        let id = Uuid::from_u128(1);
        assert!(board.answered(id, "CA1").await.is_none());
        let mut expected = board.expect(id, Some("https://x.io/beep.mp3".to_owned()));
        expected.treat(Treatment::Follow("<Pause/>".to_owned()));
        assert!(matches!(board.answered(id, "CA1").await, Some(Treatment::Follow(_))));
        assert!(board.claim("CA1").is_none(), "it has no media");
        assert_eq!(board.joins(id).await, Some(Some("https://x.io/beep.mp3".to_owned())));
        assert_eq!(expected.moments.recv().await, Some(Moment::Taken));
        drop(expected);
        assert!(board.joins(id).await.is_none());
    }

    #[tokio::test]
    async fn who_declines_does_not_join() {
        let board = Board::default();
        let id = Uuid::from_u128(1);
        let mut expected = board.expect(id, None);
        board.settle(id, false);
        assert_eq!(board.joins(id).await, None);
        assert_eq!(expected.moments.recv().await, Some(Moment::Declined));
    }
}
