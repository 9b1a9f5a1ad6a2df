//! What Twilio sends: JSON text frames, read without a tree and, on the hot path, without a copy.
//!
//! Shapes follow Twilio's page "Media Streams - WebSocket Messages" (read November 2026). Numbers
//! come as strings there; numbers proper are taken too, since test carriers send them.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, Visitor};

/// One frame from Twilio.
#[derive(Debug)]
pub enum Inbound<'a> {
    /// The socket speaks the Media Streams protocol.
    Connected,
    /// The stream's description. Boxed: it comes once, media comes 50 times a second.
    Start(Box<StartInfo>),
    /// 20 ms, usually, of the caller.
    Media(Media<'a>),
    /// A key of the caller's keypad.
    Digit(char),
    /// A mark of ours comes back.
    Mark(Cow<'a, str>),
    /// The call is over.
    Stop,
    /// An event this version does not know; to be counted.
    Unknown,
}

/// Audio of one track.
#[derive(Debug)]
pub struct Media<'a> {
    /// The caller's track. `<Connect>` streams have no other.
    pub inbound: bool,
    /// Counts the frames of this track from 1, where the carrier sends it.
    pub chunk: Option<u64>,
    /// Of the first sample, in ms since the stream began.
    pub timestamp_ms: u64,
    /// µ-law samples in base64.
    pub payload: Cow<'a, str>,
}

/// What Twilio says of a stream when it starts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StartInfo {
    /// Names this stream in every frame we send.
    pub stream_sid: String,
    /// Names the call, as in the webhook's `CallSid`.
    pub call_sid: String,
    /// The account the call belongs to.
    pub account_sid: String,
    /// The `<Parameter>`s of our TwiML.
    pub custom_parameters: BTreeMap<String, String>,
    /// The encoding of both directions.
    pub media_format: MediaFormat,
}

/// The encoding of a stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MediaFormat {
    /// A media type; Twilio sends `audio/x-mulaw`.
    pub encoding: String,
    /// In Hz; Twilio sends 8000.
    pub sample_rate: u64,
    /// Twilio sends 1.
    pub channels: u64,
}

impl MediaFormat {
    /// µ-law at 8 kHz, one channel: the only format Twilio has, and the only one we take.
    pub fn is_supported(&self) -> bool {
        self.encoding.eq_ignore_ascii_case("audio/x-mulaw")
            && self.sample_rate == 8_000
            && self.channels == 1
    }
}

/// A frame that could not be read.
#[derive(Debug, thiserror::Error)]
pub enum MessageError {
    /// Not JSON, or a field of the wrong type.
    #[error("not a Media Streams frame: {0}")]
    Json(#[from] serde_json::Error),
    /// The event's own object is not there.
    #[error("`{event}` frame without `{field}`")]
    Missing {
        /// The event.
        event: &'static str,
        /// What it lacks.
        field: &'static str,
    },
    /// A key that no keypad has.
    #[error("`dtmf.digit` is {0:?}, not one of 0-9 * # A-D")]
    Digit(String),
}

/// Reads one text frame.
///
/// # Errors
///
/// Where the text is not JSON or lacks what its event needs.
pub fn parse(text: &str) -> Result<Inbound<'_>, MessageError> {
    let frame: Frame<'_> = serde_json::from_str(text)?;
    let missing = |event, field| MessageError::Missing { event, field };
    Ok(match frame.event.0.as_ref() {
        "media" => {
            let media = frame.media.ok_or_else(|| missing("media", "media"))?;
            Inbound::Media(Media {
                inbound: media.track.is_none_or(|track| track.0 == "inbound"),
                chunk: media.chunk.map(|chunk| chunk.0),
                timestamp_ms: media.timestamp.ok_or_else(|| missing("media", "media.timestamp"))?.0,
                payload: media.payload.ok_or_else(|| missing("media", "media.payload"))?.0,
            })
        }
        "mark" => Inbound::Mark(frame.mark.ok_or_else(|| missing("mark", "mark"))?.name.0),
        "dtmf" => {
            Inbound::Digit(digit(&frame.dtmf.ok_or_else(|| missing("dtmf", "dtmf"))?.digit.0)?)
        }
        "start" => Inbound::Start(Box::new(parse_start(text)?)),
        "connected" => Inbound::Connected,
        "stop" => Inbound::Stop,
        _ => Inbound::Unknown,
    })
}

fn digit(text: &str) -> Result<char, MessageError> {
    let mut chars = text.chars();
    match (chars.next().map(|digit| digit.to_ascii_uppercase()), chars.next()) {
        (Some(digit @ ('0'..='9' | '*' | '#' | 'A'..='D')), None) => Ok(digit),
        _ => Err(MessageError::Digit(text.chars().take(16).collect())),
    }
}

/// The cold path: once per call.
fn parse_start(text: &str) -> Result<StartInfo, MessageError> {
    let frame: StartFrame = serde_json::from_str(text)?;
    let missing = |field| MessageError::Missing { event: "start", field };
    let start = frame.start.ok_or_else(|| missing("start"))?;
    let format = start.media_format.ok_or_else(|| missing("start.mediaFormat"))?;
    Ok(StartInfo {
        stream_sid: frame.stream_sid.or(start.stream_sid).ok_or_else(|| missing("streamSid"))?,
        call_sid: start.call_sid.ok_or_else(|| missing("start.callSid"))?,
        account_sid: start.account_sid.unwrap_or_default(),
        custom_parameters: start.custom_parameters.unwrap_or_default(),
        media_format: MediaFormat {
            encoding: format.encoding,
            sample_rate: format.sample_rate.0,
            channels: format.channels.map_or(1, |channels| channels.0),
        },
    })
}

#[derive(serde::Deserialize)]
struct Frame<'a> {
    #[serde(borrow)]
    event: Text<'a>,
    #[serde(borrow)]
    media: Option<MediaBody<'a>>,
    #[serde(borrow)]
    mark: Option<MarkBody<'a>>,
    #[serde(borrow)]
    dtmf: Option<DtmfBody<'a>>,
}

#[derive(serde::Deserialize)]
struct MediaBody<'a> {
    #[serde(borrow)]
    track: Option<Text<'a>>,
    chunk: Option<Number>,
    timestamp: Option<Number>,
    #[serde(borrow)]
    payload: Option<Text<'a>>,
}

#[derive(serde::Deserialize)]
struct MarkBody<'a> {
    #[serde(borrow)]
    name: Text<'a>,
}

#[derive(serde::Deserialize)]
struct DtmfBody<'a> {
    #[serde(borrow)]
    digit: Text<'a>,
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct StartFrame {
    stream_sid: Option<String>,
    start: Option<StartBody>,
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct StartBody {
    stream_sid: Option<String>,
    call_sid: Option<String>,
    account_sid: Option<String>,
    custom_parameters: Option<BTreeMap<String, String>>,
    media_format: Option<FormatBody>,
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct FormatBody {
    encoding: String,
    sample_rate: Number,
    channels: Option<Number>,
}

/// Text, borrowed from the frame unless it holds an escape. A type of its own because serde
/// borrows a bare `Cow` only, not one inside an `Option`.
#[derive(serde::Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// A whole number, written as a number or as a string.
struct Number(u64);

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NumberVisitor;

        impl Visitor<'_> for NumberVisitor {
            type Value = Number;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a whole number, or one in a string")
            }

            fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<Number, E> {
                Ok(Number(value))
            }

            fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<Number, E> {
                u64::try_from(value).map(Number).map_err(|_| E::custom("a negative number"))
            }

            fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Number, E> {
                // Saturates, and is never NaN: JSON has none.
                if value >= 0.0 { Ok(Number(value as u64)) } else { Err(E::custom("negative")) }
            }

            fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<Number, E> {
                value.trim().parse().map(Number).map_err(E::custom)
            }
        }

        deserializer.deserialize_any(NumberVisitor).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn media(text: &str) -> Media<'_> {
        match parse(text) {
            Ok(Inbound::Media(media)) => media,
            other => panic!("expected media, got {other:?}"),
        }
    }

    #[test]
    fn media_is_borrowed_and_its_numbers_are_strings() {
        let frame = media(
            r#"{"event":"media","sequenceNumber":"4","media":{"track":"inbound","chunk":"2",
                "timestamp":"40","payload":"/////w=="},"streamSid":"MZ1"}"#,
        );
        assert!(frame.inbound);
        assert_eq!((frame.chunk, frame.timestamp_ms), (Some(2), 40));
        assert!(matches!(frame.payload, Cow::Borrowed("/////w==")));
    }

    #[test]
    fn numbers_proper_and_escapes_are_taken_too() {
        let frame =
            media(r#"{"event":"media","media":{"chunk":7,"timestamp":140.0,"payload":"\/w=="}}"#);
        assert!(frame.inbound);
        assert_eq!((frame.chunk, frame.timestamp_ms), (Some(7), 140));
        assert_eq!(frame.payload, "/w==");
    }

    #[test]
    fn start_carries_the_call_and_its_parameters() {
        let parsed = parse(
            r#"{"event":"start","sequenceNumber":"1","start":{"accountSid":"AC1","streamSid":"MZ1",
                "callSid":"CA1","tracks":["inbound"],"mediaFormat":{"encoding":"audio/x-mulaw",
                "sampleRate":8000,"channels":1},"customParameters":{"token":"a\"b","empty":""}},
                "streamSid":"MZ1"}"#,
        );
        let Ok(Inbound::Start(start)) = parsed else { panic!("expected start, got {parsed:?}") };
        assert_eq!((start.stream_sid.as_str(), start.call_sid.as_str()), ("MZ1", "CA1"));
        assert_eq!(start.custom_parameters["token"], "a\"b");
        assert!(start.media_format.is_supported());
        let wide = MediaFormat { sample_rate: 16_000, ..start.media_format };
        assert!(!wide.is_supported());
    }

    #[test]
    fn control_frames() {
        let mark = parse(r#"{"event":"mark","streamSid":"MZ","mark":{"name":"t1.800.0"}}"#);
        assert!(matches!(mark, Ok(Inbound::Mark(name)) if name == "t1.800.0"));
        let digit = parse(r##"{"event":"dtmf","dtmf":{"track":"inbound_track","digit":"#"}}"##);
        assert!(matches!(digit, Ok(Inbound::Digit('#'))));
        assert!(matches!(parse(r#"{"event":"stop","stop":{}}"#), Ok(Inbound::Stop)));
        assert!(matches!(parse(r#"{"event":"connected"}"#), Ok(Inbound::Connected)));
        assert!(matches!(parse(r#"{"event":"tomorrow","x":[1]}"#), Ok(Inbound::Unknown)));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let error = |text| parse(text).map(drop).expect_err("malformed").to_string();
        assert!(error(r#"{"event":"media"}"#).contains("without `media`"));
        assert!(error(r#"{"event":"media","media":{"timestamp":"0"}}"#).contains("media.payload"));
        assert!(error(r#"{"event":"media","media":{"payload":""}}"#).contains("media.timestamp"));
        assert!(error(r#"{"event":"start"}"#).contains("`start`"));
        assert!(error(r#"{"event":"dtmf","dtmf":{"digit":"12"}}"#).contains("dtmf.digit"));
        assert!(
            error(r#"{"event":"media","media":{"timestamp":"-1","payload":""}}"#).contains("digit")
        );
        for text in ["", "{", "[]", "null", "\u{0}", r#"{"event":5}"#, r#"{"media":{}}"#] {
            assert!(parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn no_change_of_a_frame_panics() {
        let frames = [
            r#"{"event":"media","media":{"track":"inbound","chunk":"2","timestamp":"40","payload":"é"}}"#,
            r#"{"event":"start","start":{"callSid":"CA","mediaFormat":{"encoding":"audio/x-mulaw","sampleRate":8000}},"streamSid":"MZ"}"#,
            r##"{"event":"dtmf","dtmf":{"digit":"#"}}"##,
            r#"{"event":"mark","mark":{"name":"\u00e9"}}"#,
        ];
        let mut read = 0;
        for frame in frames {
            let chars: Vec<char> = frame.chars().collect();
            for at in 0..chars.len() {
                for change in ["", "\"", "{", "}", "\\", "-", "9", "e9", "null", "\u{0}", "🦀"] {
                    let head: String = chars[..at].iter().collect();
                    let tail: String = chars[at + 1..].iter().collect();
                    read += u32::from(parse(&format!("{head}{change}{tail}")).is_ok());
                    assert!(parse(&head).is_err(), "a frame cut short: {head}");
                }
            }
        }
        assert!(read > 100, "most changes to names and values are harmless");
    }
}
