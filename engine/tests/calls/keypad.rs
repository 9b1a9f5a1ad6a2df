//! The caller presses keys.

use engine::carrier::{Action, When};
use turntaking::settings::KeypadPlan;

use crate::stage::{Stage, ms};

const DIALOGUE: &str = r#"
language: en
rules:
  - when: { user: '\b1234\b' }
    say: "That is your number."
  - when: { user: story }
    say: "It was a dark and stormy night in the middle of the longest winter anybody knew."
fallback: { say: "Pardon?" }
"#;

fn keys(stage: Stage, first: When, keys: &str) -> Stage {
    keys.chars().enumerate().fold(stage, |stage, (index, key)| {
        let when = if index == 0 { first } else { When::AfterPrevious(ms(100)) };
        stage.does(when, Action::Press(key))
    })
}

fn with_keypad() -> Stage {
    Stage::new("Hello.", DIALOGUE).set(|settings| settings.keypad = Some(KeypadPlan::default()))
}

#[tokio::test(start_paused = true)]
async fn keys_are_a_turn_once_the_delimiter_is_pressed() {
    let call = keys(with_keypad(), When::AgentSilent(ms(400)), "1234#").hangs_up().play().await;

    assert_eq!(call.conversation()[1..], ["> User's Keypad Entry: 1234", "< That is your number."]);
}

#[tokio::test(start_paused = true)]
async fn keys_are_a_turn_once_no_more_come() {
    let call = keys(with_keypad(), When::AgentSilent(ms(400)), "1234").hangs_up().play().await;

    assert_eq!(call.conversation()[2..], ["< That is your number."]);
    let pressed = call.log.cues[3].range.end;
    let answered = call.log.heard[1].at;
    assert!(crate::stage::RATE.duration_of(answered - pressed) >= KeypadPlan::default().timeout);
}

#[tokio::test(start_paused = true)]
async fn keys_interrupt() {
    let stage = with_keypad().says(When::AgentSilent(ms(400)), "Tell me a story.");
    let call = keys(stage, When::AgentSpeaking(ms(700)), "1234#").hangs_up().play().await;

    let said = call.conversation();
    assert!(said[2].starts_with("< It was") && said[2].ends_with('…'), "{said:?}");
    assert_eq!(said[3..], ["> User's Keypad Entry: 1234", "< That is your number."]);
}

#[tokio::test(start_paused = true)]
async fn keys_are_counted_where_nobody_listens_for_them() {
    let call = keys(Stage::new("Hello.", DIALOGUE), When::AgentSilent(ms(400)), "12#")
        .hangs_up()
        .play()
        .await;

    assert_eq!(call.conversation(), ["< Hello."]);
    assert!(call.stats.inputs_dropped >= 3, "{:?}", call.stats);
}
