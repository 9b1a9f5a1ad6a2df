//! Orders from outside the call.

use engine::carrier::When;
use engine::session::Command;
use turntaking::input::EndReason;

use crate::conversation::SHOP;
use crate::stage::{Stage, ms};

fn say(text: &str, end_call_after: bool) -> Command {
    Command::Say { text: text.to_owned(), end_call_after }
}

#[tokio::test(start_paused = true)]
async fn what_an_operator_orders_is_said_once_nobody_speaks() {
    let call = Stage::new("Hello, how can I help?", SHOP)
        .order(ms(300), say("This call is recorded.", false))
        .says(When::AgentSilent(ms(400)), "What is the address?")
        .hangs_up()
        .play()
        .await;

    assert_eq!(
        call.conversation(),
        [
            "< Hello, how can I help?",
            "< This call is recorded.",
            "> What is the address?",
            "< Twelve Market Street.",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn an_order_that_the_caller_speaks_into_is_said_after_the_answer() {
    let call = Stage::new("Hello.", SHOP)
        .says(When::At(ms(3_000)), "What is the address?")
        .order(ms(3_300), say("This call is recorded.", false))
        .hangs_up()
        .play()
        .await;

    assert_eq!(
        call.conversation(),
        [
            "< Hello.",
            "> What is the address?",
            "< Twelve Market Street.",
            "< This call is recorded.",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_last_word_cannot_be_interrupted_and_ends_the_call() {
    let call = Stage::new("Hello.", SHOP)
        .order(ms(2_500), say("We are closing now, please call again tomorrow.", true))
        .says(When::AgentSpeaking(ms(2_500)), "No wait a moment.")
        .play()
        .await;

    assert_eq!(call.reason, EndReason::AssistantEndedCall);
    assert!(
        call.conversation().contains(&"< We are closing now, please call again tomorrow.".into()),
        "{:?}",
        call.conversation()
    );
}

#[tokio::test(start_paused = true)]
async fn an_operator_ends_the_call_whatever_happens_in_it() {
    for moment in (0..40).map(|step| ms(step * 190)) {
        let call = Stage::new("Hello, how can I help?", SHOP)
            .says(When::AgentSilent(ms(400)), "What are your hours?")
            .order(moment, Command::End { reason: EndReason::ManuallyCanceled })
            .play()
            .await;
        assert_eq!(call.reason, EndReason::ManuallyCanceled, "at {moment:?}");
        assert!(call.stats.duration_ms <= moment.as_millis() as u64 + 20, "at {moment:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn orders_beyond_what_can_wait_are_counted() {
    let mut stage = Stage::new("Hello, how can I help you on this fine day?", SHOP);
    for _ in 0..12 {
        stage = stage.order(ms(500), say("Again.", false));
    }
    let call = stage.hangs_up().play().await;

    let said = call.conversation().iter().filter(|line| *line == "< Again.").count();
    assert_eq!((said, call.stats.inputs_dropped), (8, 4));
}
