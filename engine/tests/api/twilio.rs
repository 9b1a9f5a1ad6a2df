//! Twilio's side: its REST API, its webhooks and its callbacks, as its pages describe them.

use std::collections::BTreeMap;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use engine::transport::twilio::signature::{AuthToken, HEADER};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};

use crate::stage::AUTH_TOKEN;

/// The account.
pub(crate) const ACCOUNT: &str = "AC1";

/// Something its API was asked to do, and did.
#[derive(Clone, Debug, Default)]
pub(crate) struct Asked {
    /// The call.
    pub(crate) sid: String,
    /// The form's parameters; those that occur more than once joined by a blank.
    pub(crate) form: BTreeMap<String, String>,
}

/// The API.
pub(crate) struct Twilio {
    pub(crate) url: String,
    asked: mpsc::UnboundedReceiver<Asked>,
}

struct Question {
    /// `None`: a new one.
    call: Option<String>,
    authorization: String,
    form: BTreeMap<String, String>,
    answer: oneshot::Sender<Response>,
}

impl Twilio {
    /// Starts it. `live`: calls that are there can be changed.
    pub(crate) async fn start(live: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("bound"));
        let (questions, mut waiting) = mpsc::unbounded_channel::<Question>();
        let router = Router::new()
            .route("/2010-04-01/Accounts/{account}/Calls.json", post(place))
            .route("/2010-04-01/Accounts/{account}/Calls/{call}", post(change))
            .route("/2010-04-01/Accounts/{account}/Messages.json", post(text))
            .with_state(questions);
        tokio::spawn(async { axum::serve(listener, router).await });
        let (sender, asked) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            let mut placed = 0;
            while let Some(question) = waiting.recv().await {
                let response = if question.authorization == basic(ACCOUNT, AUTH_TOKEN) {
                    let (response, done) = answer(&question, live, &mut placed);
                    if let Some(done) = done {
                        let _ = sender.send(done);
                    }
                    response
                } else {
                    refused(401, 20003, "Authenticate")
                };
                let _ = question.answer.send(response);
            }
        });
        Self { url, asked }
    }

    /// The next thing it did.
    pub(crate) async fn next(&mut self) -> Asked {
        self.asked.recv().await.expect("it runs")
    }
}

impl Asked {
    pub(crate) fn get(&self, name: &str) -> &str {
        self.form.get(name).map_or("", String::as_str)
    }

    /// Asks at `url` what is to be done with the call now.
    pub(crate) async fn asks(&self, url: &str) -> String {
        let form = [
            ("AccountSid", ACCOUNT),
            ("CallSid", &self.sid),
            ("CallStatus", "in-progress"),
            ("From", self.get("From")),
            ("To", self.get("To")),
        ];
        let answer = signed(url, &form, AUTH_TOKEN).await;
        assert_eq!(answer.status(), StatusCode::OK, "{url}");
        answer.text().await.expect("TwiML")
    }

    /// Calls back about the call, signed with `token`.
    pub(crate) async fn calls_back(&self, status: &str, token: &str) -> StatusCode {
        let form = [
            ("AccountSid", ACCOUNT),
            ("ApiVersion", "2010-04-01"),
            ("CallSid", &self.sid),
            ("CallStatus", status),
            ("CallbackSource", "call-progress-events"),
            ("Direction", "outbound-api"),
            ("From", self.get("From")),
            ("SequenceNumber", "0"),
            ("Timestamp", "Sat, 21 Nov 2026 06:00:00 +0000"),
            ("To", self.get("To")),
        ];
        signed(self.get("StatusCallback"), &form, token).await.status()
    }
}

async fn signed(url: &str, form: &[(&str, &str)], token: &str) -> reqwest::Response {
    let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let request = client
        .post(url)
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .header(HEADER, AuthToken::new(token).sign(url, form))
        .body(body);
    request.send().await.expect("an answer")
}

fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}

fn answer(question: &Question, live: bool, placed: &mut u32) -> (Response, Option<Asked>) {
    let get = |name: &str| question.form.get(name).map_or("", String::as_str);
    let form = question.form.clone();
    if let Some(sid) = &question.call {
        if !live {
            let text = "Call is not in-progress. Cannot redirect.";
            return (refused(400, 21220, text), None);
        }
        let asked = Asked { sid: sid.clone(), form };
        return (resource(StatusCode::OK, sid, "in-progress", &asked), Some(asked));
    }
    for (name, code) in [("To", 21201), ("From", 21213), ("Url", 21205)] {
        if get(name).is_empty() {
            return (refused(400, code, &format!("No '{name}' is specified")), None);
        }
    }
    if !get("To").starts_with('+') {
        let text = format!("The 'To' number {} is not a valid phone number.", get("To"));
        return (refused(400, 21211, &text), None);
    }
    *placed += 1;
    let sid = format!("CA{placed:032x}");
    let asked = Asked { sid: sid.clone(), form };
    (resource(StatusCode::CREATED, &sid, "queued", &asked), Some(asked))
}

/// A call, as the API shows it.
fn resource(code: StatusCode, sid: &str, status: &str, asked: &Asked) -> Response {
    let body: Value = json!({
        "sid": sid, "account_sid": ACCOUNT, "api_version": "2010-04-01", "status": status,
        "to": asked.get("To"), "from": asked.get("From"), "direction": "outbound-api",
        "date_created": null, "date_updated": null, "start_time": null, "end_time": null,
        "duration": null, "price": null, "price_unit": "USD", "answered_by": null,
        "uri": format!("/2010-04-01/Accounts/{ACCOUNT}/Calls/{sid}.json"),
    });
    (code, axum::Json(body)).into_response()
}

fn refused(status: u16, code: u32, message: &str) -> Response {
    let body = json!({"code": code, "message": message, "status": status,
        "more_info": format!("https://www.twilio.com/docs/errors/{code}")});
    let status = StatusCode::from_u16(status).expect("a status");
    (status, axum::Json(body)).into_response()
}

async fn place(
    State(questions): State<mpsc::UnboundedSender<Question>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    ask(&questions, None, &headers, &body).await
}

async fn text(
    State(questions): State<mpsc::UnboundedSender<Question>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    ask(&questions, Some("Messages".to_owned()), &headers, &body).await
}

async fn change(
    State(questions): State<mpsc::UnboundedSender<Question>>,
    Path((_, call)): Path<(String, String)>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    ask(&questions, Some(call.trim_end_matches(".json").to_owned()), &headers, &body).await
}

async fn ask(
    questions: &mpsc::UnboundedSender<Question>,
    call: Option<String>,
    headers: &HeaderMap,
    body: &Bytes,
) -> Response {
    let authorization = headers.get(header::AUTHORIZATION).and_then(|given| given.to_str().ok());
    let mut form = BTreeMap::<String, String>::new();
    for (name, value) in form_urlencoded::parse(body).into_owned() {
        let values = form.entry(name).or_default();
        if !values.is_empty() {
            values.push(' ');
        }
        values.push_str(&value);
    }
    let (answer, answered) = oneshot::channel();
    let authorization = authorization.unwrap_or_default().to_owned();
    let _ = questions.send(Question { call, authorization, form, answer });
    answered.await.expect("it answers")
}
