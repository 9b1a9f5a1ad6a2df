//! Who asks: a private key, as `Authorization: Bearer`.

use axum::extract::FromRequestParts;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use uuid::Uuid;

use super::error::ApiError;
use crate::app::App;
use crate::store::KeyKind;

/// The organisation that asks. A handler that takes one is open to nobody else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Owner(pub(super) Uuid);

impl FromRequestParts<App> for Owner {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let header = parts.headers.get(AUTHORIZATION).and_then(|header| header.to_str().ok());
        let (scheme, key) =
            header.and_then(|header| header.split_once(' ')).ok_or_else(ApiError::unauthorized)?;
        // RFC 7235 §2.1: the scheme's case does not matter.
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Err(ApiError::unauthorized());
        }
        let owner = app.store().owner(key.trim(), KeyKind::Private).await?;
        owner.map(Self).ok_or_else(ApiError::unauthorized)
    }
}
