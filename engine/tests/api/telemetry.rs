//! What an operator sees of calls: `/live`, `causerie top`, `/metrics`, and the report's
//! `performanceMetrics`.

use std::process::Stdio;
use std::time::Duration;

use engine::carrier::{Action, CallerScript, When};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::stage::{CALLER, PRIVATE_KEY, Stage, chats};

/// Speaks, listens, and stays on the line for two more seconds.
fn lingers() -> CallerScript {
    let sound = [8_000, 8_000, 8_000, -8_000, -8_000, -8_000].repeat(400);
    CallerScript::default()
        .then(When::AgentSilent(Duration::from_millis(300)), Action::Say(sound))
        .then(When::AgentSilent(Duration::from_secs(2)), Action::HangUp)
}

async fn started() -> (Stage, tempfile::TempDir) {
    let data = tempfile::tempdir().expect("a directory");
    let stage = Stage::start(data.path(), &[]).await;
    stage.answers(json!({"name": "Camille", "firstMessage": "Hello."})).await;
    (stage, data)
}

/// A line of the metrics' page, without its value.
fn value(page: &str, series: &str) -> Option<f64> {
    let rest = page.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '))?;
    rest.parse().ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_in_progress_is_seen_and_gone_when_it_is_over() {
    let (stage, _data) = started().await;
    let caller = stage.call(lingers()).await;
    let call = loop {
        assert!(!caller.is_finished(), "the call ended and was never seen with a turn");
        let live = stage.get("/live").await;
        match live["calls"].as_array().expect("a list").first() {
            Some(call) if call["turns"] == 1 => break call.clone(),
            _ => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    };
    assert_eq!(call["customer"], CALLER);
    assert_eq!(call["assistant"], "Camille");
    assert_eq!(call["direction"], "inbound");
    assert!(call["turnMs"].as_f64() > Some(0.0), "{call}");
    assert!(call["seconds"].as_f64() > Some(0.0), "{call}");

    let url = format!("http://{}", stage.address);
    let mut top = tokio::process::Command::new(env!("CARGO_BIN_EXE_causerie"));
    top.args(["top", "--once", "--json", "--url", &url]);
    top.env_remove("CAUSERIE_PRIVATE_KEY").stderr(Stdio::piped());
    let refused = top.output().await.expect("it runs");
    assert!(!refused.status.success(), "without a key");
    assert!(String::from_utf8_lossy(&refused.stderr).contains("CAUSERIE_PRIVATE_KEY"));
    let seen = top.env("CAUSERIE_PRIVATE_KEY", PRIVATE_KEY).output().await.expect("it runs");
    assert!(seen.status.success(), "{}", String::from_utf8_lossy(&seen.stderr));
    let seen: Value = serde_json::from_slice(&seen.stdout).expect("JSON");
    assert_eq!((&seen["running"], &seen["calls"][0]["id"]), (&json!(1), &call["id"]));

    caller.await.expect("no panic");
    stage.ended_call().await;
    loop {
        let live = stage.get("/live").await;
        if live["running"] == 0 && live["calls"] == json!([]) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    stage.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_is_measured_in_its_report_and_in_the_metrics() {
    let (stage, _data) = started().await;
    stage.call(chats()).await.await.expect("no panic");
    let call = stage.ended_call().await;
    let metrics = &call["artifact"]["performanceMetrics"];
    let turns = metrics["turnLatencies"].as_array().expect("a list");
    let [greeting, turn] = &turns[..] else { panic!("a greeting and a reply: {metrics}") };
    assert!(greeting["voiceLatency"].is_number() && greeting["turnLatency"].is_null(), "{metrics}");
    for stage in ["transcriberLatency", "endpointingLatency", "turnLatency"] {
        assert!(turn[stage].is_number(), "{stage}: {metrics}");
        assert_eq!(turn[stage], metrics[format!("{stage}Average")], "of replies alone: {metrics}");
    }
    for stage in ["modelLatencyAverage", "voiceLatencyAverage", "toTransportLatencyAverage"] {
        assert!(metrics[stage].is_number(), "{stage}: {metrics}");
    }
    assert!(turn["turnLatency"].as_f64() >= turn["endpointingLatency"].as_f64(), "{metrics}");
    assert!(metrics["fromTransportLatencyAverage"].as_f64() >= Some(0.0), "{metrics}");
    assert_eq!(metrics["numAssistantInterrupted"], 0);
    assert_eq!(metrics["numUserInterrupted"], 0);
    let prepared = &metrics["speculation"];
    let count = |name: &str| prepared[name].as_u64().expect("a count");
    assert_eq!(count("started"), count("kept") + count("dropped"));

    let answer = stage.request(Method::GET, "/metrics").bearer_auth(PRIVATE_KEY);
    let answer = answer.send().await.expect("an answer");
    let kind = answer.headers()["content-type"].to_str().expect("ASCII").to_owned();
    assert!(kind.starts_with("application/openmetrics-text"), "{kind}");
    let page = answer.text().await.expect("text");
    let latencies = ["yes", "no"].map(|prepared| {
        value(&page, &format!("causerie_turn_latency_seconds_count{{prepared=\"{prepared}\"}}"))
    });
    assert_eq!(latencies.into_iter().flatten().sum::<f64>(), 1.0, "{page}");
    let one = [
        "causerie_calls_ended_total{ended_reason=\"customer-ended-call\"}",
        "causerie_turn_stage_seconds_count{stage=\"endpointing\"}",
        "causerie_greeting_latency_seconds_count",
    ];
    for series in one {
        assert_eq!(value(&page, series), Some(1.0), "{series}: {page}");
    }
    assert!(value(&page, "causerie_frames_received_total") > Some(20.0), "{page}");
    assert!(value(&page, "causerie_wake_lag_seconds_count") > Some(0.0), "{page}");
    assert_eq!(value(&page, "causerie_calls"), Some(0.0), "{page}");
    assert_eq!(value(&page, "causerie_overloaded"), Some(0.0), "{page}");
    stage.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_else_sees_it() {
    let (stage, _data) = started().await;
    for path in ["/metrics", "/live"] {
        let answer = stage.request(Method::GET, path).send().await.expect("an answer");
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "{path}");
        let answer = stage.request(Method::GET, path).bearer_auth("another");
        let answer = answer.send().await.expect("an answer");
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "{path}");
    }
    stage.stop().await;
}
