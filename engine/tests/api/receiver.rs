//! A product's server, which is sent messages.

use std::collections::VecDeque;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
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
        self.message["type"].as_str().expect("a type")
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

type Question = (HeaderMap, Value, oneshot::Sender<StatusCode>);

impl Receiver {
    /// Answers the first messages with these statuses, the others with 200.
    pub(crate) async fn start(statuses: impl IntoIterator<Item = u16>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}/vapi", listener.local_addr().expect("bound"));
        let (questions, mut asked) = mpsc::unbounded_channel::<Question>();
        let router = Router::new().route("/vapi", post(take)).with_state(questions);
        tokio::spawn(async { axum::serve(listener, router).await });
        let (sender, received) = mpsc::unbounded_channel();
        let mut statuses: VecDeque<u16> = statuses.into_iter().collect();
        tokio::spawn(async move {
            while let Some((headers, mut body, answer)) = asked.recv().await {
                let status = statuses.pop_front().unwrap_or(200);
                let status = StatusCode::from_u16(status).expect("a status");
                let message = body["message"].take();
                let _ = sender.send(Received { headers, message, status });
                let _ = answer.send(status);
            }
        });
        Self { url, received }
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

async fn take(
    State(questions): State<mpsc::UnboundedSender<Question>>,
    headers: HeaderMap,
    body: Bytes,
) -> StatusCode {
    let Ok(body) = serde_json::from_slice(&body) else { return StatusCode::BAD_REQUEST };
    let (answer, status) = oneshot::channel();
    let _ = questions.send((headers, body, answer));
    status.await.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}
