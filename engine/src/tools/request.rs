//! A tool that makes an HTTP request (Vapi's `apiRequest`).

use std::fmt;
use std::time::Duration;

use reqwest::header::CONTENT_TYPE;
use reqwest::{Client, Method, Url};
use serde_json::{Map, Value};

use super::run::{Invocation, Lost};
use super::template::render;
use super::webhook::{Answered, send};
use crate::config::Secret;

/// The request. Its `Debug` shows neither its URL nor its headers.
#[derive(Clone, PartialEq)]
pub struct ApiRequest {
    /// How.
    pub method: Method,
    /// Where to; may name arguments and variables.
    pub url: String,
    /// Sent with it; their values may name arguments and variables.
    pub headers: Vec<(String, Secret)>,
    /// How long it may take.
    pub timeout: Duration,
    /// When it is made again.
    pub backoff: Option<wire::BackoffPlan>,
}

impl fmt::Debug for ApiRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiRequest").field("method", &self.method).finish_non_exhaustive()
    }
}

/// Makes the request. Arguments go into the body; where the method has none, those that the URL does
/// not name go into its query.
pub(super) async fn ask(
    client: &Client,
    request: &ApiRequest,
    call: &Invocation,
    [variables, about]: [&Map<String, Value>; 2],
) -> Result<Answered, Lost> {
    let arguments = &call.arguments;
    let scopes = [arguments, variables, about];
    let mut url = Url::parse(&render(&request.url, &scopes))
        .map_err(|error| Lost::Unreachable(format!("its URL is not one: {error}")))?;
    let has_body = request.method != Method::GET;
    if !has_body {
        let unnamed = arguments.iter().filter(|(name, _)| !names(&request.url, name));
        let unnamed: Vec<_> = unnamed.collect();
        if !unnamed.is_empty() {
            let mut query = url.query_pairs_mut();
            for (name, value) in unnamed {
                let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                query.append_pair(name, &text);
            }
        }
    }
    let make = || {
        let mut made = client.request(request.method.clone(), url.clone()).timeout(request.timeout);
        for (name, value) in &request.headers {
            made = made.header(name, render(value.expose(), &scopes));
        }
        if has_body {
            let body = Value::from(arguments.clone()).to_string();
            made = made.header(CONTENT_TYPE, "application/json").body(body);
        }
        made
    };
    let (status, text) = send(make, request.backoff.as_ref()).await?;
    let text = String::from_utf8_lossy(&text).into_owned();
    if !status.is_success() {
        return Err(Lost::Refused { status: status.as_u16(), text });
    }
    Ok(Answered { result: text, failed: false, message: None })
}

/// The template names the variable.
fn names(template: &str, name: &str) -> bool {
    template.split("{{").skip(1).any(|rest| {
        let path = rest.split(['}', '|', '.']).next().unwrap_or_default();
        path.trim() == name
    })
}
