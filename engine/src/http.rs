//! Requests to servers of others: one client for all of them, and answers of a bounded length.

use reqwest::header::{CONTENT_TYPE, HeaderMap};
use reqwest::{Client, RequestBuilder, Response, StatusCode, redirect};
use uuid::Uuid;

use crate::authority::{Authority, AuthorityError, Unsigned};
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

/// Requests in the name of one organisation, signed where a server asks for it. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Courier {
    client: Client,
    authority: Authority,
    organisation: Uuid,
}

/// Why a request has no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SendError {
    /// It cannot be signed.
    #[error(transparent)]
    Unsigned(#[from] AuthorityError),
    /// It was not reached, or not in time. Without its URL, which may hold a secret.
    #[error(transparent)]
    Lost(#[from] reqwest::Error),
}

impl Courier {
    pub(crate) const fn new(client: Client, authority: Authority, organisation: Uuid) -> Self {
        Self { client, authority, organisation }
    }

    /// [`post`], with the body, and with what proves who sends it. `id` names the message.
    ///
    /// # Errors
    ///
    /// Where it cannot be signed.
    pub(crate) async fn post(
        &self,
        server: &Server,
        id: &str,
        body: &[u8],
    ) -> Result<RequestBuilder, AuthorityError> {
        let request = post(&self.client, server).body(body.to_vec());
        let Some(credential) = server.credential else { return Ok(request) };
        let unsigned = Unsigned { method: "POST", url: server.url.expose(), id, body };
        let headers = self.authority.headers(self.organisation, credential, unsigned).await?;
        Ok(request.headers(headers.into_iter().collect::<HeaderMap>()))
    }

    /// Makes the request that [`Self::post`] describes, with what `more` adds. A server that does
    /// not believe a token is shown another, once.
    ///
    /// # Errors
    ///
    /// Where it cannot be signed, or is not answered.
    pub(crate) async fn send(
        &self,
        server: &Server,
        id: &str,
        body: &[u8],
        more: impl Fn(RequestBuilder) -> RequestBuilder,
    ) -> Result<Response, SendError> {
        let lost = |error: reqwest::Error| SendError::Lost(error.without_url());
        let answer = more(self.post(server, id, body).await?).send().await.map_err(lost)?;
        match server.credential {
            Some(credential) if answer.status() == StatusCode::UNAUTHORIZED => {
                if !self.authority.forget(credential).await {
                    return Ok(answer);
                }
                more(self.post(server, id, body).await?).send().await.map_err(lost)
            }
            _ => Ok(answer),
        }
    }
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
