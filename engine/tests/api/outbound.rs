//! Calls that go out, and calls that are passed on.

use std::time::Duration;

use engine::carrier::{Action, CallerScript, Dialled, When};
use engine::store::Timestamp;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::receiver::Receiver;
use crate::stage::{AUTH_TOKEN, NUMBER, Stage, chats, id};
use crate::twilio::Twilio;

const CUSTOMER: &str = "+33698765432";

const DIALOGUE: &str = r#"
language: fr
rules:
  - when: { user: gérant }
    tool: { name: transferCall, arguments: { destination: "+33155555555" } }
    then: { say: "Réponse {result|aucune}." }
fallback: { say: "Oui." }
"#;

struct Outside {
    _data: tempfile::TempDir,
    stage: Stage,
    twilio: Twilio,
    receiver: Receiver,
    /// The number to call from.
    number: String,
    assistant: String,
}

/// An engine whose number belongs to an account at `twilio`.
async fn outside(live: bool, words: &[&str]) -> Outside {
    let twilio = Twilio::start(live).await;
    let receiver = Receiver::start([]).await;
    let data = tempfile::tempdir().expect("a directory");
    let keys = [("CAUSERIE_TWILIO_API_URL", twilio.url.as_str())];
    let stage = Stage::start_speaking(data.path(), &keys, DIALOGUE, words).await;
    let (assistant, number) = stage
        .answers(json!({
            "firstMessage": "Bonjour {{nom}}.",
            "transcriber": {"language": "fr"},
            "model": {"tools": [{"type": "transferCall", "destinations": [
                {"type": "number", "number": "+33155555555", "description": "Le gérant",
                 "callerId": "{{phoneNumber.number}}", "message": "Je vous passe le gérant."}]}]},
            "server": {"url": receiver.url},
            "serverMessages": ["status-update", "transfer-update", "end-of-call-report"],
        }))
        .await;
    Outside { _data: data, stage, twilio, receiver, number, assistant }
}

impl Outside {
    /// An order to call [`CUSTOMER`].
    fn order(&self) -> Value {
        json!({"assistantId": self.assistant, "phoneNumberId": self.number,
            "customer": {"number": CUSTOMER, "name": "Mme Martin"},
            "assistantOverrides": {"variableValues": {"nom": "madame Martin"}},
            "type": "outboundPhoneCall", "metadata": {"dossier": 7}})
    }

    /// What became of the only call, and each `status` its server was told.
    async fn over(&mut self) -> (Value, Vec<String>) {
        let messages = self.receiver.until_report().await;
        let told = messages.iter().filter(|message| message.kind() == "status-update");
        let statuses = told.map(|m| m.message["status"].as_str().expect("a status").to_owned());
        (self.stage.ended_call().await, statuses.collect())
    }
}

#[tokio::test]
async fn a_call_is_placed_rings_is_answered_and_reported() {
    let mut outside = outside(true, &["Bonjour."]).await;
    let placed = outside.stage.create("/call/phone", outside.order()).await;
    assert_eq!(
        (&placed["status"], &placed["type"]),
        (&json!("queued"), &json!("outboundPhoneCall"))
    );
    assert_eq!(placed["subscriptionLimits"]["concurrencyBlocked"], false);
    assert_eq!(placed["metadata"], json!({"dossier": 7}));
    let asked = outside.twilio.next().await;
    assert_eq!((asked.get("To"), asked.get("From")), (CUSTOMER, NUMBER));
    assert_eq!(asked.get("StatusCallbackEvent"), "initiated ringing answered completed");
    assert_eq!(placed["phoneCallProviderId"], asked.sid);

    assert_eq!(asked.calls_back("ringing", "another account's").await, StatusCode::FORBIDDEN);
    let path = format!("/call/{}", id(&placed));
    assert_eq!(outside.stage.get(&path).await["status"], "queued");
    assert_eq!(asked.calls_back("ringing", AUTH_TOKEN).await, StatusCode::NO_CONTENT);
    assert_eq!(outside.stage.get(&path).await["status"], "ringing");

    let call = outside.stage.answered(&asked, chats()).await;
    call.await.expect("no panic");
    assert_eq!(asked.calls_back("completed", AUTH_TOKEN).await, StatusCode::NO_CONTENT);
    let (call, statuses) = outside.over().await;
    assert_eq!(statuses, ["ringing", "in-progress", "ended"]);
    assert_eq!(call["id"], placed["id"]);
    assert_eq!(call["endedReason"], "customer-ended-call");
    assert_eq!(
        call["transcript"], "AI: Bonjour madame Martin.\nUser: Bonjour.\nAI: Oui.\n",
        "the variable is in the greeting"
    );
    assert_eq!(call["customer"], json!({"number": CUSTOMER, "name": "Mme Martin"}));
}

#[tokio::test]
async fn who_does_not_answer_is_told_by_vapis_words() {
    for (status, reason) in [
        ("busy", "customer-busy"),
        ("no-answer", "customer-did-not-answer"),
        ("failed", "twilio-failed-to-connect-call"),
        ("completed", "customer-ended-call"),
    ] {
        let mut outside = outside(true, &[]).await;
        outside.stage.create("/call", outside.order()).await;
        let asked = outside.twilio.next().await;
        assert_eq!(asked.calls_back(status, AUTH_TOKEN).await, StatusCode::NO_CONTENT);
        let (call, statuses) = outside.over().await;
        assert_eq!(
            (call["endedReason"].as_str(), statuses),
            (Some(reason), vec!["ended".to_owned()])
        );
        let late = outside.stage.dial_outbound(&asked).await;
        assert!(!matches!(late, Ok(Dialled::Stream { .. })), "it is over: {late:?}");
    }
}

#[tokio::test]
async fn what_twilio_refuses_is_told_and_kept() {
    let mut outside = outside(true, &[]).await;
    let mut order = outside.order();
    order["customer"] = json!({"number": "12", "numberE164CheckEnabled": false});
    let (status, body) = outside.stage.ask(Method::POST, "/call", Some(order)).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert_eq!(
        body["message"],
        "the call cannot be placed: Twilio answered 400: The 'To' number 12 is not a valid phone \
         number. (error 21211)"
    );
    let (call, _) = outside.over().await;
    assert_eq!(call["endedReason"], "twilio-failed-to-connect-call");
}

#[tokio::test]
async fn several_customers_are_called_each_by_a_call_and_what_is_not_here_is_named() {
    let mut outside = outside(true, &[]).await;
    let mut order = outside.order();
    order.as_object_mut().expect("an object").remove("customer");
    order["customers"] =
        json!([{"number": CUSTOMER}, {"number": "9", "numberE164CheckEnabled": false}]);
    let both = outside.stage.create("/call", order).await;
    assert_eq!(both["results"].as_array().map(Vec::len), Some(1), "{both}");
    assert_eq!(both["errors"][0]["customer"]["number"], "9");
    assert_eq!(outside.twilio.next().await.get("To"), CUSTOMER);

    let mut order = outside.order();
    order["workflowId"] = json!("w");
    let (status, body) = outside.stage.ask(Method::POST, "/call", Some(order)).await;
    assert_eq!(status, StatusCode::NOT_IMPLEMENTED);
    assert_eq!(body["message"], "workflowId is not served here yet");
    let order = json!({"customer": {"number": CUSTOMER}, "phoneNumberId": outside.number,
        "assistant": {"firstMesage": "x"}});
    let (status, body) = outside.stage.ask(Method::POST, "/call", Some(order)).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert_eq!(
        body["message"],
        json!(["property firstMesage should not exist; did you mean firstMessage?"])
    );
}

#[tokio::test]
async fn a_ringing_call_is_stopped_at_its_control_url() {
    let mut outside = outside(true, &[]).await;
    let placed = outside.stage.create("/call", outside.order()).await;
    let sid = outside.twilio.next().await.sid;
    let control = placed["monitor"]["controlUrl"].as_str().expect("a URL").to_owned();
    let order = |body: Value| outside.stage.request(Method::POST, &control).json(&body).send();
    let status = order(json!({"type": "transfer"})).await.expect("an answer").status();
    assert_eq!(status, StatusCode::NOT_IMPLEMENTED);
    let status = order(json!({"type": "end-call"})).await.expect("an answer").status();
    assert_eq!(status, StatusCode::OK);
    let stopped = outside.twilio.next().await;
    assert_eq!((stopped.sid.as_str(), stopped.get("Status")), (sid.as_str(), "completed"));
    assert_eq!(outside.over().await.0["endedReason"], "manually-canceled");
}

#[tokio::test]
async fn a_call_in_progress_is_spoken_into_and_ended_at_its_control_url() {
    let mut outside = outside(true, &[]).await;
    let call = outside.stage.call(CallerScript::default()).await;
    let control = loop {
        let running = outside.stage.get("/call").await[0].take();
        if running["status"] == "in-progress" {
            break running["monitor"]["controlUrl"].as_str().expect("a URL").to_owned();
        }
        tokio::task::yield_now().await;
    };
    let say = json!({"type": "say", "content": "Nous fermons.", "endCallAfterSpoken": true});
    let request = outside.stage.request(Method::POST, &control).json(&say);
    assert_eq!(request.send().await.expect("an answer").status(), StatusCode::OK);
    call.await.expect("no panic");
    let (call, _) = outside.over().await;
    assert_eq!(call["transcript"], "AI: Bonjour .\nAI: Nous fermons.\n");
    assert_eq!(call["endedReason"], "assistant-ended-call");
}

/// A caller who speaks once and waits.
fn asks() -> CallerScript {
    let sound = vec![8_000_i16; 2_400];
    CallerScript::default().then(When::AgentSilent(Duration::from_millis(300)), Action::Say(sound))
}

#[tokio::test]
async fn a_caller_is_announced_and_passed_on() {
    let mut outside = outside(true, &["Le gérant."]).await;
    outside.stage.call(asks()).await.await.expect("no panic");
    let asked = outside.twilio.next().await;
    assert_eq!(
        asked.get("Twiml"),
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Response><Dial answerOnBridge=\"true\" \
             timeout=\"60\" callerId=\"{NUMBER}\"><Number>+33155555555</Number></Dial></Response>"
        )
    );
    let messages = outside.receiver.until_report().await;
    let forwarding = messages.iter().find(|m| m.message["status"] == "forwarding");
    let forwarding = &forwarding.expect("it is told").message;
    assert_eq!(forwarding["destination"]["number"], "+33155555555");
    assert!(messages.iter().any(|message| message.kind() == "transfer-update"));
    let call = outside.stage.ended_call().await;
    assert_eq!(asked.sid, call["phoneCallProviderId"]);
    assert_eq!(call["endedReason"], "assistant-forwarded-call");
    assert_eq!(call["destination"]["number"], "+33155555555");
    assert_eq!(
        call["transcript"], "AI: Bonjour .\nUser: Le gérant.\nAI: Je vous passe le gérant.\n",
        "it was heard before"
    );
    let report = &messages.last().expect("a report").message;
    assert_eq!(report["destination"], call["destination"]);
}

#[tokio::test]
async fn a_transfer_that_the_carrier_refuses_is_told_to_the_model() {
    let mut outside = outside(false, &["Le gérant."]).await;
    let script = asks().then(When::AgentSilent(Duration::from_millis(1_500)), Action::HangUp);
    outside.stage.call(script).await.await.expect("no panic");
    let (call, statuses) = outside.over().await;
    assert_eq!(statuses, ["in-progress", "ended"]);
    assert_eq!(call["endedReason"], "customer-ended-call");
    let transcript = call["transcript"].as_str().expect("text");
    assert!(transcript.contains("Error: the carrier did not transfer the call"), "{transcript}");
}

#[tokio::test]
async fn a_scheduled_call_is_placed_at_its_time_even_by_the_next_process() {
    let mut twilio = Twilio::start(true).await;
    let data = tempfile::tempdir().expect("a directory");
    let keys = [("CAUSERIE_TWILIO_API_URL", twilio.url.as_str())];
    let stage = Stage::start(data.path(), &keys).await;
    let (assistant, number) = stage.answers(json!({"firstMessage": "Bonjour."})).await;
    let soon = Timestamp::now().after(Duration::from_millis(1_500)).to_iso();
    let order = |earliest: &str| {
        json!({"assistantId": assistant, "phoneNumberId": number,
            "customers": [{"number": CUSTOMER}], "schedulePlan": {"earliestAt": earliest}})
    };
    let ordered = stage.create("/call", order(&soon)).await;
    let call = &ordered["results"][0];
    assert_eq!(
        (&call["status"], &call["schedulePlan"]["earliestAt"]),
        (&json!("scheduled"), &json!(soon))
    );
    let later = stage.create("/call", order("2099-01-01T00:00:00Z")).await;
    let later = id(&later["results"][0]);
    stage.stop().await;

    // Nobody was there for a while; the call waits for somebody who places it.
    let stage = Stage::start(data.path(), &keys).await;
    let asked = twilio.next().await;
    assert_eq!((asked.get("To"), asked.get("From")), (CUSTOMER, NUMBER));
    assert!(Timestamp::now().to_iso() >= soon, "not before its time");
    let queued = stage.get(&format!("/call/{}", id(call))).await;
    assert_ne!(queued["status"], "scheduled");

    let path = format!("/call/{later}");
    assert_eq!(stage.get(&path).await["status"], "scheduled", "a restart ends no such call");
    let (status, deleted) = stage.ask(Method::DELETE, &path, None).await;
    assert_eq!(
        (status, &deleted["endedReason"]),
        (StatusCode::OK, &json!("scheduled-call-deleted"))
    );
    assert_eq!(stage.ask(Method::GET, &path, None).await.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_scheduled_call_whose_time_has_passed_is_not_placed() {
    let mut outside = outside(true, &[]).await;
    let mut order = outside.order();
    order["schedulePlan"] = json!({"earliestAt": "2026-01-01T00:00:00Z"});
    let placed = outside.stage.create("/call", order.clone()).await;
    assert_eq!(placed["status"], "queued", "its time has come");
    outside.twilio.next().await;

    let (data, earliest) = (outside._data, Timestamp::now().after(Duration::from_secs(1)));
    order["schedulePlan"] = json!({"earliestAt": earliest.to_iso(), "latestAt": earliest.to_iso()});
    let call = id(&outside.stage.create("/call", order).await);
    outside.stage.stop().await;
    while Timestamp::now() < earliest.after(Duration::from_millis(1)) {
        tokio::task::yield_now().await;
    }
    let keys = [("CAUSERIE_TWILIO_API_URL", outside.twilio.url.as_str())];
    let stage = Stage::start(data.path(), &keys).await;
    let call = loop {
        let call = stage.get(&format!("/call/{call}")).await;
        if call["status"] == "ended" {
            break call;
        }
        tokio::task::yield_now().await;
    };
    assert_eq!(call["endedReason"], "scheduled-call-deleted");
}
