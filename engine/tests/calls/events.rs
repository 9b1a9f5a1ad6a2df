//! What the rest of the engine is told of a call, when it does not listen.

use engine::carrier::When;
use engine::session::SessionEventKind;
use tokio::sync::mpsc;
use turntaking::input::EndReason;

use crate::conversation::SHOP;
use crate::providers::Watch;
use crate::stage::{Stage, ms};

fn stage() -> Stage {
    Stage::new("Hello.", SHOP).says(When::AgentSilent(ms(400)), "What are your hours?").hangs_up()
}

#[tokio::test(start_paused = true)]
async fn a_consumer_that_does_not_read_costs_events_and_not_the_call() {
    let heard = stage().play().await;
    let folder = tempfile::tempdir().expect("a directory");
    let (events, mut unread) = mpsc::channel(4);
    let call = stage().perform(folder.path().to_owned(), &Watch::default(), events).await;

    assert_eq!(call.reason, EndReason::CustomerEndedCall);
    assert_eq!(call.log.heard, heard.log.heard, "the caller noticed nothing");
    let mut kept = Vec::new();
    while let Ok(event) = unread.try_recv() {
        kept.push(event.kind);
    }
    assert!(matches!(kept.first(), Some(SessionEventKind::Started { .. })));
    assert_eq!(kept.len() as u64 + call.stats.events_lost, heard.events.len() as u64);
    // Whoever keeps something for each call must learn that it is over.
    let Some(SessionEventKind::Ended { reason, stats }) = kept.last() else {
        panic!("the end was lost: {kept:?}");
    };
    assert_eq!((*reason, *stats), (call.reason, call.stats));
}

#[tokio::test(start_paused = true)]
async fn a_consumer_that_is_gone_costs_events_and_not_the_call() {
    let folder = tempfile::tempdir().expect("a directory");
    let (events, unread) = mpsc::channel(4);
    drop(unread);
    let call = stage().perform(folder.path().to_owned(), &Watch::default(), events).await;

    assert_eq!(call.reason, EndReason::CustomerEndedCall);
    assert!(call.stats.events_lost > 4);
}
