//! A stand-in for Cartesia's streaming synthesis.
//!
//! `GET /tts/websocket` as a WebSocket: a request for each piece of text, with its context; `chunk`,
//! `timestamps`, `done` and `error` come back (docs.cartesia.ai, "Text-to-Speech (WebSocket)",
//! version 2026-03-01, and "Contexts"; read 2026-11-21). The first byte comes 100 ms after the
//! text, then audio at 8 times real time; words are tones (see [`crate::speaking`]), and their
//! timestamps have the spoken form.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use codecs::{SampleRate, g711};
use futures_util::{SinkExt as _, StreamExt as _};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until};
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::http::StatusCode;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, accept_hdr_async};

use crate::listening::Listening;
use crate::speaking::{Speaking, SpokenWord};

/// How fast audio comes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pace {
    /// From the text to the first audio.
    pub first_byte: Duration,
    /// Audio per time after that; 0: all at once.
    pub speed: u32,
}

impl Pace {
    /// The load script's.
    pub const LOAD_SCRIPT: Self = Self { first_byte: Duration::from_millis(100), speed: 8 };

    /// No time at all.
    pub const AT_ONCE: Self = Self { first_byte: Duration::ZERO, speed: 0 };
}

/// How a server behaves.
#[derive(Clone, Debug)]
pub struct CartesiaConfig {
    /// How fast it is.
    pub pace: Pace,
    /// The key that is asked for; `None`: any, and none.
    pub key: Option<String>,
    /// Contexts with this voice fail.
    pub failing_voice: Option<String>,
    /// Audio stands still for this long once, in the middle of each context's first text.
    pub stall: Duration,
}

impl Default for CartesiaConfig {
    fn default() -> Self {
        Self { pace: Pace::AT_ONCE, key: None, failing_voice: None, stall: Duration::ZERO }
    }
}

/// What a server was asked.
#[derive(Debug, Default)]
pub struct CartesiaCounts {
    /// Connections that were ever made.
    pub accepted: AtomicU64,
    /// Contexts that were begun.
    pub contexts: AtomicU64,
    /// Of those, cancelled.
    pub cancelled: AtomicU64,
}

/// A running server. Dropping it closes every connection.
#[derive(Debug)]
pub struct Cartesia {
    listening: Listening,
    counts: Arc<CartesiaCounts>,
}

impl Cartesia {
    /// Starts a server on a free local port.
    ///
    /// # Errors
    ///
    /// Where the system gives no port.
    pub async fn start(config: CartesiaConfig) -> std::io::Result<Self> {
        let counts = Arc::new(CartesiaCounts::default());
        let served = Arc::clone(&counts);
        let listening = Listening::start(move |socket| {
            let (config, counts) = (config.clone(), Arc::clone(&served));
            async move {
                counts.accepted.fetch_add(1, Ordering::Relaxed);
                // How a connection ends is the client's business.
                let _ = serve(socket, config, &counts).await;
            }
        });
        Ok(Self { listening: listening.await?, counts })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.listening.address()
    }

    /// What a client is given as its base URL.
    pub fn base_url(&self) -> String {
        format!("http://{}", self.address())
    }

    /// What it was asked.
    pub fn counts(&self) -> &CartesiaCounts {
        &self.counts
    }
}

#[derive(Debug, Deserialize)]
struct Asked {
    context_id: String,
    #[serde(default)]
    cancel: bool,
    #[serde(default)]
    transcript: String,
    #[serde(default, rename = "continue")]
    goes_on: bool,
    #[serde(default)]
    add_timestamps: bool,
    voice: Option<Voice>,
    output_format: Option<OutputFormat>,
    generation_config: Option<Generation>,
}

#[derive(Debug, Deserialize)]
struct Voice {
    #[serde(default)]
    id: String,
}

#[derive(Clone, Debug, Deserialize)]
struct OutputFormat {
    encoding: String,
    sample_rate: u32,
}

#[derive(Debug, Deserialize)]
struct Generation {
    speed: Option<f64>,
}

/// Audio per message.
const CHUNK: Duration = Duration::from_millis(50);

struct Context {
    speaking: Speaking,
    format: OutputFormat,
    timestamps: bool,
    /// When the audio of the text so far has been sent.
    busy_until: Instant,
    texts: u32,
}

enum Due {
    Audio(Vec<i16>),
    Words(Vec<SpokenWord>),
    Done,
}

/// One connection.
struct Connection {
    config: CartesiaConfig,
    contexts: HashMap<String, Context>,
    /// What is to be sent, by time and then by order.
    due: BTreeMap<(Instant, u64), (String, Due)>,
    sequence: u64,
}

async fn serve(
    socket: TcpStream,
    config: CartesiaConfig,
    counts: &CartesiaCounts,
) -> Result<(), Error> {
    // The library's own type, as large as it is.
    #[allow(clippy::result_large_err)]
    let check = |request: &Request, response: Response| -> Result<Response, ErrorResponse> {
        let refuse = |status: StatusCode| {
            let mut answer = ErrorResponse::new(None);
            *answer.status_mut() = status;
            answer
        };
        let header = request.headers().get("x-api-key").and_then(|value| value.to_str().ok());
        let query = request.uri().query().unwrap_or_default();
        let given = header.or_else(|| {
            let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
            pairs.find(|(name, _)| *name == "api_key").map(|(_, value)| value)
        });
        if config.key.as_deref().is_some_and(|key| given != Some(key)) {
            return Err(refuse(StatusCode::UNAUTHORIZED));
        }
        if request.uri().path() != "/tts/websocket" {
            return Err(refuse(StatusCode::NOT_FOUND));
        }
        Ok(response)
    };
    let mut socket = accept_hdr_async(socket, check).await?;
    let mut connection =
        Connection { config, contexts: HashMap::new(), due: BTreeMap::new(), sequence: 0 };
    loop {
        connection.send_due(&mut socket).await?;
        let next = connection.due.keys().next().map(|(at, _)| *at);
        let wake = next.unwrap_or_else(|| Instant::now() + Duration::from_secs(3_600));
        tokio::select! {
            biased;
            message = socket.next() => match message {
                Some(Ok(Message::Text(text))) => {
                    if let Some(answer) = connection.take(&text, counts) {
                        socket.send(Message::text(answer.to_string())).await?;
                    }
                }
                Some(Ok(Message::Close(_))) | None => return Ok(()),
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(error),
            },
            () = sleep_until(wake) => {}
        }
    }
}

impl Connection {
    /// Takes a message; what is answered at once.
    fn take(&mut self, text: &str, counts: &CartesiaCounts) -> Option<Value> {
        let asked: Asked = match serde_json::from_str(text) {
            Ok(asked) => asked,
            Err(error) => return Some(refusal("", 400, "Invalid request", &error.to_string())),
        };
        if asked.cancel {
            if self.contexts.remove(&asked.context_id).is_some() {
                counts.cancelled.fetch_add(1, Ordering::Relaxed);
                self.due.retain(|_, (context, _)| *context != asked.context_id);
            }
            return None;
        }
        let voice = asked.voice.map(|voice| voice.id).unwrap_or_default();
        if self.config.failing_voice.as_ref() == Some(&voice) {
            let refused = refusal(&asked.context_id, 404, "Voice not found", "no such voice");
            return Some(refused);
        }
        let Some(format) = asked.output_format else {
            let refused = refusal(&asked.context_id, 400, "Invalid request", "no output_format");
            return Some(refused);
        };
        let Some(rate) = SampleRate::new(format.sample_rate) else {
            let refused = refusal(&asked.context_id, 400, "Invalid request", "sample_rate is 0");
            return Some(refused);
        };
        let now = Instant::now();
        let speed = asked.generation_config.and_then(|generation| generation.speed);
        let context = self.contexts.entry(asked.context_id.clone()).or_insert_with(|| {
            counts.contexts.fetch_add(1, Ordering::Relaxed);
            Context {
                speaking: Speaking::new(rate, speed.unwrap_or(1.0)),
                format,
                timestamps: asked.add_timestamps,
                busy_until: now,
                texts: 0,
            }
        });
        let (samples, words) = context.speaking.say(&asked.transcript);
        let mut at = context.busy_until;
        let mut due = Vec::new();
        if !samples.is_empty() {
            at = at.max(now + self.config.pace.first_byte);
            if context.timestamps {
                due.push((at, Due::Words(words)));
            }
            let size = usize::try_from(rate.samples_in(CHUNK)).unwrap_or(1).max(1);
            let chunks = samples.len().div_ceil(size);
            for (index, chunk) in samples.chunks(size).enumerate() {
                if context.texts == 0 && index == chunks / 2 {
                    at += self.config.stall;
                }
                due.push((at, Due::Audio(chunk.to_vec())));
                let length = rate.duration_of(chunk.len() as u64);
                at += length.checked_div(self.config.pace.speed).unwrap_or_default();
            }
            context.texts += 1;
        }
        context.busy_until = at;
        if !asked.goes_on {
            due.push((at, Due::Done));
        }
        for (at, what) in due {
            self.sequence += 1;
            self.due.insert((at, self.sequence), (asked.context_id.clone(), what));
        }
        None
    }

    async fn send_due(&mut self, socket: &mut WebSocketStream<TcpStream>) -> Result<(), Error> {
        let now = Instant::now();
        while let Some(first) = self.due.first_entry()
            && first.key().0 <= now
        {
            let (id, what) = first.remove();
            let Some(context) = self.contexts.get(&id) else { continue };
            let message = match what {
                Due::Audio(samples) => json!({
                    "type": "chunk",
                    "context_id": id,
                    "status_code": 206,
                    "done": false,
                    "step_time": 1.0,
                    "data": STANDARD.encode(encoded(&samples, &context.format.encoding)),
                }),
                Due::Words(words) => json!({
                    "type": "timestamps",
                    "context_id": id,
                    "status_code": 206,
                    "done": false,
                    "word_timestamps": {
                        "words": words.iter().map(|word| &*word.text).collect::<Vec<_>>(),
                        "start": words.iter().map(|word| word.start).collect::<Vec<_>>(),
                        "end": words.iter().map(|word| word.end).collect::<Vec<_>>(),
                    },
                }),
                Due::Done => {
                    self.contexts.remove(&id);
                    json!({"type": "done", "context_id": id, "status_code": 200, "done": true})
                }
            };
            socket.feed(Message::text(message.to_string())).await?;
        }
        socket.flush().await
    }
}

fn refusal(context: &str, status: u16, title: &str, message: &str) -> Value {
    json!({
        "type": "error",
        "context_id": context,
        "status_code": status,
        "done": true,
        "title": title,
        "message": message,
    })
}

fn encoded(samples: &[i16], encoding: &str) -> Vec<u8> {
    match encoding {
        "pcm_mulaw" => {
            let mut codes = vec![0; samples.len()];
            g711::mulaw_encode_into(samples, &mut codes);
            codes
        }
        "pcm_f32le" => samples
            .iter()
            .flat_map(|sample| (f32::from(*sample) / 32_768.0).to_le_bytes())
            .collect(),
        _ => samples.iter().flat_map(|sample| sample.to_le_bytes()).collect(),
    }
}
