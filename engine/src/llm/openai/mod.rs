//! OpenAI's chat completions, and every server that speaks them.
//!
//! `POST {base_url}/chat/completions` with `stream: true`, answered by server-sent events
//! (<https://platform.openai.com/docs/api-reference/chat>). vLLM, llama.cpp, Ollama, Groq,
//! Together, OpenRouter, Gemini's and Mistral's compatible addresses and Vapi's `custom-llm`
//! speak the same, each with small differences that are met where they occur (`tool_calls.rs`,
//! `wire.rs`, `completion.rs`).
//!
//! A reply has no task and no channel of its own: polling it polls the HTTP response, and dropping
//! it drops the response, upon which the HTTP client closes the socket. All replies share one
//! client and its pool of connections, so that a reply after the first needs no TLS handshake.

mod completion;
mod reply;
mod secrets;
mod tool_calls;
mod wire;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Url, redirect};

use self::reply::OpenAiReply;
use self::secrets::Secrets;
use self::wire::{Dialect, Request};
use super::{ChatRequest, LanguageModel, ReplyStream};

/// How to reach a server. `Debug` shows no key.
#[derive(Clone)]
pub struct OpenAiSettings {
    /// The name that errors and logs give the server.
    pub provider: &'static str,
    /// The address, to which `/chat/completions` is appended as text, as OpenAI's own clients and
    /// Vapi do: `https://api.openai.com/v1`.
    pub base_url: String,
    /// The model's name, as the server knows it.
    pub model: String,
    /// Sent as `Authorization: Bearer …`; `None`: no such header.
    pub api_key: Option<String>,
    /// More headers, such as Azure's `api-key`. Their values are kept as secret as the key.
    pub headers: Vec<(String, String)>,
    /// Names the token limit `max_completion_tokens`, as OpenAI's reasoning models demand, instead
    /// of `max_tokens`, which compatible servers know.
    pub max_completion_tokens: bool,
    /// Asks for the token count at the end of each reply, which is logged at DEBUG. Some compatible
    /// servers refuse the request for it.
    pub include_usage: bool,
    /// How long to wait.
    pub timeouts: Timeouts,
    /// Longest answer, in bytes of its HTTP body. What exceeds it fails the reply.
    pub max_response_bytes: usize,
}

impl OpenAiSettings {
    /// Settings for `model` at `base_url`: no key, 4 MiB of answer, [`Timeouts::default`].
    pub fn new(base_url: impl Into<String>, model: impl Into<String>) -> Self {
        Self {
            provider: "openai",
            base_url: base_url.into(),
            model: model.into(),
            api_key: None,
            headers: Vec::new(),
            max_completion_tokens: false,
            include_usage: false,
            timeouts: Timeouts::default(),
            max_response_bytes: 4 << 20,
        }
    }
}

impl fmt::Debug for OpenAiSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The address may carry a secret in its query, or a password.
        let address = Url::parse(&self.base_url).ok();
        f.debug_struct("OpenAiSettings")
            .field("provider", &self.provider)
            .field("host", &address.as_ref().and_then(Url::host_str).unwrap_or("?"))
            .field("model", &self.model)
            .field("api_key", &self.api_key.as_ref().map(|_| "[hidden]"))
            .field("headers", &self.headers.iter().map(|(name, _)| name).collect::<Vec<_>>())
            .field("timeouts", &self.timeouts)
            .finish_non_exhaustive()
    }
}

/// How long a server may take before its reply fails with
/// [`ModelError::Connection`](super::ModelError::Connection).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// Until the connection stands, TLS included: 5 s. Applies to the client that
    /// [`OpenAi::new`] makes.
    pub connect: Duration,
    /// From the request to the first text or tool call, connecting included: 20 s, as Vapi's
    /// `timeoutSeconds`. Comments that keep the connection alive do not count.
    pub first_token: Duration,
    /// Between two events after that: 10 s.
    pub stall: Duration,
    /// From the model's finish reason to the end mark, which some servers never send: 250 ms. The
    /// reply is then complete, not failed.
    pub end_mark: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            first_token: Duration::from_secs(20),
            stall: Duration::from_secs(10),
            end_mark: Duration::from_millis(250),
        }
    }
}

/// What is wrong with [`OpenAiSettings`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenAiSettingsError {
    /// The address cannot be used.
    #[error(
        "base_url: {reason}; give an http:// or https:// address such as https://api.openai.com/v1"
    )]
    BaseUrl {
        /// What is wrong with it.
        reason: String,
    },
    /// The key cannot be sent.
    #[error("api_key: holds a character that no HTTP header may hold; check it for line breaks")]
    ApiKey,
    /// A header cannot be sent.
    #[error("headers: `{name}` has a name or a value that HTTP does not allow")]
    Header {
        /// The header's name.
        name: String,
    },
    /// No HTTP client can be made.
    #[error("the HTTP client cannot start: {reason}; are the system's CA certificates installed?")]
    Client {
        /// What the TLS library says.
        reason: String,
    },
}

/// A [`LanguageModel`] behind OpenAI's protocol.
///
/// Replies must be polled within a tokio runtime with IO and time enabled; [`start`] itself needs
/// none. The request is sent with the first poll.
///
/// [`start`]: LanguageModel::start
pub struct OpenAi {
    client: Client,
    settings: OpenAiSettings,
    url: Url,
    headers: HeaderMap,
    secrets: Arc<Secrets>,
    used: LastUse,
}

/// A connection that was used so lately is still open: servers close idle ones after 60 s or more,
/// the pool after 90.
const STILL_OPEN: Duration = Duration::from_secs(50);

/// When something was last used.
#[derive(Debug)]
struct LastUse {
    began: std::time::Instant,
    /// In ms since then, plus one; 0: never.
    millis: AtomicU64,
}

impl LastUse {
    fn never() -> Self {
        Self { began: std::time::Instant::now(), millis: AtomicU64::new(0) }
    }

    fn now(&self) {
        let millis = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX - 1);
        self.millis.store(millis + 1, Ordering::Relaxed);
    }

    fn within(&self, span: Duration) -> bool {
        let last = self.millis.load(Ordering::Relaxed);
        last > 0 && self.began.elapsed() < Duration::from_millis(last - 1) + span
    }
}

impl OpenAi {
    /// A model with an HTTP client, and so a pool of connections, of its own.
    ///
    /// # Errors
    /// Where a setting cannot be used, or the TLS library cannot start.
    pub fn new(settings: OpenAiSettings) -> Result<Self, OpenAiSettingsError> {
        let client = Client::builder()
            .connect_timeout(settings.timeouts.connect)
            // Redirects are refused, with a clear error: following one turns a POST into a GET.
            .redirect(redirect::Policy::none())
            // Proxies are configured or there is none: only `config` reads the environment.
            .no_proxy()
            .user_agent(concat!("causerie/", env!("CARGO_PKG_VERSION")))
            // Longer than most pauses of a conversation: the next reply finds an open connection.
            .pool_idle_timeout(Duration::from_secs(90))
            .build()
            .map_err(|error| OpenAiSettingsError::Client { reason: reply::chain(&error) })?;
        Self::with_client(client, settings)
    }

    /// A model that shares `client`, and its connections, with others. The client's own timeouts
    /// and redirects apply.
    ///
    /// # Errors
    /// Where a setting cannot be used.
    pub fn with_client(
        client: Client,
        settings: OpenAiSettings,
    ) -> Result<Self, OpenAiSettingsError> {
        let base_url = |reason: String| OpenAiSettingsError::BaseUrl { reason };
        let base = settings.base_url.trim().trim_end_matches('/');
        let url = Url::parse(&format!("{base}/chat/completions"))
            .map_err(|error| base_url(error.to_string()))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(base_url(format!("the scheme `{}` is not spoken here", url.scheme())));
        }

        let mut secrets = Secrets::default();
        for (_, value) in url.query_pairs() {
            secrets.add(&value);
        }
        for part in url.query().into_iter().flat_map(|query| query.split(['&', '='])) {
            secrets.add(part);
        }
        secrets.add(url.password().unwrap_or_default());

        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("text/event-stream"));
        for (name, value) in &settings.headers {
            let refused = || OpenAiSettingsError::Header { name: name.clone() };
            let header = HeaderName::from_bytes(name.as_bytes()).map_err(|_| refused())?;
            headers.insert(header, secret_value(value).ok_or_else(refused)?);
            secrets.add(value);
        }
        if let Some(key) = &settings.api_key {
            let bearer = secret_value(&format!("Bearer {key}"));
            headers.insert(AUTHORIZATION, bearer.ok_or(OpenAiSettingsError::ApiKey)?);
            secrets.add(key);
        }
        let (secrets, used) = (Arc::new(secrets), LastUse::never());
        Ok(Self { client, url, headers, secrets, used, settings })
    }
}

impl LanguageModel for OpenAi {
    /// Opens a connection where none was used lately, by a request that asks for nothing: `HEAD` is
    /// safe (RFC 9110 §9.2.1), whatever the server says to it. A reply finds the connection in the
    /// client's pool.
    fn prepare(&self) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        if self.used.within(STILL_OPEN) {
            return;
        }
        self.used.now();
        let request = self.client.head(self.url.clone()).headers(self.headers.clone());
        let sending = request.timeout(self.settings.timeouts.connect * 2).send();
        let provider = self.settings.provider;
        runtime.spawn(async move {
            if let Err(error) = sending.await {
                // The reply will say so if it is still so.
                tracing::debug!(provider, error = %error.without_url(), "no connection in advance");
            }
        });
    }

    fn start(&self, request: ChatRequest) -> Box<dyn ReplyStream> {
        self.used.now();
        let dialect = Dialect {
            model: &self.settings.model,
            include_usage: self.settings.include_usage,
            max_completion_tokens: self.settings.max_completion_tokens,
        };
        let request = self
            .client
            .post(self.url.clone())
            .headers(self.headers.clone())
            .json(&Request::new(dialect, &request));
        let limits = reply::Limits {
            timeouts: self.settings.timeouts,
            response_bytes: self.settings.max_response_bytes,
        };
        Box::new(OpenAiReply::new(
            self.settings.provider,
            limits,
            Arc::clone(&self.secrets),
            request.send(),
        ))
    }
}

impl fmt::Debug for OpenAi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OpenAi").field(&self.settings).finish()
    }
}

/// A header value that no log of the HTTP libraries shows.
fn secret_value(value: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(value).ok()?;
    value.set_sensitive(true);
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(base: &str) -> Result<String, OpenAiSettingsError> {
        OpenAi::new(OpenAiSettings::new(base, "m")).map(|model| model.url.to_string())
    }

    #[test]
    fn the_path_is_appended_to_the_address() {
        let plain = Ok("https://api.openai.com/v1/chat/completions".to_owned());
        assert_eq!(url("https://api.openai.com/v1"), plain);
        assert_eq!(url(" https://api.openai.com/v1/ "), plain);
        // Vapi's customers put secrets in a query that swallows the path.
        assert_eq!(
            url("https://llm.example/x?s=secret&_="),
            Ok("https://llm.example/x?s=secret&_=/chat/completions".to_owned())
        );
    }

    #[test]
    fn a_wrong_setting_is_named_with_its_remedy() {
        let message = |result: Result<String, OpenAiSettingsError>| {
            result.expect_err("a wrong setting").to_string()
        };
        assert_eq!(
            message(url("api.openai.com/v1")),
            "base_url: relative URL without a base; give an http:// or https:// address such as \
             https://api.openai.com/v1"
        );
        assert_eq!(
            message(url("ftp://host")),
            "base_url: the scheme `ftp` is not spoken here; give an http:// or https:// address \
             such as https://api.openai.com/v1"
        );
        let mut settings = OpenAiSettings::new("http://host", "m");
        settings.api_key = Some("key\n".to_owned());
        assert_eq!(
            OpenAi::new(settings.clone()).expect_err("a line break"),
            OpenAiSettingsError::ApiKey
        );
        settings.api_key = None;
        settings.headers = vec![("x y".to_owned(), "v".to_owned())];
        assert_eq!(
            OpenAi::new(settings).expect_err("a space").to_string(),
            "headers: `x y` has a name or a value that HTTP does not allow"
        );
    }

    #[test]
    fn no_secret_is_shown() {
        let mut settings = OpenAiSettings::new("https://u:password@host/x?s=query-secret", "m");
        settings.api_key = Some("sk-key-secret".to_owned());
        settings.headers = vec![("api-key".to_owned(), "header-secret".to_owned())];
        let model = OpenAi::new(settings).expect("valid settings");
        let shown = format!("{model:?} {model:#?}");
        for secret in ["password", "query-secret", "sk-key-secret", "header-secret"] {
            assert!(!shown.contains(secret), "{secret} in {shown}");
        }
        assert!(shown.contains("host"));
    }
}
