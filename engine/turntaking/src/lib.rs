//! The Floor: who holds it.
#![forbid(unsafe_code)]

pub mod input;
pub mod output;
pub mod settings;
pub mod time;
