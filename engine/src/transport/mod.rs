//! How calls reach the engine: the [`MediaTransport`] trait and its carriers.

pub mod egress_clock;
pub mod media;
pub mod scripted;
pub mod twilio;

pub use media::{LegEnd, MediaTransport, Playback, TransportEvent};
