//! Many short calls: what each leaves behind.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use super::BenchError;
use super::line::{self, NoCall};
use super::material::Material;
use super::report::Soak;
use super::run::order;
use super::server::{Mode, Placement, Server};
use super::services::{Paces, Services};
use crate::config::Config;

/// How long a call lasts: a turn and the beginning of its reply, as a rule.
const SHORT: Duration = Duration::from_secs(8);

/// Runs `calls` short calls, `at_once` of them at a time.
///
/// # Errors
///
/// Where the engine or a stand-in does not start, or the engine does not go on.
pub async fn run(
    calls: usize,
    at_once: usize,
    config: &Config,
    material: &Arc<Material>,
    placement: &Placement,
) -> Result<Soak, BenchError> {
    let services = Services::start(material, Paces::LOAD_SCRIPT).await?;
    let mut server = tokio::task::block_in_place(|| {
        Server::start(config, &services, Mode::VadOnly, at_once, placement)
    })?;
    let client = reqwest::Client::new();
    let mut running: JoinSet<Result<line::CallLog, NoCall>> = JoinSet::new();
    let (mut placed, mut finished, mut failed) = (0, 0, 0);
    let mut memory = Vec::new();
    let mut early = None;
    loop {
        while placed < calls && running.len() < at_once.max(1) {
            let order = order(&server, placed as u64, SHORT);
            let (client, material) = (client.clone(), Arc::clone(material));
            // The first ones do not all begin at once.
            let delay = match placed {
                placed if placed < at_once => SHORT.mul_f64(placed as f64 / at_once as f64),
                _ => Duration::ZERO,
            };
            running.spawn(async move {
                tokio::time::sleep(delay).await;
                line::place(order, &client, &material).await
            });
            placed += 1;
        }
        match running.join_next().await {
            Some(Ok(Ok(log))) => {
                finished += 1;
                failed += usize::from(log.cut_off);
            }
            Some(_) => failed += 1,
            None => break,
        }
        let usage = server.usage().ok_or_else(|| BenchError::Engine(server.complaints()))?;
        memory.push((finished as f64, usage.memory_kb as f64));
        // Buffers have their size by then.
        if finished >= at_once * 2 && early.is_none() {
            early = Some(usage);
        }
    }
    // What calls leave is gone a moment after.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let late = server.usage().ok_or_else(|| BenchError::Engine(server.complaints()))?;
    let early = early.unwrap_or(late);
    tokio::task::block_in_place(|| server.stop());
    Ok(Soak {
        finished,
        leak_kb_per_call: slope(&memory[memory.len() / 2..]),
        files: [early.files, late.files],
        threads: [early.threads, late.threads],
        failed,
        memory: memory.iter().map(|(calls, kb)| (*calls, kb / 1_024.0)).collect(),
    })
}

/// Of the line through `points` with the least squares.
fn slope(points: &[(f64, f64)]) -> f64 {
    let count = points.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / count.max(1.0);
    let (x, y) = (mean(|point| point.0), mean(|point| point.1));
    let (mut above, mut below) = (0.0, 0.0);
    for point in points {
        above += (point.0 - x) * (point.1 - y);
        below += (point.0 - x).powi(2);
    }
    if below > 0.0 { above / below } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slope_is_that_of_the_line() {
        let points: Vec<(f64, f64)> =
            (0..10).map(|x| (f64::from(x), 3.0 + 0.5 * f64::from(x))).collect();
        assert!((slope(&points) - 0.5).abs() < 1e-9);
        assert!(slope(&[(1.0, 5.0)]).abs() < 1e-9);
        assert!(slope(&[]).abs() < 1e-9);
    }
}
