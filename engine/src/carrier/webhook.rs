//! The webhook a carrier asks what to do with a call, and its answer.

use std::collections::BTreeMap;

use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, XmlVersion};

use crate::transport::twilio::signature::{self, AuthToken};

/// A call about to be announced to the server.
#[derive(Clone, Debug)]
pub struct Webhook {
    /// Where the server listens: `http://host:port/twilio/inbound`.
    pub url: String,
    /// The URL that is signed: the server's public one. Empty: `url`.
    pub signed_url: String,
    /// The account's token; `None` sends no signature.
    pub auth_token: Option<AuthToken>,
    /// The call's sid.
    pub call_sid: String,
    /// The account's sid.
    pub account_sid: String,
    /// The caller's number.
    pub from: String,
    /// The number that was called.
    pub to: String,
}

/// What the server wants done with the call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Dialled {
    /// A media stream to this URL, with these parameters.
    Stream {
        /// As the server's public URL has it.
        url: String,
        /// To be sent in `start`.
        parameters: BTreeMap<String, String>,
    },
    /// The call is refused.
    Rejected,
    /// The call hears this and is ended.
    Said(String),
}

/// Why a server's answer could not be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WebhookError {
    /// The server could not be asked.
    #[error("cannot ask {url}: {source}")]
    Request {
        /// The webhook.
        url: String,
        /// Why.
        source: reqwest::Error,
    },
    /// The server refused to answer.
    #[error("{url} answered {status}: {body}")]
    Status {
        /// The webhook.
        url: String,
        /// HTTP's status.
        status: u16,
        /// The beginning of what it said.
        body: String,
    },
    /// The answer is not TwiML with a verb this carrier knows.
    #[error("the answer is not TwiML that a carrier can follow: {0}")]
    Twiml(String),
}

impl Webhook {
    /// Announces the call and reads what is to be done with it.
    ///
    /// # Errors
    ///
    /// Where the server cannot be reached, or its answer cannot be followed.
    pub async fn dial(&self, client: &reqwest::Client) -> Result<Dialled, WebhookError> {
        let failed = |source| WebhookError::Request { url: self.url.clone(), source };
        let form = [
            ("AccountSid", self.account_sid.as_str()),
            ("ApiVersion", "2010-04-01"),
            ("CallSid", &self.call_sid),
            ("CallStatus", "ringing"),
            ("Direction", "inbound"),
            ("From", &self.from),
            ("To", &self.to),
        ];
        let mut request = client
            .post(&self.url)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(encode(&form));
        if let Some(token) = &self.auth_token {
            let url = if self.signed_url.is_empty() { &self.url } else { &self.signed_url };
            request = request.header(signature::HEADER, token.sign(url, &form));
        }
        let response = request.send().await.map_err(failed)?;
        let status = response.status();
        let body = response.text().await.map_err(failed)?;
        if !status.is_success() {
            let body = body.chars().take(200).collect();
            return Err(WebhookError::Status {
                url: self.url.clone(),
                status: status.into(),
                body,
            });
        }
        read_twiml(&body)
    }
}

/// `application/x-www-form-urlencoded`.
fn encode(form: &[(&str, &str)]) -> String {
    let mut url = reqwest::Url::parse("http://form").expect("a URL");
    url.query_pairs_mut().extend_pairs(form);
    url.query().unwrap_or_default().to_owned()
}

fn read_twiml(text: &str) -> Result<Dialled, WebhookError> {
    let broken = |error: &dyn std::fmt::Display| WebhookError::Twiml(error.to_string());
    let mut reader = Reader::from_str(text);
    let mut stream: Option<(String, BTreeMap<String, String>)> = None;
    loop {
        let event = reader.read_event().map_err(|error| broken(&error))?;
        match event {
            Event::Start(tag) | Event::Empty(tag) => match tag.name().as_ref() {
                "Stream" => stream = Some((attribute(&tag, "url")?, BTreeMap::new())),
                "Parameter" => {
                    if let Some((_, parameters)) = &mut stream {
                        parameters.insert(attribute(&tag, "name")?, attribute(&tag, "value")?);
                    }
                }
                "Reject" => return Ok(Dialled::Rejected),
                "Say" => {
                    let said = reader.read_text(tag.name()).map_err(|error| broken(&error))?;
                    let said = quick_xml::escape::unescape(&said).map_err(|e| broken(&e))?;
                    return Ok(Dialled::Said(said.into_owned()));
                }
                _ => {}
            },
            Event::Eof => break,
            _ => {}
        }
    }
    let (url, parameters) =
        stream.ok_or_else(|| WebhookError::Twiml("no Stream, Reject or Say in it".to_owned()))?;
    Ok(Dialled::Stream { url, parameters })
}

fn attribute(tag: &BytesStart<'_>, name: &str) -> Result<String, WebhookError> {
    let missing = || WebhookError::Twiml(format!("`{name}` is missing or broken"));
    let attribute = tag.try_get_attribute(name).ok().flatten().ok_or_else(missing)?;
    let value = attribute.normalized_value(XmlVersion::Implicit1_0).map_err(|_| missing())?;
    Ok(value.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::twilio::twiml;

    #[test]
    fn what_the_engine_writes_is_read_back() {
        let odd = r#"O'Hara & "Sons" <x>"#;
        let twiml = twiml::connect_stream("wss://a.example/m", &[("token", "t"), ("who", odd)]);
        let expected = Dialled::Stream {
            url: "wss://a.example/m".to_owned(),
            parameters: [("token", "t"), ("who", odd)]
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into(),
        };
        assert_eq!(read_twiml(&twiml.expect("valid")).expect("read"), expected);
        assert_eq!(read_twiml(&twiml::reject_busy()).expect("read"), Dialled::Rejected);
        let said = twiml::say_and_hang_up("a < b").expect("valid");
        assert_eq!(read_twiml(&said).expect("read"), Dialled::Said("a < b".to_owned()));
    }

    #[test]
    fn other_answers_are_errors() {
        for text in ["", "not found", "<Response/>", "<Response><Stream/></Response>", "<a"] {
            assert!(matches!(read_twiml(text), Err(WebhookError::Twiml(_))), "{text:?}");
        }
    }

    #[test]
    fn forms_are_encoded() {
        assert_eq!(encode(&[("From", "+49 1&2"), ("é", "")]), "From=%2B49+1%262&%C3%A9=");
    }
}
