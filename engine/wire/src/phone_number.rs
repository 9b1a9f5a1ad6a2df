//! A phone number: Vapi's `CreateTwilioPhoneNumberDTO` and its kin.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Server, TransferDestination};

/// A number, and who answers it. Its `Debug` shows no secret.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct PhoneNumber {
    /// Whose number it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// E.164.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub number: Option<String>,
    /// At most 40 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Who answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub assistant_id: Option<String>,
    /// The same: a squad.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub squad_id: Option<String>,
    /// Who is called where nobody answers here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fallback_destination: Option<TransferDestination>,
    /// Where messages go when the assistant has no server of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server: Option<Server>,
    /// Twilio's account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub twilio_account_sid: Option<String>,
    /// What that account signs its requests with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub twilio_auth_token: Option<String>,
    /// The name of a key of the account, instead of the token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub twilio_api_key: Option<String>,
    /// The key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub twilio_api_secret: Option<String>,
}

impl fmt::Debug for PhoneNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PhoneNumber")
            .field("provider", &self.provider)
            .field("number", &self.number)
            .field("assistant_id", &self.assistant_id)
            .finish_non_exhaustive()
    }
}
