//! Tools in a running call.

use std::time::Duration;

use engine::carrier::{Action, CallerScript, When};
use serde_json::{Value, json};

use crate::receiver::{Received, Receiver, Tools};
use crate::stage::{CALLER, Stage, chats, id};

const DIALOGUE: &str = r#"
language: fr
rules:
  - when: { user: table }
    tool: { name: book, arguments: { guests: 2 } }
    then: { say: "Réponse {result|aucune}." }
fallback: { say: "Oui." }
"#;

/// What a customer's tool looks like.
fn book() -> Value {
    json!({
        "type": "function",
        "function": {"name": "book", "description": "Réserve une table",
                     "parameters": {"type": "object",
                                    "properties": {"guests": {"type": "integer"}}}},
        "messages": [{"type": "request-start", "content": "Je réserve pour {{guests}}."}],
    })
}

/// An assistant with this tool, which tells `receiver` what it is said.
fn assistant(tool: Value, receiver: &Receiver) -> Value {
    json!({
        "firstMessage": "Bonjour.",
        "transcriber": {"language": "fr"},
        "model": {"tools": [tool]},
        "server": {"url": receiver.url, "secret": "hunter2"},
        "serverMessages": ["end-of-call-report", "transcript[transcriptType=\"final\"]"],
    })
}

/// A caller who says `words` in turn and waits until the assistant hangs up, or does so when there
/// is nothing more to hear.
async fn stage(words: &[&str]) -> (tempfile::TempDir, Stage) {
    let data = tempfile::tempdir().expect("a directory");
    let stage = Stage::start_speaking(data.path(), &[], DIALOGUE, words).await;
    (data, stage)
}

fn kind<'a>(messages: &'a [Received], kind: &str) -> &'a Received {
    let found = messages.iter().find(|received| received.kind() == kind);
    found.unwrap_or_else(|| panic!("no {kind} in {messages:?}"))
}

#[tokio::test]
async fn a_server_is_asked_in_every_shape_and_its_answer_is_said() {
    let answer = r#"{"results": [{"toolCallId": "ID", "result": "libre"}]}"#.to_owned();
    let mut receiver = Receiver::with_tools([], Tools { answer, ..Tools::default() }).await;
    let (_data, stage) = stage(&["Une table pour deux."]).await;
    let mut tool = book();
    tool["parameters"] = json!([{"key": "tenant", "value": "client {{customer.number}}"}]);
    let (assistant, _) = stage.answers(assistant(tool, &receiver)).await;
    stage.call(chats()).await.await.expect("no panic");

    let messages = receiver.until_report().await;
    let asked = kind(&messages, "tool-calls");
    assert_eq!(asked.headers["x-vapi-secret"], "hunter2");
    let message = &asked.message;
    let arguments = json!({"guests": 2, "tenant": format!("client {CALLER}")});
    let listed = &message["toolCallList"][0];
    assert_eq!(listed["function"], json!({"name": "book", "arguments": arguments}));
    assert_eq!((&listed["name"], &listed["arguments"]), (&json!("book"), &arguments));
    assert_eq!(message["toolCalls"][0]["function"], listed["function"]);
    let with_tool = &message["toolWithToolCallList"][0];
    assert_eq!(with_tool["function"]["description"], "Réserve une table");
    assert_eq!(with_tool["toolCall"]["parameters"], arguments);
    assert_eq!(with_tool["toolCall"]["id"], listed["id"]);
    assert_eq!(message["call"]["assistantId"], assistant);
    assert_eq!(message["call"]["customer"]["number"], CALLER);
    assert_eq!(message["artifact"]["messages"][0]["message"], "Bonjour.");
    let said = message["artifact"]["messagesOpenAIFormatted"].to_string();
    assert!(said.contains("Une table pour deux."), "{said}");
    assert!(!message.to_string().contains("hunter2"));

    let call = stage.ended_call().await;
    assert_eq!(
        call["transcript"],
        "AI: Bonjour.\nUser: Une table pour deux.\nAI: Je réserve pour 2.\nAI: Réponse libre.\n"
    );
    let rows = call["messages"].as_array().expect("rows");
    let of = |role| rows.iter().find(|row| row["role"] == role).expect("it is there");
    let called = &of("tool_calls")["toolCalls"][0];
    assert_eq!((&called["id"], &called["function"]["name"]), (&listed["id"], &json!("book")));
    assert!(called["function"]["arguments"].is_string(), "as OpenAI has it: {called}");
    let answered = of("tool_call_result");
    assert_eq!((&answered["name"], &answered["result"]), (&json!("book"), &json!("libre")));
    assert_eq!(answered["toolCallId"], listed["id"]);
    let report = &kind(&messages, "end-of-call-report").message;
    assert_eq!(report["artifact"]["messages"], call["messages"]);
}

#[tokio::test]
async fn the_caller_is_heard_and_answered_while_a_tool_takes_its_time() {
    let tools = Tools {
        answer: r#"{"results": [{"toolCallId": "ID", "result": "ok", "message": {
            "type": "request-complete", "content": "C'est réservé.",
            "endCallAfterSpokenEnabled": true}}]}"#
            .to_owned(),
        held_until: Some("Oui."),
        ..Tools::default()
    };
    let mut receiver = Receiver::with_tools([], tools).await;
    let (_data, stage) = stage(&["Une table pour deux.", "Vous êtes là ?"]).await;
    let mut tool = book();
    tool["messages"] = json!([
        {"type": "request-start", "content": "Un instant."},
        {"type": "request-response-delayed", "content": "Je cherche.", "timingMilliseconds": 100},
    ]);
    stage.answers(assistant(tool, &receiver)).await;
    let sound = || vec![8_000_i16; 2_400];
    let script = CallerScript::default()
        .then(When::AgentSilent(Duration::from_millis(300)), Action::Say(sound()))
        .then(When::AgentSilent(Duration::from_millis(1_500)), Action::Say(sound()));
    stage.call(script).await.await.expect("no panic");

    receiver.until_report().await;
    let call = stage.ended_call().await;
    assert_eq!(
        call["transcript"],
        "AI: Bonjour.\nUser: Une table pour deux.\nAI: Un instant.\nAI: Je cherche.\n\
         User: Vous êtes là ?\nAI: Oui.\nAI: C'est réservé.\n"
    );
    assert_eq!(call["endedReason"], "assistant-ended-call");
}

#[tokio::test]
async fn a_tool_that_fails_has_its_own_words_or_the_models() {
    for (messages, last) in [
        (
            json!([{"type": "request-start", "content": ""},
                {"type": "request-failed", "content": "Je n'y arrive pas."}]),
            "Je n'y arrive pas.",
        ),
        (json!([]), "Réponse Error: the server answered with status 500."),
    ] {
        let mut receiver = Receiver::with_tools([500], Tools::default()).await;
        let (_data, stage) = stage(&["Une table pour deux."]).await;
        let mut tool = book();
        tool["messages"] = messages;
        let mut assistant = assistant(tool, &receiver);
        assistant["serverMessages"] = json!(["end-of-call-report"]);
        stage.answers(assistant).await;
        stage.call(chats()).await.await.expect("no panic");
        receiver.until_report().await;
        let transcript = stage.ended_call().await["transcript"].take();
        let expected = format!("AI: Bonjour.\nUser: Une table pour deux.\nAI: {last}\n");
        assert_eq!(transcript, expected);
    }
}

#[tokio::test]
async fn nobody_waits_for_an_asynchronous_tool() {
    let held_until = Some("never said");
    let tools = Tools { answer: "{}".to_owned(), held_until, ..Tools::default() };
    let mut receiver = Receiver::with_tools([], tools).await;
    let (_data, stage) = stage(&["Une table pour deux."]).await;
    let mut tool = book();
    tool["async"] = true.into();
    // Stored by itself, and named by the assistant.
    let tool = id(&stage.create("/tool", tool).await);
    let mut assistant = assistant(Value::Null, &receiver);
    assistant["model"] = json!({"toolIds": [tool]});
    stage.answers(assistant).await;
    stage.call(chats()).await.await.expect("no panic");
    let messages = receiver.until_report().await;
    assert_eq!(kind(&messages, "tool-calls").message["toolCallList"][0]["name"], "book");
    assert_eq!(
        stage.ended_call().await["transcript"],
        "AI: Bonjour.\nUser: Une table pour deux.\nAI: Réponse Success.\n"
    );
}

#[tokio::test]
async fn a_request_is_made_with_what_the_model_gives() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/stock", listener.local_addr().expect("bound"));
    let answer = async |uri: axum::http::Uri, headers: axum::http::HeaderMap| {
        let key = headers.get("x-key").and_then(|key| key.to_str().ok()).unwrap_or_default();
        format!("{} {key}", uri.path_and_query().expect("a path"))
    };
    let router = axum::Router::new().route("/stock/{guests}", axum::routing::get(answer));
    tokio::spawn(async { axum::serve(listener, router).await });
    let receiver = Receiver::start([]).await;
    let (_data, stage) = stage(&["Une table pour deux."]).await;
    let tool = json!({
        "type": "apiRequest", "name": "book", "method": "GET", "url": format!("{url}/{{{{guests}}}}"),
        "headers": {"type": "object", "properties": {"X-Key": {"type": "string", "value": "k1"}}},
        "body": {"type": "object", "properties": {
            "guests": {"type": "integer"}, "shop": {"type": "string", "value": "Lyon"}}},
        "messages": [],
    });
    stage.answers(assistant(tool, &receiver)).await;
    stage.call(chats()).await.await.expect("no panic");
    assert_eq!(
        stage.ended_call().await["transcript"],
        "AI: Bonjour.\nUser: Une table pour deux.\nAI: Réponse /stock/2?shop=Lyon k1.\n"
    );
}
