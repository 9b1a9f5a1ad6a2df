//! The model calls tools.

use engine::carrier::When;
use engine::llm::ChatMessage;
use turntaking::input::EndReason;

use crate::stage::{Stage, ms};

const DIALOGUE: &str = r#"
language: en
rules:
  - when: { user: goodbye }
    say: "Thank you for calling."
    end_call: true
  - when: { user: hang up }
    end_call: true
  - when: { user: book }
    say: "One moment."
    tool: { name: book_table, arguments: { guests: "two" } }
    then: { say: "I could not book it: {result|nothing came back}." }
  - when: { user: quietly }
    tool: { name: look_up, arguments: {} }
    then: { say: "Found nothing." }
fallback: { say: "Pardon?" }
"#;

#[tokio::test(start_paused = true)]
async fn end_call_is_carried_out_once_the_last_words_were_heard() {
    let call = Stage::new("Hello.", DIALOGUE)
        .set(|settings| settings.end_call_message = "Have a good day.".to_owned())
        .says(When::AgentSilent(ms(400)), "Goodbye.")
        .play()
        .await;

    assert_eq!(call.reason, EndReason::AssistantEndedCall);
    assert_eq!(
        call.conversation(),
        ["< Hello.", "> Goodbye.", "< Thank you for calling.", "< Have a good day."]
    );
}

#[tokio::test(start_paused = true)]
async fn end_call_without_a_word_hangs_up() {
    let call = Stage::new("Hello.", DIALOGUE)
        .says(When::AgentSilent(ms(400)), "Please hang up.")
        .play()
        .await;

    assert_eq!(call.reason, EndReason::AssistantEndedCall);
    assert_eq!(call.conversation(), ["< Hello.", "> Please hang up."]);
}

#[tokio::test(start_paused = true)]
async fn an_interrupted_goodbye_is_none() {
    let call = Stage::new("Hello.", DIALOGUE)
        .says(When::AgentSilent(ms(400)), "Goodbye.")
        .says(When::AgentSpeaking(ms(300)), "No wait a moment.")
        .hangs_up()
        .play()
        .await;

    assert_eq!(call.reason, EndReason::CustomerEndedCall);
    assert_eq!(call.conversation().last().map(String::as_str), Some("< Pardon?"));
}

#[tokio::test(start_paused = true)]
async fn a_phrase_may_end_the_call() {
    let call = Stage::new("Hello.", DIALOGUE)
        .set(|settings| settings.end_call_phrases = vec!["PARDON".to_owned()])
        .says(When::AgentSilent(ms(400)), "What was that?")
        .play()
        .await;

    assert_eq!(call.reason, EndReason::AssistantSaidEndCallPhrase);
}

#[tokio::test(start_paused = true)]
async fn an_unknown_tool_is_told_to_the_model_which_goes_on() {
    let call = Stage::new("Hello.", DIALOGUE)
        .says(When::AgentSilent(ms(400)), "Please book a table.")
        .hangs_up()
        .play()
        .await;

    assert_eq!(
        call.conversation()[2..],
        ["< One moment.", "< I could not book it: Error: there is no tool book_table.",]
    );
    let last = call.requests.last().expect("the model was asked");
    let [.., asked, answer] = &last.messages[..] else { panic!("{last:?}") };
    let ChatMessage::Assistant { content, tool_calls } = asked else { panic!("{asked:?}") };
    assert_eq!((content.as_str(), tool_calls.len()), ("One moment.", 1));
    let ChatMessage::Tool { tool_call_id, content } = answer else { panic!("{answer:?}") };
    assert_eq!(*tool_call_id, tool_calls[0].id);
    assert!(content.contains("book_table"), "{content}");
}

#[tokio::test(start_paused = true)]
async fn a_tool_may_be_called_without_a_word() {
    let call = Stage::new("Hello.", DIALOGUE)
        .says(When::AgentSilent(ms(400)), "Look it up quietly.")
        .hangs_up()
        .play()
        .await;

    assert_eq!(call.conversation()[2..], ["< Found nothing."]);
    assert_eq!(call.reason, EndReason::CustomerEndedCall);
}

#[tokio::test(start_paused = true)]
async fn the_caller_may_interrupt_the_answer_to_a_tool() {
    let call = Stage::new("Hello.", DIALOGUE)
        .says(When::AgentSilent(ms(400)), "Please book a table.")
        .says(When::AgentSpeaking(ms(1_900)), "No never mind that.")
        .hangs_up()
        .play()
        .await;

    assert_eq!(call.conversation().last().map(String::as_str), Some("< Pardon?"));
    // Each call of a tool has its answer right behind it.
    let last = call.requests.last().expect("the model was asked");
    let calls = last.messages.iter().filter(|message| {
        matches!(message, ChatMessage::Assistant { tool_calls, .. } if !tool_calls.is_empty())
    });
    let answers =
        last.messages.iter().filter(|message| matches!(message, ChatMessage::Tool { .. }));
    assert_eq!((calls.count(), answers.count()), (1, 1), "{last:?}");
}
