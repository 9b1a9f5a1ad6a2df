//! Takes messages from the outbox to customers' servers: in order for each call, calls beside
//! each other, again until they are taken.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::task::{JoinHandle, JoinSet};
use uuid::Uuid;

use super::report;
use super::retry::pause;
use super::subscription::Subscription;
use crate::authority::Authority;
use crate::backoff::Failure;
use crate::config::Server;
use crate::http::Courier;
use crate::store::{Pending, Store, StoreError, Timestamp};

/// Calls whose messages are underway at a time.
const AT_ONCE: usize = 64;

/// How long to wait when the database fails.
const DATABASE_PAUSE: Duration = Duration::from_secs(1);

/// Names the message, the same at each try, so that a server can tell a repetition.
pub const MESSAGE_ID: &str = "x-message-id";

/// The task that delivers.
#[derive(Debug)]
pub(crate) struct Delivery {
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Delivery {
    /// Starts it, with what the last process left behind. `mail` is notified when there is more.
    pub(crate) fn start(
        store: Store,
        client: reqwest::Client,
        authority: Authority,
        mail: Arc<Notify>,
    ) -> Self {
        let (stop, stopping) = watch::channel(false);
        let task = tokio::spawn(deliver(store, (client, authority), mail, stopping));
        Self { stop, task }
    }

    /// Delivers what is due, for at most `limit`; the rest waits for the next start.
    pub(crate) async fn finish(mut self, limit: Duration) {
        let _ = self.stop.send(true);
        if tokio::time::timeout(limit, &mut self.task).await.is_err() {
            self.task.abort();
            tracing::info!("messages are left in the outbox for the next start");
        }
    }
}

async fn deliver(
    store: Store,
    (client, authority): (reqwest::Client, Authority),
    mail: Arc<Notify>,
    mut stopping: watch::Receiver<bool>,
) {
    let mut tasks = JoinSet::new();
    let mut underway = BTreeSet::new();
    loop {
        let limit = u32::try_from(underway.len() + AT_ONCE).unwrap_or(u32::MAX);
        let (calls, next) = match store.calls_with_mail(Timestamp::now(), limit).await {
            Ok(found) => found,
            Err(error) => {
                tracing::error!(%error, "the outbox cannot be read");
                (Vec::new(), Some(Timestamp::now().after(DATABASE_PAUSE)))
            }
        };
        for call in calls {
            if underway.len() < AT_ONCE && underway.insert(call) {
                let (store, client) = (store.clone(), client.clone());
                let authority = authority.clone();
                tasks.spawn(async move {
                    if let Err(error) = deliver_call(&store, &client, &authority, call).await {
                        tracing::error!(%call, %error, "messages about a call wait");
                        tokio::time::sleep(DATABASE_PAUSE).await;
                    }
                    call
                });
            }
        }
        let is_stopping = *stopping.borrow();
        if is_stopping && tasks.is_empty() {
            return;
        }
        let due = next.map_or(Duration::from_secs(60), |next| {
            let micros = next.as_micros().saturating_sub(Timestamp::now().as_micros());
            Duration::from_micros(u64::try_from(micros).unwrap_or(0))
        });
        tokio::select! {
            Some(joined) = tasks.join_next() => match joined {
                Ok(call) => {
                    underway.remove(&call);
                }
                Err(error) => {
                    tracing::error!(%error, "a delivery stopped early");
                    // Which one is not told: those that still run are only started again later.
                    underway.clear();
                    tasks.shutdown().await;
                }
            },
            () = mail.notified() => {}
            () = tokio::time::sleep(due) => {}
            changed = stopping.changed(), if !is_stopping => {
                if changed.is_err() {
                    return;
                }
            }
        }
    }
}

/// Delivers what is due of a call, in order.
async fn deliver_call(
    store: &Store,
    client: &reqwest::Client,
    authority: &Authority,
    call: Uuid,
) -> Result<(), StoreError> {
    while let Some(message) = store.next_message(call).await? {
        if message.due_at > Timestamp::now() {
            return Ok(());
        }
        let Some(record) = store.any_call(call).await? else { return Ok(()) };
        let subscription = record.subscription.clone().map(serde_json::from_value::<Subscription>);
        let Some(Ok(subscription)) = subscription else {
            store.not_delivered(message.id, "the call names no server", None).await?;
            continue;
        };
        let body = serde_json::to_vec(&report::envelope(&record, &message)?)?;
        let courier = Courier::new(client.clone(), authority.clone(), record.organisation);
        let Err((failure, error)) = post(&courier, &subscription, &message, body).await else {
            store.delivered(message.id).await?;
            continue;
        };
        let attempts = message.attempts + 1;
        let plan = subscription.server.backoff_plan.as_ref();
        let retry = pause(&message.kind, plan, failure, attempts);
        let kind = &message.kind;
        if retry.is_some() {
            tracing::info!(%call, kind, attempts, error, "a message is sent again later");
        } else {
            tracing::warn!(%call, kind, attempts, error, "a message was given up");
        }
        let retry = retry.map(|pause| Timestamp::now().after(pause));
        store.not_delivered(message.id, &error, retry).await?;
    }
    Ok(())
}

async fn post(
    courier: &Courier,
    subscription: &Subscription,
    message: &Pending,
    body: Vec<u8>,
) -> Result<(), (Failure, String)> {
    let Some(server) = Server::of(&subscription.server) else {
        return Err((Failure::Unreachable, "the server's url is not one".to_owned()));
    };
    let id = message.id.to_string();
    match courier.send(&server, &id, &body, |request| request.header(MESSAGE_ID, &id)).await {
        Ok(response) if response.status().is_success() => Ok(()),
        Ok(response) => {
            let status = response.status().as_u16();
            Err((Failure::Status(status), format!("the server answered {status}")))
        }
        Err(error) => Err((Failure::Unreachable, error.to_string())),
    }
}
