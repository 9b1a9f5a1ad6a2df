//! The Floor: who holds it.
#![forbid(unsafe_code)]

mod caller;
pub mod counters;
pub mod dictation;
pub mod endpointing;
pub mod floor;
pub mod history;
pub mod input;
pub mod interruption;
pub mod journal;
mod ledger;
pub mod output;
pub mod phrases;
mod reply;
pub mod settings;
pub mod speculation;
pub mod state;
pub mod time;
pub mod timers;
mod toolbox;

pub use floor::Floor;
pub use state::State;
