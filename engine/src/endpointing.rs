//! A server of the customer's that says how long to wait (Vapi's `custom-endpointing-model`).
//!
//! `POST server.url` with a message of type `call.endpointing.request`, answered by
//! `{"timeoutSeconds": 0.5}`.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use reqwest::Client;
use serde::Deserialize;
use turntaking::endpointing::MODEL_PATIENCE;

use crate::config::Server;
use crate::http::{self, BodyError};

/// The longest answer that is read, in bytes.
const LONGEST_ANSWER: usize = 16 << 10;

/// The longest wait it may ask for, in seconds (Vapi's bound).
const LONGEST_WAIT: f64 = 15.0;

/// The server, and how to reach it. `Debug` shows no secret.
pub struct EndpointingModel {
    client: Client,
    server: Server,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EndpointingError {
    /// The server was not reached, or not in time.
    #[error("the endpointing server was not reached: {reason}")]
    Connection {
        /// What happened.
        reason: String,
    },
    /// The server refused.
    #[error("the endpointing server answered {status}")]
    Status {
        /// HTTP status.
        status: u16,
    },
    /// The answer makes no sense.
    #[error("the endpointing server must answer {{\"timeoutSeconds\": 0 to 15}}: {reason}")]
    Answer {
        /// What is wrong with it.
        reason: String,
    },
}

/// An answer on its way. Dropping it gives it up.
pub type Answer = Pin<Box<dyn Future<Output = Result<Duration, EndpointingError>> + Send>>;

impl EndpointingModel {
    /// Prepares to ask `server`. However long that may take by its own settings, nobody waits for
    /// it beyond [`MODEL_PATIENCE`].
    pub fn new(client: Client, server: &Server) -> Self {
        let timeout = server.timeout.min(MODEL_PATIENCE);
        Self { client, server: Server { timeout, ..server.clone() } }
    }

    /// Asks with `body`, a message as JSON.
    pub fn ask(&self, body: Vec<u8>) -> Answer {
        let request = http::post(&self.client, &self.server).body(body).send();
        Box::pin(async move {
            let answer = request.await.map_err(BodyError::from)?;
            if !answer.status().is_success() {
                return Err(EndpointingError::Status { status: answer.status().as_u16() });
            }
            read(&http::body(answer, LONGEST_ANSWER).await?)
        })
    }
}

impl From<BodyError> for EndpointingError {
    fn from(error: BodyError) -> Self {
        let reason = error.to_string();
        match error {
            BodyError::TooLong { .. } => Self::Answer { reason },
            BodyError::Lost(_) => Self::Connection { reason },
        }
    }
}

impl fmt::Debug for EndpointingModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EndpointingModel").field("server", &self.server.url).finish_non_exhaustive()
    }
}

fn read(text: &[u8]) -> Result<Duration, EndpointingError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Wait {
        timeout_seconds: f64,
    }
    let wrong = |reason: String| EndpointingError::Answer { reason };
    let wait: Wait = serde_json::from_slice(text).map_err(|error| wrong(error.to_string()))?;
    if !(0.0..=LONGEST_WAIT).contains(&wait.timeout_seconds) {
        return Err(wrong(format!("it is {}", wait.timeout_seconds)));
    }
    // Whole milliseconds, as everything the journal holds.
    Ok(Duration::from_millis((wait.timeout_seconds * 1_000.0).round() as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_seconds_from_0_to_15() {
        let ms = |text: &str| read(text.as_bytes()).ok().map(|wait| wait.as_millis());
        assert_eq!(ms(r#"{"timeoutSeconds": 0.5, "why": "a number"}"#), Some(500));
        assert_eq!(ms(r#"{"timeoutSeconds": 0}"#), Some(0));
        for text in
            [r#"{"timeoutSeconds": 16}"#, r#"{"timeoutSeconds": -1}"#, "{}", "", "0.5", "null"]
        {
            assert_eq!(ms(text), None, "{text}");
        }
    }
}
