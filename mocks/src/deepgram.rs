//! A stand-in for Deepgram's streaming recognition.
//!
//! `GET /v1/listen` as a WebSocket: audio in binary messages, `KeepAlive`, `Finalize` and
//! `CloseStream` in text messages; `Results` come back (developers.deepgram.com, "Live Audio",
//! "Keep Alive", "Finalize", "Close Stream"; read 2026-11-21). What it hears is
//! [`Hearing`]'s: driven only by the audio it receives.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use codecs::{SampleRate, g711};
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::http::StatusCode;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, accept_hdr_async};

use crate::hearing::{Heard, Hearing};
use crate::listening::Listening;
use crate::script::{Script, ScriptWord};

/// How a server behaves.
#[derive(Clone, Debug, Default)]
pub struct DeepgramConfig {
    /// What callers say.
    pub script: Script,
    /// `Finalize` is answered at once, as by the real service. Else it is answered with the final
    /// that comes 150 ms after the last voiced frame, so that nobody gains by asking.
    pub prompt: bool,
    /// The key that is asked for; `None`: any, and none.
    pub key: Option<String>,
    /// Every stream is closed, as for an error of the server, after this much of its audio.
    pub fail_after: Option<Duration>,
}

/// A running server. Dropping it closes every connection.
#[derive(Debug)]
pub struct Deepgram {
    listening: Listening,
    counts: Arc<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    open: AtomicUsize,
    accepted: AtomicU64,
}

impl Deepgram {
    /// Starts a server on a free local port.
    ///
    /// # Errors
    ///
    /// Where the system gives no port.
    pub async fn start(config: DeepgramConfig) -> std::io::Result<Self> {
        let counts = Arc::new(Counts::default());
        let served = Arc::clone(&counts);
        let script = Arc::new(config.script.clone());
        let listening = Listening::start(move |socket| {
            let (config, script) = (config.clone(), Arc::clone(&script));
            let counts = Arc::clone(&served);
            async move {
                counts.accepted.fetch_add(1, Ordering::Relaxed);
                let _open = Open::new(&counts);
                // How a connection ends is the client's business.
                let _ = serve(socket, &config, script).await;
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

    /// Connections that are open.
    pub fn open(&self) -> usize {
        self.counts.open.load(Ordering::Relaxed)
    }

    /// Connections that were ever made.
    pub fn accepted(&self) -> u64 {
        self.counts.accepted.load(Ordering::Relaxed)
    }
}

/// Counts a connection while it is there.
struct Open<'a>(&'a Counts);

impl<'a> Open<'a> {
    fn new(counts: &'a Counts) -> Self {
        counts.open.fetch_add(1, Ordering::Relaxed);
        Self(counts)
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What the query of a connection says of its audio.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Format {
    rate: SampleRate,
    mulaw: bool,
    interim: bool,
}

impl Format {
    fn of(query: &str) -> Result<Self, &'static str> {
        let value = |name: &str| {
            let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
            pairs.find(|(key, _)| *key == name).map(|(_, value)| value)
        };
        let mulaw = match value("encoding") {
            Some("linear16") => false,
            Some("mulaw") => true,
            _ => return Err("encoding must be linear16 or mulaw"),
        };
        let rate = value("sample_rate").and_then(|rate| rate.parse().ok());
        let rate = rate.and_then(SampleRate::new).ok_or("sample_rate must be in Hz")?;
        Ok(Self { rate, mulaw, interim: value("interim_results") == Some("true") })
    }
}

type Socket = WebSocketStream<TcpStream>;

async fn serve(
    socket: TcpStream,
    config: &DeepgramConfig,
    script: Arc<Script>,
) -> Result<(), Error> {
    let mut format = Err("no query");
    let expected = config.key.as_ref().map(|key| format!("Token {key}"));
    // The library's own type, as large as it is.
    #[allow(clippy::result_large_err)]
    let check = |request: &Request, response: Response| -> Result<Response, ErrorResponse> {
        let refuse = |status: StatusCode, text: &str| {
            let mut answer = ErrorResponse::new(Some(text.to_owned()));
            *answer.status_mut() = status;
            answer
        };
        let given = request.headers().get("authorization").and_then(|value| value.to_str().ok());
        if expected.as_deref().is_some_and(|expected| given != Some(expected)) {
            return Err(refuse(StatusCode::UNAUTHORIZED, "INVALID_AUTH"));
        }
        if request.uri().path() != "/v1/listen" {
            return Err(refuse(StatusCode::NOT_FOUND, "no such path"));
        }
        format = Format::of(request.uri().query().unwrap_or_default());
        match format {
            Ok(_) => Ok(response),
            Err(reason) => Err(refuse(StatusCode::BAD_REQUEST, reason)),
        }
    };
    let mut socket = accept_hdr_async(socket, check).await?;
    let Ok(format) = format else { return Ok(()) };
    let mut hearing = Hearing::new(script, format.rate, config.prompt);
    let mut samples = Vec::new();
    let mut received = 0;
    let mut replies = Vec::new();
    while let Some(message) = socket.next().await {
        match message? {
            Message::Binary(bytes) => {
                decode(&bytes, format.mulaw, &mut samples);
                received += samples.len() as u64;
                hearing.push(&samples, |heard| replies.push(heard));
                let limit = config.fail_after.map(|limit| format.rate.samples_in(limit));
                if limit.is_some_and(|limit| received >= limit) {
                    return socket.close(None).await;
                }
            }
            Message::Text(text) => match command(&text).as_deref() {
                Some("Finalize") => replies.extend(hearing.finalize()),
                Some("CloseStream") => {
                    let last = hearing.finalize();
                    replies.extend(last);
                    send(&mut socket, &mut replies, format.interim).await?;
                    let duration = format.rate.duration_of(received).as_secs_f64();
                    let summary = json!({"type": "Metadata", "duration": duration, "channels": 1});
                    socket.send(Message::text(summary.to_string())).await?;
                    return socket.close(None).await;
                }
                // KeepAlive is not answered.
                _ => {}
            },
            Message::Close(_) => break,
            _ => {}
        }
        send(&mut socket, &mut replies, format.interim).await?;
    }
    Ok(())
}

async fn send(socket: &mut Socket, replies: &mut Vec<Heard>, interim: bool) -> Result<(), Error> {
    for heard in replies.drain(..).filter(|heard| heard.is_final || interim) {
        socket.send(Message::text(results(&heard).to_string())).await?;
    }
    Ok(())
}

fn command(text: &str) -> Option<String> {
    let message: Value = serde_json::from_str(text).ok()?;
    message["type"].as_str().map(str::to_owned)
}

fn decode(bytes: &[u8], mulaw: bool, samples: &mut Vec<i16>) {
    samples.clear();
    if mulaw {
        samples.extend(bytes.iter().map(|code| g711::mulaw_decode(*code)));
    } else {
        samples.extend(bytes.chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])));
    }
}

/// The message that tells what was heard.
fn results(heard: &Heard) -> Value {
    let (start, end) = heard.stretch;
    let text: Vec<&str> = heard.words.iter().map(|word| word.text.as_str()).collect();
    let plain = |word: &str| word.trim_matches(|c: char| !c.is_alphanumeric()).to_lowercase();
    let word = |word: &ScriptWord| {
        json!({
            "word": plain(&word.text),
            "punctuated_word": word.text,
            "start": word.start.as_secs_f64(),
            "end": word.end.as_secs_f64(),
            "confidence": 0.99,
        })
    };
    let words: Vec<Value> = heard.words.iter().map(word).collect();
    json!({
        "type": "Results",
        "channel_index": [0, 1],
        "start": start.as_secs_f64(),
        "duration": (end - start).as_secs_f64(),
        "is_final": heard.is_final,
        "speech_final": false,
        "from_finalize": heard.from_finalize,
        // Of the request and the model; there are clients that do without no part of it.
        "metadata": {
            "request_id": "8c9f3bd4-6a29-4f4b-9d0c-1d6c43c1f3ce",
            "model_info": {"name": "general-nova-3", "version": "2025-04-17.21547", "arch": "nova-3"},
            "model_uuid": "5b9b5c22-8d55-4c3a-a4a4-f9b1b1a1f3d7",
        },
        "channel": {"alternatives": [
            {"transcript": text.join(" "), "confidence": 0.99, "words": words},
        ]},
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_format_is_read_from_the_query() {
        let query = "model=nova-3&encoding=mulaw&sample_rate=8000&interim_results=true";
        let format = Format { rate: SampleRate::HZ_8000, mulaw: true, interim: true };
        assert_eq!(Format::of(query), Ok(format));
        assert!(Format::of("encoding=opus&sample_rate=8000").is_err());
        assert!(Format::of("encoding=linear16").is_err());
    }

    #[test]
    fn results_have_the_words_twice() {
        let ms = Duration::from_millis;
        let word = ScriptWord { text: "Hello,".to_owned(), start: ms(100), end: ms(400) };
        let heard = Heard {
            is_final: true,
            from_finalize: false,
            stretch: (ms(0), ms(550)),
            words: vec![word],
        };
        let message = results(&heard);
        let best = &message["channel"]["alternatives"][0];
        assert_eq!(best["transcript"], "Hello,");
        assert_eq!(best["words"][0]["word"], "hello");
        assert_eq!(message["duration"], 0.55);
    }
}
