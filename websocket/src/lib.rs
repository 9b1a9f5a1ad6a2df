//! One way to open a provider's WebSocket, for `asr` and `tts`.
//!
//! TLS is rustls with the system's own certificates, as for the HTTP clients of the engine. Frames
//! leave at once (no Nagle delay), buffers are small because there is a socket per call, and no
//! error tells more of an address than its host: the path or a header may hold a key.
#![forbid(unsafe_code)]

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use rustls::ClientConfig;
use rustls_platform_verifier::BuilderVerifierExt;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::{HeaderName, HeaderValue, Uri};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, error};
use tokio_tungstenite::{Connector, MaybeTlsStream, WebSocketStream};

/// An open socket.
pub type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// How long a server may take to accept, TLS included.
const PATIENCE: Duration = Duration::from_secs(5);

/// What is read at once, in bytes. A provider's audio comes in messages of a few kB.
const READ_BUFFER: usize = 8 * 1_024;

/// The longest message that is taken, in bytes. Longer ones end the connection.
const LONGEST_MESSAGE: usize = 4 << 20;

/// Where to connect to. `Debug` shows the host alone.
#[derive(Clone)]
pub struct Endpoint {
    url: Uri,
    headers: Vec<(HeaderName, HeaderValue)>,
}

/// Why there is no socket.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The server answered, and not with a WebSocket.
    #[error("{host} refused the connection with HTTP {status}{}", remedy(*status))]
    Refused {
        /// The server.
        host: String,
        /// Its HTTP status.
        status: u16,
    },
    /// There is no way to it.
    #[error("{host} cannot be reached: {reason}")]
    Unreachable {
        /// The server.
        host: String,
        /// The system's or the TLS library's words.
        reason: String,
    },
    /// It did not answer in time.
    #[error("{host} did not accept the connection within 5 s")]
    TimedOut {
        /// The server.
        host: String,
    },
}

fn remedy(status: u16) -> &'static str {
    match status {
        401 | 403 => ": the key is missing or not valid for this",
        402 => ": the account has no credit left",
        404 => ": is the base URL right?",
        429 => ": too many connections for the account",
        _ => "",
    }
}

/// An address that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EndpointError {
    /// It is no URL of a server.
    #[error("the address {0}; give one such as https://api.example.com")]
    Url(&'static str),
    /// A header cannot be sent.
    #[error("{0} holds a character that no HTTP header may hold; check it for line breaks")]
    Header(&'static str),
}

impl Endpoint {
    /// The server at `base` (`https:`, `http:`, `wss:` or `ws:`), to which `path` is appended as
    /// text, a query included.
    ///
    /// # Errors
    ///
    /// Where the two are no URL of a server.
    pub fn new(base: &str, path: &str) -> Result<Self, EndpointError> {
        let base = base.trim().trim_end_matches('/');
        let (scheme, rest) = base.split_once("://").ok_or(EndpointError::Url("has no scheme"))?;
        let scheme = match scheme.to_ascii_lowercase().as_str() {
            "https" | "wss" => "wss",
            "http" | "ws" => "ws",
            _ => return Err(EndpointError::Url("has a scheme that is not spoken here")),
        };
        let url: Uri = format!("{scheme}://{rest}{path}")
            .parse()
            .map_err(|_| EndpointError::Url("is no URL"))?;
        if url.host().is_none_or(str::is_empty) {
            return Err(EndpointError::Url("names no host"));
        }
        Ok(Self { url, headers: Vec::new() })
    }

    /// Sends a header with the handshake. Its value is kept out of every log.
    ///
    /// # Errors
    ///
    /// [`EndpointError::Header`] where HTTP does not allow `value`; `meaning` names it there.
    pub fn with_header(
        mut self,
        name: &'static str,
        value: &str,
        meaning: &'static str,
    ) -> Result<Self, EndpointError> {
        let mut value = HeaderValue::from_str(value).map_err(|_| EndpointError::Header(meaning))?;
        value.set_sensitive(true);
        self.headers.push((HeaderName::from_static(name), value));
        Ok(self)
    }

    /// The server's name.
    pub fn host(&self) -> &str {
        self.url.host().unwrap_or_default()
    }

    /// Opens a socket. Runs on tokio with IO and time enabled.
    ///
    /// # Errors
    ///
    /// Where the server is not there, does not answer within 5 s, or refuses.
    pub async fn connect(&self) -> Result<Socket, ConnectError> {
        let host = self.host().to_owned();
        let unreachable = |reason: String| ConnectError::Unreachable { host: host.clone(), reason };
        let mut request =
            self.url.clone().into_client_request().map_err(|error| unreachable(plain(&error)))?;
        for (name, value) in &self.headers {
            request.headers_mut().insert(name, value.clone());
        }
        let limits = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER)
            .write_buffer_size(0)
            .max_message_size(Some(LONGEST_MESSAGE));
        let connector = match self.url.scheme_str() {
            Some("wss") => Connector::Rustls(tls().map_err(unreachable)?),
            _ => Connector::Plain,
        };
        let connecting = tokio_tungstenite::connect_async_tls_with_config(
            request,
            Some(limits),
            true,
            Some(connector),
        );
        match tokio::time::timeout(PATIENCE, connecting).await {
            Ok(Ok((socket, _))) => Ok(socket),
            Ok(Err(Error::Http(response))) => {
                Err(ConnectError::Refused { host, status: response.status().as_u16() })
            }
            Ok(Err(error)) => Err(unreachable(plain(&error))),
            Err(_) => Err(ConnectError::TimedOut { host }),
        }
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint").field("host", &self.host()).finish_non_exhaustive()
    }
}

/// What went wrong with a socket, in words that hold nothing of its address.
pub fn plain(error: &Error) -> String {
    match error {
        Error::Io(error) => error.to_string(),
        Error::Tls(error) => error.to_string(),
        Error::ConnectionClosed | Error::AlreadyClosed => "the connection is closed".to_owned(),
        Error::Protocol(error::ProtocolError::ResetWithoutClosingHandshake) => {
            "the connection broke".to_owned()
        }
        Error::Protocol(error) => error.to_string(),
        Error::Capacity(error) => error.to_string(),
        Error::Utf8(_) => "a text message is not UTF-8".to_owned(),
        Error::WriteBufferFull(_) => "the server takes nothing any more".to_owned(),
        Error::Url(_) | Error::Http(_) | Error::HttpFormat(_) | Error::AttackAttempt => {
            "the handshake failed".to_owned()
        }
    }
}

/// One configuration for all sockets of the process: reading the system's certificates takes some
/// milliseconds.
fn tls() -> Result<Arc<ClientConfig>, String> {
    static CONFIG: OnceLock<Result<Arc<ClientConfig>, String>> = OnceLock::new();
    let make = || {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .and_then(BuilderVerifierExt::with_platform_verifier)
            .map_err(|error| format!("TLS cannot start: {error}"))?;
        Ok(Arc::new(config.with_no_client_auth()))
    };
    CONFIG.get_or_init(make).clone()
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    #[test]
    fn an_address_is_read_with_its_path() {
        let endpoint = Endpoint::new("https://api.example.com/", "/v1/listen?model=a").expect("ok");
        assert_eq!(endpoint.url.to_string(), "wss://api.example.com/v1/listen?model=a");
        let endpoint = Endpoint::new("http://127.0.0.1:9", "/x").expect("ok");
        assert_eq!(endpoint.url.to_string(), "ws://127.0.0.1:9/x");
        for bad in ["", "api.example.com", "ftp://a", "https://", "https://a b"] {
            assert!(Endpoint::new(bad, "/x").is_err(), "{bad}");
        }
    }

    #[test]
    fn a_key_is_never_shown() {
        let endpoint = Endpoint::new("https://api.example.com", "/?key=hunter2").expect("ok");
        let endpoint = endpoint.with_header("x-api-key", "hunter3", "the key").expect("ok");
        assert!(!format!("{endpoint:?}").contains("hunter"));
        let error = endpoint.with_header("x-api-key", "a\nb", "`voice.api_key`").expect_err("bad");
        assert!(error.to_string().starts_with("`voice.api_key` holds"), "{error}");
    }

    #[tokio::test]
    async fn a_refusal_says_what_to_do() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let base = format!("http://{}", listener.local_addr().expect("bound"));
        let server = tokio::spawn(async move {
            let (mut socket, _) = listener.accept().await.expect("a connection");
            let mut head = [0; 4_096];
            let read = socket.read(&mut head).await.expect("a request");
            let answer = b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n";
            socket.write_all(answer).await.expect("written");
            String::from_utf8_lossy(&head[..read]).to_lowercase()
        });
        let endpoint = Endpoint::new(&base, "/listen").expect("ok");
        let endpoint = endpoint.with_header("authorization", "Token x", "the key").expect("ok");
        let error = endpoint.connect().await.expect_err("refused").to_string();
        assert!(error.contains("HTTP 401: the key is missing"), "{error}");
        assert!(server.await.expect("no panic").contains("authorization: token x"));
    }

    #[tokio::test]
    async fn nobody_there_is_said_with_the_host() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let base = format!("http://{}", listener.local_addr().expect("bound"));
        drop(listener);
        let endpoint = Endpoint::new(&base, "/secret").expect("ok");
        let error = endpoint.connect().await.expect_err("nobody").to_string();
        assert!(error.starts_with("127.0.0.1 cannot be reached: "), "{error}");
        assert!(!error.contains("secret"), "{error}");
    }
}
