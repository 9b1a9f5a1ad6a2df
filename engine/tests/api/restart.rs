//! What is left when a process dies, and what the next one makes of it.

use std::time::Duration;

use engine::carrier::{Action, CallerScript, When};
use serde_json::json;

use crate::receiver::Receiver;
use crate::stage::{Stage, chats, id};

#[test]
fn a_call_that_a_dead_process_left_is_ended_and_reported() {
    let data = tempfile::tempdir().expect("a directory");
    let runtime = || tokio::runtime::Runtime::new().expect("a runtime");
    let outside = runtime();
    let mut receiver = outside.block_on(Receiver::start([]));

    let first = runtime();
    let call = first.block_on(async {
        let stage = Stage::start(data.path(), &[]).await;
        stage
            .answers(json!({"firstMessage": "Bonjour.", "server": {"url": receiver.url},
                "serverMessages": ["conversation-update", "end-of-call-report"]}))
            .await;
        stage.call(CallerScript::default()).await;
        // The greeting was heard, and that is known outside.
        receiver.next().await;
        id(&stage.get("/call").await[0])
    });
    // Nothing of it runs any more, and nothing was finished.
    first.shutdown_background();

    outside.block_on(async {
        let stage = Stage::start(data.path(), &[]).await;
        let call = stage.get(&format!("/call/{call}")).await;
        assert_eq!(call["status"], "ended");
        assert_eq!(call["endedReason"], "call.in-progress.error-vapifault-worker-died");
        assert_eq!(call["transcript"], "AI: Bonjour.\n", "what is known of it");
        let reports = receiver.until_report().await;
        let report = &reports.last().expect("a report").message;
        assert_eq!(report["call"]["id"], call["id"]);
        assert_eq!(report["endedReason"], call["endedReason"]);
        assert_eq!(report["transcript"], "AI: Bonjour.\n");
    });
}

#[tokio::test]
async fn what_could_not_be_delivered_is_delivered_after_the_next_start() {
    let data = tempfile::tempdir().expect("a directory");
    // Nobody listens there.
    let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = closed.local_addr().expect("bound");
    drop(closed);

    let stage = Stage::start(data.path(), &[]).await;
    let assistant = json!({"firstMessage": "Bonjour.", "server": {"url": format!("http://{address}/")},
        "serverMessages": ["end-of-call-report"]});
    stage.answers(assistant).await;
    stage.call(chats()).await.await.expect("no panic");
    let call = stage.ended_call().await;
    stage.stop().await;

    let listener = tokio::net::TcpListener::bind(address).await.expect("the port is still free");
    let (sender, mut received) = tokio::sync::mpsc::unbounded_channel();
    let take = async |axum::extract::State(sender): axum::extract::State<
        tokio::sync::mpsc::UnboundedSender<serde_json::Value>,
    >,
                      axum::Json(body): axum::Json<serde_json::Value>| {
        let _ = sender.send(body);
    };
    let router = axum::Router::new().route("/", axum::routing::post(take)).with_state(sender);
    tokio::spawn(async { axum::serve(listener, router).await });
    let stage = Stage::start(data.path(), &[]).await;
    let message = received.recv().await.expect("a message")["message"].take();
    assert_eq!(message["type"], "end-of-call-report");
    assert_eq!(message["call"]["id"], call["id"]);
    assert_eq!(stage.ended_call().await, call, "the call is as it was");
    stage.stop().await;
}

#[tokio::test]
async fn resources_and_keys_outlive_the_process() {
    let data = tempfile::tempdir().expect("a directory");
    let stage = Stage::start(data.path(), &[]).await;
    let made = stage.create("/assistant", json!({"name": "Camille"})).await;
    stage.stop().await;
    let without_keys = [("CAUSERIE_PRIVATE_KEY", ""), ("CAUSERIE_PUBLIC_KEY", "")];
    let stage = Stage::start(data.path(), &without_keys).await;
    assert_eq!(stage.get("/assistant").await, json!([made]), "asked with the key of before");
}

#[test]
fn a_report_that_a_dead_process_was_about_to_write_is_written_once() {
    let data = tempfile::tempdir().expect("a directory");
    let runtime = || tokio::runtime::Runtime::new().expect("a runtime");
    let outside = runtime();
    let mut receiver = outside.block_on(Receiver::start([]));
    // A model that takes its time: nobody accepts what is asked of it.
    let model = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}/v1", model.local_addr().expect("bound"));

    let first = runtime();
    first.block_on(async {
        let stage = Stage::start(data.path(), &[]).await;
        stage
            .answers(json!({"firstMessage": "Bonjour.", "server": {"url": receiver.url},
                "model": {"provider": "custom-llm", "model": "m", "url": url},
                "analysisPlan": {"minMessagesThreshold": 1, "summaryPlan": {"timeoutSeconds": 60}},
                "serverMessages": ["status-update", "end-of-call-report"]}))
            .await;
        let script = CallerScript::default()
            .then(When::AgentSilent(Duration::from_millis(300)), Action::HangUp);
        stage.call(script).await.await.expect("no panic");
        while receiver.next().await.message["status"] != "ended" {}
    });
    first.shutdown_background();

    outside.block_on(async {
        let stage = Stage::start(data.path(), &[]).await;
        // What was told may be told again, under its id; the report was not.
        let reports = receiver.until_report().await;
        let report = &reports.last().expect("a report").message;
        assert_eq!(report["endedReason"], "customer-ended-call");
        assert_eq!(report["transcript"], "AI: Bonjour.\n");
        assert_eq!(report["analysis"], json!({}));
        stage.stop().await;
        let stage = Stage::start(data.path(), &[]).await;
        stage.stop().await;
    });
    assert!(receiver.is_silent(), "once");
}
