//! The table of what every input does in every state, compared with `transitions.txt`.
//!
//! `UPDATE_TRANSITIONS=1 cargo test -p turntaking --test transitions` writes it anew, so that any
//! change of the machine shows in review.

#![expect(clippy::disallowed_methods, reason = "tests read and write their fixtures")]

#[path = "support/notation.rs"]
mod notation;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use notation::{inputs, show};
use turntaking::Floor;
use turntaking::input::Input;
use turntaking::settings::{KeypadPlan, Settings};
use turntaking::time::Instant;
use turntaking::voicemail::VoicemailPlan;

/// How each state is reached: a question, its answer, and what happens to it.
const STATES: &[(&str, &[(u64, &str)])] = &[
    ("listening", &[(0, "connected")]),
    ("hearing", &[(0, "connected"), (1_064, "speech 1000")]),
    ("settling", SETTLING),
    ("settling, a reply in preparation", DRAFTING),
    ("thinking", THINKING),
    ("speaking", SPEAKING),
    ("yielding", YIELDING),
    ("yielding, held", HELD),
    ("closing", CLOSING),
    ("closing, a machine greets", MACHINE),
    ("closed", &[(0, "connected"), (500, "end customer_ended_call")]),
];

const SETTLING: &[(u64, &str)] =
    &[(0, "connected"), (1_064, "speech 1000"), (2_064, "silence 2000")];

const DRAFTING: &[(u64, &str)] = &[
    (0, "connected"),
    (1_064, "speech 1000"),
    (2_064, "silence 2000"),
    (2_150, "words 1 \"What are your hours?\" stable 2064"),
];

const THINKING: &[(u64, &str)] = &[
    (0, "connected"),
    (1_064, "speech 1000"),
    (2_064, "silence 2000"),
    (2_150, "words 1 \"What are your hours?\" stable 2064"),
    (2_180, "score 1 0.98"),
    (2_320, "timeout"),
];

const SPEAKING: &[(u64, &str)] = &[
    (0, "connected"),
    (1_064, "speech 1000"),
    (2_064, "silence 2000"),
    (2_150, "words 1 \"What are your hours?\" stable 2064"),
    (2_180, "score 1 0.98"),
    (2_320, "timeout"),
    (2_330, "text 1 \"Nine to eight, and to six on Sundays.\""),
    (2_330, "span 1 0 37 0 1200"),
    (2_330, "voiced 1 1200 all"),
    (2_400, "played 1 60"),
    (2_800, "played 1 460"),
];

const YIELDING: &[(u64, &str)] = &[
    (0, "connected"),
    (1_064, "speech 1000"),
    (2_064, "silence 2000"),
    (2_150, "words 1 \"What are your hours?\" stable 2064"),
    (2_180, "score 1 0.98"),
    (2_320, "timeout"),
    (2_330, "text 1 \"Nine to eight, and to six on Sundays.\""),
    (2_330, "span 1 0 37 0 1200"),
    (2_330, "voiced 1 1200 all"),
    (2_400, "played 1 60"),
    (2_800, "played 1 460"),
    (2_840, "speech 2776"),
];

const HELD: &[(u64, &str)] = &[
    (0, "connected"),
    (1_064, "speech 1000"),
    (2_064, "silence 2000"),
    (2_150, "words 1 \"What are your hours?\" stable 2064"),
    (2_180, "score 1 0.98"),
    (2_320, "timeout"),
    (2_330, "text 1 \"Nine to eight, and to six on Sundays.\""),
    (2_330, "span 1 0 37 0 1200"),
    (2_330, "voiced 1 1200 all"),
    (2_400, "played 1 60"),
    (2_800, "played 1 460"),
    (2_840, "speech 2776"),
    (2_840, "held 1 500"),
];

const CLOSING: &[(u64, &str)] = &[(0, "connected"), (30_000, "timeout")];

const MACHINE: &[(u64, &str)] = &[
    (0, "connected"),
    (1_064, "speech 1000"),
    (2_500, "words 1 \"Leave your message after the tone.\" partial 2500"),
];

/// Every input, aimed at the reply that is live.
const INPUTS: &[&str] = &[
    "timeout",
    "connected",
    "speech NOW",
    "silence NOW",
    "beep NOW",
    "words 9 \"Tomorrow\" partial",
    "words 9 \"Tomorrow.\" stable",
    "words 9 \"Mhm.\" stable",
    "words 9 \"Stop!\" partial",
    "words 1 \"An old word.\" final 500",
    "end_of_turn eager",
    "end_of_turn",
    "turn_resumed",
    "recognizer_failed",
    "score 1 0.1",
    "text 1 \" Goodbye.\"",
    "tool 1 a book \"{}\"",
    "tool_message 1 a \"A moment.\"",
    "tool 1 a endCall \"{}\"",
    "done 1",
    "failed 1 model",
    "failed 1 voice",
    "result 1 a \"booked\"",
    "span 1 0 4 0 200",
    "voiced 1 2000",
    "played 1 600",
    "played 9 600",
    "held 1 520",
    "digit 5",
    "digit #",
    "order \"One moment.\"",
    "end manually_canceled",
];

#[test]
fn every_input_in_every_state() {
    let mut table = String::new();
    let mut edges = BTreeSet::new();
    for (name, script) in STATES {
        let (floor, now) = reach(script);
        assert_eq!(floor.state().name(), name.split(',').next().unwrap_or(name));
        writeln!(table, "{name}").expect("a string");
        for input in INPUTS {
            let (mut floor, now) = (reach(script).0, now);
            let line = apply(&mut floor, now, input, &mut edges);
            writeln!(table, "  {input:<32} {line}").expect("a string");
        }
        if let Some((at, reason)) = floor.poll_timeout() {
            let mut floor = reach(script).0;
            let mut line = apply(&mut floor, at, "timeout", &mut edges);
            write!(line, "  [{reason:?} at {} ms]", at.as_micros() / 1_000).expect("a string");
            writeln!(table, "  {:<32} {line}", "(its next deadline)").expect("a string");
        }
        writeln!(table).expect("a string");
    }
    writeln!(table, "digraph floor {{").expect("a string");
    for (from, to) in edges {
        writeln!(table, "  {from} -> {to};").expect("a string");
    }
    writeln!(table, "}}").expect("a string");

    let path = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/transitions.txt"));
    if std::env::var_os("UPDATE_TRANSITIONS").is_some() {
        std::fs::write(path, &table).expect("a writable table");
    }
    let wanted = std::fs::read_to_string(path).expect("the table");
    for (at, (wanted, found)) in wanted.lines().zip(table.lines()).enumerate() {
        assert_eq!(wanted, found, "line {} of transitions.txt", at + 1);
    }
    assert_eq!(wanted.lines().count(), table.lines().count(), "lines of transitions.txt");
}

fn reach(script: &[(u64, &str)]) -> (Floor, Instant) {
    let settings = Settings {
        end_call_message: "Goodbye.".to_owned(),
        keypad: Some(KeypadPlan::default()),
        voicemail: Some(VoicemailPlan {
            message: "Please call us back.".to_owned(),
            ..VoicemailPlan::default()
        }),
        ..Settings::default()
    };
    let mut floor = Floor::new(settings, 0, Instant::START);
    let mut now = Instant::START;
    for (at, line) in script {
        now = Instant::from_millis(*at);
        tell(&mut floor, now, line);
        while floor.poll_output().is_some() {}
    }
    (floor, now)
}

fn tell(floor: &mut Floor, now: Instant, line: &str) {
    let line = line.replace("NOW", &(now.as_micros() / 1_000).to_string());
    for input in inputs(now, &line).expect("a line of the notation") {
        floor.handle(now, &input);
    }
}

fn apply(
    floor: &mut Floor,
    now: Instant,
    line: &str,
    edges: &mut BTreeSet<(&'static str, &'static str)>,
) -> String {
    let (before, dropped) = (floor.state().name(), floor.counters().dropped());
    if line == "timeout" {
        floor.handle(now, &Input::Timeout);
    } else {
        tell(floor, now, line);
    }
    let after = floor.state().name();
    let outputs: Vec<String> =
        std::iter::from_fn(|| floor.poll_output().map(|o| show(&o))).collect();
    if before != after {
        edges.insert((before, after));
    }
    match (before == after, outputs.is_empty()) {
        (true, true) if floor.counters().dropped() > dropped => "dropped".to_owned(),
        (true, true) => "-".to_owned(),
        (true, false) => outputs.join("; "),
        (false, true) => format!("=> {after}"),
        (false, false) => format!("=> {after}: {}", outputs.join("; ")),
    }
}
