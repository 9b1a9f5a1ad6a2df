//! What we send to Twilio: `media`, `mark` and `clear` frames, written straight into one buffer.
//!
//! Each frame is split off that buffer and handed to the WebSocket, which copies it into its own
//! write buffer and lets go of it; the next frame reclaims the space. So after warm-up a frame
//! costs no allocation of ours. The library's: its write buffer, which grows once.

use std::fmt::{self, Write as _};

use axum::extract::ws::Utf8Bytes;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{Bytes, BytesMut};
use turntaking::input::TurnId;

/// Room for a few `media` frames of 100 ms (1,068 characters of base64).
const BUFFER: usize = 4 * 1_024;

/// Why writing to the buffer does not fail.
const GROWS: &str = "a BytesMut grows";

/// Names a position of a reply, so that a mark that comes back says what it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MarkName {
    /// The reply.
    pub turn: TurnId,
    /// One past the last sample before the mark.
    pub until: u64,
    /// How many clears came before it: after one, the same position may be sent again.
    pub clears: u32,
}

impl MarkName {
    /// Reads the name back; `None` for a mark that is not ours.
    pub fn parse(name: &str) -> Option<Self> {
        let mut parts = name.strip_prefix('t')?.split('.');
        let turn = TurnId(parts.next()?.parse().ok()?);
        let until = parts.next()?.parse().ok()?;
        let clears = parts.next()?.parse().ok()?;
        parts.next().is_none().then_some(Self { turn, until, clears })
    }
}

impl fmt::Display for MarkName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "t{}.{}.{}", self.turn.0, self.until, self.clears)
    }
}

/// Writes the frames of one stream.
#[derive(Debug)]
pub struct FrameWriter {
    /// The stream's sid as a JSON string, quotes and escapes included.
    stream_sid: String,
    buffer: BytesMut,
}

impl FrameWriter {
    /// For the stream `stream_sid`.
    pub fn new(stream_sid: &str) -> Self {
        Self {
            stream_sid: serde_json::Value::from(stream_sid).to_string(),
            buffer: BytesMut::with_capacity(BUFFER),
        }
    }

    /// Audio: µ-law at 8 kHz, without a header, of any length.
    pub fn media(&mut self, payload: &[u8]) -> Utf8Bytes {
        write!(
            self.buffer,
            r#"{{"event":"media","streamSid":{},"media":{{"payload":""#,
            self.stream_sid
        )
        .expect(GROWS);
        let start = self.buffer.len();
        self.buffer.resize(start + payload.len().div_ceil(3) * 4, 0);
        STANDARD
            .encode_slice(payload, &mut self.buffer[start..])
            .expect("four characters for each three bytes begun");
        self.buffer.extend_from_slice(br#""}}"#);
        self.take()
    }

    /// A mark behind everything sent so far.
    pub fn mark(&mut self, name: MarkName) -> Utf8Bytes {
        write!(
            self.buffer,
            r#"{{"event":"mark","streamSid":{},"mark":{{"name":"{name}"}}}}"#,
            self.stream_sid
        )
        .expect(GROWS);
        self.take()
    }

    /// Drops what has not been played.
    pub fn clear(&mut self) -> Utf8Bytes {
        write!(self.buffer, r#"{{"event":"clear","streamSid":{}}}"#, self.stream_sid).expect(GROWS);
        self.take()
    }

    /// The payload of a ping.
    pub fn ping(&mut self, payload: [u8; 8]) -> Bytes {
        self.buffer.extend_from_slice(&payload);
        self.buffer.split().freeze()
    }

    fn take(&mut self) -> Utf8Bytes {
        Utf8Bytes::try_from(self.buffer.split().freeze()).expect("ASCII, and the sid is UTF-8")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(frame: Utf8Bytes) -> serde_json::Value {
        serde_json::from_str(frame.as_str()).expect("JSON")
    }

    #[test]
    fn frames_have_twilios_shape() {
        let mut writer = FrameWriter::new("MZ\"1");
        for length in [0, 1, 2, 3, 160] {
            let payload: Vec<u8> = (0..length).map(|byte| byte as u8).collect();
            assert_eq!(
                read(writer.media(&payload)),
                json!({"event": "media", "streamSid": "MZ\"1",
                       "media": {"payload": STANDARD.encode(&payload)}})
            );
        }
        let name = MarkName { turn: TurnId(3), until: 1_600, clears: 2 };
        assert_eq!(
            read(writer.mark(name)),
            json!({"event": "mark", "streamSid": "MZ\"1", "mark": {"name": "t3.1600.2"}})
        );
        assert_eq!(read(writer.clear()), json!({"event": "clear", "streamSid": "MZ\"1"}));
    }

    #[test]
    fn names_read_back_and_foreign_ones_do_not() {
        let name = MarkName { turn: TurnId(u32::MAX), until: u64::MAX, clears: 7 };
        assert_eq!(MarkName::parse(&name.to_string()), Some(name));
        for foreign in ["", "t", "t1", "t1.2", "t1.2.3.4", "1.2.3", "t-1.2.3", "intro", "t1.2.x"] {
            assert_eq!(MarkName::parse(foreign), None, "{foreign:?}");
        }
    }

    #[test]
    fn the_buffer_is_reclaimed_once_a_frame_was_let_go() {
        let mut writer = FrameWriter::new("MZ1");
        let first = writer.media(&[0xff; 160]);
        let place = first.as_str().as_ptr();
        drop(first);
        let mut reused = false;
        for _ in 0..64 {
            let frame = writer.media(&[0xff; 160]);
            reused |= std::ptr::eq(frame.as_str().as_ptr(), place);
        }
        assert!(reused, "the buffer was never reused");
    }
}
