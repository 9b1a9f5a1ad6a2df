//! Who hears, speaks and thinks: `transcriber`, `voice` and `model`.

use serde_json::Value;

use crate::config::validation::Validation;
use crate::config::{
    Config, Model, ModelProvider, Secret, ServerUrl, Transcriber, TranscriberProvider, Voice,
    VoiceProvider,
};

pub(super) fn transcriber_of(
    wire: &wire::Transcriber,
    config: &Config,
    check: &mut Validation,
) -> Transcriber {
    let mut transcriber = config.transcriber.clone();
    let provider = wire.provider.as_deref();
    check.one_of("transcriber.provider", provider, TranscriberProvider::NAMES);
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
    transcriber
}

pub(super) fn voice_of(wire: &wire::Voice, config: &Config, check: &mut Validation) -> Voice {
    let mut voice = config.voice.clone();
    let provider = wire.provider.as_deref();
    check.one_of("voice.provider", provider, VoiceProvider::NAMES);
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
    voice
}

/// Vapi's word for an OpenAI-compatible server of the customer's own.
pub(super) const CUSTOM_LLM: &str = "custom-llm";

pub(super) fn model_of(wire: wire::Model, config: &Config, check: &mut Validation) -> Model {
    let mut model = config.model.clone();
    if let Some(name) = wire.model {
        model.name = name;
    }
    match wire.provider.as_deref() {
        None => {}
        Some(CUSTOM_LLM) => {
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
            return model;
        }
        Some(provider) => {
            let mut names = ModelProvider::NAMES.to_vec();
            names.push(CUSTOM_LLM);
            check.one_of("model.provider", Some(provider), &names);
            model.provider = ModelProvider::from_name(provider).unwrap_or(model.provider);
        }
    }
    for (name, sent) in [("url", wire.url.is_some()), ("headers", wire.headers.is_some())] {
        if sent {
            check.problem(format!("model.property {name} should not exist"));
        }
    }
    model
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::config::Secret;
    use crate::config::assistant::Assistant;
    use crate::config::assistant::tests::config;

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
