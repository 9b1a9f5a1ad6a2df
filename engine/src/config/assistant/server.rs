//! A server of the customer's: where a message is sent, and how.

use std::time::Duration;

use serde_json::Value;

use crate::config::validation::Validation;
use crate::config::{Secret, ServerUrl};

/// How long a server may take where nobody says: Vapi's default.
const TIMEOUT: Duration = Duration::from_secs(20);

/// The header that carries `server.secret`.
const SECRET_HEADER: &str = "X-Vapi-Secret";

/// A server of the customer's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Its address.
    pub url: ServerUrl,
    /// What goes with each request.
    pub headers: Vec<(String, Secret)>,
    /// How long it may take.
    pub timeout: Duration,
}

/// Reads the server at `path`.
pub(super) fn server(wire: &wire::Server, path: &str, check: &mut Validation) -> Option<Server> {
    let timeout = wire.timeout_seconds;
    let timeout = check.duration(&format!("{path}.timeoutSeconds"), timeout, 1.0..=300.0);
    let mut headers = Vec::new();
    if let Some(secret) = &wire.secret {
        headers.push((SECRET_HEADER.to_owned(), Secret::new(secret)));
    }
    for (name, value) in wire.headers.iter().flatten() {
        match value {
            Value::String(value) => headers.push((name.clone(), Secret::new(value))),
            _ => check.problem(format!("{path}.headers.{name} must be a string")),
        }
    }
    match wire.url.as_deref().map(ServerUrl::exact) {
        Some(Ok(url)) => Some(Server { url, headers, timeout: timeout.unwrap_or(TIMEOUT) }),
        Some(Err(_)) => {
            check.problem(format!("{path}.url must be a URL address"));
            None
        }
        None => {
            check.problem(format!("{path}.url should not be empty"));
            None
        }
    }
}
