//! `kill -9` in the midst of calls: the binary as an operator runs it, killed as the system kills
//! it, and started again on what it left.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use engine::carrier::{Action, CallerScript, CarrierConfig, Dialled, Webhook, When, place_call};
use engine::transport::twilio::signature::AuthToken;
use reqwest::StatusCode;
use serde_json::{Value, json};
use sqlx::Row as _;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::task::JoinSet;

use crate::receiver::Receiver;
use crate::stage::{AUTH_TOKEN, CALLER, NUMBER, PRIVATE_KEY, id};

const CALLS: usize = 20;

/// Reports that the product's server refuses before the process is killed: they are pending then.
const REFUSED: usize = 5;

/// `causerie serve`.
struct Process {
    child: Child,
    address: SocketAddr,
    client: reqwest::Client,
}

impl Process {
    async fn start(root: &Path, data: &Path) -> Self {
        #[expect(clippy::disallowed_methods, reason = "the voices are programs on the path")]
        let path = std::env::var_os("PATH").unwrap_or_default();
        let mut child = Command::new(env!("CARGO_BIN_EXE_causerie"))
            .env_clear()
            .env("PATH", path)
            .env("CAUSERIE_PRIVATE_KEY", PRIVATE_KEY)
            .env("CAUSERIE_PUBLIC_KEY", "a public key")
            .env("CAUSERIE_TWILIO_AUTH_TOKEN", AUTH_TOKEN)
            .args(["serve", "--listen", "127.0.0.1:0", "--data-dir"])
            .arg(data)
            .current_dir(root)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("the binary runs");
        let stdout = child.stdout.take().expect("it is piped");
        let ready = BufReader::new(stdout).lines().next_line().await.expect("it can be read");
        let ready: Value = serde_json::from_str(&ready.expect("it serves")).expect("JSON");
        let address = ready["listen"].as_str().and_then(|text| text.parse().ok());
        Self {
            child,
            address: address.expect("an address"),
            client: reqwest::Client::builder().no_proxy().build().expect("a client"),
        }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    async fn create(&self, path: &str, body: Value) -> Value {
        let request = self.client.post(self.url(path)).bearer_auth(PRIVATE_KEY).json(&body);
        let response = request.send().await.expect("an answer");
        assert_eq!(response.status(), StatusCode::CREATED, "{path}");
        response.json().await.expect("JSON")
    }

    async fn calls(&self) -> Vec<Value> {
        let request = self.client.get(self.url("/call?limit=1000")).bearer_auth(PRIVATE_KEY);
        request.send().await.expect("an answer").json().await.expect("a list")
    }

    /// The line of a call that was announced.
    async fn line(&self) -> CarrierConfig {
        let mut line = CarrierConfig::new(format!("ws://{}/twilio/media", self.address));
        line.max_duration = Duration::from_secs(60);
        let webhook = Webhook {
            url: self.url("/twilio/inbound"),
            signed_url: String::new(),
            auth_token: Some(AuthToken::new(AUTH_TOKEN)),
            call_sid: line.call_sid.clone(),
            account_sid: "AC1".to_owned(),
            from: CALLER.to_owned(),
            to: NUMBER.to_owned(),
        };
        let dialled = webhook.dial(&self.client).await.expect("TwiML");
        let Dialled::Stream { parameters, .. } = dialled else {
            panic!("the call was not taken: {dialled:?}");
        };
        line.custom_parameters = parameters;
        line
    }
}

/// Where the models of the binary are, and the library that runs them.
fn installed() -> Result<PathBuf, PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for part in ["models/silero-vad", "models/moonshine-tiny-en", "native/lib"] {
        if !root.join(part).exists() {
            return Err(root.join(part));
        }
    }
    Ok(root)
}

#[tokio::test]
async fn a_killed_process_loses_no_report_tells_none_twice_and_leaves_whole_rows() {
    let root = match installed() {
        Ok(root) => root,
        Err(missing) => {
            eprintln!("skipped: {} is not there (run scripts/setup.sh)", missing.display());
            return;
        }
    };
    let data = tempfile::tempdir().expect("a directory");
    let mut receiver = Receiver::start([503; REFUSED]).await;
    let mut process = Process::start(&root, data.path()).await;
    let assistant = json!({"firstMessage": "Hello.", "server": {"url": receiver.url},
        "serverMessages": ["end-of-call-report"]});
    let assistant = id(&process.create("/assistant", assistant).await);
    let number = json!({"provider": "twilio", "number": NUMBER, "twilioAccountSid": "AC1",
        "assistantId": assistant});
    process.create("/phone-number", number).await;

    let mut calls = JoinSet::new();
    for index in 0..CALLS {
        let line = process.line().await;
        // Every other one is over soon; the rest is cut.
        let script = match index % 2 {
            0 => CallerScript::default()
                .then(When::AgentSilent(Duration::from_millis(300)), Action::HangUp),
            _ => CallerScript::default(),
        };
        calls.spawn(place_call(line, script));
    }
    // Some reports were refused and wait, some calls are about to be over, some go on.
    let mut received = Vec::new();
    while received.len() < REFUSED {
        received.push(receiver.next().await);
    }
    process.child.start_kill().expect("it runs");
    let status = process.child.wait().await.expect("it is ours");
    assert!(!status.success(), "it was killed: {status}");
    while let Some(call) = calls.join_next().await {
        // A socket that was still to be opened finds nobody.
        drop(call.expect("no panic"));
    }

    let process = Process::start(&root, data.path()).await;
    let of = |message: &Value| message["call"]["id"].as_str().expect("an id").to_owned();
    let mut taken = BTreeSet::new();
    while taken.len() < CALLS {
        let message = receiver.next().await;
        if message.status == StatusCode::OK {
            taken.insert(of(&message.message));
        }
        received.push(message);
    }
    let mut reports: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for message in &received {
        assert_eq!(message.kind(), "end-of-call-report");
        reports.entry(of(&message.message)).or_default().insert(message.id().to_owned());
    }
    let calls = process.calls().await;
    assert_eq!(calls.len(), CALLS);
    for call in &calls {
        assert_eq!(call["status"], "ended", "{call}");
        assert!(call["endedAt"].is_string() && call["endedReason"].is_string(), "{call}");
        let ids = reports.get(&id(call)).map(BTreeSet::len);
        assert_eq!(ids, Some(1), "one report, under one id: {call}");
    }
    let cut = "call.in-progress.error-vapifault-worker-died";
    assert!(calls.iter().any(|call| call["endedReason"] == cut), "some were cut");
    stop(process).await;
    assert!(receiver.is_silent(), "nothing was told once more");
    check_rows(data.path()).await;
}

/// As an operator does.
async fn stop(mut process: Process) {
    let pid = process.child.id().and_then(|pid| i32::try_from(pid).ok());
    let pid = pid.and_then(rustix::process::Pid::from_raw).expect("it runs");
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("it is ours");
    assert!(process.child.wait().await.expect("it is ours").success());
}

/// Every row is whole: its columns say what its document says.
async fn check_rows(data: &Path) {
    let options = SqliteConnectOptions::new().filename(data.join(engine::store::DATABASE_FILE));
    let pool = SqlitePoolOptions::new().connect_with(options).await.expect("a database");
    let check = sqlx::query("PRAGMA integrity_check").fetch_one(&pool).await.expect("an answer");
    assert_eq!(check.get::<&str, _>(0), "ok");
    let rows = sqlx::query("SELECT status, document, assistant, awaits_report FROM calls");
    let rows = rows.fetch_all(&pool).await.expect("rows");
    assert_eq!(rows.len(), CALLS);
    for row in rows {
        let call: Value = serde_json::from_str(row.get("document")).expect("JSON");
        assert_eq!(call["status"], row.get::<&str, _>("status"));
        serde_json::from_str::<Value>(row.get("assistant")).expect("JSON");
        assert_eq!(row.get::<i64, _>("awaits_report"), 0);
    }
    let left = sqlx::query("SELECT COUNT(*) FROM outbox").fetch_one(&pool).await.expect("rows");
    assert_eq!(left.get::<i64, _>(0), 0, "everything was delivered");
    pool.close().await;
}
