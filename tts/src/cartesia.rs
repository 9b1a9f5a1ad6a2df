//! Cartesia's streaming synthesis over WebSocket (docs.cartesia.ai: "Text-to-Speech (WebSocket)",
//! version 2026-03-01, "Contexts", "Buffering"; read 2026-11-21).
//!
//! A reply is a context, and many contexts share a socket, which is opened before the first reply
//! and kept. The words' times come with the audio, so that a span is a word. Text goes out phrase
//! by phrase as it comes (`max_buffer_delay_ms` is 0: the phrases are cut here), and a reply that
//! is no longer wanted is cancelled there.
//!
//! All sockets are one task's, on the runtime that was given; a call's task never waits for them.

mod context;
mod hub;
mod place;
mod wire;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use codecs::SampleRate;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use websocket::{Endpoint, EndpointError};

use self::hub::Command;
use crate::{SpeechEvent, SpeechStream, Synthesizer, SynthesizerError, TextChunk, VoiceConfig};

const PROVIDER: &str = "cartesia";

/// Where the service is, where nothing else is configured.
pub const BASE_URL: &str = "https://api.cartesia.ai";

/// The model, where nothing else is configured.
pub const MODEL: &str = "sonic-3.5";

/// The version of the protocol that is spoken here.
const VERSION: &str = "2026-03-01";

/// The voice of the service's own examples, where none is configured.
const VOICE: &str = "a0e99841-438c-4a64-b679-ae501e7d6091";

/// How to reach the service. `Debug` shows no key.
#[derive(Clone)]
pub struct CartesiaConfig {
    /// The server; `/tts/websocket` is appended.
    pub base_url: String,
    /// Sent as `X-API-Key`; `None`: no such header, as for a server of one's own.
    pub api_key: Option<String>,
    /// The model: `sonic-3.5`.
    pub model: String,
    /// The rate of its audio: that of the calls, so that nothing is resampled.
    pub rate: SampleRate,
}

impl Default for CartesiaConfig {
    fn default() -> Self {
        Self {
            base_url: BASE_URL.to_owned(),
            api_key: None,
            model: MODEL.to_owned(),
            rate: SampleRate::HZ_8000,
        }
    }
}

impl fmt::Debug for CartesiaConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CartesiaConfig")
            .field("model", &self.model)
            .field("rate", &self.rate)
            .field("api_key", &self.api_key.as_ref().map(|_| "[hidden]"))
            .finish_non_exhaustive()
    }
}

/// The voices of Cartesia. Dropping it closes the sockets once their replies are over.
pub struct Cartesia {
    config: CartesiaConfig,
    hub: mpsc::UnboundedSender<Command>,
    replies: AtomicU64,
}

impl fmt::Debug for Cartesia {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cartesia").field("config", &self.config).finish_non_exhaustive()
    }
}

impl Cartesia {
    /// Voices whose sockets live on `runtime`, which has IO and time enabled. The first is opened
    /// now.
    ///
    /// # Errors
    ///
    /// [`SynthesizerError::Unavailable`] where the address or the key cannot be sent.
    pub fn new(config: CartesiaConfig, runtime: &Handle) -> Result<Self, SynthesizerError> {
        let make = || -> Result<Endpoint, EndpointError> {
            let endpoint = Endpoint::new(&config.base_url, "/tts/websocket")?.with_header(
                "cartesia-version",
                VERSION,
                "the version",
            )?;
            match &config.api_key {
                Some(key) => endpoint.with_header("x-api-key", key, "the key"),
                None => Ok(endpoint),
            }
        };
        let endpoint = make().map_err(|error| SynthesizerError::Unavailable {
            provider: PROVIDER,
            reason: error.to_string(),
        })?;
        // Bounded by what replies say: a model's reply has a limit of tokens.
        let (hub, commands) = mpsc::unbounded_channel();
        runtime.spawn(hub::run(endpoint, config.rate, commands));
        Ok(Self { config, hub, replies: AtomicU64::new(0) })
    }
}

impl Synthesizer for Cartesia {
    /// A voice is the id of one, as the service's library has it; empty: that of its examples.
    /// Whether the account has it shows when it speaks.
    fn open(&self, voice: &VoiceConfig) -> Result<Box<dyn SpeechStream>, SynthesizerError> {
        let Some(language) = wire::language(&voice.language) else {
            let language = voice.language.clone();
            return Err(SynthesizerError::Language { provider: PROVIDER, language });
        };
        let id = if voice.voice.is_empty() { VOICE } else { &voice.voice };
        if !wire::is_voice_id(id) {
            let voice = voice.voice.clone();
            return Err(SynthesizerError::Voice { provider: PROVIDER, voice });
        }
        let template = Arc::new(wire::Template::new(&self.config, id, language, voice.speed));
        let reply = self.replies.fetch_add(1, Ordering::Relaxed);
        // Bounded by what replies say, as above: the service sends a reply's audio once.
        let (events, received) = mpsc::unbounded_channel();
        let _ = self.hub.send(Command::Open { reply, template, events });
        Ok(Box::new(Stream {
            reply,
            hub: self.hub.clone(),
            events: received,
            finished: false,
            over: false,
        }))
    }
}

/// One reply's end.
struct Stream {
    reply: u64,
    hub: mpsc::UnboundedSender<Command>,
    events: mpsc::UnboundedReceiver<SpeechEvent>,
    finished: bool,
    over: bool,
}

impl SpeechStream for Stream {
    fn push(&mut self, chunk: TextChunk) {
        if !self.finished && !self.over {
            let _ = self.hub.send(Command::Text { reply: self.reply, chunk });
        }
    }

    fn finish(&mut self) {
        if !self.finished {
            self.finished = true;
            let _ = self.hub.send(Command::Finish { reply: self.reply });
        }
    }

    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<SpeechEvent> {
        if self.over {
            return Poll::Pending;
        }
        self.events.poll_recv(cx).map(|event| {
            let event = event.unwrap_or_else(|| {
                let reason = "its task has ended".to_owned();
                SpeechEvent::Failed(SynthesizerError::Stream { provider: PROVIDER, reason })
            });
            self.over = matches!(event, SpeechEvent::Done | SpeechEvent::Failed(_));
            event
        })
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        if !self.over {
            let _ = self.hub.send(Command::Cancel { reply: self.reply });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_never_shown() {
        let config = CartesiaConfig { api_key: Some("hunter2".to_owned()), ..Default::default() };
        assert!(!format!("{config:?}").contains("hunter2"));
        let config = CartesiaConfig { api_key: Some("hunter2\n".to_owned()), ..config };
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let error = Cartesia::new(config, runtime.handle()).expect_err("no header").to_string();
        assert!(error.contains("line breaks") && !error.contains("hunter2"), "{error}");
    }
}
