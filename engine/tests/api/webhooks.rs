//! Messages to a product's server.

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::receiver::{Received, Receiver};
use crate::stage::{CALLER, NUMBER, Stage, chats};

/// A call to an assistant with these fields beside its server, and what its server was sent.
async fn messages(mut assistant: Value, receiver: &mut Receiver) -> (Stage, Vec<Received>) {
    let data = tempfile::tempdir().expect("a directory");
    let mut stage = Stage::start(data.path(), &[]).await;
    stage.data = Some(data);
    assistant["firstMessage"] = "Bonjour.".into();
    assistant["server"] = json!({"url": receiver.url, "secret": "hunter2",
        "headers": {"x-product": "causette"}});
    stage.answers(assistant).await;
    stage.call(chats()).await.await.expect("no panic");
    (stage, receiver.until_report().await)
}

#[tokio::test]
async fn a_call_is_told_from_beginning_to_end_in_order() {
    let mut receiver = Receiver::start([]).await;
    let (stage, messages) = messages(json!({}), &mut receiver).await;

    let kinds: Vec<_> = messages.iter().map(Received::kind).collect();
    assert_eq!(kinds[..2], ["status-update", "assistant.started"]);
    assert_eq!(kinds[kinds.len() - 2..], ["status-update", "end-of-call-report"]);
    assert!(kinds.contains(&"speech-update") && kinds.contains(&"conversation-update"));
    assert!(!kinds.contains(&"transcript"), "nobody asked for it");
    let times: Vec<_> = messages.iter().map(|m| m.message["timestamp"].as_i64()).collect();
    assert!(times.is_sorted(), "{times:?}");
    for received in &messages {
        assert_eq!(received.headers["x-vapi-secret"], "hunter2");
        assert_eq!(received.headers["x-product"], "causette");
        let message = &received.message;
        assert_eq!(message["call"]["customer"]["number"], CALLER);
        assert_eq!(message["customer"]["number"], CALLER);
        assert_eq!(message["phoneNumber"]["number"], NUMBER);
        assert_eq!(message["assistant"]["firstMessage"], "Bonjour.");
        assert!(!message.to_string().contains("hunter2"), "{message}");
    }

    assert_eq!(messages[0].message["status"], "in-progress");
    assert_eq!(messages[0].message["call"]["status"], "in-progress");
    let report = &messages[messages.len() - 1].message;
    let call = stage.ended_call().await;
    assert_eq!(report["endedReason"], "customer-ended-call");
    assert_eq!(report["transcript"], call["transcript"]);
    assert_eq!(report["artifact"], call["artifact"]);
    assert_eq!(report["recordingUrl"], call["recordingUrl"]);
    assert!(report["durationSeconds"].as_f64().is_some_and(|seconds| seconds > 0.0));
}

#[tokio::test]
async fn a_server_is_sent_what_it_asked_for() {
    let mut receiver = Receiver::start([]).await;
    let asked = json!({"serverMessages":
        ["transcript[transcriptType=\"final\"]", "end-of-call-report"]});
    let (_stage, messages) = messages(asked, &mut receiver).await;
    let told: Vec<_> = messages
        .iter()
        .map(|m| (m.kind(), m.message["role"].as_str(), m.message["transcript"].as_str()))
        .collect();
    assert_eq!(
        told[..3],
        [
            ("transcript", Some("assistant"), Some("Bonjour.")),
            ("transcript", Some("user"), Some("Good morning.")),
            ("transcript", Some("assistant"), Some("Very well.")),
        ]
    );
    assert_eq!(told[3].0, "end-of-call-report");
    assert_eq!(told.len(), 4);
}

#[tokio::test]
async fn a_server_may_follow_what_the_assistant_says() {
    let mut receiver = Receiver::start([]).await;
    let asked = json!({"serverMessages":
        ["assistant.speechStarted", "model-output", "voice-input", "end-of-call-report"]});
    let (_stage, messages) = messages(asked, &mut receiver).await;
    let told: Vec<_> = messages
        .iter()
        .map(|m| {
            let words =
                ["text", "output", "input"].iter().find_map(|name| m.message[name].as_str());
            (m.kind(), words.unwrap_or_default())
        })
        .collect();
    assert_eq!(
        told,
        [
            ("assistant.speechStarted", "Bonjour."),
            ("model-output", "Bonjour."),
            ("voice-input", "Bonjour."),
            ("assistant.speechStarted", "Very well."),
            ("model-output", "Very well."),
            ("voice-input", "Very well."),
            ("end-of-call-report", ""),
        ]
    );
}

#[tokio::test]
async fn a_message_that_is_not_taken_comes_again_under_its_id_before_those_behind_it() {
    let mut receiver = Receiver::start([503, 500, 200, 429]).await;
    let asked = json!({"serverMessages": ["status-update", "end-of-call-report"]});
    let (_stage, messages) = messages(asked, &mut receiver).await;
    let told: Vec<_> = messages
        .iter()
        .map(|m| (m.kind(), m.message["status"].as_str(), m.status.as_u16()))
        .collect();
    assert_eq!(
        told,
        [
            ("status-update", Some("in-progress"), 503),
            ("status-update", Some("in-progress"), 500),
            ("status-update", Some("in-progress"), 200),
            ("status-update", Some("ended"), 429),
            ("status-update", Some("ended"), 200),
            ("end-of-call-report", None, 200),
        ]
    );
    let ids: Vec<_> = messages.iter().map(Received::id).collect();
    assert!(ids[0] == ids[1] && ids[1] == ids[2] && ids[3] == ids[4], "{ids:?}");
    assert!(ids[2] != ids[3] && ids[4] != ids[5], "{ids:?}");
    assert_eq!(messages[0].message["call"]["status"], "in-progress", "as it was then");
}

#[tokio::test]
async fn what_a_server_will_never_take_holds_nothing_back() {
    let mut receiver = Receiver::start([404]).await;
    let asked = json!({"serverMessages": ["status-update", "end-of-call-report"]});
    let (_stage, messages) = messages(asked, &mut receiver).await;
    let told: Vec<_> = messages.iter().map(|m| (m.kind(), m.status)).collect();
    assert_eq!(
        told,
        [
            ("status-update", StatusCode::NOT_FOUND),
            ("status-update", StatusCode::OK),
            ("end-of-call-report", StatusCode::OK),
        ]
    );
}
