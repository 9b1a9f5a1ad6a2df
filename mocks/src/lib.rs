//! Stand-ins for the services a call uses, as real network servers: [`Deepgram`], [`Cartesia`] and
//! [`OpenAi`].
//!
//! `causerie bench` measures the engine, and other engines, against them; the conformance suites of
//! `asr` and `tts` run over the first two. Each speaks its service's protocol, takes the time the
//! load script gives it and no more, and logs what it was asked, so that it can be the referee.
//! What each does is in its module.
#![forbid(unsafe_code)]

pub mod cartesia;
pub mod deepgram;
pub mod hearing;
mod listening;
pub mod openai;
pub mod script;
pub mod speaking;
pub mod vocabulary;

pub use cartesia::{Cartesia, Pace};
pub use deepgram::Deepgram;
pub use openai::{OpenAi, ReplyPace};
pub use script::{Script, ScriptWord, Utterance};
