//! A server of the customer's that says how long to wait (Vapi's `custom-endpointing-model`).
//!
//! `POST server.url` with a message of type `call.endpointing.request`, answered by
//! `{"timeoutSeconds": 0.5}`.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, redirect};
use serde::Deserialize;
use turntaking::endpointing::MODEL_PATIENCE;

use crate::config::Server;

/// The longest answer that is read, in bytes.
const LONGEST_ANSWER: usize = 16 << 10;

/// The longest wait it may ask for, in seconds (Vapi's bound).
const LONGEST_WAIT: f64 = 15.0;

/// The server, and how to reach it. `Debug` shows no secret.
pub struct EndpointingModel {
    client: Client,
    url: String,
    headers: HeaderMap,
    timeout: Duration,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EndpointingError {
    /// The settings cannot be used.
    #[error("{path} {reason}")]
    Settings {
        /// The setting.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
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
    ///
    /// # Errors
    ///
    /// Where a header cannot be sent, or no HTTP client be made.
    pub fn new(server: &Server) -> Result<Self, EndpointingError> {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        for (name, value) in &server.headers {
            let wrong = || EndpointingError::Settings {
                path: format!("server.headers.{name}"),
                reason: "must be a header that HTTP allows".to_owned(),
            };
            let key = HeaderName::try_from(name).map_err(|_| wrong())?;
            let mut value = HeaderValue::try_from(value.expose()).map_err(|_| wrong())?;
            value.set_sensitive(true);
            headers.insert(key, value);
        }
        // A redirect would take the secret elsewhere.
        let client = Client::builder().redirect(redirect::Policy::none()).build();
        let client = client.map_err(|error| EndpointingError::Settings {
            path: "server".to_owned(),
            reason: error.without_url().to_string(),
        })?;
        let url = server.url.expose().to_owned();
        Ok(Self { client, url, headers, timeout: server.timeout.min(MODEL_PATIENCE) })
    }

    /// Asks with `body`, a message as JSON.
    pub fn ask(&self, body: Vec<u8>) -> Answer {
        let request = self
            .client
            .post(&self.url)
            .headers(self.headers.clone())
            .timeout(self.timeout)
            .body(body)
            .send();
        Box::pin(async move {
            let lost = |error: reqwest::Error| EndpointingError::Connection {
                reason: error.without_url().to_string(),
            };
            let mut answer = request.await.map_err(lost)?;
            if !answer.status().is_success() {
                return Err(EndpointingError::Status { status: answer.status().as_u16() });
            }
            let mut text = Vec::new();
            while let Some(piece) = answer.chunk().await.map_err(lost)? {
                if text.len() + piece.len() > LONGEST_ANSWER {
                    return Err(EndpointingError::Answer { reason: "it is too long".to_owned() });
                }
                text.extend_from_slice(&piece);
            }
            read(&text)
        })
    }
}

impl fmt::Debug for EndpointingModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EndpointingModel").field("timeout", &self.timeout).finish_non_exhaustive()
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
