//! Causerie: a self-hosted, real-time voice engine.
#![forbid(unsafe_code)]

pub mod cli;
pub mod config;
pub mod doctor;
pub mod llm;
pub mod models;
pub mod transport;
