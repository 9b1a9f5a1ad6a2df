//! Every configuration key: its name, what it may hold, its default, its meaning.
//!
//! This table is the only place a key is described. `causerie config` and causerie.example.toml
//! are printed from it, and the reader refuses what it does not name.

use std::ops::RangeInclusive;

use super::provider::{Defaults, LogFormat, ModelProvider, TranscriberProvider, VoiceProvider};

/// One configuration key.
#[derive(Debug)]
pub(super) struct Key {
    /// `listen`, or `table.key`.
    pub name: &'static str,
    /// What it may hold.
    pub kind: Kind,
    /// What holds where nothing is configured.
    pub preset: Preset,
    /// What it does, for a person.
    pub about: &'static str,
}

/// What a key may hold.
#[derive(Debug)]
pub(super) enum Kind {
    /// IP address and port.
    Address,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// `true` or `false`.
    Flag,
    /// A whole number.
    Integer(RangeInclusive<u64>),
    /// A file or folder. Relative to the configuration file's folder where it stands in one, else
    /// to the working directory.
    Path,
    /// A text that is never shown.
    Secret,
    /// Any text.
    Text,
    /// An `http:` or `https:` URL.
    Url,
}

/// What holds where nothing is configured.
#[derive(Debug)]
pub(super) enum Preset {
    /// This.
    Value(&'static str),
    /// Nothing; this is how it could look.
    Unset {
        /// For the example file.
        example: &'static str,
    },
}

use Preset::{Unset, Value};

/// All keys, in the order in which they are documented.
pub(super) const KEYS: &[Key] = &[
    Key {
        name: "listen",
        kind: Kind::Address,
        preset: Value("127.0.0.1:8080"),
        about: "Where to listen for HTTP and WebSocket. Port 0 takes a free one; the ready line \
                names it.",
    },
    Key {
        name: "public_url",
        kind: Kind::Url,
        preset: Unset { example: "https://voice.example.com" },
        about: "The URL under which the carrier reaches this server, through whatever stands \
                before it. Every URL handed out begins with it, and signatures are checked over \
                it. Carriers ask for https. Unset: http and the address of `listen`.",
    },
    Key {
        name: "data_dir",
        kind: Kind::Path,
        preset: Value("data"),
        about: "Where the database, recordings and journals go. Made if it is not there.",
    },
    Key {
        name: "models_dir",
        kind: Kind::Path,
        preset: Value("models"),
        about: "Where `causerie models pull` puts the models.",
    },
    Key {
        name: "onnxruntime",
        kind: Kind::Text,
        preset: Value("libonnxruntime.so"),
        about: "The ONNX Runtime library: a path, or a name that the dynamic linker finds. \
                `make setup` puts one where the default finds it.",
    },
    Key {
        name: "max_concurrent_calls",
        kind: Kind::Integer(1..=10_000),
        preset: Value("50"),
        about: "Calls at once. The next one is refused: the carrier is told to reject it.",
    },
    Key {
        name: "max_scheduling_lag_ms",
        kind: Kind::Integer(0..=1_000),
        preset: Value("50"),
        about: "How late calls' tasks may be woken, at the 95th percentile over half a second. \
                While they are later, new calls are refused, so that those in progress do not \
                suffer; they are taken again after three calm seconds. 0: calls are only counted.",
    },
    Key {
        name: "drain_seconds",
        kind: Kind::Integer(0..=43_200),
        preset: Value("30"),
        about: "How long calls in progress may go on after SIGTERM; then they are ended.",
    },
    Key {
        name: "private_key",
        kind: Kind::Secret,
        preset: Unset { example: "a-long-random-text" },
        about: "The key that the API is asked with, as `Authorization: Bearer`. It takes the place \
                of the one before. Unset: one is made at the first start and shown once.",
    },
    Key {
        name: "public_key",
        kind: Kind::Secret,
        preset: Unset { example: "another-long-random-text" },
        about: "The key for calls from a browser, likewise.",
    },
    Key {
        name: "encryption_key",
        kind: Kind::Secret,
        preset: Unset { example: "what-openssl-rand-base64-32-prints" },
        about: "What credentials and other secrets in the database are sealed with: a long random \
                text. It cannot be changed later. Unset: one is made at the first start and kept \
                in encryption.key in data_dir; back it up, but not beside the database.",
    },
    Key {
        name: "assistant",
        kind: Kind::Path,
        preset: Unset { example: "assistant.json" },
        about: "Who answers where no stored phone number names an assistant: a JSON file with an \
                assistant as Vapi's API has it. Unset: a built-in one.",
    },
    Key {
        name: "defaults",
        kind: Kind::Choice(Defaults::NAMES),
        preset: Value("causerie"),
        about: "What holds where the assistant says nothing about taking turns: Causerie's own \
                choice, or Vapi's. ARCHITECTURE.md lists every difference.",
    },
    Key {
        name: "background_sound",
        kind: Kind::Text,
        preset: Unset { example: "office" },
        about: "What callers hear behind the voice, where the assistant's backgroundSound does not \
                say: off, office (a quiet one, made by this engine), or a WAV or MP3 file, as a \
                path or a URL. Unset: off, or office where `defaults` is vapi.",
    },
    Key {
        name: "twilio.account_sid",
        kind: Kind::Text,
        preset: Unset { example: "AC00000000000000000000000000000000" },
        about: "The account whose calls are taken. Unset: any account's.",
    },
    Key {
        name: "twilio.auth_token",
        kind: Kind::Secret,
        preset: Unset { example: "0123456789abcdef0123456789abcdef" },
        about: "The account's auth token, which Twilio signs its requests with. Better given in \
                the environment than in a file.",
    },
    Key {
        name: "twilio.api_url",
        kind: Kind::Url,
        preset: Value("https://api.twilio.com"),
        about: "Where Twilio's REST API is: calls are placed and transferred through it. Accounts \
                outside the US region have another.",
    },
    Key {
        name: "twilio.configure_numbers",
        kind: Kind::Flag,
        preset: Value("true"),
        about: "When a number is imported with its account's token, have Twilio announce its calls \
                here. Switch it off where numbers are set up by other means.",
    },
    Key {
        name: "twilio.validate_signatures",
        kind: Kind::Flag,
        preset: Value("true"),
        about: "Refuse requests that Twilio did not sign. Switch it off only where nobody else \
                can reach this server.",
    },
    Key {
        name: "twilio.lead_ms",
        kind: Kind::Integer(200..=400),
        preset: Value("300"),
        about: "How far ahead of the caller's ear audio is sent. Less is cut by a slow network, \
                more is thrown away at each interruption.",
    },
    Key {
        name: "recording.enabled",
        kind: Kind::Flag,
        preset: Value("true"),
        about: "Record each call to a stereo WAV: caller left, assistant right, as it was played. \
                An assistant's artifactPlan.recordingEnabled goes before this.",
    },
    Key {
        name: "journal.enabled",
        kind: Kind::Flag,
        preset: Value("true"),
        about: "Keep each call's journal, which `causerie replay` runs again. It holds the words \
                of both sides.",
    },
    Key {
        name: "storage.bucket",
        kind: Kind::Text,
        preset: Unset { example: "causerie" },
        about: "Where files that are sent to the API are kept: a bucket of Amazon S3, or of a \
                service that speaks its protocol. Unset: the folder objects in data_dir.",
    },
    Key {
        name: "storage.endpoint",
        kind: Kind::Url,
        preset: Unset { example: "https://s3.fr-par.scw.cloud" },
        about: "The bucket's service. Unset: Amazon's.",
    },
    Key {
        name: "storage.region",
        kind: Kind::Text,
        preset: Value("us-east-1"),
        about: "The bucket's region.",
    },
    Key {
        name: "storage.access_key_id",
        kind: Kind::Text,
        preset: Unset { example: "AKIAIOSFODNN7EXAMPLE" },
        about: "The name of the key for the bucket. Unset: what the machine itself is allowed.",
    },
    Key {
        name: "storage.secret_access_key",
        kind: Kind::Secret,
        preset: Unset { example: "wJalrXUtnFEMI/K7MDENG" },
        about: "The key for the bucket. Better given in the environment than in a file.",
    },
    Key {
        name: "transcriber.provider",
        kind: Kind::Choice(TranscriberProvider::NAMES),
        preset: Value("moonshine"),
        about: "Who hears the caller, where the assistant does not say.",
    },
    Key {
        name: "transcriber.model",
        kind: Kind::Text,
        preset: Unset { example: "moonshine-tiny-en" },
        about: "The model. moonshine and sherpa-onnx: an id of `causerie models list`, or the path \
                of a folder with the files the provider needs. deepgram: its name. Unset: \
                moonshine-tiny-en, or nova-3 for deepgram.",
    },
    Key {
        name: "transcriber.base_url",
        kind: Kind::Url,
        preset: Value(asr::deepgram::BASE_URL),
        about: "deepgram: the server. `/v1/listen` is appended, and https becomes wss.",
    },
    Key {
        name: "transcriber.api_key",
        kind: Kind::Secret,
        preset: Unset { example: "0123456789abcdef" },
        about: "deepgram: the key. Better given in the environment than in a file. Unset: none is \
                sent.",
    },
    Key {
        name: "transcriber.turn_model",
        kind: Kind::Flag,
        preset: Value("true"),
        about: "Ask the Smart Turn model at each pause whether the caller has finished.",
    },
    Key {
        name: "transcriber.stand_in",
        kind: Kind::Flag,
        preset: Value("false"),
        about: "Take the place of a transcriber that an assistant names and that is not here. Off: \
                its calls are refused.",
    },
    Key {
        name: "voice.provider",
        kind: Kind::Choice(VoiceProvider::NAMES),
        preset: Value("auto"),
        about: "Who speaks, where the assistant does not say. auto: flite for English, espeak-ng \
                for every other language.",
    },
    Key {
        name: "voice.voice",
        kind: Kind::Text,
        preset: Unset { example: "slt" },
        about: "The provider's name for the voice. Unset: its own choice for the language.",
    },
    Key {
        name: "voice.model",
        kind: Kind::Text,
        preset: Unset { example: "voices/fr_FR-siwis-medium" },
        about: "sherpa-onnx: the path of a folder with a Piper, Kokoro or Matcha voice. cartesia: \
                the name of its model. Unset: sonic-3.5 for cartesia.",
    },
    Key {
        name: "voice.base_url",
        kind: Kind::Url,
        preset: Value(tts::cartesia::BASE_URL),
        about: "cartesia: the server. `/tts/websocket` is appended, and https becomes wss.",
    },
    Key {
        name: "voice.api_key",
        kind: Kind::Secret,
        preset: Unset { example: "sk_car_..." },
        about: "cartesia: the key. Better given in the environment than in a file. Unset: none is \
                sent.",
    },
    Key {
        name: "voice.processes",
        kind: Kind::Integer(1..=256),
        preset: Value("8"),
        about: "flite and espeak-ng: how many may run at once. A phrase beyond that waits.",
    },
    Key {
        name: "voice.cache_mb",
        kind: Kind::Integer(0..=65_536),
        preset: Value("64"),
        about: "Memory for the audio of phrases that repeat, for all calls together: greetings, \
                fillers, farewells. An assistant's voice.cachingEnabled may be false. 0: none.",
    },
    Key {
        name: "voice.stand_in",
        kind: Kind::Flag,
        preset: Value("false"),
        about: "Take the place of a voice that an assistant names and that is not here. Off: its \
                calls are refused.",
    },
    Key {
        name: "model.provider",
        kind: Kind::Choice(ModelProvider::NAMES),
        preset: Value("scripted"),
        about: "Who writes the replies, where the assistant does not say. openai: any server that \
                speaks OpenAI's chat completions. scripted: a dialogue from a file, with no \
                account and no key.",
    },
    Key {
        name: "model.name",
        kind: Kind::Text,
        preset: Value("gpt-4o-mini"),
        about: "openai: the model.",
    },
    Key {
        name: "model.base_url",
        kind: Kind::Url,
        preset: Value("https://api.openai.com/v1"),
        about: "openai: the server. `/chat/completions` is appended.",
    },
    Key {
        name: "model.api_key",
        kind: Kind::Secret,
        preset: Unset { example: "sk-..." },
        about: "openai: the key. Better given in the environment than in a file. Unset: none is \
                sent, as local servers like it.",
    },
    Key {
        name: "model.dialogue",
        kind: Kind::Path,
        preset: Unset { example: "dialogue.yaml" },
        about: "scripted: the dialogue. Unset: the built-in one of the demo.",
    },
    Key {
        name: "model.stand_in",
        kind: Kind::Flag,
        preset: Value("false"),
        about: "Take the place of a model that an assistant names and that is not here, or is not \
                the configured provider's. Off: its calls are refused.",
    },
    Key {
        name: "runtime.worker_threads",
        kind: Kind::Integer(0..=1024),
        preset: Value("0"),
        about: "Threads that run calls. 0: one for each core.",
    },
    Key {
        name: "runtime.decode_threads",
        kind: Kind::Integer(0..=1024),
        preset: Value("0"),
        about: "Threads that run speech recognition, at low priority. 0: one for each two cores.",
    },
    Key {
        name: "runtime.worker_cores",
        kind: Kind::Text,
        preset: Unset { example: "0-3" },
        about: "Cores for the threads that run calls, each pinned to one of them: numbers and \
                ranges, as in 0-3,6. Worth it where nothing else runs on those cores. Unset: the \
                system places them.",
    },
    Key {
        name: "runtime.inference_cores",
        kind: Kind::Text,
        preset: Unset { example: "4-7" },
        about: "Cores for the threads of local models (voice activity, turn model, recognition, \
                voices), which move among them. Unset: those that the process has.",
    },
    Key {
        name: "log.filter",
        kind: Kind::Text,
        preset: Value("info"),
        about: "What is logged, as tracing's EnvFilter reads it: info, or info,engine=debug. What \
                callers say is logged at trace only, secrets never.",
    },
    Key {
        name: "log.format",
        kind: Kind::Choice(LogFormat::NAMES),
        preset: Value("text"),
        about: "Log lines for people, or JSON objects for machines. Both go to standard error.",
    },
];

impl Key {
    /// The key called `name`.
    pub(super) fn find(name: &str) -> Option<&'static Self> {
        KEYS.iter().find(|key| key.name == name)
    }

    /// The environment variable that sets it: `CAUSERIE_TWILIO_LEAD_MS`.
    pub(super) fn variable(&self) -> String {
        format!("CAUSERIE_{}", self.name.replace('.', "_").to_uppercase())
    }

    /// Its table, and its name in there.
    pub(super) fn table_and_name(&self) -> (Option<&'static str>, &'static str) {
        match self.name.split_once('.') {
            Some((table, name)) => (Some(table), name),
            None => (None, self.name),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_and_variables_are_unique() {
        let names: BTreeSet<_> = KEYS.iter().map(|key| key.name).collect();
        let variables: BTreeSet<_> = KEYS.iter().map(Key::variable).collect();
        assert_eq!(names.len(), KEYS.len());
        assert_eq!(variables.len(), KEYS.len(), "two keys share a variable");
        assert!(!variables.contains("CAUSERIE_CONFIG"), "taken by --config");
    }

    #[test]
    fn the_keys_of_a_table_stand_together() {
        let mut seen = BTreeSet::new();
        let mut last = None;
        for key in KEYS {
            let table = key.table_and_name().0;
            assert!(table == last || seen.insert(table), "{} stands apart", key.name);
            last = table;
        }
    }
}
