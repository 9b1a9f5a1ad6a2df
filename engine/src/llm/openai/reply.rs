//! One reply over HTTP: the request, its answer, and the time they may take.

use std::collections::VecDeque;
use std::error::Error as StdError;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use reqwest::header::CONTENT_TYPE;
use reqwest::{Response, StatusCode};
use tokio::time::{Instant, Sleep};

use super::Timeouts;
use super::completion::{Broken, Completion};
use super::secrets::Secrets;
use super::wire::ErrorBody;
use crate::llm::sse::EventParser;
use crate::llm::{ModelError, ReplyEvent, ReplyStream};

/// Longest body of an HTTP error that is read, in bytes.
const MAX_ERROR_BYTES: usize = 16 << 10;

/// Longest event of a stream, in bytes: a whole tool call with large arguments, and room.
const MAX_EVENT_BYTES: usize = 1 << 20;

/// How far a server may go.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) timeouts: Timeouts,
    pub(super) response_bytes: usize,
}

type Sending = Pin<Box<dyn Future<Output = reqwest::Result<Response>> + Send>>;
type Body = Pin<Box<dyn Stream<Item = reqwest::Result<Bytes>> + Send>>;

/// A reply under way. Dropping it drops the request or the response, and with it the connection.
pub(super) struct OpenAiReply {
    provider: &'static str,
    limits: Limits,
    secrets: Arc<Secrets>,
    state: State,
    /// Set with the first poll, so that starting a reply needs no runtime.
    deadline: Option<Pin<Box<Sleep>>>,
    completion: Completion,
    ready: VecDeque<ReplyEvent>,
}

enum State {
    /// Until the answer's head is there.
    Sending(Sending),
    /// The answer is a stream of events.
    Streaming {
        body: Body,
        parser: EventParser,
        content_type: String,
        received: usize,
        events: u64,
    },
    /// The answer is one JSON text: the server does not stream.
    Whole { body: Body, text: Vec<u8> },
    /// The server refused; its reasons are in the body.
    Refused { status: StatusCode, body: Body, text: Vec<u8> },
    /// `Done` or `Failed` is queued or was given.
    Over,
}

/// Which of the timeouts is running.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waiting {
    FirstToken,
    NextEvent,
    EndMark,
}

impl OpenAiReply {
    pub(super) fn new(
        provider: &'static str,
        limits: Limits,
        secrets: Arc<Secrets>,
        sending: impl Future<Output = reqwest::Result<Response>> + Send + 'static,
    ) -> Self {
        Self {
            provider,
            limits,
            secrets,
            state: State::Sending(Box::pin(sending)),
            deadline: None,
            completion: Completion::default(),
            ready: VecDeque::new(),
        }
    }

    /// One step of whatever is under way; `Pending` only where the network has nothing.
    fn step(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ModelError>> {
        match &mut self.state {
            State::Sending(sending) => {
                let answer = ready!(sending.as_mut().poll(cx));
                Poll::Ready(match answer {
                    Ok(response) => {
                        self.state = State::answered(response);
                        Ok(())
                    }
                    Err(error) => Err(self.lost(error)),
                })
            }
            State::Streaming { body, parser, received, .. } => {
                match ready!(body.as_mut().poll_next(cx)) {
                    Some(Ok(bytes)) => {
                        *received += bytes.len();
                        if *received > self.limits.response_bytes {
                            return Poll::Ready(Err(self.too_long()));
                        }
                        parser.push(&bytes);
                        Poll::Ready(self.read_events())
                    }
                    Some(Err(error)) => Poll::Ready(self.broke_off(error)),
                    None => Poll::Ready(self.closed()),
                }
            }
            State::Whole { body, text } => match ready!(body.as_mut().poll_next(cx)) {
                Some(Ok(bytes)) if text.len() + bytes.len() > self.limits.response_bytes => {
                    Poll::Ready(Err(self.too_long()))
                }
                Some(Ok(bytes)) => {
                    text.extend_from_slice(&bytes);
                    Poll::Ready(Ok(()))
                }
                Some(Err(error)) => Poll::Ready(Err(self.lost(error))),
                None => {
                    let text = std::mem::take(text);
                    Poll::Ready(self.read_whole(&String::from_utf8_lossy(&text)))
                }
            },
            State::Refused { body, text, .. } => {
                match ready!(body.as_mut().poll_next(cx)) {
                    Some(Ok(bytes)) if text.len() < MAX_ERROR_BYTES => {
                        let room = MAX_ERROR_BYTES - text.len();
                        text.extend_from_slice(&bytes[..bytes.len().min(room)]);
                        Poll::Ready(Ok(()))
                    }
                    // What came of the reasons will do, should the rest be lost.
                    Some(_) | None => Poll::Ready(Err(self.refused())),
                }
            }
            State::Over => Poll::Pending,
        }
    }

    /// Reads the events that are whole, and sets the time for the next.
    fn read_events(&mut self) -> Result<(), ModelError> {
        let State::Streaming { parser, events, .. } = &mut self.state else {
            return Ok(());
        };
        let before = *events;
        let mut result = Ok(());
        while result.is_ok() {
            match parser.next_event() {
                Ok(Some(event)) => {
                    *events += 1;
                    result = self.completion.handle(&event.data, &mut self.ready);
                }
                Ok(None) => break,
                Err(error) => return Err(self.protocol(error)),
            }
        }
        let progress = *events != before;
        result.map_err(|broken| self.broken(broken))?;
        // Comments are no progress, nor is anything before the first word: that has one deadline.
        if progress && self.waiting() != Waiting::FirstToken {
            self.arm(self.limit());
        }
        Ok(())
    }

    /// Reads the answer of a server that does not stream.
    fn read_whole(&mut self, text: &str) -> Result<(), ModelError> {
        let read = self.completion.handle(text, &mut self.ready);
        read.map_err(|broken| self.broken(broken))?;
        if self.waiting() == Waiting::FirstToken {
            return Err(self.protocol("a JSON answer that holds no reply"));
        }
        self.completion.end(&mut self.ready).map_err(|broken| self.broken(broken))
    }

    /// The body ended as HTTP has it.
    fn closed(&mut self) -> Result<(), ModelError> {
        let State::Streaming { parser, content_type, events, .. } = &mut self.state else {
            return Ok(());
        };
        if let Some(event) = parser.finish() {
            *events += 1;
            let read = self.completion.handle(&event.data, &mut self.ready);
            read.map_err(|broken| self.broken(broken))?;
        } else if *events == 0 {
            let reason = format!("no event in an answer of type `{content_type}`");
            return Err(self.protocol(reason));
        }
        self.completion.closed(&mut self.ready).map_err(|broken| self.broken(broken))
    }

    /// The connection died. Where the model had finished, all that mattered had come.
    fn broke_off(&mut self, error: reqwest::Error) -> Result<(), ModelError> {
        if self.completion.is_finished() {
            self.completion.end(&mut self.ready).map_err(|broken| self.broken(broken))
        } else {
            Err(self.lost(error))
        }
    }

    fn waiting(&self) -> Waiting {
        if self.completion.is_finished() {
            Waiting::EndMark
        } else if self.completion.has_begun() {
            Waiting::NextEvent
        } else {
            Waiting::FirstToken
        }
    }

    /// The time that is running, from its start.
    fn limit(&self) -> Duration {
        match self.waiting() {
            Waiting::FirstToken => self.limits.timeouts.first_token,
            Waiting::NextEvent => self.limits.timeouts.stall,
            Waiting::EndMark => self.limits.timeouts.end_mark,
        }
    }

    fn arm(&mut self, limit: Duration) {
        match &mut self.deadline {
            Some(deadline) => deadline.as_mut().reset(Instant::now() + limit),
            None => self.deadline = Some(Box::pin(tokio::time::sleep(limit))),
        }
    }

    /// The time is over.
    fn expired(&mut self) -> Result<(), ModelError> {
        if let State::Refused { .. } = self.state {
            return Err(self.refused());
        }
        let limit = self.limit();
        match self.waiting() {
            Waiting::FirstToken => {
                Err(self.connection(format!("no word of the reply within {limit:?}")))
            }
            Waiting::NextEvent => {
                Err(self.connection(format!("the reply stopped in mid-stream for {limit:?}")))
            }
            Waiting::EndMark => {
                self.completion.end(&mut self.ready).map_err(|broken| self.broken(broken))
            }
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<ReplyEvent> {
        if self.deadline.is_none() && !matches!(self.state, State::Over) {
            self.arm(self.limits.timeouts.first_token);
        }
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Poll::Ready(event);
            }
            let step = match self.step(cx) {
                Poll::Ready(step) => step,
                Poll::Pending => {
                    let Some(deadline) = &mut self.deadline else {
                        return Poll::Pending;
                    };
                    ready!(deadline.as_mut().poll(cx));
                    self.expired()
                }
            };
            if let Err(error) = step {
                self.ready.push_back(ReplyEvent::Failed(error));
            }
            if matches!(self.ready.back(), Some(ReplyEvent::Done | ReplyEvent::Failed(_))) {
                if let Some(usage) = self.completion.usage {
                    tracing::debug!(
                        provider = self.provider,
                        prompt_tokens = usage.prompt_tokens,
                        completion_tokens = usage.completion_tokens,
                        "reply complete"
                    );
                }
                // The response goes now: its connection is closed, or back in the pool.
                self.state = State::Over;
                self.deadline = None;
            }
        }
    }

    fn connection(&self, reason: String) -> ModelError {
        ModelError::Connection { provider: self.provider, reason }
    }

    fn protocol(&self, reason: impl fmt::Display) -> ModelError {
        let reason = self.secrets.excerpt(&reason.to_string());
        ModelError::Protocol { provider: self.provider, reason }
    }

    fn too_long(&self) -> ModelError {
        self.protocol(format_args!("an answer of more than {} bytes", self.limits.response_bytes))
    }

    /// An error of the HTTP client, without the address, which may hold a secret.
    fn lost(&self, error: reqwest::Error) -> ModelError {
        let reason = if error.is_connect() && error.is_timeout() {
            format!("no connection within {:?}", self.limits.timeouts.connect)
        } else {
            self.secrets.excerpt(&chain(&error.without_url()))
        };
        self.connection(reason)
    }

    fn broken(&self, broken: Broken) -> ModelError {
        match broken {
            Broken::Incomplete => self.connection(broken.to_string()),
            Broken::Server(words) => {
                let words = self.secrets.excerpt(&words);
                self.connection(format!("the server gave up: {words}"))
            }
            Broken::Chunk { .. } | Broken::Call(_) | Broken::CutCall | Broken::Withheld => {
                self.protocol(broken)
            }
        }
    }

    fn refused(&self) -> ModelError {
        let State::Refused { status, text, .. } = &self.state else {
            return self.connection("no answer".to_owned());
        };
        let message = serde_json::from_slice(text).ok().and_then(ErrorBody::into_message);
        let words = message.unwrap_or_else(|| String::from_utf8_lossy(text).into_owned());
        let mut reason = self.secrets.excerpt(&words);
        if status.is_redirection() {
            reason = "it redirects; configure the address it answers at".to_owned();
        } else if reason.is_empty() {
            reason = status.canonical_reason().unwrap_or("no reason given").to_owned();
        }
        ModelError::Status { provider: self.provider, status: status.as_u16(), reason }
    }
}

impl State {
    fn answered(response: Response) -> Self {
        let status = response.status();
        let content_type = response
            .headers()
            .get(CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
            .to_owned();
        let body: Body = response.bytes_stream().boxed();
        if !status.is_success() {
            Self::Refused { status, body, text: Vec::new() }
        } else if content_type.trim_start().to_ascii_lowercase().starts_with("application/json") {
            Self::Whole { body, text: Vec::new() }
        } else {
            let parser = EventParser::new(MAX_EVENT_BYTES);
            Self::Streaming { body, parser, content_type, received: 0, events: 0 }
        }
    }
}

impl ReplyStream for OpenAiReply {
    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<ReplyEvent> {
        self.poll(cx)
    }
}

/// An error with its causes: `error sending request: connection refused`.
pub(super) fn chain(error: &dyn StdError) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use futures_util::stream;
    use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

    use super::*;

    const HELLO: &str = "data: {\"choices\":[{\"delta\":{\"content\":\"Hello\"}}]}\n\n";
    const STOP: &str = "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";

    fn timeouts() -> Timeouts {
        Timeouts {
            connect: Duration::from_secs(5),
            first_token: Duration::from_secs(20),
            stall: Duration::from_secs(10),
            end_mark: Duration::from_millis(250),
        }
    }

    /// A reply to an answer whose body comes from the channel.
    fn reply(status: u16, content_type: &str) -> (OpenAiReply, UnboundedSender<&'static str>) {
        let (body, mut pieces) = unbounded_channel::<&'static str>();
        let pieces = stream::poll_fn(move |cx| pieces.poll_recv(cx));
        let response = axum::http::Response::builder()
            .status(status)
            .header(CONTENT_TYPE, content_type)
            .body(reqwest::Body::wrap_stream(pieces.map(Ok::<_, std::io::Error>)))
            .expect("a valid answer");
        let limits = Limits { timeouts: timeouts(), response_bytes: 1000 };
        let mut secrets = Secrets::default();
        secrets.add("top-secret");
        let sending = std::future::ready(Ok(Response::from(response)));
        (OpenAiReply::new("test", limits, Arc::new(secrets), sending), body)
    }

    async fn next(reply: &mut OpenAiReply) -> ReplyEvent {
        std::future::poll_fn(|cx| reply.poll_event(cx)).await
    }

    /// The next event and the time it took, on the paused clock.
    async fn timed(reply: &mut OpenAiReply) -> (ReplyEvent, Duration) {
        let start = Instant::now();
        (next(reply).await, start.elapsed())
    }

    fn hello() -> ReplyEvent {
        ReplyEvent::Text("Hello".to_owned())
    }

    fn connection(reason: &str) -> ReplyEvent {
        let reason = reason.to_owned();
        ReplyEvent::Failed(ModelError::Connection { provider: "test", reason })
    }

    fn protocol(reason: &str) -> ReplyEvent {
        let reason = reason.to_owned();
        ReplyEvent::Failed(ModelError::Protocol { provider: "test", reason })
    }

    fn status(status: u16, reason: &str) -> ReplyEvent {
        let reason = reason.to_owned();
        ReplyEvent::Failed(ModelError::Status { provider: "test", status, reason })
    }

    /// The clock is about a millisecond coarse: tokio rounds up.
    fn about(elapsed: Duration, expected: Duration) -> bool {
        elapsed >= expected && elapsed <= expected + Duration::from_millis(2)
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_never_answers_fails_at_the_first_token_deadline() {
        let limits = Limits { timeouts: timeouts(), response_bytes: 1000 };
        let sending = std::future::pending();
        let mut reply = OpenAiReply::new("test", limits, Arc::default(), sending);
        let (event, elapsed) = timed(&mut reply).await;
        assert_eq!(event, connection("no word of the reply within 20s"));
        assert!(about(elapsed, timeouts().first_token), "{elapsed:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn comments_and_empty_deltas_do_not_move_the_first_token_deadline() {
        let (mut reply, body) = reply(200, "text/event-stream");
        let feed = async {
            loop {
                tokio::time::sleep(Duration::from_secs(3)).await;
                body.send(": processing\n\n").expect("the reply is alive");
                body.send("data: {\"choices\":[{\"delta\":{\"role\":\"assistant\"}}]}\n\n")
                    .expect("the reply is alive");
            }
        };
        let (event, elapsed) = tokio::select! {
            outcome = timed(&mut reply) => outcome,
            () = feed => unreachable!("the feed never ends"),
        };
        assert_eq!(event, connection("no word of the reply within 20s"));
        assert!(about(elapsed, timeouts().first_token), "{elapsed:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_stall_is_counted_from_the_last_event() {
        let (mut reply, body) = reply(200, "text/event-stream");
        for _ in 0..3 {
            tokio::time::sleep(Duration::from_secs(9)).await;
            body.send(HELLO).expect("the reply is alive");
            assert_eq!(next(&mut reply).await, hello());
        }
        body.send(": still here\n\n").expect("the reply is alive");
        let (event, elapsed) = timed(&mut reply).await;
        assert_eq!(event, connection("the reply stopped in mid-stream for 10s"));
        assert!(about(elapsed, timeouts().stall), "{elapsed:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_reply_whose_end_mark_never_comes_is_complete_all_the_same() {
        let (mut reply, body) = reply(200, "text/event-stream");
        body.send(HELLO).expect("the reply is alive");
        body.send(STOP).expect("the reply is alive");
        assert_eq!(next(&mut reply).await, hello());
        let (event, elapsed) = timed(&mut reply).await;
        assert_eq!(event, ReplyEvent::Done);
        assert!(about(elapsed, timeouts().end_mark), "{elapsed:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn the_response_is_let_go_with_the_last_event() {
        let (mut reply, body) = reply(200, "text/event-stream");
        body.send("data: [DONE]\n\n").expect("the reply is alive");
        assert_eq!(next(&mut reply).await, ReplyEvent::Done);
        assert!(body.is_closed());
        let more = tokio::time::timeout(Duration::from_secs(60), next(&mut reply)).await;
        assert!(more.is_err(), "nothing comes after Done");
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_without_end_is_cut() {
        let (mut reply, body) = reply(200, "text/event-stream");
        while body.send(": padding padding padding\n").is_ok() {
            let event = tokio::time::timeout(Duration::from_millis(1), next(&mut reply)).await;
            if let Ok(event) = event {
                assert_eq!(event, protocol("an answer of more than 1000 bytes"));
                return;
            }
        }
        panic!("the answer was let go without an error");
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_is_no_stream_is_named() {
        let (mut html, body) = reply(200, "text/html");
        body.send("<html>Welcome</html>").expect("the reply is alive");
        drop(body);
        assert_eq!(next(&mut html).await, protocol("no event in an answer of type `text/html`"));

        let (mut json, body) = reply(200, "application/json");
        body.send("{\"hello\": \"world\"}").expect("the reply is alive");
        drop(body);
        assert_eq!(next(&mut json).await, protocol("a JSON answer that holds no reply"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_does_not_stream_is_understood() {
        let (mut reply, body) = reply(200, "application/json; charset=utf-8");
        body.send("{\"choices\":[{\"message\":{\"content\":\"Hel").expect("the reply is alive");
        body.send("lo\"}}]}").expect("the reply is alive");
        drop(body);
        assert_eq!(next(&mut reply).await, hello());
        assert_eq!(next(&mut reply).await, ReplyEvent::Done);
    }

    #[tokio::test(start_paused = true)]
    async fn refusals_carry_the_servers_words_without_the_key() {
        let (mut reply401, body) = reply(401, "application/json");
        body.send("{\"error\":{\"message\":\"Wrong key top-secret.\"}}").expect("alive");
        drop(body);
        assert_eq!(next(&mut reply401).await, status(401, "Wrong key [hidden]."));

        let (mut empty, body) = reply(503, "text/plain");
        drop(body);
        assert_eq!(next(&mut empty).await, status(503, "Service Unavailable"));

        let (mut redirect, body) = reply(307, "text/html");
        drop(body);
        let reason = "it redirects; configure the address it answers at";
        assert_eq!(next(&mut redirect).await, status(307, reason));

        // The reasons never end: what came of them will do.
        let (mut slow, body) = reply(500, "text/plain");
        body.send("disk\nfull").expect("the reply is alive");
        assert_eq!(next(&mut slow).await, status(500, "disk full"));
        drop(body);
    }

    #[tokio::test(start_paused = true)]
    async fn what_came_before_an_error_is_given_first() {
        let (mut reply, body) = reply(200, "text/event-stream");
        body.send(HELLO).expect("the reply is alive");
        body.send("data: {\"error\":{\"message\":\"overloaded\"}}\n\n").expect("alive");
        assert_eq!(next(&mut reply).await, hello());
        assert_eq!(next(&mut reply).await, connection("the server gave up: overloaded"));
    }
}
