//! Who asks: a key, or a token that was signed with one, as `Authorization: Bearer`.
//!
//! A private key opens everything of its organisation. A public one is for browsers: it starts
//! calls and chats, and may be restricted to pages and assistants. A token (RFC 7519) is what Vapi's
//! pages describe: HS256 with a private key, `{"orgId", "token": {"tag", "restrictions"}}`.

use axum::extract::FromRequestParts;
use axum::http::header::{AUTHORIZATION, ORIGIN};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, dangerous};
use serde::Deserialize;
use uuid::Uuid;
use wire::KeyRestrictions;

use super::error::ApiError;
use crate::app::App;
use crate::store::KeyKind;

/// The organisation that asks, by a private key. A handler that takes one is open to nobody else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Owner(pub(super) Uuid);

/// Somebody who starts a conversation: a private key, or a public one on a page that it is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Caller {
    /// The organisation.
    pub(super) organisation: Uuid,
    kind: KeyKind,
    restrictions: KeyRestrictions,
}

/// The request brings a key or a token of this organisation, of either kind.
pub(super) async fn require_key(
    app: &App,
    headers: &HeaderMap,
    organisation: Uuid,
) -> Result<(), ApiError> {
    let caller = caller(headers, app).await?;
    if caller.organisation == organisation { Ok(()) } else { Err(ApiError::unauthorized()) }
}

impl FromRequestParts<App> for Owner {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let caller = caller(&parts.headers, app).await?;
        match caller.kind {
            KeyKind::Private => Ok(Self(caller.organisation)),
            KeyKind::Public => Err(ApiError::unauthorized()),
        }
    }
}

impl FromRequestParts<App> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let caller = caller(&parts.headers, app).await?;
        let origin = parts.headers.get(ORIGIN).and_then(|origin| origin.to_str().ok());
        if caller.may_come_from(origin) {
            return Ok(caller);
        }
        let page = origin.unwrap_or("no page");
        let message = format!("this key is not for {page}: add it to the key's allowedOrigins");
        Err(ApiError::with(StatusCode::FORBIDDEN, message))
    }
}

impl Caller {
    /// Whether the key may start the stored assistant of this id; `None`: one that is written out in
    /// the request, or a squad, which is not one assistant.
    ///
    /// # Errors
    ///
    /// 403, which says what the key lacks.
    pub(super) fn may_start(&self, assistant: Option<&str>) -> Result<(), ApiError> {
        let Some(restrictions) = self.restrictions() else { return Ok(()) };
        let allowed = restrictions.allowed_assistant_ids.as_deref().unwrap_or_default();
        let message = match assistant {
            None if restrictions.allow_transient_assistant == Some(false) => {
                "this key starts stored assistants only: see its allowTransientAssistant".to_owned()
            }
            Some(id) if !allowed.is_empty() && !allowed.iter().any(|known| known == id) => {
                format!("this key does not start assistant {id}: see its allowedAssistantIds")
            }
            None | Some(_) => return Ok(()),
        };
        Err(ApiError::with(StatusCode::FORBIDDEN, message))
    }

    fn may_come_from(&self, origin: Option<&str>) -> bool {
        let Some(restrictions) = self.restrictions() else { return true };
        let allowed = restrictions.allowed_origins.as_deref().unwrap_or_default();
        // People write them with a slash at the end, browsers do not (RFC 6454 §6.1).
        let is = |known: &String, origin: &str| {
            known == "*" || known.trim_end_matches('/').eq_ignore_ascii_case(origin)
        };
        allowed.is_empty()
            || origin.is_some_and(|origin| allowed.iter().any(|known| is(known, origin)))
    }

    /// What holds the key back.
    fn restrictions(&self) -> Option<&KeyRestrictions> {
        let restricted = self.kind == KeyKind::Public && self.restrictions.enabled != Some(false);
        restricted.then_some(&self.restrictions)
    }
}

/// What a token says.
#[derive(Debug, Deserialize)]
struct Claims {
    #[serde(rename = "orgId")]
    organisation: Uuid,
    token: Tag,
}

#[derive(Debug, Deserialize)]
struct Tag {
    tag: String,
    #[serde(default)]
    restrictions: Option<KeyRestrictions>,
}

async fn caller(headers: &HeaderMap, app: &App) -> Result<Caller, ApiError> {
    let header = headers.get(AUTHORIZATION).and_then(|header| header.to_str().ok());
    let (scheme, key) =
        header.and_then(|header| header.split_once(' ')).ok_or_else(ApiError::unauthorized)?;
    // RFC 7235 §2.1: the scheme's case does not matter.
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(ApiError::unauthorized());
    }
    let key = key.trim();
    if let Some(record) = app.store().key(key).await? {
        let restrictions = record.restrictions.unwrap_or_default();
        return Ok(Caller { organisation: record.organisation, kind: record.kind, restrictions });
    }
    match key.matches('.').count() {
        2 => signed(key, app).await,
        _ => Err(ApiError::unauthorized()),
    }
}

/// Who holds a token. It is believed once a key of the organisation that it names has signed it.
async fn signed(token: &str, app: &App) -> Result<Caller, ApiError> {
    let claimed = dangerous::insecure_decode_claims::<Claims>(token);
    let claimed = claimed.map_err(|_| ApiError::unauthorized())?;
    // A token without an end is refused: it could not be taken back.
    let validation = Validation::new(Algorithm::HS256);
    for key in app.store().private_keys(claimed.organisation).await? {
        let key = DecodingKey::from_secret(key.expose().as_bytes());
        let Ok(read) = jsonwebtoken::decode::<Claims>(token, &key, &validation) else { continue };
        let Claims { organisation, token: Tag { tag, restrictions } } = read.claims;
        let kind = KeyKind::from_name(&tag).ok_or_else(ApiError::unauthorized)?;
        return Ok(Caller { organisation, kind, restrictions: restrictions.unwrap_or_default() });
    }
    Err(ApiError::unauthorized())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn public(restrictions: KeyRestrictions) -> Caller {
        Caller { organisation: Uuid::nil(), kind: KeyKind::Public, restrictions }
    }

    #[test]
    fn a_restricted_key_is_for_its_pages_and_assistants() {
        let restrictions = KeyRestrictions {
            enabled: Some(true),
            allowed_origins: Some(vec!["https://salon.example/".to_owned()]),
            allowed_assistant_ids: Some(vec!["a".to_owned()]),
            allow_transient_assistant: Some(false),
        };
        let caller = public(restrictions.clone());
        assert!(caller.may_come_from(Some("https://salon.example")));
        assert!(!caller.may_come_from(Some("https://salon.example.evil.example")));
        assert!(!caller.may_come_from(None));
        assert!(caller.may_start(Some("a")).is_ok());
        assert!(caller.may_start(Some("b")).is_err() && caller.may_start(None).is_err());

        let off = public(KeyRestrictions { enabled: Some(false), ..restrictions.clone() });
        assert!(off.may_come_from(None) && off.may_start(None).is_ok());
        let private = Caller { kind: KeyKind::Private, ..public(restrictions) };
        assert!(private.may_come_from(None) && private.may_start(Some("b")).is_ok());
        let free = public(KeyRestrictions::default());
        assert!(free.may_come_from(None) && free.may_start(None).is_ok());
    }
}
