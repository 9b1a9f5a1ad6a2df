//! What is missing for calls to work, and how to mend it.

use std::fmt;
use std::io;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};

use serde::Serialize;

use crate::config::{
    Assistant, Config, ConfigError, ModelProvider, TranscriberProvider, VoiceProvider,
};
use crate::models::{FileState, Library, Purpose};

/// Everything that was looked at.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    /// In the order looked at.
    pub checks: Vec<Check>,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What.
    pub name: String,
    /// How it stands.
    pub state: State,
    /// What was found.
    pub found: String,
    /// What to do, where something is to be done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
}

/// How something stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// As it should be.
    Ok,
    /// Calls work, but not all that one may want.
    Warning,
    /// Calls do not work.
    Failed,
}

impl Report {
    /// Looks at everything `config` asks for.
    pub fn examine(config: &Result<Config, ConfigError>) -> Self {
        let mut report = Self::default();
        match config {
            Ok(config) => {
                report.ok("configuration", "every key is understood");
                report.programs(config);
                report.onnxruntime(config);
                report.models(config);
                report.assistant(config);
                report.data_dir(&config.data_dir);
                report.listener(config);
                report.carrier(config);
                report.services(config);
                report.language_model(config);
            }
            Err(error) => {
                for problem in error.problems() {
                    report.failed("configuration", problem.to_string(), "mend it there");
                }
            }
        }
        report
    }

    /// Nothing that calls need is missing.
    pub fn is_healthy(&self) -> bool {
        self.checks.iter().all(|check| check.state != State::Failed)
    }

    fn ok(&mut self, name: impl Into<String>, found: impl Into<String>) {
        self.push(name, State::Ok, found, None);
    }

    fn warning(
        &mut self,
        name: impl Into<String>,
        found: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.push(name, State::Warning, found, Some(remedy.into()));
    }

    fn failed(
        &mut self,
        name: impl Into<String>,
        found: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.push(name, State::Failed, found, Some(remedy.into()));
    }

    fn push(
        &mut self,
        name: impl Into<String>,
        state: State,
        found: impl Into<String>,
        remedy: Option<String>,
    ) {
        self.checks.push(Check { name: name.into(), state, found: found.into(), remedy });
    }

    fn programs(&mut self, config: &Config) {
        for (program, needed) in [
            ("flite", matches!(config.voice.provider, VoiceProvider::Auto | VoiceProvider::Flite)),
            (
                "espeak-ng",
                matches!(config.voice.provider, VoiceProvider::Auto | VoiceProvider::EspeakNg),
            ),
        ] {
            if !needed {
                continue;
            }
            // flite answers --version with status 1: that it runs at all is what counts.
            let ran = Command::new(program)
                .arg("--version")
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status();
            match ran {
                Ok(_) => self.ok(program, "installed"),
                Err(error) => self.failed(
                    program,
                    format!("cannot be run: {error}"),
                    format!("apt-get install {program}, or set voice.provider to another one"),
                ),
            }
        }
    }

    fn onnxruntime(&mut self, config: &Config) {
        let name = "ONNX Runtime";
        match onnx::Runtime::load(&config.onnxruntime) {
            Ok(_) => self.ok(name, format!("{} can be loaded", config.onnxruntime.display())),
            Err(error) => self.failed(
                name,
                error.to_string(),
                "run `make setup`, or set onnxruntime to the library's path",
            ),
        }
    }

    fn models(&mut self, config: &Config) {
        let library = Library::new(&config.models_dir);
        let mut needed = vec!["silero-vad"];
        if config.transcriber.turn_model {
            needed.push("smart-turn-v3.2");
        }
        match config.transcriber.provider {
            TranscriberProvider::Moonshine | TranscriberProvider::SherpaOnnx => {
                needed.push(&config.transcriber.model);
            }
            TranscriberProvider::Deepgram => {}
        }
        let manifest = library.manifest();
        let audio = manifest.models.iter().filter(|model| model.purpose == Purpose::Audio);
        needed.extend(audio.map(|model| model.id.as_str()));

        for id in needed {
            let name = format!("model {id}");
            let Some(model) = manifest.model(id) else {
                self.folder(name, Path::new(id));
                continue;
            };
            let pull = format!("causerie models pull {id}");
            let mut wrong = None;
            for file in &model.files {
                let found = match library.state(model, file) {
                    Ok(FileState::Intact) => continue,
                    Ok(FileState::Missing) => format!("{} is missing", file.name),
                    Ok(FileState::Wrong { found }) => format!("{} has {found}", file.name),
                    Err(error) => error.to_string(),
                };
                wrong = Some(found);
                break;
            }
            match wrong {
                None => self.ok(name, "intact"),
                // Only the demo speaks with it.
                Some(found) if model.purpose == Purpose::Audio => self.warning(name, found, pull),
                Some(found) => self.failed(name, found, pull),
            }
        }
    }

    /// A model of the user's own.
    fn folder(&mut self, name: String, path: &Path) {
        if path.is_dir() {
            self.ok(name, "a folder that is there");
        } else {
            self.failed(
                name,
                "neither an id of `causerie models list` nor a folder",
                "set transcriber.model to one of these",
            );
        }
    }

    fn assistant(&mut self, config: &Config) {
        let name = "assistant";
        match Assistant::configured(config) {
            Ok(assistant) if !assistant.unserved.is_empty() => {
                for unserved in &assistant.unserved {
                    self.failed(
                        name,
                        format!("its provider `{}` is not here", unserved.provider),
                        "name one that is, or let yours take its place with `stand_in`",
                    );
                }
            }
            Ok(assistant) if assistant.without_effect.is_empty() => {
                self.ok(name, "every field is understood");
            }
            Ok(assistant) => {
                let fields: Vec<_> = assistant.without_effect.iter().map(String::as_str).collect();
                self.warning(
                    name,
                    format!("these fields have no effect here: {}", fields.join(", ")),
                    "calls work without them",
                );
            }
            Err(error) => {
                for problem in error.problems() {
                    self.failed(name, problem, "mend it in the assistant's file");
                }
            }
        }
    }

    fn data_dir(&mut self, folder: &Path) {
        let attempt = || -> io::Result<()> {
            std::fs::create_dir_all(folder)?;
            tempfile::tempfile_in(folder)?;
            Ok(())
        };
        match attempt() {
            Ok(()) => self.ok("data folder", format!("{} can be written", folder.display())),
            Err(error) => self.failed(
                "data folder",
                format!("{} cannot be written: {error}", folder.display()),
                "change its owner or set data_dir to another folder",
            ),
        }
    }

    fn listener(&mut self, config: &Config) {
        match TcpListener::bind(config.listen) {
            Ok(_) => self.ok("listener", format!("{} is free", config.listen)),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => self.warning(
                "listener",
                format!("{} is taken", config.listen),
                "well if it is Causerie that runs there; else set listen to another port",
            ),
            Err(error) => self.failed(
                "listener",
                format!("{} cannot be taken: {error}", config.listen),
                "set listen to an address of this machine and a port above 1023",
            ),
        }
    }

    fn carrier(&mut self, config: &Config) {
        match &config.public_url {
            Some(url) if url.is_secure() => self.ok("public URL", url.to_string()),
            Some(url) => self.warning(
                "public URL",
                format!("{url} is not https"),
                "carriers ask for https: set public_url to the URL of a proxy or tunnel",
            ),
            None => self.warning(
                "public URL",
                "public_url is not set: no carrier can reach this server",
                "set it to the https URL of a proxy or tunnel that leads here",
            ),
        }
        let twilio = &config.twilio;
        if !twilio.validate_signatures {
            self.warning(
                "Twilio",
                "requests are taken whoever sent them",
                "set twilio.validate_signatures to true, unless nobody else can reach this server",
            );
        } else if twilio.auth_token.is_none() {
            self.warning(
                "Twilio",
                "twilio.auth_token is not set: no request of Twilio can be checked",
                "put the account's auth token into CAUSERIE_TWILIO_AUTH_TOKEN",
            );
        } else {
            self.ok("Twilio", "requests are checked by their signature");
        }
    }

    /// Recognition and voice where they are services.
    fn services(&mut self, config: &Config) {
        let transcriber = &config.transcriber;
        if transcriber.provider == TranscriberProvider::Deepgram {
            let is_theirs = transcriber.base_url.host() == "api.deepgram.com";
            let found = format!("{} of {}", transcriber.model, transcriber.base_url);
            let key = transcriber.api_key.is_some() || !is_theirs;
            self.service("transcriber", found, key);
        }
        let voice = &config.voice;
        if voice.provider == VoiceProvider::Cartesia {
            let is_theirs = voice.base_url.host() == "api.cartesia.ai";
            let model = voice.model.as_deref().unwrap_or(tts::cartesia::MODEL);
            let found = format!("{model} of {}", voice.base_url);
            self.service("voice", found, voice.api_key.is_some() || !is_theirs);
        }
    }

    /// `key`: there is one, or none is asked for.
    fn service(&mut self, name: &str, found: String, key: bool) {
        if key {
            self.ok(name, found);
        } else {
            let variable = name.to_uppercase();
            self.failed(
                name,
                format!("{name}.api_key is not set and the service asks for one"),
                format!("put the key into CAUSERIE_{variable}_API_KEY"),
            );
        }
    }

    fn language_model(&mut self, config: &Config) {
        let name = "language model";
        let model = &config.model;
        match model.provider {
            ModelProvider::Scripted => self.dialogue(model.dialogue.as_deref()),
            ModelProvider::OpenAi
                if model.api_key.is_none() && model.base_url.host() == "api.openai.com" =>
            {
                self.failed(
                    name,
                    "model.api_key is not set and OpenAI asks for one",
                    "put the key into CAUSERIE_MODEL_API_KEY",
                );
            }
            ModelProvider::OpenAi => {
                self.ok(name, format!("{} of {}", model.name, model.base_url));
            }
        }
    }

    fn dialogue(&mut self, path: Option<&Path>) {
        match path {
            Some(path) if path.is_file() => {
                self.ok("language model", format!("the dialogue {}", path.display()));
            }
            Some(path) => self.failed(
                "language model",
                format!("the dialogue {} is not there", path.display()),
                "set model.dialogue to a file that is",
            ),
            None => self.ok("language model", "the built-in dialogue"),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.checks.iter().map(|check| check.name.len()).max().unwrap_or(0);
        for check in &self.checks {
            let state = match check.state {
                State::Ok => "ok",
                State::Warning => "warning",
                State::Failed => "FAILED",
            };
            write!(f, "{state:8} {:width$}  {}", check.name, check.found)?;
            if let Some(remedy) = &check.remedy {
                write!(f, "; {remedy}")?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Sources;

    fn examine(pairs: &[(&str, &str)]) -> Report {
        let environment =
            pairs.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
        Report::examine(&Config::load(&Sources { environment, ..Sources::default() }))
    }

    fn check<'a>(report: &'a Report, name: &str) -> &'a Check {
        let mut checks = report.checks.iter();
        checks.find(|check| check.name == name).unwrap_or_else(|| panic!("{name}: {report}"))
    }

    #[test]
    fn what_is_missing_is_told_with_its_remedy() {
        let folder = tempfile::tempdir().expect("a folder");
        let models = folder.path().join("models").display().to_string();
        let data = folder.path().join("data").display().to_string();
        let report = examine(&[
            ("CAUSERIE_MODELS_DIR", &models),
            ("CAUSERIE_DATA_DIR", &data),
            ("CAUSERIE_LISTEN", "127.0.0.1:0"),
            ("CAUSERIE_MODEL_PROVIDER", "openai"),
            ("CAUSERIE_PUBLIC_URL", "http://voice.example.com"),
        ]);
        assert!(!report.is_healthy());
        let silero = check(&report, "model silero-vad");
        assert_eq!(silero.state, State::Failed);
        assert_eq!(silero.remedy.as_deref(), Some("causerie models pull silero-vad"));
        assert_eq!(check(&report, "model demo-speech-en").state, State::Warning);
        assert_eq!(check(&report, "data folder").state, State::Ok);
        assert_eq!(check(&report, "listener").state, State::Ok);
        assert_eq!(check(&report, "public URL").state, State::Warning);
        let remedy = check(&report, "language model").remedy.as_deref().expect("a remedy");
        assert!(remedy.contains("CAUSERIE_MODEL_API_KEY"), "{remedy}");
    }

    #[test]
    fn a_bad_configuration_is_all_there_is_to_say() {
        let report = examine(&[("CAUSERIE_LISTNE", "127.0.0.1:0")]);
        assert!(!report.is_healthy());
        assert_eq!(report.checks.len(), 1);
        assert!(report.to_string().contains("did you mean `CAUSERIE_LISTEN`?"), "{report}");
    }

    #[test]
    fn secrets_are_not_reported() {
        let folder = tempfile::tempdir().expect("a folder");
        let data = folder.path().join("data").display().to_string();
        let report = examine(&[
            ("CAUSERIE_DATA_DIR", &data),
            ("CAUSERIE_TWILIO_AUTH_TOKEN", "hunter2"),
            ("CAUSERIE_MODEL_PROVIDER", "openai"),
            ("CAUSERIE_MODEL_API_KEY", "hunter2"),
        ]);
        let json = serde_json::to_string(&report).expect("it serialises");
        assert!(!json.contains("hunter2") && !report.to_string().contains("hunter2"));
        assert_eq!(check(&report, "Twilio").state, State::Ok);
    }
}
