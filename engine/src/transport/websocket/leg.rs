//! One call on a raw WebSocket, as a [`MediaTransport`].
//!
//! Nothing here waits: each poll takes what came, sends what is due and fits, and reports one
//! event. Messages to the client and its orders pass through as text: what they say is decided
//! elsewhere.

use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::extract::ws::{Message, Utf8Bytes, close_code};
use bytes::BytesMut;
use codecs::SampleRate;
use codecs::ambience::Ambience;
use tokio::sync::mpsc;
use turntaking::input::TurnId;
use turntaking::time::Instant;

use super::format::AudioFormat;
use super::ingress::{Ingress, IngressCounts};
use super::playout::{Playout, PlayoutCounts};
use crate::transport::egress_clock::Ticker;
use crate::transport::media::{LegEnd, MediaTransport, Playback, TransportEvent};
use crate::transport::round_trip::RoundTrip;
use crate::transport::socket::{Socket, classify, close_frame, let_go};

/// Frames without an event that one poll reads before it lets others run.
const READS_PER_POLL: u32 = 32;

/// How long the peer may take to answer our close.
const CLOSE_LIMIT: Duration = Duration::from_secs(1);

/// How long the close waits for the last message to the client.
const FAREWELL_LIMIT: Duration = Duration::from_millis(500);

/// Bytes of a frame of 20 ms at 16 kHz, a few times over.
const BUFFER: usize = 4 * 1_024;

/// The limits of a leg.
#[derive(Clone, Copy, Debug)]
pub struct WebSocketSettings {
    /// A peer from which nothing came for this long, no answer to a ping either, is dead: its
    /// socket is half open. One that took nothing for this long is, too.
    pub stall_limit: Duration,
}

impl Default for WebSocketSettings {
    fn default() -> Self {
        Self { stall_limit: Duration::from_secs(5) }
    }
}

/// The ends of a leg that the rest of the engine holds.
#[derive(Debug)]
pub struct Texts {
    /// What the client is told. A leg sends it as soon as the socket takes it.
    pub down: mpsc::Receiver<Utf8Bytes>,
    /// What the client orders. What finds no room is dropped, and counted.
    pub up: mpsc::Sender<Utf8Bytes>,
}

/// What was left out or put up with since the call began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LegCounts {
    /// The caller's audio.
    pub ingress: IngressCounts,
    /// The replies.
    pub playout: PlayoutCounts,
    /// Orders that found no room.
    pub orders_dropped: u64,
}

/// One call's media leg on a raw WebSocket.
#[derive(Debug)]
pub struct WebSocketLeg<S> {
    /// `None` once the leg is over.
    socket: Option<S>,
    ticker: Ticker,
    settings: WebSocketSettings,
    format: AudioFormat,
    ingress: Ingress,
    playout: Playout,
    round_trip: RoundTrip,
    texts: Texts,
    /// Nobody has anything to tell the client any more.
    all_told: bool,
    /// A frame's samples, and its bytes.
    samples: Vec<i16>,
    buffer: BytesMut,
    /// When something last came; `None` before the first poll.
    heard: Option<Instant>,
    /// Since when the socket has taken nothing.
    blocked: Option<Instant>,
    /// Frames are in the socket's buffer.
    unflushed: bool,
    closing: Closing,
    orders_dropped: u64,
}

/// How far our own close has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Closing {
    No,
    /// Once all was played and told.
    Drain,
    /// Once all was told, or then.
    Farewell(Instant),
    /// The close frame is out; until when to wait for the peer's.
    Sent(Instant),
}

impl<S: Socket> WebSocketLeg<S> {
    /// A leg on an open socket.
    pub fn new(
        socket: S,
        format: AudioFormat,
        texts: Texts,
        settings: WebSocketSettings,
        ticker: Ticker,
    ) -> Self {
        Self {
            socket: Some(socket),
            ticker,
            settings,
            format,
            ingress: Ingress::new(format.encoding, format.rate),
            playout: Playout::new(format.rate),
            round_trip: RoundTrip::default(),
            texts,
            all_told: false,
            samples: Vec::with_capacity(format.rate.hz() as usize / 50),
            buffer: BytesMut::with_capacity(BUFFER),
            heard: None,
            blocked: None,
            unflushed: false,
            closing: Closing::No,
            orders_dropped: 0,
        }
    }

    /// What was left out or put up with so far.
    pub const fn counts(&self) -> LegCounts {
        LegCounts {
            ingress: self.ingress.counts(),
            playout: self.playout.counts(),
            orders_dropped: self.orders_dropped,
        }
    }

    /// Reads until there is an event. `None`: all that came was read.
    fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        now: Instant,
        audio: &mut Vec<i16>,
    ) -> Option<TransportEvent> {
        for _ in 0..READS_PER_POLL {
            if let Some(at) = self.ingress.take(now, audio) {
                return Some(TransportEvent::Audio { at });
            }
            let message = match Pin::new(self.socket.as_mut()?).poll_next(cx) {
                Poll::Pending => return None,
                Poll::Ready(Some(Ok(message))) => message,
                Poll::Ready(Some(Err(error))) => {
                    let end = classify(&error);
                    tracing::debug!(%error, ?end, "the client's socket failed");
                    return self.end(cx, end);
                }
                Poll::Ready(None) => return self.end(cx, LegEnd::Disconnected),
            };
            self.heard = Some(now);
            match message {
                Message::Binary(bytes) => self.ingress.push(now, &bytes),
                Message::Text(text) => {
                    if self.texts.up.try_send(text).is_err() {
                        self.orders_dropped += 1;
                    }
                }
                Message::Pong(payload) => {
                    self.round_trip.handle_pong(&payload, now);
                    if let Some(one_way) = self.round_trip.one_way() {
                        self.playout.set_network(one_way);
                    }
                }
                // The library answers pings with the next read or write.
                Message::Ping(_) => {}
                Message::Close(_) => return self.end(cx, LegEnd::PeerClosed),
            }
        }
        // More may be there: let others run, then come back.
        cx.waker().wake_by_ref();
        None
    }

    /// Sends what is due and fits.
    fn poll_write(&mut self, cx: &mut Context<'_>, now: Instant) -> Option<TransportEvent> {
        match self.try_write(cx, now) {
            Ok(true) => self.blocked = None,
            Ok(false) => {
                let since = *self.blocked.get_or_insert(now);
                if now.since(since) >= self.settings.stall_limit {
                    return self.end(cx, LegEnd::Stalled);
                }
            }
            Err(error) => {
                let end = classify(&error);
                tracing::debug!(%error, ?end, "sending to the client failed");
                return self.end(cx, end);
            }
        }
        None
    }

    /// `false`: the socket took less than it was offered.
    fn try_write(&mut self, cx: &mut Context<'_>, now: Instant) -> Result<bool, axum::Error> {
        let Some(mut socket) = self.socket.take() else { return Ok(true) };
        let sent = self.send_due(cx, now, Pin::new(&mut socket));
        self.socket = Some(socket);
        sent
    }

    fn send_due(
        &mut self,
        cx: &mut Context<'_>,
        now: Instant,
        mut socket: Pin<&mut S>,
    ) -> Result<bool, axum::Error> {
        while !matches!(self.closing, Closing::Sent(_)) {
            if socket.as_mut().poll_ready(cx)?.is_pending() {
                return Ok(false);
            }
            self.samples.clear();
            self.playout.poll_frame(now, &mut self.samples);
            let frame = if self.samples.is_empty() {
                match self.poll_text(cx).or_else(|| self.other_frame(now)) {
                    Some(frame) => frame,
                    None => break,
                }
            } else {
                self.format.write(self.samples.iter().copied(), &mut self.buffer);
                Message::Binary(self.buffer.split().freeze())
            };
            socket.as_mut().start_send(frame)?;
            self.unflushed = true;
        }
        if self.unflushed {
            if socket.as_mut().poll_flush(cx)?.is_pending() {
                return Ok(false);
            }
            self.unflushed = false;
        }
        Ok(true)
    }

    fn poll_text(&mut self, cx: &mut Context<'_>) -> Option<Message> {
        if self.all_told {
            return None;
        }
        match self.texts.down.poll_recv(cx) {
            Poll::Ready(Some(text)) => Some(Message::Text(text)),
            Poll::Ready(None) => {
                self.all_told = true;
                None
            }
            Poll::Pending => None,
        }
    }

    /// A close frame or a ping, where one is due.
    fn other_frame(&mut self, now: Instant) -> Option<Message> {
        if self.closing == Closing::Drain && self.playout.is_idle() {
            self.closing = Closing::Farewell(now + FAREWELL_LIMIT);
        }
        if let Closing::Farewell(limit) = self.closing
            && (self.all_told || now >= limit)
        {
            self.closing = Closing::Sent(now + CLOSE_LIMIT);
            return Some(close_frame(close_code::NORMAL));
        }
        let payload = self.round_trip.poll_ping(now)?;
        self.buffer.extend_from_slice(&payload);
        Some(Message::Ping(self.buffer.split().freeze()))
    }

    fn end(&mut self, cx: &mut Context<'_>, end: LegEnd) -> Option<TransportEvent> {
        let_go(self.socket.take()?, end, cx);
        tracing::debug!(?end, counts = ?self.counts(), "a leg is over");
        let closed_by_us = matches!(self.closing, Closing::Sent(_))
            && matches!(end, LegEnd::PeerClosed | LegEnd::Disconnected);
        Some(TransportEvent::Ended(if closed_by_us { LegEnd::Closed } else { end }))
    }

    /// What time alone brings about.
    fn check_limits(&mut self, cx: &mut Context<'_>, now: Instant) -> Option<TransportEvent> {
        if let Closing::Sent(until) = self.closing
            && now >= until
        {
            return self.end(cx, LegEnd::Disconnected);
        }
        if self.round_trip.overdue(now) >= self.settings.stall_limit {
            return self.end(cx, LegEnd::Stalled);
        }
        let heard = *self.heard.get_or_insert(now);
        if now.since(heard) >= self.settings.stall_limit {
            return self.end(cx, LegEnd::Disconnected);
        }
        None
    }
}

impl<S: Socket> MediaTransport for WebSocketLeg<S> {
    fn rate(&self) -> SampleRate {
        self.format.rate
    }

    fn poll_event(
        &mut self,
        cx: &mut Context<'_>,
        now: Instant,
        audio: &mut Vec<i16>,
    ) -> Poll<TransportEvent> {
        audio.clear();
        if self.socket.is_none() {
            return Poll::Pending;
        }
        // This wake-up may be the tick: only the next one is of interest.
        while self.ticker.poll_tick(cx).is_ready() {
            self.playout.tick(now);
        }
        if let Some(event) = self.poll_read(cx, now, audio) {
            return Poll::Ready(event);
        }
        if let Some(played) = self.playout.poll_played(now) {
            let (turn, until) = (played.turn, played.until);
            return Poll::Ready(TransportEvent::Played { turn, until, acknowledged: false });
        }
        if let Some(event) = self.poll_write(cx, now).or_else(|| self.check_limits(cx, now)) {
            return Poll::Ready(event);
        }
        Poll::Pending
    }

    fn queue(&mut self, turn: TurnId, samples: &[i16]) {
        self.playout.queue(turn, samples);
    }

    fn finish(&mut self, turn: TurnId) {
        self.playout.finish(turn);
    }

    fn hold(&mut self, _now: Instant) -> Option<(TurnId, u64)> {
        self.playout.hold()
    }

    fn resume(&mut self, _now: Instant, from: u64) {
        self.playout.resume(from);
    }

    fn stop(&mut self, _now: Instant) -> Option<(TurnId, u64)> {
        self.playout.stop()
    }

    fn run(&self) -> u64 {
        self.playout.run()
    }

    fn reply_samples(&self, turn: TurnId, range: Range<u64>, out: &mut Vec<i16>) {
        self.playout.reply_samples(turn, range, out);
    }

    fn playback(&self) -> Option<Playback> {
        self.playout.playback()
    }

    fn set_background(&mut self, ambience: Option<Arc<Ambience>>) {
        self.playout.set_background(ambience);
    }

    fn one_way(&self) -> Option<Duration> {
        self.round_trip.one_way()
    }

    fn take_wake_lag(&mut self) -> Duration {
        self.ticker.take_worst_lag()
    }

    fn set_muted(&mut self, muted: bool) {
        self.playout.set_muted(muted);
    }

    fn close(&mut self, _now: Instant) {
        if self.closing == Closing::No {
            self.closing = Closing::Drain;
            self.playout.finish_all();
        }
    }
}
