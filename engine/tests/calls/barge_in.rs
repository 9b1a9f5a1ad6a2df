//! The caller speaks while the agent does.

use std::sync::Arc;
use std::time::Duration;

use asr::scripted::Utterance;
use codecs::SampleRate;
use engine::carrier::When;
use turntaking::input::EndReason;
use turntaking::output::Event;

use crate::providers::SlowVoice;
use crate::spoken::Spoken;
use crate::stage::{Call, Stage, WORD, ms};

const STORY: &str = "Once upon a time there lived an old miller with three sons, and when he died \
                     the youngest got nothing but the cat, which could talk.";

fn storyteller() -> Stage {
    let dialogue = format!(
        "language: en\nrules:\n- when: {{ user: story }}\n  say: \"{STORY}\"\n\
         fallback: {{ say: \"As you like.\" }}"
    );
    Stage::new("Hello.", &dialogue).says(When::AgentSilent(ms(400)), "Tell me a story.")
}

fn interruptions(call: &Call) -> usize {
    call.floor_events().filter(|event| matches!(event, Event::UserInterrupted { .. })).count()
}

fn false_alarms(call: &Call) -> usize {
    call.floor_events().filter(|event| matches!(event, Event::FalseInterruption { .. })).count()
}

/// What was heard of the story, by the stretches that went over the line.
fn story_heard(call: &Call) -> String {
    let story = call.log.heard.iter().find(|heard| heard.turn.0 == 2).expect("the story began");
    let of_story = call.log.heard.iter().filter(|heard| heard.turn == story.turn);
    Spoken::new(STORY).heard(of_story.map(|heard| heard.range.end).max().unwrap_or(0))
}

#[tokio::test(start_paused = true)]
async fn history_holds_just_the_words_that_were_heard_whenever_the_caller_interrupts() {
    let length = Spoken::new(STORY).samples.len() as u64 / 8;
    let mut cuts = Vec::new();
    for offset in (0..50).map(|part| part * (length - 400) / 50) {
        let call = storyteller()
            .says(When::AgentSpeaking(ms(offset)), "Please wait a moment.")
            .hangs_up()
            .play()
            .await;

        assert_eq!(call.reason, EndReason::CustomerEndedCall);
        let heard = story_heard(&call);
        let mut expected = vec!["< Hello.".to_owned(), "> Tell me a story.".to_owned()];
        if !heard.is_empty() {
            assert_ne!(heard, STORY, "at {offset} ms");
            expected.push(format!("< {heard} …"));
        }
        expected.extend(["> Please wait a moment.".to_owned(), "< As you like.".to_owned()]);
        assert_eq!(call.conversation(), expected, "at {offset} ms");
        assert_eq!(interruptions(&call), 1, "at {offset} ms");
        assert_eq!(call.stats.inputs_dropped, 0, "at {offset} ms");
        cuts.push(heard);
    }
    cuts.dedup();
    assert!(cuts.len() > 20, "the cuts fell into different words: {cuts:?}");
}

#[tokio::test(start_paused = true)]
async fn a_voice_of_another_rate_is_cut_at_the_same_words() {
    for rate in [SampleRate::HZ_16000, SampleRate::HZ_24000, SampleRate::HZ_48000] {
        for offset in (0..7).map(|part| ms(300 + part * 777)) {
            let call = storyteller()
                .voiced_at(rate)
                .says(When::AgentSpeaking(offset), "Please wait a moment.")
                .hangs_up()
                .play()
                .await;
            assert_eq!(interruptions(&call), 1, "at {offset:?}");
            assert!(call.conversation()[2].ends_with('…'), "{:?}", call.conversation());
        }
        let call = storyteller().voiced_at(rate).hangs_up().play().await;
        assert_eq!(call.conversation()[2], format!("< {STORY}"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_voice_that_falls_behind_is_heard_in_pieces_and_cut_at_the_same_words() {
    for offset in (0..12).map(|part| ms(200 + part * 531)) {
        let mut stage =
            storyteller().says(When::AgentSpeaking(offset), "Please wait a moment.").hangs_up();
        stage.voice = Arc::new(SlowVoice { pace: ms(70) });
        let call = stage.play().await;
        assert_eq!(interruptions(&call), 1, "at {offset:?}");
    }
    let mut stage = storyteller().hangs_up();
    stage.voice = Arc::new(SlowVoice { pace: ms(70) });
    let call = stage.play().await;
    assert_eq!(call.conversation()[2], format!("< {STORY}"));
    let pieces = call.log.heard.iter().filter(|heard| heard.turn.0 == 2).count();
    assert!(pieces > 10, "it ran dry {pieces} times");
}

/// From the first sample of the caller's sound to the last of the agent's.
fn stopped_after(call: &Call, cue: usize) -> Duration {
    let began = call.log.cues[cue].range.start;
    let heard = call.log.heard.iter().find(|heard| {
        heard.at <= began && began < heard.at + (heard.range.end - heard.range.start)
    });
    let heard = heard.expect("the agent was speaking");
    let end = heard.at + (heard.range.end - heard.range.start);
    crate::stage::RATE.duration_of(end - began)
}

#[tokio::test(start_paused = true)]
async fn the_voice_is_held_after_two_voiced_windows() {
    for offset in [503, 711, 1_999] {
        let call = storyteller()
            .says(When::AgentSpeaking(ms(offset)), "Please wait a moment.")
            .hangs_up()
            .play()
            .await;

        // Two windows of 32 ms, which begin up to one before and one after the sound does, and a
        // frame of 20 ms on either side.
        let stopped = stopped_after(&call, 1);
        assert!(stopped >= ms(32) && stopped <= ms(64 + 32 + 20 + 20), "{stopped:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_noise_holds_the_voice_which_goes_on_from_the_start_of_the_word() {
    let length = Spoken::new(STORY).samples.len() as u64 / 8;
    let mut repeated = 0;
    for offset in (0..25).map(|part| 100 + part * (length - 600) / 25) {
        let call = storyteller()
            .utters(When::AgentSpeaking(ms(offset)), ms(90), Utterance::default())
            .hangs_up()
            .play()
            .await;

        assert_eq!(
            call.conversation(),
            ["< Hello.".to_owned(), "> Tell me a story.".to_owned(), format!("< {STORY}")],
            "at {offset} ms"
        );
        assert_eq!((interruptions(&call), false_alarms(&call)), (0, 1), "at {offset} ms");
        let story: Vec<_> = call.log.heard.iter().filter(|heard| heard.turn.0 == 2).collect();
        let spoken = Spoken::new(STORY);
        let [before, after] = story[..] else { panic!("at {offset} ms: {story:?}") };
        assert_eq!(before.range.start, 0);
        assert_eq!(after.range.start, spoken.word_start(before.range.end), "at {offset} ms");
        assert_eq!(after.range.end, spoken.samples.len() as u64, "at {offset} ms");
        repeated += u32::from(after.range.start < before.range.end);
    }
    assert!(repeated > 10, "the noise came within words");
}

#[tokio::test(start_paused = true)]
async fn an_acknowledgement_does_not_stop_the_voice_for_good() {
    let call = storyteller()
        .utters(When::AgentSpeaking(ms(1_200)), ms(180), Utterance::timed([("Mhm.", ms(150))]))
        .hangs_up()
        .play()
        .await;

    assert_eq!(interruptions(&call), 0);
    assert_eq!(call.conversation().last(), Some(&format!("< {STORY}")));
}

#[tokio::test(start_paused = true)]
async fn a_greeting_is_not_interrupted_unless_that_is_allowed() {
    let greeting = "Good morning and welcome to the oldest mill of the whole valley.";
    let stage = |allowed| {
        Stage::new(greeting, "language: en\nfallback: { say: \"Very well.\" }")
            .set(|settings| settings.first_message_interruptions = allowed)
            .says(When::AgentSpeaking(ms(600)), "Stop talking now please.")
            .hangs_up()
    };
    let kept = stage(false).play().await;
    assert_eq!(
        kept.conversation(),
        [format!("< {greeting}"), "> Stop talking now please.".into(), "< Very well.".into()]
    );
    let cut = stage(true).play().await;
    assert_eq!(interruptions(&cut), 1);
    assert_eq!(cut.conversation().len(), 3);
    assert!(cut.conversation()[0].ends_with('…'), "{:?}", cut.conversation());
}

#[tokio::test(start_paused = true)]
async fn two_interruptions_in_a_row() {
    let call = storyteller()
        .says(When::AgentSpeaking(ms(900)), "No wait.")
        .says(When::AgentSpeaking(WORD), "Tell me the other story instead.")
        .says(When::AgentSpeaking(ms(2_000)), "Stop it now.")
        .hangs_up()
        .play()
        .await;

    assert_eq!(interruptions(&call), 3);
    let said = call.conversation();
    assert_eq!(said.iter().filter(|line| line.starts_with('>')).count(), 4, "{said:?}");
    assert_eq!(said.last().map(String::as_str), Some("< As you like."));
}
