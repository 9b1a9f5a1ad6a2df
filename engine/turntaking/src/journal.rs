//! The journal: what the Floor was told and what it asked for, one JSON line per input.
//!
//! A header names the build, the settings and the seed; each record holds the time, the input and
//! the outputs drained after it. [`replay`] runs the inputs through a fresh Floor and compares
//! every output. The journal holds the caller's words: whoever writes it obeys consent, retention
//! and deletion as the recording does.

use std::io;

use serde::{Deserialize, Serialize};

use crate::floor::Floor;
use crate::input::{EndReason, Input};
use crate::output::Output;
use crate::settings::Settings;
use crate::state::State;
use crate::time::Instant;

/// The format's version. Raised whenever an older reader would misunderstand.
pub const VERSION: u32 = 2;

/// The first line of a journal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Header {
    /// The format's version.
    pub journal: u32,
    /// The build that wrote it.
    pub build: String,
    /// What the Floor decided by.
    pub settings: Settings,
    /// The Floor's seed.
    pub seed: u64,
    /// When the Floor was made.
    pub started: Instant,
}

#[derive(Serialize)]
struct RecordOut<'a> {
    t: Instant,
    input: &'a Input<'a>,
    outputs: &'a [Output],
}

/// One input of a call, and what the Floor asked for.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Record {
    /// When it was told, on the call's clock.
    pub t: Instant,
    /// What the Floor was told.
    pub input: Input<'static>,
    /// What it asked for.
    pub outputs: Vec<Output>,
}

/// The header as a line, line feed included. `now` is what [`Floor::new`] was given.
pub fn header_line(build: &str, settings: &Settings, seed: u64, now: Instant) -> String {
    let header = Header {
        journal: VERSION,
        build: build.to_owned(),
        settings: settings.clone(),
        seed,
        started: now,
    };
    let mut line = String::new();
    write_line(&header, &mut line);
    line
}

/// Appends a record to `line`, line feed included: `input`, told at `now`, and the outputs that
/// were drained after it. Allocates only where `line` is too short.
pub fn record_line(now: Instant, input: &Input<'_>, outputs: &[Output], line: &mut String) {
    write_line(&RecordOut { t: now, input, outputs }, line);
}

fn write_line<T: Serialize>(value: &T, line: &mut String) {
    serde_json::to_writer(Utf8(line), value)
        .expect("these types have string keys only and the writer takes all UTF-8");
    line.push('\n');
}

/// JSON is UTF-8, and serde_json writes it in whole characters.
struct Utf8<'a>(&'a mut String);

impl io::Write for Utf8<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = str::from_utf8(bytes)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        self.0.push_str(text);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What a replay found.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ReplayReport {
    /// The journal's header.
    pub header: Header,
    /// Inputs replayed.
    pub inputs: u64,
    /// Outputs compared.
    pub outputs: u64,
    /// The first record whose outputs are not the same; the replay stopped there.
    pub difference: Option<Difference>,
    /// The last line is torn, as a crash leaves it; everything before it was replayed.
    pub torn_line: Option<usize>,
    /// How the call ended; `None`: the journal ends before the call does.
    pub ended: Option<EndReason>,
}

impl ReplayReport {
    /// Every output was the same, and no line was lost.
    pub const fn is_identical(&self) -> bool {
        self.difference.is_none() && self.torn_line.is_none()
    }
}

/// Where a replay went another way.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// The journal's line, from 1.
    pub line: usize,
    /// The moment of the call.
    pub at: Instant,
    /// The outputs in the journal.
    pub recorded: Vec<Output>,
    /// The outputs of the replay.
    pub replayed: Vec<Output>,
}

/// Why a journal cannot be replayed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReplayError {
    /// There is no line at all.
    Empty,
    /// The first line is no header.
    Header {
        /// What is wrong with it.
        reason: String,
    },
    /// Another version of the format; replay it with the build that wrote it.
    Version {
        /// The journal's version.
        found: u32,
    },
    /// A line in the middle is no record.
    Record {
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
}

impl std::fmt::Display for ReplayError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Empty => write!(f, "the journal is empty"),
            Self::Header { reason } => write!(f, "line 1 is no journal header: {reason}"),
            Self::Version { found } => write!(
                f,
                "the journal has format {found}, this build reads {VERSION}: replay it with the \
                 build that wrote it"
            ),
            Self::Record { line, reason } => write!(f, "line {line} is no record: {reason}"),
        }
    }
}

impl std::error::Error for ReplayError {}

/// Runs a journal's inputs through a fresh Floor and compares every output.
///
/// # Errors
///
/// Where the journal cannot be read. A torn last line is no error; the report names it.
pub fn replay<'a>(lines: impl IntoIterator<Item = &'a str>) -> Result<ReplayReport, ReplayError> {
    let mut lines = lines.into_iter().enumerate().map(|(at, line)| (at + 1, line)).peekable();
    let (_, first) = lines.next().ok_or(ReplayError::Empty)?;
    let header = header(first)?;
    let mut floor = Floor::new(header.settings.clone(), header.seed, header.started);
    let mut report = ReplayReport {
        header,
        inputs: 0,
        outputs: 0,
        difference: None,
        torn_line: None,
        ended: None,
    };
    while let Some((line, text)) = lines.next() {
        let record: Record = match serde_json::from_str(text) {
            Ok(record) => record,
            Err(_) if lines.peek().is_none() => {
                report.torn_line = Some(line);
                break;
            }
            Err(error) => return Err(ReplayError::Record { line, reason: error.to_string() }),
        };
        floor.handle(record.t, &record.input);
        let replayed: Vec<Output> = std::iter::from_fn(|| floor.poll_output()).collect();
        if replayed != record.outputs {
            let (at, recorded) = (record.t, record.outputs);
            report.difference = Some(Difference { line, at, recorded, replayed });
            break;
        }
        report.inputs += 1;
        report.outputs += replayed.len() as u64;
    }
    if let State::Closed(reason) = floor.state() {
        report.ended = Some(*reason);
    }
    Ok(report)
}

/// Reads a journal without replaying it. A torn last line is left out.
///
/// # Errors
///
/// Where the journal cannot be read.
pub fn read<'a>(
    lines: impl IntoIterator<Item = &'a str>,
) -> Result<(Header, Vec<Record>), ReplayError> {
    let mut lines = lines.into_iter().enumerate().map(|(at, line)| (at + 1, line)).peekable();
    let (_, first) = lines.next().ok_or(ReplayError::Empty)?;
    let header = header(first)?;
    let mut records = Vec::new();
    while let Some((line, text)) = lines.next() {
        match serde_json::from_str(text) {
            Ok(record) => records.push(record),
            Err(_) if lines.peek().is_none() => break,
            Err(error) => return Err(ReplayError::Record { line, reason: error.to_string() }),
        }
    }
    Ok((header, records))
}

fn header(line: &str) -> Result<Header, ReplayError> {
    let bad = |error: serde_json::Error| ReplayError::Header { reason: error.to_string() };
    let value: serde_json::Value = serde_json::from_str(line).map_err(bad)?;
    // The version first: the rest of another version's header may look different.
    let version = value.get("journal").and_then(serde_json::Value::as_u64);
    let Some(found) = version.and_then(|version| u32::try_from(version).ok()) else {
        let reason = "it has no number `journal`".to_owned();
        return Err(ReplayError::Header { reason });
    };
    if found != VERSION {
        return Err(ReplayError::Version { found });
    }
    serde_json::from_value(value).map_err(bad)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::{Offset, Probability, Stability, TurnId};

    /// A short call: the caller says a sentence and hangs up during the reply.
    fn journal() -> String {
        let ms = Instant::from_millis;
        let settings = Settings::default();
        let turn = TurnId(1);
        let inputs = [
            (ms(0), Input::Connected),
            (ms(164), Input::SpeechStarted { since: ms(100) }),
            (
                ms(1_100),
                Input::Transcript {
                    segment: 1,
                    text: "Bonjour \"Zoé\"\u{2028}!".into(),
                    stability: Stability::Stable,
                    covers: ms(1_000),
                },
            ),
            (ms(1_064), Input::SpeechStopped { since: ms(1_000) }),
            (ms(1_200), Input::TurnScore { pause: 1, complete: Probability::new(0.9) }),
            (ms(1_480), Input::Timeout),
            (ms(1_500), Input::ReplyText { turn, text: "Bonjour.".into() }),
            (ms(1_550), Input::Span { turn, text: 0..8, audio: Offset(0)..Offset(500_000) }),
            (ms(1_550), Input::Voiced { turn, until: Offset(500_000), complete: true }),
            (ms(1_800), Input::Played { turn, until: Offset(300_000), acknowledged: true }),
            (ms(1_900), Input::EndCall { reason: EndReason::CustomerEndedCall }),
        ];
        let mut text = header_line("test", &settings, 7, ms(0));
        let mut floor = Floor::new(settings, 7, ms(0));
        for (now, input) in &inputs {
            floor.handle(*now, input);
            let outputs: Vec<_> = std::iter::from_fn(|| floor.poll_output()).collect();
            record_line(*now, input, &outputs, &mut text);
        }
        assert!(matches!(floor.state(), State::Closed(_)));
        text
    }

    #[test]
    fn a_call_replays_bit_for_bit() {
        let journal = journal();
        assert_eq!(journal.lines().count(), 12, "one line per input, whatever is in the words");
        let report = replay(journal.lines()).expect("a whole journal");
        assert!(report.is_identical(), "{report:?}");
        assert_eq!((report.inputs, report.ended), (11, Some(EndReason::CustomerEndedCall)));
        assert!(report.outputs > 8);
        assert_eq!(report.header.seed, 7);
    }

    #[test]
    fn a_journal_can_be_read() {
        let journal = journal();
        let (header, records) = read(journal.lines()).expect("a whole journal");
        assert_eq!((header.seed, records.len()), (7, 11));
        assert_eq!(records[0].input, Input::Connected);
        let torn = read(journal[..journal.len() - 20].lines()).expect("the rest is whole");
        assert_eq!(torn.1, records[..10]);
        assert_eq!(read([]), Err(ReplayError::Empty));
        let mut lines: Vec<_> = journal.lines().collect();
        lines[3] = "{\"t\":1}";
        assert!(matches!(read(lines), Err(ReplayError::Record { line: 4, .. })));
    }

    #[test]
    fn a_difference_is_named_with_its_line() {
        let journal =
            journal().replace("\"pause\":1,\"complete\":9000", "\"pause\":1,\"complete\":0");
        let report = replay(journal.lines()).expect("a whole journal");
        let difference = report.difference.expect("the score decides when the turn ends");
        assert_eq!(difference.line, 7, "the timeout that ended the turn");
        assert_ne!(difference.recorded, difference.replayed);
        assert!(difference.replayed.len() < difference.recorded.len());
    }

    #[test]
    fn a_torn_last_line_is_named() {
        let journal = journal();
        let torn = &journal[..journal.len() - 20];
        let report = replay(torn.lines()).expect("the rest is whole");
        assert_eq!((report.torn_line, report.inputs), (Some(12), 10));
        assert_eq!(report.difference, None);
        assert!(!report.is_identical());
    }

    #[test]
    fn what_is_no_journal_is_refused() {
        let whole = journal();
        assert_eq!(replay([]), Err(ReplayError::Empty));
        assert!(matches!(replay(["{"]), Err(ReplayError::Header { .. })));
        assert!(matches!(replay(["{\"a\":1}"]), Err(ReplayError::Header { .. })));
        let newer = whole.replacen("\"journal\":2", "\"journal\":3", 1);
        assert_eq!(replay(newer.lines()), Err(ReplayError::Version { found: 3 }));
        let mut lines: Vec<_> = whole.lines().collect();
        lines[3] = "{\"t\":1}";
        assert!(matches!(replay(lines), Err(ReplayError::Record { line: 4, .. })));
    }
}
