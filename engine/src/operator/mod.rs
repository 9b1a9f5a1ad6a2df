//! Calls to those a caller is transferred to: operators, in Vapi's word.
//!
//! The caller stays with the assistant, and hears that somebody is being called, while a second call
//! is placed to the operator ([`Desk`]). Whoever answers is connected to a session of their own, in
//! which the assistant's voice tells them what it is about, or follows TwiML of the customer's
//! (`Treatment`). Then both calls join a conference, and the caller's session is over. Where nobody
//! answers, or the operator declines, the tool fails with the reason and the assistant goes on.
//!
//! The carrier asks and tells over webhooks; the `Board` brings them together with who waits.

mod board;
mod briefing;
mod desk;
mod recital;
mod ringback;

pub(crate) use board::{Board, Treatment};
pub(crate) use briefing::{Briefing, Host};
pub use desk::Desk;
pub(crate) use desk::{NotReached, Order};
pub(crate) use recital::Recital;
pub(crate) use ringback::ringback;
