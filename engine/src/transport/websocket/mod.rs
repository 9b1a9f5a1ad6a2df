//! A raw WebSocket (Vapi's `vapi.websocket`): mono PCM or µ-law in binary frames, both ways, and
//! JSON in text frames: messages down, orders up.
//!
//! Nobody queues at the other end as Twilio does: what is sent is heard. So frames leave at the
//! pace at which they are heard, 20 ms each, on the egress clock.

mod format;
mod ingress;
mod leg;
mod playout;

pub use format::{AudioFormat, Encoding};
pub use ingress::IngressCounts;
pub use leg::{LegCounts, Texts, WebSocketLeg, WebSocketSettings};
pub use playout::PlayoutCounts;
