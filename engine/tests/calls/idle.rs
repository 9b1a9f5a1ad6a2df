//! The caller says nothing, and is asked whether they are there.

use engine::carrier::When;
use engine::llm::ChatMessage;
use turntaking::idle::{IdleAction, IdleRule};
use turntaking::input::EndReason;

use crate::conversation::SHOP;
use crate::stage::{Call, RATE, Stage, ms};

fn rule(seconds: u64, most: u32, actions: Vec<IdleAction>) -> IdleRule {
    IdleRule { timeout: ms(seconds * 1_000), most, reset_on_speech: true, actions }
}

fn say(text: &str) -> IdleAction {
    IdleAction::Say(vec![text.to_owned()])
}

/// Silence before the reply with this index was heard.
fn silence_before(call: &Call, index: usize) -> std::time::Duration {
    let before = &call.log.heard[index - 1];
    let end = before.at + (before.range.end - before.range.start);
    RATE.duration_of(call.log.heard[index].at - end)
}

#[tokio::test(start_paused = true)]
async fn a_caller_is_asked_as_often_as_was_set_and_then_bid_farewell() {
    let call = Stage::new("Bonjour, que puis-je faire pour vous ?", SHOP)
        .set(|settings| {
            settings.idle = vec![rule(6, 2, vec![say("Vous êtes toujours là ?")])];
            settings.silence_timeout = ms(15_000);
            settings.silence_timeout_message = "Je raccroche, à bientôt.".to_owned();
            settings.end_call_message = "Not this.".to_owned();
        })
        .play()
        .await;

    assert_eq!(call.reason, EndReason::SilenceTimedOut);
    assert_eq!(
        call.conversation(),
        [
            "< Bonjour, que puis-je faire pour vous ?",
            "< Vous êtes toujours là ?",
            "< Vous êtes toujours là ?",
            "< Je raccroche, à bientôt.",
        ]
    );
    for (index, seconds) in [(1, 6), (2, 6), (3, 15)] {
        let silence = silence_before(&call, index);
        assert!(
            silence >= ms(seconds * 1_000) && silence < ms(seconds * 1_000 + 200),
            "{silence:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn the_count_starts_again_when_the_caller_speaks() {
    let call = Stage::new("Hello.", SHOP)
        .set(|settings| {
            settings.idle = vec![rule(5, 1, vec![say("Are you there?")])];
            settings.silence_timeout = ms(12_000);
        })
        .says(When::AgentSilent(ms(8_000)), "What are your hours?")
        .play()
        .await;

    let asked = call.conversation().iter().filter(|line| *line == "< Are you there?").count();
    assert_eq!(asked, 2, "{:?}", call.conversation());
}

#[tokio::test(start_paused = true)]
async fn the_question_can_be_interrupted() {
    let call = Stage::new("Hello.", SHOP)
        .set(|settings| {
            let question = "Are you still there or shall I call you back at some other time?";
            settings.idle = vec![rule(5, 1, vec![say(question), say("Well then.")])];
        })
        .says(When::At(ms(6_500)), "Wait, what are your hours?")
        .hangs_up()
        .play()
        .await;

    let said = call.conversation();
    assert!(said[1].starts_with("< Are you") && said[1].ends_with('…'), "{said:?}");
    assert!(
        said[3].starts_with("< We are open"),
        "what came next in the rule is forgotten: {said:?}"
    );
    assert_eq!(said.len(), 4);
}

#[tokio::test(start_paused = true)]
async fn the_model_is_asked_with_the_instruction_for_it() {
    let call = Stage::new("Hello.", SHOP)
        .set(|settings| {
            let ask = IdleAction::Ask("Ask whether they are there.".to_owned());
            settings.idle = vec![rule(5, 1, vec![ask, IdleAction::EndCall])];
        })
        .play()
        .await;

    assert_eq!(call.reason, EndReason::AssistantEndedCall);
    let [request] = &call.requests[..] else { panic!("{:?}", call.requests) };
    let content = "Ask whether they are there.".to_owned();
    assert_eq!(request.messages.last(), Some(&ChatMessage::System { content }));
    assert_eq!(call.conversation().len(), 2);
}
