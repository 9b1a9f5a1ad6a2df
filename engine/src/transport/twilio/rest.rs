//! Twilio's REST API, as far as calls need it: placing one, changing one that is live, and having
//! those that come in announced to us.
//!
//! `POST /2010-04-01/Accounts/{sid}/Calls.json` and `.../Calls/{call}.json` with form parameters and
//! basic authentication (Twilio's page "Call resource", read 2026-11).

use std::fmt;
use std::time::Duration;

use reqwest::header::CONTENT_TYPE;
use serde::Deserialize;

use crate::config::{Secret, ServerUrl};
use crate::http;

/// How long Twilio may take. It answers in a few hundred ms.
const TIMEOUT: Duration = Duration::from_secs(15);

/// The longest answer that is read, in bytes: a call takes some two thousand.
const LONGEST_ANSWER: usize = 256 << 10;

/// Of what becomes of a call we want to know: all that Twilio tells.
const EVENTS: &[&str] = &["initiated", "ringing", "answered", "completed"];

/// The API, wherever it is. Cheap to clone.
#[derive(Clone, Debug)]
pub struct TwilioRest {
    client: reqwest::Client,
    base: ServerUrl,
}

/// An account, and what it is asked in the name of.
#[derive(Clone, PartialEq, Eq)]
pub struct Account {
    /// `AC...`.
    pub sid: String,
    /// The account's sid, or the name of an API key.
    pub user: String,
    /// The auth token, or the API key's secret.
    pub secret: Secret,
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account").field("sid", &self.sid).finish_non_exhaustive()
    }
}

/// A call to be placed.
#[derive(Clone, Debug)]
pub struct Placement<'a> {
    /// Who is called: E.164.
    pub to: &'a str,
    /// Our number: E.164.
    pub from: &'a str,
    /// Asked for TwiML once the call is answered.
    pub url: &'a str,
    /// Told what becomes of the call.
    pub status_url: &'a str,
    /// How long it rings, in seconds.
    pub ring_seconds: u32,
    /// Keys that are pressed once it is answered; empty: none.
    pub digits: &'a str,
}

/// Why Twilio did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RestError {
    /// It refused.
    #[error("Twilio answered {status}: {message}")]
    Refused {
        /// HTTP status.
        status: u16,
        /// Twilio's own words, and its number for them.
        message: String,
    },
    /// The account does not have the number.
    #[error("account {account} has no number {number}")]
    NoNumber {
        /// The account.
        account: String,
        /// The number.
        number: String,
    },
    /// The number's calls go over a SIP trunk, whatever else it says.
    #[error("number {number} is on a SIP trunk ({trunk}): take it off at Twilio first")]
    OnTrunk {
        /// The number.
        number: String,
        /// Twilio's name for the trunk.
        trunk: String,
    },
    /// It was not reached, or not in time.
    #[error("Twilio was not reached: {0}")]
    Unreachable(String),
}

#[derive(Deserialize)]
struct Placed {
    sid: String,
}

/// A page of the account's numbers.
#[derive(Deserialize)]
struct Numbers {
    incoming_phone_numbers: Vec<Number>,
}

#[derive(Deserialize)]
struct Number {
    sid: String,
    #[serde(default)]
    trunk_sid: Option<String>,
}

/// Twilio's error body.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Refusal {
    code: u32,
    message: String,
}

impl TwilioRest {
    /// The API at `base`.
    pub const fn new(client: reqwest::Client, base: ServerUrl) -> Self {
        Self { client, base }
    }

    /// Places a call. Returns its sid.
    ///
    /// # Errors
    ///
    /// Where Twilio refuses or is not reached.
    pub async fn place(
        &self,
        account: &Account,
        call: &Placement<'_>,
    ) -> Result<String, RestError> {
        let ring = call.ring_seconds.to_string();
        let mut form = vec![
            ("To", call.to),
            ("From", call.from),
            ("Url", call.url),
            ("Method", "POST"),
            ("StatusCallback", call.status_url),
            ("StatusCallbackMethod", "POST"),
            ("Timeout", &ring),
        ];
        form.extend(EVENTS.iter().map(|event| ("StatusCallbackEvent", *event)));
        if !call.digits.is_empty() {
            form.push(("SendDigits", call.digits));
        }
        let answer = self.post(account, "Calls.json", &form).await?;
        let placed: Placed = serde_json::from_slice(&answer)
            .map_err(|error| RestError::Unreachable(format!("its answer has no sid: {error}")))?;
        Ok(placed.sid)
    }

    /// Has a live call follow other instructions. Its media stream ends.
    ///
    /// # Errors
    ///
    /// Where Twilio refuses (the call is over, for one) or is not reached.
    pub async fn redirect(
        &self,
        account: &Account,
        call_sid: &str,
        twiml: &str,
    ) -> Result<(), RestError> {
        self.post(account, &format!("Calls/{call_sid}.json"), &[("Twiml", twiml)]).await.map(drop)
    }

    /// Hangs up, or stops the ringing.
    ///
    /// # Errors
    ///
    /// As [`Self::redirect`].
    pub async fn hang_up(&self, account: &Account, call_sid: &str) -> Result<(), RestError> {
        let form = [("Status", "completed")];
        self.post(account, &format!("Calls/{call_sid}.json"), &form).await.map(drop)
    }

    /// Sends a text message.
    ///
    /// # Errors
    ///
    /// Where Twilio refuses (the number cannot send any, for one) or is not reached.
    pub async fn send_message(
        &self,
        account: &Account,
        (from, to): (&str, &str),
        text: &str,
    ) -> Result<(), RestError> {
        let form = [("From", from), ("To", to), ("Body", text)];
        self.post(account, "Messages.json", &form).await.map(drop)
    }

    /// Has the calls to `number` announced at `voice_url` (Twilio's page "IncomingPhoneNumber
    /// resource", read 2026-11).
    ///
    /// # Errors
    ///
    /// Where the account does not have it, Twilio refuses or is not reached.
    pub async fn announce_calls(
        &self,
        account: &Account,
        number: &str,
        voice_url: &str,
    ) -> Result<(), RestError> {
        let query = form_urlencoded::Serializer::new(String::new())
            .append_pair("PhoneNumber", number)
            .finish();
        let url = self.url(account, &format!("IncomingPhoneNumbers.json?{query}"));
        let answer = ask(self.client.get(url), account).await?;
        let Numbers { incoming_phone_numbers } = serde_json::from_slice(&answer)
            .map_err(|error| RestError::Unreachable(format!("its answer lists none: {error}")))?;
        let found = incoming_phone_numbers.into_iter().next();
        let Some(Number { sid, trunk_sid }) = found else {
            let (account, number) = (account.sid.clone(), number.to_owned());
            return Err(RestError::NoNumber { account, number });
        };
        if let Some(trunk) = trunk_sid.filter(|trunk| !trunk.is_empty()) {
            return Err(RestError::OnTrunk { number: number.to_owned(), trunk });
        }
        // An application, where the number has one, would go before the URL.
        let form = [("VoiceUrl", voice_url), ("VoiceMethod", "POST"), ("VoiceApplicationSid", "")];
        self.post(account, &format!("IncomingPhoneNumbers/{sid}.json"), &form).await.map(drop)
    }

    fn url(&self, account: &Account, path: &str) -> String {
        format!("{}/2010-04-01/Accounts/{}/{path}", self.base.expose(), account.sid)
    }

    async fn post(
        &self,
        account: &Account,
        path: &str,
        form: &[(&str, &str)],
    ) -> Result<Vec<u8>, RestError> {
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let request = self
            .client
            .post(self.url(account, path))
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(body);
        ask(request, account).await
    }
}

/// The answer to a request in the name of `account`.
async fn ask(request: reqwest::RequestBuilder, account: &Account) -> Result<Vec<u8>, RestError> {
    let lost = |error: reqwest::Error| RestError::Unreachable(error.without_url().to_string());
    let request = request.basic_auth(&account.user, Some(account.secret.expose())).timeout(TIMEOUT);
    let answer = request.send().await.map_err(lost)?;
    let status = answer.status();
    let text = http::body(answer, LONGEST_ANSWER).await;
    let text = text.map_err(|error| RestError::Unreachable(error.to_string()))?;
    if status.is_success() {
        return Ok(text);
    }
    let Refusal { code, message } = serde_json::from_slice(&text).unwrap_or_default();
    let message = if code == 0 { message } else { format!("{message} (error {code})") };
    Err(RestError::Refused { status: status.as_u16(), message })
}

/// A live call, and what it takes to change it. Its `Debug` shows no secret.
#[derive(Clone, Debug)]
pub struct LiveCall {
    /// The API.
    pub rest: TwilioRest,
    /// The account that carries the call.
    pub account: Account,
    /// The call.
    pub sid: String,
}

impl LiveCall {
    /// As [`TwilioRest::redirect`].
    ///
    /// # Errors
    ///
    /// As it.
    pub async fn redirect(&self, twiml: &str) -> Result<(), RestError> {
        self.rest.redirect(&self.account, &self.sid, twiml).await
    }

    /// As [`TwilioRest::hang_up`].
    ///
    /// # Errors
    ///
    /// As it.
    pub async fn hang_up(&self) -> Result<(), RestError> {
        self.rest.hang_up(&self.account, &self.sid).await
    }
}
