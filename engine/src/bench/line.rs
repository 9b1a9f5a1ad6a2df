//! One carrier's call over a WebSocket, as lean as several hundred on one core ask for.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use super::ear::{Ear, HeardWord};
use super::figures::Histogram;
use super::material::{FRAME, Material};
use super::script::{Caller, Said};
use crate::carrier::playout_model::{PlayoutModel, Run};
use crate::carrier::script::AUDIBLE;
use crate::carrier::{CarrierConfig, Dialled, PATIENCE, Webhook, obey, open};

/// A frame of 20 ms.
const TICK: Duration = Duration::from_millis(20);

/// How long after its time a call may still wait for the end of a reply.
const OVERTIME: Duration = Duration::from_secs(15);

/// A call to be placed.
#[derive(Clone, Debug)]
pub struct Order {
    /// Its announcement, to a server that answers with where the media goes.
    pub webhook: Option<Webhook>,
    /// Of the media socket, as it is reached from here.
    pub media_url: String,
    /// Decides what the caller does.
    pub seed: u64,
    /// The caller hangs up after this, at the next quiet moment.
    pub duration: Duration,
    /// How long the carrier takes from the answer to its announcement to the media.
    pub connecting: Duration,
}

/// What happened in a call, in samples since it began.
#[derive(Debug)]
pub struct CallLog {
    /// When it began.
    pub began: Instant,
    /// How many samples it lasted.
    pub length: u64,
    /// What the caller said.
    pub said: Vec<Said>,
    /// Stretches in which the assistant was audible; silence of less than 60 ms does not part them.
    pub audible: Vec<std::ops::Range<u64>>,
    /// Stretches of playback.
    pub runs: Vec<Run>,
    /// How often playback was cleared.
    pub clears: usize,
    /// The words that were heard.
    pub words: Vec<HeardWord>,
    /// How late the carrier was with its frames, in ms.
    pub lateness: Histogram,
    /// Audio that waited to be played while some was, in ms.
    pub lead: Histogram,
    /// Messages of the server that no carrier would understand.
    pub malformed: u64,
    /// The server ended it.
    pub cut_off: bool,
}

/// Why there was no call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoCall {
    /// The server said that it is full.
    Refused,
    /// Something went wrong.
    Failed(String),
}

/// Places a call and follows the script to its end.
///
/// # Errors
///
/// Where there is no call.
pub async fn place(
    order: Order,
    client: &reqwest::Client,
    material: &Arc<Material>,
) -> Result<CallLog, NoCall> {
    let failed = |error: &dyn std::fmt::Display| NoCall::Failed(error.to_string());
    let mut config = CarrierConfig::new(order.media_url.clone());
    if let Some(mut webhook) = order.webhook.clone() {
        webhook.call_sid.clone_from(&config.call_sid);
        webhook.account_sid.clone_from(&config.account_sid);
        match webhook.dial(client).await.map_err(|error| failed(&error))? {
            Dialled::Stream { parameters, .. } => config.custom_parameters = parameters,
            Dialled::Rejected => return Err(NoCall::Refused),
            Dialled::Said(text) => return Err(NoCall::Failed(text)),
        }
    }
    tokio::time::sleep(order.connecting).await;
    let socket = open(&order.media_url).await.map_err(|error| failed(&error))?;
    let line = Line::new(config, socket, &order, Arc::clone(material));
    Ok(line.run(order.duration).await)
}

type Socket = WebSocketStream<MaybeTlsStream<tokio::net::TcpStream>>;

struct Line {
    config: CarrierConfig,
    socket: Socket,
    caller: Caller,
    material: Arc<Material>,
    model: PlayoutModel,
    ear: Ear,
    began: Instant,
    frames: u64,
    sequence: u64,
    audible: Vec<std::ops::Range<u64>>,
    lateness: Histogram,
    lead: Histogram,
    malformed: u64,
    /// Of the message being written.
    text: String,
    payload: Vec<u8>,
}

/// Silence that parts two audible stretches, in samples: 60 ms.
const PARTED: u64 = 480;

impl Line {
    fn new(config: CarrierConfig, socket: Socket, order: &Order, material: Arc<Material>) -> Self {
        Self {
            config,
            socket,
            caller: Caller::new(order.seed, material.turns.len()),
            material,
            // A real carrier's jitter buffer is left out: gaps are an upper bound.
            model: PlayoutModel::new(0),
            ear: Ear::default(),
            began: Instant::now(),
            frames: 0,
            sequence: 0,
            audible: Vec::new(),
            lateness: Histogram::default(),
            lead: Histogram::default(),
            malformed: 0,
            text: String::new(),
            payload: Vec::new(),
        }
    }

    async fn run(mut self, duration: Duration) -> CallLog {
        let ended = self.carry(duration).await;
        if ended.is_ok() {
            // A server that does not close is left.
            let _ = timeout(PATIENCE, self.say_goodbye()).await;
        }
        CallLog {
            began: self.began,
            length: self.frames * FRAME as u64,
            said: self.caller.said().to_vec(),
            audible: self.audible,
            runs: self.model.runs().to_vec(),
            clears: self.model.clears().len(),
            words: self.ear.into_words(),
            lateness: self.lateness,
            lead: self.lead,
            malformed: self.malformed,
            cut_off: ended.is_err(),
        }
    }

    async fn say_goodbye(&mut self) -> Result<(), tungstenite::Error> {
        let stop = self.message("stop", |text, config| {
            let _ = write!(text, r#""stop":{{"callSid":"{}"}}"#, config.call_sid);
        });
        self.socket.send(stop).await?;
        while let Some(message) = self.socket.next().await {
            message?;
        }
        Ok(())
    }

    async fn carry(&mut self, duration: Duration) -> Result<(), tungstenite::Error> {
        let connected = r#"{"event":"connected","protocol":"Call","version":"1.0.0"}"#;
        self.socket.send(Message::text(connected)).await?;
        let start = self.start();
        self.socket.send(start).await?;
        self.began = Instant::now();
        let (quiet, last) = (self.began + duration, self.began + duration + OVERTIME);
        loop {
            let due = self.began + TICK * u32::try_from(self.frames).unwrap_or(u32::MAX);
            tokio::select! {
                biased;
                () = sleep_until(due) => {
                    let now = Instant::now();
                    self.lateness.add((now - due).as_secs_f64() * 1_000.0);
                    if now >= last || now >= quiet && self.caller.is_quiet() {
                        return Ok(());
                    }
                    self.frame().await?;
                }
                message = self.socket.next() => match message {
                    Some(Ok(Message::Text(text))) => self.handle(&text),
                    Some(Ok(Message::Close(_))) | None => {
                        return Err(tungstenite::Error::ConnectionClosed);
                    }
                    Some(Ok(_)) => {}
                    Some(Err(error)) => return Err(error),
                },
            }
        }
    }

    /// 20 ms of the call.
    async fn frame(&mut self) -> Result<(), tungstenite::Error> {
        let timestamp = self.frames * 20;
        let mut heard = [0; FRAME];
        self.model.play(&mut heard);
        let audible = self.hear(&heard);
        self.frames += 1;
        while let Some(name) = self.model.pop_returned() {
            // The name is the server's own.
            let name = serde_json::Value::from(name);
            let mark = self.message("mark", |text, _| {
                let _ = write!(text, r#""mark":{{"name":{name}}}"#);
            });
            self.socket.feed(mark).await?;
        }
        let material = Arc::clone(&self.material);
        let codes = self.caller.step(audible, &material);
        let chunk = self.frames;
        let media = self.message("media", |text, _| {
            let _ = write!(
                text,
                r#""media":{{"track":"inbound","chunk":"{chunk}","timestamp":"{timestamp}","payload":""#
            );
            STANDARD.encode_string(codes, text);
            text.push_str("\"}");
        });
        self.socket.send(media).await
    }

    /// Where the first and the last audible samples of a frame are.
    fn hear(&mut self, heard: &[i16; FRAME]) -> Option<(usize, usize)> {
        let position = self.frames * FRAME as u64;
        let playing = self.model.runs().last().is_some_and(|run| run.range.end > position);
        if !playing {
            self.ear.skip(FRAME as u64);
            return None;
        }
        self.lead.add(self.model.queued() as f64 / 8.0);
        self.ear.hear(heard);
        let is_audible = |sample: &i16| sample.unsigned_abs() > AUDIBLE;
        let first = heard.iter().position(is_audible)?;
        let last = heard.iter().rposition(is_audible)?;
        let range = position + first as u64..position + last as u64 + 1;
        match self.audible.last_mut() {
            Some(before) if range.start < before.end + PARTED => before.end = range.end,
            _ => self.audible.push(range),
        }
        Some((first, last))
    }

    fn handle(&mut self, text: &str) {
        let obeyed = obey(text, &mut self.model, &mut self.payload);
        self.malformed += u64::from(obeyed.is_err());
    }

    fn start(&mut self) -> Message {
        let start = self.config.start();
        self.message("start", |text, _| {
            let _ = write!(text, r#""start":{start}"#);
        })
    }

    /// A message of the stream with what every one carries.
    fn message(&mut self, event: &str, body: impl FnOnce(&mut String, &CarrierConfig)) -> Message {
        self.sequence += 1;
        self.text.clear();
        let (sequence, sid) = (self.sequence, &self.config.stream_sid);
        let _ = write!(
            self.text,
            r#"{{"event":"{event}","sequenceNumber":"{sequence}","streamSid":"{sid}","#
        );
        body(&mut self.text, &self.config);
        self.text.push('}');
        Message::text(self.text.as_str())
    }
}
