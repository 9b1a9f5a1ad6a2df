//! The sockets of all replies: one task.

use std::collections::{BTreeMap, VecDeque};
use std::future::{Future as _, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};
use std::time::Duration;

use codecs::SampleRate;
use futures_util::{Sink as _, Stream as _};
use tokio::sync::mpsc;
use tokio::time::{Instant, Sleep, sleep};
use tokio_tungstenite::tungstenite::Message;
use websocket::{ConnectError, Endpoint, Socket};

use super::context::Context;
use super::wire::{self, Template};
use crate::{SpeechEvent, TextChunk};

/// Replies on one socket. The service speaks of dozens.
const CONTEXTS: usize = 32;

/// How much is done in one go, so that other tasks get their turn.
const AT_ONCE: usize = 64;

/// How long to leave a service alone that could not be reached.
const RETRY: Duration = Duration::from_secs(5);

/// What replies want.
pub(super) enum Command {
    Open { reply: u64, template: Arc<Template>, events: mpsc::UnboundedSender<SpeechEvent> },
    Text { reply: u64, chunk: TextChunk },
    Finish { reply: u64 },
    Cancel { reply: u64 },
}

/// Serves replies until nobody can ask for any.
pub(super) async fn run(
    endpoint: Endpoint,
    rate: SampleRate,
    commands: mpsc::UnboundedReceiver<Command>,
) {
    let (connected, made) = mpsc::unbounded_channel();
    let mut hub = Hub {
        endpoint,
        rate,
        commands,
        contexts: BTreeMap::new(),
        links: BTreeMap::new(),
        next_link: 0,
        connected,
        made,
        connecting: false,
        retry: None,
        closing: false,
        malformed: 0,
    };
    hub.connect();
    poll_fn(|cx| hub.poll(cx)).await;
    if hub.malformed > 0 {
        tracing::warn!(messages = hub.malformed, "the voice's service sent what makes no sense");
    }
}

struct Hub {
    endpoint: Endpoint,
    rate: SampleRate,
    commands: mpsc::UnboundedReceiver<Command>,
    /// By reply.
    contexts: BTreeMap<u64, Context>,
    links: BTreeMap<u64, Link>,
    next_link: u64,
    connected: mpsc::UnboundedSender<Result<Socket, ConnectError>>,
    made: mpsc::UnboundedReceiver<Result<Socket, ConnectError>>,
    connecting: bool,
    /// When to try again to reach the service.
    retry: Option<Pin<Box<Sleep>>>,
    closing: bool,
    malformed: u64,
}

struct Link {
    socket: Socket,
    outbox: VecDeque<String>,
    /// Replies it carries.
    contexts: usize,
    unsent: bool,
}

impl Hub {
    /// Ready: nobody can ask for anything any more.
    fn poll(&mut self, cx: &mut TaskContext<'_>) -> Poll<()> {
        let mut more = self.take_commands(cx);
        self.take_connected(cx);
        let ids: Vec<u64> = self.links.keys().copied().collect();
        for id in ids {
            match self.serve_link(id, cx) {
                Ok(unfinished) => more |= unfinished,
                Err(reason) => self.lose(id, &reason),
            }
        }
        if self.closing && self.contexts.is_empty() {
            return Poll::Ready(());
        }
        if more {
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }

    /// True: there may be more.
    fn take_commands(&mut self, cx: &mut TaskContext<'_>) -> bool {
        for _ in 0..AT_ONCE {
            match self.commands.poll_recv(cx) {
                Poll::Ready(Some(command)) => self.obey(command),
                Poll::Ready(None) => {
                    self.closing = true;
                    return false;
                }
                Poll::Pending => return false,
            }
        }
        true
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Open { reply, template, events } => {
                let context = Context::new(reply, template, self.rate, events);
                self.contexts.insert(reply, context);
            }
            Command::Text { reply, chunk } => {
                if let Some(context) = self.contexts.get_mut(&reply) {
                    context.write(&chunk, Instant::now());
                    self.post(reply);
                }
            }
            Command::Finish { reply } => {
                let Some(context) = self.contexts.get_mut(&reply) else { return };
                if context.finish() {
                    self.forget(reply);
                } else {
                    self.post(reply);
                }
            }
            Command::Cancel { reply } => {
                let Some(context) = self.forget(reply) else { return };
                if context.is_open()
                    && let Some(link) = context.link.and_then(|link| self.links.get_mut(&link))
                {
                    link.outbox.push_back(wire::cancel(&context.id()));
                }
            }
        }
    }

    /// Gives what a reply has to send to its socket, or to one with room.
    fn post(&mut self, reply: u64) {
        let Some(context) = self.contexts.get_mut(&reply) else { return };
        if context.outbox.is_empty() {
            return;
        }
        if context.link.is_none() {
            let free = self.links.iter_mut().find(|(_, link)| link.contexts < CONTEXTS);
            match free {
                Some((id, link)) => {
                    link.contexts += 1;
                    context.link = Some(*id);
                }
                None => return self.connect(),
            }
        }
        if let Some(link) = context.link.and_then(|link| self.links.get_mut(&link)) {
            link.outbox.append(&mut context.outbox);
        }
    }

    fn forget(&mut self, reply: u64) -> Option<Context> {
        let context = self.contexts.remove(&reply)?;
        if let Some(link) = context.link.and_then(|link| self.links.get_mut(&link)) {
            link.contexts -= 1;
        }
        Some(context)
    }

    /// Opens another socket, unless one is being opened.
    fn connect(&mut self) {
        if self.connecting {
            return;
        }
        self.connecting = true;
        self.retry = None;
        let (endpoint, connected) = (self.endpoint.clone(), self.connected.clone());
        tokio::spawn(async move {
            let _ = connected.send(endpoint.connect().await);
        });
    }

    fn take_connected(&mut self, cx: &mut TaskContext<'_>) {
        while let Poll::Ready(Some(result)) = self.made.poll_recv(cx) {
            self.connecting = false;
            let waiting = |context: &Context| context.link.is_none() && !context.outbox.is_empty();
            let replies = self.contexts.iter().filter(|(_, context)| waiting(context));
            let replies: Vec<u64> = replies.map(|(reply, _)| *reply).collect();
            match result {
                Ok(socket) => {
                    let outbox = VecDeque::new();
                    let link = Link { socket, outbox, contexts: 0, unsent: false };
                    self.links.insert(self.next_link, link);
                    self.next_link += 1;
                    for reply in replies {
                        self.post(reply);
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "the voice's service cannot be reached");
                    for reply in replies {
                        if let Some(context) = self.forget(reply) {
                            context.fail(error.to_string());
                        }
                    }
                    self.retry = Some(Box::pin(sleep(RETRY)));
                }
            }
        }
        if let Some(retry) = &mut self.retry
            && retry.as_mut().poll(cx).is_ready()
        {
            self.retry = None;
            if self.links.is_empty() {
                self.connect();
                // The new channel's waker is set by looking at it.
                self.take_connected(cx);
            }
        }
    }

    /// True: there may be more.
    fn serve_link(&mut self, id: u64, cx: &mut TaskContext<'_>) -> Result<bool, String> {
        let plain = |error| websocket::plain(&error);
        let mut more = true;
        for _ in 0..AT_ONCE {
            let Some(link) = self.links.get_mut(&id) else { return Ok(false) };
            let Poll::Ready(message) = Pin::new(&mut link.socket).poll_next(cx) else {
                more = false;
                break;
            };
            match message {
                Some(Ok(Message::Text(text))) => self.take(&text),
                Some(Ok(Message::Close(_))) | None => {
                    return Err("it closed the connection".to_owned());
                }
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(plain(error)),
            }
        }
        let Some(link) = self.links.get_mut(&id) else { return Ok(false) };
        while !link.outbox.is_empty() {
            match Pin::new(&mut link.socket).poll_ready(cx) {
                Poll::Ready(ready) => ready.map_err(plain)?,
                Poll::Pending => return Ok(more),
            }
            if let Some(message) = link.outbox.pop_front() {
                Pin::new(&mut link.socket).start_send(Message::text(message)).map_err(plain)?;
                link.unsent = true;
            }
        }
        if link.unsent
            && let Poll::Ready(flushed) = Pin::new(&mut link.socket).poll_flush(cx)
        {
            flushed.map_err(plain)?;
            link.unsent = false;
        }
        Ok(more)
    }

    fn take(&mut self, text: &str) {
        let Some((id, message)) = wire::read(text) else {
            self.malformed += 1;
            return;
        };
        let Some(reply) = Context::reply_of(&id) else { return };
        // One that was cancelled goes on for a moment.
        let Some(context) = self.contexts.get_mut(&reply) else { return };
        if context.take(&id, message, Instant::now()) {
            self.forget(reply);
        }
    }

    /// A socket is gone, and what it carried with it.
    fn lose(&mut self, id: u64, reason: &str) {
        self.links.remove(&id);
        let lost = self.contexts.iter().filter(|(_, context)| context.link == Some(id));
        let lost: Vec<u64> = lost.map(|(reply, _)| *reply).collect();
        tracing::info!(reason, replies = lost.len(), "a connection to the voice's service ended");
        for reply in lost {
            if let Some(context) = self.contexts.remove(&reply) {
                context.fail(reason.to_owned());
            }
        }
        if self.links.is_empty() && !self.closing {
            self.connect();
        }
    }
}
