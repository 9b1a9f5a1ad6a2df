//! The assistants of `fixtures/vapi`: kept, checked, and each in a call with its tools.

use std::time::Duration;

use engine::carrier::{Action, CallerScript, When};
use serde_json::{Value, json};

use crate::receiver::{Receiver, Tools};
use crate::stage::Stage;

/// A conversation with one of them.
struct Scene {
    file: &'static str,
    /// What the caller says, in turn.
    words: &'static [&'static str],
    /// What stands in for the model.
    dialogue: &'static str,
    /// What its server is asked for, in this order.
    tools: &'static [&'static str],
    /// Heard by the caller.
    heard: &'static [&'static str],
    /// Named as without effect.
    without_effect: &'static [&'static str],
}

const SCENES: &[Scene] = &[
    Scene {
        file: "restaurant.json",
        words: &["Je voudrais réserver pour quatre demain soir.", "Merci, au revoir."],
        dialogue: r#"
language: fr
rules:
  - when: { user: transcription }
    say: "{{\"guests\": 4, \"followUpNeeded\": false}}"
  - when: { user: réserver }
    tool: { name: createReservation, arguments: { guests: 4, date: "2026-11-22", time: "20:00", name: "Martin" } }
    then: { say: "C'est fait, {result}." }
  - when: { user: revoir }
    say: "Avec plaisir."
    end_call: true
fallback: { say: "Pardon ?" }
"#,
        tools: &["createReservation"],
        heard: &[
            "Je réserve pour 4 personnes.",
            "C'est fait, libre.",
            "Merci et à bientôt au Petit Bouchon !",
        ],
        without_effect: &[
            "transcriber.keyterm",
            "transcriber.provider deepgram",
            "model.provider openai",
            "voice.provider azure",
        ],
    },
    Scene {
        file: "salon.json",
        words: &["Vous avez de la place demain ?", "Confirmez par SMS."],
        dialogue: r#"
language: fr
rules:
  - when: { user: place }
    tool: { name: checkAvailability, arguments: { date: "2026-11-22" } }
    then: { say: "Demain, {result}." }
  - when: { user: Confirmez }
    tool: { name: sendConfirmation, arguments: { phone: "0612345678", datetime: "2026-11-22T10:00" } }
    then: { say: "C'est envoyé." }
fallback: { say: "Pardon ?" }
"#,
        tools: &["checkAvailability"],
        heard: &["Demain, libre.", "C'est envoyé."],
        without_effect: &["transcriber.endpointing", "voice.provider 11labs", "recordingEnabled"],
    },
    Scene {
        file: "plumber.json",
        words: &["Mon évier est bouché."],
        dialogue: r#"
language: fr
rules:
  - when: { user: évier }
    tool: { name: noteIntervention, arguments: { address: "3 rue de Brest", problem: "évier", urgency: "normale" } }
fallback: { say: "Pardon ?" }
"#,
        tools: &["noteIntervention"],
        heard: &["Je note.", "C'est noté, l'artisan vous rappelle dans l'heure."],
        without_effect: &[
            "model.provider anthropic",
            "transcriber.provider azure",
            "voice.provider openai",
        ],
    },
    Scene {
        file: "estate-agent.json",
        words: &["Je cherche un appartement.", "Une visite demain ?", "Prenez le rendez-vous."],
        dialogue: r#"
language: fr
rules:
  - when: { user: transcription }
    say: "Une visite est prise."
  - when: { user: appartement }
    tool: { name: searchKnowledgeBase, arguments: { query: "appartement" } }
    then: { say: "J'ai trouvé, {result}." }
  - when: { user: visite }
    tool: { name: checkAvailability, arguments: { date: "2026-11-22" } }
    then: { say: "Demain, {result}." }
  - when: { user: prenez }
    tool: { name: createAppointment, arguments: { firstName: "Jean", lastName: "Dupont", phone: "0612345678", email: "jean.dupont@exemple.fr", datetime: "2026-11-22T10:00" } }
    then: { say: "C'est pris." }
fallback: { say: "Pardon ?" }
"#,
        tools: &["searchKnowledgeBase", "checkAvailability", "createAppointment"],
        heard: &["J'ai trouvé, libre.", "Demain, libre.", "C'est pris."],
        without_effect: &["transcriber.numerals", "voice.provider cartesia"],
    },
];

/// What the configuration maps: the scripted providers take the place of Vapi's.
const STAND_INS: &[(&str, &str)] = &[
    ("CAUSERIE_TRANSCRIBER_STAND_IN", "true"),
    ("CAUSERIE_VOICE_STAND_IN", "true"),
    ("CAUSERIE_MODEL_STAND_IN", "true"),
];

fn read(file: &str) -> Value {
    let path = format!("{}/../fixtures/vapi/{file}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).expect("a fixture");
    serde_json::from_str(&text).expect("JSON")
}

/// The product's server is another one here.
fn at(assistant: Value, url: &str) -> Value {
    match assistant {
        Value::String(text) if text.starts_with("https://product.example") => url.into(),
        Value::Array(values) => values.into_iter().map(|value| at(value, url)).collect(),
        Value::Object(fields) => {
            fields.into_iter().map(|(name, value)| (name, at(value, url))).collect()
        }
        other => other,
    }
}

fn script(turns: usize) -> CallerScript {
    let mut script = CallerScript::default();
    for _ in 0..turns {
        let sound = vec![8_000_i16; 2_400];
        script = script.then(When::AgentSilent(Duration::from_millis(3_000)), Action::Say(sound));
    }
    script.then(When::AgentSilent(Duration::from_millis(4_000)), Action::HangUp)
}

async fn plays(scene: &Scene) {
    let answer = r#"{"results": [{"toolCallId": "ID", "result": "libre"}]}"#.to_owned();
    let mut receiver = Receiver::with_tools([], Tools { answer, ..Tools::default() }).await;
    let data = tempfile::tempdir().expect("a directory");
    let stage = Stage::start_speaking(data.path(), STAND_INS, scene.dialogue, scene.words).await;
    let document = at(read(scene.file), &receiver.url);
    let (assistant, _) = stage.answers(document.clone()).await;

    let stored = stage.get(&format!("/assistant/{assistant}")).await;
    for (field, value) in document.as_object().expect("an object") {
        if field != "serverUrlSecret" {
            assert_eq!(&stored[field], value, "{}: {field}", scene.file);
        }
    }
    let compatibility = stage.get(&format!("/assistant/{assistant}/compatibility")).await;
    assert_eq!(compatibility["providersNotServed"], json!([]), "{}", scene.file);
    let named = compatibility["fieldsWithoutEffect"].as_array().expect("a list");
    for field in scene.without_effect {
        assert!(named.iter().any(|named| named == field), "{}: {field}: {named:?}", scene.file);
    }
    assert!(!named.iter().any(|named| named == "model.tools.messages"), "{named:?}");

    stage.call(script(scene.words.len())).await.await.expect("no panic");
    let messages = receiver.until_report().await;
    let asked: Vec<_> = messages
        .iter()
        .filter(|message| message.kind() == "tool-calls")
        .map(|message| message.message["toolCallList"][0]["name"].as_str().expect("a name"))
        .collect();
    assert_eq!(asked, scene.tools, "{}", scene.file);
    let report = &messages.last().expect("a report").message;
    let transcript = report["transcript"].as_str().expect("text");
    for heard in scene.heard {
        assert!(transcript.contains(heard), "{}: {heard} in {transcript}", scene.file);
    }
    if let Some(analysis) = document.get("analysisPlan") {
        let wanted = analysis.get("structuredDataPlan").is_some();
        assert_eq!(report["analysis"]["structuredData"]["guests"] == 4, wanted, "{report}");
        assert!(report["analysis"]["summary"] != "", "{}: {report}", scene.file);
        assert_eq!(report["summary"], report["analysis"]["summary"]);
    }
}

#[tokio::test]
async fn the_restaurant_takes_a_reservation() {
    plays(&SCENES[0]).await;
}

#[tokio::test]
async fn the_salon_confirms_by_a_request() {
    plays(&SCENES[1]).await;
}

#[tokio::test]
async fn the_plumber_notes_an_intervention() {
    plays(&SCENES[2]).await;
}

#[tokio::test]
async fn the_estate_agent_searches_checks_and_books() {
    plays(&SCENES[3]).await;
}
