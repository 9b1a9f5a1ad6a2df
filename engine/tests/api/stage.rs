//! An engine with an API, a carrier and a product.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use asr::scripted::{Scripted as ScriptedRecognizer, Utterance};
use engine::analysis::AnalysisPlan;
use engine::app::Engine;
use engine::assemble::Assistant;
use engine::carrier::{
    Action, CallRecord, CallerScript, CarrierConfig, Dialled, Webhook, When, place_call,
};
use engine::config::{Config, Sources};
use engine::llm::ScriptedModel;
use engine::session::{Persona, Providers};
use engine::transport::twilio::signature::AuthToken;
use reqwest::{Method, StatusCode};
use serde_json::Value;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tts::scripted::{Scripted as ScriptedVoice, ScriptedConfig};
use tts::{ChunkPlan, VoiceConfig};
use turntaking::settings::Settings;
use vad::ScriptedVad;

use crate::twilio::Asked;

pub(crate) const PRIVATE_KEY: &str = "private-key-of-a-test";
pub(crate) const PUBLIC_KEY: &str = "public-key-of-a-test";
pub(crate) const AUTH_TOKEN: &str = "12345";
/// The number that calls go to.
pub(crate) const NUMBER: &str = "+33123456789";
/// The number that they come from.
pub(crate) const CALLER: &str = "+33612345678";

/// An engine that serves.
pub(crate) struct Stage {
    pub(crate) address: SocketAddr,
    client: reqwest::Client,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<std::io::Result<()>>,
    /// Its data directory, where it has one of its own.
    pub(crate) data: Option<tempfile::TempDir>,
}

impl Stage {
    /// Starts an engine on `data`, with these keys of the configuration beside the usual ones.
    pub(crate) async fn start(data: &Path, keys: &[(&str, &str)]) -> Self {
        Self::start_speaking(data, keys, PLAIN, &["Good morning."]).await
    }

    /// The same with a model that follows `dialogue` and a caller who says `words`.
    pub(crate) async fn start_speaking(
        data: &Path,
        keys: &[(&str, &str)],
        dialogue: &str,
        words: &[&str],
    ) -> Self {
        let usual = [
            ("CAUSERIE_LISTEN", "127.0.0.1:0"),
            ("CAUSERIE_DATA_DIR", data.to_str().expect("UTF-8")),
            ("CAUSERIE_TWILIO_AUTH_TOKEN", AUTH_TOKEN),
            ("CAUSERIE_PRIVATE_KEY", PRIVATE_KEY),
            ("CAUSERIE_PUBLIC_KEY", PUBLIC_KEY),
            // No test asks the real one.
            ("CAUSERIE_TWILIO_CONFIGURE_NUMBERS", "false"),
            // In real time, on a machine that may be busy: nothing here depends on how busy it is.
            ("CAUSERIE_MAX_SCHEDULING_LAG_MS", "0"),
        ];
        let environment = usual.iter().chain(keys);
        let environment = environment.map(|&(name, value)| (name.to_owned(), value.to_owned()));
        let sources = Sources { environment: environment.collect(), ..Sources::default() };
        let config = Config::load(&sources).expect("a valid configuration");
        let engine = Engine::with_assistant(&config, configured(dialogue, words), None)
            .await
            .expect("an engine");
        let (stop, stopped) = oneshot::channel();
        Self {
            address: engine.address().expect("bound"),
            client: reqwest::Client::builder()
                .no_proxy()
                .redirect(reqwest::redirect::Policy::none())
                .build()
                .expect("a client"),
            stop,
            serving: tokio::spawn(engine.serve(async {
                let _ = stopped.await;
            })),
            data: None,
        }
    }

    /// As SIGTERM does.
    pub(crate) async fn stop(self) {
        self.stop.send(()).expect("it serves");
        self.serving.await.expect("no panic").expect("served");
    }

    pub(crate) fn url(&self, path: &str) -> String {
        if path.starts_with("http") {
            path.to_owned()
        } else {
            format!("http://{}{path}", self.address)
        }
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.client.request(method, self.url(path))
    }

    /// Asks with the private key.
    pub(crate) async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> (StatusCode, Value) {
        let mut request = self.request(method, path).bearer_auth(PRIVATE_KEY);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let response = request.send().await.expect("an answer");
        let status = response.status();
        (status, response.json().await.expect("JSON"))
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        let (status, body) = self.ask(Method::GET, path, None).await;
        assert_eq!(status, StatusCode::OK, "{path}: {body}");
        body
    }

    /// Makes something, and returns it.
    pub(crate) async fn create(&self, path: &str, body: Value) -> Value {
        let (status, body) = self.ask(Method::POST, path, Some(body)).await;
        assert_eq!(status, StatusCode::CREATED, "{path}: {body}");
        body
    }

    /// An assistant of this description, at [`NUMBER`]. Returns the ids of both.
    pub(crate) async fn answers(&self, assistant: Value) -> (String, String) {
        let assistant = id(&self.create("/assistant", assistant).await);
        let number = serde_json::json!({"provider": "twilio", "number": NUMBER,
            "twilioAccountSid": "AC1", "assistantId": assistant});
        let number = id(&self.create("/phone-number", number).await);
        (assistant, number)
    }

    /// Announces a call to [`NUMBER`] as Twilio would, signed with this account's token.
    pub(crate) async fn dial(&self, call_sid: &str, token: &str) -> Result<Dialled, String> {
        let webhook = Webhook {
            url: self.url("/twilio/inbound"),
            signed_url: String::new(),
            auth_token: Some(AuthToken::new(token)),
            call_sid: call_sid.to_owned(),
            account_sid: "AC1".to_owned(),
            from: CALLER.to_owned(),
            to: NUMBER.to_owned(),
        };
        webhook.dial(&self.client).await.map_err(|error| error.to_string())
    }

    /// Calls [`NUMBER`] and does what `script` says.
    pub(crate) async fn call(&self, script: CallerScript) -> JoinHandle<CallRecord> {
        let mut line = CarrierConfig::new(format!("ws://{}/twilio/media", self.address));
        line.max_duration = Duration::from_secs(60);
        let dialled = self.dial(&line.call_sid, AUTH_TOKEN).await.expect("TwiML");
        let Dialled::Stream { parameters, .. } = dialled else {
            panic!("the call was not taken: {dialled:?}");
        };
        line.custom_parameters = parameters;
        tokio::spawn(async { place_call(line, script).await.expect("a socket") })
    }

    /// A call of ours is answered: what is Twilio to do with it?
    pub(crate) async fn dial_outbound(&self, asked: &Asked) -> Result<Dialled, String> {
        let webhook = Webhook {
            url: asked.get("Url").to_owned(),
            signed_url: String::new(),
            auth_token: Some(AuthToken::new(AUTH_TOKEN)),
            call_sid: asked.sid.clone(),
            account_sid: "AC1".to_owned(),
            from: asked.get("From").to_owned(),
            to: asked.get("To").to_owned(),
        };
        webhook.dial(&self.client).await.map_err(|error| error.to_string())
    }

    /// The same, and who answers does what `script` says.
    pub(crate) async fn answered(
        &self,
        asked: &Asked,
        script: CallerScript,
    ) -> JoinHandle<CallRecord> {
        let mut line = CarrierConfig::new(format!("ws://{}/twilio/media", self.address));
        line.max_duration = Duration::from_secs(60);
        line.call_sid.clone_from(&asked.sid);
        let dialled = self.dial_outbound(asked).await.expect("TwiML");
        let Dialled::Stream { parameters, .. } = dialled else {
            panic!("the call was not taken: {dialled:?}");
        };
        line.custom_parameters = parameters;
        tokio::spawn(async { place_call(line, script).await.expect("a socket") })
    }

    /// The only call there was, once it is over.
    pub(crate) async fn ended_call(&self) -> Value {
        loop {
            let calls = self.get("/call").await;
            let [call] = &calls.as_array().expect("a list")[..] else { panic!("{calls}") };
            if call["status"] == "ended" {
                return call.clone();
            }
            tokio::task::yield_now().await;
        }
    }
}

/// Speaks, listens, and hangs up.
pub(crate) fn chats() -> CallerScript {
    let sound: Vec<i16> =
        (0..2_400).map(|at| if at / 8 % 2 == 0 { 8_000 } else { -8_000 }).collect();
    CallerScript::default()
        .then(When::AgentSilent(Duration::from_millis(300)), Action::Say(sound))
        .then(When::AgentSilent(Duration::from_millis(500)), Action::HangUp)
}

pub(crate) fn id(resource: &Value) -> String {
    resource["id"].as_str().expect("an id").to_owned()
}

/// A model that answers in two words.
const PLAIN: &str = "language: en\nfallback: { say: \"Very well.\" }";

/// Who answers where no number names an assistant. Its providers serve the stored ones too.
fn configured(dialogue: &str, words: &[&str]) -> Assistant {
    let heard = |words: &&str| Utterance::evenly(words, Duration::from_millis(200));
    let short = ScriptedConfig { longest: Duration::from_millis(100), ..ScriptedConfig::default() };
    Assistant {
        settings: Settings { first_message: "Configured.".to_owned(), ..Settings::default() },
        persona: Persona {
            language: "en".to_owned(),
            preamble: Vec::new(),
            tools: Vec::new(),
            temperature: None,
            max_tokens: None,
            voice: VoiceConfig { voice: String::new(), language: "en".to_owned(), speed: 1.0 },
            chunk_plan: ChunkPlan::default(),
            background: None,
        },
        providers: Providers {
            vad: Arc::new(ScriptedVad::level(-40.0)),
            turn_model: None,
            endpointing: None,
            recognizer: Arc::new(ScriptedRecognizer::new(words.iter().map(heard))),
            model: Arc::new(ScriptedModel::from_yaml(dialogue).expect("a dialogue")),
            synthesizer: Arc::new(ScriptedVoice::new(short)),
        },
        tools: Vec::new(),
        hooks: Arc::new([]),
        analysis: AnalysisPlan::default(),
        server: None,
        filler_after: Duration::ZERO,
        denoising: false,
        record: true,
    }
}
