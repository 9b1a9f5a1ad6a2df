//! Voice activity and the end of turns.
//!
//! ```text
//! samples ─▶ window ─▶ batcher ─▶ scores ─▶ gate ─▶ Started / Stopped
//!            (32 ms)    silero    (energy gate in front, energy detector as fallback)
//!
//! samples ─▶ turn (last 8 s) ─▶ mel ─▶ smart_turn ─▶ "the caller has finished": 0..1
//! ```
//!
//! [`Vad`] is the plug point. [`SileroVad`] runs the Silero model for all calls on one thread;
//! [`EnergyVad`] needs no model; [`ScriptedVad`] is for tests. [`Gate`] turns scores into the
//! start and the end of speech. [`TurnWorker`] runs smart-turn off the audio path.
#![forbid(unsafe_code)]

pub mod batcher;
mod bell;
pub mod detector;
pub mod echo;
pub mod energy;
pub mod error;
pub mod gate;
pub mod mel;
pub mod schedule;
pub mod scripted;
pub mod silero;
pub mod smart_turn;
pub mod turn;
pub mod turn_stream;
pub mod window;

pub use batcher::{Counters, SileroSettings, SileroVad};
pub use detector::{Score, Vad, VadStream};
pub use echo::EchoGate;
pub use energy::EnergyVad;
pub use error::LoadError;
pub use gate::{Gate, GateEvent, GateSettings};
pub use scripted::ScriptedVad;
pub use smart_turn::TurnModel;
pub use turn::{Ear, TurnCounters, TurnSettings, TurnWorker};
pub use turn_stream::TurnStream;
