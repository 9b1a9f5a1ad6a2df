//! `causerie top`.

use std::fmt::Write as _;
use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;
use std::time::Duration;

use super::TopArgs;
use crate::config::{Config, PublicUrl};
use crate::telemetry::board::LiveCall;
use crate::telemetry::live::Live;

/// Longer, and the engine is as good as gone.
const PATIENCE: Duration = Duration::from_secs(5);

/// Home, and everything below it erased (ECMA-48: CUP, ED).
const CLEAR: &str = "\x1b[H\x1b[J";

/// Shows a running engine's calls until it is interrupted. The engine is asked with the configured
/// private key.
pub async fn run(args: &TopArgs, config: &Config) -> ExitCode {
    match top(args, config).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("causerie: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn top(args: &TopArgs, config: &Config) -> Result<(), Box<dyn std::error::Error>> {
    let server = PublicUrl::parse(&args.url).map_err(|reason| format!("--url: {reason}"))?;
    let key = config.private_key.as_ref().ok_or(
        "the engine is asked with its private key: set `private_key`, or CAUSERIE_PRIVATE_KEY",
    )?;
    let client = reqwest::Client::builder().timeout(PATIENCE).no_proxy().build()?;
    let clear = if std::io::stdout().is_terminal() { CLEAR } else { "" };
    loop {
        let request = client.get(server.http("/live")).bearer_auth(key.expose());
        let response = request
            .send()
            .await
            .map_err(|error| format!("{} cannot be reached: {}", args.url, error.without_url()))?;
        if !response.status().is_success() {
            let (status, body) = (response.status(), response.text().await.unwrap_or_default());
            return Err(format!("{} answers {status}: {}", args.url, body.trim()).into());
        }
        let live: Live = response.json().await?;
        let mut stdout = std::io::stdout().lock();
        if args.json {
            writeln!(stdout, "{}", serde_json::to_string(&live)?)?;
        } else if args.once {
            write!(stdout, "{}", page(&live))?;
        } else {
            write!(stdout, "{clear}{}", page(&live))?;
        }
        stdout.flush()?;
        drop(stdout);
        if args.once {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_secs(args.interval)).await;
    }
}

/// What is shown.
fn page(live: &Live) -> String {
    let mut page = String::new();
    // Writing to a String does not fail.
    let _ = write_page(live, &mut page);
    page
}

fn write_page(live: &Live, page: &mut String) -> std::fmt::Result {
    let Live { version, running, capacity, lag_ms, queues, .. } = live;
    let state = if live.overloaded { "OVERLOADED: new calls are refused" } else { "on time" };
    writeln!(
        page,
        "causerie {version}   {running} of {capacity} calls   lag {lag_ms:.1} ms   {state}"
    )?;
    let memory = live.memory_mb.map_or_else(String::new, |mb| format!("   memory {mb:.0} MB"));
    writeln!(
        page,
        "waiting: turn model {}, decodes {}, events {}   lost windows {}   late looks {}{memory}",
        queues.turn_model, queues.decode, queues.events, live.vad_lost, live.turn_looks_late,
    )?;
    writeln!(page)?;
    let head = ("call", "customer", "assistant", "state", "time");
    writeln!(
        page,
        "{:8}  {:16}  {:16}  {:9}  {:>7}  {:>5}  {:>7}  {:>4}  {:>6}  {:>5}",
        head.0, head.1, head.2, head.3, head.4, "turns", "last ms", "cuts", "lag ms", "late"
    )?;
    for call in &live.calls {
        write_call(call, page)?;
    }
    Ok(())
}

fn write_call(call: &LiveCall, page: &mut String) -> std::fmt::Result {
    let id = call.id.to_string();
    let name = |name: &Option<String>| -> String {
        // What a customer or a product chose must not steer the terminal.
        let name = name.as_deref().unwrap_or("-").chars();
        name.filter(|character| !character.is_control()).take(16).collect()
    };
    let seconds = call.seconds as u64;
    let last = call.turn_ms.map_or_else(|| "-".to_owned(), |ms| format!("{ms:.0}"));
    writeln!(
        page,
        "{:8}  {:16}  {:16}  {:9}  {:>4}:{:02}  {:>5}  {last:>7}  {:>4}  {:>6.1}  {:>5}",
        &id[..8],
        name(&call.customer),
        name(&call.assistant),
        call.state,
        seconds / 60,
        seconds % 60,
        call.turns,
        call.interruptions,
        call.lag_ms,
        call.frames_late,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::CallId;
    use crate::telemetry::vitals::Queues;

    #[test]
    fn a_call_is_a_line_and_no_name_steers_the_terminal() {
        let call = LiveCall {
            id: CallId::random(),
            customer: Some("+33612345678".to_owned()),
            assistant: Some("Camille\x1b[2J, la voix du salon".to_owned()),
            direction: "inbound".to_owned(),
            seconds: 65.4,
            state: "speaking".to_owned(),
            turns: 3,
            turn_ms: Some(478.2),
            interruptions: 1,
            lag_ms: 0.8,
            frames_late: 0,
        };
        let live = Live {
            version: "0.1.0".to_owned(),
            running: 1,
            capacity: 50,
            overloaded: false,
            lag_ms: 1.0,
            queues: Queues::default(),
            vad_lost: 0,
            turn_looks_late: 0,
            memory_mb: Some(210.4),
            calls: vec![call],
        };
        let page = page(&live);
        assert!(
            page.starts_with("causerie 0.1.0   1 of 50 calls   lag 1.0 ms   on time\n"),
            "{page}"
        );
        let line = page.lines().last().expect("the call");
        assert!(line.contains("+33612345678      Camille[2J, la v  speaking      1:05"), "{line}");
        assert!(line.contains("    3      478     1     0.8      0"), "{line}");
        assert!(!page.contains('\x1b'));
    }
}
