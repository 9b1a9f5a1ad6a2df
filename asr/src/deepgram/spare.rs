//! A connection that is open before a call wants it.

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use tokio::sync::mpsc;
use tokio::time::{Instant, interval};
use tokio_tungstenite::tungstenite::Message;
use websocket::{ConnectError, Endpoint, Socket};

use super::connection::{Lane, serve};
use super::wire;

/// The service closes a connection through which nothing goes after 10 s.
const KEEP_ALIVE: Duration = Duration::from_secs(4);

/// A spare is renewed after this long: so much of its life was idle, and networks forget.
const OLDEST: Duration = Duration::from_secs(600);

/// How long to leave a service alone that could not be reached.
const RETRY: Duration = Duration::from_secs(15);

/// A connection is wanted.
pub(super) struct Order {
    /// What the connection is for: a spare for the same fits.
    pub(super) query: String,
    pub(super) endpoint: Endpoint,
    /// The stream that wants it; `None`: one will in a moment.
    pub(super) lane: Option<Lane>,
}

/// What a spare is for, and how to make another.
#[derive(Clone)]
struct Kind {
    query: String,
    endpoint: Endpoint,
}

struct Spare {
    query: String,
    socket: Socket,
    since: Instant,
}

type Connected = (Kind, Result<Socket, ConnectError>);

/// Serves orders until nobody can give any, and keeps a connection for the next one.
pub(super) async fn keep(mut orders: mpsc::UnboundedReceiver<Order>) {
    let mut spare: Option<Spare> = None;
    let mut kind: Option<Kind> = None;
    let mut quiet_until = Instant::now();
    // At most one is being made.
    let (connected, mut made) = mpsc::channel::<Connected>(1);
    let mut making = false;
    let mut tick = interval(KEEP_ALIVE);
    loop {
        tokio::select! {
            biased;
            order = orders.recv() => {
                let Some(Order { query, endpoint, lane }) = order else { return };
                let fits = spare.take_if(|spare| spare.query == query);
                kind = Some(Kind { query, endpoint: endpoint.clone() });
                match lane {
                    // A spare for something else gives way; another is made below.
                    None => spare = fits,
                    Some(lane) => {
                        tokio::spawn(async move {
                            match fits {
                                Some(Spare { socket, .. }) => serve(lane, socket).await,
                                None => match endpoint.connect().await {
                                    Ok(socket) => serve(lane, socket).await,
                                    Err(error) => lane.fail(error.to_string()),
                                },
                            }
                        });
                    }
                }
            }
            Some((of, result)) = made.recv() => {
                making = false;
                match result {
                    Ok(socket) => {
                        spare = Some(Spare { query: of.query, socket, since: Instant::now() });
                    }
                    Err(error) => {
                        tracing::warn!(%error, "the transcriber cannot be reached");
                        quiet_until = Instant::now() + RETRY;
                    }
                }
            }
            _ = tick.tick() => {
                let is_old = |spare: &mut Spare| spare.since.elapsed() > OLDEST;
                if let Some(mut old) = spare.take_if(is_old) {
                    let _ = old.socket.close(None).await;
                }
                if let Some(kept) = &mut spare
                    && kept.socket.send(Message::text(wire::KEEP_ALIVE)).await.is_err()
                {
                    spare = None;
                }
            }
            alive = still_open(&mut spare) => {
                if !alive {
                    spare = None;
                    quiet_until = Instant::now() + RETRY;
                }
            }
        }
        if spare.is_none()
            && !making
            && Instant::now() >= quiet_until
            && let Some(kind) = kind.clone()
        {
            making = true;
            let connected = connected.clone();
            tokio::spawn(async move {
                let result = kind.endpoint.connect().await;
                let _ = connected.send((kind, result)).await;
            });
        }
    }
}

/// Waits for something from the spare: whether it is still open.
async fn still_open(spare: &mut Option<Spare>) -> bool {
    match spare {
        Some(spare) => {
            !matches!(spare.socket.next().await, None | Some(Err(_) | Ok(Message::Close(_))))
        }
        None => std::future::pending().await,
    }
}
