//! Credentials: kept, never shown, and what requests to a product's server are signed with.

use std::collections::BTreeMap;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::routing::post;
use hmac::{Hmac, Mac as _};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sha2::Sha256;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use crate::receiver::{Received, Receiver, Tools};
use crate::stage::{NUMBER, Stage, chats, id};

async fn stage() -> (tempfile::TempDir, Stage) {
    let data = tempfile::tempdir().expect("a directory");
    let stage = Stage::start(data.path(), &[]).await;
    (data, stage)
}

/// Calls an assistant whose server is `receiver` and asks for `plan`; what the server was sent.
async fn told(plan: Value, receiver: &mut Receiver) -> (Stage, Vec<Received>) {
    let (data, mut stage) = stage().await;
    stage.data = Some(data);
    let credential = json!({"provider": "webhook", "name": "Serveur", "authenticationPlan": plan});
    let credential = id(&stage.create("/credential", credential).await);
    let assistant = json!({"firstMessage": "Bonjour.",
        "server": {"url": receiver.url, "credentialId": credential},
        "serverMessages": ["status-update", "end-of-call-report"]});
    let (assistant, _) = stage.answers(assistant).await;
    let compatible = stage.get(&format!("/assistant/{assistant}/compatibility")).await;
    assert_eq!(compatible["fieldsWithoutEffect"], json!([]));
    stage.call(chats()).await.await.expect("no panic");
    let messages = receiver.until_report().await;
    for received in &messages {
        assert!(!received.message.to_string().contains("hunter2"), "{}", received.message);
    }
    (stage, messages)
}

#[tokio::test]
async fn a_credential_is_kept_and_never_shown() {
    let (_data, stage) = stage().await;
    let trunk = json!({"provider": "byo-sip-trunk", "name": "Trunk",
        "gateways": [{"ip": "sip.example"}],
        "outboundAuthenticationPlan": {"authUsername": "u", "authPassword": "hunter2"}});
    let made = stage.create("/credential", trunk).await;
    assert_eq!((&made["provider"], &made["name"]), (&json!("byo-sip-trunk"), &json!("Trunk")));
    assert_eq!(made["gateways"], json!([{"ip": "sip.example"}]));
    let path = format!("/credential/{}", id(&made));
    let key = json!({"provider": "openai", "apiKey": "hunter2-2"});
    let key = stage.create("/credential", key).await;
    let (_, renamed) = stage.ask(Method::PATCH, &path, Some(json!({"name": "SBC"}))).await;
    assert_eq!(renamed["name"], "SBC");
    let listed = stage.get("/credential").await;
    assert_eq!(listed.as_array().map(Vec::len), Some(2));
    let (status, deleted) = stage.ask(Method::DELETE, &path, None).await;
    assert_eq!(status, StatusCode::OK);
    for shown in [made, key, renamed, listed, deleted] {
        assert!(!shown.to_string().contains("hunter2"), "{shown}");
    }

    let wrong = json!({"provider": "twilio", "authTokn": "t"});
    let (status, body) = stage.ask(Method::POST, "/credential", Some(wrong)).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert_eq!(
        body["message"],
        json!([
            "property authTokn should not exist; did you mean authToken?",
            "accountSid should not be empty",
        ])
    );
    let nobodys = json!({"server": {"url": "https://product.example",
        "credentialId": "00000000-0000-4000-8000-000000000000"}});
    let (status, body) = stage.ask(Method::POST, "/assistant", Some(nobodys)).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    let expected = "server.credentialId 00000000-0000-4000-8000-000000000000 does not exist";
    assert_eq!(body["message"], json!([expected]));
}

#[tokio::test]
async fn a_server_is_shown_its_word() {
    let mut receiver = Receiver::start([]).await;
    let plan = json!({"type": "bearer", "token": "hunter2", "headerName": "X-Produit"});
    let (_stage, messages) = told(plan, &mut receiver).await;
    for received in &messages {
        assert_eq!(received.headers["x-produit"], "Bearer hunter2");
    }
}

#[tokio::test]
async fn a_body_is_signed() {
    let mut receiver = Receiver::start([]).await;
    let plan = json!({"type": "hmac", "secretKey": "hunter2", "algorithm": "sha256",
        "signatureHeader": "X-Signature-256", "timestampHeader": "X-Moment",
        "signaturePrefix": "sha256="});
    let (_stage, messages) = told(plan, &mut receiver).await;
    for received in &messages {
        let moment = received.headers["x-moment"].to_str().expect("ASCII");
        let body = json!({"message": received.message}).to_string();
        let mut mac = Hmac::<Sha256>::new_from_slice(b"hunter2").expect("any length");
        mac.update(format!("{moment}.{body}").as_bytes());
        let expected: String =
            mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(received.headers["x-signature-256"], format!("sha256={expected}"));
    }
}

/// A server that gives the tokens `token-1`, `token-2`, ... and tells what it was asked.
async fn grants() -> (String, mpsc::UnboundedReceiver<BTreeMap<String, String>>) {
    type Asked = mpsc::UnboundedSender<BTreeMap<String, String>>;
    async fn grant(State((asked, count)): State<(Asked, Counter)>, body: Bytes) -> String {
        let _ = asked.send(form_urlencoded::parse(&body).into_owned().collect());
        let count = count.fetch_add(1, std::sync::atomic::Ordering::Relaxed) + 1;
        let granted = json!({"access_token": format!("token-{count}"), "token_type": "Bearer",
            "expires_in": 3_600});
        granted.to_string()
    }
    type Counter = std::sync::Arc<std::sync::atomic::AtomicU32>;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/token", listener.local_addr().expect("bound"));
    let (sender, asked) = mpsc::unbounded_channel();
    let router =
        Router::new().route("/token", post(grant)).with_state((sender, Counter::default()));
    tokio::spawn(async { axum::serve(listener, router).await });
    (url, asked)
}

#[tokio::test]
async fn a_token_is_asked_for_once_and_again_where_it_is_not_believed() {
    let (url, mut asked) = grants().await;
    // The first message is refused with its token, and sent again at once with another.
    let mut receiver = Receiver::start([401]).await;
    let plan = json!({"type": "oauth2", "url": url, "clientId": "causerie",
        "clientSecret": "hunter2", "scope": "webhooks"});
    let (_stage, messages) = told(plan, &mut receiver).await;
    let tokens: Vec<_> = messages
        .iter()
        .map(|m| (m.headers["authorization"].to_str().expect("ASCII"), m.status.as_u16()))
        .collect();
    assert_eq!(
        tokens,
        [
            ("Bearer token-1", 401),
            ("Bearer token-2", 200),
            ("Bearer token-2", 200),
            ("Bearer token-2", 200),
        ]
    );
    let first = asked.recv().await.expect("it was asked");
    let expected = [
        ("client_id", "causerie"),
        ("client_secret", "hunter2"),
        ("grant_type", "client_credentials"),
        ("scope", "webhooks"),
    ];
    let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(first, BTreeMap::from(expected));
    assert!(asked.recv().await.is_some() && asked.try_recv().is_err(), "twice, and no more");
}

#[tokio::test]
async fn whoever_is_asked_for_an_assistant_is_shown_the_word_of_the_number() {
    let tools = Tools {
        assistant: json!({"assistant": {"firstMessage": "Bonjour.",
            "serverMessages": ["end-of-call-report"]}})
        .to_string(),
        ..Tools::default()
    };
    let mut receiver = Receiver::with_tools([], tools).await;
    let (_data, stage) = stage().await;
    let credential = json!({"provider": "custom-credential",
        "authenticationPlan": {"type": "bearer", "token": "hunter2", "bearerPrefixEnabled": false}});
    let credential = stage.create("/credential", credential).await;
    let number = json!({"provider": "twilio", "number": NUMBER, "twilioAccountSid": "AC1",
        "server": {"url": receiver.url, "credentialId": credential["id"]}});
    stage.create("/phone-number", number).await;
    stage.call(chats()).await.await.expect("no panic");
    let messages = receiver.until_report().await;
    let kinds: Vec<_> = messages.iter().map(Received::kind).collect();
    assert_eq!(kinds, ["assistant-request", "end-of-call-report"]);
    for received in &messages {
        assert_eq!(received.headers["authorization"], "hunter2");
    }
}
