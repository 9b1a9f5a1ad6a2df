//! Callers who dictate.

use engine::carrier::When;
use engine::llm::ChatMessage;
use turntaking::dictation::{Kind, Progress};

use crate::stage::{Stage, ms};

const RECEPTION: &str = r#"
language: fr
greeting: { say: "Bonjour." }
rules:
  - when: { user: arobase }
    say: "C'est noté."
fallback: { say: "Pardon ?" }
"#;

#[tokio::test(start_paused = true)]
async fn the_model_is_told_the_words_and_what_they_spell() {
    let words = "jean point dupont arobase gmail point com";
    let call = Stage::new("Quelle est votre adresse e-mail ?", RECEPTION)
        .says(When::AgentSilent(ms(400)), words)
        .hangs_up()
        .play()
        .await;

    assert_eq!(
        call.conversation(),
        ["< Quelle est votre adresse e-mail ?", &format!("> {words}"), "< C'est noté."]
    );
    let last = call.requests.last().and_then(|request| request.messages.last());
    let told = ChatMessage::User { content: format!("{words} (e-mail: jean.dupont@gmail.com)") };
    assert_eq!(last, Some(&told));
    let said = call.report.messages.iter().find_map(|said| said.dictated.as_ref());
    let said = said.expect("the report has it too");
    assert_eq!((said.kind, said.progress), (Kind::Email, Progress::Complete));
    assert_eq!(said.value, "jean.dupont@gmail.com");
}
