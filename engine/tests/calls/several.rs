//! More than one call at once.

use std::time::Duration;

use engine::carrier::When;
use engine::session::{CallId, Command, Drained, Refused, Registry};
use turntaking::input::EndReason;

use crate::stage::{Call, Stage, ms};

fn conversation(number: usize) -> Stage {
    let dialogue = format!(
        "language: en\nrules:\n- when: {{ user: question }}\n  \
         say: \"This is the answer to the question of caller number {number}.\"\n\
         fallback: {{ say: \"Pardon?\" }}"
    );
    Stage::new(&format!("Hello, caller {number}."), &dialogue)
        .says(When::AgentSilent(ms(400)), &format!("My question is {number}."))
        .says(When::AgentSpeaking(ms(700 + 90 * number as u64)), "No wait.")
        .hangs_up()
}

fn told(call: &Call) -> Vec<String> {
    call.conversation()
}

/// Calls in one runtime share its time and its thread; nothing of one shows in another.
#[tokio::test(start_paused = true)]
async fn calls_at_once_go_as_each_would_alone() {
    let mut alone = Vec::new();
    for number in 0..6 {
        alone.push(conversation(number).play().await);
    }
    let local = tokio::task::LocalSet::new();
    let together: Vec<_> =
        (0..6).map(|number| local.spawn_local(conversation(number).play_among_others())).collect();
    local.await;
    for (alone, together) in alone.into_iter().zip(together) {
        let together = together.await.expect("no panic");
        assert_eq!(told(&together), told(&alone));
        assert_eq!(together.log.heard, alone.log.heard);
        assert_eq!(together.journal, alone.journal, "to the microsecond");
    }
}

#[tokio::test(start_paused = true)]
async fn the_call_beyond_capacity_is_refused_until_one_is_over() {
    let registry = Registry::start(1);
    let mut place = registry.admit(CallId::random()).await.expect("a free place");
    let commands = place.take_commands();
    assert!(!registry.has_room());
    assert_eq!(
        registry.admit(CallId::random()).await.expect_err("full"),
        Refused::Full { capacity: 1 }
    );
    let mut stage = conversation(1);
    stage.commands = commands;
    stage.play().await;
    drop(place);
    assert!(registry.has_room());
    assert!(registry.admit(CallId::random()).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_drain_waits_for_the_call_in_progress() {
    let (call, drained) = drain_in_mid_call(Duration::from_secs(60)).await;
    assert_eq!(drained, Drained { cut: 0 });
    assert_eq!(call.reason, EndReason::CustomerEndedCall);
}

#[tokio::test(start_paused = true)]
async fn a_drain_ends_the_call_that_outlasts_its_limit() {
    let (call, drained) = drain_in_mid_call(ms(700)).await;
    assert_eq!(drained, Drained { cut: 1 });
    assert_eq!(call.reason, EndReason::WorkerShutdown);
    assert_eq!(call.report.ended_reason, "worker-shutdown");
}

async fn drain_in_mid_call(limit: Duration) -> (Call, Drained) {
    let registry = Registry::start(2);
    let mut place = registry.admit(CallId::random()).await.expect("a free place");
    let mut stage = conversation(1);
    stage.commands = place.take_commands();
    let drain = async {
        tokio::time::sleep(ms(2_000)).await;
        let drained = registry.drain(limit).await;
        assert!(!registry.is_open());
        drained
    };
    let call = async {
        let call = stage.play().await;
        drop(place);
        call
    };
    tokio::join!(call, drain)
}

#[tokio::test(start_paused = true)]
async fn an_order_reaches_the_call_it_is_for() {
    let registry = Registry::start(2);
    let mut place = registry.admit(CallId::random()).await.expect("a free place");
    let mut stage = Stage::new("Hello.", crate::conversation::SHOP).hangs_up();
    stage.commands = place.take_commands();
    let id = place.id();
    let order = async {
        tokio::time::sleep(ms(200)).await;
        let say = Command::Say { text: "Good news.".to_owned(), end_call_after: true };
        assert!(registry.order(id, say).await);
    };
    let (call, ()) = tokio::join!(stage.play(), order);
    assert_eq!(call.conversation(), ["< Hello.", "< Good news."]);
    drop(place);
    let say = Command::Say { text: "Too late.".to_owned(), end_call_after: false };
    assert!(!registry.order(id, say).await);
}
