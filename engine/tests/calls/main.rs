//! Whole calls on virtual time: a scripted caller, recogniser, model and voice around the real
//! session, on paused tokio time. Each module is a behaviour that somebody on the telephone, or
//! whoever reads the call's report, would notice. What holds for every call is checked in
//! [`invariants`] after each of them.

mod background;
mod barge_in;
mod carrier;
mod conversation;
mod dictation;
mod echo;
mod events;
mod failures;
mod greeting;
mod handoff;
mod hooks;
mod idle;
mod invariants;
mod keypad;
mod operator;
mod providers;
mod recording;
mod several;
mod silence;
mod speculation;
mod spoken;
mod stage;
mod tools;
mod voicemail;
