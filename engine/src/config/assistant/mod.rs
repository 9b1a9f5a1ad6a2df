//! From Vapi's assistant to what a call is run by: what the assistant says goes before the
//! configuration, the configuration before the defaults.

mod analysis;
mod idle;
mod keypad;
mod prompt;
mod providers;
mod server;
mod start_speaking;
mod stop_speaking;
mod tools;
mod transfer;
mod voicemail;

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::path::Path;
use std::time::Duration;

use serde_json::{Map, Value};
use turntaking::language::Language;
use turntaking::settings::{FirstMessageMode, Settings};

use super::validation::Validation;
use super::{Background, Config, Defaults, Model, Transcriber, Voice};
use crate::analysis::AnalysisPlan;
use crate::llm::ChatMessage;
use crate::tools::{MessageKind, Tool, Work};

use analysis::analysis;
use keypad::keypad;
use prompt::messages;
pub use providers::Unserved;
use providers::{CUSTOM_LLM, model_of, transcriber_of, voice_of};
pub use server::Server;
pub(super) use server::sound_server;
use server::{client_messages_of, messages_of, server_of};
use start_speaking::{endpointing_server, start_speaking};
use stop_speaking::stop_speaking;
pub(super) use tools::tool;
use tools::tools;
pub(super) use transfer::destination as transfer_destination;
use voicemail::voicemail;

/// Vapi's `chunkPlan.minCharacters` where nobody sends one.
const MIN_CHARACTERS: u32 = 30;
/// A tool that answers sooner needs no words: as long as a reply takes anyway.
const FILLER_AFTER: Duration = Duration::from_millis(500);
/// Vapi's `model.maxTokens` where nobody sends one.
const MAX_TOKENS: u32 = 250;

/// Who answers a call, understood and completed.
#[derive(Clone, Debug)]
pub struct Assistant {
    /// Its name; may be empty.
    pub name: String,
    /// How turns are taken.
    pub settings: Settings,
    /// BCP 47 tag of the language both speak.
    pub language: String,
    /// Speech recognition.
    pub transcriber: Transcriber,
    /// Speech synthesis.
    pub voice: Voice,
    /// The language model.
    pub model: Model,
    /// What the conversation begins with: the system prompt, as a rule.
    pub messages: Vec<ChatMessage>,
    /// What the model may call.
    pub tools: Vec<Tool>,
    /// How long a wait for a tool is before a filler that nobody configured is said.
    pub filler_after: Duration,
    /// Sampling temperature, 0 to 2; `None`: the model's own.
    pub temperature: Option<f32>,
    /// Longest reply, in tokens.
    pub max_tokens: u32,
    /// Speaking rate; 1 is the voice's own.
    pub speed: f32,
    /// A shorter phrase waits for more text, in characters.
    pub min_phrase_characters: u32,
    /// The first phrase of a reply goes out however short it is.
    pub first_phrase_exempt: bool,
    /// Noise is taken out of what is recognised.
    pub denoising: bool,
    /// What is heard behind the voice.
    pub background: Background,
    /// Record the call.
    pub record: bool,
    /// Where messages about its calls go.
    pub server: Option<wire::Server>,
    /// Which messages; `None`: Vapi's own choice.
    pub server_messages: Option<Vec<String>>,
    /// What is made of its calls once they are over.
    pub analysis: AnalysisPlan,
    /// Who is asked when a turn ends; `None`: nobody.
    pub endpointing: Option<Server>,
    /// The customer's own.
    pub metadata: Map<String, Value>,
    /// Providers it asks for that are not here, and that nothing may stand in for: its calls are
    /// refused.
    pub unserved: Vec<Unserved>,
    /// All of it, as it was sent.
    pub document: Document,
    /// Fields of Vapi's that were sent and have no effect here, by path.
    pub without_effect: BTreeSet<String>,
}

/// An assistant as it was sent. Its `Debug` does not show it: it may hold secrets.
#[derive(Clone, Default, PartialEq)]
pub struct Document(pub Map<String, Value>);

impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[document]")
    }
}

/// An assistant that cannot be used: everything that is wrong with it, in Vapi's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AssistantError {
    /// Where the assistant came from, where it is a file.
    file: Option<String>,
    problems: Vec<String>,
}

impl AssistantError {
    /// What is wrong, each with its path: `stopSpeakingPlan.voiceSeconds must not be greater than
    /// 0.5`.
    pub fn problems(&self) -> &[String] {
        &self.problems
    }
}

impl Assistant {
    /// The assistant that `config` names, or the built-in one.
    ///
    /// # Errors
    ///
    /// Where the file cannot be read, and as [`Assistant::from_json`].
    pub fn configured(config: &Config) -> Result<Self, AssistantError> {
        match &config.assistant {
            Some(path) => Self::from_file(path, config),
            None => Self::from_json(include_str!("built_in.json"), config),
        }
    }

    /// Reads the file at `path`.
    ///
    /// # Errors
    ///
    /// Where it cannot be read, and as [`Assistant::from_json`].
    pub fn from_file(path: &Path, config: &Config) -> Result<Self, AssistantError> {
        let file = Some(path.display().to_string());
        let text = fs::read_to_string(path).map_err(|error| AssistantError {
            file: file.clone(),
            problems: vec![format!("it cannot be read: {error}")],
        })?;
        Self::from_json(&text, config).map_err(|error| AssistantError { file, ..error })
    }

    /// Understands `json`: an assistant as Vapi's `POST /assistant` takes it.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with it: unknown fields, values out of range, providers that are
    /// not here. A value of the wrong type ends the reading, so it comes alone.
    pub fn from_json(json: &str, config: &Config) -> Result<Self, AssistantError> {
        let mut validation = Validation::default();
        let wire = validation.read::<wire::Assistant>(json);
        let assistant = wire.map(|wire| Self::complete(wire, config, &mut validation));
        let (problems, without_effect) = validation.finish();
        match assistant {
            Some(assistant) if problems.is_empty() => {
                // It was read as an object before.
                let document = Document(serde_json::from_str(json).unwrap_or_default());
                Ok(Self { without_effect, document, ..assistant })
            }
            _ => Err(AssistantError { file: None, problems }),
        }
    }

    fn complete(wire: wire::Assistant, config: &Config, check: &mut Validation) -> Self {
        check.length("name", wire.name.as_deref(), 0..=40);
        let language = language(&wire);
        let mut settings = settings(&wire, &language, config, check);
        let tools = tools(&wire, &language, check);
        if settings.end_call_message.is_empty() {
            settings.end_call_message = farewell(&tools);
        }
        let server = server_of(&wire, check);
        let server_messages = messages_of(&wire, check);
        client_messages_of(&wire, check);
        let endpointing = endpointing_server(&wire, check);
        let denoising = denoising(&wire);
        let background = background(wire.background_sound.as_deref(), config, check);

        let transcriber = wire.transcriber.unwrap_or_default();
        let voice = wire.voice.unwrap_or_default();
        let chunks = voice.chunk_plan.clone().unwrap_or_default();
        let min_characters =
            check.whole("voice.chunkPlan.minCharacters", chunks.min_characters, 1..=80);
        let speed = check.range("voice.speed", voice.speed, 0.25..=4.0);

        let model = wire.model.unwrap_or_default();
        let temperature = check.range("model.temperature", model.temperature, 0.0..=2.0);
        let max_tokens = check.whole("model.maxTokens", model.max_tokens, 50..=10_000);
        let messages = messages(model.messages.as_deref().unwrap_or_default(), check);

        let (transcriber, no_transcriber) = transcriber_of(&transcriber, config, check);
        let (voice, no_voice) = voice_of(&voice, config, check);
        let (model, no_model) = model_of(model, config, check);
        let analysis = analysis(wire.analysis_plan.as_ref(), model.provider, check);
        let record = wire.artifact_plan.and_then(|plan| plan.recording_enabled);
        Self {
            name: wire.name.unwrap_or_default(),
            settings,
            language,
            transcriber,
            voice,
            model,
            messages,
            tools,
            filler_after: match config.defaults {
                Defaults::Causerie => FILLER_AFTER,
                Defaults::Vapi => Duration::ZERO,
            },
            temperature: temperature.map(|temperature| temperature as f32),
            max_tokens: max_tokens.unwrap_or(MAX_TOKENS),
            speed: speed.map_or(1.0, |speed| speed as f32),
            min_phrase_characters: match chunks.enabled {
                // Not cut at all: a phrase is the whole reply.
                Some(false) => u32::MAX,
                _ => min_characters.unwrap_or(MIN_CHARACTERS),
            },
            first_phrase_exempt: chunks.enabled != Some(false)
                && config.defaults == Defaults::Causerie,
            denoising,
            background,
            record: record.unwrap_or(config.recording.enabled),
            server,
            server_messages,
            analysis,
            endpointing,
            metadata: wire.metadata.unwrap_or_default(),
            unserved: [no_transcriber, no_model, no_voice].into_iter().flatten().collect(),
            document: Document::default(),
            without_effect: BTreeSet::new(),
        }
    }
}

/// What the tool that ends the call has the assistant say.
fn farewell(tools: &[Tool]) -> String {
    let ends = tools.iter().filter(|tool| tool.work == Work::EndCall);
    let mut said = ends.flat_map(|tool| tool.messages.0.iter().flatten());
    let start = said.find(|message| matches!(message.kind, MessageKind::Start { .. }));
    start.map(|message| message.text.clone()).unwrap_or_default()
}

/// The BCP 47 tag of the language both speak.
fn language(wire: &wire::Assistant) -> String {
    let heard = wire.transcriber.as_ref().and_then(|transcriber| transcriber.language.clone());
    let spoken = wire.voice.as_ref().and_then(|voice| voice.language.clone());
    heard.or(spoken).unwrap_or_else(|| "en".to_owned())
}

/// Noise is taken out of what is recognised. A plan that says nothing else switches it on.
fn denoising(wire: &wire::Assistant) -> bool {
    let plan = wire.background_speech_denoising_plan.as_ref();
    let smart = plan.and_then(|plan| plan.smart_denoising_plan.as_ref());
    let enabled = smart.map(|smart| smart.enabled.unwrap_or(true));
    enabled.or(wire.background_denoising_enabled).unwrap_or(false)
}

/// What is heard behind the voice. Nobody who writes an assistant names files of this machine.
fn background(sent: Option<&str>, config: &Config, check: &mut Validation) -> Background {
    let Some(sent) = sent else { return config.background.clone() };
    Background::from_vapi(sent).unwrap_or_else(|| {
        check.problem("backgroundSound must be off, office or a URL address");
        Background::Off
    })
}

/// How turns are taken.
fn settings(
    wire: &wire::Assistant,
    language: &str,
    config: &Config,
    check: &mut Validation,
) -> Settings {
    let mut settings = match config.defaults {
        Defaults::Causerie => {
            let mut ours = Settings::default();
            ours.speak(Language::spoken_to(language));
            ours
        }
        Defaults::Vapi => Settings { languages: Language::spoken_to(language), ..Settings::vapi() },
    };
    if let Some(message) = &wire.first_message {
        settings.first_message.clone_from(message);
    }
    match wire.first_message_mode {
        None => {}
        Some(wire::FirstMessageMode::AssistantSpeaksFirst) => {
            settings.first_message_mode = FirstMessageMode::AssistantSpeaksFirst;
        }
        Some(wire::FirstMessageMode::AssistantSpeaksFirstWithModelGeneratedMessage) => {
            settings.first_message_mode =
                FirstMessageMode::AssistantSpeaksFirstWithModelGeneratedMessage;
        }
        Some(_) => settings.first_message_mode = FirstMessageMode::AssistantWaitsForUser,
    }
    set(&mut settings.first_message_interruptions, wire.first_message_interruptions_enabled);
    let timeout = wire.silence_timeout_seconds;
    let timeout = check.duration("silenceTimeoutSeconds", timeout, 10.0..=3600.0);
    set(&mut settings.silence_timeout, timeout);
    let longest = wire.max_duration_seconds;
    let longest = check.duration("maxDurationSeconds", longest, 10.0..=43_200.0);
    set(&mut settings.max_duration, longest);
    check.length("endCallMessage", wire.end_call_message.as_deref(), 0..=1000);
    set(&mut settings.end_call_message, wire.end_call_message.clone());
    if let Some(phrases) = &wire.end_call_phrases {
        check.lengths("endCallPhrases", phrases, 2..=140);
        settings.end_call_phrases.clone_from(phrases);
    }
    if let Some(plan) = &wire.start_speaking_plan {
        start_speaking(plan, &mut settings, check);
    }
    if let Some(plan) = &wire.stop_speaking_plan {
        stop_speaking(plan, &mut settings, check);
    }
    if let Some(plan) = &wire.message_plan {
        idle::message_plan(plan, &mut settings, check);
    }
    idle::hooks(wire.hooks.as_deref().unwrap_or_default(), &mut settings, check);
    let message = wire.voicemail_message.as_deref();
    settings.voicemail = voicemail(wire.voicemail_detection.as_ref(), message, check);
    if let Some(plan) = &wire.keypad_input_plan {
        settings.keypad = keypad(plan, check);
    }
    // A server of the customer's own may act on each request, so none is made in advance.
    let provider = wire.model.as_ref().and_then(|model| model.provider.as_deref());
    if provider == Some(CUSTOM_LLM) {
        settings.speculation = false;
    }
    settings
}

fn set<T>(setting: &mut T, sent: Option<T>) {
    if let Some(sent) = sent {
        *setting = sent;
    }
}

/// One line for each problem.
impl fmt::Display for AssistantError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = self.file.as_deref().unwrap_or("assistant");
        for (index, problem) in self.problems.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{file}: {problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for AssistantError {}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;
    use turntaking::settings::SmartEndpointing;

    use super::*;
    use crate::config::{Sources, TranscriberProvider, VoiceProvider};

    pub(super) fn config(pairs: &[(&str, &str)]) -> Config {
        let environment =
            pairs.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
        Config::load(&Sources { environment, ..Sources::default() }).expect("a configuration")
    }

    pub(super) fn read(json: &Value) -> Result<Assistant, AssistantError> {
        Assistant::from_json(&json.to_string(), &config(&[]))
    }

    pub(super) fn problems(json: &Value) -> Vec<String> {
        read(json).expect_err("it has problems").problems().to_vec()
    }

    #[test]
    fn the_built_in_assistant_is_sound_and_all_of_it_has_effect() {
        let assistant = Assistant::configured(&config(&[])).expect("it is sound");
        assert!(!assistant.settings.first_message.is_empty());
        assert_eq!(assistant.without_effect, BTreeSet::new());
    }

    #[test]
    fn nothing_sent_gives_the_defaults_of_the_configuration() {
        let assistant = read(&json!({})).expect("it is sound");
        assert_eq!(assistant.settings, Settings::default());
        assert_eq!(assistant.language, "en");
        assert!(assistant.first_phrase_exempt && assistant.record);

        let vapi =
            config(&[("CAUSERIE_DEFAULTS", "vapi"), ("CAUSERIE_RECORDING_ENABLED", "false")]);
        let assistant = Assistant::from_json("{}", &vapi).expect("it is sound");
        assert_eq!(assistant.settings, Settings::vapi());
        assert!(!assistant.first_phrase_exempt && !assistant.record);
        assert_eq!(assistant.min_phrase_characters, 30);
    }

    #[test]
    fn what_is_sent_is_obeyed() {
        let assistant = read(&json!({
            "firstMessage": "Bonjour !",
            "firstMessageMode": "assistant-waits-for-user",
            "firstMessageInterruptionsEnabled": true,
            "transcriber": {"provider": "sherpa-onnx", "language": "fr-FR"},
            "voice": {"provider": "espeak-ng", "voiceId": "fr", "speed": 1.2,
                      "chunkPlan": {"minCharacters": 12}},
            "model": {"provider": "openai", "model": "gpt-4o", "temperature": 0.5,
                      "messages": [{"role": "system", "content": "Soyez brève."}],
                      "tools": [{"type": "endCall"}]},
            "startSpeakingPlan": {"waitSeconds": 0.4},
            "stopSpeakingPlan": {"numWords": 2, "voiceSeconds": 0.3, "backoffSeconds": 1.5,
                                 "interruptionPhrases": ["stop"]},
            "silenceTimeoutSeconds": 20,
            "maxDurationSeconds": 300,
            "endCallPhrases": ["au revoir"],
            "keypadInputPlan": {"enabled": true, "timeoutSeconds": 3, "delimiters": ["#", "*"]},
            "artifactPlan": {"recordingEnabled": false},
        }))
        .expect("it is sound");
        let settings = &assistant.settings;
        assert_eq!(settings.first_message, "Bonjour !");
        assert_eq!(settings.first_message_mode, FirstMessageMode::AssistantWaitsForUser);
        assert!(settings.first_message_interruptions);
        assert_eq!(settings.start_speaking.wait, Duration::from_millis(400));
        assert_eq!(settings.start_speaking.smart_endpointing, SmartEndpointing::Own);
        assert_eq!(settings.stop_speaking.num_words, 2);
        assert_eq!(settings.stop_speaking.voice, Duration::from_millis(300));
        assert_eq!(settings.stop_speaking.backoff, Duration::from_millis(1500));
        assert_eq!(settings.stop_speaking.interruption_phrases, ["stop"]);
        assert_eq!(settings.silence_timeout, Duration::from_secs(20));
        assert_eq!(settings.max_duration, Duration::from_secs(300));
        let keypad = settings.keypad.as_ref().expect("it is enabled");
        assert_eq!((keypad.timeout, keypad.delimiters.as_str()), (Duration::from_secs(3), "#*"));
        assert_eq!(assistant.language, "fr-FR");
        assert_eq!(assistant.transcriber.provider, TranscriberProvider::SherpaOnnx);
        assert_eq!(assistant.voice.provider, VoiceProvider::EspeakNg);
        assert_eq!(assistant.voice.voice.as_deref(), Some("fr"));
        assert_eq!((assistant.speed, assistant.min_phrase_characters), (1.2, 12));
        assert_eq!(assistant.model.name, "gpt-4o");
        assert_eq!(assistant.tools[0].definition.name, "endCall");
        assert!(!assistant.record);
    }

    #[test]
    fn denoising_is_on_where_a_plan_asks_for_it() {
        for (json, on) in [
            (json!({}), false),
            (json!({"backgroundDenoisingEnabled": true}), true),
            (json!({"backgroundSpeechDenoisingPlan": {"smartDenoisingPlan": {}}}), true),
            (
                json!({"backgroundSpeechDenoisingPlan": {"smartDenoisingPlan": {"enabled": false}},
                    "backgroundDenoisingEnabled": true}),
                false,
            ),
        ] {
            assert_eq!(read(&json).expect("it is sound").denoising, on, "{json}");
        }
        let fourier = json!({"backgroundSpeechDenoisingPlan":
            {"fourierDenoisingPlan": {"enabled": true}}});
        let assistant = read(&fourier).expect("it is sound");
        let without = ["backgroundSpeechDenoisingPlan.fourierDenoisingPlan"];
        assert!(!assistant.denoising && assistant.without_effect.iter().eq(without));
    }

    #[test]
    fn a_background_is_off_or_what_is_sent_or_configured() {
        let configured = |environment: &[(&str, &str)], json: &Value| {
            let read = Assistant::from_json(&json.to_string(), &config(environment));
            read.expect("it is sound").background
        };
        let (sent, vapi) = (json!({"backgroundSound": "office"}), ("CAUSERIE_DEFAULTS", "vapi"));
        assert_eq!(configured(&[], &json!({})), Background::Off);
        assert_eq!(configured(&[vapi], &json!({})), Background::Office);
        assert_eq!(configured(&[vapi], &json!({"backgroundSound": "off"})), Background::Off);
        assert_eq!(configured(&[], &sent), Background::Office);
        let file = ("CAUSERIE_BACKGROUND_SOUND", "cafe.wav");
        assert_eq!(configured(&[file, vapi], &json!({})), Background::File("cafe.wav".into()));
        assert_eq!(configured(&[file], &sent), Background::Office);
        assert_eq!(
            problems(&json!({"backgroundSound": "/etc/passwd"})),
            ["backgroundSound must be off, office or a URL address"]
        );
    }

    #[test]
    fn phrases_are_those_of_the_language_unless_they_are_sent() {
        let phrases = |json: &Value| read(json).expect("it is sound").settings.stop_speaking;
        let german = phrases(&json!({"transcriber": {"language": "de-DE"}}));
        assert!(german.interruption_phrases.iter().any(|phrase| phrase == "moment mal"));
        assert!(german.interruption_phrases.iter().any(|phrase| phrase == "wait"));
        assert!(!german.interruption_phrases.iter().any(|phrase| phrase == "attendez"));
        let sent = phrases(&json!({"voice": {"language": "de-DE"},
            "stopSpeakingPlan": {"acknowledgementPhrases": ["jawoll"]}}));
        assert_eq!(sent.acknowledgement_phrases, ["jawoll"]);
        assert_eq!(sent.interruption_phrases, german.interruption_phrases);
    }

    #[test]
    fn everything_wrong_is_told_at_once_in_vapis_words() {
        let mut told = problems(&json!({
            "name": "x".repeat(41),
            "stopSpeakingPlan": {"voiceSeconds": 0.6, "numWords": 1.5},
            "silenceTimeoutSeconds": 5,
            "endCallPhrases": ["a", "au revoir"],
            "voice": {"provider": "flite", "enableSpeech": true},
            "transcriber": {"provider": "sherpa-onnx", "model": "../../etc"},
            "model": {"provider": "custom-llm",
                      "messages": [{"role": "function", "content": ""}],
                      "tools": [{"type": "function"}, {"type": "function",
                                 "function": {"name": "what is it"}}]},
            "tools": [],
        }));
        told.sort();
        assert_eq!(
            told,
            [
                "each value in endCallPhrases must be longer than or equal to 2 characters",
                "model.messages.0.role must be one of the following values: assistant, system, user",
                "model.tools.0.function.name should not be empty",
                "model.tools.1.function.name must match /^[a-zA-Z0-9_-]{1,64}$/ regular expression",
                "model.url should not be empty",
                "name must be shorter than or equal to 40 characters",
                "property tools should not exist",
                "silenceTimeoutSeconds must not be less than 10",
                "stopSpeakingPlan.numWords must be an integer number",
                "stopSpeakingPlan.voiceSeconds must not be greater than 0.5",
                "transcriber.model must be the name of a folder in models_dir",
                "voice.property enableSpeech should not exist",
            ]
        );
    }

    #[test]
    fn a_wrong_type_is_told_with_its_path() {
        let told = problems(&json!({"stopSpeakingPlan": {"numWords": "two"}}));
        assert_eq!(told.len(), 1);
        assert!(told[0].starts_with("stopSpeakingPlan.numWords: invalid type: string"), "{told:?}");
    }

    #[test]
    fn text_that_is_no_json_is_told_with_its_line() {
        let error = Assistant::from_json("{\n  \"name\": }", &config(&[])).expect_err("no JSON");
        assert!(error.to_string().contains("line 2"), "{error}");
    }

    #[test]
    fn fields_of_vapis_that_have_no_effect_yet_are_taken_and_named() {
        let assistant = read(&json!({
            "analysisPlan": {"summaryPlan": {"enabled": true}, "outcomePlan": {}},
            "model": {"provider": "openai", "model": "gpt-4o", "toolIds": ["a"],
                      "tools": [{"type": "transferCall", "destinations": []},
                                {"type": "function", "async": true,
                                 "function": {"name": "f", "strict": false}}]},
        }))
        .expect("it is sound");
        let expected = [
            "analysisPlan.outcomePlan",
            "model.tools.function.strict",
            "model.tools.type transferCall without destinations",
        ];
        assert!(assistant.without_effect.iter().eq(expected), "{:?}", assistant.without_effect);
    }

    #[test]
    fn vapis_own_providers_are_taken_and_refused_at_the_call_or_stood_in_for() {
        let json = json!({
            "transcriber": {"provider": "deepgram", "model": "nova-3", "language": "fr",
                            "keyterm": ["Camille"]},
            "model": {"provider": "anthropic", "model": "claude-3-7-sonnet-20250219"},
            "voice": {"provider": "azure", "voiceId": "fr-FR-DeniseNeural"},
        });
        let assistant = read(&json).expect("it is sound");
        let unserved: Vec<_> =
            assistant.unserved.iter().map(|unserved| unserved.provider.as_str()).collect();
        assert_eq!(unserved, ["deepgram", "anthropic", "azure"]);
        assert_eq!(assistant.language, "fr");

        let config = config(&[
            ("CAUSERIE_TRANSCRIBER_STAND_IN", "true"),
            ("CAUSERIE_MODEL_STAND_IN", "true"),
            ("CAUSERIE_VOICE_STAND_IN", "true"),
        ]);
        let assistant = Assistant::from_json(&json.to_string(), &config).expect("it is sound");
        assert_eq!(assistant.unserved, []);
        assert_eq!(assistant.transcriber, config.transcriber);
        assert_eq!(assistant.model, config.model);
        assert_eq!(assistant.voice, config.voice);
        assert!(assistant.without_effect.contains("voice.provider azure"));
    }
}
