//! What an operator sees of a running engine: the log, the metrics, the calls in progress.

pub mod board;
pub mod live;
pub mod metrics;
pub mod vitals;

use tracing_subscriber::EnvFilter;

use crate::config::{Log, LogFormat};

/// Starts logging to standard error. A filter that cannot be read falls back to `info`, and says
/// so.
pub fn start(log: &Log) {
    let (filter, problem) = match EnvFilter::try_new(&log.filter) {
        Ok(filter) => (filter, None),
        Err(error) => (EnvFilter::new("info"), Some(error)),
    };
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match log.format {
        LogFormat::Text => subscriber.init(),
        LogFormat::Json => subscriber.json().init(),
    }
    if let Some(error) = problem {
        tracing::warn!(%error, "`log.filter` cannot be read; logging at `info`");
    }
}
