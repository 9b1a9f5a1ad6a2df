//! Cartesia's messages.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::CartesiaConfig;

/// What Sonic 3 speaks ("Sonic 3", read 2026-11-21).
const LANGUAGES: &[&str] = &[
    "ar", "bg", "bn", "cs", "da", "de", "el", "en", "es", "fi", "fr", "gu", "he", "hi", "hr", "hu",
    "id", "it", "ja", "ka", "kn", "ko", "ml", "mr", "ms", "nl", "no", "pa", "pl", "pt", "ro", "ru",
    "sk", "sv", "ta", "te", "th", "tl", "tr", "uk", "vi", "zh",
];

/// The service's word for a BCP 47 tag; `None`: it does not speak that.
pub(super) fn language(tag: &str) -> Option<&'static str> {
    let primary = tag.split(['-', '_']).next().unwrap_or_default();
    LANGUAGES.iter().find(|known| known.eq_ignore_ascii_case(primary)).copied()
}

/// Whether `text` may be a voice: they are UUIDs.
pub(super) fn is_voice_id(text: &str) -> bool {
    let dashes = [8, 13, 18, 23];
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| {
            if dashes.contains(&at) { byte == b'-' } else { byte.is_ascii_hexdigit() }
        })
}

/// What every request of a reply says.
#[derive(Debug)]
pub(super) struct Template {
    model: String,
    voice: String,
    language: &'static str,
    hz: u32,
    speed: f32,
}

impl Template {
    pub(super) fn new(
        config: &CartesiaConfig,
        voice: &str,
        language: &'static str,
        speed: f32,
    ) -> Self {
        let model = config.model.clone();
        // The service's own bounds.
        let speed = speed.clamp(0.6, 1.5);
        Self { model, voice: voice.to_owned(), language, hz: config.rate.hz(), speed }
    }

    /// A request for `text` in `context`, which `goes_on` after it.
    pub(super) fn request(&self, context: &str, text: &str, goes_on: bool) -> String {
        let request = Request {
            model_id: &self.model,
            transcript: text,
            voice: RequestVoice { mode: "id", id: &self.voice },
            language: self.language,
            context_id: context,
            output_format: OutputFormat {
                container: "raw",
                encoding: "pcm_s16le",
                sample_rate: self.hz,
            },
            add_timestamps: true,
            goes_on,
            max_buffer_delay_ms: 0,
            generation_config: Generation { speed: self.speed },
        };
        serde_json::to_string(&request).unwrap_or_default()
    }
}

/// Gives a context up.
pub(super) fn cancel(context: &str) -> String {
    serde_json::json!({"context_id": context, "cancel": true}).to_string()
}

#[derive(Serialize)]
struct Request<'a> {
    model_id: &'a str,
    transcript: &'a str,
    voice: RequestVoice<'a>,
    language: &'a str,
    context_id: &'a str,
    output_format: OutputFormat,
    add_timestamps: bool,
    #[serde(rename = "continue")]
    goes_on: bool,
    max_buffer_delay_ms: u32,
    generation_config: Generation,
}

#[derive(Serialize)]
struct RequestVoice<'a> {
    mode: &'static str,
    id: &'a str,
}

#[derive(Serialize)]
struct OutputFormat {
    container: &'static str,
    encoding: &'static str,
    sample_rate: u32,
}

#[derive(Serialize)]
struct Generation {
    speed: f32,
}

/// A word and its seconds, after the context's first sample.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct TimedWord {
    pub(super) text: String,
    pub(super) start: f64,
    pub(super) end: f64,
}

/// What the service says of a context.
#[derive(Debug, PartialEq)]
pub(super) enum Message {
    Audio(Vec<i16>),
    Words(Vec<TimedWord>),
    Done,
    /// In its own words.
    Error(String),
    /// Nothing that we asked for.
    Other,
}

/// Reads a message: its context, and what it says; `None` where it makes no sense.
pub(super) fn read(text: &str) -> Option<(Cow<'_, str>, Message)> {
    let wire: WireMessage<'_> = serde_json::from_str(text).ok()?;
    let message = match &*wire.kind {
        "chunk" => {
            let bytes = STANDARD.decode(wire.data?.as_bytes()).ok()?;
            let sample = |pair: &[u8]| i16::from_le_bytes([pair[0], pair[1]]);
            Message::Audio(bytes.chunks_exact(2).map(sample).collect())
        }
        "timestamps" => {
            let words = wire.word_timestamps?;
            let times = words.start.into_iter().zip(words.end);
            let timed = |(text, (start, end)): (String, (f64, f64))| TimedWord { text, start, end };
            Message::Words(words.words.into_iter().zip(times).map(timed).collect())
        }
        "done" => Message::Done,
        "error" => {
            let parts = [wire.title, wire.message, wire.error];
            let said: Vec<&str> = parts.iter().flatten().map(|part| &**part).collect();
            Message::Error(said.join(": ").chars().take(200).collect())
        }
        _ => Message::Other,
    };
    Some((wire.context_id.unwrap_or_default(), message))
}

#[derive(Deserialize)]
struct WireMessage<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    context_id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    data: Option<Cow<'a, str>>,
    word_timestamps: Option<WireWords>,
    #[serde(borrow)]
    title: Option<Cow<'a, str>>,
    #[serde(borrow)]
    message: Option<Cow<'a, str>>,
    #[serde(borrow)]
    error: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct WireWords {
    words: Vec<String>,
    start: Vec<f64>,
    end: Vec<f64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_says_what_the_service_wants_to_know() {
        let template = Template::new(&CartesiaConfig::default(), super::super::VOICE, "fr", 4.0);
        let request: serde_json::Value =
            serde_json::from_str(&template.request("7.0", " Bonjour \"vous\"", true))
                .expect("it is JSON");
        assert_eq!(request["transcript"], " Bonjour \"vous\"");
        assert_eq!(request["context_id"], "7.0");
        assert_eq!(request["continue"], true);
        assert_eq!(request["voice"]["mode"], "id");
        assert_eq!(request["language"], "fr");
        assert_eq!(request["output_format"]["sample_rate"], 8_000);
        assert_eq!(request["generation_config"]["speed"], 1.5);
    }

    #[test]
    fn messages_are_read() {
        let chunk = r#"{"type":"chunk","context_id":"a","data":"AQD//w==","done":false}"#;
        assert_eq!(read(chunk), Some(("a".into(), Message::Audio(vec![1, -1]))));
        let words = r#"{"type":"timestamps","context_id":"a","word_timestamps":
            {"words":["Hi"],"start":[0.1],"end":[0.4]}}"#;
        let word = TimedWord { text: "Hi".to_owned(), start: 0.1, end: 0.4 };
        assert_eq!(read(words), Some(("a".into(), Message::Words(vec![word]))));
        let error = r#"{"type":"error","context_id":"a","title":"No","message":"voice"}"#;
        assert_eq!(read(error), Some(("a".into(), Message::Error("No: voice".to_owned()))));
        for nonsense in ["", "{}", "[]", r#"{"type":"chunk"}"#, r#"{"type":"chunk","data":"%"}"#] {
            assert_eq!(read(nonsense), None, "{nonsense}");
        }
    }

    #[test]
    fn voices_and_languages_are_known_by_their_form() {
        assert!(is_voice_id(super::super::VOICE));
        assert!(!is_voice_id("missing"));
        assert_eq!(language("fr-FR"), Some("fr"));
        assert_eq!(language("xx"), None);
    }
}
