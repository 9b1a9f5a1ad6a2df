//! A server of chat completions that does as each test says, down to the byte.
//!
//! Speaks HTTP/1.1 by hand over a local socket: a test holds the connection itself, so that it
//! can split, delay and break off where a server library would not, and see when the other side
//! closes.

// Each test binary uses its own part of it.
#![allow(dead_code)]

use std::future::poll_fn;
use std::time::Duration;

use engine::llm::{ChatMessage, ChatRequest, OpenAiSettings, ReplyEvent, ReplyStream};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// The end mark of a stream.
pub(crate) const DONE: &str = "data: [DONE]\n\n";

/// What hangs is ended after this, which is far from anything a test measures.
const LONGEST_TEST: Duration = Duration::from_secs(60);

/// A listening server.
pub(crate) struct Server {
    listener: TcpListener,
}

impl Server {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free local port");
        Self { listener }
    }

    /// Settings to reach it, with a model named `test-model`.
    pub(crate) fn settings(&self) -> OpenAiSettings {
        let address = self.listener.local_addr().expect("a bound socket");
        OpenAiSettings::new(format!("http://{address}/v1"), "test-model")
    }

    pub(crate) async fn accept(&self) -> Connection {
        let (socket, _) = self.listener.accept().await.expect("a connection");
        socket.set_nodelay(true).expect("a TCP socket");
        Connection { socket, unread: Vec::new() }
    }
}

/// One connection of a client.
pub(crate) struct Connection {
    socket: TcpStream,
    unread: Vec<u8>,
}

/// A request as it came.
pub(crate) struct HttpRequest {
    /// Request line and headers, as sent.
    pub(crate) head: String,
    pub(crate) body: Value,
}

impl HttpRequest {
    /// A header's value.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then_some(value.trim())
        })
    }
}

impl Connection {
    /// Reads one whole request.
    pub(crate) async fn request(&mut self) -> HttpRequest {
        let end = loop {
            match self.unread.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                Some(end) => break end + 4,
                None => assert!(self.read().await, "closed before the request was whole"),
            }
        };
        let head = String::from_utf8(self.unread.drain(..end).collect()).expect("an ASCII head");
        let mut request = HttpRequest { head, body: Value::Null };
        let length = request
            .header("content-length")
            .map_or(0, |length| length.parse::<usize>().expect("a length in digits"));
        while self.unread.len() < length {
            assert!(self.read().await, "closed before the request was whole");
        }
        let body: Vec<u8> = self.unread.drain(..length).collect();
        request.body = serde_json::from_slice(&body).expect("a JSON body");
        request
    }

    /// Reads what there is; `false` at the end.
    async fn read(&mut self) -> bool {
        let count = self.socket.read_buf(&mut self.unread).await.expect("a working socket");
        count > 0
    }

    /// Answers with the head of a stream of events.
    pub(crate) async fn open_stream(&mut self) {
        self.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n\
              Transfer-Encoding: chunked\r\n\r\n",
        )
        .await;
    }

    /// Answers with a whole stream, and closes the connection.
    pub(crate) async fn last_stream(mut self, events: &str) {
        let head =
            "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n";
        self.write(head.as_bytes()).await;
        self.write(events.as_bytes()).await;
    }

    /// Sends bytes of the stream as one chunk of HTTP.
    pub(crate) async fn chunk(&mut self, bytes: &[u8]) {
        let mut chunk = format!("{:x}\r\n", bytes.len()).into_bytes();
        chunk.extend_from_slice(bytes);
        chunk.extend_from_slice(b"\r\n");
        self.write(&chunk).await;
    }

    /// Ends the stream as HTTP has it; the connection may be used again.
    pub(crate) async fn end_stream(&mut self) {
        self.write(b"0\r\n\r\n").await;
    }

    /// Sends a whole stream.
    pub(crate) async fn stream(&mut self, events: &str) {
        self.open_stream().await;
        self.chunk(events.as_bytes()).await;
        self.end_stream().await;
    }

    /// Answers with a body of known length.
    pub(crate) async fn answer(&mut self, status: &str, content_type: &str, body: &str) {
        let answer = format!(
            "HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        self.write(answer.as_bytes()).await;
    }

    pub(crate) async fn write(&mut self, bytes: &[u8]) {
        self.socket.write_all(bytes).await.expect("a working socket");
    }

    /// Waits until the client has closed the connection, which may take it no minute.
    pub(crate) async fn closed(mut self) {
        let closed = async {
            // A reset is the other way to close: bytes of ours were on their way.
            while let Ok(1..) = self.socket.read_buf(&mut self.unread).await {}
        };
        tokio::time::timeout(LONGEST_TEST, closed).await.expect("a connection that is closed");
    }
}

/// The event of a piece of text, as api.openai.com sends it.
pub(crate) fn text_event(text: &str) -> String {
    let content = serde_json::to_string(text).expect("a string");
    format!(
        "data: {{\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1741569952,\
         \"model\":\"test-model\",\"choices\":[{{\"index\":0,\"delta\":{{\"content\":{content}}},\
         \"logprobs\":null,\"finish_reason\":null}}]}}\n\n"
    )
}

/// The event of a piece of a tool call.
pub(crate) fn call_event(call: &str) -> String {
    format!(
        "data: {{\"choices\":[{{\"index\":0,\"delta\":{{\"tool_calls\":[{call}]}},\
         \"finish_reason\":null}}]}}\n\n"
    )
}

/// The event of the model's last word.
pub(crate) fn finish_event(reason: &str) -> String {
    format!(
        "data: {{\"choices\":[{{\"index\":0,\"delta\":{{}},\"finish_reason\":\"{reason}\"}}]}}\n\n"
    )
}

/// A request of one user message.
pub(crate) fn ask(words: &str) -> ChatRequest {
    ChatRequest {
        messages: vec![ChatMessage::User { content: words.to_owned() }],
        ..ChatRequest::default()
    }
}

/// Lets the tasks of the HTTP client run until nothing is left for them to do: it takes several
/// turns to bring a connection back to its pool.
pub(crate) async fn settle() {
    for _ in 0..1000 {
        tokio::task::yield_now().await;
    }
}

/// The next event of a reply.
pub(crate) async fn next(reply: &mut dyn ReplyStream) -> ReplyEvent {
    tokio::time::timeout(LONGEST_TEST, poll_fn(|cx| reply.poll_event(cx)))
        .await
        .expect("an event within a minute")
}

/// All events of a reply, the last of which is `Done` or `Failed`.
pub(crate) async fn all(reply: &mut dyn ReplyStream) -> Vec<ReplyEvent> {
    let mut events = Vec::new();
    loop {
        events.push(next(reply).await);
        if matches!(events.last(), Some(ReplyEvent::Done | ReplyEvent::Failed(_))) {
            return events;
        }
    }
}

/// The text of a reply's events.
pub(crate) fn text_of(events: &[ReplyEvent]) -> String {
    events
        .iter()
        .filter_map(|event| match event {
            ReplyEvent::Text(text) => Some(text.as_str()),
            ReplyEvent::ToolCall(_) | ReplyEvent::Done | ReplyEvent::Failed(_) => None,
        })
        .collect()
}
