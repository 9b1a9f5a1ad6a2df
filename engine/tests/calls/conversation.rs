//! Who speaks when nothing goes wrong.

use engine::carrier::When;
use engine::llm::ChatMessage;
use turntaking::input::EndReason;
use turntaking::settings::FirstMessageMode;

use crate::stage::{Stage, ms};

pub(crate) const SHOP: &str = r#"
language: en
greeting: { say: "Good morning, this is the shop." }
rules:
  - when: { user: hours }
    say: "We are open from nine to six, except on Sundays."
  - when: { user: address }
    say: "Twelve Market Street."
fallback: { say: "Pardon?" }
"#;

#[tokio::test(start_paused = true)]
async fn a_greeting_and_two_turns() {
    let call = Stage::new("Hello, how can I help?", SHOP)
        .says(When::AgentSilent(ms(400)), "What are your hours?")
        .says(When::AgentSilent(ms(400)), "And the address?")
        .hangs_up()
        .play()
        .await;

    assert_eq!(call.reason, EndReason::CustomerEndedCall);
    assert_eq!(
        call.conversation(),
        [
            "< Hello, how can I help?",
            "> What are your hours?",
            "< We are open from nine to six, except on Sundays.",
            "> And the address?",
            "< Twelve Market Street.",
        ]
    );
    assert_eq!(call.stats.inputs_dropped, 0);
    let last = call.requests.last().expect("the model was asked");
    let said = |content: &str| ChatMessage::Assistant {
        content: content.to_owned(),
        tool_calls: Vec::new(),
    };
    let heard = |content: &str| ChatMessage::User { content: content.to_owned() };
    assert_eq!(
        last.messages,
        [
            ChatMessage::System { content: "You answer the telephone.".to_owned() },
            said("Hello, how can I help?"),
            heard("What are your hours?"),
            said("We are open from nine to six, except on Sundays."),
            heard("And the address?"),
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn each_reply_has_its_latency_by_stage() {
    let call = Stage::new("Hello.", SHOP)
        .says(When::AgentSilent(ms(400)), "What are your hours?")
        .hangs_up()
        .play()
        .await;

    let [greeting, reply] = &call.report.turns[..] else { panic!("{:?}", call.report.turns) };
    assert_eq!(greeting.stages.endpointing_ms, None, "nobody spoke before the greeting");
    assert!(greeting.stages.voice_ms.is_some() && greeting.stages.transport_ms.is_some());
    let stages = reply.stages;
    let all = [
        stages.endpointing_ms,
        stages.transcriber_ms,
        stages.model_ms,
        stages.voice_ms,
        stages.transport_ms,
        stages.first_audio_ms,
    ];
    assert!(all.iter().all(Option::is_some), "{stages:?}");
    let sum = stages.endpointing_ms.unwrap() + stages.transport_ms.unwrap();
    let whole = stages.first_audio_ms.unwrap();
    // The voice swells for 5 ms before it can be heard.
    assert!((0.0..5.0).contains(&(whole - sum)), "prepared in the silence: {stages:?}");
}

#[tokio::test(start_paused = true)]
async fn the_model_may_write_the_greeting() {
    let call = Stage::new("unused", SHOP)
        .set(|settings| {
            settings.first_message_mode =
                FirstMessageMode::AssistantSpeaksFirstWithModelGeneratedMessage;
        })
        .hangs_up()
        .play()
        .await;

    assert_eq!(call.conversation(), ["< Good morning, this is the shop."]);
}

#[tokio::test(start_paused = true)]
async fn the_caller_may_speak_first() {
    let call = Stage::new("unused", SHOP)
        .set(|settings| settings.first_message_mode = FirstMessageMode::AssistantWaitsForUser)
        .says(When::At(ms(2_000)), "What is the address?")
        .hangs_up()
        .play()
        .await;

    assert_eq!(call.conversation(), ["> What is the address?", "< Twelve Market Street."]);
}

#[tokio::test(start_paused = true)]
async fn what_is_said_during_a_pause_belongs_to_the_same_turn() {
    let call = Stage::new("Hello.", SHOP)
        .says(When::AgentSilent(ms(400)), "I would like to know")
        .says(When::AfterPrevious(ms(500)), "what your hours are.")
        .hangs_up()
        .play()
        .await;

    assert_eq!(
        call.conversation(),
        [
            "< Hello.",
            "> I would like to know what your hours are.",
            "< We are open from nine to six, except on Sundays.",
        ]
    );
}
