//! Squads.

use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::stage::{NUMBER, Stage, id};

const NOBODY: &str = "00000000-0000-4000-8000-000000000000";

#[tokio::test]
async fn a_squad_is_made_listed_changed_and_deleted() {
    let data = tempfile::tempdir().expect("a directory");
    let stage = Stage::start(data.path(), &[]).await;
    let host = id(&stage.create("/assistant", json!({"name": "Accueil"})).await);
    let sent = json!({
        "name": "Restaurant",
        "members": [
            {"assistantId": host, "assistantDestinations": [
                {"type": "assistant", "assistantName": "Cuisine", "description": "Allergies"}]},
            {"assistant": {"name": "Cuisine", "firstMessage": "La cuisine, oui ?"},
             "assistantOverrides": {"variableValues": {"plat": "tarte"}}},
        ],
        "membersOverrides": {"endCallMessage": "Au revoir."},
    });
    let made = stage.create("/squad", sent.clone()).await;
    for (field, value) in sent.as_object().expect("an object") {
        assert_eq!(&made[field], value);
    }
    let path = format!("/squad/{}", id(&made));
    assert_eq!(stage.get(&path).await, made);
    let other = stage.create("/squad", json!({"members": [{"assistantId": host}]})).await;
    assert_eq!(stage.get("/squad").await, json!([other, made]), "the newest first");
    let any = format!("/squad?idAny={}&idAny={NOBODY}", id(&made));
    assert_eq!(stage.get(&any).await, json!([made]));
    assert_eq!(stage.get(&format!("/squad?idAny={NOBODY}")).await, json!([]));

    let (status, renamed) = stage.ask(Method::PATCH, &path, Some(json!({"name": "Bistrot"}))).await;
    assert_eq!((status, &renamed["name"]), (StatusCode::OK, &json!("Bistrot")));
    assert_eq!(renamed["members"], made["members"]);
    let number = json!({"provider": "twilio", "number": NUMBER, "twilioAccountSid": "AC1",
        "squadId": made["id"]});
    assert_eq!(stage.create("/phone-number", number).await["squadId"], made["id"]);
    let (status, deleted) = stage.ask(Method::DELETE, &path, None).await;
    assert_eq!((status, deleted), (StatusCode::OK, renamed));
    let (status, body) = stage.ask(Method::GET, &path, None).await;
    assert_eq!((status, &body["message"]), (StatusCode::NOT_FOUND, &json!("Squad not found.")));
}

#[tokio::test]
async fn what_a_squad_names_must_be_there() {
    let data = tempfile::tempdir().expect("a directory");
    let stage = Stage::start(data.path(), &[]).await;
    let sent = json!({"nom": "", "members": [
        {"assistantId": NOBODY},
        {"assistant": {"name": "A", "firstMesage": ""}, "assistantDestinations": [
            {"type": "assistant", "assistantId": "cuisine"}]},
    ]});
    let (status, body) = stage.ask(Method::POST, "/squad", Some(sent)).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert_eq!(
        body["message"],
        json!([
            "property nom should not exist",
            "members.1.assistant.property firstMesage should not exist; did you mean \
             firstMessage?",
            format!("members.0.assistantId {NOBODY} does not exist"),
            "members.1.assistantDestinations.0.assistantId must be a UUID",
        ])
    );
    assert_eq!(stage.get("/squad").await, json!([]));
}

#[tokio::test]
async fn an_assistant_is_replaced_whole_and_numbers_are_listed_in_pages() {
    let data = tempfile::tempdir().expect("a directory");
    let stage = Stage::start(data.path(), &[]).await;
    let made = stage.create("/assistant", json!({"name": "A", "firstMessage": "Bonjour"})).await;
    let path = format!("/assistant/{}", id(&made));
    let (status, put) = stage.ask(Method::PUT, &path, Some(json!({"name": "B"}))).await;
    assert_eq!(
        (status, &put["name"], put.get("firstMessage")),
        (StatusCode::OK, &json!("B"), None)
    );
    assert_eq!(put["createdAt"], made["createdAt"]);

    for last in 1..=3 {
        let number = json!({"provider": "twilio", "number": format!("+3312345678{last}"),
            "twilioAccountSid": "AC1", "name": format!("Salle {last}")});
        stage.create("/phone-number", number).await;
    }
    let page = stage.get("/v2/phone-number?limit=2&page=2").await;
    assert_eq!(page["results"][0]["name"], "Salle 1");
    let metadata = &page["metadata"];
    assert_eq!((&metadata["totalItems"], &metadata["currentPage"]), (&json!(3), &json!(2)));
    assert_eq!(metadata["hasNextPage"], false);
    let found = stage.get("/v2/phone-number?search=82").await;
    assert_eq!(found["results"][0]["name"], "Salle 2");
    assert_eq!(found["metadata"]["totalItems"], 1);
}
