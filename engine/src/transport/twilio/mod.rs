//! Twilio: the webhook's signature and answer, and Media Streams over a WebSocket.

mod background;
mod handshake;
mod ingress;
mod leg;
mod message;
mod outbound;
mod playhead;
mod playout;
pub mod rest;
pub mod signature;
pub mod twiml;

/// The frames of Media Streams, read and written without a tree: what `benches` measures.
pub mod frames {
    pub use super::message::{Inbound, Media, MessageError, parse};
    pub use super::outbound::{FrameWriter, MarkName};
}

pub use handshake::{AcceptError, accept};
pub use ingress::IngressCounts;
pub use leg::{LegCounts, TwilioLeg, TwilioSettings};
pub use message::{MediaFormat, StartInfo};
pub use playout::{PlayoutCounts, PlayoutSettings};
