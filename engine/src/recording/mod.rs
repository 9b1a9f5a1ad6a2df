//! What is kept of a call: a stereo WAV and the journal, written by one thread for all calls.
//!
//! ```text
//! session ── CallTap ──▶ bounded rings ──▶ writer thread ── Timeline ──▶ recording.wav
//!                                                       └──────────────▶ journal.jsonl
//! ```
//!
//! The session's side ([`CallTap`]) neither locks, allocates, blocks nor makes a system call. Its
//! rings drop what does not fit, newest first, and count it: a slow disk costs a recording, never
//! a call. The writer looks at every call each 50 ms and makes the files whole on disk each
//! second, so that a process that dies leaves files that can be read.

mod call_writer;
mod lines;
mod listener;
mod recorder;
mod tap;
mod timeline;

use codecs::SampleRate;

pub use listener::{Listener, ListenerEnd, listener};
pub(crate) use recorder::make_private_directory;
pub use recorder::{Recorder, SteppedRecorder};
pub use tap::{CallTap, FinishHandle, JournalEnd};
pub use timeline::{AudioReport, Timeline};

/// A call's recording, in its directory: 16-bit stereo, the caller left, the agent right.
pub const RECORDING_FILE: &str = "recording.wav";
/// A call's journal, in its directory: a JSON object a line.
pub const JOURNAL_FILE: &str = "journal.jsonl";

/// What to keep of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Write [`RECORDING_FILE`].
    pub audio: bool,
    /// Write [`JOURNAL_FILE`].
    pub journal: bool,
    /// Rate of both sides, in Hz.
    pub rate: SampleRate,
}

/// How a call's files came out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// What the recording holds; all zero where it was off or has failed.
    pub audio: AudioReport,
    /// Samples of either side that found the ring full.
    pub dropped_samples: u64,
    /// Journal lines that found the ring full. Each run of them left a `{"lost":N}` line.
    pub lost_lines: u64,
    /// The first error of a file, with the file's name. That file ends there.
    pub error: Option<String>,
}

impl Report {
    /// Whether both files hold all that was handed over.
    pub fn is_complete(&self) -> bool {
        self.dropped_samples == 0 && self.lost_lines == 0 && self.error.is_none()
    }
}
