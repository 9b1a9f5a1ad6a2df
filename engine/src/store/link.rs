//! URLs of recordings and files that need no key: whoever has one may listen and read.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac as _};
use sha2::Sha256;
use uuid::Uuid;
use wire::{MonoRecording, Recording};

use super::timestamp::Timestamp;
use crate::config::{PublicUrl, Secret};

/// Which form of a recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Track {
    /// The assistant alone.
    Assistant,
    /// Both sides on one channel.
    Combined,
    /// The caller alone.
    Customer,
    /// Caller left, assistant right.
    Stereo,
}

impl Track {
    /// The file's name in a URL.
    pub const fn file(self) -> &'static str {
        match self {
            Self::Assistant => "assistant.wav",
            Self::Combined => "mono.wav",
            Self::Customer => "customer.wav",
            Self::Stereo => "stereo.wav",
        }
    }

    /// The form whose file is called `name`.
    pub fn from_file(name: &str) -> Option<Self> {
        let all = [Self::Assistant, Self::Combined, Self::Customer, Self::Stereo];
        all.into_iter().find(|track| track.file() == name)
    }
}

/// What a file holds, in a URL.
const CONTENT: &str = "content";

/// What happened in a call, in a URL.
const LOG: &str = "call.jsonl";

/// Signs URLs, and knows its own again.
#[derive(Clone, Debug)]
pub struct Links {
    key: Secret,
    public_url: PublicUrl,
}

impl Links {
    /// Signs with `key`.
    pub const fn new(key: Secret, public_url: PublicUrl) -> Self {
        Self { key, public_url }
    }

    /// Where this form of the call's recording is. `expires`: until then; `None`: as long as the
    /// recording is kept, as Vapi's `recordingUrl`.
    pub fn recording(&self, call: Uuid, track: Track, expires: Option<Timestamp>) -> String {
        self.signed(&format!("/recording/{call}"), call, track.file(), expires)
    }

    /// Where what a file holds is, likewise.
    pub fn file(&self, file: Uuid, expires: Option<Timestamp>) -> String {
        self.signed(&format!("/file/{file}"), file, CONTENT, expires)
    }

    /// Where what happened in a call is told, likewise.
    pub fn log(&self, call: Uuid, expires: Option<Timestamp>) -> String {
        self.signed(&format!("/log/{call}"), call, LOG, expires)
    }

    fn signed(&self, folder: &str, id: Uuid, name: &str, expires: Option<Timestamp>) -> String {
        let expires = expires.map_or(0, |moment| moment.as_millis() / 1_000);
        let signature = URL_SAFE_NO_PAD.encode(self.mac(id, name, expires).finalize().into_bytes());
        let path = format!("{folder}/{name}?expires={expires}&signature={signature}");
        self.public_url.http(&path)
    }

    /// All forms, as long as the recording is kept.
    pub fn all(&self, call: Uuid) -> Recording {
        let url = |track| self.recording(call, track, None);
        Recording {
            stereo_url: url(Track::Stereo),
            mono: MonoRecording {
                combined_url: url(Track::Combined),
                assistant_url: url(Track::Assistant),
                customer_url: url(Track::Customer),
            },
        }
    }

    /// A URL with these parts is ours, and holds at `now`. Takes as long whatever is wrong.
    pub fn allows(
        &self,
        call: Uuid,
        track: Track,
        expires: i64,
        signature: &str,
        now: Timestamp,
    ) -> bool {
        self.holds(call, track.file(), expires, signature, now)
    }

    /// The same for a file.
    pub fn allows_file(&self, file: Uuid, expires: i64, signature: &str, now: Timestamp) -> bool {
        self.holds(file, CONTENT, expires, signature, now)
    }

    /// The same for what happened in a call.
    pub fn allows_log(&self, call: Uuid, expires: i64, signature: &str, now: Timestamp) -> bool {
        self.holds(call, LOG, expires, signature, now)
    }

    fn holds(&self, id: Uuid, name: &str, expires: i64, signature: &str, now: Timestamp) -> bool {
        let signature = URL_SAFE_NO_PAD.decode(signature).unwrap_or_default();
        let signed = self.mac(id, name, expires).verify_slice(&signature).is_ok();
        signed && (expires == 0 || now.as_millis() / 1_000 < expires)
    }

    fn mac(&self, call: Uuid, file: &str, expires: i64) -> Hmac<Sha256> {
        let mut mac = Hmac::new_from_slice(self.key.expose().as_bytes())
            .expect("HMAC takes a key of any length");
        mac.update(format!("{call}/{file}/{expires}").as_bytes());
        mac
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_opens_one_form_of_one_call_until_it_expires() {
        let public_url = PublicUrl::parse("https://voice.example").expect("a URL");
        let links = Links::new(Secret::new("key"), public_url);
        let (call, now) = (Uuid::new_v4(), Timestamp::from_micros(1_000_000_000));
        let until = Timestamp::from_micros(1_060_000_000);
        let url = links.recording(call, Track::Stereo, Some(until));
        let (start, signature) = url.split_once("&signature=").expect("signed");
        assert_eq!(
            start,
            format!("https://voice.example/recording/{call}/stereo.wav?expires=1060")
        );
        assert!(links.allows(call, Track::Stereo, 1_060, signature, now));
        assert!(!links.allows(call, Track::Stereo, 1_060, signature, until), "expired");
        assert!(!links.allows(call, Track::Stereo, 1_061, signature, now), "stretched");
        assert!(!links.allows(call, Track::Customer, 1_060, signature, now), "another form");
        assert!(!links.allows(Uuid::new_v4(), Track::Stereo, 1_060, signature, now));
        let other = Links::new(Secret::new("other"), PublicUrl::parse("http://x").expect("a URL"));
        assert!(!other.allows(call, Track::Stereo, 1_060, signature, now), "another key");
    }
}
