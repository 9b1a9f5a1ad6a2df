//! Messages to customers' servers: written when something happens in a call, kept in an outbox
//! beside the call itself, delivered in order until they are taken.
//!
//! A message is delivered at least once. Its `X-Message-Id` is the same at each try.

mod announcer;
mod audience;
mod conversation;
mod delivery;
mod phrases;
mod report;
mod retry;
mod subscription;

pub(crate) use announcer::{Announcer, Note, end_abandoned, on_its_way, refused};
pub(crate) use audience::Client;
pub(crate) use delivery::Delivery;
pub use delivery::MESSAGE_ID;
pub(crate) use report::{about, about_new, without_secrets};
pub use subscription::Subscription;
