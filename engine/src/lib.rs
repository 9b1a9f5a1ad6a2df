//! Causerie: a self-hosted, real-time voice engine.
//!
//! `api → app → session → {transport, llm, providers}`. The session imports neither `api` nor
//! `store`: it emits events, they consume them. Nothing outside `config` reads the environment.
#![forbid(unsafe_code)]

pub mod analysis;
mod analytics;
pub mod api;
pub mod app;
pub mod assemble;
mod authority;
pub mod background;
mod backoff;
pub mod bench;
pub mod carrier;
mod chat;
pub mod cli;
pub mod config;
pub mod demo;
pub mod doctor;
pub mod endpointing;
pub mod eval;
mod handover;
mod http;
mod inbound;
pub mod lag;
pub mod llm;
pub mod models;
mod monitoring;
pub mod operator;
mod outbound;
mod overrides;
pub mod placement;
pub mod preparation;
pub mod recording;
mod request;
mod schedule;
pub mod session;
mod squad;
pub mod store;
pub mod telemetry;
pub mod tools;
pub mod transport;
pub mod webhook;
mod websocket_call;
mod workshop;
