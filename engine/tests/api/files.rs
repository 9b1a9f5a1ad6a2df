//! Files, knowledge bases and structured outputs.

use engine::store::Store;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::stage::{PRIVATE_KEY, Stage, id};

const MENU: &str = "Tarte à la rhubarbe : 7 €";

async fn stage() -> (tempfile::TempDir, Stage) {
    let data = tempfile::tempdir().expect("a directory");
    let stage = Stage::start(data.path(), &[]).await;
    (data, stage)
}

/// Sends a form (RFC 7578) with a file and these fields.
async fn upload(
    stage: &Stage,
    path: &str,
    file: Option<(&str, &str, &[u8])>,
    fields: &[(&str, &str)],
) -> (StatusCode, Value) {
    const BOUNDARY: &str = "quelque-chose";
    let mut body = Vec::new();
    for (name, value) in fields {
        let part = format!(
            "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n"
        );
        body.extend_from_slice(part.as_bytes());
    }
    if let Some((name, kind, content)) = file {
        let head = format!(
            "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\
             Content-Type: {kind}\r\n\r\n"
        );
        body.extend_from_slice(head.as_bytes());
        body.extend_from_slice(content);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(format!("--{BOUNDARY}--\r\n").as_bytes());
    let request = stage
        .request(Method::POST, path)
        .bearer_auth(PRIVATE_KEY)
        .header("content-type", format!("multipart/form-data; boundary={BOUNDARY}"))
        .body(body);
    let answer = request.send().await.expect("an answer");
    (answer.status(), answer.json().await.expect("JSON"))
}

#[tokio::test]
async fn a_file_is_sent_read_renamed_and_deleted() {
    let (data, stage) = stage().await;
    let menu = Some(("carte.txt", "text/plain", MENU.as_bytes()));
    let fields = [("purpose", "assistant"), ("metadata", r#"{"salle": 2}"#)];
    let (status, made) = upload(&stage, "/file", menu, &fields).await;
    assert_eq!(status, StatusCode::CREATED, "{made}");
    assert_eq!((&made["object"], &made["status"]), (&json!("file"), &json!("done")));
    assert_eq!((&made["name"], &made["originalName"]), (&json!("carte.txt"), &json!("carte.txt")));
    assert_eq!((&made["mimetype"], &made["bytes"]), (&json!("text/plain"), &json!(MENU.len())));
    assert_eq!((&made["purpose"], &made["metadata"]), (&json!("assistant"), &json!({"salle": 2})));
    assert_eq!(made["parsedTextBytes"], MENU.len());

    let url = made["url"].as_str().expect("a URL");
    let read = stage.request(Method::GET, url).send().await.expect("an answer");
    assert_eq!(read.headers()["content-type"], "text/plain");
    assert_eq!(read.text().await.expect("text"), MENU);
    let changed = url.replace("expires=0", "expires=9999999999");
    let refused = stage.request(Method::GET, &changed).send().await.expect("an answer");
    assert_eq!(refused.status(), StatusCode::FORBIDDEN);

    let (_, other) =
        upload(&stage, "/file/upload", Some(("a.bin", "image/png", b"\x89")), &[]).await;
    assert_eq!(other.get("parsedTextUrl"), None, "{other}");
    assert_eq!(stage.get("/file").await, json!([other, made]));
    assert_eq!(stage.get("/file?purpose=assistant").await, json!([made]));

    let path = format!("/file/{}", id(&made));
    let store = Store::open(data.path()).await.expect("the store");
    let other = store.new_organisation(None).await.expect("an organisation");
    let other = other.new_keys[0].1.expose();
    let asked = async |method: Method| {
        let asked = stage.request(method, &path).bearer_auth(other);
        asked.send().await.expect("an answer").status()
    };
    assert_eq!(asked(Method::GET).await, StatusCode::NOT_FOUND, "another organisation");
    assert_eq!(asked(Method::DELETE).await, StatusCode::NOT_FOUND);
    let (status, renamed) = stage.ask(Method::PATCH, &path, Some(json!({"name": "Carte"}))).await;
    assert_eq!((status, &renamed["name"]), (StatusCode::OK, &json!("Carte")));
    let (status, body) = stage.ask(Method::PATCH, &path, Some(json!({"bytes": 1}))).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert_eq!(body["message"], json!(["property bytes should not exist"]));
    let (status, deleted) = stage.ask(Method::DELETE, &path, None).await;
    assert_eq!((status, deleted), (StatusCode::OK, renamed));
    let gone = stage.request(Method::GET, url).send().await.expect("an answer");
    assert_eq!(gone.status(), StatusCode::NOT_FOUND);
    let left = data.path().join("objects").join(made["key"].as_str().expect("a key"));
    assert!(!left.exists(), "{}", left.display());
}

#[tokio::test]
async fn what_is_wrong_with_a_file_is_told_at_once() {
    let (_data, stage) = stage().await;
    let fields = [("purpose", "rien"), ("metadata", "non"), ("nom", "x")];
    let (status, body) = upload(&stage, "/file", None, &fields).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert_eq!(
        body["message"],
        json!([
            "purpose must be one of the following values: assistant, composer-attachment, \
             knowledge-base-v2",
            "metadata must be a JSON object",
            "property nom should not exist",
            "file should not be empty: send it as the part `file`",
        ])
    );
    let (status, _) = stage.ask(Method::POST, "/file", Some(json!({}))).await;
    assert!(status.is_client_error(), "a form is wanted: {status}");
    assert_eq!(stage.get("/file").await, json!([]));
}

#[tokio::test]
async fn a_structured_output_is_listed_in_pages() {
    let (_data, stage) = stage().await;
    let assistant = id(&stage.create("/assistant", json!({"name": "A"})).await);
    let sent = json!({"name": "Rendez-vous", "schema": {"type": "object", "properties": {}},
        "assistantIds": [assistant], "conditions": [{"type": "minMessages", "count": 4}]});
    let made = stage.create("/structured-output", sent).await;
    let all = stage.get("/structured-output?name=Rendez-vous").await;
    assert_eq!(all["results"], json!([made]));
    assert_eq!(all["metadata"]["totalItems"], 1);
    assert_eq!(stage.get("/structured-output?name=Autre").await["results"], json!([]));
    let path = format!("/structured-output/{}", id(&made));
    let patch = Some(json!({"description": "Le jour et l'heure"}));
    let (status, changed) =
        stage.ask(Method::PATCH, &format!("{path}?schemaOverride=false"), patch).await;
    assert_eq!((status, &changed["name"]), (StatusCode::OK, &json!("Rendez-vous")));
    let wrong = json!({"name": "", "assistantIds": ["00000000-0000-4000-8000-000000000000"]});
    let (status, body) = stage.ask(Method::POST, "/structured-output", Some(wrong)).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert_eq!(
        body["message"],
        json!([
            "name must be longer than or equal to 1 characters",
            "schema should not be empty",
            "assistantIds.0 00000000-0000-4000-8000-000000000000 does not exist",
        ])
    );
    stage.ask(Method::DELETE, &path, None).await;
    assert_eq!(stage.get("/structured-output").await["metadata"]["totalItems"], 0);
}

#[tokio::test]
async fn a_knowledge_base_of_the_first_kind_is_kept() {
    let (_data, stage) = stage().await;
    let sent = json!({"provider": "custom-knowledge-base",
        "server": {"url": "https://product.example/kb"}});
    let made = stage.create("/knowledge-base", sent).await;
    let path = format!("/knowledge-base/{}", id(&made));
    assert_eq!(stage.get("/knowledge-base").await, json!([made]));
    let compatible = stage.get(&format!("{path}/compatibility")).await;
    assert_eq!(compatible["fieldsWithoutEffect"], json!(["provider custom-knowledge-base"]));
    let (status, _) = stage.ask(Method::DELETE, &path, None).await;
    assert_eq!(status, StatusCode::OK);
}
