//! The server as carriers and load balancers meet it: real sockets on a loopback port, and an
//! assistant whose providers follow a script. In real time, so nothing here asserts on time; what
//! is waited for is an event.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use asr::scripted::{Scripted as ScriptedRecognizer, Utterance};
use codecs::wav::Wav;
use engine::analysis::AnalysisPlan;
use engine::app::{App, Engine};
use engine::assemble::Assistant;
use engine::carrier::{
    Action, CallEnd, CallRecord, CallerScript, CarrierConfig, Dialled, Webhook, When, place_call,
};
use engine::config::{Config, Sources};
use engine::llm::ScriptedModel;
use engine::session::{CallId, Command, Persona, Providers, SessionEvent, SessionEventKind};
use engine::store::CallReport;
use engine::transport::twilio::signature::AuthToken;
use reqwest::StatusCode;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tts::scripted::{Scripted as ScriptedVoice, ScriptedConfig};
use tts::{ChunkPlan, VoiceConfig};
use turntaking::input::{EndReason, Stage};
use turntaking::settings::Settings;
use turntaking::voicemail::VoicemailPlan;
use vad::ScriptedVad;

const PUBLIC_URL: &str = "https://voice.example";
const AUTH_TOKEN: &str = "12345";

/// An engine that serves.
struct Server {
    address: SocketAddr,
    app: App,
    data: tempfile::TempDir,
    client: reqwest::Client,
    events: mpsc::Receiver<SessionEvent>,
    stop: Option<oneshot::Sender<()>>,
    serving: JoinHandle<std::io::Result<()>>,
}

/// Starts an engine with these keys of the configuration beside the usual ones.
async fn serve(keys: &[(&str, &str)]) -> Server {
    serve_with(assistant(), keys).await
}

async fn serve_with(assistant: Assistant, keys: &[(&str, &str)]) -> Server {
    let data = tempfile::tempdir().expect("a directory");
    let folder = data.path().to_str().expect("UTF-8");
    let usual = [
        ("CAUSERIE_LISTEN", "127.0.0.1:0"),
        ("CAUSERIE_DATA_DIR", folder),
        ("CAUSERIE_PUBLIC_URL", PUBLIC_URL),
        ("CAUSERIE_TWILIO_AUTH_TOKEN", AUTH_TOKEN),
        // The machine may be busy: nothing here depends on how busy it is.
        ("CAUSERIE_MAX_SCHEDULING_LAG_MS", "0"),
    ];
    let environment = usual.iter().chain(keys);
    let environment = environment.map(|&(name, value)| (name.to_owned(), value.to_owned()));
    let sources = Sources { environment: environment.collect(), ..Sources::default() };
    let config = Config::load(&sources).expect("a valid configuration");
    let (observer, events) = mpsc::channel(1_000);
    let engine = Engine::with_assistant(&config, assistant, Some(observer)).await;
    let engine = engine.expect("an engine");
    let (stop, stopped) = oneshot::channel();
    Server {
        address: engine.address().expect("bound"),
        app: engine.app().clone(),
        data,
        client: reqwest::Client::builder().no_proxy().build().expect("a client"),
        events,
        stop: Some(stop),
        serving: tokio::spawn(engine.serve(async {
            let _ = stopped.await;
        })),
    }
}

/// Says a word, hears one, answers in two.
fn assistant() -> Assistant {
    let dialogue = "language: en\nfallback: { say: \"Very well.\" }";
    let short = ScriptedConfig { longest: Duration::from_millis(100), ..ScriptedConfig::default() };
    Assistant {
        settings: Settings { first_message: "Hello.".to_owned(), ..Settings::default() },
        persona: Persona {
            language: "en".to_owned(),
            preamble: Vec::new(),
            tools: Vec::new(),
            temperature: None,
            max_tokens: None,
            voice: VoiceConfig { voice: String::new(), language: "en".to_owned(), speed: 1.0 },
            chunk_plan: ChunkPlan::default(),
            background: None,
        },
        providers: Providers {
            endpointing: None,
            vad: Arc::new(ScriptedVad::level(-40.0)),
            turn_model: None,
            recognizer: Arc::new(ScriptedRecognizer::new([Utterance::evenly(
                "Good morning.",
                Duration::from_millis(200),
            )])),
            model: Arc::new(ScriptedModel::from_yaml(dialogue).expect("a dialogue")),
            synthesizer: Arc::new(ScriptedVoice::new(short)),
        },
        tools: Vec::new(),
        hooks: Arc::new([]),
        analysis: AnalysisPlan::default(),
        server: None,
        filler_after: Duration::ZERO,
        denoising: false,
        record: true,
    }
}

impl Server {
    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    async fn get(&self, path: &str) -> (StatusCode, String) {
        let response = self.client.get(self.url(path)).send().await.expect("an answer");
        (response.status(), response.text().await.expect("a body"))
    }

    /// Posts Twilio's form, with this signature.
    async fn post(&self, form: &[(&str, &str)], signature: Option<&str>) -> (StatusCode, String) {
        let mut body = reqwest::Url::parse("http://form").expect("a URL");
        body.query_pairs_mut().extend_pairs(form);
        let mut request = self
            .client
            .post(self.url("/twilio/inbound"))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(body.query().unwrap_or_default().to_owned());
        if let Some(signature) = signature {
            request = request.header("X-Twilio-Signature", signature);
        }
        let response = request.send().await.expect("an answer");
        (response.status(), response.text().await.expect("a body"))
    }

    /// Announces a call as Twilio would.
    async fn dial(&self, call_sid: &str) -> Dialled {
        let webhook = Webhook {
            url: self.url("/twilio/inbound"),
            signed_url: format!("{PUBLIC_URL}/twilio/inbound"),
            auth_token: Some(AuthToken::new(AUTH_TOKEN)),
            call_sid: call_sid.to_owned(),
            account_sid: "AC1".to_owned(),
            from: "+12349013030".to_owned(),
            to: "+18005551212".to_owned(),
        };
        webhook.dial(&self.client).await.expect("TwiML")
    }

    /// The line of a call that was announced.
    async fn line(&self) -> CarrierConfig {
        let mut line = CarrierConfig::new(format!("ws://{}/twilio/media", self.address));
        line.max_duration = Duration::from_secs(60);
        let Dialled::Stream { parameters, .. } = self.dial(&line.call_sid).await else {
            panic!("the call was not taken");
        };
        line.custom_parameters = parameters;
        line
    }

    /// Places a call and waits until it has begun.
    async fn call(&mut self, script: CallerScript) -> (CallId, JoinHandle<CallRecord>) {
        let line = self.line().await;
        let call = tokio::spawn(async { place_call(line, script).await.expect("a socket") });
        let event = self.events.recv().await.expect("an event");
        assert!(matches!(event.kind, SessionEventKind::Started { .. }), "{event:?}");
        (event.call, call)
    }

    /// Waits for the end of a call.
    async fn ended(&mut self) -> EndReason {
        loop {
            let event = self.events.recv().await.expect("an event");
            if let SessionEventKind::Ended { reason, .. } = event.kind {
                return reason;
            }
        }
    }

    async fn end(&self, id: CallId) {
        let end = Command::End { reason: EndReason::ManuallyCanceled };
        assert!(self.app.registry().order(id, end).await, "the call runs");
    }

    fn files(&self, id: CallId) -> PathBuf {
        self.data.path().join("calls").join(id.to_string())
    }

    /// Waits until the engine has let go of everything; what it leaves is in the folder.
    async fn stopped(self) -> tempfile::TempDir {
        let Self { app, serving, data, .. } = self;
        drop(app);
        serving.await.expect("no panic").expect("served");
        data
    }

    /// As SIGTERM does.
    fn stop(&mut self) {
        let stop = self.stop.take().expect("not stopped yet");
        stop.send(()).expect("it serves");
    }
}

fn waits() -> CallerScript {
    CallerScript::default()
}

#[tokio::test]
async fn a_server_that_is_ready_says_so() {
    let server = serve(&[]).await;
    assert_eq!(server.get("/healthz").await.0, StatusCode::OK);
    let (status, body) = server.get("/readyz").await;
    assert_eq!(status, StatusCode::OK);
    let body: serde_json::Value = serde_json::from_str(&body).expect("JSON");
    assert_eq!(body, serde_json::json!({"ready": true, "calls": 0, "capacity": 50}));
    assert_eq!(server.get("/").await.0, StatusCode::NOT_FOUND);
    assert_eq!(server.get("/twilio/inbound").await.0, StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn only_what_twilio_signed_is_answered() {
    let server = serve(&[]).await;
    let form = [("CallSid", "CA1"), ("From", "+12349013030")];
    let sign = |token: &str, url: &str| AuthToken::new(token).sign(url, &form);
    let url = format!("{PUBLIC_URL}/twilio/inbound");

    for wrong in [
        None,
        Some(String::new()),
        Some("nonsense".to_owned()),
        Some(sign("54321", &url)),
        Some(sign(AUTH_TOKEN, &server.url("/twilio/inbound"))),
    ] {
        let (status, body) = server.post(&form, wrong.as_deref()).await;
        assert_eq!(status, StatusCode::FORBIDDEN, "{wrong:?}");
        assert!(!body.contains(AUTH_TOKEN) && !body.contains("Stream"), "{body}");
    }
    let other = [("CallSid", "CA2"), ("From", "+12349013030")];
    let (status, _) = server.post(&other, Some(&sign(AUTH_TOKEN, &url))).await;
    assert_eq!(status, StatusCode::FORBIDDEN, "signed for another call");

    let (status, twiml) = server.post(&form, Some(&sign(AUTH_TOKEN, &url))).await;
    assert_eq!(status, StatusCode::OK);
    let start = r#"<Response><Connect><Stream url="wss://voice.example/twilio/media"><Parameter"#;
    assert!(twiml.contains(start), "{twiml}");
}

#[tokio::test]
async fn without_a_token_to_check_with_nothing_is_taken() {
    let server = serve(&[("CAUSERIE_TWILIO_AUTH_TOKEN", "")]).await;
    let (status, body) = server.post(&[("CallSid", "CA1")], None).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(body.contains("`twilio.auth_token`"), "{body}");
}

#[tokio::test]
async fn a_webhook_that_names_no_call_is_told_what_it_lacks() {
    let server = serve(&[("CAUSERIE_TWILIO_VALIDATE_SIGNATURES", "false")]).await;
    for form in [&[][..], &[("CallSid", "")], &[("From", "+1")]] {
        let (status, body) = server.post(form, None).await;
        assert_eq!(status, StatusCode::BAD_REQUEST);
        assert!(body.contains("CallSid"), "{body}");
    }
}

/// A sound of so many samples at 8 kHz.
fn tone(samples: usize) -> Vec<i16> {
    (0..samples).map(|at| if at / 8 % 2 == 0 { 8_000 } else { -8_000 }).collect()
}

#[tokio::test]
async fn a_machine_is_listened_for_on_calls_we_placed_only() {
    for (direction, ends) in
        [("outbound-api", EndReason::Voicemail), ("inbound", EndReason::CustomerEndedCall)]
    {
        let mut assistant = assistant();
        let greeting = "Please leave your message after the tone.";
        let heard = Utterance::evenly(greeting, Duration::from_millis(200));
        assistant.providers.recognizer = Arc::new(ScriptedRecognizer::new([heard]));
        assistant.settings.voicemail = Some(VoicemailPlan::default());
        let mut server = serve_with(assistant, &[]).await;
        let mut line = CarrierConfig::new(format!("ws://{}/twilio/media", server.address));
        line.max_duration = Duration::from_secs(60);
        let form = [("CallSid", line.call_sid.as_str()), ("Direction", direction)];
        let url = format!("{PUBLIC_URL}/twilio/inbound");
        let signature = AuthToken::new(AUTH_TOKEN).sign(&url, &form);
        let (_, twiml) = server.post(&form, Some(&signature)).await;
        line.custom_parameters = twiml
            .split("<Parameter ")
            .skip(1)
            .map(|parameter| {
                let mut quoted = parameter.split('"').skip(1).step_by(2).map(str::to_owned);
                (quoted.next().expect("a name"), quoted.next().expect("a value"))
            })
            .collect();
        let script = waits()
            .then(When::AgentSilent(Duration::from_millis(300)), Action::Say(tone(4_000)))
            .then(When::AgentSilent(Duration::from_millis(500)), Action::HangUp);
        let call = tokio::spawn(async { place_call(line, script).await.expect("a socket") });
        assert_eq!(server.ended().await, ends, "{direction}");
        call.await.expect("no panic");
        server.stop();
        server.stopped().await;
    }
}

#[tokio::test]
async fn a_call_is_held_and_leaves_its_files() {
    let mut server = serve(&[]).await;
    let sound = tone(2_400);
    let script = waits()
        .then(When::AgentSilent(Duration::from_millis(300)), Action::Say(sound))
        .then(When::AgentSilent(Duration::from_millis(500)), Action::HangUp);
    let (id, call) = server.call(script).await;
    let record = call.await.expect("no panic");
    assert_eq!(record.end, CallEnd::HungUp);
    assert_eq!(record.malformed, 0);
    assert_eq!(server.ended().await, EndReason::CustomerEndedCall);
    server.stop();
    let files = server.files(id);
    let _data = server.stopped().await;

    let read = |name: &str| std::fs::read(files.join(name)).expect(name);
    let report: CallReport = serde_json::from_slice(&read("call.json")).expect("a report");
    let said: Vec<_> = report.messages.iter().map(|said| said.text.as_str()).collect();
    assert_eq!(said, ["Hello.", "Good morning.", "Very well."]);
    assert_eq!(report.ended_reason, "customer-ended-call");
    let wav = Wav::read(std::io::Cursor::new(read("recording.wav"))).expect("a recording");
    let loud = |channel| wav.channel(channel).iter().any(|s| s.unsigned_abs() > 4_000);
    assert!(loud(0) && loud(1), "both sides are on it");
    let journal = String::from_utf8(read("journal.jsonl")).expect("UTF-8");
    let replay = turntaking::journal::replay(journal.lines()).expect("a whole journal");
    assert!(replay.is_identical(), "{:?}", replay.difference);
}

#[cfg(unix)]
#[tokio::test]
async fn what_was_said_is_for_the_servers_user_only() {
    use std::os::unix::fs::PermissionsExt as _;

    // Without recording and journal, the report is the first to make the call's directory.
    let unrecorded = Assistant { record: false, ..assistant() };
    let mut server = serve_with(unrecorded, &[("CAUSERIE_JOURNAL_ENABLED", "false")]).await;
    let (id, call) = server.call(waits()).await;
    server.end(id).await;
    call.await.expect("no panic");
    server.ended().await;
    server.stop();
    let files = server.files(id);
    let _data = server.stopped().await;
    for entry in std::fs::read_dir(&files).expect("the call's directory") {
        let path = entry.expect("an entry").path();
        let mode = path.metadata().expect("there").permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{}", path.display());
    }
    let mode = files.metadata().expect("there").permissions().mode() & 0o777;
    assert_eq!(mode, 0o700);
}

#[tokio::test]
async fn a_token_opens_one_stream() {
    let mut server = serve(&[]).await;
    let line = server.line().await;
    let again = line.clone();
    let call = tokio::spawn(async { place_call(line, waits()).await.expect("a socket") });
    let id = server.events.recv().await.expect("an event").call;

    let record = place_call(again, waits()).await.expect("a socket");
    assert_eq!(record.end, CallEnd::ServerClosed(Some(1008)), "used");
    let mut other = server.line().await;
    other.call_sid = "CA-another".to_owned();
    let record = place_call(other, waits()).await.expect("a socket");
    assert_eq!(record.end, CallEnd::ServerClosed(Some(1008)), "another call's");
    let none = CarrierConfig::new(format!("ws://{}/twilio/media", server.address));
    let record = place_call(none, waits()).await.expect("a socket");
    assert_eq!(record.end, CallEnd::ServerClosed(Some(1008)), "none");

    assert_eq!(server.app.registry().running(), 1, "the call in progress goes on");
    server.end(id).await;
    assert_eq!(call.await.expect("no panic").end, CallEnd::ServerClosed(Some(1000)));
}

#[tokio::test]
async fn a_socket_without_a_start_is_closed() {
    use futures_util::{SinkExt as _, StreamExt as _};
    use tokio_tungstenite::tungstenite::Message;

    let server = serve(&[]).await;
    let url = format!("ws://{}/twilio/media", server.address);
    let (mut socket, _) = tokio_tungstenite::connect_async(&url).await.expect("a socket");
    socket.send(Message::text(r#"{"event":"media"}"#)).await.expect("open");
    let closed = loop {
        match socket.next().await {
            Some(Ok(Message::Close(frame))) => break frame,
            Some(Ok(_)) => {}
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(closed.map(|frame| u16::from(frame.code)), Some(1002));

    let plain = server.get("/twilio/media").await;
    assert!(plain.0.is_client_error(), "no WebSocket: {plain:?}");
}

#[tokio::test]
async fn a_socket_whose_signature_is_wrong_is_refused() {
    use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;

    let server = serve(&[]).await;
    let url = format!("ws://{}/twilio/media", server.address);
    let connect = async |signature: String| {
        let mut request = url.as_str().into_client_request().expect("a URL");
        let value = signature.parse().expect("a header");
        request.headers_mut().insert("X-Twilio-Signature", value);
        tokio_tungstenite::connect_async(request).await
    };
    let public = "wss://voice.example/twilio/media";
    let right = AuthToken::new(AUTH_TOKEN).sign::<&str, &str>(public, &[]);
    assert!(connect(right).await.is_ok());
    let wrong = AuthToken::new(AUTH_TOKEN).sign::<&str, &str>(&url, &[]);
    let refused = connect(wrong).await.expect_err("another URL's").to_string();
    assert!(refused.contains("403"), "{refused}");
}

#[tokio::test]
async fn the_call_beyond_capacity_is_rejected_as_busy() {
    let mut server = serve(&[("CAUSERIE_MAX_CONCURRENT_CALLS", "1")]).await;
    let late = server.line().await;
    let (id, call) = server.call(waits()).await;

    let (status, body) = server.get("/readyz").await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(body.contains(r#""calls":1"#), "{body}");
    assert_eq!(server.get("/healthz").await.0, StatusCode::OK);
    let form = [("CallSid", "CA2")];
    let signature = AuthToken::new(AUTH_TOKEN).sign(&format!("{PUBLIC_URL}/twilio/inbound"), &form);
    let (status, twiml) = server.post(&form, Some(&signature)).await;
    assert_eq!(status, StatusCode::OK);
    assert!(twiml.contains(r#"<Reject reason="busy"/>"#), "{twiml}");
    // Announced while there was room, connected when there is none.
    let record = place_call(late, waits()).await.expect("a socket");
    assert_eq!(record.end, CallEnd::ServerClosed(Some(1000)));
    assert_eq!(server.ended().await, EndReason::NoCapacity);

    server.end(id).await;
    call.await.expect("no panic");
    server.ended().await;
    // The place comes back once the files are whole.
    while server.get("/readyz").await.0 != StatusCode::OK {}
    assert!(matches!(server.dial("CA3").await, Dialled::Stream { .. }));
}

/// A recogniser that is down.
#[derive(Debug)]
struct Down;

impl asr::Recognizer for Down {
    fn open(
        &self,
        _: &asr::StreamConfig,
    ) -> Result<Box<dyn asr::RecognizerStream>, asr::RecognizerError> {
        let reason = "connection refused".to_owned();
        Err(asr::RecognizerError::Stream { provider: "down", reason })
    }
}

#[tokio::test]
async fn a_call_that_cannot_be_served_is_closed_and_reported() {
    let mut assistant = assistant();
    assistant.providers.recognizer = Arc::new(Down);
    let mut server = serve_with(assistant, &[("CAUSERIE_MAX_CONCURRENT_CALLS", "1")]).await;
    let record = place_call(server.line().await, waits()).await.expect("a socket");
    assert_eq!(record.end, CallEnd::ServerClosed(Some(1000)));
    assert_eq!(server.ended().await, EndReason::ProviderFailed(Stage::Transcriber));
    while server.get("/readyz").await.0 != StatusCode::OK {}

    server.stop();
    let data = server.stopped().await;
    let calls = std::fs::read_dir(data.path().join("calls")).expect("calls");
    let reports: Vec<_> =
        calls.map(|call| call.expect("a call").path().join("call.json")).collect();
    let [report] = &reports[..] else { panic!("{reports:?}") };
    let report: CallReport =
        serde_json::from_slice(&std::fs::read(report).expect("a report")).expect("a report");
    assert_eq!(report.ended_reason, "call.in-progress.error-vapifault-vapi-transcriber-failed");
    assert!(!report.carrier_call.is_empty());
}

#[tokio::test]
async fn a_drain_takes_no_new_calls_and_lets_the_old_ones_finish() {
    let mut server = serve(&[]).await;
    let (id, call) = server.call(waits()).await;
    server.stop();
    while server.get("/readyz").await.0 != StatusCode::SERVICE_UNAVAILABLE {}
    assert_eq!(server.get("/healthz").await.0, StatusCode::OK);
    assert_eq!(server.dial("CA2").await, Dialled::Rejected);
    assert!(!server.serving.is_finished(), "a call is in progress");

    server.end(id).await;
    assert_eq!(call.await.expect("no panic").end, CallEnd::ServerClosed(Some(1000)));
    let (report, address) = (server.files(id).join("call.json"), server.address);
    let _data = server.stopped().await;
    assert!(report.exists(), "the report is written before the process may end");
    assert!(tokio::net::TcpStream::connect(address).await.is_err(), "still listening");
}

#[tokio::test]
async fn a_drain_ends_the_calls_that_outlast_its_limit() {
    let mut server = serve(&[("CAUSERIE_DRAIN_SECONDS", "0")]).await;
    let (id, call) = server.call(waits()).await;
    server.stop();
    assert_eq!(call.await.expect("no panic").end, CallEnd::ServerClosed(Some(1000)));
    assert_eq!(server.ended().await, EndReason::WorkerShutdown);
    let files = server.files(id);
    let _data = server.stopped().await;
    let report = std::fs::read(files.join("call.json")).expect("a report");
    let report: CallReport = serde_json::from_slice(&report).expect("a report");
    assert_eq!(report.ended_reason, "worker-shutdown");
}
