//! What holds for every call, whatever happens in it.

use std::collections::BTreeMap;
use std::time::Duration;

use engine::session::SessionEventKind;
use serde_json::Value;
use turntaking::journal;
use turntaking::output::Event;

use crate::spoken::Spoken;
use crate::stage::{Call, RATE};

/// Checks all of them.
pub(crate) fn check(call: &Call) {
    the_journal_replays_bit_for_bit(call);
    nothing_is_heard_before_it_is_committed(call);
    the_call_ends_once(call);
    what_is_heard_is_what_was_said(call);
    the_recording_is_what_went_over_the_line(call);
}

fn the_journal_replays_bit_for_bit(call: &Call) {
    let report = journal::replay(call.journal.lines()).expect("a whole journal");
    assert!(report.is_identical(), "{:?}", report.difference);
    assert_eq!(report.ended, Some(call.reason));
    assert_eq!(report.inputs, call.records().len() as u64);
}

fn nothing_is_heard_before_it_is_committed(call: &Call) {
    let mut prepared = Vec::new();
    for record in call.records() {
        let input = &record["input"];
        if input["type"] == "played" {
            assert!(!prepared.contains(&input["turn"]), "heard too early: {record}");
        }
        for output in record["outputs"].as_array().expect("a list") {
            match output["type"].as_str() {
                Some("start_reply") if output["speculative"] == true => {
                    prepared.push(output["turn"].clone());
                }
                Some("commit_reply") => prepared.retain(|turn| *turn != output["turn"]),
                _ => {}
            }
        }
    }
    // What is still prepared was never committed: the line must not have carried any of it.
    for heard in &call.log.heard {
        assert!(!prepared.contains(&Value::from(heard.turn.0)), "{heard:?} was never wanted");
    }
}

fn the_call_ends_once(call: &Call) {
    let hangups = call
        .records()
        .iter()
        .flat_map(|record| record["outputs"].as_array().expect("a list").clone())
        .filter(|output| output["type"] == "hangup")
        .count();
    assert_eq!(hangups, 1);
    let ends = |event: &&engine::session::SessionEvent| {
        matches!(event.kind, SessionEventKind::Ended { .. })
    };
    assert_eq!(call.events.iter().filter(ends).count(), 1);
    let Some(SessionEventKind::Ended { reason, stats }) = call.events.last().map(|e| &e.kind)
    else {
        panic!("something happened after the end: {:?}", call.events.last());
    };
    assert_eq!((*reason, *stats), (call.reason, call.stats));
    assert_eq!(call.report.ended_reason, engine::store::ended_reason(call.reason));
    assert_eq!(call.report.stats, call.stats);
}

/// Each stretch the caller heard is the voice's own samples of that reply, and history has just
/// the words of which at least half was among them.
fn what_is_heard_is_what_was_said(call: &Call) {
    let mut texts = BTreeMap::<u64, String>::new();
    for record in call.records() {
        if record["input"]["type"] == "reply_text" {
            let turn = record["input"]["turn"].as_u64().expect("a number");
            let text = record["input"]["text"].as_str().expect("a text");
            texts.entry(turn).or_default().push_str(text);
        }
    }
    let mut furthest = BTreeMap::<u64, u64>::new();
    for heard in &call.log.heard {
        let turn = u64::from(heard.turn.0);
        let spoken = Spoken::at(texts.get(&turn).expect("a reply with a text"), call.voice_rate);
        let range = heard.range.start as usize..heard.range.end as usize;
        let at = heard.at as usize;
        assert_eq!(
            call.log.agent[at..at + range.len()],
            spoken.samples[range],
            "turn {turn}: not the words of this reply"
        );
        let end = furthest.entry(turn).or_default();
        *end = heard.range.end.max(*end);
    }
    let expected: BTreeMap<u64, String> = furthest
        .iter()
        .map(|(turn, end)| (*turn, Spoken::at(&texts[turn], call.voice_rate).heard(*end)))
        .filter(|(_, words)| !words.is_empty())
        .collect();
    let mut told = BTreeMap::new();
    for event in call.floor_events() {
        if let Event::AssistantHeard { turn, text, .. } = event {
            let before = told.insert(u64::from(turn.0), text.clone());
            assert_eq!(before, None, "turn {turn:?} entered history twice");
        }
    }
    assert_eq!(told, expected, "history is not what was heard");
}

fn the_recording_is_what_went_over_the_line(call: &Call) {
    let [caller, agent] = [0, 1].map(|channel| call.recording.channel(channel));
    same("the caller", &caller, &call.log.caller);
    if call.seams.is_zero() {
        same("the agent", &agent, &call.log.agent);
        return;
    }
    // Where playback ran dry for a moment, what follows may be recorded that much too early. And
    // the line reports whole frames: the rest of one, before it ran dry, may come a frame late.
    let frame = RATE.samples_in(Duration::from_millis(20)) as usize;
    let seams = RATE.samples_in(call.seams) as usize;
    let mut free = 0;
    for heard in &call.log.heard {
        let at = heard.at as usize;
        let end = at + (heard.range.end - heard.range.start) as usize;
        let rest = end - (end - at) % frame;
        for piece in [at..rest, rest..end] {
            let samples = &call.log.agent[piece.clone()];
            let place = (free.max(piece.start.saturating_sub(seams))..=piece.start + frame)
                .find(|&place| agent.get(place..place + samples.len()) == Some(samples));
            free = samples.len()
                + place.unwrap_or_else(|| panic!("{piece:?} of {heard:?} is not near its place"));
        }
    }
    let sounds = |side: &[i16]| side.iter().filter(|&&sample| sample != 0).count();
    assert_eq!(sounds(&agent), sounds(&call.log.agent), "more was recorded than heard");
}

fn same(who: &str, recorded: &[i16], line: &[i16]) {
    let length = recorded.len().max(line.len());
    let sample = |side: &[i16], at: usize| side.get(at).copied().unwrap_or(0);
    let differs = (0..length).find(|&at| sample(recorded, at) != sample(line, at));
    assert_eq!(differs, None, "{who} is not recorded as heard, from this sample on");
}
