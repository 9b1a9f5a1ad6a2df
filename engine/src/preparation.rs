//! What a call wants at once, made ready while the telephone rings.
//!
//! Between the announcement of a call and its media lie some hundred milliseconds, for a call of
//! ours the whole time that it rings. Enough to open connections and to have the greeting spoken,
//! so that the first audio of a call waits for nothing.

use std::future::poll_fn;
use std::time::Duration;

use asr::StreamConfig;
use codecs::SampleRate;
use tts::{Chunker, SpeechEvent, TextChunk};
use turntaking::settings::FirstMessageMode;

use crate::assemble::Assistant;
use crate::session::Persona;

/// How long a greeting may take to be synthesised. The call itself waits for its own.
const PATIENCE: Duration = Duration::from_secs(20);

/// Makes ready what a call of `assistant` wants at once. Does nothing twice.
pub async fn prepare(assistant: &Assistant) {
    let Assistant { persona, providers, settings, .. } = assistant;
    providers.model.prepare();
    let language = persona.language.clone();
    providers.recognizer.prepare(&StreamConfig { rate: SampleRate::HZ_8000, language });
    if settings.first_message_mode != FirstMessageMode::AssistantSpeaksFirst {
        return;
    }
    let phrases = phrases(persona, &settings.first_message);
    let Some(mut voice) = providers.synthesizer.prepare(&persona.voice, &phrases) else { return };
    let spoken = async {
        loop {
            match poll_fn(|cx| voice.poll_event(cx)).await {
                SpeechEvent::Done => return,
                SpeechEvent::Failed(error) => {
                    tracing::warn!(%error, "a greeting could not be prepared");
                    return;
                }
                SpeechEvent::Audio { .. } | SpeechEvent::Span { .. } => {}
            }
        }
    };
    if tokio::time::timeout(PATIENCE, spoken).await.is_err() {
        tracing::warn!("a greeting takes too long to prepare");
    }
}

/// The phrases in which a reply with these words goes to the voice.
fn phrases(persona: &Persona, words: &str) -> Vec<TextChunk> {
    let mut chunker = Chunker::new(persona.chunk_plan.clone());
    chunker.push(words);
    chunker.finish();
    std::iter::from_fn(|| chunker.next_chunk()).collect()
}
