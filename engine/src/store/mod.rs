//! What outlives a call and the process: the database of organisations, assistants, tools,
//! numbers, calls and messages on their way; and each call's report, beside its recording and its
//! journal.
//!
//! The SQL is written for SQLite and PostgreSQL alike: moments are integers, documents are JSON as
//! text, placeholders are numbered.

mod call;
mod cast;
mod chat;
mod database;
mod facts;
mod filter;
mod key;
mod link;
mod objects;
mod outbox;
mod report;
mod resource;
mod seal;
mod timestamp;

pub use call::{CallFilter, CallRecord, NewMessage, Progress};
pub use chat::{Conversations, Sheet};
pub use database::{DATABASE_FILE, Store, StoreError};
pub use facts::Facts;
pub use filter::{Page, ResourceFilter, Span};
pub use key::{FirstOrganisation, KeyKind, KeyRecord};
pub use link::{Links, Track};
pub use objects::{ObjectError, Objects};
pub use outbox::Pending;
pub use report::{CallReport, Reporter, Said, StageTimes, Turn, ended_reason};
pub use resource::{Collection, Resource};
pub use seal::KEY_FILE;
pub use timestamp::Timestamp;
