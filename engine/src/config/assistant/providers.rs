//! Who hears, speaks and thinks: `transcriber`, `voice` and `model`.

use serde_json::Value;
use turntaking::input::Stage;

use crate::config::validation::Validation;
use crate::config::{
    Config, Model, ModelProvider, Secret, ServerUrl, Transcriber, TranscriberProvider, Voice,
    VoiceProvider,
};

/// Vapi's providers that are not here. An assistant may name them: it is kept, and its calls are
/// refused unless the configuration maps a stand-in.
const TRANSCRIBERS: &[&str] = &[
    "11labs",
    "assembly-ai",
    "azure",
    "cartesia",
    "custom-transcriber",
    "gladia",
    "google",
    "openai",
    "soniox",
    "speechmatics",
    "talkscriber",
    "vapi",
    "xai",
];

const VOICES: &[&str] = &[
    "11labs",
    "azure",
    "custom-voice",
    "deepgram",
    "hume",
    "inworld",
    "lmnt",
    "microsoft",
    "minimax",
    "neuphonic",
    "openai",
    "playht",
    "rime-ai",
    "sesame",
    "smallest-ai",
    "tavus",
    "vapi",
    "wellsaid",
    "xai",
];

const MODELS: &[&str] = &[
    "anthropic",
    "anthropic-bedrock",
    "anyscale",
    "cerebras",
    "deep-seek",
    "deepinfra",
    "google",
    "groq",
    "inflection-ai",
    "minimax",
    "openrouter",
    "perplexity-ai",
    "together-ai",
    "vapi",
    "xai",
];

/// A provider that an assistant asks for and that is not here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unserved {
    /// What it would do.
    pub stage: Stage,
    /// Vapi's word for it.
    pub provider: String,
}

impl Unserved {
    /// The field that asks for it.
    pub const fn field(&self) -> &'static str {
        match self.stage {
            Stage::Transcriber => "transcriber",
            Stage::Model => "model",
            Stage::Voice => "voice",
        }
    }
}

/// `provider` is one of Vapi's that are not here: the configured one takes its place where it may,
/// and the call is refused where not.
fn elsewhere(
    provider: Option<&str>,
    stage: (Stage, &str, bool),
    check: &mut Validation,
) -> Option<Unserved> {
    let (stage, field, stand_in) = stage;
    let provider = provider?;
    check.without_effect(format!("{field}.provider {provider}"));
    (!stand_in).then(|| Unserved { stage, provider: provider.to_owned() })
}

fn known(ours: &'static [&'static str], theirs: &[&'static str]) -> Vec<&'static str> {
    ours.iter().chain(theirs).copied().collect()
}

pub(super) fn transcriber_of(
    wire: &wire::Transcriber,
    config: &Config,
    check: &mut Validation,
) -> (Transcriber, Option<Unserved>) {
    let mut transcriber = config.transcriber.clone();
    let provider = wire.provider.as_deref();
    let names = known(TranscriberProvider::NAMES, TRANSCRIBERS);
    check.one_of("transcriber.provider", provider, &names);
    // A service of ours is here for those who have its key.
    let deepgram = TranscriberProvider::Deepgram;
    let keyless = transcriber.provider != deepgram && transcriber.api_key.is_none();
    let is_elsewhere =
        |provider: &str| TRANSCRIBERS.contains(&provider) || keyless && provider == deepgram.name();
    if provider.is_some_and(is_elsewhere) {
        let stage = (Stage::Transcriber, "transcriber", transcriber.stand_in);
        return (transcriber, elsewhere(provider, stage, check));
    }
    if let Some(provider) = provider.and_then(TranscriberProvider::from_name) {
        // A model that is configured for another provider means nothing to this one.
        if provider != transcriber.provider {
            provider.default_model().clone_into(&mut transcriber.model);
        }
        transcriber.provider = provider;
    }
    if let Some(model) = &wire.model {
        check.folder("transcriber.model", model);
        transcriber.model.clone_from(model);
    }
    (transcriber, None)
}

pub(super) fn voice_of(
    wire: &wire::Voice,
    config: &Config,
    check: &mut Validation,
) -> (Voice, Option<Unserved>) {
    let mut voice = config.voice.clone();
    voice.caching = wire.caching_enabled.unwrap_or(true);
    let provider = wire.provider.as_deref();
    check.one_of("voice.provider", provider, &known(VoiceProvider::NAMES, VOICES));
    let cartesia = VoiceProvider::Cartesia;
    let keyless = voice.provider != cartesia && voice.api_key.is_none();
    let is_elsewhere =
        |provider: &str| VOICES.contains(&provider) || keyless && provider == cartesia.name();
    if provider.is_some_and(is_elsewhere) {
        // Its voices mean nothing to the stand-in.
        let stage = (Stage::Voice, "voice", voice.stand_in);
        return (voice, elsewhere(provider, stage, check));
    }
    if let Some(provider) = provider.and_then(VoiceProvider::from_name) {
        // What is configured for another provider means nothing to this one.
        if provider != voice.provider {
            voice.voice = None;
            voice.model = None;
        }
        voice.provider = provider;
    }
    if wire.voice_id.is_some() {
        voice.voice.clone_from(&wire.voice_id);
    }
    if let Some(model) = &wire.model {
        check.folder("voice.model", model);
        voice.model = Some(model.clone());
    }
    (voice, None)
}

/// Vapi's word for an OpenAI-compatible server of the customer's own.
pub(super) const CUSTOM_LLM: &str = "custom-llm";

pub(super) fn model_of(
    wire: wire::Model,
    config: &Config,
    check: &mut Validation,
) -> (Model, Option<Unserved>) {
    let mut model = config.model.clone();
    let provider = wire.provider.as_deref();
    let mut names = known(ModelProvider::NAMES, MODELS);
    names.push(CUSTOM_LLM);
    check.one_of("model.provider", provider, &names);
    if provider == Some(CUSTOM_LLM) {
        if let Some(name) = wire.model {
            model.name = name;
        }
        model.provider = ModelProvider::OpenAi;
        // The configured key belongs to the configured server.
        model.api_key = None;
        match wire.url.as_deref().map(ServerUrl::parse) {
            Some(Ok(url)) => model.base_url = url,
            Some(Err(_)) => check.problem("model.url must be a URL address"),
            None => check.problem("model.url should not be empty"),
        }
        for (name, value) in wire.headers.into_iter().flatten() {
            match value {
                Value::String(value) => model.headers.push((name, Secret::new(value))),
                _ => check.problem(format!("model.headers.{name} must be a string")),
            }
        }
        return (model, None);
    }
    for (name, sent) in [("url", wire.url.is_some()), ("headers", wire.headers.is_some())] {
        if sent {
            check.problem(format!("model.property {name} should not exist"));
        }
    }
    let unserved = if provider.is_some_and(|provider| MODELS.contains(&provider)) {
        let stage = (Stage::Model, "model", model.stand_in);
        elsewhere(provider, stage, check)
    } else if model.stand_in && provider.is_some_and(|provider| provider != model.provider.name()) {
        // The stand-in has a name of its own.
        check.without_effect(format!("model.provider {}", provider.unwrap_or_default()));
        None
    } else {
        if let Some(name) = wire.model {
            model.name = name;
        }
        model.provider = provider.and_then(ModelProvider::from_name).unwrap_or(model.provider);
        None
    };
    (model, unserved)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::config::Secret;
    use crate::config::assistant::Assistant;
    use crate::config::assistant::tests::config;

    #[test]
    fn a_service_is_here_for_those_who_have_its_key() {
        use crate::config::{TranscriberProvider, VoiceProvider};

        let json = json!({
            "transcriber": {"provider": "deepgram", "model": "nova-3-medical"},
            "voice": {"provider": "cartesia", "voiceId": "a", "model": "sonic-3"},
        });
        let without = Assistant::from_json(&json.to_string(), &config(&[])).expect("it is kept");
        let unserved: Vec<_> = without.unserved.iter().map(|it| it.provider.as_str()).collect();
        assert_eq!(unserved, ["deepgram", "cartesia"]);

        let keys =
            [("CAUSERIE_TRANSCRIBER_API_KEY", "hunter2"), ("CAUSERIE_VOICE_API_KEY", "hunter2")];
        let with = Assistant::from_json(&json.to_string(), &config(&keys)).expect("it is sound");
        assert_eq!(with.unserved, []);
        assert_eq!(with.transcriber.provider, TranscriberProvider::Deepgram);
        assert_eq!(with.transcriber.model, "nova-3-medical");
        assert_eq!(with.voice.provider, VoiceProvider::Cartesia);
        assert_eq!(with.voice.model.as_deref(), Some("sonic-3"));
        assert!(!format!("{with:?}").contains("hunter2"));
    }

    #[test]
    fn an_assistant_may_refuse_the_cache() {
        for (sent, caching) in [(json!({}), true), (json!({"cachingEnabled": false}), false)] {
            let json = json!({"voice": sent}).to_string();
            let assistant = Assistant::from_json(&json, &config(&[])).expect("it is sound");
            assert_eq!(assistant.voice.caching, caching);
            assert!(assistant.without_effect.is_empty(), "{:?}", assistant.without_effect);
        }
    }

    #[test]
    fn a_customers_own_server_gets_neither_our_key_nor_requests_in_advance() {
        let config = config(&[("CAUSERIE_MODEL_API_KEY", "hunter2")]);
        let json = json!({"model": {"provider": "custom-llm", "model": "m",
            "url": "https://llm.example.com/v1?s=secret", "headers": {"X-Key": "hunter3"}}});
        let assistant = Assistant::from_json(&json.to_string(), &config).expect("it is sound");
        assert_eq!(assistant.model.api_key, None);
        assert_eq!(assistant.model.base_url.expose(), "https://llm.example.com/v1?s=secret");
        assert_eq!(assistant.model.headers, [("X-Key".to_owned(), Secret::new("hunter3"))]);
        assert!(!assistant.settings.speculation);
        assert!(!format!("{assistant:?}").contains("hunter"));
        assert!(!format!("{assistant:?}").contains("secret="));
    }
}
