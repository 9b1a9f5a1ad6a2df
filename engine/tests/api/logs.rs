//! What happened in a call, line by line.

use engine::store::Store;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::stage::{PRIVATE_KEY, Stage, chats, id};

#[tokio::test]
async fn a_call_is_told_line_by_line_to_who_has_a_key_or_a_link() {
    let data = tempfile::tempdir().expect("a directory");
    let stage = Stage::start(data.path(), &[]).await;
    stage.answers(json!({"firstMessage": "Bonjour."})).await;
    stage.call(chats()).await.await.expect("no panic");
    let call = stage.ended_call().await;

    let logs = stage.get(&format!("/logs?callId={}", id(&call))).await;
    let results = logs["results"].as_array().expect("a list");
    assert_eq!(results[0]["message"], "ended: customer-ended-call", "the newest first");
    assert!(results.iter().any(|entry| entry["message"] == "bot: Bonjour."), "{logs}");
    assert!(results.iter().all(|entry| entry["callId"] == call["id"] && entry["type"] == "Call"));
    assert_eq!(stage.get("/logs").await["results"], logs["results"]);

    let path = format!("/call/{}/call-logs", id(&call));
    let store = Store::open(data.path()).await.expect("the store");
    let other = store.new_organisation(None).await.expect("an organisation");
    let other = other.new_keys[0].1.expose();
    for hidden in [
        path.clone(),
        format!("/call/{}", id(&call)),
        format!("/call/{}/stereo-recording", id(&call)),
        format!("/logs?callId={}", id(&call)),
    ] {
        let asked = stage.request(Method::GET, &hidden).bearer_auth(other);
        let answer = asked.send().await.expect("an answer");
        assert_eq!(answer.status(), StatusCode::NOT_FOUND, "another organisation: {hidden}");
    }
    let keyless = stage.request(Method::GET, &path).send().await.expect("an answer");
    assert_eq!(keyless.status(), StatusCode::UNAUTHORIZED);
    let answer = stage.request(Method::GET, &path).bearer_auth(PRIVATE_KEY);
    let answer = answer.send().await.expect("an answer");
    assert_eq!(answer.status(), StatusCode::FOUND);
    let link = answer.headers()["location"].to_str().expect("ASCII").to_owned();
    let lines = stage.request(Method::GET, &link).send().await.expect("an answer");
    assert_eq!(lines.status(), StatusCode::OK);
    let lines = lines.text().await.expect("text");
    let first: Value = serde_json::from_str(lines.lines().next().expect("a line")).expect("JSON");
    assert_eq!(first["message"], "inboundPhoneCall announced");
    let longer = link.replace("expires=", "expires=9");
    let refused = stage.request(Method::GET, &longer).send().await.expect("an answer");
    assert_eq!(refused.status(), StatusCode::FORBIDDEN);
}
