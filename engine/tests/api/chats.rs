//! Conversations in text: chats, sessions, what is streamed, and what is added up over calls.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::receiver::{Receiver, Tools};
use crate::stage::{PRIVATE_KEY, PUBLIC_KEY, Stage, chats, id};

const DIALOGUE: &str = r#"
language: fr
rules:
  - when: { user: table }
    tool: { name: checkAvailability, arguments: { guests: 4 } }
    then: { say: "C'est {result}." }
  - when: { user: bonjour }
    say: "Bonjour à vous."
fallback: { say: "Pardon ?" }
"#;

async fn stage() -> (tempfile::TempDir, Stage) {
    let data = tempfile::tempdir().expect("a directory");
    let stage = Stage::start_speaking(data.path(), &[], DIALOGUE, &["Good morning."]).await;
    (data, stage)
}

/// The text of a server-sent stream's events.
async fn events(stage: &Stage, path: &str, key: &str, body: Value) -> Vec<String> {
    let request = stage.request(Method::POST, path).bearer_auth(key).json(&body);
    let response = request.send().await.expect("an answer");
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let text = response.text().await.expect("a body");
    text.lines().filter_map(|line| line.strip_prefix("data: ")).map(str::to_owned).collect()
}

fn read(event: &str) -> Value {
    serde_json::from_str(event).expect("JSON")
}

#[tokio::test]
async fn an_assistant_answers_in_writing_and_goes_on_from_chat_to_chat() {
    let (_data, stage) = stage().await;
    let assistant = json!({"model": {"messages":
        [{"role": "system", "content": "Vous parlez à {{nom}}."}]}});
    let assistant = id(&stage.create("/assistant", assistant).await);
    let asked = json!({"assistantId": assistant, "input": "Bonjour !", "name": "premier",
        "assistantOverrides": {"variableValues": {"nom": "Mme Martin"}}});
    let first = stage.create("/chat", asked).await;
    assert_eq!(first["output"], json!([{"role": "assistant", "content": "Bonjour à vous."}]));
    assert_eq!(first["input"], json!([{"role": "user", "content": "Bonjour !"}]));
    assert_eq!((&first["messages"], &first["assistantId"]), (&json!([]), &json!(assistant)));

    let asked = json!({"previousChatId": id(&first), "input":
        [{"role": "user", "content": "Et alors ?"}]});
    let second = stage.create("/chat", asked).await;
    assert_eq!(second["output"][0]["content"], "Pardon ?");
    assert_eq!(second["assistantId"], json!(assistant), "who answered answers on");
    assert_eq!(second["messages"].as_array().map(Vec::len), Some(2));

    assert_eq!(stage.get(&format!("/chat/{}", id(&first))).await, first);
    let listed = stage.get(&format!("/chat?limit=1&previousChatId={}", id(&first))).await;
    assert_eq!(listed["results"], json!([second]));
    assert_eq!(listed["metadata"]["totalItems"], 1);
    let page = stage.get("/chat?limit=1&page=2&sortOrder=ASC").await;
    assert_eq!(
        (&page["results"], &page["metadata"]["hasNextPage"]),
        (&json!([second]), &json!(false))
    );
    let (status, deleted) = stage.ask(Method::DELETE, &format!("/chat/{}", id(&first)), None).await;
    assert_eq!((status, deleted["id"].clone()), (StatusCode::OK, first["id"].clone()));
    let (status, _) = stage.ask(Method::GET, &format!("/chat/{}", id(&first)), None).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn tools_are_run_and_what_they_say_is_there() {
    let answer = r#"{"results": [{"toolCallId": "ID", "result": "libre"}]}"#.to_owned();
    let mut receiver = Receiver::with_tools([], Tools { answer, ..Tools::default() }).await;
    let (_data, stage) = stage().await;
    let assistant = json!({"server": {"url": receiver.url}, "model": {"tools": [
        {"type": "function", "function": {"name": "checkAvailability",
         "parameters": {"type": "object", "properties": {"guests": {"type": "integer"}}}}}]}});
    let asked = json!({"assistant": assistant, "input": "Une table pour quatre ?"});
    let chat = stage.create("/chat", asked).await;
    let roles: Vec<_> =
        chat["output"].as_array().expect("rows").iter().map(|row| &row["role"]).collect();
    assert_eq!(roles, ["assistant", "tool", "assistant"]);
    assert_eq!(chat["output"][0]["tool_calls"][0]["function"]["name"], "checkAvailability");
    assert_eq!(chat["output"][1]["content"], "libre");
    assert_eq!(chat["output"][2]["content"], "C'est libre.");
    let asked = receiver.next().await;
    assert_eq!(asked.kind(), "tool-calls");
    assert_eq!(asked.message["toolCallList"][0]["arguments"], json!({"guests": 4}));
    assert_eq!(asked.message["chat"]["id"], chat["id"]);
}

#[tokio::test]
async fn a_session_remembers_and_expires() {
    let (_data, stage) = stage().await;
    let assistant = json!({"name": "Camille"});
    let session = json!({"assistant": assistant, "name": "Mme Martin",
        "customer": {"number": "+33612345678"}});
    let session = stage.create("/session", session).await;
    assert_eq!(
        (&session["status"], &session["expirationSeconds"]),
        (&json!("active"), &json!(86_400.0))
    );
    let path = format!("/session/{}", id(&session));
    for text in ["Bonjour", "Encore"] {
        let asked = json!({"sessionId": id(&session), "input": text});
        let chat = stage.create("/chat", asked).await;
        assert_eq!(chat["sessionId"], session["id"]);
    }
    let remembered = stage.get(&path).await;
    let said: Vec<_> =
        remembered["messages"].as_array().expect("rows").iter().map(|m| &m["content"]).collect();
    assert_eq!(said, ["Bonjour", "Bonjour à vous.", "Encore", "Pardon ?"]);
    let listed = stage.get("/session?name=Mme%20Martin").await;
    assert_eq!(listed["results"], json!([remembered]));
    assert_eq!(stage.get("/session?assistantIdAny=a,b").await["metadata"]["totalItems"], 0);

    let (status, body) = stage.ask(Method::PATCH, &path, Some(json!({"assistantId": "a"}))).await;
    assert_eq!(
        (status, &body["message"]),
        (StatusCode::BAD_REQUEST, &json!(["property assistantId should not exist"]))
    );
    let (_, body) = stage.ask(Method::PATCH, &path, Some(json!({"status": "completed"}))).await;
    assert_eq!(body["status"], "completed");
    let asked = json!({"sessionId": id(&session), "input": "Et maintenant ?"});
    let (status, body) = stage.ask(Method::POST, "/chat", Some(asked)).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(body["message"].as_str().is_some_and(|text| text.contains("expired")), "{body}");
    let (status, _) = stage.ask(Method::DELETE, &path, None).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(stage.ask(Method::GET, &path, None).await.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn an_answer_is_streamed_as_each_client_reads_it() {
    let (_data, stage) = stage().await;
    let assistant = id(&stage.create("/assistant", json!({"name": "Camille"})).await);
    let asked = json!({"assistantId": assistant, "input": "Bonjour", "stream": true});
    let told = events(&stage, "/chat", PRIVATE_KEY, asked.clone()).await;
    let deltas: String =
        told.iter().map(|event| read(event)["delta"].as_str().expect("text").to_owned()).collect();
    assert_eq!(deltas, "Bonjour à vous.");
    assert_eq!(read(&told[0])["path"], "chat.output[0].content");
    let chat = read(&told[0])["id"].as_str().expect("an id").to_owned();
    assert_eq!(stage.get(&format!("/chat/{chat}")).await["output"][0]["content"], deltas);

    let told = events(&stage, "/chat/web", PUBLIC_KEY, asked.clone()).await;
    assert_eq!(told.last().map(String::as_str), Some("[DONE]"));
    let session = read(&told[0])["sessionId"].as_str().expect("a session").to_owned();
    let again = json!({"assistantId": assistant, "sessionId": session, "input": "Encore",
        "stream": true});
    let told = events(&stage, "/chat/web", PUBLIC_KEY, again).await;
    assert_eq!(read(&told[0])["sessionId"], session);
    let remembered = stage.get(&format!("/session/{session}")).await;
    assert_eq!(remembered["messages"].as_array().map(Vec::len), Some(4));
    let request = stage.request(Method::POST, "/chat").bearer_auth(PUBLIC_KEY).json(&asked);
    let refused = request.send().await.expect("an answer");
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED, "a public key is for browsers");

    let asked = json!({"assistantId": assistant, "input": "Bonjour", "model": "gpt-4o"});
    let told = events(&stage, "/chat/responses", PRIVATE_KEY, asked.clone()).await;
    let kinds: Vec<_> = told.iter().map(|event| read(event)["type"].clone()).collect();
    assert_eq!(kinds[0], "response.output_text.delta");
    assert_eq!(kinds[kinds.len() - 2..], ["response.output_text.done", "response.completed"]);
    let mut whole = asked;
    whole["stream"] = false.into();
    let response = stage.create("/chat/responses", whole).await;
    assert_eq!(
        (&response["object"], &response["status"]),
        (&json!("response"), &json!("completed"))
    );
    assert_eq!(response["output"][0]["content"][0]["text"], "Bonjour à vous.");
}

#[tokio::test]
async fn calls_are_added_up() {
    let (_data, stage) = stage().await;
    let (assistant, _) = stage.answers(json!({"firstMessage": "Bonjour."})).await;
    let mut minutes = 0.0;
    for _ in 0..2 {
        stage.call(chats()).await.await.expect("no panic");
    }
    loop {
        let calls = stage.get("/call").await;
        let calls = calls.as_array().expect("a list");
        if calls.iter().all(|call| call["status"] == "ended") {
            let moment = |call: &Value, field: &str| {
                let text = call[field].as_str().expect("a moment").to_owned();
                engine::store::Timestamp::from_iso(&text).expect("ISO").as_millis()
            };
            for call in calls {
                minutes += (moment(call, "endedAt") - moment(call, "startedAt")) as f64 / 60_000.0;
            }
            break;
        }
        tokio::task::yield_now().await;
    }
    let query = json!({"queries": [{"table": "call", "name": "reasons",
        "groupBy": ["assistantId", "endedReason"], "operations": [
            {"operation": "count", "column": "id"}, {"operation": "sum", "column": "duration"}],
        "timeRange": {"step": "century"}}]});
    let answer = stage.create("/analytics", query).await;
    let [row] = &answer[0]["result"].as_array().expect("rows")[..] else { panic!("{answer}") };
    assert_eq!((&answer[0]["name"], &row["countId"]), (&json!("reasons"), &json!(2)));
    assert_eq!(row["assistantId"], json!(assistant));
    assert_eq!(row["endedReason"], "customer-ended-call");
    let sum = row["sumDuration"].as_f64().expect("a number");
    assert!((sum - minutes).abs() < 1e-9, "{sum} {minutes}");
    let wrong = json!({"queries": [{"table": "calls"}]});
    let (status, _) = stage.ask(Method::POST, "/analytics", Some(wrong)).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
}
