//! The other end of the line: a carrier and a caller, as Twilio and somebody on a telephone
//! would be. `causerie call`, the demo, the load generator and the tests place calls with it.
//!
//! [`script`] (what the caller does) and [`playout_model`] (what the carrier plays) are pure;
//! [`client`] puts them on a WebSocket; [`record`] says what was heard, and when.

pub mod client;
pub mod impairment;
pub mod line_echo;
pub mod memory;
pub mod playout_model;
pub mod record;
pub mod script;
mod server_message;
pub mod webhook;

pub use client::{CarrierConfig, CarrierError, CarrierSocket, carry, place_call};
pub(crate) use client::{PATIENCE, open};
pub use impairment::{Fault, Impairments};
pub use line_echo::LineEcho;
pub use record::{CallEnd, CallRecord};
pub use script::{Action, CallerScript, Cue, When};
pub(crate) use server_message::obey;
pub use webhook::{Dialled, Webhook};
