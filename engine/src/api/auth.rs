//! Who asks: a private key, as `Authorization: Bearer`.

use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use uuid::Uuid;

use super::error::ApiError;
use crate::app::App;
use crate::store::KeyKind;

/// The organisation that asks. A handler that takes one is open to nobody else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Owner(pub(super) Uuid);

/// The key that a request brings.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let header = headers.get(AUTHORIZATION).and_then(|header| header.to_str().ok())?;
    let (scheme, key) = header.split_once(' ')?;
    // RFC 7235 §2.1: the scheme's case does not matter.
    scheme.eq_ignore_ascii_case("bearer").then(|| key.trim())
}

/// The request brings a key of this organisation, of either kind.
pub(super) async fn require_key(
    app: &App,
    headers: &HeaderMap,
    organisation: Uuid,
) -> Result<(), ApiError> {
    let key = bearer(headers).ok_or_else(ApiError::unauthorized)?;
    for kind in [KeyKind::Public, KeyKind::Private] {
        if app.store().owner(key, kind).await? == Some(organisation) {
            return Ok(());
        }
    }
    Err(ApiError::unauthorized())
}

impl FromRequestParts<App> for Owner {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let key = bearer(&parts.headers).ok_or_else(ApiError::unauthorized)?;
        let owner = app.store().owner(key, KeyKind::Private).await?;
        owner.map(Self).ok_or_else(ApiError::unauthorized)
    }
}
