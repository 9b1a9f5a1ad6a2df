//! Numbers that are imported from Twilio: its account has their calls announced here.

use std::collections::BTreeMap;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use crate::stage::{NUMBER, Stage, id};

const SID: &str = "PN00000000000000000000000000000001";
const TRUNKED: &str = "+33155555555";

type Form = BTreeMap<String, String>;

/// The part of Twilio's REST API that is about an account's numbers, as its page
/// "IncomingPhoneNumber resource" describes it. Tells each change.
async fn account() -> (String, mpsc::UnboundedReceiver<Form>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("bound"));
    let (sender, changes) = mpsc::unbounded_channel();
    let router = Router::new()
        .route("/2010-04-01/Accounts/AC1/IncomingPhoneNumbers.json", get(list))
        .route("/2010-04-01/Accounts/AC1/IncomingPhoneNumbers/{number}", post(change))
        .with_state(sender);
    tokio::spawn(async { axum::serve(listener, router).await });
    (url, changes)
}

fn refused(headers: &HeaderMap) -> Option<Response> {
    let expected = format!("Basic {}", STANDARD.encode("AC1:hunter2"));
    let given = headers.get(header::AUTHORIZATION).and_then(|given| given.to_str().ok());
    if given == Some(&expected) {
        return None;
    }
    let body = json!({"code": 20003, "message": "Authenticate", "status": 401,
        "more_info": "https://www.twilio.com/docs/errors/20003"});
    Some((StatusCode::UNAUTHORIZED, axum::Json(body)).into_response())
}

async fn list(headers: HeaderMap, Query(query): Query<Form>) -> Response {
    if let Some(refused) = refused(&headers) {
        return refused;
    }
    let numbers = match query["PhoneNumber"].as_str() {
        NUMBER => json!([{"sid": SID, "phone_number": NUMBER, "trunk_sid": null}]),
        TRUNKED => json!([{"sid": "PN2", "phone_number": TRUNKED, "trunk_sid": "TK1"}]),
        _ => json!([]),
    };
    axum::Json(json!({"incoming_phone_numbers": numbers, "page": 0})).into_response()
}

async fn change(
    State(changes): State<mpsc::UnboundedSender<Form>>,
    Path(number): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    if let Some(refused) = refused(&headers) {
        return refused;
    }
    let mut form: Form = form_urlencoded::parse(&body).into_owned().collect();
    form.insert("sid".to_owned(), number.clone());
    let _ = changes.send(form);
    axum::Json(json!({"sid": number.trim_end_matches(".json")})).into_response()
}

fn import(number: &str, token: &str) -> Value {
    json!({"provider": "twilio", "number": number, "twilioAccountSid": "AC1",
        "twilioAuthToken": token})
}

#[tokio::test]
async fn the_calls_of_an_imported_number_are_announced_here() {
    let (twilio, mut changes) = account().await;
    let data = tempfile::tempdir().expect("a directory");
    let keys = [
        ("CAUSERIE_TWILIO_API_URL", twilio.as_str()),
        ("CAUSERIE_TWILIO_CONFIGURE_NUMBERS", "true"),
        ("CAUSERIE_PUBLIC_URL", "https://voice.example"),
    ];
    let stage = Stage::start(data.path(), &keys).await;
    let made = stage.create("/phone-number", import(NUMBER, "hunter2")).await;
    let change = changes.recv().await.expect("Twilio runs");
    assert_eq!(change["sid"], format!("{SID}.json"));
    assert_eq!(change["VoiceUrl"], "https://voice.example/twilio/inbound");
    assert_eq!(
        (change["VoiceMethod"].as_str(), change["VoiceApplicationSid"].as_str()),
        ("POST", "")
    );
    let path = format!("/phone-number/{}", id(&made));
    let (status, _) = stage.ask(Method::PATCH, &path, Some(json!({"name": "Accueil"}))).await;
    assert_eq!(status, StatusCode::OK);
    assert!(changes.try_recv().is_err(), "a name changes nothing at Twilio");

    for (number, token, message) in [
        ("+33199999999", "hunter2", "account AC1 has no number +33199999999"),
        (
            TRUNKED,
            "hunter2",
            "number +33155555555 is on a SIP trunk (TK1): take it off at Twilio first",
        ),
        ("+33199999999", "wrong", "Twilio answered 401: Authenticate (error 20003)"),
    ] {
        let sent = Some(import(number, token));
        let (status, body) = stage.ask(Method::POST, "/phone-number", sent).await;
        assert_eq!(status, StatusCode::BAD_REQUEST);
        let expected = format!("the number's calls cannot be announced here: {message}");
        assert_eq!(body["message"], expected);
    }
    assert_eq!(stage.get("/phone-number").await.as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn who_has_no_public_url_is_told_so() {
    let data = tempfile::tempdir().expect("a directory");
    let keys = [("CAUSERIE_TWILIO_CONFIGURE_NUMBERS", "true")];
    let stage = Stage::start(data.path(), &keys).await;
    let sent = Some(import(NUMBER, "hunter2"));
    let (status, body) = stage.ask(Method::POST, "/phone-number", sent).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(body["message"].as_str().is_some_and(|m| m.contains("`public_url`")), "{body}");
}
