//! A machine answers.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;
use std::time::Duration;

use asr::scripted::Utterance;
use codecs::Resampler;
use codecs::tone::{Partial, Tone};
use codecs::wav::Wav;
use engine::carrier::When;
use turntaking::input::EndReason;
use turntaking::output::Event;
use turntaking::settings::FirstMessageMode;
use turntaking::voicemail::VoicemailPlan;

use crate::conversation::SHOP;
use crate::stage::{Call, RATE, Stage, ms, sound};

const PROMPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/audio/telephony");
const MESSAGE: &str = "This is the shop, your order is ready.";

fn stage(plan: VoicemailPlan) -> Stage {
    Stage::new("Hello, this is the shop.", SHOP).set(|settings| settings.voicemail = Some(plan))
}

fn with_message() -> VoicemailPlan {
    VoicemailPlan { message: MESSAGE.to_owned(), ..VoicemailPlan::default() }
}

/// A recorded prompt of a real voicemail system; `None` where it is not to be had.
fn prompt(name: &str) -> Option<Vec<i16>> {
    let path = Path::new(PROMPTS).join("asterisk_en").join(name);
    let Ok(file) = File::open(&path) else {
        eprintln!("skipped: {} is not there", path.display());
        return None;
    };
    let wav = Wav::read(BufReader::new(file)).expect("a recording");
    let mut samples = Vec::new();
    let mut resampler = Resampler::new(wav.rate, RATE).expect("rates in use");
    resampler.process(&wav.channel(0), &mut samples);
    resampler.flush(&mut samples);
    Some(samples)
}

/// `speech`, a pause, and the machine's beep.
fn and_beep(mut speech: Vec<i16>) -> Vec<i16> {
    speech.extend(vec![0; RATE.samples_in(ms(600)) as usize]);
    let mut beep = Tone::single(RATE, Partial::new(1_000.0, -14.0), ms(400));
    let at = speech.len();
    speech.resize(at + usize::try_from(beep.remaining()).expect("short"), 0);
    beep.fill_into(&mut speech[at..]);
    speech
}

fn detected(call: &Call) -> usize {
    call.floor_events().filter(|event| matches!(event, Event::VoicemailDetected)).count()
}

/// From the end of the caller's cue to the first sample of the last thing that was said.
fn spoken_after(call: &Call, cue: usize) -> Duration {
    let ended = call.log.cues[cue].range.end;
    let said = call.log.heard.last().expect("something was said");
    RATE.duration_of(said.at.checked_sub(ended).expect("after the machine"))
}

#[tokio::test(start_paused = true)]
async fn a_recorded_greeting_is_left_the_message_after_its_beep() {
    let Some(greeting) = prompt("vm-intro.wav") else { return };
    let words =
        "Please leave your message after the tone. When done hang up or press the pound key.";
    let heard = Utterance::evenly(words, RATE.duration_of(greeting.len() as u64));
    let call =
        stage(with_message()).plays(When::At(ms(300)), and_beep(greeting), heard).play().await;

    assert_eq!(call.reason, EndReason::Voicemail);
    assert_eq!(call.report.ended_reason, "voicemail");
    assert_eq!(detected(&call), 1);
    assert_eq!(call.conversation().last(), Some(&format!("< {MESSAGE}")));
    assert!(spoken_after(&call, 0) >= ms(250) && spoken_after(&call, 0) < ms(600));
    assert!(call.requests.is_empty(), "a machine is not answered: {:?}", call.requests);
}

#[tokio::test(start_paused = true)]
async fn without_a_message_the_call_ends_as_soon_as_it_is_certain() {
    let Some(greeting) = prompt("vm-nobodyavail.wav") else { return };
    let duration = RATE.duration_of(greeting.len() as u64);
    let heard = Utterance::evenly("Nobody is available to take your call at the moment.", duration);
    let call =
        stage(VoicemailPlan::default()).plays(When::At(ms(300)), greeting, heard).play().await;

    assert_eq!(call.reason, EndReason::Voicemail);
    assert!(call.stats.duration_ms < 300 + duration.as_millis() as u64, "{:?}", call.stats);
}

#[tokio::test(start_paused = true)]
async fn a_greeting_nobody_understands_is_known_by_its_sound() {
    // Five seconds of speech, of which the recogniser makes nothing, and a beep.
    let call = stage(with_message())
        .set(|settings| settings.first_message_mode = FirstMessageMode::AssistantWaitsForUser)
        .plays(When::At(ms(300)), and_beep(sound(ms(5_000))), Utterance::default())
        .play()
        .await;

    assert_eq!(call.reason, EndReason::Voicemail);
    assert_eq!(call.conversation(), [format!("< {MESSAGE}")]);
    assert!(spoken_after(&call, 0) < ms(600), "{:?}", spoken_after(&call, 0));
}

#[tokio::test(start_paused = true)]
async fn a_person_who_answers_is_talked_to() {
    let call = stage(with_message())
        .says(When::At(ms(300)), "Allô ?")
        .says(When::AgentSilent(ms(500)), "What are your hours?")
        .hangs_up()
        .play()
        .await;

    assert_eq!(call.reason, EndReason::CustomerEndedCall);
    assert_eq!(detected(&call), 0);
    assert_eq!(
        call.conversation()[1..],
        ["> What are your hours?", "< We are open from nine to six, except on Sundays."]
    );
}
