//! Calls over a raw WebSocket, their messages and orders, and who listens.

use std::collections::VecDeque;
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::stage::{PUBLIC_KEY, Stage, id};

/// What a client does beside sending silence.
enum Deed {
    /// Sends these bytes of sound, in their time.
    Sound(Vec<u8>),
    /// Sends this.
    Order(Value),
    /// Closes.
    Close,
    /// Vanishes.
    Vanish,
}

/// What a client gets.
#[derive(Debug)]
enum Got {
    Audio(Vec<u8>),
    Told(Value),
    Closed(Option<u16>),
}

/// A client of a raw WebSocket, which sends audio all the time, as Vapi's tester does.
struct Client {
    deeds: mpsc::UnboundedSender<Deed>,
    got: mpsc::UnboundedReceiver<Got>,
}

impl Client {
    /// Opens a socket. `frame` bytes are 20 ms; `silence` is what of it is heard as nothing.
    async fn open(url: &str, frame: usize, silence: u8) -> Result<Self, Error> {
        let (mut socket, _) = connect_async(url).await?;
        let (deeds, mut to_do) = mpsc::unbounded_channel();
        let (tell, got) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            let mut pace = interval(Duration::from_millis(20));
            pace.set_missed_tick_behavior(MissedTickBehavior::Burst);
            let mut sound = VecDeque::new();
            loop {
                tokio::select! {
                    _ = pace.tick(), if frame > 0 => {
                        let next = (0..frame).map(|_| sound.pop_front().unwrap_or(silence));
                        let bytes: Vec<u8> = next.collect();
                        if socket.send(Message::Binary(bytes.into())).await.is_err() {
                            return;
                        }
                    }
                    Some(deed) = to_do.recv() => match deed {
                        Deed::Sound(bytes) => sound.extend(bytes),
                        Deed::Order(order) => {
                            let _ = socket.send(Message::text(order.to_string())).await;
                        }
                        Deed::Close => {
                            let _ = socket.close(None).await;
                        }
                        Deed::Vanish => return,
                    },
                    message = socket.next() => {
                        let got = match message {
                            Some(Ok(Message::Binary(bytes))) => Got::Audio(bytes.to_vec()),
                            Some(Ok(Message::Text(text))) => {
                                Got::Told(serde_json::from_str(text.as_str()).expect("JSON"))
                            }
                            Some(Ok(Message::Close(frame))) => {
                                Got::Closed(frame.map(|frame| frame.code.into()))
                            }
                            Some(Ok(_)) => continue,
                            Some(Err(_)) | None => return,
                        };
                        let _ = tell.send(got);
                    }
                }
            }
        });
        Ok(Self { deeds, got })
    }

    fn does(&self, deed: Deed) {
        let _ = self.deeds.send(deed);
    }

    /// Everything up to the first message for which `is_it` holds, and that one.
    async fn until(&mut self, is_it: impl Fn(&Value) -> bool) -> (Vec<Value>, Vec<Vec<u8>>) {
        let (mut told, mut audio) = (Vec::new(), Vec::new());
        loop {
            match self.got.recv().await.expect("the socket is open") {
                Got::Audio(bytes) => audio.push(bytes),
                Got::Told(message) => {
                    told.push(message);
                    if told.last().is_some_and(&is_it) {
                        return (told, audio);
                    }
                }
                Got::Closed(code) => panic!("closed with {code:?} after {told:?}"),
            }
        }
    }

    /// Everything up to the end, and the code of the close.
    async fn rest(&mut self) -> (Vec<Value>, Option<u16>) {
        let mut told = Vec::new();
        while let Some(got) = self.got.recv().await {
            match got {
                Got::Audio(_) => {}
                Got::Told(message) => told.push(message),
                Got::Closed(code) => return (told, code),
            }
        }
        (told, None)
    }
}

async fn stage() -> (tempfile::TempDir, Stage) {
    let data = tempfile::tempdir().expect("a directory");
    let stage = Stage::start(data.path(), &[]).await;
    (data, stage)
}

/// Orders a call and opens its socket.
async fn call(stage: &Stage, assistant: Value, format: Value) -> (Value, Client) {
    let mut order = json!({"assistant": assistant, "transport": {"provider": "vapi.websocket"}});
    let (frame, silence) = match format["format"].as_str() {
        Some("mulaw") => (160, 0xff),
        _ => (640, 0),
    };
    if !format.is_null() {
        order["transport"]["audioFormat"] = format;
    }
    let call = stage.create("/call", order).await;
    let url = call["transport"]["websocketCallUrl"].as_str().expect("a URL");
    let client = Client::open(url, frame, silence).await.expect("a socket");
    (call, client)
}

fn is_heard(words: &'static str) -> impl Fn(&Value) -> bool {
    move |message| {
        message["type"] == "transcript"
            && message["role"] == "assistant"
            && message["transcript"] == words
    }
}

/// 300 ms that a voice detector takes for speech.
fn loud_mulaw() -> Vec<u8> {
    (0..2_400).map(|at| if at / 8 % 2 == 0 { 0x90 } else { 0x10 }).collect()
}

#[tokio::test]
async fn a_call_over_a_raw_socket_from_beginning_to_end() {
    let (_data, stage) = stage().await;
    let format = json!({"format": "mulaw", "container": "raw", "sampleRate": 8000});
    let assistant = json!({"firstMessage": "Bonjour."});
    let (call, mut client) = call(&stage, assistant, format.clone()).await;
    assert_eq!((&call["type"], &call["status"]), (&json!("vapi.websocketCall"), &json!("queued")));
    assert_eq!(call["transport"]["provider"], "vapi.websocket");
    assert_eq!(
        call["transport"]["audioFormat"],
        json!({"format": "mulaw", "container": "raw",
        "sampleRate": 8000.0})
    );

    let (greeting, audio) = client.until(is_heard("Bonjour.")).await;
    let kinds: Vec<_> = greeting.iter().map(|message| message["type"].as_str()).collect();
    for kind in ["status-update", "assistant.started", "model-output", "voice-input"] {
        assert!(kinds.contains(&Some(kind)), "{kind} in {kinds:?}");
    }
    let status = greeting.iter().find(|message| message["type"] == "status-update");
    assert_eq!(status.expect("told")["status"], "in-progress");
    assert!(!audio.is_empty() && audio.iter().all(|frame| frame.len() <= 160), "20 ms each");

    client.does(Deed::Sound(loud_mulaw()));
    let (told, _) = client.until(is_heard("Very well.")).await;
    let user = told.iter().find(|m| m["transcriptType"] == "final" && m["role"] == "user");
    assert_eq!(user.expect("told")["transcript"], "Good morning.");
    let update = told.iter().rfind(|message| message["type"] == "conversation-update");
    let roles = update.expect("told")["messagesOpenAIFormatted"].as_array().map(Vec::len);
    assert_eq!(roles, Some(2), "up to what the caller said");

    client.does(Deed::Close);
    client.rest().await;
    let ended = stage.ended_call().await;
    assert_eq!(ended["endedReason"], "customer-ended-call");
    assert_eq!(ended["id"], call["id"]);
    assert_eq!(ended["transcript"], "AI: Bonjour.\nUser: Good morning.\nAI: Very well.\n");
    let recording = ended["artifact"]["recording"]["stereoUrl"].as_str().expect("a link");
    let response = stage.request(Method::GET, recording).send().await.expect("an answer");
    assert_eq!(response.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_client_gives_orders_and_is_told_what_is_wrong_with_them() {
    let (_data, stage) = stage().await;
    let assistant = json!({"firstMessage": "Bonjour.", "clientMessages":
        ["transcript", "status-update", "conversation-update"]});
    let (_, mut client) = call(&stage, assistant, Value::Null).await;
    client.until(is_heard("Bonjour.")).await;

    client.does(Deed::Order(json!({"type": "shout"})));
    let (told, _) = client.until(|message| message["type"] == "error").await;
    let error = &told.last().expect("told")["error"];
    assert_eq!(error["statusCode"], 400);
    assert!(error["message"][0].as_str().is_some_and(|text| text.contains("add-message")));

    client.does(Deed::Order(json!({"type": "say", "message": "Un instant."})));
    client.until(is_heard("Un instant.")).await;
    let known = json!({"role": "system", "content": "The taxi is there."});
    let silently =
        json!({"type": "add-message", "message": known, "triggerResponseEnabled": false});
    client.does(Deed::Order(silently));
    let asked = json!({"role": "user", "content": "Where is my taxi?"});
    client.does(Deed::Order(json!({"type": "add-message", "message": asked})));
    let (told, _) = client.until(is_heard("Very well.")).await;
    let update = told.iter().rfind(|message| message["type"] == "conversation-update");
    let rows = update.expect("told")["messagesOpenAIFormatted"].as_array().expect("rows").clone();
    assert_eq!(rows[rows.len() - 2..], [known, asked]);
    client.does(Deed::Order(json!({"type": "control", "control": "say-first-message"})));
    client.until(is_heard("Bonjour.")).await;

    client.does(Deed::Order(json!({"type": "end-call"})));
    let (told, code) = client.rest().await;
    let last = told.last().expect("told");
    assert_eq!((&last["type"], &last["status"]), (&json!("status-update"), &json!("ended")));
    assert_eq!(last["endedReason"], "customer-ended-call");
    assert_eq!(code, Some(1_000));
    assert_eq!(stage.ended_call().await["endedReason"], "customer-ended-call");
}

#[tokio::test]
async fn who_is_muted_is_not_heard() {
    let (_data, stage) = stage().await;
    let format = json!({"format": "mulaw", "sampleRate": 8000});
    let (call, mut client) = call(&stage, json!({"firstMessage": "Bonjour."}), format).await;
    client.until(is_heard("Bonjour.")).await;
    let control = call["monitor"]["controlUrl"].as_str().expect("a URL").to_owned();
    let order = async |body: Value| {
        let (status, _) = stage.ask(Method::POST, &control, Some(body)).await;
        assert_eq!(status, StatusCode::OK);
    };
    order(json!({"type": "control", "control": "mute-assistant"})).await;
    order(json!({"type": "say", "content": "Personne."})).await;
    let (_, audio) = client.until(is_heard("Personne.")).await;
    assert!(!audio.is_empty() && audio.iter().flatten().all(|&code| code == 0xff), "silence");
    order(json!({"type": "control", "control": "unmute-assistant"})).await;

    order(json!({"type": "control", "control": "mute-customer"})).await;
    client.does(Deed::Sound(loud_mulaw()));
    order(json!({"type": "say", "content": "Quelqu'un."})).await;
    let (told, audio) = client.until(is_heard("Quelqu'un.")).await;
    assert!(audio.iter().flatten().any(|&code| code != 0xff), "the assistant is heard again");
    assert!(!told.iter().any(|message| message["role"] == "user"), "{told:?}");
    order(json!({"type": "end-call"})).await;
    client.rest().await;
    assert_eq!(stage.ended_call().await["endedReason"], "manually-canceled");
}

#[tokio::test]
async fn a_socket_is_opened_once_and_by_nobody_else() {
    let (_data, stage) = stage().await;
    let (call, mut client) = call(&stage, json!({"firstMessage": "Bonjour."}), Value::Null).await;
    client.until(is_heard("Bonjour.")).await;
    let url = call["transport"]["websocketCallUrl"].as_str().expect("a URL");
    let refused = async |url: &str| match Client::open(url, 0, 0).await {
        Err(Error::Http(response)) => response.status().as_u16(),
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("it was opened"),
    };
    assert_eq!(refused(url).await, 403, "a second time");
    let (bare, _) = url.split_once('?').expect("a token");
    assert_eq!(refused(bare).await, 403, "without a token");
    client.does(Deed::Vanish);
    let ended = stage.ended_call().await;
    assert_eq!(ended["endedReason"], "phone-call-provider-closed-websocket");
}

#[tokio::test]
async fn what_cannot_be_carried_is_told_before_the_call() {
    let (_data, stage) = stage().await;
    let order = json!({"assistant": {"firstMessage": "Bonjour."}, "transport": {
        "provider": "vapi.websocket", "audioFormat": {"format": "opus", "sampleRate": 44100}}});
    let (status, body) = stage.ask(Method::POST, "/call", Some(order)).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert_eq!(
        body["message"],
        json!([
            "transport.audioFormat.format must be one of the following values: pcm_s16le, mulaw",
            "transport.audioFormat.sampleRate must be one of the following values: 8000, 16000",
        ])
    );
}

#[tokio::test]
async fn a_call_is_listened_to_and_the_plan_says_by_whom() {
    let (_data, stage) = stage().await;
    let plan = json!({"listenAuthenticationEnabled": true, "controlEnabled": false});
    let assistant =
        json!({"firstMessage": "Bonjour, que puis-je pour vous ?", "monitorPlan": plan});
    let (call, mut client) = call(&stage, assistant, Value::Null).await;
    assert_eq!(call["monitor"].get("controlUrl"), None, "nobody may");
    let control = format!("/call/{}/control", id(&call));
    let (status, _) = stage.ask(Method::POST, &control, Some(json!({"type": "end-call"}))).await;
    assert_eq!(status, StatusCode::FORBIDDEN);

    client.until(|message| message["type"] == "speech-update").await;
    let url = call["monitor"]["listenUrl"].as_str().expect("a URL");
    match connect_async(url).await {
        Err(Error::Http(response)) => assert_eq!(response.status().as_u16(), 401),
        other => panic!("{:?}", other.map(drop)),
    }
    let mut request = url.into_client_request().expect("a URL");
    let key = format!("Bearer {PUBLIC_KEY}").parse().expect("ASCII");
    request.headers_mut().insert("authorization", key);
    let (mut listening, _) = connect_async(request).await.expect("a socket");
    let Some(Ok(Message::Text(start))) = listening.next().await else { panic!("no start") };
    let start: Value = serde_json::from_str(start.as_str()).expect("JSON");
    assert_eq!((&start["sampleRate"], &start["channels"]), (&json!(16_000), &json!(2)));

    // A voice is at 16 kHz in the client's right ear once the client speaks.
    client.does(Deed::Sound(5_000i16.to_le_bytes().repeat(8_000)));
    let (mut caller, mut ended) = (0i32, false);
    while caller < 4_000 {
        let Some(Ok(message)) = listening.next().await else { panic!("it ended") };
        let Message::Binary(bytes) = message else { continue };
        assert_eq!(bytes.len() % 4, 0, "whole frames");
        let left = bytes.chunks(4).map(|frame| i16::from_le_bytes([frame[0], frame[1]]));
        caller = caller.max(left.map(i32::from).max().unwrap_or(0));
    }
    client.does(Deed::Close);
    while let Some(message) = listening.next().await {
        ended |= matches!(message, Ok(Message::Close(_)));
    }
    assert!(ended, "the listener is told that it is over");
    stage.ended_call().await;
}
