//! The first message, and what is said into it.

use engine::carrier::When;

use crate::stage::{Stage, ms};

const GREETING: &str = "Bonjour, ici Sara du salon Élégance, que puis-je faire pour vous ?";
const DIALOGUE: &str = r#"
language: fr
rules:
  - when: { user: annuler }
    say: "Je l'annule tout de suite."
fallback: { say: "Très bien." }
"#;

#[tokio::test(start_paused = true)]
async fn who_answers_the_phone_into_it_is_not_answered() {
    for interruptions in [false, true] {
        let call = Stage::new(GREETING, DIALOGUE)
            .set(|settings| settings.first_message_interruptions = interruptions)
            .says(When::AgentSpeaking(ms(300)), "Allô ?")
            .hangs_up()
            .play()
            .await;

        assert_eq!(call.conversation(), [format!("< {GREETING}")]);
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_asked_meanwhile_is_answered_once_it_was_heard() {
    let asked = "Attendez, c'est pour annuler mon rendez-vous.";
    let call = Stage::new(GREETING, DIALOGUE)
        .says(When::AgentSpeaking(ms(900)), asked)
        .hangs_up()
        .play()
        .await;

    assert_eq!(
        call.conversation(),
        [format!("< {GREETING}"), format!("> {asked}"), "< Je l'annule tout de suite.".to_owned()]
    );
}
