//! Makes assistants ready for calls while calls are running. Models and voices are loaded once
//! for each distinct configuration and shared by all assistants that ask for it.

use std::sync::Arc;

use asr::Recognizer;
use codecs::ambience::Ambience;
use tokio::sync::OnceCell;
use tts::{CacheCounters, PhraseCache, Synthesizer};
use turntaking::input::Stage;
use vad::{TurnWorker, Vad};

use crate::assemble::{self, AssembleError, Assistant};
use crate::background;
use crate::config::{
    self, Background, Config, Model, Server, Transcriber, TranscriberProvider, Voice,
};
use crate::endpointing::EndpointingModel;
use crate::llm::LanguageModel;
use crate::session::Providers;

/// Different configurations of one stage that are kept. A model server is a connection pool; a
/// local model is a folder in `models_dir`, of which there are fewer.
const KEPT: usize = 64;

/// Makes assistants ready for calls.
#[derive(Debug)]
pub(crate) struct Workshop {
    config: Config,
    /// Asks customers' servers.
    client: reqwest::Client,
    /// Of the first assistant: voice activity and the turn model are one for all.
    providers: Providers,
    recognizers: Shelf<(Transcriber, Option<String>), dyn Recognizer>,
    models: Shelf<Model, dyn LanguageModel>,
    voices: Shelf<Voice, dyn Synthesizer>,
    /// The phrases of all voices.
    cache: PhraseCache,
    endpointing: Shelf<Server, EndpointingModel>,
    /// `None`: there is none, or its server had none when it was asked.
    backgrounds: Shelf<Background, Option<Arc<Ambience>>>,
}

/// Why an assistant cannot take a call.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
pub(crate) struct NotReady {
    /// What it lacks.
    pub(crate) stage: Stage,
    /// Why.
    pub(crate) error: AssembleError,
}

impl NotReady {
    /// A provider is not here.
    pub(crate) fn unserved(unserved: &config::Unserved) -> Self {
        Self { stage: unserved.stage, error: AssembleError::Unserved(unserved.clone()) }
    }
}

impl Workshop {
    /// A workshop that has `providers` already: what serves an assistant that says as much about
    /// its providers as `first` does.
    pub(crate) fn new(
        config: &Config,
        client: reqwest::Client,
        first: &config::Assistant,
        (providers, cache): (Providers, PhraseCache),
    ) -> Self {
        let recognizer = recognizer_key(first);
        Self {
            recognizers: Shelf::with(recognizer, Arc::clone(&providers.recognizer)),
            models: Shelf::with(first.model.clone(), Arc::clone(&providers.model)),
            voices: Shelf::with(voice_key(first), Arc::clone(&providers.synthesizer)),
            endpointing: Shelf::empty(),
            backgrounds: Shelf::empty(),
            config: config.clone(),
            client,
            providers,
            cache,
        }
    }

    /// The assistant, ready. Takes as long as loading takes where it is the first to need a model.
    ///
    /// # Errors
    ///
    /// The stage that cannot be served, and why.
    pub(crate) async fn ready(&self, described: &config::Assistant) -> Result<Assistant, NotReady> {
        if let Some(unserved) = described.unserved.first() {
            return Err(NotReady::unserved(unserved));
        }
        let key = recognizer_key(described);
        let (config, language) = (self.config.clone(), described.language.clone());
        let transcriber = described.transcriber.clone();
        let make = blocking(move || {
            assemble::for_inference(&config, || {
                assemble::recognizer(&config, &transcriber, &language)
            })
        });
        let recognizer = self.recognizers.take(key, Stage::Transcriber, make).await?;

        let model = self.model(described).await?;

        let (config, wanted) = (self.config.clone(), described.voice.clone());
        let cache = self.cache.clone();
        let make = blocking(move || {
            assemble::for_inference(&config, || assemble::synthesizer(&config, &wanted, &cache))
        });
        let synthesizer = self.voices.take(voice_key(described), Stage::Voice, make).await?;

        let endpointing = match &described.endpointing {
            None => None,
            Some(server) => {
                let client = self.client.clone();
                let make = async { Ok(Arc::new(EndpointingModel::new(client, server))) };
                Some(self.endpointing.take(server.clone(), Stage::Model, make).await?)
            }
        };
        let background = &described.background;
        let make = async { Ok(Arc::new(background::load(background).await?)) };
        let background = self.backgrounds.take(background.clone(), Stage::Voice, make).await?;

        let providers =
            Providers { recognizer, model, synthesizer, endpointing, ..self.providers.clone() };
        Ok(assemble::with_providers(described, providers, Option::clone(&background)))
    }
}

impl Workshop {
    /// Voice activity, for all calls.
    pub(crate) fn vad(&self) -> &dyn Vad {
        &*self.providers.vad
    }

    /// The turn model, for all calls.
    pub(crate) fn turn_model(&self) -> Option<&TurnWorker> {
        self.providers.turn_model.as_deref()
    }

    /// Samples of callers that recognisers did not take in time.
    pub(crate) fn lost_samples(&self) -> u64 {
        self.recognizers.made().iter().map(|recognizer| recognizer.lost_samples()).sum()
    }

    /// The phrases of all voices.
    pub(crate) fn cache(&self) -> CacheCounters {
        self.cache.counters()
    }

    /// Decodes that callers' pauses wait for, of all recognisers.
    pub(crate) fn decode_backlog(&self) -> usize {
        self.recognizers.made().iter().map(|recognizer| recognizer.backlog()).sum()
    }

    /// Its model alone, for those who write to it.
    ///
    /// # Errors
    ///
    /// As [`Self::ready`].
    pub(crate) async fn model(
        &self,
        described: &config::Assistant,
    ) -> Result<Arc<dyn LanguageModel>, NotReady> {
        let wanted = described.model.clone();
        let make = blocking(move || assemble::model(&wanted));
        self.models.take(described.model.clone(), Stage::Model, make).await
    }
}

/// Off the runtime's threads.
async fn blocking<T: Send + 'static>(
    make: impl FnOnce() -> Result<T, AssembleError> + Send + 'static,
) -> Result<T, AssembleError> {
    tokio::task::spawn_blocking(make).await.unwrap_or(Err(AssembleError::Interrupted))
}

/// Only sherpa-onnx is told the language when a model is loaded.
fn recognizer_key(described: &config::Assistant) -> (Transcriber, Option<String>) {
    let language = match described.transcriber.provider {
        TranscriberProvider::SherpaOnnx => Some(described.language.clone()),
        TranscriberProvider::Moonshine | TranscriberProvider::Deepgram => None,
    };
    (described.transcriber.clone(), language)
}

/// The name of a voice is told to a provider at each call.
fn voice_key(described: &config::Assistant) -> Voice {
    Voice { voice: None, ..described.voice.clone() }
}

/// Something that is there, or is being made, or will be.
type Made<V> = Arc<OnceCell<Arc<V>>>;

/// What was made for which configuration, the oldest first.
#[derive(Debug)]
struct Shelf<K, V: ?Sized> {
    #[expect(
        clippy::disallowed_types,
        reason = "taken when a call is announced, far from its audio; held for a search only"
    )]
    kept: std::sync::Mutex<Vec<(K, Made<V>)>>,
}

impl<K, V> Shelf<K, V>
where
    K: PartialEq,
    V: ?Sized + Send + Sync + 'static,
{
    fn empty() -> Self {
        Self { kept: Vec::new().into() }
    }

    fn with(key: K, value: Arc<V>) -> Self {
        let cell = Arc::new(OnceCell::new_with(Some(value)));
        Self { kept: vec![(key, cell)].into() }
    }

    /// What stands for `key`; made where nobody else has made it or is making it.
    async fn take(
        &self,
        key: K,
        stage: Stage,
        make: impl Future<Output = Result<Arc<V>, AssembleError>>,
    ) -> Result<Arc<V>, NotReady> {
        let cell = self.cell(key);
        let made = cell.get_or_try_init(|| make).await;
        made.cloned().map_err(|error| NotReady { stage, error })
    }

    /// Everything that is there.
    fn made(&self) -> Vec<Arc<V>> {
        let kept = self.kept.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        kept.iter().filter_map(|(_, made)| made.get().map(Arc::clone)).collect()
    }

    fn cell(&self, key: K) -> Made<V> {
        let mut kept = self.kept.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some((_, cell)) = kept.iter().find(|(known, _)| *known == key) {
            return Arc::clone(cell);
        }
        if kept.len() == KEPT {
            // Calls that use it keep it until they end.
            kept.remove(0);
        }
        let cell = Arc::new(OnceCell::new());
        kept.push((key, Arc::clone(&cell)));
        cell
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_model_is_made_once_for_each_configuration() {
        let shelf = Shelf::with("a", Arc::new("first".to_owned()));
        let refuse = async || -> Result<Arc<String>, AssembleError> { panic!("it is there") };
        let taken = shelf.take("a", Stage::Model, refuse()).await.expect("there");
        assert_eq!(*taken, "first");

        let lost = async { Err(AssembleError::VoiceModel) };
        assert!(shelf.take("b", Stage::Voice, lost).await.is_err());
        let made = async { Ok(Arc::new("second".to_owned())) };
        let taken = shelf.take("b", Stage::Voice, made).await.expect("what failed is tried again");
        let again = shelf.take("b", Stage::Voice, refuse()).await.expect("there");
        assert!(Arc::ptr_eq(&taken, &again));
    }

    #[tokio::test]
    async fn the_oldest_makes_room() {
        let shelf = Shelf::with(0, Arc::new(0));
        for key in 1..=KEPT {
            shelf.take(key, Stage::Model, async { Ok(Arc::new(key)) }).await.expect("made");
        }
        let again = shelf.take(0, Stage::Model, async { Ok(Arc::new(7)) }).await.expect("made");
        assert_eq!(*again, 7);
    }
}
