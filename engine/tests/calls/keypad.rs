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
    // At the first key, not at the last.
    let pressed = call.log.cues[2].range.start;
    let story = call.log.heard.iter().find(|heard| heard.turn.0 == 2).expect("it was begun");
    let stopped = story.at + (story.range.end - story.range.start);
    let after = crate::stage::RATE.duration_of(stopped.saturating_sub(pressed));
    assert!(after <= ms(40), "{after:?}");
}

#[tokio::test(start_paused = true)]
async fn what_is_said_and_keyed_in_is_one_turn() {
    let stage = with_keypad().says(When::AgentSilent(ms(400)), "My number is");
    let call = keys(stage, When::AfterPrevious(ms(200)), "1234").hangs_up().play().await;

    assert_eq!(
        call.conversation()[1..],
        ["> My number is User's Keypad Entry: 1234", "< That is your number."]
    );
}

#[tokio::test(start_paused = true)]
async fn without_a_timeout_the_delimiter_alone_ends_an_entry() {
    let stage = with_keypad().set(|settings| {
        let delimiters = "#".to_owned();
        settings.keypad = Some(KeypadPlan { timeout: ms(0), delimiters });
    });
    let stage = keys(stage, When::AgentSilent(ms(400)), "12");
    let call = keys(stage, When::AfterPrevious(ms(5_000)), "34#").hangs_up().play().await;

    assert_eq!(call.conversation()[1..], ["> User's Keypad Entry: 1234", "< That is your number."]);
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
