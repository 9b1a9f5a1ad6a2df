//! One Twilio call: a WebSocket between the carrier and [`MediaTransport`].
//!
//! Nothing here waits: each poll takes what came, sends what is due and fits, and reports one
//! event. What a slow peer does not take stays in the [`Playout`], so there is no queue of
//! frames to bound, and a `clear` or a mark, made only when there is room for it, is never lost.

use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::extract::ws::{Message, Utf8Bytes, close_code};
use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use codecs::SampleRate;
use codecs::ambience::Ambience;
use turntaking::input::TurnId;
use turntaking::time::Instant;

use super::ingress::{Ingress, IngressCounts};
use super::message::{self, Inbound};
use super::outbound::{FrameWriter, MarkName};
use super::playout::{Playout, PlayoutCounts, PlayoutSettings, Transmit};
use crate::transport::egress_clock::Ticker;
use crate::transport::media::{LegEnd, MediaTransport, Playback, TransportEvent};
use crate::transport::round_trip::RoundTrip;
use crate::transport::socket::{Socket, classify, close_frame, let_go};

/// Base64 with or without its padding, and with whatever is in the bits that do not count.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// Malformed frames in a row that are put up with.
const MALFORMED_LIMIT: u32 = 10;

/// Frames without an event that one poll reads before it lets others run.
const READS_PER_POLL: u32 = 32;

/// Ticks between polls while audio goes out and nothing else wakes the task: 20 ms.
const TICKS_PLAYING: u32 = 1;

/// The same while the caller's frames wake it every 20 ms anyway; a third of the lead, so that
/// frames that stay away are noticed in time: 100 ms.
const TICKS_WOKEN: u32 = 5;

/// The caller's frames come when the last is not older than this.
const WOKEN_LATELY: Duration = Duration::from_millis(60);

/// Ticks between polls while nothing is to be sent, for the time limits: 200 ms.
const TICKS_IDLE: u32 = 10;

/// How long the peer may take to answer our close.
const CLOSE_LIMIT: Duration = Duration::from_secs(1);

/// The limits of a leg.
#[derive(Clone, Copy, Debug)]
pub struct TwilioSettings {
    /// How playback is fed.
    pub playout: PlayoutSettings,
    /// A socket without a valid start within this is closed.
    pub handshake_limit: Duration,
    /// A socket on which nothing came for this long is dead.
    pub silence_limit: Duration,
    /// A peer that took nothing, or answered no ping, for this long is dead.
    pub stall_limit: Duration,
}

impl Default for TwilioSettings {
    fn default() -> Self {
        Self {
            playout: PlayoutSettings::default(),
            handshake_limit: Duration::from_secs(5),
            silence_limit: Duration::from_secs(5),
            stall_limit: Duration::from_secs(5),
        }
    }
}

/// What was left out or put up with since the call began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LegCounts {
    /// The caller's frames.
    pub ingress: IngressCounts,
    /// The replies.
    pub playout: PlayoutCounts,
    /// Frames that could not be read.
    pub malformed: u64,
    /// Frames with an event this version does not know, or of a track that is not the caller's.
    pub ignored: u64,
}

/// One call's media leg at Twilio. Made by [`accept`](super::handshake::accept).
#[derive(Debug)]
pub struct TwilioLeg<S> {
    /// `None` once the leg is over.
    socket: Option<S>,
    ticker: Ticker,
    settings: TwilioSettings,
    writer: FrameWriter,
    ingress: Ingress,
    playout: Playout,
    round_trip: RoundTrip,
    /// Payload of a frame, either way.
    payload: Vec<u8>,
    /// When the last frame of text came; `None` before the first poll.
    heard: Option<Instant>,
    /// Since when the socket has taken nothing.
    blocked: Option<Instant>,
    /// Frames are in the socket's buffer.
    unflushed: bool,
    closing: Closing,
    malformed_in_row: u32,
    malformed: u64,
    ignored: u64,
}

/// How far our own close has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Closing {
    No,
    /// Once all was played.
    Drain,
    /// The close frame is out; until when to wait for the peer's.
    Sent(Instant),
}

impl<S: Socket> TwilioLeg<S> {
    /// A leg on a socket whose `start` was read.
    pub(super) fn new(
        socket: S,
        stream_sid: &str,
        settings: TwilioSettings,
        ticker: Ticker,
    ) -> Self {
        Self {
            socket: Some(socket),
            ticker,
            settings,
            writer: FrameWriter::new(stream_sid),
            ingress: Ingress::default(),
            playout: Playout::new(settings.playout),
            round_trip: RoundTrip::default(),
            payload: Vec::with_capacity(1_024),
            heard: None,
            blocked: None,
            unflushed: false,
            closing: Closing::No,
            malformed_in_row: 0,
            malformed: 0,
            ignored: 0,
        }
    }

    /// What was left out or put up with so far.
    pub fn counts(&self) -> LegCounts {
        LegCounts {
            ingress: self.ingress.counts(),
            playout: self.playout.counts(),
            malformed: self.malformed,
            ignored: self.ignored,
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
            let socket = self.socket.as_mut()?;
            let text = match Pin::new(socket).poll_next(cx) {
                Poll::Pending => return None,
                Poll::Ready(Some(Ok(Message::Text(text)))) => text,
                Poll::Ready(Some(Ok(Message::Pong(payload)))) => {
                    self.round_trip.handle_pong(&payload, now);
                    if let Some(one_way) = self.round_trip.one_way() {
                        self.playout.set_network(one_way);
                    }
                    continue;
                }
                // The library answers pings with the next read or write.
                Poll::Ready(Some(Ok(Message::Ping(_)))) => continue,
                Poll::Ready(Some(Ok(Message::Close(_)))) => {
                    return self.end(cx, LegEnd::PeerClosed);
                }
                Poll::Ready(Some(Ok(Message::Binary(_)))) => {
                    match self.handle_malformed(cx, "a binary frame") {
                        Some(end) => return Some(end),
                        None => continue,
                    }
                }
                Poll::Ready(Some(Err(error))) => {
                    let end = classify(&error);
                    tracing::debug!(%error, ?end, "the carrier's socket failed");
                    return self.end(cx, end);
                }
                Poll::Ready(None) => return self.end(cx, LegEnd::Disconnected),
            };
            // Pings and pongs do not count: a socket may answer them with nobody behind it.
            self.heard = Some(now);
            if let Some(event) = self.handle_text(cx, now, &text) {
                return Some(event);
            }
        }
        // More may be there: let others run, then come back.
        cx.waker().wake_by_ref();
        None
    }

    fn handle_text(
        &mut self,
        cx: &mut Context<'_>,
        now: Instant,
        text: &Utf8Bytes,
    ) -> Option<TransportEvent> {
        let frame = match message::parse(text.as_str()) {
            Ok(frame) => frame,
            Err(error) => return self.handle_malformed(cx, &error),
        };
        match frame {
            Inbound::Media(media) if media.inbound => {
                self.payload.clear();
                if BASE64.decode_vec(media.payload.as_bytes(), &mut self.payload).is_err() {
                    return self.handle_malformed(cx, "`media.payload` is not base64");
                }
                self.ingress.push(media.chunk, media.timestamp_ms, &self.payload);
            }
            Inbound::Mark(name) => match MarkName::parse(&name) {
                Some(name) => self.playout.handle_mark(name, now),
                None => self.ignored += 1,
            },
            Inbound::Digit(digit) => {
                self.malformed_in_row = 0;
                return Some(TransportEvent::Digit(digit));
            }
            Inbound::Stop => return self.end(cx, LegEnd::Stopped),
            Inbound::Connected | Inbound::Start(_) | Inbound::Media(_) | Inbound::Unknown => {
                self.ignored += 1;
            }
        }
        self.malformed_in_row = 0;
        None
    }

    fn handle_malformed(
        &mut self,
        cx: &mut Context<'_>,
        error: &(impl std::fmt::Display + ?Sized),
    ) -> Option<TransportEvent> {
        self.malformed += 1;
        self.malformed_in_row += 1;
        tracing::debug!(%error, "a frame from the carrier could not be read");
        if self.malformed_in_row < MALFORMED_LIMIT {
            return None;
        }
        self.end(cx, LegEnd::ProtocolError)
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
                tracing::debug!(%error, ?end, "sending to the carrier failed");
                return self.end(cx, end);
            }
        }
        None
    }

    /// `false`: the socket took less than it was offered.
    fn try_write(&mut self, cx: &mut Context<'_>, now: Instant) -> Result<bool, axum::Error> {
        let Some(socket) = self.socket.as_mut() else { return Ok(true) };
        let mut socket = Pin::new(socket);
        while !matches!(self.closing, Closing::Sent(_)) {
            if socket.as_mut().poll_ready(cx)?.is_pending() {
                return Ok(false);
            }
            let frame = match self.playout.poll_transmit(now, &mut self.payload) {
                Some(Transmit::Media) => Message::Text(self.writer.media(&self.payload)),
                Some(Transmit::Mark(name)) => Message::Text(self.writer.mark(name)),
                Some(Transmit::Clear) => Message::Text(self.writer.clear()),
                None if self.closing == Closing::Drain && self.playout.is_idle(now) => {
                    self.closing = Closing::Sent(now + CLOSE_LIMIT);
                    close_frame(close_code::NORMAL)
                }
                None => match self.round_trip.poll_ping(now) {
                    Some(payload) => Message::Ping(self.writer.ping(payload)),
                    None => break,
                },
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

    /// Lets go of the socket, after a close frame where somebody may still read it. The replies
    /// stay until the leg is dropped: how far the last was heard is yet to be asked.
    fn end(&mut self, cx: &mut Context<'_>, end: LegEnd) -> Option<TransportEvent> {
        let_go(self.socket.take()?, end, cx);
        tracing::debug!(?end, counts = ?self.counts(), "a leg is over");
        let closed_by_us = matches!(self.closing, Closing::Sent(_))
            && matches!(end, LegEnd::PeerClosed | LegEnd::Disconnected | LegEnd::Stopped);
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
        if now.since(heard) >= self.settings.silence_limit {
            return self.end(cx, LegEnd::Silent);
        }
        None
    }
}

impl<S: Socket> MediaTransport for TwilioLeg<S> {
    fn rate(&self) -> SampleRate {
        SampleRate::HZ_8000
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
        if let Some(event) = self.poll_read(cx, now, audio) {
            return Poll::Ready(event);
        }
        if let Some(played) = self.playout.poll_played(now) {
            let (turn, until, acknowledged) = (played.turn, played.until, played.acknowledged);
            return Poll::Ready(TransportEvent::Played { turn, until, acknowledged });
        }
        if let Some(event) = self.poll_write(cx, now).or_else(|| self.check_limits(cx, now)) {
            return Poll::Ready(event);
        }
        let idle = self.playout.is_idle(now)
            && !self.playout.has_background()
            && self.closing == Closing::No;
        let woken = self.heard.is_some_and(|heard| now.since(heard) < WOKEN_LATELY);
        self.ticker.set_period(match (idle, woken) {
            (true, _) => TICKS_IDLE,
            (false, true) => TICKS_WOKEN,
            (false, false) => TICKS_PLAYING,
        });
        // This wake-up was the tick: only the next one is of interest.
        while self.ticker.poll_tick(cx).is_ready() {}
        Poll::Pending
    }

    fn queue(&mut self, turn: TurnId, samples: &[i16]) {
        self.playout.queue(turn, samples);
    }

    fn finish(&mut self, turn: TurnId) {
        self.playout.finish(turn);
    }

    fn hold(&mut self, now: Instant) -> Option<(TurnId, u64)> {
        self.playout.hold(now)
    }

    fn resume(&mut self, _now: Instant, from: u64) {
        self.playout.resume(from);
    }

    fn stop(&mut self, now: Instant) -> Option<(TurnId, u64)> {
        self.playout.stop(now)
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
