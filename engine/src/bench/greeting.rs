//! How soon a call is greeted: calls one after the other, to an assistant that speaks first.
//!
//! Once with a greeting that is synthesised when the call is there (`voice.cachingEnabled` is
//! false), and once as shipped: spoken while the telephone rings, and kept.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use super::BenchError;
use super::figures::Quantiles;
use super::line::{self, NoCall};
use super::material::Material;
use super::run::order;
use super::server::{Mode, Placement, Server};
use super::services::{Paces, Services};
use crate::config::Config;

/// Calls of a run.
const CALLS: u64 = 20;

/// How long each lasts: the greeting, as a rule.
const SHORT: Duration = Duration::from_secs(3);

/// Between the answer to the announcement and the media, as with a real carrier: it connects the
/// call, then opens the socket.
pub const CONNECTING: Duration = Duration::from_millis(300);

/// What a caller notices of the greeting.
#[derive(Clone, Debug, Serialize)]
pub struct Greeting {
    /// `fresh` or `prepared`.
    pub mode: &'static str,
    /// From the `start` of the media to the first audible sample at the carrier.
    pub audible_ms: Quantiles,
    /// Calls that failed or were not greeted.
    pub failed: usize,
}

/// Measures one of the two.
///
/// # Errors
///
/// Where the engine or a stand-in does not start.
pub async fn run(
    mode: Mode,
    config: &Config,
    material: &Arc<Material>,
    placement: &Placement,
) -> Result<Greeting, BenchError> {
    let services = Services::start(material, Paces::LOAD_SCRIPT).await?;
    let mut server =
        tokio::task::block_in_place(|| Server::start(config, &services, mode, 1, placement))?;
    let client = reqwest::Client::new();
    let (mut audible, mut failed) = (Vec::new(), 0);
    for seed in 0..CALLS {
        let mut order = order(&server, seed, SHORT);
        order.connecting = CONNECTING;
        match line::place(order, &client, material).await {
            Ok(log) => match log.audible.first() {
                Some(first) => audible.push(first.start as f64 / 8.0),
                None => failed += 1,
            },
            Err(NoCall::Refused | NoCall::Failed(_)) => failed += 1,
        }
    }
    tokio::task::block_in_place(|| server.stop());
    Ok(Greeting { mode: mode.name(), audible_ms: Quantiles::of(audible), failed })
}
