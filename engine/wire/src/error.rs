//! What a refused request is answered with.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::OneOrMany;

/// The error body of Vapi's API (NestJS's): `{"message": ["property x should not exist"],
/// "error": "Bad Request", "statusCode": 400}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ErrorBody {
    /// What is wrong: a list where a body was checked, else one sentence.
    pub message: OneOrMany,
    /// The status in words.
    pub error: String,
    /// The status.
    pub status_code: u16,
}
