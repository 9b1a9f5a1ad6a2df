//! Requests to servers of others: one client for all of them, and answers of a bounded length.

use reqwest::header::CONTENT_TYPE;
use reqwest::{Client, RequestBuilder, Response, redirect};

use crate::config::Server;

/// Why there is no body.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BodyError {
    /// It is longer than anybody would read.
    #[error("the answer is longer than {limit} bytes")]
    TooLong {
        /// The most that is read, in bytes.
        limit: usize,
    },
    /// It was not reached, or not in time. Without its URL, which may hold a secret.
    #[error(transparent)]
    Lost(reqwest::Error),
}

impl From<reqwest::Error> for BodyError {
    fn from(error: reqwest::Error) -> Self {
        Self::Lost(error.without_url())
    }
}

/// The client. It follows no redirect: that would take secrets to somebody else.
///
/// # Errors
///
/// Where the system's certificates cannot be used.
pub(crate) fn client() -> std::io::Result<Client> {
    let client = Client::builder().redirect(redirect::Policy::none()).build();
    client.map_err(|error| std::io::Error::other(error.to_string()))
}

/// A `POST` of JSON to a customer's server, with what goes with each request to it and within the
/// time it may take.
pub(crate) fn post(client: &Client, server: &Server) -> RequestBuilder {
    let request = client
        .post(server.url.expose())
        .timeout(server.timeout)
        .header(CONTENT_TYPE, "application/json");
    server.headers.iter().fold(request, |request, (name, value)| {
        // Those that HTTP does not allow were refused when the server was stored.
        request.header(name, value.expose())
    })
}

/// The body of `response`, which may have `limit` bytes.
///
/// # Errors
///
/// Where it has more, or ends early.
pub(crate) async fn body(mut response: Response, limit: usize) -> Result<Vec<u8>, BodyError> {
    let mut body = Vec::new();
    while let Some(piece) = response.chunk().await? {
        if body.len() + piece.len() > limit {
            return Err(BodyError::TooLong { limit });
        }
        body.extend_from_slice(&piece);
    }
    Ok(body)
}
