//! Assistants who hand a call over to each other.

use std::time::Duration;

use engine::carrier::{Action, CallerScript, When};
use serde_json::{Value, json};

use crate::receiver::{Receiver, Tools};
use crate::stage::{CALLER, NUMBER, Stage, id};

const DIALOGUE: &str = r#"
language: fr
rules:
  - when: { user: réserver }
    tool: { name: transferCall, arguments: { destination: "Réservations" } }
  - when: { user: facture }
    tool: { name: handoff_to_dynamic, arguments: { destination: dynamic, sujet: facture } }
fallback: { say: "Oui." }
"#;

/// An engine whose number asks a server who answers, which says `assistant` and `destination`.
async fn house(
    assistant: &Value,
    destination: &Value,
    words: &[&str],
) -> (tempfile::TempDir, Stage, Receiver) {
    let tools = Tools {
        assistant: assistant.to_string(),
        destination: destination.to_string(),
        ..Tools::default()
    };
    let receiver = Receiver::with_tools([], tools).await;
    let data = tempfile::tempdir().expect("a directory");
    let stage = Stage::start_speaking(data.path(), &[], DIALOGUE, words).await;
    let number = json!({"provider": "twilio", "number": NUMBER, "twilioAccountSid": "AC1",
        "server": {"url": receiver.url, "secret": "hunter2"}});
    stage.create("/phone-number", number).await;
    (data, stage, receiver)
}

/// Speaks once, hears what both assistants say, and hangs up.
fn listens() -> CallerScript {
    CallerScript::default()
        .then(When::AgentSilent(Duration::from_millis(300)), Action::Say(vec![8_000_i16; 2_400]))
        .then(When::AgentSilent(Duration::from_secs(3)), Action::HangUp)
}

const WANTED: [&str; 3] = ["assistant.started", "transfer-update", "end-of-call-report"];

#[tokio::test]
async fn a_member_of_a_squad_hands_the_call_over_to_another() {
    let squad = json!({"name": "Restaurant",
        "members": [
            {"assistant": {"name": "Accueil", "firstMessage": "Accueil, {{maison}}.",
                "transcriber": {"language": "fr"},
                "model": {"messages": [{"role": "system", "content": "Orientez."}]}},
             "assistantOverrides": {"variableValues": {"maison": "chez Paul"}},
             "assistantDestinations": [{"type": "assistant", "assistantName": "Réservations",
                "message": "Je vous passe les réservations."}]},
            {"assistant": {"name": "Réservations", "firstMessage": "Perdu.",
                "transcriber": {"language": "fr"},
                "model": {"messages": [{"role": "system", "content": "Réservez."}]}},
             "assistantOverrides": {"firstMessage": "Ici les réservations de {{maison}}."}}],
        "membersOverrides": {"serverMessages": WANTED,
            "variableValues": {"maison": "chez Marie"}}});
    let (_data, stage, mut receiver) =
        house(&json!({ "squad": squad }), &Value::Null, &["Je veux réserver."]).await;
    stage.call(listens()).await.await.expect("no panic");
    let messages = receiver.until_report().await;
    let call = stage.ended_call().await;
    assert_eq!(
        call["transcript"],
        "AI: Accueil, chez Marie.\nUser: Je veux réserver.\n\
         AI: Je vous passe les réservations.\nAI: Ici les réservations de chez Marie.\n"
    );
    assert_eq!(call["squad"]["name"], "Restaurant");
    let rows = call["messages"].as_array().expect("rows");
    let instructions: Vec<_> = rows.iter().filter(|row| row["role"] == "system").collect();
    assert_eq!(instructions.len(), 2, "{rows:?}");
    let update = messages.iter().find(|m| m.kind() == "transfer-update").expect("it is told");
    assert_eq!(update.message["toAssistant"]["name"], "Réservations");
    assert_eq!(update.message["fromAssistant"]["name"], "Accueil");
    assert_eq!(update.message["destination"]["assistantName"], "Réservations");
    let started = messages.iter().rfind(|m| m.kind() == "assistant.started");
    let started = started.expect("it is told");
    assert_eq!(started.message["newAssistant"]["name"], "Réservations");
}

#[tokio::test]
async fn a_server_says_who_takes_over_and_sees_what_the_model_says() {
    let (_data, stage, mut receiver) = house(
        &json!({"assistant": {"firstMessage": "Bonjour.", "transcriber": {"language": "fr"},
            "serverMessages": ["end-of-call-report"],
            "model": {"tools": [{"type": "handoff", "destinations": [{"type": "dynamic"}]}]}}}),
        &json!({"destination": {"type": "assistant",
            "assistant": {"name": "Factures", "firstMessage": "Bonjour {{qui}}."},
            "assistantOverrides": {"variableValues": {"qui": "madame Martin"}}}}),
        &["Une facture."],
    )
    .await;
    stage.call(listens()).await.await.expect("no panic");
    let messages = receiver.until_report().await;
    let asked = messages.iter().find(|m| m.kind() == "handoff-destination-request");
    let asked = &asked.expect("it was asked").message;
    assert_eq!(asked["parameters"], json!({"destination": "dynamic", "sujet": "facture"}));
    assert_eq!(asked["call"]["customer"]["number"], CALLER);
    let call = stage.ended_call().await;
    assert_eq!(
        call["transcript"],
        "AI: Bonjour.\nUser: Une facture.\nAI: Bonjour madame Martin.\n"
    );
}

#[tokio::test]
async fn a_stored_assistant_takes_over() {
    let (_data, stage, mut receiver) =
        house(&Value::Null, &Value::Null, &["Je veux réserver."]).await;
    let second = json!({"name": "Réservations", "firstMessage": "Ici les réservations.",
        "transcriber": {"language": "fr"}});
    let second = id(&stage.create("/assistant", second).await);
    let first = json!({"firstMessage": "Bonjour.", "transcriber": {"language": "fr"},
        "server": {"url": receiver.url}, "serverMessages": ["end-of-call-report"],
        "model": {"tools": [{"type": "handoff", "function": {"name": "transferCall"},
            "messages": [],
            "destinations": [{"type": "assistant", "assistantId": second,
                "description": "Réservations",
                "contextEngineeringPlan": {"type": "none"}}]}]}});
    let first = id(&stage.create("/assistant", first).await);
    let numbers = stage.get("/phone-number").await;
    let path = format!("/phone-number/{}", id(&numbers[0]));
    let change = json!({"provider": "twilio", "assistantId": first});
    let (status, body) = stage.ask(reqwest::Method::PATCH, &path, Some(change)).await;
    assert!(status.is_success(), "{body}");
    stage.call(listens()).await.await.expect("no panic");
    receiver.until_report().await;
    let transcript = stage.ended_call().await["transcript"].take();
    assert_eq!(transcript, "AI: Bonjour.\nUser: Je veux réserver.\nAI: Ici les réservations.\n");
}
