//! The Floor: who holds it.
//!
//! A call is two people and one floor. This crate decides who may speak: whether the caller has
//! finished, whether a sound over the assistant's voice is an interruption, what was heard of a
//! reply that was cut. It is a pure state machine: no runtime, no clock, no thread, no file, no
//! chance. Time comes in as an argument, everything it wants comes out as a value, and the same
//! inputs give the same outputs, bit for bit ([`journal`]).
//!
//! # The contract
//!
//! **One mutation, then drain.** [`Floor::handle`] is the only mutation. After each call
//!
//! 1. drain [`Floor::poll_output`] until it returns `None`, carrying each output out in order
//!    (an answer it asks for, such as [`Input::Held`](input::Input::Held), is the next `handle`);
//! 2. re-arm one timer from [`Floor::poll_timeout`];
//! 3. wait for that timer or for the next event, read the clock once, and call `handle` again.
//!
//! ```
//! use turntaking::Floor;
//! use turntaking::input::Input;
//! use turntaking::output::Output;
//! use turntaking::settings::Settings;
//! use turntaking::time::Instant;
//!
//! let settings = Settings { first_message: "Hello!".to_owned(), ..Settings::default() };
//! let mut floor = Floor::new(settings, 0, Instant::START);
//! floor.handle(Instant::START, &Input::Connected);
//! while let Some(output) = floor.poll_output() {
//!     match output {
//!         Output::Say { text, .. } => assert_eq!(text, "Hello!"),
//!         other => panic!("{other:?}"),
//!     }
//! }
//! let (at, reason) = floor.poll_timeout().expect("a reply that never comes is noticed");
//! assert!(at > Instant::START, "{reason:?}");
//! ```
//!
//! `handle` never fails. What comes late, twice, or for a reply the Floor never asked for is
//! dropped and counted ([`counters`]). Every message of a provider names its reply
//! ([`TurnId`](input::TurnId)); those of an older one are late. Time that goes backwards counts
//! as no time. After [`State::Closed`] there is silence: no output, no timeout.
//!
//! # The states
//!
//! ```text
//!              ┌───────────── nobody, for silence_timeout ──────────────▶ Closing ──▶ Closed
//!              │                                                             ▲
//!          Listening ◀──────────────── heard to the end ───────────────┐     │ endCall,
//!              │ voice                                                 │     │ end phrase,
//!              ▼             silence                  enough of it     │     │ max_duration
//!           Hearing ───────────────────▶ Settling ───────────────▶ Thinking  │
//!            ▲ ▲ ▲ ◀─────── voice ─────────┘   ▲                     │ │     │
//!            │ │ └─── voice before a sample was heard: taken back ───┘ │ first sample
//!            │ │                               │ words interrupt       ▼     │
//!            │ └─────────── interruption ──────┼──────────────────── Speaking┘
//!            │                                 │                     │     ▲
//!            │                                 │      voice: held at once  │ false alarm:
//!            │                                 │                     ▼     │ resumed
//!            └──────────── interruption ───────┴────────────────── Yielding┘
//! ```
//!
//! `tests/transitions.txt` has the whole table: every input in every state.
//!
//! # Has the caller finished?
//!
//! Silence alone must be long to be sure, so three things shorten or stretch it ([`endpointing`]):
//! the turn model, asked once per pause after 100 ms; the shape of the transcript (a full stop, a
//! dangling "and", a filler); and whether something is being dictated ([`dictation`]). Sure of
//! itself, the turn ends after 320 to 360 ms; unsure after 700 ms; 1.2 to 1.6 s when the model
//! hears that more will come; 1.8 s inside a telephone number or a spelled name. It never ends
//! before the transcript covers the speech (bounded: 1.2 s), and never without a word (noise,
//! after 1.5 s). A setting of the assistant goes before all of this.
//!
//! Meanwhile the reply is prepared: 100 ms into the pause the model is asked, and the answer is
//! kept only if the turn's final words are the same ([`speculation`]); else it is dropped unheard.
//! At most two attempts a turn. A speculative reply plays nothing, runs no tool and is not in
//! history before it is committed. Should the caller go on before its first sample was heard, the
//! whole turn is taken back, and its words join those that follow.
//!
//! # Barge-in is reversible
//!
//! At the second voiced window (64 ms) playback is **held**, not dropped: whoever is interrupting
//! hears silence at once. Then evidence is gathered ([`interruption`]), at most for 400 ms:
//!
//! - an interruption phrase takes the floor, always; an acknowledgement ("mhm", "d'accord") never;
//! - with `num_words` set, that many words take it; they may come after the verdict was due, and
//!   then the assistant stops without another hold;
//! - otherwise voice that has surely lasted `voice` (200 ms, and 84 ms for the gate to tell) takes
//!   it: a cough is shorter, a word of content longer;
//! - speech that ends before that is over after 160 ms of silence, longer than the stop consonant
//!   inside a word, and **playback goes on from the start of the word in progress**.
//!
//! An acknowledgement that ends less than a second before the reply does is an answer, not a
//! backchannel: callers say "yes" into the last words of a question.
//!
//! # The caller says nothing
//!
//! Rules of the assistant's ([`idle`]) ask whether they are there, by a clock each; after
//! `silence_timeout` the call ends. A word that is said into the greeting only to answer the phone
//! ("Allô ?") is no turn.
//!
//! # A machine answers
//!
//! On calls we place, what is heard first is weighed ([`voicemail`]): words that only machines say,
//! speech that goes on longer than any person's answer, a beep. A machine is left the message after
//! its beep, and the call ends.
//!
//! # What did the caller hear?
//!
//! The playout ledger maps the reply's words to its audio and the audio to the playhead; a word is
//! heard once its middle was played. [`Floor::history`] holds exactly that, and nothing that was
//! only queued. A cut reply enters history when the session has told where playback stood.
//!
//! # Not here
//!
//! Audio, sockets, providers, prompts, the choice of a tool's server: the session's. Pacing and
//! marks: the carrier's. Words inside a span are placed by estimate; a voice that reports its words
//! is believed.
#![forbid(unsafe_code)]

mod caller;
pub mod counters;
pub mod dictation;
pub mod endpointing;
pub mod expectation;
pub mod floor;
pub mod history;
pub mod idle;
pub mod input;
pub mod interruption;
pub mod journal;
pub mod language;
mod ledger;
pub mod output;
pub mod phrases;
pub mod reply;
pub mod rules;
pub mod settings;
pub mod speculation;
pub mod state;
pub mod time;
pub mod timers;
mod toolbox;
pub mod voicemail;
pub mod wait_function;
pub mod what_if;

pub use floor::Floor;
pub use state::State;
