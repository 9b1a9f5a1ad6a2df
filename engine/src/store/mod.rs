//! What is left of a call: its report, beside its recording and its journal.

mod report;

pub use report::{CallReport, Reporter, Said, StageTimes, Turn, ended_reason};
