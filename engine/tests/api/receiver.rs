//! A product's server, which is sent messages.

use std::collections::VecDeque;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};

/// A message, as it came.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) headers: HeaderMap,
    pub(crate) message: Value,
    /// What it was answered with.
    pub(crate) status: StatusCode,
}

impl Received {
    pub(crate) fn kind(&self) -> &str {
        self.message["type"].as_str().unwrap_or_default()
    }

    pub(crate) fn id(&self) -> &str {
        self.headers[engine::webhook::MESSAGE_ID].to_str().expect("ASCII")
    }
}

/// The server.
pub(crate) struct Receiver {
    pub(crate) url: String,
    received: mpsc::UnboundedReceiver<Received>,
}

type Question = (HeaderMap, Value, oneshot::Sender<Response>);

/// How calls of tools are answered.
#[derive(Default)]
pub(crate) struct Tools {
    /// The answer, in which `ID` is the id of the call.
    pub(crate) answer: String,
    /// The answer to `assistant-request`.
    pub(crate) assistant: String,
    /// The answer to `transfer-destination-request` and `handoff-destination-request`.
    pub(crate) destination: String,
    /// Not before the assistant was heard to say this.
    pub(crate) held_until: Option<&'static str>,
}

impl Receiver {
    /// Answers the first messages with these statuses, the others with 200.
    pub(crate) async fn start(statuses: impl IntoIterator<Item = u16>) -> Self {
        Self::with_tools(statuses, Tools::default()).await
    }

    /// The same, and calls of tools by `tools`.
    pub(crate) async fn with_tools(statuses: impl IntoIterator<Item = u16>, tools: Tools) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}/vapi", listener.local_addr().expect("bound"));
        let (questions, asked) = mpsc::unbounded_channel::<Question>();
        let router = Router::new().route("/vapi", post(take)).with_state(questions);
        tokio::spawn(async { axum::serve(listener, router).await });
        let (sender, received) = mpsc::unbounded_channel();
        let statuses: VecDeque<u16> = statuses.into_iter().collect();
        tokio::spawn(answer(asked, statuses, tools, sender));
        Self { url, received }
    }

    /// Nothing more has come.
    pub(crate) fn is_silent(&mut self) -> bool {
        self.received.try_recv().is_err()
    }

    pub(crate) async fn next(&mut self) -> Received {
        self.received.recv().await.expect("the server runs")
    }

    /// Everything up to and with the first end-of-call report that was taken.
    pub(crate) async fn until_report(&mut self) -> Vec<Received> {
        let mut all = Vec::new();
        loop {
            all.push(self.next().await);
            let last = all.last().expect("just pushed");
            if last.kind() == "end-of-call-report" && last.status == StatusCode::OK {
                return all;
            }
        }
    }
}

async fn answer(
    mut asked: mpsc::UnboundedReceiver<Question>,
    mut statuses: VecDeque<u16>,
    mut tools: Tools,
    sender: mpsc::UnboundedSender<Received>,
) {
    let mut held = Vec::new();
    while let Some((headers, mut body, answer)) = asked.recv().await {
        let status = statuses.pop_front().unwrap_or(200);
        let status = StatusCode::from_u16(status).expect("a status");
        let message = match body.get_mut("message") {
            Some(message) => message.take(),
            // A request of a tool, which is no message.
            None => body,
        };
        if message["transcript"].as_str().is_some_and(|text| Some(text) == tools.held_until) {
            tools.held_until = None;
            for (answer, body) in held.drain(..) {
                let _ = oneshot::Sender::<Response>::send(answer, body);
            }
        }
        if message["type"] == "assistant-request" {
            let _ = answer.send((status, tools.assistant.clone()).into_response());
        } else if message["type"].as_str().is_some_and(|kind| kind.ends_with("destination-request"))
        {
            let _ = answer.send((status, tools.destination.clone()).into_response());
        } else if message["type"] == "function-call" {
            let _ = answer.send((status, tools.answer.clone()).into_response());
        } else if message["type"] == "tool-calls" {
            let id = message["toolCallList"][0]["id"].as_str().expect("an id");
            let body = (status, tools.answer.replace("ID", id)).into_response();
            if tools.held_until.is_some() {
                held.push((answer, body));
            } else {
                let _ = answer.send(body);
            }
        } else {
            let _ = answer.send(status.into_response());
        }
        let _ = sender.send(Received { headers, message, status });
    }
}

async fn take(
    State(questions): State<mpsc::UnboundedSender<Question>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let Ok(body) = serde_json::from_slice(&body) else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let (answer, answered) = oneshot::channel();
    let _ = questions.send((headers, body, answer));
    answered.await.unwrap_or_else(|_| StatusCode::INTERNAL_SERVER_ERROR.into_response())
}
