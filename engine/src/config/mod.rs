//! Configuration: from the command line, the environment and causerie.toml to typed settings.
//!
//! Nothing else of the engine reads the environment. [`Sources`] are texts, so a test needs no
//! environment either; [`Config::load`] understands them and reports everything that is wrong at
//! once.

mod analytics;
mod assistant;
mod background;
mod call;
mod chat;
mod checked;
mod cores;
mod credential;
mod example;
mod fields;
mod key;
mod knowledge_base;
mod phone_number;
mod problem;
mod provider;
mod public_url;
mod reader;
mod secret;
mod server_url;
mod sources;
mod spelling;
mod squad;
mod structured_output;
mod token;
mod tool;
mod validation;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

pub use analytics::analytics;
pub use assistant::{Assistant, AssistantError, Server, Unserved};
pub use background::Background;
pub use call::{CallProblem, new_call};
pub use chat::{SESSION_SECONDS, new_chat, new_session};
pub use checked::{Checked, assistant_check};
pub use cores::Cores;
pub use credential::{
    Authentication, Hash, Signing, authentication, credential_check, shown_credential,
};
pub use example::annotated;
pub use knowledge_base::knowledge_base_check;
pub use phone_number::{candidate, destination, phone_number_check};
pub use problem::{ConfigError, Problem};
pub use provider::{Defaults, LogFormat, ModelProvider, TranscriberProvider, VoiceProvider};
pub use public_url::PublicUrl;
pub use secret::Secret;
pub use server_url::ServerUrl;
pub use sources::{Origin, Sources};
pub use spelling::nearest;
pub use squad::squad_check;
pub use structured_output::structured_output_check;
pub use token::new_token;
pub use tool::tool_check;

use reader::Reader;
use validation::Validation;

/// The process's exit code where the configuration cannot be used: `EX_USAGE` of sysexits.h.
pub const EXIT_CODE: u8 = 64;

/// Everything that can be configured for the whole process. `causerie config` prints what each
/// key means.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where to listen.
    pub listen: SocketAddr,
    /// The URL under which a carrier reaches this server.
    pub public_url: Option<PublicUrl>,
    /// Where the database, recordings and journals go.
    pub data_dir: PathBuf,
    /// Where the models are.
    pub models_dir: PathBuf,
    /// The ONNX Runtime library: a path, or a name for the dynamic linker.
    pub onnxruntime: PathBuf,
    /// Calls at once.
    pub max_concurrent_calls: u32,
    /// How late calls' tasks may be woken before new calls are refused; `None`: however late.
    pub max_scheduling_lag: Option<Duration>,
    /// How long calls in progress may go on after SIGTERM.
    pub drain: Duration,
    /// What the API is asked with; `None`: made at the first start.
    pub private_key: Option<Secret>,
    /// What a browser asks with; `None`: made at the first start.
    pub public_key: Option<Secret>,
    /// What secrets are sealed with at rest; `None`: the key in the data directory.
    pub encryption_key: Option<Secret>,
    /// A JSON file with the assistant; `None`: the built-in one.
    pub assistant: Option<PathBuf>,
    /// What holds where the assistant says nothing.
    pub defaults: Defaults,
    /// What is heard behind the voice, where the assistant does not say.
    pub background: Background,
    /// Twilio.
    pub twilio: Twilio,
    /// Recordings.
    pub recording: Recording,
    /// Journals.
    pub journal: Journal,
    /// Files.
    pub storage: Storage,
    /// Speech recognition, where the assistant does not say.
    pub transcriber: Transcriber,
    /// Speech synthesis, where the assistant does not say.
    pub voice: Voice,
    /// The language model, where the assistant does not say.
    pub model: Model,
    /// Threads.
    pub runtime: Runtime,
    /// The log.
    pub log: Log,
}

/// Twilio.
#[derive(Clone, Debug)]
pub struct Twilio {
    /// The account whose calls are taken; `None`: any account's.
    pub account_sid: Option<String>,
    /// What Twilio signs its requests with.
    pub auth_token: Option<Secret>,
    /// Where its REST API is.
    pub api_url: ServerUrl,
    /// Have Twilio announce the calls of a number that is imported here.
    pub configure_numbers: bool,
    /// Refuse requests that Twilio did not sign.
    pub validate_signatures: bool,
    /// How far ahead of the caller's ear audio is sent.
    pub lead: Duration,
}

/// Recordings.
#[derive(Clone, Debug)]
pub struct Recording {
    /// Record, where the assistant does not say.
    pub enabled: bool,
}

/// Journals.
#[derive(Clone, Debug)]
pub struct Journal {
    /// Keep them.
    pub enabled: bool,
}

/// Files: a folder of this machine, or a service that speaks Amazon S3's protocol.
#[derive(Clone, Debug, Default)]
pub struct Storage {
    /// The bucket; `None`: a folder in the data directory.
    pub bucket: Option<String>,
    /// The service; `None`: Amazon's.
    pub endpoint: Option<ServerUrl>,
    /// The bucket's region.
    pub region: String,
    /// The name of the key.
    pub access_key_id: Option<String>,
    /// The key.
    pub secret_access_key: Option<Secret>,
}

/// Speech recognition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transcriber {
    /// Who.
    pub provider: TranscriberProvider,
    /// An id of the model manifest, the path of a folder, or the service's name for it.
    pub model: String,
    /// The service.
    pub base_url: ServerUrl,
    /// The service's key.
    pub api_key: Option<Secret>,
    /// Ask the Smart Turn model whether the caller has finished.
    pub turn_model: bool,
    /// It takes the place of one that is not here.
    pub stand_in: bool,
}

/// Speech synthesis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Voice {
    /// Who.
    pub provider: VoiceProvider,
    /// The provider's name for the voice.
    pub voice: Option<String>,
    /// The path of a folder with a neural voice, or the service's name for its model.
    pub model: Option<String>,
    /// The service.
    pub base_url: ServerUrl,
    /// The service's key.
    pub api_key: Option<Secret>,
    /// How many programs may speak at once.
    pub processes: usize,
    /// Phrases that repeat are kept. Only an assistant says no.
    pub caching: bool,
    /// Memory for them, of all voices together, in bytes.
    pub cache_bytes: usize,
    /// It takes the place of one that is not here.
    pub stand_in: bool,
}

/// The language model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Model {
    /// Who.
    pub provider: ModelProvider,
    /// The provider's name of the model.
    pub name: String,
    /// The server; `/chat/completions` is appended.
    pub base_url: ServerUrl,
    /// Sent with every request, beside the key. Only an assistant has any.
    pub headers: Vec<(String, Secret)>,
    /// The server's key.
    pub api_key: Option<Secret>,
    /// The scripted dialogue; `None`: the built-in one.
    pub dialogue: Option<PathBuf>,
    /// It takes the place of one that is not here.
    pub stand_in: bool,
}

/// Threads.
#[derive(Clone, Debug)]
pub struct Runtime {
    /// Threads that run calls; `None`: one for each core.
    pub worker_threads: Option<usize>,
    /// Threads that run speech recognition; `None`: one for each two cores.
    pub decode_threads: Option<usize>,
    /// What the former are pinned to, one each; `None`: nothing.
    pub worker_cores: Option<Cores>,
    /// Where threads of local models run; `None`: anywhere.
    pub inference_cores: Option<Cores>,
}

/// The log.
#[derive(Clone, Debug)]
pub struct Log {
    /// As tracing's `EnvFilter` reads it.
    pub filter: String,
    /// How its lines look.
    pub format: LogFormat,
}

impl Config {
    /// Understands `sources`.
    ///
    /// # Errors
    ///
    /// Everything that is wrong, each with its place and a remedy. The process should end with
    /// [`EXIT_CODE`].
    pub fn load(sources: &Sources) -> Result<Self, ConfigError> {
        let mut reader = Reader::new(sources);
        let config = Self::read(&mut reader);
        reader.finish()?;
        Ok(config)
    }

    fn read(reader: &mut Reader) -> Self {
        let count = |number: u64| usize::try_from(number).expect("the key's range fits");
        let defaults = reader.choice("defaults", Defaults::from_name);
        let background = match (reader.optional_text("background_sound"), defaults) {
            (Some(text), _) => Background::from_operator(&text),
            (None, Defaults::Causerie) => Background::Off,
            (None, Defaults::Vapi) => Background::Office,
        };
        let threads = |number: u64| (number > 0).then(|| count(number));
        let transcriber = reader.choice("transcriber.provider", TranscriberProvider::from_name);
        Self {
            listen: reader.address("listen"),
            public_url: reader.optional_url("public_url"),
            data_dir: reader.path("data_dir"),
            models_dir: reader.path("models_dir"),
            onnxruntime: reader.text("onnxruntime").into(),
            max_concurrent_calls: u32::try_from(reader.integer("max_concurrent_calls"))
                .expect("the key's range fits"),
            max_scheduling_lag: Some(reader.integer("max_scheduling_lag_ms"))
                .filter(|limit| *limit > 0)
                .map(Duration::from_millis),
            drain: Duration::from_secs(reader.integer("drain_seconds")),
            private_key: reader.optional_secret("private_key"),
            public_key: reader.optional_secret("public_key"),
            encryption_key: reader.optional_secret("encryption_key"),
            assistant: reader.optional_path("assistant"),
            defaults,
            background,
            twilio: Twilio {
                account_sid: reader.optional_text("twilio.account_sid"),
                auth_token: reader.optional_secret("twilio.auth_token"),
                api_url: reader.server_url("twilio.api_url"),
                configure_numbers: reader.flag("twilio.configure_numbers"),
                validate_signatures: reader.flag("twilio.validate_signatures"),
                lead: Duration::from_millis(reader.integer("twilio.lead_ms")),
            },
            recording: Recording { enabled: reader.flag("recording.enabled") },
            journal: Journal { enabled: reader.flag("journal.enabled") },
            storage: Storage {
                bucket: reader.optional_text("storage.bucket"),
                endpoint: reader.optional_server_url("storage.endpoint"),
                region: reader.text("storage.region"),
                access_key_id: reader.optional_text("storage.access_key_id"),
                secret_access_key: reader.optional_secret("storage.secret_access_key"),
            },
            transcriber: Transcriber {
                provider: transcriber,
                model: reader
                    .optional_text("transcriber.model")
                    .unwrap_or_else(|| transcriber.default_model().to_owned()),
                base_url: reader.server_url("transcriber.base_url"),
                api_key: reader.optional_secret("transcriber.api_key"),
                turn_model: reader.flag("transcriber.turn_model"),
                stand_in: reader.flag("transcriber.stand_in"),
            },
            voice: Voice {
                provider: reader.choice("voice.provider", VoiceProvider::from_name),
                voice: reader.optional_text("voice.voice"),
                model: reader.optional_text("voice.model"),
                base_url: reader.server_url("voice.base_url"),
                api_key: reader.optional_secret("voice.api_key"),
                processes: count(reader.integer("voice.processes")),
                caching: true,
                cache_bytes: count(reader.integer("voice.cache_mb") << 20),
                stand_in: reader.flag("voice.stand_in"),
            },
            model: Model {
                provider: reader.choice("model.provider", ModelProvider::from_name),
                name: reader.text("model.name"),
                base_url: reader.server_url("model.base_url"),
                headers: Vec::new(),
                api_key: reader.optional_secret("model.api_key"),
                dialogue: reader.optional_path("model.dialogue"),
                stand_in: reader.flag("model.stand_in"),
            },
            runtime: Runtime {
                worker_threads: threads(reader.integer("runtime.worker_threads")),
                decode_threads: threads(reader.integer("runtime.decode_threads")),
                worker_cores: reader.optional_cores("runtime.worker_cores"),
                inference_cores: reader.optional_cores("runtime.inference_cores"),
            },
            log: Log {
                filter: reader.text("log.filter"),
                format: reader.choice("log.format", LogFormat::from_name),
            },
        }
    }

    /// What URLs that are handed out begin with: the configured one, or the listener's own.
    /// `bound` is the address that was really taken, which a port 0 in `listen` leaves open.
    pub fn url(&self, bound: SocketAddr) -> PublicUrl {
        self.public_url.clone().unwrap_or_else(|| PublicUrl::of_listener(bound))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::key::KEYS;
    use super::*;

    fn environment(pairs: &[(&str, &str)]) -> Sources {
        let environment =
            pairs.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
        Sources { environment, ..Sources::default() }
    }

    fn file(text: &str) -> (tempfile::TempDir, Sources) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("causerie.toml");
        fs::write(&path, text).expect("a file");
        (folder, Sources { file: Some(path), ..Sources::default() })
    }

    fn problems(sources: &Sources) -> Vec<String> {
        let error = Config::load(sources).expect_err("it has problems");
        error.problems().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn every_key_is_read_and_every_default_holds() {
        let mut reader = Reader::new(&Sources::default());
        Config::read(&mut reader);
        for key in KEYS {
            assert!(
                reader.asked.borrow().contains(key.name),
                "`{}` is documented and not read",
                key.name
            );
        }
        reader.finish().expect("the defaults are sound");
    }

    #[test]
    fn every_setting_of_the_example_can_be_taken() {
        let settings: String = annotated()
            .lines()
            .map(|line| match line.strip_prefix("# ") {
                Some(setting) if setting.contains(" = ") => format!("{setting}\n"),
                Some(_) => "\n".to_owned(),
                None => format!("{line}\n"),
            })
            .collect();
        let (_folder, sources) = file(&settings);
        let config = Config::load(&sources).expect("the example is sound");
        assert_eq!(config.listen, Config::load(&Sources::default()).expect("defaults").listen);
        assert_eq!(config.voice.voice.as_deref(), Some("slt"), "examples were taken too");
    }

    #[test]
    fn command_line_goes_before_environment_before_file() {
        let (_folder, mut sources) = file("listen = \"127.0.0.1:1\"\ndrain_seconds = 1\n");
        sources.environment.insert("CAUSERIE_LISTEN".to_owned(), "127.0.0.1:2".to_owned());
        assert_eq!(Config::load(&sources).expect("sound").listen.port(), 2);
        sources.command_line.insert("listen", "127.0.0.1:3".to_owned());
        let config = Config::load(&sources).expect("sound");
        assert_eq!(config.listen.port(), 3);
        assert_eq!(config.drain, Duration::from_secs(1));
    }

    #[test]
    fn everything_wrong_is_told_at_once_with_its_place() {
        let (folder, mut sources) = file(
            "listne = \"127.0.0.1:1\"\n\n[twilio]\nlead_ms = \"300\"\nlead = 300\n\n[recording]\n\
             enabled = false\n[voise]\n",
        );
        sources.environment.insert("CAUSERIE_LOG_FORMAT".to_owned(), "jsn".to_owned());
        sources.environment.insert("CAUSERIE_TWILIO_LEAD".to_owned(), "300".to_owned());
        sources.command_line.insert("listen", "localhost".to_owned());
        let path = folder.path().join("causerie.toml").display().to_string();
        let mut told = problems(&sources);
        told.sort();
        let mut expected = vec![
            format!("{path}:1: unknown key `listne`; did you mean `listen`?"),
            format!("{path}:4: `twilio.lead_ms` must be a whole number, without quotes"),
            format!("{path}:5: unknown key `twilio.lead`; did you mean `twilio.lead_ms`?"),
            format!("{path}:9: unknown key `voise`; did you mean `voice`?"),
            "CAUSERIE_LOG_FORMAT: `log.format` must be one of text, json (did you mean `json`?) \
             (it is `jsn`)"
                .to_owned(),
            "CAUSERIE_TWILIO_LEAD: unknown variable `CAUSERIE_TWILIO_LEAD`; did you mean \
             `CAUSERIE_TWILIO_LEAD_MS`?"
                .to_owned(),
            "--listen: `listen` must be an IP address and port, such as 127.0.0.1:8080 (it is \
             `localhost`)"
                .to_owned(),
        ];
        expected.sort();
        assert_eq!(told, expected);
    }

    #[test]
    fn a_file_that_is_no_toml_is_named_with_its_line() {
        let (_folder, sources) = file("listen = \"127.0.0.1:1\"\n[twilio\n");
        let told = problems(&sources);
        assert!(told[0].contains("causerie.toml:2: "), "{told:?}");
    }

    #[test]
    fn a_named_file_must_be_there() {
        let sources = environment(&[("CAUSERIE_CONFIG", "no-such.toml")]);
        let told = problems(&sources);
        assert!(told[0].starts_with("no-such.toml: it cannot be read"), "{told:?}");
    }

    #[test]
    fn numbers_outside_their_range_are_refused() {
        let told = problems(&environment(&[("CAUSERIE_TWILIO_LEAD_MS", "4000")]));
        assert_eq!(
            told,
            ["CAUSERIE_TWILIO_LEAD_MS: `twilio.lead_ms` must be a whole number from 200 to 400 \
              (it is `4000`)"]
        );
    }

    #[test]
    fn secrets_are_never_shown() {
        let sources = environment(&[
            ("CAUSERIE_TWILIO_AUTH_TOKEN", "hunter2"),
            ("CAUSERIE_MODEL_API_KEY", "hunter2"),
            ("CAUSERIE_TRANSCRIBER_API_KEY", "hunter2"),
            ("CAUSERIE_VOICE_API_KEY", "hunter2"),
        ]);
        let config = Config::load(&sources).expect("sound");
        assert_eq!(config.twilio.auth_token.as_ref().map(Secret::expose), Some("hunter2"));
        assert!(!format!("{config:?}").contains("hunter2"));

        let (_folder, sources) = file("[twilio]\nauth_token = 2357111317\n");
        let told = problems(&sources).join("\n");
        assert!(!told.contains("2357111317"), "{told}");
    }

    #[test]
    fn an_empty_variable_counts_as_unset() {
        let sources = environment(&[("CAUSERIE_PUBLIC_URL", ""), ("CAUSERIE_CONFIG", "")]);
        assert_eq!(Config::load(&sources).expect("sound").public_url, None);
    }

    #[test]
    fn a_path_in_the_file_is_meant_from_the_file() {
        let (folder, mut sources) = file("data_dir = \"calls\"\nassistant = \"/etc/a.json\"\n");
        let config = Config::load(&sources).expect("sound");
        assert_eq!(config.data_dir, folder.path().join("calls"));
        assert_eq!(config.assistant, Some("/etc/a.json".into()));
        sources.command_line.insert("data_dir", "here".to_owned());
        assert_eq!(Config::load(&sources).expect("sound").data_dir, PathBuf::from("here"));
    }
}
