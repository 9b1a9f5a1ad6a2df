//! Assistants, tools and phone numbers.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::stage::{NUMBER, PRIVATE_KEY, PUBLIC_KEY, Stage, id};

async fn stage() -> (tempfile::TempDir, Stage) {
    let data = tempfile::tempdir().expect("a directory");
    let stage = Stage::start(data.path(), &[]).await;
    (data, stage)
}

#[tokio::test]
async fn only_a_private_key_opens_anything() {
    let (_data, stage) = stage().await;
    for path in ["/assistant", "/tool", "/phone-number", "/call"] {
        for header in [None, Some("Bearer nonsense"), Some(PRIVATE_KEY)] {
            let mut request = stage.request(Method::GET, path);
            if let Some(header) = header {
                request = request.header("authorization", header);
            }
            let response = request.send().await.expect("an answer");
            assert_eq!(response.status(), StatusCode::UNAUTHORIZED, "{path} {header:?}");
            let body: Value = response.json().await.expect("JSON");
            assert_eq!(body["statusCode"], 401);
            assert_eq!(body["error"], "Unauthorized");
        }
        let public = stage.request(Method::GET, path).bearer_auth(PUBLIC_KEY);
        assert_eq!(public.send().await.expect("an answer").status(), StatusCode::UNAUTHORIZED);
        assert_eq!(stage.get(path).await, json!([]));
    }
    let (status, body) = stage.ask(Method::GET, "/nowhere", None).await;
    assert_eq!((status, &body["statusCode"]), (StatusCode::NOT_FOUND, &json!(404)));
}

#[tokio::test]
async fn an_assistant_is_kept_to_the_letter_and_patched_field_by_field() {
    let (_data, stage) = stage().await;
    let sent = json!({
        "name": "Salon Camille",
        "firstMessage": "Bonjour !",
        "transcriber": {"provider": "deepgram", "model": "nova-3", "language": "fr"},
        "model": {"provider": "openai", "model": "gpt-4o-mini", "temperature": 0.7,
                  "messages": [{"role": "system", "content": "Vous prenez les rendez-vous."}],
                  "tools": [{"type": "transferCall", "destinations": []}]},
        "voice": {"provider": "azure", "voiceId": "fr-FR-DeniseNeural"},
        "analysisPlan": {"summaryPlan": {"enabled": true}},
        "metadata": {"secteur": "coiffure"},
    });
    let made = stage.create("/assistant", sent.clone()).await;
    for (field, value) in sent.as_object().expect("an object") {
        assert_eq!(&made[field], value);
    }
    for field in ["id", "orgId", "createdAt", "updatedAt"] {
        assert!(made[field].is_string(), "{field}: {made}");
    }
    let path = format!("/assistant/{}", id(&made));
    assert_eq!(stage.get(&path).await, made);

    let patch = json!({"model": {"provider": "openai", "model": "gpt-4o"}, "metadata": null});
    let (status, patched) = stage.ask(Method::PATCH, &path, Some(patch.clone())).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(patched["model"], patch["model"], "replaced whole");
    assert_eq!(patched["name"], "Salon Camille");
    assert_eq!(patched.get("metadata"), None);
    assert_eq!(patched["createdAt"], made["createdAt"]);

    let compatibility = stage.get(&format!("{path}/compatibility")).await;
    assert_eq!(compatibility["providersNotServed"], json!(["deepgram", "azure"]));
    let fields = compatibility["fieldsWithoutEffect"].as_array().expect("a list");
    assert!(fields.contains(&json!("voice.provider azure")), "{fields:?}");

    let (status, deleted) = stage.ask(Method::DELETE, &path, None).await;
    assert_eq!((status, deleted), (StatusCode::OK, patched));
    let (status, body) = stage.ask(Method::GET, &path, None).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert_eq!(
        body,
        json!({"message": "Assistant not found.", "error": "Not Found", "statusCode": 404})
    );
}

#[tokio::test]
async fn everything_wrong_is_told_in_one_answer_and_nothing_is_kept() {
    let (_data, stage) = stage().await;
    let sent = json!({
        "name": "x".repeat(41),
        "tools": [],
        "voice": {"provider": "azur", "voiceId": "a"},
        "server": {"url": "nowhere"},
    });
    let (status, body) = stage.ask(Method::POST, "/assistant", Some(sent)).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert_eq!((&body["error"], &body["statusCode"]), (&json!("Bad Request"), &json!(400)));
    let told = body["message"].as_array().expect("a list");
    for problem in [
        "name must be shorter than or equal to 40 characters",
        "property tools should not exist",
        "server.url must be a URL address",
    ] {
        assert!(told.contains(&json!(problem)), "{problem}: {told:?}");
    }
    let voice = told
        .iter()
        .any(|t| t.as_str().is_some_and(|t| t.starts_with("voice.provider must be one of")));
    assert!(voice, "{told:?}");
    assert_eq!(stage.get("/assistant").await, json!([]));

    for body in ["{", "[]", "\"text\""] {
        let request = stage.request(Method::POST, "/assistant").bearer_auth(PRIVATE_KEY).body(body);
        let response = request.send().await.expect("an answer");
        assert_eq!(response.status(), StatusCode::BAD_REQUEST);
        assert!(response.json::<Value>().await.expect("JSON")["message"].is_string());
    }
    let (status, body) = stage.ask(Method::GET, "/assistant/no-uuid", None).await;
    assert_eq!((status, &body["message"]), (StatusCode::BAD_REQUEST, &json!("id must be a UUID")));
}

#[tokio::test]
async fn a_list_is_newest_first_and_bounded_by_age() {
    let (_data, stage) = stage().await;
    let mut made = Vec::new();
    for name in ["a", "b", "c"] {
        let next = stage.create("/assistant", json!({"name": name})).await;
        // The next one is made in another millisecond, whatever the machine's speed.
        let shown = next["createdAt"].clone();
        while engine::store::Timestamp::now().to_iso() == shown.as_str().expect("a moment") {}
        made.push(next);
    }
    let names = |list: &Value| -> Vec<String> {
        let list = list.as_array().expect("a list").iter();
        list.map(|a| a["name"].as_str().expect("a name").to_owned()).collect()
    };
    assert_eq!(names(&stage.get("/assistant").await), ["c", "b", "a"]);
    assert_eq!(names(&stage.get("/assistant?limit=2&sortOrder=ASC").await), ["c", "b"]);
    let second = made[1]["createdAt"].as_str().expect("a moment");
    let bounded = |bound: &str| format!("/assistant?createdAt{bound}={second}");
    assert_eq!(names(&stage.get(&bounded("Gt")).await), ["c"]);
    assert_eq!(names(&stage.get(&bounded("Ge")).await), ["c", "b"]);
    assert_eq!(names(&stage.get(&bounded("Lt")).await), ["a"]);
    assert_eq!(names(&stage.get(&bounded("Le")).await), ["b", "a"]);
    let (status, body) = stage.ask(Method::GET, "/assistant?limit=1001", None).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert_eq!(body["message"], json!(["limit must not be greater than 1000"]));
}

#[tokio::test]
async fn a_tool_is_made_changed_and_deleted() {
    let (_data, stage) = stage().await;
    let tool = json!({
        "type": "function",
        "async": false,
        "server": {"url": "https://product.example/tools"},
        "function": {"name": "checkAvailability", "parameters": {"type": "object", "properties": {}}},
    });
    let made = stage.create("/tool", tool.clone()).await;
    assert_eq!(made["function"], tool["function"]);
    let path = format!("/tool/{}", id(&made));
    let (status, body) = stage.ask(Method::PATCH, &path, Some(json!({"async": true}))).await;
    assert_eq!((status, &body["async"]), (StatusCode::OK, &json!(true)));
    assert_eq!(body["function"], tool["function"], "what is not sent stays");
    let (status, body) = stage.ask(Method::POST, "/tool", Some(json!({"type": "fonction"}))).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(
        body["message"][0].as_str().expect("text").starts_with("type must be one of"),
        "{body}"
    );
    stage.ask(Method::DELETE, &path, None).await;
    assert_eq!(stage.get("/tool").await, json!([]));
}

#[tokio::test]
async fn a_number_is_imported_and_its_secrets_are_never_shown() {
    let (_data, stage) = stage().await;
    let assistant = id(&stage.create("/assistant", json!({"firstMessage": "Bonjour"})).await);
    let imported = stage
        .create(
            "/phone-number/import/twilio",
            json!({"twilioPhoneNumber": NUMBER, "twilioAccountSid": "AC1",
                   "twilioAuthToken": "hunter2", "assistantId": assistant, "name": "Accueil"}),
        )
        .await;
    assert_eq!((&imported["provider"], &imported["number"]), (&json!("twilio"), &json!(NUMBER)));
    assert_eq!(imported["status"], "active");
    let path = format!("/phone-number/{}", id(&imported));
    let patch = json!({"provider": "twilio", "name": "Standard"});
    let (_, patched) = stage.ask(Method::PATCH, &path, Some(patch)).await;
    assert_eq!(patched["name"], "Standard");
    for shown in [imported, patched, stage.get(&path).await, stage.get("/phone-number").await] {
        assert!(!shown.to_string().contains("hunter2"), "{shown}");
    }

    let again = json!({"provider": "twilio", "number": NUMBER, "twilioAccountSid": "AC2"});
    let (status, body) = stage.ask(Method::POST, "/phone-number", Some(again)).await;
    assert_eq!(status, StatusCode::BAD_REQUEST, "{body}");
    let nobody = json!({"provider": "twilio", "number": "+33987654321", "twilioAccountSid": "AC1",
        "assistantId": "00000000-0000-4000-8000-000000000000"});
    let (status, body) = stage.ask(Method::POST, "/phone-number", Some(nobody)).await;
    assert_eq!(status, StatusCode::BAD_REQUEST, "{body}");
    stage.ask(Method::DELETE, &path, None).await;
    assert_eq!(stage.get("/phone-number").await, json!([]));
}
