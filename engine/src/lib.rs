//! Causerie: a self-hosted, real-time voice engine.
#![forbid(unsafe_code)]

pub mod carrier;
pub mod llm;
pub mod transport;
