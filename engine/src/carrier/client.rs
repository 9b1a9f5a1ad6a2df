//! A call over a real WebSocket, as Twilio would carry it.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use codecs::{SampleRate, g711};
use futures_util::{Sink, SinkExt as _, Stream, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_tungstenite::tungstenite::{self, Message, protocol::WebSocketConfig};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use super::impairment::{Chances, Fault, Impairments};
use super::playout_model::{FRAME, PlayoutModel};
use super::record::{CallEnd, CallRecord};
use super::script::{Caller, CallerScript};
use super::server_message::obey;

/// A WebSocket of messages: the real one, or one in memory.
pub trait CarrierSocket:
    Stream<Item = Result<Message, tungstenite::Error>>
    + Sink<Message, Error = tungstenite::Error>
    + Unpin
{
}

impl<S> CarrierSocket for S where
    S: Stream<Item = Result<Message, tungstenite::Error>>
        + Sink<Message, Error = tungstenite::Error>
        + Unpin
{
}

/// How long the server may take to accept, to take a frame, and to close after `stop`.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);

/// 20 ms, in nanoseconds of a clock that is right.
const FRAME_NANOS: u64 = 20_000_000;

/// How a call is placed.
#[derive(Clone, Debug)]
pub struct CarrierConfig {
    /// Of the server's media socket: `ws://host:port/path`.
    pub url: String,
    /// The stream's sid; Twilio's begin with MZ.
    pub stream_sid: String,
    /// The call's sid, as in the webhook; Twilio's begin with CA.
    pub call_sid: String,
    /// The account's sid; Twilio's begin with AC.
    pub account_sid: String,
    /// The `<Parameter>`s of the TwiML.
    pub custom_parameters: BTreeMap<String, String>,
    /// What the carrier's jitter buffer holds back, in whole 20 ms.
    pub jitter_buffer: Duration,
    /// What is wrong with the line.
    pub impairments: Impairments,
    /// When the caller hangs up at the latest.
    pub max_duration: Duration,
}

impl CarrierConfig {
    /// A good line to the server at `url`, for at most 10 minutes.
    pub fn new(url: impl Into<String>) -> Self {
        let id = || uuid::Uuid::new_v4().simple().to_string();
        Self {
            url: url.into(),
            stream_sid: format!("MZ{}", id()),
            call_sid: format!("CA{}", id()),
            account_sid: format!("AC{}", "0".repeat(32)),
            custom_parameters: BTreeMap::new(),
            jitter_buffer: Duration::from_millis(40),
            impairments: Impairments::default(),
            max_duration: Duration::from_secs(600),
        }
    }

    /// The body of `start`, the first message after `connected`.
    pub fn start(&self) -> Value {
        json!({
            "accountSid": self.account_sid,
            "streamSid": self.stream_sid,
            "callSid": self.call_sid,
            "tracks": ["inbound"],
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
            "customParameters": self.custom_parameters,
        })
    }
}

/// Why there was no call.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CarrierError {
    /// The socket could not be opened.
    #[error("cannot open a media stream to {url}: {source}")]
    Connect {
        /// The server.
        url: String,
        /// Why.
        source: Box<tungstenite::Error>,
    },
    /// The server did not accept the socket in time.
    #[error("{0} did not accept the media stream within 5 s")]
    ConnectTimedOut(String),
}

/// Places a call and follows the script until either side ends it.
///
/// # Errors
///
/// Where the socket cannot be opened. What happens after that is in the record.
pub async fn place_call(
    config: CarrierConfig,
    script: CallerScript,
) -> Result<CallRecord, CarrierError> {
    let socket = open(&config.url).await?;
    Ok(carry(config, script, socket).await)
}

/// Opens a media socket to the server at `url`.
///
/// # Errors
///
/// Where it is not accepted within 5 s.
pub(crate) async fn open(
    url: &str,
) -> Result<WebSocketStream<MaybeTlsStream<TcpStream>>, CarrierError> {
    // Small buffers: a load generator holds hundreds of these.
    let buffers = WebSocketConfig::default().read_buffer_size(8 * 1_024).write_buffer_size(0);
    // No delay: a frame is not to wait for the acknowledgement of the one before.
    let connecting = tokio_tungstenite::connect_async_with_config(url, Some(buffers), true);
    let connected = timeout(PATIENCE, connecting).await;
    let (socket, _) =
        connected.map_err(|_| CarrierError::ConnectTimedOut(url.to_owned()))?.map_err(
            |source| CarrierError::Connect { url: url.to_owned(), source: Box::new(source) },
        )?;
    Ok(socket)
}

/// Carries a call over a socket that is open, and follows the script until either side ends it.
/// The url of `config` means nothing.
pub async fn carry<S: CarrierSocket>(
    config: CarrierConfig,
    script: CallerScript,
    socket: S,
) -> CallRecord {
    Line::new(config, script, socket).run().await
}

/// A message, and when it is through the network.
type Underway<M> = VecDeque<(Instant, M)>;

struct Line<S> {
    config: CarrierConfig,
    socket: S,
    caller: Caller,
    model: PlayoutModel,
    chances: Chances,
    began: Instant,
    /// Frames of 20 ms so far.
    frames: u64,
    sequence: u64,
    chunk: u64,
    /// To the server.
    outbox: Underway<String>,
    /// From the server.
    inbox: Underway<String>,
    /// Frames of the caller that wait to be sent together.
    bunch: Vec<String>,
    /// A frame that changes places with the next.
    swapped: Option<String>,
    said: Vec<i16>,
    heard: Vec<i16>,
    marks: u64,
    malformed: u64,
    lateness: Vec<Duration>,
    /// Of the message being read.
    payload: Vec<u8>,
}

impl<S: CarrierSocket> Line<S> {
    fn new(config: CarrierConfig, script: CallerScript, socket: S) -> Self {
        let jitter_frames = config.jitter_buffer.as_millis().div_ceil(20);
        Self {
            caller: Caller::new(script, SampleRate::HZ_8000),
            model: PlayoutModel::new(u32::try_from(jitter_frames).unwrap_or(u32::MAX)),
            chances: Chances::new(config.impairments.seed),
            began: Instant::now(),
            config,
            socket,
            frames: 0,
            sequence: 0,
            chunk: 0,
            outbox: VecDeque::new(),
            inbox: VecDeque::new(),
            bunch: Vec::new(),
            swapped: None,
            said: Vec::new(),
            heard: Vec::new(),
            marks: 0,
            malformed: 0,
            lateness: Vec::new(),
            payload: Vec::new(),
        }
    }

    async fn run(mut self) -> CallRecord {
        self.greet();
        let end = self.carry().await;
        self.lateness.sort_unstable();
        let p99 = self.lateness.len() * 99 / 100;
        CallRecord {
            caller: self.said,
            agent: self.heard,
            cues: self.caller.times().to_vec(),
            runs: self.model.runs().to_vec(),
            clears: self.model.clears().to_vec(),
            marks: self.marks,
            most_queued: CallRecord::RATE.duration_of(self.model.most_queued() as u64),
            malformed: self.malformed,
            lateness_p99: self.lateness.get(p99).copied().unwrap_or_default(),
            end,
        }
    }

    fn greet(&mut self) {
        self.post(json!({"event": "connected", "protocol": "Call", "version": "1.0.0"}));
        let start = json!({"event": "start", "start": self.config.start()});
        self.post(start);
    }

    async fn carry(&mut self) -> CallEnd {
        let fault = self.config.impairments.fault.map(|(at, fault)| (self.began + at, fault));
        let last = self.began + self.config.max_duration;
        loop {
            let now = Instant::now();
            let failed = fault.filter(|&(at, _)| now >= at).map(|(_, fault)| fault);
            if failed == Some(Fault::Vanish) {
                return CallEnd::Failed;
            }
            self.take_arrived(now);
            let mut hung_up = false;
            while !hung_up && now >= self.due() {
                self.lateness.push(now - self.due());
                hung_up = self.frame(failed == Some(Fault::FallSilent));
            }
            if now >= last && !hung_up {
                hung_up = true;
                self.post(json!({"event": "stop", "stop": {}}));
            }
            // What was said before hanging up is still to arrive.
            if !self.send_due(if hung_up { None } else { Some(now) }).await {
                return CallEnd::ServerClosed(None);
            }
            if hung_up {
                self.see_off().await;
                return if now >= last { CallEnd::TimedOut } else { CallEnd::HungUp };
            }

            let mut wake = self.due().min(last);
            for (at, _) in self.outbox.front().iter().chain(&self.inbox.front()) {
                wake = wake.min(*at);
            }
            if let Some((at, _)) = fault.filter(|_| failed.is_none()) {
                wake = wake.min(at);
            }
            tokio::select! {
                biased;
                message = self.socket.next(), if failed != Some(Fault::StopReading) => {
                    match message {
                        Some(Ok(Message::Text(text))) => {
                            let at = self.arrival(Instant::now(), self.inbox.back().map(|m| m.0));
                            self.inbox.push_back((at, text.as_str().to_owned()));
                        }
                        Some(Ok(Message::Close(frame))) => {
                            // The answer to the close frame is in the socket's buffer.
                            let _ = timeout(PATIENCE, self.socket.flush()).await;
                            let code = frame.map(|frame| frame.code.into());
                            return CallEnd::ServerClosed(code);
                        }
                        Some(Ok(_)) => {}
                        Some(Err(_)) | None => return CallEnd::ServerClosed(None),
                    }
                }
                () = sleep_until(wake) => {}
            }
        }
    }

    /// When the next frame is due, on the carrier's own clock.
    fn due(&self) -> Instant {
        let ppm = i64::from(self.config.impairments.drift_ppm).clamp(-100_000, 100_000);
        let exact = u128::from(self.frames) * u128::from(FRAME_NANOS) * 1_000_000;
        let nanos = exact / u128::from((1_000_000 + ppm).unsigned_abs());
        self.began + Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// 20 ms of the call. True: the caller hung up.
    fn frame(&mut self, silent: bool) -> bool {
        let mut heard = [0; FRAME];
        self.model.play(&mut heard);
        let mut said = [0; FRAME];
        let timestamp = self.frames * 20;
        let step = self.caller.step(&heard, &mut said);
        self.heard.extend(heard);
        if let Some(echo) = &self.config.impairments.echo {
            echo.add(&self.heard, &mut said);
        }
        self.said.extend(if step.gap { [0; FRAME] } else { said });
        self.frames += 1;
        if silent {
            return step.hang_up;
        }

        while let Some(name) = self.model.pop_returned() {
            self.marks += 1;
            self.post(json!({"event": "mark", "mark": {"name": name}}));
        }
        if !step.gap {
            self.chunk += 1;
            let mut payload = [0; FRAME];
            g711::mulaw_encode_into(&said, &mut payload);
            let frame = self.stamp(json!({
                "event": "media",
                "media": {
                    "track": "inbound",
                    "chunk": self.chunk.to_string(),
                    "timestamp": timestamp.to_string(),
                    "payload": STANDARD.encode(payload),
                },
            }));
            self.send_media(frame);
        }
        if let Some(digit) = step.pressed {
            let digit = digit.to_string();
            self.post(json!({"event": "dtmf", "dtmf": {"track": "inbound_track", "digit": digit}}));
        }
        if step.hang_up {
            self.post(json!({"event": "stop", "stop": {"callSid": self.config.call_sid}}));
        }
        step.hang_up
    }

    /// Sends a frame of the caller, or not, or with others.
    fn send_media(&mut self, frame: String) {
        let (loss, reorder) = (self.config.impairments.loss, self.config.impairments.reorder);
        if self.chances.happens(loss) {
            return;
        }
        if self.swapped.is_none() && self.chances.happens(reorder) {
            self.swapped = Some(frame);
            return;
        }
        self.bunch.push(frame);
        self.bunch.extend(self.swapped.take());
        if self.bunch.len() >= self.config.impairments.bunch {
            for frame in std::mem::take(&mut self.bunch) {
                self.enqueue(frame);
            }
        }
    }

    fn post(&mut self, message: Value) {
        let message = self.stamp(message);
        self.enqueue(message);
    }

    /// Adds what every message carries.
    fn stamp(&mut self, mut message: Value) -> String {
        if message["event"] != "connected" {
            self.sequence += 1;
            message["sequenceNumber"] = self.sequence.to_string().into();
            message["streamSid"] = self.config.stream_sid.as_str().into();
        }
        message.to_string()
    }

    fn enqueue(&mut self, message: String) {
        let at = self.arrival(Instant::now(), self.outbox.back().map(|m| m.0));
        self.outbox.push_back((at, message));
    }

    /// When a message that leaves now is through the network: never before the one ahead of it.
    fn arrival(&mut self, now: Instant, ahead: Option<Instant>) -> Instant {
        let impairments = &self.config.impairments;
        let at = now + impairments.delay + self.chances.up_to(impairments.jitter);
        ahead.map_or(at, |ahead| ahead.max(at))
    }

    /// Sends what is through the network at `until`; everything, where that is `None`. False: the
    /// server takes no more.
    async fn send_due(&mut self, until: Option<Instant>) -> bool {
        while self.outbox.front().is_some_and(|(at, _)| until.is_none_or(|until| *at <= until)) {
            let Some((_, message)) = self.outbox.pop_front() else { break };
            let sent = timeout(PATIENCE, self.socket.send(Message::text(message))).await;
            if !matches!(sent, Ok(Ok(()))) {
                return false;
            }
        }
        true
    }

    fn take_arrived(&mut self, now: Instant) {
        while self.inbox.front().is_some_and(|(at, _)| *at <= now) {
            let Some((_, text)) = self.inbox.pop_front() else { break };
            self.handle(&text);
        }
    }

    fn handle(&mut self, text: &str) {
        let obeyed = obey(text, &mut self.model, &mut self.payload);
        self.malformed += u64::from(obeyed.is_err());
    }

    /// After `stop`: the server is to close.
    async fn see_off(&mut self) {
        let closed = async {
            while let Some(Ok(message)) = self.socket.next().await {
                if message.is_close() {
                    let _ = self.socket.flush().await;
                }
            }
        };
        // A server that does not close is left.
        let _ = timeout(PATIENCE, closed).await;
    }
}
