//! How calls reach the engine: the [`MediaTransport`] trait and its carriers.

pub mod egress_clock;
pub mod media;
mod round_trip;
pub mod scripted;
pub mod socket;
pub mod token;
pub mod twilio;
pub mod websocket;

pub use media::{LegEnd, MediaTransport, Playback, TransportEvent};
