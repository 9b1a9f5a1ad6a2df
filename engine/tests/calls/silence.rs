//! Nobody says anything.

use engine::carrier::When;
use turntaking::input::EndReason;

use crate::conversation::SHOP;
use crate::stage::{RATE, Stage, ms};

#[tokio::test(start_paused = true)]
async fn a_caller_who_says_nothing_is_bid_farewell() {
    let call = Stage::new("Hello, how can I help?", SHOP)
        .set(|settings| {
            settings.silence_timeout = ms(8_000);
            settings.end_call_message = "I cannot hear you, goodbye.".to_owned();
        })
        .play()
        .await;

    assert_eq!(call.reason, EndReason::SilenceTimedOut);
    assert_eq!(call.report.ended_reason, "silence-timed-out");
    assert_eq!(call.conversation(), ["< Hello, how can I help?", "< I cannot hear you, goodbye."]);
    let [greeting, farewell] = &call.log.heard[..] else { panic!("{:?}", call.log.heard) };
    let greeted = greeting.at + (greeting.range.end - greeting.range.start);
    let silence = RATE.duration_of(farewell.at - greeted);
    assert!(silence >= ms(8_000) && silence < ms(8_200), "{silence:?}");
}

#[tokio::test(start_paused = true)]
async fn silence_is_counted_anew_after_each_turn() {
    let call = Stage::new("Hello.", SHOP)
        .set(|settings| settings.silence_timeout = ms(5_000))
        .says(When::AgentSilent(ms(4_000)), "What is the address?")
        .says(When::AgentSilent(ms(4_000)), "And the hours?")
        .play()
        .await;

    assert_eq!(call.reason, EndReason::SilenceTimedOut);
    assert_eq!(call.conversation().len(), 5, "both turns were answered first");
}

#[tokio::test(start_paused = true)]
async fn a_french_caller_falls_silent() {
    let dialogue = "language: fr\nrules:\n- when: { user: horaires }\n  \
                    say: \"Nous sommes ouverts de neuf heures à midi, et l’après-midi.\"\n\
                    fallback: { say: \"Pardon ?\" }";
    let mut stage = Stage::new("Bonjour, que puis-je faire pour vous ?", dialogue)
        .set(|settings| {
            settings.silence_timeout = ms(6_000);
            settings.end_call_message = "Je ne vous entends plus, au revoir.".to_owned();
        })
        .says(When::AgentSilent(ms(400)), "Quels sont vos horaires ?")
        // An acknowledgement, not an interruption.
        .says(When::AgentSpeaking(ms(1_500)), "d’accord");
    stage.persona.language = "fr".to_owned();
    stage.persona.voice.language = "fr".to_owned();
    let call = stage.play().await;

    assert_eq!(call.reason, EndReason::SilenceTimedOut);
    assert_eq!(
        call.conversation(),
        [
            "< Bonjour, que puis-je faire pour vous ?",
            "> Quels sont vos horaires ?",
            "< Nous sommes ouverts de neuf heures à midi, et l’après-midi.",
            "< Je ne vous entends plus, au revoir.",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn the_longest_call_is_ended_in_mid_sentence() {
    let call = Stage::new("Hello.", SHOP)
        .set(|settings| {
            settings.max_duration = ms(5_000);
            settings.end_call_message = "Time is up.".to_owned();
        })
        .says(When::At(ms(1_800)), "What are your hours?")
        .play()
        .await;

    assert_eq!(call.reason, EndReason::ExceededMaxDuration);
    let said = call.conversation();
    assert!(said[2].starts_with("< We are open") && said[2].ends_with('…'), "{said:?}");
    assert_eq!(said.last().map(String::as_str), Some("< Time is up."));
}
