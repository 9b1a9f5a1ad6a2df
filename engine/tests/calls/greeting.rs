//! The first message, and what is said into it.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use engine::carrier::When;
use tokio::time::Sleep;
use tts::scripted::{Scripted as ScriptedVoice, ScriptedConfig};
use tts::{
    Cached, PhraseCache, SpeechEvent, SpeechStream, Synthesizer, SynthesizerError, TextChunk,
    VoiceConfig,
};

use crate::stage::{Stage, ms};

const GREETING: &str = "Bonjour, ici Sara du salon Élégance, que puis-je faire pour vous ?";
const DIALOGUE: &str = r#"
language: fr
rules:
  - when: { user: annuler }
    say: "Je l'annule tout de suite."
fallback: { say: "Très bien." }
"#;

#[tokio::test(start_paused = true)]
async fn who_answers_the_phone_into_it_is_not_answered() {
    for interruptions in [false, true] {
        let call = Stage::new(GREETING, DIALOGUE)
            .set(|settings| settings.first_message_interruptions = interruptions)
            .says(When::AgentSpeaking(ms(300)), "Allô ?")
            .hangs_up()
            .play()
            .await;

        assert_eq!(call.conversation(), [format!("< {GREETING}")]);
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_asked_meanwhile_is_answered_once_it_was_heard() {
    let asked = "Attendez, c'est pour annuler mon rendez-vous.";
    let call = Stage::new(GREETING, DIALOGUE)
        .says(When::AgentSpeaking(ms(900)), asked)
        .hangs_up()
        .play()
        .await;

    assert_eq!(
        call.conversation(),
        [format!("< {GREETING}"), format!("> {asked}"), "< Je l'annule tout de suite.".to_owned()]
    );
}

/// A voice whose every reply begins after a while.
#[derive(Debug)]
struct Late(ScriptedVoice, Duration);

struct LateStream(Box<dyn SpeechStream>, Pin<Box<Sleep>>, bool);

impl Synthesizer for Late {
    fn open(&self, voice: &VoiceConfig) -> Result<Box<dyn SpeechStream>, SynthesizerError> {
        Ok(Box::new(LateStream(self.0.open(voice)?, Box::pin(tokio::time::sleep(self.1)), false)))
    }
}

impl SpeechStream for LateStream {
    fn push(&mut self, chunk: TextChunk) {
        self.0.push(chunk);
    }

    fn finish(&mut self) {
        self.0.finish();
    }

    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<SpeechEvent> {
        if !self.2 {
            ready!(self.1.as_mut().poll(cx));
            self.2 = true;
        }
        self.0.poll_event(cx)
    }
}

/// A voice that takes 300 ms, and the cache before it.
fn cached_voice() -> (Arc<Cached>, PhraseCache) {
    let cache = PhraseCache::new(16 << 20);
    let voice = Late(ScriptedVoice::new(ScriptedConfig::default()), ms(300));
    (Arc::new(Cached::new(Arc::new(voice), &cache)), cache)
}

/// A call to somebody who is greeted, cuts in, and hangs up.
fn cutting_in(voice: Arc<dyn Synthesizer>) -> Stage {
    let mut stage = Stage::new(GREETING, DIALOGUE)
        .says(When::AgentSpeaking(ms(1_500)), "Attendez, c'est pour annuler mon rendez-vous.")
        .hangs_up();
    stage.settings.first_message_interruptions = true;
    stage.voice = voice;
    stage
}

#[tokio::test(start_paused = true)]
async fn one_that_was_prepared_is_heard_at_once() {
    let (voice, cache) = cached_voice();
    let mut waits = Stage::new(GREETING, DIALOGUE).hangs_up();
    waits.voice = voice.clone();
    let waits = waits.play().await;
    assert!(waits.report.turns[0].at_ms >= 300, "{:?}", waits.report.turns);

    let prepared = Stage::new(GREETING, DIALOGUE).hangs_up();
    let assistant = prepared.assistant(voice.clone());
    engine::preparation::prepare(&assistant).await;
    let hits = cache.counters().hits;
    let mut prepared = prepared;
    prepared.voice = voice;
    let prepared = prepared.play().await;
    assert!(cache.counters().hits > hits, "served from the cache: {cache:?}");
    // The way to the caller's ear is 60 ms, and the voice swells for 5.
    assert!(prepared.report.turns[0].at_ms <= 85, "{:?}", prepared.report.turns);
    assert_eq!(prepared.conversation(), waits.conversation());
}

#[tokio::test(start_paused = true)]
async fn what_was_heard_of_a_cached_one_is_known_to_the_word() {
    let fresh = cutting_in(Arc::new(ScriptedVoice::new(ScriptedConfig::default()))).play().await;
    let (voice, cache) = cached_voice();
    let assistant = cutting_in(voice.clone()).assistant(voice.clone());
    engine::preparation::prepare(&assistant).await;
    let cached = cutting_in(voice).play().await;

    assert!(cache.counters().hits > 0, "{cache:?}");
    let heard = &fresh.conversation()[0];
    assert!(heard.ends_with(" …") && heard.len() < GREETING.len(), "it was cut: {heard}");
    assert_eq!(cached.conversation(), fresh.conversation());
}
