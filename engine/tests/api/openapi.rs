//! What is said of the API holds.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::stage::Stage;

const NOBODY: &str = "00000000-0000-4000-8000-000000000000";

#[tokio::test]
async fn everything_that_is_described_is_served() {
    let data = tempfile::tempdir().expect("a directory");
    let stage = Stage::start(data.path(), &[]).await;
    let answer = stage.request(Method::GET, "/openapi.json").send().await.expect("an answer");
    assert_eq!(answer.status(), StatusCode::OK, "it needs no key");
    let api: Value = answer.json().await.expect("JSON");
    assert_eq!(api["openapi"], "3.1.0");
    let mut asked = 0;
    for (path, methods) in api["paths"].as_object().expect("paths") {
        for method in methods.as_object().expect("methods").keys() {
            let method = Method::from_bytes(method.to_uppercase().as_bytes()).expect("a method");
            let path = path.replace("{id}", NOBODY);
            let (status, body) = stage.ask(method.clone(), &path, Some(json!({}))).await;
            assert_ne!(status, StatusCode::METHOD_NOT_ALLOWED, "{method} {path}");
            assert_ne!(status, StatusCode::UNAUTHORIZED, "{method} {path}");
            assert_ne!(body["message"], "there is nothing here", "{method} {path}");
            asked += 1;
        }
    }
    assert!(asked > 60, "{asked} operations");
}

#[tokio::test]
async fn the_pages_ask_nobody_else() {
    let data = tempfile::tempdir().expect("a directory");
    let stage = Stage::start(data.path(), &[]).await;
    let answer = stage.request(Method::GET, "/docs").send().await.expect("an answer");
    assert_eq!(answer.status(), StatusCode::OK);
    let policy = answer.headers()["content-security-policy"].to_str().expect("ASCII").to_owned();
    assert!(policy.starts_with("default-src 'none'"), "{policy}");
    let page = answer.text().await.expect("text");
    assert!(page.contains("openapi.json") && !page.contains("https://"), "no other server");
}
