//! Numbers without an assistant: their server says who answers.

use engine::carrier::Dialled;
use serde_json::{Value, json};

use crate::receiver::{Received, Receiver, Tools};
use crate::stage::{AUTH_TOKEN, CALLER, NUMBER, Stage, chats};

/// An engine whose number has a server that answers `assistant`.
async fn asked(assistant: &Value, number: Value) -> (tempfile::TempDir, Stage, Receiver) {
    let tools = Tools { assistant: assistant.to_string(), ..Tools::default() };
    let receiver = Receiver::with_tools([], tools).await;
    let data = tempfile::tempdir().expect("a directory");
    let stage = Stage::start(data.path(), &[]).await;
    let mut sent = json!({"provider": "twilio", "number": NUMBER, "twilioAccountSid": "AC1",
        "server": {"url": receiver.url, "secret": "hunter2"}});
    for (name, value) in number.as_object().expect("an object") {
        sent[name] = value.clone();
    }
    stage.create("/phone-number", sent).await;
    (data, stage, receiver)
}

#[tokio::test]
async fn a_server_sends_an_assistant_for_one_call() {
    let assistant = json!({"assistant": {"firstMessage": "Bonjour {{nom}}.",
        "serverMessages": ["end-of-call-report"]},
        "assistantOverrides": {"variableValues": {"nom": "madame Martin"}}});
    let (_data, stage, mut receiver) = asked(&assistant, json!({})).await;
    stage.call(chats()).await.await.expect("no panic");
    let messages = receiver.until_report().await;
    let kinds: Vec<_> = messages.iter().map(Received::kind).collect();
    assert_eq!(kinds, ["assistant-request", "end-of-call-report"]);
    let request = &messages[0];
    assert_eq!(request.headers["x-vapi-secret"], "hunter2");
    assert_eq!(request.message["customer"]["number"], CALLER);
    assert_eq!(request.message["phoneNumber"]["number"], NUMBER);
    assert_eq!(request.message["call"]["type"], "inboundPhoneCall");
    let call = stage.ended_call().await;
    assert_eq!(
        call["transcript"],
        "AI: Bonjour madame Martin.\nUser: Good morning.\nAI: Very well.\n"
    );
    assert_eq!(call["assistant"]["firstMessage"], "Bonjour {{nom}}.");
    assert_eq!(call["id"], request.message["call"]["id"]);
}

#[tokio::test]
async fn a_server_may_refuse_in_words_or_send_the_call_elsewhere() {
    let (_data, stage, _receiver) =
        asked(&json!({"error": "Nous sommes fermés."}), json!({})).await;
    let said = stage.dial("CA1", AUTH_TOKEN).await;
    assert_eq!(said, Ok(Dialled::Said("Nous sommes fermés.".to_owned())));
    assert_eq!(stage.ended_call().await["endedReason"], "assistant-request-returned-error");

    let elsewhere = json!({"destination": {"type": "number", "number": "+33155555555"}});
    let (_data, stage, _receiver) = asked(&elsewhere, json!({})).await;
    assert!(stage.dial("CA1", AUTH_TOKEN).await.is_err(), "a verb this carrier does not know");
    let call = stage.ended_call().await;
    assert_eq!(call["endedReason"], "assistant-request-returned-forwarding-phone-number");
    assert_eq!(call["destination"]["number"], "+33155555555");
}

#[tokio::test]
async fn a_number_without_an_answer_has_its_fallback() {
    let fallback = json!({"fallbackDestination": {"type": "number", "number": "+33144444444"}});
    let (_data, stage, _receiver) = asked(&json!({}), fallback).await;
    assert!(stage.dial("CA1", AUTH_TOKEN).await.is_err(), "a verb the carrier does not know");
    let call = stage.ended_call().await;
    assert_eq!(call["endedReason"], "assistant-request-returned-no-assistant");
    assert_eq!(call["destination"]["number"], "+33144444444");

    let (_data, stage, _receiver) = asked(&json!({}), json!({})).await;
    assert_eq!(stage.dial("CA1", AUTH_TOKEN).await, Ok(Dialled::Rejected));
}
