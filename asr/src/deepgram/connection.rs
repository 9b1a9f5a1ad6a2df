//! One call's connection: audio there, results back.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{BufMut as _, BytesMut};
use codecs::SampleRate;
use futures_util::{Sink as _, Stream as _};
use rtrb::{Consumer, Producer};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use websocket::Socket;

use std::pin::Pin;

use super::Line;
use super::wire::{self, Heard};

/// Samples of a block: 20 ms at 8 kHz.
const BLOCK: usize = 160;

/// Blocks that go out in one message, where many wait: 100 ms, the size that the service advises.
const BLOCKS_AT_ONCE: usize = 5;

/// Silence that stands for lost audio, at most, in samples: the service's clock follows ours.
const LONGEST_FILL: u64 = 8_000;

/// How long the service may take to say goodbye.
const GOODBYE: Duration = Duration::from_secs(2);

/// Some of a stream's samples.
#[derive(Debug)]
pub(super) struct Block {
    /// Position of the first.
    at: u64,
    length: u16,
    samples: [i16; BLOCK],
}

impl Block {
    /// A block that begins at `at`.
    pub(super) const fn empty(at: u64) -> Self {
        Self { at, length: 0, samples: [0; BLOCK] }
    }

    /// Takes as many samples as there is room for; how many.
    pub(super) fn take(&mut self, samples: &[i16]) -> usize {
        let from = usize::from(self.length);
        let count = samples.len().min(BLOCK - from);
        self.samples[from..from + count].copy_from_slice(&samples[..count]);
        self.length += count as u16;
        count
    }

    pub(super) const fn is_full(&self) -> bool {
        self.length as usize == BLOCK
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.length == 0
    }

    pub(super) fn samples(&self) -> &[i16] {
        &self.samples[..usize::from(self.length)]
    }
}

/// What a stream hands over, in order. Blocks lie in the ring itself: a frame allocates nothing.
#[derive(Debug)]
#[allow(clippy::large_enum_variant)]
pub(super) enum Item {
    Audio(Block),
    /// The words of what came before are wanted.
    Finalize,
}

/// What comes back.
#[derive(Debug)]
pub(super) enum News {
    Result(Heard),
    /// Nothing follows.
    Failed(String),
}

/// The connection's end of a stream.
pub(super) struct Lane {
    pub(super) items: Consumer<Item>,
    pub(super) news: Producer<News>,
    pub(super) line: Arc<Line>,
    pub(super) rate: SampleRate,
}

impl Lane {
    /// There will be no words.
    pub(super) fn fail(mut self, reason: String) {
        tracing::debug!(reason, "no connection to the transcriber");
        let _ = self.news.push(News::Failed(reason));
    }

    fn tell(&mut self, news: News) -> Result<(), String> {
        // A call that takes nothing for a hundred results takes none of its frames either.
        let told = self.news.push(news);
        self.line.link.wake();
        told.map_err(|_| "the call does not take its results".to_owned())
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        self.line.link.leave_thread();
    }
}

/// Serves a stream over `socket` until either is gone.
pub(super) async fn serve(lane: Lane, socket: Socket) {
    let mut connection = Connection {
        lane,
        socket,
        bytes: BytesMut::with_capacity(4 * 1_024),
        next: 0,
        unsent: false,
        malformed: 0,
    };
    let ended = poll_fn(|cx| connection.poll(cx)).await;
    let Connection { lane, mut socket, malformed, .. } = connection;
    if malformed > 0 {
        tracing::warn!(messages = malformed, "the transcriber sent what makes no sense");
    }
    match ended {
        // The stream was dropped: the service need not go on, and frees its side at once.
        Ok(()) => {
            drop(lane);
            let goodbye = async {
                use futures_util::SinkExt as _;
                if socket.send(Message::text(wire::CLOSE_STREAM)).await.is_ok() {
                    let _ = socket.close(None).await;
                }
            };
            let _ = timeout(GOODBYE, goodbye).await;
        }
        Err(reason) => lane.fail(reason),
    }
}

struct Connection {
    lane: Lane,
    socket: Socket,
    /// Of the next message.
    bytes: BytesMut,
    /// The position after what was sent.
    next: u64,
    /// Something was sent and not flushed.
    unsent: bool,
    malformed: u64,
}

impl Connection {
    /// Does what can be done. Ready: the stream is gone, or the connection failed.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), String>> {
        // Before looking, so that what comes after the look wakes us.
        self.lane.line.task.register(cx.waker());
        if self.lane.line.link.stream_is_gone() {
            return Poll::Ready(Ok(()));
        }
        if let Err(reason) = self.receive(cx).and_then(|()| self.send(cx)) {
            return Poll::Ready(Err(reason));
        }
        Poll::Pending
    }

    fn receive(&mut self, cx: &mut Context<'_>) -> Result<(), String> {
        while let Poll::Ready(message) = Pin::new(&mut self.socket).poll_next(cx) {
            match message {
                Some(Ok(Message::Text(text))) => match wire::read(&text, self.lane.rate) {
                    Some(wire::Message::Heard(heard)) => self.lane.tell(News::Result(heard))?,
                    Some(wire::Message::Error(reason)) => return Err(reason),
                    Some(wire::Message::Other) => {}
                    None => self.malformed += 1,
                },
                Some(Ok(Message::Close(frame))) => return Err(farewell(frame.as_ref())),
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(websocket::plain(&error)),
                None => return Err("the connection is closed".to_owned()),
            }
        }
        Ok(())
    }

    fn send(&mut self, cx: &mut Context<'_>) -> Result<(), String> {
        let plain = |error| websocket::plain(&error);
        while !self.lane.items.is_empty() {
            match Pin::new(&mut self.socket).poll_ready(cx) {
                Poll::Ready(ready) => ready.map_err(plain)?,
                Poll::Pending => return Ok(()),
            }
            let Some(message) = self.next_message() else { break };
            Pin::new(&mut self.socket).start_send(message).map_err(plain)?;
            self.unsent = true;
        }
        if self.lane.line.waits.load(Ordering::Acquire) {
            self.lane.line.link.wake();
        }
        if self.unsent
            && let Poll::Ready(flushed) = Pin::new(&mut self.socket).poll_flush(cx)
        {
            flushed.map_err(plain)?;
            self.unsent = false;
        }
        Ok(())
    }

    fn next_message(&mut self) -> Option<Message> {
        for _ in 0..BLOCKS_AT_ONCE {
            match self.lane.items.peek() {
                Ok(Item::Finalize) if self.bytes.is_empty() => {
                    let _ = self.lane.items.pop();
                    return Some(Message::text(wire::FINALIZE));
                }
                Ok(Item::Finalize) | Err(_) => break,
                Ok(Item::Audio(_)) => {}
            }
            let Ok(Item::Audio(block)) = self.lane.items.pop() else { break };
            let lost = block.at.saturating_sub(self.next).min(LONGEST_FILL);
            self.bytes.put_bytes(0, usize::try_from(lost).unwrap_or(0) * 2);
            for sample in block.samples() {
                self.bytes.put_i16_le(*sample);
            }
            self.next = block.at + block.samples().len() as u64;
        }
        // The memory is used again once the message is written.
        (!self.bytes.is_empty()).then(|| Message::Binary(self.bytes.split().freeze()))
    }
}

/// Why the service closed the connection, in its own words ("NET-0001", "DATA-0000").
fn farewell(frame: Option<&CloseFrame>) -> String {
    match frame {
        Some(frame) if !frame.reason.is_empty() => {
            let reason: String = frame.reason.chars().take(200).collect();
            format!("it closed the connection: {reason} ({})", frame.code)
        }
        Some(frame) => format!("it closed the connection ({})", frame.code),
        None => "it closed the connection".to_owned(),
    }
}
