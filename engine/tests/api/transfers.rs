//! Callers who are transferred to people: how they are announced, and what becomes of them.

use std::time::Duration;

use engine::carrier::{Action, CallEnd, CallRecord, CallerScript, When};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::receiver::{Receiver, Tools};
use crate::stage::{AUTH_TOKEN, CALLER, NUMBER, Stage};
use crate::twilio::{Asked, Twilio};

const MANAGER: &str = "+33155555555";

const DIALOGUE: &str = r#"
language: fr
rules:
  - when: { user: transcription }
    say: "Monsieur Martin demande le gérant."
  - when: { user: gérant }
    tool: { name: transferCall, arguments: { destination: "+33155555555" } }
    then: { say: "Réponse {result|aucune}." }
  - when: { user: quelqu }
    tool: { name: transferCall, arguments: {} }
    then: { say: "Réponse {result|aucune}." }
  - when: { user: accepte }
    tool: { name: transferSuccessful, arguments: {} }
  - when: { user: refuse }
    tool: { name: transferCancel, arguments: {} }
fallback: { say: "Un appel de monsieur Martin, le prenez-vous ?" }
"#;

struct House {
    _data: tempfile::TempDir,
    stage: Stage,
    twilio: Twilio,
    receiver: Receiver,
}

/// An engine whose callers, and operators, say `words` in turn, and whose assistant may transfer them
/// by `plan`.
async fn house(plan: Value, words: &[&str]) -> House {
    let destination = json!({"type": "number", "number": MANAGER, "extension": "12",
        "message": "Je vous passe le gérant.", "transferPlan": plan});
    house_with(json!([destination]), Tools::default(), words).await
}

async fn house_with(destinations: Value, tools: Tools, words: &[&str]) -> House {
    let twilio = Twilio::start(true).await;
    let receiver = Receiver::with_tools([], tools).await;
    let data = tempfile::tempdir().expect("a directory");
    let keys = [("CAUSERIE_TWILIO_API_URL", twilio.url.as_str())];
    let stage = Stage::start_speaking(data.path(), &keys, DIALOGUE, words).await;
    let assistant = json!({
        "firstMessage": "Bonjour.",
        "transcriber": {"language": "fr"},
        "model": {"tools": [{"type": "transferCall", "destinations": destinations}]},
        "server": {"url": receiver.url},
        "serverMessages": ["status-update", "transfer-update", "end-of-call-report"],
    });
    stage.answers(assistant).await;
    House { _data: data, stage, twilio, receiver }
}

/// Speaks once and waits.
fn asks() -> CallerScript {
    let sound = vec![8_000_i16; 2_400];
    CallerScript::default().then(When::AgentSilent(Duration::from_millis(300)), Action::Say(sound))
}

/// The same, and hangs up when there is nothing more to hear.
fn asks_and_leaves() -> CallerScript {
    asks().then(When::AgentSilent(Duration::from_secs(6)), Action::HangUp)
}

impl House {
    /// The caller asks; whom the engine calls for them.
    async fn called(&mut self, script: CallerScript) -> (JoinHandle<CallRecord>, Asked) {
        let caller = self.stage.call(script).await;
        let asked = self.twilio.next().await;
        assert_eq!((asked.get("To"), asked.get("From")), (MANAGER, NUMBER));
        (caller, asked)
    }

    /// The operator's leg has closed: both meet.
    async fn meet(&mut self, operator: &Asked) {
        let next = operator.asks(&format!("{}/next", operator.get("Url"))).await;
        let room = next.split("waitUrl=\"\">").nth(1).and_then(|rest| rest.split('<').next());
        let room = room.unwrap_or_else(|| panic!("no conference in {next}"));
        let caller = self.twilio.next().await;
        assert!(caller.get("Twiml").contains(&format!(">{room}</Conference>")), "{caller:?}");
        assert_ne!(caller.sid, operator.sid);
    }

    async fn over(&mut self) -> (Value, Vec<String>) {
        let messages = self.receiver.until_report().await;
        let told = messages.iter().filter(|message| message.kind() == "status-update");
        let statuses = told.map(|m| m.message["status"].as_str().expect("a status").to_owned());
        (self.stage.ended_call().await, statuses.collect())
    }
}

fn is_heard(record: &CallRecord) -> bool {
    record.agent.iter().any(|sample| sample.unsigned_abs() > 1_000)
}

#[tokio::test]
async fn an_operator_hears_the_message_and_then_the_caller() {
    let plan = json!({"mode": "warm-transfer-say-message", "message": "{{customer.number}} appelle.",
        "dialTimeout": 20});
    let mut house = house(plan, &["Le gérant."]).await;
    let (caller, operator) = house.called(asks()).await;
    assert_eq!((operator.get("Timeout"), operator.get("SendDigits")), ("20", "w12"));
    let told = house.stage.answered(&operator, CallerScript::default()).await;
    let told = told.await.expect("no panic");
    assert!(is_heard(&told) && matches!(told.end, CallEnd::ServerClosed(_)), "{:?}", told.end);
    house.meet(&operator).await;
    let heard = caller.await.expect("no panic");
    // Not only words: it rings meanwhile.
    assert!(is_heard(&heard));
    let (call, statuses) = house.over().await;
    assert_eq!(statuses, ["in-progress", "forwarding", "ended"]);
    assert_eq!(call["endedReason"], "assistant-forwarded-call");
    assert_eq!(call["destination"]["number"], MANAGER);
    assert_eq!(
        call["transcript"],
        "AI: Bonjour.\nUser: Le gérant.\nAI: Je vous passe le gérant.\n"
    );
}

#[tokio::test]
async fn an_operator_may_speak_first_and_hear_what_was_said() {
    let plan = json!({
        "mode": "warm-transfer-wait-for-operator-to-speak-first-and-then-say-summary",
        "summaryPlan": {"messages": [{"role": "system", "content": "Résumez."}]}});
    let mut house = house(plan, &["Le gérant."]).await;
    let (caller, operator) = house.called(asks()).await;
    let script = CallerScript::default()
        .then(When::At(Duration::from_millis(300)), Action::Say(vec![8_000_i16; 2_400]));
    let told = house.stage.answered(&operator, script).await.await.expect("no panic");
    let spoke = told.cues[0].range.start;
    let answered = told.first_audible_from(0).expect("they were told");
    assert!(answered > spoke, "{answered} {spoke}");
    house.meet(&operator).await;
    caller.await.expect("no panic");
    assert_eq!(house.over().await.0["endedReason"], "assistant-forwarded-call");
}

#[tokio::test]
async fn who_is_busy_or_away_comes_back_to_the_assistant_with_the_reason() {
    for (status, reason) in [("busy", "the line is busy"), ("no-answer", "nobody answered")] {
        let plan = json!({"mode": "warm-transfer-say-message", "message": "Un appel."});
        let mut house = house(plan, &["Le gérant."]).await;
        let (caller, operator) = house.called(asks_and_leaves()).await;
        operator.calls_back("ringing", AUTH_TOKEN).await;
        assert!(operator.calls_back(status, AUTH_TOKEN).await.is_success());
        caller.await.expect("no panic");
        let (call, statuses) = house.over().await;
        assert_eq!(statuses, ["in-progress", "ended"]);
        let transcript = call["transcript"].as_str().expect("text");
        let said = format!("AI: Réponse Error: the call was not transferred: {reason}.");
        assert!(transcript.contains(&said), "{transcript}");
        assert_eq!(call["endedReason"], "customer-ended-call");
    }
}

#[tokio::test]
async fn a_plan_may_say_what_follows_where_nobody_takes_the_call() {
    let plan = json!({"mode": "warm-transfer-say-message", "message": "Un appel.",
        "fallbackPlan": {"message": "Personne ne répond, au revoir."}});
    let mut house = house(plan, &["Le gérant."]).await;
    let (caller, operator) = house.called(asks()).await;
    operator.calls_back("no-answer", AUTH_TOKEN).await;
    caller.await.expect("no panic");
    let (call, _) = house.over().await;
    let transcript = call["transcript"].as_str().expect("text");
    assert!(transcript.ends_with("AI: Personne ne répond, au revoir.\n"), "{transcript}");
    assert_eq!(call["endedReason"], "assistant-ended-call");
}

#[tokio::test]
async fn an_operator_may_take_the_call_or_leave_it() {
    for (word, reason) in
        [("J'accepte.", "assistant-forwarded-call"), ("Je refuse.", "customer-ended-call")]
    {
        let plan = json!({"mode": "warm-transfer-experimental", "message": "Un appel pour vous."});
        let mut house = house(plan, &["Le gérant.", word]).await;
        let (caller, operator) = house.called(asks_and_leaves()).await;
        // What is recognised of each line begins with the first of the words.
        let again =
            (When::AgentSilent(Duration::from_millis(600)), Action::Say(vec![8_000_i16; 2_400]));
        let script = asks().then(again.0, again.1);
        let told = house.stage.answered(&operator, script).await.await.expect("no panic");
        assert!(is_heard(&told));
        if reason == "assistant-forwarded-call" {
            house.meet(&operator).await;
        } else {
            let next = operator.asks(&format!("{}/next", operator.get("Url"))).await;
            assert!(next.contains("<Hangup/>"), "{next}");
            // Theirs is hung up.
            let stopped = house.twilio.next().await;
            assert_eq!((stopped.sid, stopped.form["Status"].as_str()), (operator.sid, "completed"));
        }
        caller.await.expect("no panic");
        assert_eq!(house.over().await.0["endedReason"], reason);
    }
}

#[tokio::test]
async fn an_operator_may_be_told_by_twiml() {
    let plan = json!({"mode": "warm-transfer-twiml", "twiml": "<Say>Un appel.</Say>"});
    let mut house = house(plan, &["Le gérant."]).await;
    let (caller, operator) = house.called(asks()).await;
    let twiml = operator.asks(operator.get("Url")).await;
    assert!(twiml.contains("<Response><Say>Un appel.</Say><Redirect"), "{twiml}");
    house.meet(&operator).await;
    caller.await.expect("no panic");
    assert_eq!(house.over().await.0["endedReason"], "assistant-forwarded-call");
}

#[tokio::test]
async fn a_caller_who_does_not_wait_leaves_nobody_ringing() {
    let plan = json!({"mode": "warm-transfer-say-message", "message": "Un appel."});
    let mut house = house(plan, &["Le gérant."]).await;
    let script = asks().then(When::At(Duration::from_secs(8)), Action::HangUp);
    let (caller, operator) = house.called(script).await;
    caller.await.expect("no panic");
    let stopped = house.twilio.next().await;
    assert_eq!((stopped.sid.as_str(), stopped.get("Status")), (operator.sid.as_str(), "completed"));
    let twiml = operator.asks(operator.get("Url")).await;
    assert!(twiml.contains("<Hangup/>"), "{twiml}");
    let (call, _) = house.over().await;
    assert_eq!(call["endedReason"], "customer-ended-call-before-warm-transfer");
}

#[tokio::test]
async fn a_server_may_say_where_to() {
    let destination = json!({"destination": {"type": "number", "number": MANAGER},
        "message": {"type": "request-start", "message": "Je cherche quelqu'un."}});
    let tools = Tools { destination: destination.to_string(), ..Tools::default() };
    let mut house = house_with(json!([]), tools, &["Quelqu'un."]).await;
    house.stage.call(asks()).await.await.expect("no panic");
    let redirected = house.twilio.next().await;
    assert!(redirected.get("Twiml").contains(&format!("<Number>{MANAGER}</Number>")));
    let messages = house.receiver.until_report().await;
    let asked = messages.iter().find(|m| m.kind() == "transfer-destination-request");
    let asked = &asked.expect("it was asked").message;
    assert_eq!(asked["call"]["customer"]["number"], CALLER);
    assert_eq!(asked["artifact"]["messages"][1]["message"], "Quelqu'un.");
    let call = house.stage.ended_call().await;
    assert_eq!(call["transcript"], "AI: Bonjour.\nUser: Quelqu'un.\nAI: Je cherche quelqu'un.\n");
    assert_eq!(call["endedReason"], "assistant-forwarded-call");
}
