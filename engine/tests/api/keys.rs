//! Who may ask for what: keys, tokens, pages, organisations.

use std::time::{SystemTime, UNIX_EPOCH};

use engine::store::{KeyKind, Store};
use jsonwebtoken::{EncodingKey, Header};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::stage::{PRIVATE_KEY, PUBLIC_KEY, Stage, id};

/// Every list there is, with something that can be made there.
fn resources() -> Vec<(&'static str, Value)> {
    vec![
        ("/assistant", json!({"name": "A"})),
        ("/credential", json!({"provider": "openai", "apiKey": "sk"})),
        (
            "/knowledge-base",
            json!({"provider": "custom-knowledge-base", "server": {"url": "https://x.example"}}),
        ),
        ("/structured-output", json!({"name": "A", "schema": {"type": "object"}})),
        ("/squad", json!({"members": [{"assistant": {"name": "A"}}]})),
        ("/tool", json!({"type": "endCall"})),
        (
            "/phone-number",
            json!({"provider": "twilio", "number": "+33123456789", "twilioAccountSid": "AC1"}),
        ),
        ("/token", json!({"tag": "public", "name": "Page"})),
    ]
}

async fn stage() -> (tempfile::TempDir, Stage) {
    let data = tempfile::tempdir().expect("a directory");
    let stage = Stage::start(data.path(), &[]).await;
    (data, stage)
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs()
}

async fn status(stage: &Stage, key: &str, method: Method, path: &str) -> StatusCode {
    stage.request(method, path).bearer_auth(key).send().await.expect("an answer").status()
}

#[tokio::test]
async fn an_organisation_sees_nothing_of_anothers() {
    let (data, stage) = stage().await;
    // As `causerie organisation add` does beside a running engine.
    let store = Store::open(data.path()).await.expect("the store");
    let other = store.new_organisation(Some("Voisin")).await.expect("an organisation");
    let [(KeyKind::Private, other), _] = &other.new_keys[..] else { panic!("{other:?}") };

    for (path, body) in resources() {
        let made = stage.create(path, body).await;
        let one = format!("{path}/{}", id(&made));
        let ask = stage.request(Method::GET, path).bearer_auth(other.expose());
        let list: Value = ask.send().await.expect("an answer").json().await.expect("JSON");
        let shown = list.as_array().or_else(|| list["results"].as_array());
        let shown = shown.unwrap_or_else(|| panic!("{path}: {list}"));
        assert!(!shown.iter().any(|shown| shown["id"] == made["id"]), "{path}: {list}");
        if path != "/token" {
            assert_eq!(
                status(&stage, other.expose(), Method::GET, &one).await,
                StatusCode::NOT_FOUND
            );
            let change = stage.request(Method::PATCH, &one).bearer_auth(other.expose());
            let change = change.json(&json!({"name": "B"})).send().await.expect("an answer");
            assert_eq!(change.status(), StatusCode::NOT_FOUND, "{path}");
        }
        let deleted = status(&stage, other.expose(), Method::DELETE, &one).await;
        assert_eq!(deleted, StatusCode::NOT_FOUND, "{path}");
        assert_eq!(status(&stage, PRIVATE_KEY, Method::DELETE, &one).await, StatusCode::OK);
    }
    let assistant = id(&stage.create("/assistant", json!({"name": "A"})).await);
    let squad = json!({"members": [{"assistantId": assistant}]});
    let made = stage.request(Method::POST, "/squad").bearer_auth(other.expose()).json(&squad);
    let refused = made.send().await.expect("an answer");
    assert_eq!(refused.status(), StatusCode::BAD_REQUEST, "another's assistant is not there");
}

#[tokio::test]
async fn a_key_is_made_used_and_taken_back() {
    let (_data, stage) = stage().await;
    let made = stage.create("/token", json!({"tag": "private", "name": "CI"})).await;
    let key = made["value"].as_str().expect("it is shown once").to_owned();
    assert_eq!(status(&stage, &key, Method::GET, "/assistant").await, StatusCode::OK);
    let listed = stage.get("/token").await;
    assert_eq!(listed.as_array().map(Vec::len), Some(3), "{listed}");
    assert!(!listed.to_string().contains(&key), "{listed}");
    let path = format!("/token/{}", id(&made));
    assert_eq!(status(&stage, &key, Method::DELETE, &path).await, StatusCode::OK);
    assert_eq!(status(&stage, &key, Method::GET, "/assistant").await, StatusCode::UNAUTHORIZED);
    let (refused, body) = stage.ask(Method::POST, "/token", Some(json!({"tag": "secret"}))).await;
    assert_eq!(refused, StatusCode::BAD_REQUEST, "{body}");
}

#[tokio::test]
async fn a_public_key_is_held_to_its_pages_and_assistants() {
    let (_data, stage) = stage().await;
    let assistant = id(&stage.create("/assistant", json!({"name": "A"})).await);
    let restrictions = json!({"enabled": true, "allowedOrigins": ["https://salon.example"],
        "allowedAssistantIds": [assistant], "allowTransientAssistant": false});
    let made = json!({"tag": "public", "restrictions": restrictions});
    let made = stage.create("/token", made).await;
    assert_eq!(made["restrictions"], restrictions);
    let key = made["value"].as_str().expect("it is shown once");

    let start = async |key: &str, origin: Option<&str>, body: Value| {
        let mut request = stage.request(Method::POST, "/call/web").bearer_auth(key).json(&body);
        if let Some(origin) = origin {
            request = request.header("origin", origin);
        }
        request.send().await.expect("an answer").status()
    };
    let page = Some("https://salon.example");
    let (ours, written) = (json!({"assistantId": assistant}), json!({"assistant": {}}));
    // Calls from browsers are not served yet: who may ask is told so.
    assert_eq!(start(key, page, ours.clone()).await, StatusCode::NOT_IMPLEMENTED);
    assert_eq!(start(key, Some("https://evil.example"), ours.clone()).await, StatusCode::FORBIDDEN);
    assert_eq!(start(key, None, ours.clone()).await, StatusCode::FORBIDDEN);
    assert_eq!(start(key, page, json!({"assistantId": "b"})).await, StatusCode::FORBIDDEN);
    assert_eq!(start(key, page, written.clone()).await, StatusCode::FORBIDDEN);
    assert_eq!(start(PUBLIC_KEY, None, written).await, StatusCode::NOT_IMPLEMENTED);
    assert_eq!(start("nobody's", page, ours).await, StatusCode::UNAUTHORIZED);
    assert_eq!(status(&stage, key, Method::GET, "/assistant").await, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_token_is_believed_as_far_as_it_is_signed() {
    let (_data, stage) = stage().await;
    let organisation = stage.create("/assistant", json!({"name": "A"})).await["orgId"].clone();
    let token = |key: &str, tag: &str, expires: Option<u64>| {
        let mut claims = json!({"orgId": organisation, "token": {"tag": tag}});
        if let Some(expires) = expires {
            claims["exp"] = expires.into();
        }
        let key = EncodingKey::from_secret(key.as_bytes());
        jsonwebtoken::encode(&Header::default(), &claims, &key).expect("a token")
    };
    let ask = async |token: String| status(&stage, &token, Method::GET, "/assistant").await;
    let soon = Some(now() + 3_600);
    assert_eq!(ask(token(PRIVATE_KEY, "private", soon)).await, StatusCode::OK);
    for refused in [
        token("another key", "private", soon),
        token(PUBLIC_KEY, "private", soon),
        token(PRIVATE_KEY, "public", soon),
        token(PRIVATE_KEY, "admin", soon),
        token(PRIVATE_KEY, "private", Some(now() - 3_600)),
        token(PRIVATE_KEY, "private", None),
        "a.b.c".to_owned(),
    ] {
        assert_eq!(ask(refused).await, StatusCode::UNAUTHORIZED);
    }
    let public = token(PRIVATE_KEY, "public", soon);
    let call = stage.request(Method::POST, "/call/web").bearer_auth(public).json(&json!({}));
    assert_eq!(call.send().await.expect("an answer").status(), StatusCode::NOT_IMPLEMENTED);
}

#[tokio::test]
async fn a_page_may_ask() {
    let (_data, stage) = stage().await;
    let preflight = stage
        .request(Method::OPTIONS, "/call/web")
        .header("origin", "https://salon.example")
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "authorization,content-type");
    let answer = preflight.send().await.expect("an answer");
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.headers()["access-control-allow-origin"], "*");
    assert_eq!(answer.headers()["access-control-allow-methods"], "POST");
    assert_eq!(answer.headers()["access-control-allow-headers"], "authorization,content-type");
    let asked = stage.request(Method::GET, "/assistant").header("origin", "https://salon.example");
    let refused = asked.send().await.expect("an answer");
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(
        refused.headers()["access-control-allow-origin"],
        "*",
        "so that the page can read it"
    );
}
