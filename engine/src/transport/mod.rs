//! How calls reach the engine: the [`MediaTransport`] trait and its carriers.

pub mod media;

pub use media::{LegEnd, MediaTransport, TransportEvent};
