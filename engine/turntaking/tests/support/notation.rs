//! Inputs and outputs as short lines. `fixtures/scenes/README.md` has the grammar.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::Value;
use turntaking::endpointing::{Evidence, Ground};
use turntaking::expectation::Expectation;
use turntaking::input::{EndReason, Input, Offset, Probability, Stability, Stage, TurnId};
use turntaking::output::{Event, Output, RecognizerHint, Role};
use turntaking::settings::Settings;
use turntaking::time::Instant;

/// The words of a line; a quoted string is one word.
fn arguments(text: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        if rest.starts_with('"') {
            let mut quoted = serde_json::Deserializer::from_str(rest).into_iter::<String>();
            let word = quoted.next().ok_or("no string")?.map_err(|error| error.to_string())?;
            let end = quoted.byte_offset();
            words.push(word);
            rest = rest[end..].trim_start();
        } else {
            let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
            words.push(rest[..end].to_owned());
            rest = rest[end..].trim_start();
        }
    }
    Ok(words)
}

/// What a line tells the Floor.
///
/// # Errors
///
/// What is wrong with it.
pub(crate) fn inputs(at: Instant, text: &str) -> Result<Vec<Input<'static>>, String> {
    let words = arguments(text)?;
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let input = match words[..] {
        ["wait"] => return Ok(Vec::new()),
        ["connected"] => Input::Connected,
        ["timeout"] => Input::Timeout,
        ["speech", since] => Input::SpeechStarted { since: moment(since)? },
        ["silence", since] => Input::SpeechStopped { since: moment(since)? },
        ["perhaps_noise"] => Input::NoiseSuspected,
        ["voice"] => Input::VoiceConfirmed,
        ["perhaps_echo"] => Input::EchoSuspected,
        ["echo", since] => Input::EchoFound { since: moment(since)? },
        ["beep", until] => Input::Beep { until: moment(until)? },
        ["words", segment, words, stability] => transcript(segment, words, stability, at)?,
        ["words", segment, words, stability, covers] => {
            transcript(segment, words, stability, moment(covers)?)?
        }
        ["score", pause, complete] => Input::TurnScore {
            pause: number(pause)?,
            complete: Probability::new(complete.parse().map_err(|_| "no probability")?),
        },
        ["answer", look, "failed"] => Input::EndpointingAnswer { look: number(look)?, wait: None },
        ["answer", look, wait] => {
            let wait = wait.parse().map(Duration::from_millis).map_err(|_| "no wait")?;
            Input::EndpointingAnswer { look: number(look)?, wait: Some(wait) }
        }
        ["end_of_turn"] => Input::EndOfTurn { eager: false },
        ["end_of_turn", "eager"] => Input::EndOfTurn { eager: true },
        ["turn_resumed"] => Input::TurnResumed,
        ["recognizer_failed"] => Input::RecognizerFailed,
        ["text", turn, text] => {
            Input::ReplyText { turn: turn_id(turn)?, text: text.to_owned().into() }
        }
        ["done", turn] => Input::ReplyDone { turn: turn_id(turn)? },
        ["failed", turn, stage] => {
            Input::ReplyFailed { turn: turn_id(turn)?, stage: of::<Stage>(stage)? }
        }
        ["tool", turn, id, name, arguments] => Input::ReplyToolCall {
            turn: turn_id(turn)?,
            id: id.to_owned().into(),
            name: name.to_owned().into(),
            arguments: arguments.to_owned().into(),
        },
        ["result", turn, id, result, ref answered @ ..] => Input::ToolResult {
            turn: turn_id(turn)?,
            id: id.to_owned().into(),
            result: result.to_owned().into(),
            answered: answered == ["answered"],
        },
        ["tool_message", turn, id, text] => Input::ToolMessage {
            turn: turn_id(turn)?,
            id: id.to_owned().into(),
            text: text.to_owned().into(),
        },
        ["at_work", turn, id] => {
            Input::ToolAtWork { turn: turn_id(turn)?, id: id.to_owned().into() }
        }
        ["hand_over", first_message] => {
            let first_message = first_message.to_owned();
            let settings = Settings { first_message, ..Settings::default() };
            Input::HandOver { settings: Box::new(settings) }
        }
        ["span", turn, from, to, began, ended] => Input::Span {
            turn: turn_id(turn)?,
            text: number(from)?..number(to)?,
            audio: offset(began)?..offset(ended)?,
        },
        ["voiced", turn, until, ref all @ ..] => {
            Input::Voiced { turn: turn_id(turn)?, until: offset(until)?, complete: all == ["all"] }
        }
        ["played", turn, until] => {
            Input::Played { turn: turn_id(turn)?, until: offset(until)?, acknowledged: false }
        }
        ["held", turn, at] => Input::Held { turn: turn_id(turn)?, at: offset(at)? },
        ["reply", turn, text] => return reply(turn_id(turn)?, text),
        ["digit", digit] => Input::Digit { digit: digit.chars().next().ok_or("no key")? },
        ["order", text] => Input::Say { text: text.to_owned().into(), end_call_after: false },
        ["order", text, "and_hang_up"] => {
            Input::Say { text: text.to_owned().into(), end_call_after: true }
        }
        ["interrupt"] => Input::Interrupt,
        ["respond"] => Input::Respond,
        ["end", reason] => Input::EndCall { reason: of(reason)? },
        _ => return Err("no such input".to_owned()),
    };
    Ok(vec![input])
}

/// A whole reply at once: its text, a span of 300 ms for each word, all its audio.
fn reply(turn: TurnId, text: &str) -> Result<Vec<Input<'static>>, String> {
    let mut inputs = vec![Input::ReplyText { turn, text: text.to_owned().into() }];
    let mut end = Offset(0);
    for word in text.split_whitespace() {
        let from = word.as_ptr() as usize - text.as_ptr() as usize;
        let from = u32::try_from(from).map_err(|_| "too long")?;
        let to = from + u32::try_from(word.len()).map_err(|_| "too long")?;
        let audio = end..Offset(end.0 + 300_000);
        end = audio.end;
        inputs.push(Input::Span { turn, text: from..to, audio });
    }
    inputs.push(Input::ReplyDone { turn });
    inputs.push(Input::Voiced { turn, until: end, complete: true });
    Ok(inputs)
}

fn transcript(
    segment: &str,
    words: &str,
    stability: &str,
    covers: Instant,
) -> Result<Input<'static>, String> {
    Ok(Input::Transcript {
        segment: number(segment)?,
        text: words.to_owned().into(),
        stability: of::<Stability>(stability)?,
        covers,
    })
}

fn number(text: &str) -> Result<u32, String> {
    text.parse().map_err(|_| format!("no number: {text}"))
}

fn moment(text: &str) -> Result<Instant, String> {
    text.parse().map(Instant::from_millis).map_err(|_| format!("no time: {text}"))
}

fn offset(text: &str) -> Result<Offset, String> {
    text.parse().map(|ms: u64| Offset(ms * 1_000)).map_err(|_| format!("no position: {text}"))
}

fn turn_id(text: &str) -> Result<TurnId, String> {
    number(text).map(TurnId)
}

/// A value by its serialised name: `final`, `model`, `customer_ended_call`.
fn of<T: serde::de::DeserializeOwned>(name: &str) -> Result<T, String> {
    serde_json::from_value(Value::String(name.to_owned())).map_err(|error| error.to_string())
}

/// An output in one line.
pub(crate) fn show(output: &Output) -> String {
    match output {
        Output::StartReply { turn, speculative, user, prompt } => {
            let mut line = format!("start {}", turn.0);
            if *speculative {
                line.push_str(" speculative");
            }
            if !user.is_empty() {
                write!(line, " {user:?}").expect("a string");
            }
            if !prompt.is_empty() {
                write!(line, " to {prompt:?}").expect("a string");
            }
            line
        }
        Output::CommitReply { turn } => format!("commit {}", turn.0),
        Output::CancelReply { turn } => format!("cancel {}", turn.0),
        Output::Say { turn, text } => format!("say {} {text:?}", turn.0),
        Output::Hold { turn } => format!("hold {}", turn.0),
        Output::Resume { turn, from } => format!("resume {} from {}", turn.0, from.0 / 1_000),
        Output::AskTurnModel { pause } => format!("ask_turn_model {pause}"),
        Output::AskEndpointing { look, user } => format!("ask_endpointing {look} {user:?}"),
        Output::Recognizer { hint } => match hint {
            RecognizerHint::SpeechStarted => "recognizer speech_started".to_owned(),
            RecognizerHint::Pause => "recognizer pause".to_owned(),
            RecognizerHint::TurnEnded => "recognizer turn_ended".to_owned(),
        },
        Output::RunTool { turn, id, name, arguments } => {
            format!("run {} {id} {name} {arguments}", turn.0)
        }
        Output::Event { event } => format!("* {}", show_event(event)),
        Output::Hangup { reason } => format!("hangup {}", show_reason(reason)),
    }
}

fn show_event(event: &Event) -> String {
    match event {
        Event::UserTranscript { text, is_final: true } => format!("user {text:?}"),
        Event::UserTranscript { text, is_final: false } => format!("user so far {text:?}"),
        Event::TurnEnded { silence_ms, wait_ms, ground, evidence, .. } => {
            let ground = match ground {
                Ground::Rule { index } => format!("rule {index}"),
                ground => format!("{ground:?}").to_lowercase(),
            };
            let mut line = format!("ended after {silence_ms} of {wait_ms}: {ground}");
            if ground == "smart" {
                write!(line, ", {}", show_evidence(evidence)).expect("a string");
            }
            line
        }
        Event::TurnReopened => "turn reopened".to_owned(),
        Event::AssistantHeard { turn, text, complete } => {
            format!("heard {} {text:?}{}", turn.0, if *complete { "" } else { " (cut)" })
        }
        Event::SpeechUpdate { role, started } => {
            let who = match role {
                Role::User => "caller",
                Role::Assistant => "assistant",
            };
            format!("{who} {}", if *started { "speaks" } else { "is silent" })
        }
        Event::UserInterrupted { turn } => format!("interrupted {}", turn.0),
        Event::FalseInterruption { turn } => format!("false interruption {}", turn.0),
        Event::ToolMessageSaid { turn, id } => format!("said of {} {id}", turn.0),
        Event::VoicemailDetected => "voicemail".to_owned(),
        Event::TurnLatency { turn, times, speculative } => {
            let ended = moment_or_dash(times.speech_ended);
            let played = moment_or_dash(times.first_played);
            let how = if *speculative { ", prepared" } else { "" };
            format!("latency {}: {ended} to {played}{how}", turn.0)
        }
    }
}

fn show_evidence(evidence: &Evidence) -> String {
    let mut line = match evidence.dictated {
        Some((kind, progress)) => format!("{kind:?} {progress:?}"),
        None => format!("{:?}, {} words", evidence.shape, evidence.words),
    };
    if evidence.expectation != Expectation::Open {
        let asked = match evidence.expectation {
            Expectation::Dictated { kind, .. } => format!("{kind:?}"),
            other => format!("{other:?}"),
        };
        write!(line, ", asked for {asked}").expect("a string");
    }
    line.to_lowercase()
}

fn moment_or_dash(at: Option<Instant>) -> String {
    at.map_or_else(|| "-".to_owned(), |at| (at.as_micros() / 1_000).to_string())
}

fn show_reason(reason: &EndReason) -> String {
    match serde_json::to_value(reason).expect("a reason") {
        Value::String(name) => name,
        other => other.to_string(),
    }
}
