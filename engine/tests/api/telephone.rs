//! Tools of the telephone: keys, text messages, answering machines; and what assistants of older
//! days call.

use std::time::Duration;

use codecs::dtmf::{DtmfDetector, DtmfEvent};
use engine::carrier::{Action, CallerScript, When};
use serde_json::{Value, json};

use crate::receiver::{Receiver, Tools};
use crate::stage::{CALLER, NUMBER, Stage, chats};
use crate::twilio::Twilio;

const DIALOGUE: &str = r#"
language: fr
rules:
  - when: { user: menu }
    tool: { name: dtmf, arguments: { dtmf: "1,2#" } }
    then: { say: "Réponse {result|aucune}." }
  - when: { user: confirmation }
    tool: { name: sms, arguments: { content: "Table pour {{qui}}, 15 h." } }
    then: { say: "Réponse {result|aucune}." }
  - when: { user: répondeur }
    tool: { name: voicemail, arguments: {} }
  - when: { user: table }
    tool: { name: book, arguments: { guests: 2 } }
    then: { say: "Réponse {result|aucune}." }
fallback: { say: "Oui." }
"#;

struct House {
    _data: tempfile::TempDir,
    stage: Stage,
    twilio: Twilio,
    receiver: Receiver,
}

async fn house(assistant: Value, answer: &str, words: &[&str]) -> House {
    let twilio = Twilio::start(true).await;
    let tools = Tools { answer: answer.to_owned(), ..Tools::default() };
    let receiver = Receiver::with_tools([], tools).await;
    let data = tempfile::tempdir().expect("a directory");
    let keys = [("CAUSERIE_TWILIO_API_URL", twilio.url.as_str())];
    let stage = Stage::start_speaking(data.path(), &keys, DIALOGUE, words).await;
    let mut whole = json!({
        "firstMessage": "Bonjour.",
        "transcriber": {"language": "fr"},
        "server": {"url": receiver.url},
        "serverMessages": ["end-of-call-report", "function-call"],
    });
    for (name, value) in assistant.as_object().expect("an object") {
        whole[name] = value.clone();
    }
    stage.answers(whole).await;
    House { _data: data, stage, twilio, receiver }
}

#[tokio::test]
async fn keys_are_heard_on_the_line() {
    let tools = json!({"model": {"tools": [{"type": "dtmf", "messages": []}]}});
    let mut house = house(tools, "", &["Le menu."]).await;
    let record = house.stage.call(chats()).await.await.expect("no panic");
    let mut digits = String::new();
    DtmfDetector::new().process(&record.agent, |event| {
        if let DtmfEvent::Pressed { digit, .. } = event {
            digits.push(digit);
        }
    });
    assert_eq!(digits, "12#");
    house.receiver.until_report().await;
    let transcript = house.stage.ended_call().await["transcript"].take();
    let said = "AI: Bonjour.\nUser: Le menu.\nAI: Réponse The keys 12# were pressed..\n";
    assert_eq!(transcript, said);
}

#[tokio::test]
async fn a_text_message_goes_to_the_caller() {
    let tools = json!({"model": {"tools": [{"type": "sms", "messages": []}]}});
    let mut house = house(tools, "", &["Une confirmation."]).await;
    house.stage.call(chats()).await.await.expect("no panic");
    let sent = house.twilio.next().await;
    assert_eq!(sent.sid, "Messages");
    assert_eq!((sent.get("From"), sent.get("To")), (NUMBER, CALLER));
    assert!(sent.get("Body").starts_with("Table pour"), "{sent:?}");
    house.receiver.until_report().await;
    let transcript = house.stage.ended_call().await["transcript"].take();
    let transcript = transcript.as_str().expect("text");
    assert!(transcript.ends_with("AI: Réponse The text message was sent..\n"), "{transcript}");
}

#[tokio::test]
async fn a_machine_that_the_model_recognises_is_left_the_message() {
    let assistant = json!({"voicemailMessage": "Rappelez-nous.",
        "model": {"tools": [{"type": "voicemail"}]}});
    let mut house = house(assistant, "", &["Vous êtes sur le répondeur."]).await;
    let sound = vec![8_000_i16; 2_400];
    let script = CallerScript::default()
        .then(When::AgentSilent(Duration::from_millis(300)), Action::Say(sound));
    house.stage.call(script).await.await.expect("no panic");
    house.receiver.until_report().await;
    let call = house.stage.ended_call().await;
    assert_eq!(call["endedReason"], "voicemail");
    let transcript = call["transcript"].as_str().expect("text");
    assert!(transcript.ends_with("AI: Rappelez-nous.\n"), "{transcript}");
}

#[tokio::test]
async fn a_function_of_older_days_is_asked_as_it_was() {
    let functions = json!([{"name": "book", "parameters": {"type": "object"}, "messages": []}]);
    let mut house = house(
        json!({"model": {"functions": functions}}),
        r#"{"result": "libre"}"#,
        &["Une table."],
    )
    .await;
    house.stage.call(chats()).await.await.expect("no panic");
    let messages = house.receiver.until_report().await;
    let asked = messages.iter().find(|m| m.kind() == "function-call").expect("it was asked");
    let function = json!({"name": "book", "parameters": {"guests": 2}});
    assert_eq!(asked.message["functionCall"], function);
    assert_eq!(asked.message["call"]["customer"]["number"], CALLER);
    let transcript = house.stage.ended_call().await["transcript"].take();
    assert_eq!(transcript, "AI: Bonjour.\nUser: Une table.\nAI: Réponse libre.\n");
}

fn book() -> Value {
    json!({"type": "function", "function": {"name": "book"}, "messages": []})
}

#[tokio::test]
async fn what_an_answer_teaches_is_known_of_the_call() {
    let mut tool = book();
    tool["variableExtractionPlan"] = json!({
        "schema": {"type": "object", "properties": {"name": {"type": "string"}}},
        "aliases": [{"key": "salut", "value": "Bonjour {{name | upcase}}"}]});
    let answer =
        r#"{"results": [{"toolCallId": "ID", "result": "{\"name\": \"Martin\", \"x\": 1}"}]}"#;
    let mut house = house(json!({"model": {"tools": [tool]}}), answer, &["Une table."]).await;
    house.stage.call(chats()).await.await.expect("no panic");
    let messages = house.receiver.until_report().await;
    let report = &messages.last().expect("a report").message;
    let learnt = json!({"name": "Martin", "salut": "Bonjour MARTIN"});
    assert_eq!(report["artifact"]["variableValues"], learnt);
}

#[tokio::test]
async fn a_call_that_is_not_wanted_is_rejected_before_anybody_is_asked() {
    let mut tool = book();
    tool["rejectionPlan"] = json!({"conditions": [{"type": "regex", "regex": "(?i)s'il vous plaît",
        "target": {"role": "user"}, "negate": true}]});
    let mut house = house(json!({"model": {"tools": [tool]}}), "", &["Une table."]).await;
    house.stage.call(chats()).await.await.expect("no panic");
    let messages = house.receiver.until_report().await;
    assert!(messages.iter().all(|message| message.kind() != "tool-calls"), "{messages:?}");
    let transcript = house.stage.ended_call().await["transcript"].take();
    assert!(transcript.as_str().expect("text").contains("was rejected"), "{transcript}");
}

#[tokio::test]
async fn the_end_of_a_call_is_told_to_a_tool_that_waits_for_it() {
    let mut tool = book();
    tool["async"] = false.into();
    let hooks = json!([
        {"on": "call.ending", "filters": [{"type": "oneOf", "key": "call.endedReason",
            "oneOf": ["customer-ended"]}], "do": [{"type": "tool", "tool": tool}]},
        {"on": "call.ending", "filters": [{"type": "oneOf", "key": "call.endedReason",
            "oneOf": ["pipeline-error"]}], "do": [{"type": "tool", "tool": tool}]}]);
    let mut house = house(json!({ "hooks": hooks }), "{}", &["Bonjour."]).await;
    house.stage.call(chats()).await.await.expect("no panic");
    // It is no message, and overtakes or follows the report.
    let mut asked = 0;
    let mut reported = false;
    while asked == 0 || !reported {
        let message = house.receiver.next().await;
        asked += usize::from(message.kind() == "tool-calls");
        reported |= message.kind() == "end-of-call-report";
    }
    assert_eq!(asked, 1, "the other is for another end");
}
