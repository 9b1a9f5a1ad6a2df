//! The JSON object in a request's body.

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{FromRequest, Request};
use serde_json::{Map, Value};

use super::error::ApiError;

/// A JSON object; no body is an empty one.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Document(pub(super) Map<String, Value>);

impl<S: Send + Sync> FromRequest<S> for Document {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let body = Bytes::from_request(request, state).await;
        let body = body.map_err(|rejection: BytesRejection| {
            ApiError::with(rejection.status(), rejection.body_text())
        })?;
        if body.is_empty() {
            return Ok(Self(Map::new()));
        }
        match serde_json::from_slice(&body) {
            Ok(Value::Object(document)) => Ok(Self(document)),
            Ok(_) => Err(ApiError::bad_request("the body must be a JSON object")),
            Err(error) => Err(ApiError::bad_request(format!("the body is not JSON: {error}"))),
        }
    }
}

/// Puts `sent` over `stored`, field by field and not deeper, as Vapi's PATCH does: sending `model`
/// without its messages loses them. `null` takes a field away.
pub(super) fn patched(stored: &Map<String, Value>, sent: Map<String, Value>) -> Map<String, Value> {
    let mut document = stored.clone();
    for (name, value) in sent {
        if value.is_null() {
            document.remove(&name);
        } else {
            document.insert(name, value);
        }
    }
    document
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_patch_replaces_whole_fields() {
        let (Value::Object(stored), Value::Object(sent)) = (
            json!({"name": "a", "model": {"model": "gpt-4o", "messages": []}, "metadata": {}}),
            json!({"model": {"model": "gpt-4o-mini"}, "metadata": null}),
        ) else {
            panic!("objects");
        };
        let expected = json!({"name": "a", "model": {"model": "gpt-4o-mini"}});
        assert_eq!(Value::from(patched(&stored, sent)), expected);
    }
}
