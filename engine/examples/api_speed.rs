//! How fast the API answers beside live calls: reads and writes at a fixed rate, whatever the
//! answers take, against `causerie serve` on a core of its own.
//!
//! ```text
//! cargo build --release -p engine
//! cargo run --release -p engine --example api_speed -- [SECONDS [CALLS]]
//! ```
//!
//! A request's time runs from the moment at which it was due, so that a server that falls behind is
//! not measured by the requests that it kept from being made (coordinated omission).

use std::error::Error;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use engine::bench::server::Placement;
use engine::carrier::{CallerScript, CarrierConfig, Dialled, Webhook, place_call};
use engine::transport::twilio::signature::AuthToken;
use reqwest::Client;
use rustix::thread::{CpuSet, sched_setaffinity};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

const KEY: &str = "the key of a measurement";
const TOKEN: &str = "the token of a measurement";
const NUMBER: &str = "+33123456789";

/// Requests a second.
const READS: u32 = 1_000;
const WRITES: u32 = 100;

type Failure = Box<dyn Error + Send + Sync>;

fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let mut number = |otherwise: u64| match arguments.next() {
        Some(text) => text.parse(),
        None => Ok(otherwise),
    };
    let (seconds, calls) = (number(10)?, number(20)?);
    let placement = Placement::of_machine();
    let folder = tempfile::tempdir()?;
    // A child is where its parent was when it was made.
    pin(&placement.engine)?;
    let (mut child, address) = serve(folder.path())?;
    placement.take_load_side()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(placement.load.len().max(1))
        .enable_all()
        .build()?;
    let measured = runtime.block_on(measure(&address, seconds, calls));
    child.kill()?;
    child.wait()?;
    measured
}

fn pin(cores: &[usize]) -> Result<(), Failure> {
    if cores.is_empty() {
        return Ok(());
    }
    let mut set = CpuSet::new();
    cores.iter().for_each(|&core| set.set(core));
    Ok(sched_setaffinity(None, &set)?)
}

/// Starts the `causerie` that was built beside this.
fn serve(data: &Path) -> Result<(Child, String), Failure> {
    let own = std::env::current_exe()?;
    let built = own.ancestors().nth(2).ok_or("this program is nowhere")?;
    let mut child = Command::new(built.join("causerie"))
        .args(["serve", "--listen", "127.0.0.1:0", "--data-dir"])
        .arg(data)
        .env("CAUSERIE_PRIVATE_KEY", KEY)
        .env("CAUSERIE_TWILIO_AUTH_TOKEN", TOKEN)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let stdout = child.stdout.take().ok_or("its output is not piped")?;
    let mut ready = String::new();
    BufReader::new(stdout).read_line(&mut ready)?;
    let ready: Value = serde_json::from_str(&ready)?;
    let address = ready["listen"].as_str().ok_or("it does not say where it listens")?;
    Ok((child, address.to_owned()))
}

async fn measure(address: &str, seconds: u64, calls: u64) -> Result<(), Failure> {
    let client = Client::builder().no_proxy().tcp_nodelay(true).build()?;
    let url = |path: &str| format!("http://{address}{path}");
    let assistant = json!({"name": "measured", "firstMessage": "Hello.",
        "silenceTimeoutSeconds": 3600});
    let made = post(&client, &url("/assistant"), &assistant).await?;
    let id = made["id"].as_str().ok_or("no id")?.to_owned();
    let number = json!({"provider": "twilio", "number": NUMBER, "twilioAccountSid": "AC1",
        "assistantId": id});
    post(&client, &url("/phone-number"), &number).await?;

    let mut live = JoinSet::new();
    for _ in 0..calls {
        let mut line = CarrierConfig::new(format!("ws://{address}/twilio/media"));
        line.max_duration = Duration::from_secs(seconds + 5);
        let webhook = Webhook {
            url: url("/twilio/inbound"),
            signed_url: String::new(),
            auth_token: Some(AuthToken::new(TOKEN)),
            call_sid: line.call_sid.clone(),
            account_sid: "AC1".to_owned(),
            from: "+33612345678".to_owned(),
            to: NUMBER.to_owned(),
        };
        let Dialled::Stream { parameters, .. } = webhook.dial(&client).await? else {
            return Err("a call was not taken: raise `max_concurrent_calls`".into());
        };
        line.custom_parameters = parameters;
        live.spawn(place_call(line, CallerScript::default()));
    }
    // The greetings are over.
    tokio::time::sleep(Duration::from_secs(3)).await;

    let read = (client.clone(), url(&format!("/assistant/{id}")));
    let write = (client.clone(), url("/assistant"));
    let reads = tokio::spawn(at_rate(READS, seconds, move || {
        let (client, url) = read.clone();
        async move { client.get(url).bearer_auth(KEY).send().await }
    }));
    let writes = tokio::spawn(at_rate(WRITES, seconds, move || {
        let ((client, url), body) = (write.clone(), assistant.clone());
        async move { client.post(url).bearer_auth(KEY).json(&body).send().await }
    }));
    print("GET", reads.await??);
    print("POST", writes.await??);
    let mut lateness = Duration::ZERO;
    while let Some(call) = live.join_next().await {
        lateness = lateness.max(call??.lateness_p99);
    }
    println!("{calls} live calls; the load side's frames were late by {lateness:?} at most (p99)");
    Ok(())
}

async fn post(client: &Client, url: &str, body: &Value) -> Result<Value, Failure> {
    let response = client.post(url).bearer_auth(KEY).json(body).send().await?;
    Ok(response.error_for_status()?.json().await?)
}

/// Makes `rate` requests a second; returns how long each took, in order of size, and how many
/// failed.
async fn at_rate<F>(
    rate: u32,
    seconds: u64,
    request: impl Fn() -> F,
) -> Result<(Vec<Duration>, usize), Failure>
where
    F: Future<Output = reqwest::Result<reqwest::Response>> + Send + 'static,
{
    let began = Instant::now();
    let mut tasks = JoinSet::new();
    for index in 0..rate * u32::try_from(seconds)? {
        let due = began + Duration::from_secs(1) * index / rate;
        sleep_until(due).await;
        let request = request();
        tasks.spawn(async move {
            let response = request.await?.error_for_status()?;
            response.bytes().await?;
            Ok::<_, reqwest::Error>(due.elapsed())
        });
    }
    let (mut took, mut failed) = (Vec::new(), 0);
    while let Some(done) = tasks.join_next().await {
        match done? {
            Ok(time) => took.push(time),
            Err(_) => failed += 1,
        }
    }
    took.sort_unstable();
    Ok((took, failed))
}

fn print(what: &str, (took, failed): (Vec<Duration>, usize)) {
    let at = |percent: usize| took.get(took.len() * percent / 100).copied().unwrap_or_default();
    let (p50, p99) = (at(50), at(99));
    let worst = took.last().copied().unwrap_or_default();
    println!(
        "{what}: {} answered, {failed} failed; p50 {p50:?}, p99 {p99:?}, worst {worst:?}",
        took.len()
    );
}
