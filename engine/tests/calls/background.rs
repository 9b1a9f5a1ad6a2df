//! A sound behind the voice, from the beginning of a call to its end. That the recording has it as
//! it was heard, and history and playhead know nothing of it, is checked after every call.

use std::sync::Arc;

use asr::scripted::Utterance;
use codecs::ambience::Ambience;
use engine::carrier::When;
use turntaking::output::Event;

use crate::conversation::SHOP;
use crate::stage::{Call, RATE, Stage, ms};

const STORY: &str = "It was a dark and stormy night in the middle of the longest winter anybody \
                     knew, and nobody was on the road.";

fn stage() -> Stage {
    let dialogue = format!("language: en\nfallback: {{ say: \"{STORY}\" }}");
    with_background(Stage::new("Hello.", &dialogue))
}

fn with_background(mut stage: Stage) -> Stage {
    stage.persona.background = Some(Arc::new(Ambience::office(RATE)));
    stage
}

fn is_behind_everything(call: &Call) {
    let office = call.background.as_ref().expect("it is on");
    let voice = call.voice();
    assert!(voice.len() > 8_000);
    let silent: Vec<usize> = (0..voice.len()).filter(|&at| voice[at] == 0).collect();
    assert!(silent.iter().all(|&at| call.log.agent[at] == office.sample(at as u64)));
    assert!(silent.len() > 4_000, "it was heard alone too");
}

#[tokio::test(start_paused = true)]
async fn a_conversation_goes_on_over_it() {
    let call = with_background(Stage::new("Hello.", SHOP))
        .says(When::AgentSilent(ms(400)), "What are your hours?")
        .hangs_up()
        .play()
        .await;

    is_behind_everything(&call);
    assert_eq!(
        call.conversation(),
        [
            "< Hello.",
            "> What are your hours?",
            "< We are open from nine to six, except on Sundays."
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn an_interruption_cuts_the_voice_and_not_what_is_behind_it() {
    let call = stage()
        .says(When::AgentSilent(ms(400)), "Tell me a story.")
        .says(When::AgentSpeaking(ms(1_500)), "Please wait a moment.")
        .hangs_up()
        .play()
        .await;

    is_behind_everything(&call);
    let interrupted = |event: &&Event| matches!(event, Event::UserInterrupted { .. });
    assert_eq!(call.floor_events().filter(interrupted).count(), 1);
    assert!(call.conversation()[2].ends_with('…'), "{:?}", call.conversation());
}

#[tokio::test(start_paused = true)]
async fn a_false_alarm_resumes_over_it() {
    let call = stage()
        .says(When::AgentSilent(ms(400)), "Tell me a story.")
        .utters(When::AgentSpeaking(ms(1_500)), ms(90), Utterance::default())
        .hangs_up()
        .play()
        .await;

    is_behind_everything(&call);
    assert_eq!(call.conversation()[2], format!("< {STORY}"));
}
