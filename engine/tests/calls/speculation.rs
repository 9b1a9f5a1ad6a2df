//! A reply that is prepared before the caller has surely finished.

use asr::scripted::{Cue, Utterance};
use engine::carrier::When;

use crate::conversation::SHOP;
use crate::stage::{Stage, WORD, ms};

#[tokio::test(start_paused = true)]
async fn a_prepared_reply_is_played_when_the_turn_ends_as_expected() {
    let call = Stage::new("Hello.", SHOP)
        .says(When::AgentSilent(ms(400)), "What are your hours?")
        .hangs_up()
        .play()
        .await;

    assert_eq!(call.requests.len(), 1, "the prepared reply was the one");
    assert!(call.report.turns[1].speculative);
    assert_eq!(call.stats.speculations_wasted, 0);
    let spoken_until = call.log.cues[0].range.end;
    let first = call.log.heard.iter().find(|heard| heard.turn.0 == 2).expect("a reply");
    let silence = crate::stage::RATE.duration_of(first.at - spoken_until);
    assert!(silence >= turntaking::endpointing::LEAST, "heard after {silence:?}");
}

#[tokio::test(start_paused = true)]
async fn a_prepared_reply_is_dropped_unheard_when_the_caller_goes_on() {
    let call = Stage::new("Hello.", SHOP)
        .says(When::AgentSilent(ms(400)), "What are your hours?")
        .says(When::AfterPrevious(ms(400)), "Or rather the address?")
        .hangs_up()
        .play()
        .await;

    assert_eq!(call.requests.len(), 2);
    assert_eq!(call.stats.speculations_wasted, 1);
    // The dialogue's first rule that fits both.
    assert_eq!(
        call.conversation()[1..],
        [
            "> What are your hours? Or rather the address?",
            "< We are open from nine to six, except on Sundays.",
        ]
    );
    assert!(call.log.heard.iter().all(|heard| heard.turn.0 != 2), "the first was never heard");
}

#[tokio::test(start_paused = true)]
async fn a_prepared_reply_is_dropped_when_the_words_change() {
    // The recogniser corrects itself in the silence, after the reply was prepared.
    let heard = Utterance::timed([("hours", ms(300))])
        .with(ms(440), Cue::EndOfTurn { eager: true })
        .with(ms(450), Cue::TurnResumed);
    let call = Stage::new("Hello.", SHOP)
        .utters(When::AgentSilent(ms(400)), ms(320), heard)
        .hangs_up()
        .play()
        .await;

    assert_eq!(
        call.conversation()[1..],
        ["> hours".to_owned(), "< We are open from nine to six, except on Sundays.".to_owned(),]
    );
    assert_eq!(call.stats.speculations_wasted as usize, call.requests.len() - 1);
}

#[tokio::test(start_paused = true)]
async fn without_speculation_nothing_is_asked_before_the_turn_ends() {
    let call = Stage::new("Hello.", SHOP)
        .set(|settings| settings.speculation = false)
        .says(When::AgentSilent(ms(400)), "What are your hours?")
        .says(When::AfterPrevious(WORD), "I mean today.")
        .hangs_up()
        .play()
        .await;

    assert_eq!(call.requests.len(), 1);
    assert!(call.report.turns.iter().all(|turn| !turn.speculative));
}
