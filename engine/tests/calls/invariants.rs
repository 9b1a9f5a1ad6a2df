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
    let voice = call.voice();
    let mut furthest = BTreeMap::<u64, u64>::new();
    for heard in &call.log.heard {
        let turn = u64::from(heard.turn.0);
        let spoken = Spoken::at(texts.get(&turn).expect("a reply with a text"), call.voice_rate);
        let range = heard.range.start as usize..heard.range.end as usize;
        let at = heard.at as usize;
        assert_eq!(
            voice[at..at + range.len()],
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
    let (agent, voice) = (call.without_background(&agent), call.voice());
    assert_eq!(differs(&caller, &call.log.caller), None, "the caller, from this sample on");
    let frame = RATE.samples_in(Duration::from_millis(20)) as usize;
    // The recording fades for 3 ms where playback is cut, and where it goes on after a hold.
    let edge = RATE.samples_in(Duration::from_millis(3)) as usize;
    let mut expected = vec![0; voice.len()];
    for heard in &call.log.heard {
        let at = heard.at as usize;
        let end = at + (heard.range.end - heard.range.start) as usize;
        let line = &voice[at..end];
        // A run so short that it ran dry within its frame is reported at the frame's end.
        let latest = if line.len() < frame { frame } else { 0 };
        let recorded = (0..=latest)
            .filter_map(|late| agent.get(at + late..end + late).map(|piece| (at + late, piece)))
            .find(|(_, piece)| {
                let edges = edge..piece.len().saturating_sub(edge).max(edge);
                let edges = edges.start.min(piece.len())..edges.end.min(piece.len());
                differs(&piece[edges.clone()], &line[edges]).is_none()
                    && piece.iter().zip(line).all(|(piece, line)| {
                        piece == line || piece.unsigned_abs() < line.unsigned_abs()
                    })
            });
        let (place, piece) = recorded.unwrap_or_else(|| panic!("{heard:?} is not recorded"));
        expected.resize(expected.len().max(place + piece.len()), 0);
        expected[place..place + piece.len()].copy_from_slice(piece);
    }
    assert_eq!(differs(&agent, &expected), None, "more was recorded than heard");
}

/// The first sample at which two sides differ; the shorter one is silent from its end on.
fn differs(one: &[i16], other: &[i16]) -> Option<usize> {
    let sample = |side: &[i16], at: usize| side.get(at).copied().unwrap_or(0);
    (0..one.len().max(other.len())).find(|&at| sample(one, at) != sample(other, at))
}
