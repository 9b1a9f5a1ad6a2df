//! A stand-in for a language model behind OpenAI's chat completions, streamed.
//!
//! `POST /v1/chat/completions` with `stream: true` (platform.openai.com/docs/api-reference/chat;
//! read 2026-11-21): the first token 200 ms after the request, then 50 tokens a second, a token a
//! word. The replies are [`vocabulary::reply`]'s. It logs each request's time and messages, and so
//! is the referee of what an engine thought had been heard, and of what it asked in vain.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until};

use crate::listening::Listening;
use crate::vocabulary;

/// How fast tokens come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplyPace {
    /// From the request to the first token.
    pub first_token: Duration,
    /// Between two tokens.
    pub token: Duration,
    /// Every request numbered a multiple of this waits [`Self::stall`] longer; 0: none.
    pub stall_every: u64,
    /// How much longer.
    pub stall: Duration,
}

impl ReplyPace {
    /// The load script's.
    pub const LOAD_SCRIPT: Self = Self {
        first_token: Duration::from_millis(200),
        token: Duration::from_millis(20),
        stall_every: 0,
        stall: Duration::ZERO,
    };

    /// No time at all.
    pub const AT_ONCE: Self =
        Self { first_token: Duration::ZERO, token: Duration::ZERO, ..Self::LOAD_SCRIPT };
}

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Counted from 0: the number of its reply.
    pub number: u64,
    /// When it was whole.
    pub at: Instant,
    /// Role and content of each message, in order.
    pub messages: Vec<(String, String)>,
    /// Tokens that were sent. Fewer than the reply has: it was given up.
    pub tokens: usize,
}

/// A running server. Dropping it closes every connection.
#[derive(Debug)]
pub struct OpenAi {
    listening: Listening,
    log: Arc<Log>,
}

#[derive(Debug, Default)]
struct Log(Mutex<Vec<Asked>>);

impl Log {
    fn with<T>(&self, act: impl FnOnce(&mut Vec<Asked>) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl OpenAi {
    /// Starts a server on a free local port.
    ///
    /// # Errors
    ///
    /// Where the system gives no port.
    pub async fn start(pace: ReplyPace) -> std::io::Result<Self> {
        let log = Arc::new(Log::default());
        let served = Arc::clone(&log);
        let listening = Listening::start(move |socket| {
            let log = Arc::clone(&served);
            async move {
                // How a connection ends is the client's business.
                let _ = Connection { socket, unread: Vec::new() }.serve(pace, &log).await;
            }
        });
        Ok(Self { listening: listening.await?, log })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.listening.address()
    }

    /// What a client is given as its base URL.
    pub fn base_url(&self) -> String {
        format!("http://{}/v1", self.address())
    }

    /// Every request so far.
    pub fn requests(&self) -> Vec<Asked> {
        self.log.with(|log| log.clone())
    }
}

/// The longest request that is taken, in bytes.
const LONGEST_REQUEST: usize = 4 << 20;

struct Connection {
    socket: TcpStream,
    unread: Vec<u8>,
}

struct HttpRequest {
    path: String,
    body: Value,
}

impl Connection {
    async fn serve(mut self, pace: ReplyPace, log: &Log) -> std::io::Result<()> {
        while let Some(request) = self.request().await? {
            let streamed = request.body["stream"].as_bool().unwrap_or(false);
            if request.path != "/v1/chat/completions" || !streamed {
                let answer = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";
                self.socket.write_all(answer.as_bytes()).await?;
                continue;
            }
            let at = Instant::now();
            let messages = messages(&request.body);
            let number = log.with(|log| {
                let number = log.len() as u64;
                log.push(Asked { number, at, messages, tokens: 0 });
                number
            });
            self.reply(number, at, pace, log).await?;
        }
        Ok(())
    }

    /// Sends reply `number`, token by token.
    async fn reply(
        &mut self,
        number: u64,
        asked: Instant,
        pace: ReplyPace,
        log: &Log,
    ) -> std::io::Result<()> {
        self.socket
            .write_all(
                b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n\
                  Transfer-Encoding: chunked\r\n\r\n",
            )
            .await?;
        let mut due = asked + pace.first_token;
        if pace.stall_every > 0 && number % pace.stall_every == pace.stall_every - 1 {
            due += pace.stall;
        }
        let index = usize::try_from(number).unwrap_or(usize::MAX);
        for token in vocabulary::reply(number) {
            self.wait_until(due).await?;
            self.event(&delta(number, json!({"role": "assistant", "content": token}), None))
                .await?;
            log.with(|log| log[index].tokens += 1);
            due += pace.token;
        }
        self.event(&delta(number, json!({}), Some("stop"))).await?;
        self.chunk(b"data: [DONE]\n\n").await?;
        self.socket.write_all(b"0\r\n\r\n").await
    }

    /// Waits, and sees whether the client has gone.
    async fn wait_until(&mut self, due: Instant) -> std::io::Result<()> {
        loop {
            tokio::select! {
                () = sleep_until(due) => return Ok(()),
                read = self.socket.read_buf(&mut self.unread) => {
                    if read? == 0 {
                        return Err(std::io::ErrorKind::UnexpectedEof.into());
                    }
                }
            }
        }
    }

    async fn event(&mut self, event: &Value) -> std::io::Result<()> {
        self.chunk(format!("data: {event}\n\n").as_bytes()).await
    }

    async fn chunk(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        let mut chunk = format!("{:x}\r\n", bytes.len()).into_bytes();
        chunk.extend_from_slice(bytes);
        chunk.extend_from_slice(b"\r\n");
        self.socket.write_all(&chunk).await
    }

    /// The next request; `None` at the end of the connection.
    async fn request(&mut self) -> std::io::Result<Option<HttpRequest>> {
        let head_length = loop {
            if let Some(end) = self.unread.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                break end + 4;
            }
            if self.unread.len() > LONGEST_REQUEST
                || self.socket.read_buf(&mut self.unread).await? == 0
            {
                return Ok(None);
            }
        };
        let head: Vec<u8> = self.unread.drain(..head_length).collect();
        let head = String::from_utf8_lossy(&head).into_owned();
        let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
        let header = |name: &str| {
            head.lines().skip(1).find_map(|line| {
                let (key, value) = line.split_once(':')?;
                key.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
            })
        };
        let length: usize =
            header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
        while self.unread.len() < length {
            if length > LONGEST_REQUEST || self.socket.read_buf(&mut self.unread).await? == 0 {
                return Ok(None);
            }
        }
        let body: Vec<u8> = self.unread.drain(..length).collect();
        let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
        Ok(Some(HttpRequest { path, body }))
    }
}

fn delta(number: u64, delta: Value, finish: Option<&str>) -> Value {
    json!({
        "id": format!("chatcmpl-{number}"),
        "object": "chat.completion.chunk",
        "created": 1_741_569_952,
        "model": "mock",
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
    })
}

/// Role and text of each message of a request.
fn messages(body: &Value) -> Vec<(String, String)> {
    let text = |content: &Value| match content {
        Value::String(text) => text.clone(),
        Value::Array(parts) => parts.iter().filter_map(|part| part["text"].as_str()).collect(),
        _ => String::new(),
    };
    let pair = |message: &Value| {
        let role = message["role"].as_str().unwrap_or_default().to_owned();
        (role, text(&message["content"]))
    };
    body["messages"].as_array().into_iter().flatten().map(pair).collect()
}
