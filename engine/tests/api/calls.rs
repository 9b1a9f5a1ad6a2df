//! Calls: who answers them, and what is left of them.

use codecs::wav::Wav;
use engine::carrier::Dialled;
use reqwest::{Method, StatusCode, header};
use serde_json::{Value, json};

use crate::stage::{AUTH_TOKEN, CALLER, NUMBER, Stage, chats, id};

async fn stage() -> (tempfile::TempDir, Stage) {
    let data = tempfile::tempdir().expect("a directory");
    let stage = Stage::start(data.path(), &[]).await;
    (data, stage)
}

#[tokio::test]
async fn the_numbers_assistant_answers_and_the_call_is_there_to_be_read() {
    let (_data, stage) = stage().await;
    let (assistant, number) = stage
        .answers(json!({"firstMessage": "Salon Camille, bonjour.",
            "model": {"messages": [{"role": "system", "content": "Soyez brève."}]}}))
        .await;
    stage.call(chats()).await.await.expect("no panic");
    let call = stage.ended_call().await;

    assert_eq!(call["type"], "inboundPhoneCall");
    assert_eq!(call["endedReason"], "customer-ended-call");
    assert_eq!((&call["assistantId"], &call["phoneNumberId"]), (&json!(assistant), &json!(number)));
    assert_eq!(call["customer"]["number"], CALLER);
    assert_eq!(call["transport"]["provider"], "twilio");
    assert_eq!(
        call["transcript"],
        "AI: Salon Camille, bonjour.\nUser: Good morning.\nAI: Very well.\n"
    );
    let roles: Vec<_> =
        call["messages"].as_array().expect("rows").iter().map(|m| &m["role"]).collect();
    assert_eq!(roles, ["system", "bot", "user", "bot"]);
    assert_eq!(call["artifact"]["messages"], call["messages"]);
    let metrics = &call["artifact"]["performanceMetrics"]["turnLatencies"];
    assert_eq!(metrics.as_array().map(Vec::len), Some(2), "the greeting and a reply: {metrics}");
    let (started, ended) = (call["startedAt"].as_str(), call["endedAt"].as_str());
    assert!(started.is_some() && started < ended, "{started:?} {ended:?}");

    let path = format!("/call/{}", id(&call));
    assert_eq!(stage.get(&path).await, call);
    let found =
        async |query: &str| stage.get(&format!("/call?{query}")).await.as_array().map(Vec::len);
    assert_eq!(found(&format!("assistantId={assistant}")).await, Some(1));
    assert_eq!(found(&format!("assistantId={number}")).await, Some(0));
    assert_eq!(found(&format!("phoneNumberId={number}&limit=10&status=ended")).await, Some(1));
    assert_eq!(found(&format!("id={}", id(&call))).await, Some(1));
    assert_eq!(
        found(&format!("createdAtLt={}", call["createdAt"].as_str().expect("a moment"))).await,
        Some(0)
    );
}

#[tokio::test]
async fn a_recording_is_for_who_has_the_key_or_the_link() {
    let (_data, stage) = stage().await;
    stage.answers(json!({"firstMessage": "Bonjour."})).await;
    stage.call(chats()).await.await.expect("no panic");
    let call = stage.ended_call().await;

    let linked = call["artifact"]["recording"]["stereoUrl"].as_str().expect("a link");
    assert_eq!(call["stereoRecordingUrl"], linked);
    let response = stage.request(Method::GET, linked).send().await.expect("an answer");
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()[header::CONTENT_TYPE], "audio/wav");
    let read = |bytes: &[u8]| Wav::read(std::io::Cursor::new(bytes.to_vec())).expect("WAV");
    let stereo = read(&response.bytes().await.expect("a body"));
    assert_eq!(stereo.channels, 2);

    let path = format!("/call/{}/customer-recording", id(&call));
    let closed = stage.request(Method::GET, &path).send().await.expect("an answer");
    assert_eq!(closed.status(), StatusCode::UNAUTHORIZED);
    let open = stage.request(Method::GET, &path).bearer_auth(crate::stage::PRIVATE_KEY);
    let open = open.send().await.expect("an answer");
    assert_eq!(open.status(), StatusCode::FOUND);
    let location = open.headers()[header::LOCATION].to_str().expect("ASCII").to_owned();
    let response = stage.request(Method::GET, &location).send().await.expect("an answer");
    let customer = read(&response.bytes().await.expect("a body"));
    assert_eq!((customer.channels, customer.samples), (1, stereo.channel(0)));

    for changed in [
        location.replace("customer.wav", "stereo.wav"),
        location.replace("expires=", "expires=9"),
        location.replace("signature=", "signature=A"),
    ] {
        let response = stage.request(Method::GET, &changed).send().await.expect("an answer");
        assert_eq!(response.status(), StatusCode::FORBIDDEN, "{changed}");
    }
}

#[tokio::test]
async fn a_call_is_renamed_and_its_data_deleted() {
    let (data, stage) = stage().await;
    stage.call(chats()).await.await.expect("no panic");
    let call = stage.ended_call().await;
    assert!(call["transcript"].as_str().expect("text").starts_with("AI: Configured.\n"));
    assert_eq!(call.get("assistantId"), None, "nobody stored it");

    let path = format!("/call/{}", id(&call));
    let (status, body) = stage.ask(Method::PATCH, &path, Some(json!({"status": "ended"}))).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert_eq!(body["message"], json!(["property status should not exist"]));
    let (_, body) = stage.ask(Method::PATCH, &path, Some(json!({"name": "Mme Martin"}))).await;
    assert_eq!(body["name"], "Mme Martin");

    let folder = data.path().join("calls").join(id(&call));
    assert!(folder.exists());
    let (status, _) = stage.ask(Method::DELETE, &path, None).await;
    assert_eq!(status, StatusCode::OK);
    assert!(!folder.exists());
    assert_eq!(stage.ask(Method::GET, &path, None).await.0, StatusCode::NOT_FOUND);
    let link = call["recordingUrl"].as_str().expect("a link");
    let response = stage.request(Method::GET, link).send().await.expect("an answer");
    assert_eq!(response.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_call_that_nobody_here_can_serve_is_refused_and_says_why() {
    let (_data, stage) = stage().await;
    stage.answers(json!({"voice": {"provider": "azure", "voiceId": "fr-FR-DeniseNeural"}})).await;
    assert_eq!(stage.dial("CA1", AUTH_TOKEN).await, Ok(Dialled::Rejected));
    let call = stage.ended_call().await;
    assert_eq!(call["endedReason"], "call.in-progress.error-vapifault-vapi-voice-failed");
    assert_eq!(stage.dial("CA1", AUTH_TOKEN).await, Ok(Dialled::Rejected), "asked once more");
    assert_eq!(stage.ended_call().await, call, "and it is the same call");
}

#[tokio::test]
async fn a_number_whose_assistant_is_gone_answers_nobody() {
    let (_data, stage) = stage().await;
    let (assistant, _) = stage.answers(json!({"firstMessage": "Bonjour."})).await;
    stage.ask(Method::DELETE, &format!("/assistant/{assistant}"), None).await;
    assert_eq!(stage.dial("CA1", AUTH_TOKEN).await, Ok(Dialled::Rejected));
    assert_eq!(stage.ended_call().await["endedReason"], "assistant-not-found");
}

#[tokio::test]
async fn a_numbers_own_account_signs_its_calls() {
    let (_data, stage) = stage().await;
    let number = json!({"provider": "twilio", "number": NUMBER, "twilioAccountSid": "AC1",
        "twilioAuthToken": "its own"});
    stage.create("/phone-number", number).await;
    assert!(stage.dial("CA1", AUTH_TOKEN).await.is_err(), "another account");
    let dialled = stage.dial("CA1", "its own").await;
    assert!(matches!(dialled, Ok(Dialled::Stream { .. })), "{dialled:?}");
    let calls = stage.get("/call").await;
    assert_eq!(calls[0]["status"], Value::from("ringing"));
}
