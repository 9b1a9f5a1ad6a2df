//! Deepgram's messages.

use codecs::SampleRate;
use serde::Deserialize;

/// Keeps a connection open through which nothing goes; it is closed after 10 s otherwise.
pub(super) const KEEP_ALIVE: &str = r#"{"type":"KeepAlive"}"#;

/// Asks for the final words of what was sent.
pub(super) const FINALIZE: &str = r#"{"type":"Finalize"}"#;

/// Says that no more audio comes.
pub(super) const CLOSE_STREAM: &str = r#"{"type":"CloseStream"}"#;

/// What Nova-3 streams ("Models & Languages Overview", read 2026-11-21). `multi` is not of BCP 47.
const NOVA_3: &[&str] = &[
    "ar", "be", "bg", "bn", "bs", "ca", "cs", "da", "de", "el", "en", "es", "et", "fa", "fi", "fr",
    "he", "hi", "hr", "hu", "id", "it", "ja", "kn", "ko", "lt", "lv", "mk", "mr", "ms", "nl", "no",
    "pl", "pt", "ro", "ru", "sk", "sl", "sr", "sv", "ta", "te", "th", "tl", "tr", "uk", "ur", "vi",
    "zh",
];

/// The primary languages that `model` hears. A model we do not know of hears any we know.
pub(super) fn languages(model: &str) -> &'static [&'static str] {
    match model {
        "nova-3-medical" | "nova-2-phonecall" | "nova-2-medical" | "nova-2-voicemail" => &["en"],
        _ => NOVA_3,
    }
}

/// The query of a connection. Words come as they are written, with punctuation; numbers stay words
/// (`smart_format` may hold words back until a number is complete, and the Floor writes numbers
/// itself).
pub(super) fn query(model: &str, language: &str, rate: SampleRate) -> String {
    let plain = |text: &str| -> String {
        text.chars().filter(|c| c.is_ascii_alphanumeric() || "-_.".contains(*c)).collect()
    };
    format!(
        "model={}&language={}&encoding=linear16&sample_rate={}&channels=1&interim_results=true\
         &punctuate=true&endpointing=false",
        plain(model),
        plain(language),
        rate.hz(),
    )
}

/// A word, in samples of the stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct HeardWord {
    pub(super) text: String,
    pub(super) start: u64,
    pub(super) end: u64,
}

/// What was heard in a stretch of the stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Heard {
    /// It will not change, and the next begins where it ends.
    pub(super) is_final: bool,
    /// It answers `Finalize`.
    pub(super) from_finalize: bool,
    /// One past the last sample.
    pub(super) until: u64,
    pub(super) words: Vec<HeardWord>,
}

/// A message of the service.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Message {
    Heard(Heard),
    /// It ends the connection.
    Error(String),
    /// Nothing that we asked for: metadata, and whatever may come to be.
    Other,
}

/// Reads a message of a stream at `rate`; `None` where it makes no sense.
pub(super) fn read(text: &str, rate: SampleRate) -> Option<Message> {
    let wire: WireMessage<'_> = serde_json::from_str(text).ok()?;
    let samples = |seconds: f64| (seconds.max(0.0) * f64::from(rate.hz())).round() as u64;
    match wire.kind {
        "Results" => {}
        "Error" => {
            let text = wire.description.or(wire.message).unwrap_or("no reason given");
            return Some(Message::Error(text.chars().take(200).collect()));
        }
        _ => return Some(Message::Other),
    }
    let until = samples(wire.start + wire.duration);
    let best = wire.channel.and_then(|channel| channel.alternatives.into_iter().next());
    let words = best.map(|best| best.words).unwrap_or_default();
    let words = words.into_iter().map(|word| HeardWord {
        text: word.punctuated_word.unwrap_or(word.word),
        start: samples(word.start),
        end: samples(word.end).max(samples(word.start)),
    });
    Some(Message::Heard(Heard {
        is_final: wire.is_final,
        from_finalize: wire.from_finalize,
        until,
        words: words.collect(),
    }))
}

#[derive(Deserialize)]
struct WireMessage<'a> {
    #[serde(rename = "type", borrow)]
    kind: &'a str,
    #[serde(default)]
    start: f64,
    #[serde(default)]
    duration: f64,
    #[serde(default)]
    is_final: bool,
    #[serde(default)]
    from_finalize: bool,
    // An object here; `channel` of other kinds of message is not read.
    channel: Option<WireChannel>,
    #[serde(borrow)]
    description: Option<&'a str>,
    #[serde(borrow)]
    message: Option<&'a str>,
}

#[derive(Deserialize)]
struct WireChannel {
    #[serde(default)]
    alternatives: Vec<WireAlternative>,
}

#[derive(Deserialize)]
struct WireAlternative {
    #[serde(default)]
    words: Vec<WireWord>,
}

#[derive(Deserialize)]
struct WireWord {
    word: String,
    punctuated_word: Option<String>,
    start: f64,
    end: f64,
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: SampleRate = SampleRate::HZ_8000;

    #[test]
    fn results_are_read_in_samples() {
        let text = r#"{"type":"Results","channel_index":[0,1],"duration":1.5,"start":2.0,
            "is_final":true,"speech_final":false,"from_finalize":true,"channel":{"alternatives":
            [{"transcript":"Hi, you","confidence":0.9,"words":[
            {"word":"hi","start":2.1,"end":2.3,"confidence":1,"punctuated_word":"Hi,"},
            {"word":"you","start":2.4,"end":2.8,"confidence":1}]}]},"metadata":{}}"#;
        let Some(Message::Heard(heard)) = read(text, RATE) else { panic!("results") };
        assert!(heard.is_final && heard.from_finalize);
        assert_eq!(heard.until, 28_000);
        let word = |text: &str, start, end| HeardWord { text: text.to_owned(), start, end };
        assert_eq!(heard.words, [word("Hi,", 16_800, 18_400), word("you", 19_200, 22_400)]);
    }

    #[test]
    fn what_is_unknown_is_passed_over_and_nonsense_told() {
        assert_eq!(read(r#"{"type":"Metadata","duration":1.0}"#, RATE), Some(Message::Other));
        let error = r#"{"type":"Error","description":"out of credit","message":"x"}"#;
        assert_eq!(read(error, RATE), Some(Message::Error("out of credit".to_owned())));
        for nonsense in ["", "{}", "[]", "{\"type\":5}", "nul"] {
            assert_eq!(read(nonsense, RATE), None, "{nonsense}");
        }
        let odd = r#"{"type":"Results","start":-1,"duration":1e300,"channel":{}}"#;
        assert!(matches!(read(odd, RATE), Some(Message::Heard(_))));
    }

    #[test]
    fn nothing_foreign_gets_into_the_query() {
        let query = query("nova-3&callback=https://evil", "en-GB\n", RATE);
        assert!(query.starts_with("model=nova-3callbackhttpsevil&language=en-GB&"), "{query}");
        assert!(languages("nova-3").contains(&"fr"));
        assert!(!languages("nova-3-medical").contains(&"fr"));
    }
}
