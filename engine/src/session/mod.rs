//! One task per call: the driver loop and what it is made of.
//!
//! [`Session`] gathers everything that is ready, reads the clock once, feeds the Floor, carries
//! out what the Floor asks for and re-arms one timer. It decides nothing. It talks to the rest of
//! the engine by [`SessionEvent`]s and [`Command`]s and imports neither the API nor the store.

mod clock;
mod direction;
mod driver;
mod effects;
mod egress;
mod endpointing;
mod event;
mod history;
mod hooks;
mod ingress;
mod keys;
mod measure;
mod news;
mod notes;
mod overload;
mod providers;
mod refusal;
mod registry;
mod reply;
mod tools;
mod transcript;

use std::fmt;

pub use clock::CallClock;
pub use direction::Direction;
pub use driver::{Command, Session, SessionConfig};
pub use event::{CallStats, Pulse, SessionEvent, SessionEventKind};
pub(crate) use keys::duration as press_duration;
pub use measure::TurnMeasure;
pub use overload::{Overload, OverloadDetector, Verdict};
pub use providers::{Persona, Providers};
pub use refusal::{OpenError, Unserved, turn_away};
pub use registry::{Admission, Drained, Refused, Registry};
use uuid::Uuid;

/// Names one call for the life of the engine and beyond.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(transparent)]
pub struct CallId(Uuid);

impl CallId {
    /// A number drawn from the id: its low 64 bits.
    pub fn seed(self) -> u64 {
        self.0.as_u64_pair().1
    }

    /// The id as a UUID.
    pub const fn uuid(self) -> Uuid {
        self.0
    }

    /// A new, random id.
    pub fn random() -> Self {
        Self(Uuid::new_v4())
    }
}

impl From<Uuid> for CallId {
    fn from(uuid: Uuid) -> Self {
        Self(uuid)
    }
}

impl fmt::Display for CallId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}
