//! Proves to customers' servers who asks them: requests are signed with the credential that
//! `server.credentialId` names.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::{AUTHORIZATION, HeaderName, HeaderValue};
use serde::Deserialize;
use uuid::Uuid;

use crate::config::{self, Authentication, Hash, Secret, ServerUrl, Signing};
use crate::store::{Collection, Store, StoreError, Timestamp};

/// How long the server that gives tokens may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// A token is not used in its last seconds: it could end on its way.
const MARGIN: Duration = Duration::from_secs(30);

/// How long a token holds where the server does not say (RFC 6749 §5.1 leaves it open).
const LIFETIME: Duration = Duration::from_secs(300);

/// Tokens that are kept.
const KEPT: usize = 256;

/// Signs requests. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Authority(Arc<Parts>);

struct Parts {
    store: Store,
    client: reqwest::Client,
    /// The oldest first.
    #[expect(
        clippy::disallowed_types,
        reason = "taken when a customer's server is asked, far from a call's audio"
    )]
    tokens: tokio::sync::Mutex<Vec<Token>>,
}

struct Token {
    credential: Uuid,
    /// When the credential was changed last: a changed one asks anew.
    version: Timestamp,
    text: Secret,
    until: Timestamp,
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Authority")
    }
}

/// Why a request cannot be signed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AuthorityError {
    /// The organisation has no such credential, or it is for something else.
    #[error("credentialId {0} is no credential that signs requests")]
    Unknown(Uuid),
    /// The server that gives tokens gives none.
    #[error("no OAuth2 token: {0}")]
    NoToken(String),
    /// The database fails.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A request that is to be signed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Unsigned<'a> {
    /// `POST`, as a rule.
    pub(crate) method: &'a str,
    /// Where to.
    pub(crate) url: &'a str,
    /// Names the message.
    pub(crate) id: &'a str,
    /// What is sent.
    pub(crate) body: &'a [u8],
}

#[derive(Deserialize)]
struct Granted {
    access_token: String,
    #[serde(default)]
    expires_in: Option<f64>,
}

impl Authority {
    pub(crate) fn new(store: Store, client: reqwest::Client) -> Self {
        Self(Arc::new(Parts { store, client, tokens: Default::default() }))
    }

    /// The headers that prove that `request` comes from this organisation.
    ///
    /// # Errors
    ///
    /// Why there are none.
    pub(crate) async fn headers(
        &self,
        organisation: Uuid,
        credential: Uuid,
        request: Unsigned<'_>,
    ) -> Result<Vec<(HeaderName, HeaderValue)>, AuthorityError> {
        let store = &self.0.store;
        let stored = store.resource(Collection::Credentials, organisation, credential).await?;
        let stored = stored.ok_or(AuthorityError::Unknown(credential))?;
        let unknown = || AuthorityError::Unknown(credential);
        Ok(match config::authentication(&stored.document).ok_or_else(unknown)? {
            Authentication::Bearer { header, value } => vec![(header, hidden(value.expose()))],
            Authentication::Hmac(signing) => signed(&signing, request, Timestamp::now()),
            Authentication::OAuth2 { url, client, secret, scope } => {
                let asked = Asked { url: &url, client: &client, secret: &secret, scope };
                let token = self.token(credential, stored.updated_at, asked).await?;
                vec![(AUTHORIZATION, hidden(&format!("Bearer {}", token.expose())))]
            }
        })
    }

    /// A server did not believe a token: the next request asks for another. `false`: there was
    /// none.
    pub(crate) async fn forget(&self, credential: Uuid) -> bool {
        let mut tokens = self.0.tokens.lock().await;
        let before = tokens.len();
        tokens.retain(|token| token.credential != credential);
        tokens.len() < before
    }

    /// One request for a token at a time: calls that start together need it together.
    async fn token(
        &self,
        credential: Uuid,
        version: Timestamp,
        asked: Asked<'_>,
    ) -> Result<Secret, AuthorityError> {
        let mut tokens = self.0.tokens.lock().await;
        let now = Timestamp::now();
        let fresh = |token: &Token| token.version == version && token.until > now;
        if let Some(token) = tokens.iter().find(|token| token.credential == credential)
            && fresh(token)
        {
            return Ok(token.text.clone());
        }
        tokens.retain(|token| token.credential != credential && token.until > now);
        let granted = asked.grant(&self.0.client).await.map_err(AuthorityError::NoToken)?;
        let lifetime = granted.expires_in.and_then(|s| Duration::try_from_secs_f64(s).ok());
        let until = now.after(lifetime.unwrap_or(LIFETIME).saturating_sub(MARGIN));
        let text = Secret::new(granted.access_token);
        if tokens.len() == KEPT {
            tokens.remove(0);
        }
        tokens.push(Token { credential, version, text: text.clone(), until });
        Ok(text)
    }
}

/// A request for a token (RFC 6749 §4.4.2).
struct Asked<'a> {
    url: &'a ServerUrl,
    client: &'a str,
    secret: &'a Secret,
    scope: Option<String>,
}

impl Asked<'_> {
    async fn grant(self, client: &reqwest::Client) -> Result<Granted, String> {
        let request = client
            .post(self.url.expose())
            .header(reqwest::header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .timeout(TIMEOUT)
            .body(self.form());
        // Its URL may hold a secret.
        let lost = |error: reqwest::Error| error.without_url().to_string();
        let answer = request.send().await.map_err(lost)?;
        let status = answer.status();
        if !status.is_success() {
            return Err(format!("{} answered {}", self.url, status.as_u16()));
        }
        let text = answer.bytes().await.map_err(lost)?;
        serde_json::from_slice(&text)
            .map_err(|_| format!("{} answered without an access_token", self.url))
    }

    fn form(&self) -> String {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("grant_type", "client_credentials");
        form.append_pair("client_id", self.client);
        form.append_pair("client_secret", self.secret.expose());
        if let Some(scope) = &self.scope {
            form.append_pair("scope", scope);
        }
        form.finish()
    }
}

/// A header's value that is not shown where the request is.
fn hidden(text: &str) -> HeaderValue {
    // What does not fit a header was refused when the credential was stored; a token that does
    // not is worth nothing either way.
    let mut value = HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static(""));
    value.set_sensitive(true);
    value
}

fn signed(
    signing: &Signing,
    request: Unsigned<'_>,
    now: Timestamp,
) -> Vec<(HeaderName, HeaderValue)> {
    let timestamp = (now.as_millis() / 1_000).to_string();
    let algorithm = match signing.algorithm {
        Hash::Sha1 => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
        Hash::Sha256 => hmac::HMAC_SHA256,
        Hash::Sha512 => hmac::HMAC_SHA512,
    };
    let mut mac = hmac::Context::with_key(&hmac::Key::new(algorithm, &signing.key));
    for piece in pieces(&signing.format) {
        mac.update(match piece {
            "{body}" => request.body,
            "{timestamp}" => timestamp.as_bytes(),
            "{method}" => request.method.as_bytes(),
            "{url}" => request.url.as_bytes(),
            "{svix-id}" => request.id.as_bytes(),
            literal => literal.as_bytes(),
        });
    }
    let tag = mac.sign();
    let tag = tag.as_ref();
    let signature = match signing.base64 {
        true => STANDARD.encode(tag),
        false => tag.iter().map(|byte| format!("{byte:02x}")).collect(),
    };
    let mut headers =
        vec![(signing.header.clone(), hidden(&format!("{}{signature}", signing.prefix)))];
    if let Some(header) = &signing.timestamp_header {
        headers.push((header.clone(), hidden(&timestamp)));
    }
    if let Some(header) = &signing.id_header {
        headers.push((header.clone(), hidden(request.id)));
    }
    headers
}

/// `a{b}c` as `a`, `{b}`, `c`: a body that holds braces is never looked into.
fn pieces(format: &str) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut rest = format;
    while let Some(open) = rest.find('{') {
        let (literal, tail) = rest.split_at(open);
        let Some(close) = tail.find('}') else { break };
        pieces.push(literal);
        pieces.push(&tail[..=close]);
        rest = &tail[close + 1..];
    }
    pieces.push(rest);
    pieces
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, Value, json};

    use super::*;

    fn signing(plan: Value) -> Signing {
        let document = json!({"provider": "webhook", "authenticationPlan": plan});
        let Value::Object(document) = document else { unreachable!() };
        let read: Option<Authentication> = config::authentication(&Map::clone(&document));
        let Some(Authentication::Hmac(signing)) = read else { panic!("HMAC") };
        signing
    }

    const REQUEST: Unsigned<'_> = Unsigned {
        method: "POST",
        url: "https://x.io/a",
        id: "msg_p5jXN8AQM9LWM0D4loKWxJek",
        body: b"{\"test\": 2432232314}",
    };

    #[test]
    fn a_body_is_signed_as_svix_signs_it() {
        // The example of Svix's page "Verifying webhooks manually".
        let signing = signing(json!({"type": "hmac", "algorithm": "sha256",
            "secretKey": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "secretIsBase64": true,
            "signatureEncoding": "base64", "signaturePrefix": "v1,",
            "signatureHeader": "svix-signature", "timestampHeader": "svix-timestamp",
            "messageIdHeader": "svix-id", "payloadFormat": "{svix-id}.{timestamp}.{body}"}));
        let now = Timestamp::from_micros(1_614_265_330_000_000);
        let headers = signed(&signing, REQUEST, now);
        let told: Vec<_> = headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.to_str().expect("ASCII")))
            .collect();
        assert_eq!(
            told,
            [
                ("svix-signature", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="),
                ("svix-timestamp", "1614265330"),
                ("svix-id", "msg_p5jXN8AQM9LWM0D4loKWxJek"),
            ]
        );
    }

    #[test]
    fn a_format_is_taken_apart_once() {
        assert_eq!(
            pieces("{method} {url}\n{body}"),
            ["", "{method}", " ", "{url}", "\n", "{body}", ""]
        );
        assert_eq!(pieces("{body"), ["{body"]);
    }

    #[test]
    fn without_a_timestamp_the_body_alone_is_signed() {
        // GitHub's page "Validating webhook deliveries".
        let signing = signing(json!({"type": "hmac", "algorithm": "sha256",
            "secretKey": "It's a Secret to Everybody", "includeTimestamp": false,
            "signatureHeader": "X-Hub-Signature-256", "signaturePrefix": "sha256="}));
        let request = Unsigned { body: b"Hello, World!", ..REQUEST };
        let headers = signed(&signing, request, Timestamp::from_micros(0));
        assert_eq!(headers.len(), 1);
        assert_eq!(
            headers[0].1,
            "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
        );
    }
}
