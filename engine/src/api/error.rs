//! Refusals, in the shape of Vapi's.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use wire::{ErrorBody, OneOrMany};

use crate::config::CallProblem;
use crate::store::{ObjectError, StoreError};

/// Why a request is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ApiError {
    status: StatusCode,
    message: OneOrMany,
}

impl ApiError {
    /// 400: everything that is wrong with the body, each with its path.
    pub(super) const fn invalid(problems: Vec<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, message: OneOrMany::Many(problems) }
    }

    /// 400, in one sentence.
    pub(super) fn bad_request(message: impl Into<String>) -> Self {
        Self::with(StatusCode::BAD_REQUEST, message)
    }

    /// 401: no key, a wrong one, or one for something else.
    pub(super) fn unauthorized() -> Self {
        let message = "Invalid Key. Send a private key as `Authorization: Bearer <key>`; a public \
                       key is for calls from a browser only.";
        Self::with(StatusCode::UNAUTHORIZED, message)
    }

    /// 404: this organisation has no such thing.
    pub(super) fn not_found(what: &str) -> Self {
        Self::with(StatusCode::NOT_FOUND, format!("{what} not found."))
    }

    /// What is wrong, each by itself.
    pub(super) fn messages(self) -> Vec<String> {
        match self.message {
            OneOrMany::One(message) => vec![message],
            OneOrMany::Many(messages) => messages,
        }
    }

    /// With this status.
    pub(super) fn with(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, message: OneOrMany::One(message.into()) }
    }
}

impl ApiError {
    /// As Vapi's bodies have it.
    pub(super) fn body(&self) -> ErrorBody {
        let error = self.status.canonical_reason().unwrap_or("Error").to_owned();
        let message = self.message.clone();
        ErrorBody { message, error, status_code: self.status.as_u16() }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        (self.status, Json(self.body())).into_response()
    }
}

impl From<CallProblem> for ApiError {
    fn from(problem: CallProblem) -> Self {
        match problem {
            CallProblem::Invalid(problems) => Self::invalid(problems),
            CallProblem::NotServed(what) => {
                Self::with(StatusCode::NOT_IMPLEMENTED, format!("{what} is not served here yet"))
            }
        }
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        // What the database says is for the operator.
        tracing::error!(%error, "a request failed");
        Self::with(StatusCode::INTERNAL_SERVER_ERROR, "Internal server error")
    }
}

impl From<ObjectError> for ApiError {
    fn from(error: ObjectError) -> Self {
        // What the place of files says is for the operator.
        tracing::error!(%error, "a file is not to be had");
        Self::with(StatusCode::SERVICE_UNAVAILABLE, "the place of files does not answer")
    }
}

impl From<serde_json::Error> for ApiError {
    fn from(error: serde_json::Error) -> Self {
        StoreError::from(error).into()
    }
}
