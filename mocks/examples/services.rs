//! The three stand-ins on local ports, at the load script's pace, until it is stopped: to try an
//! engine against them by hand.
//!
//! `cargo run -p mocks --example services -- "What callers say, whatever it sounds like."`
//!
//! Prints where they listen as the variables that `benches/peers` reads.

use std::io::Write as _;
use std::time::Duration;

use mocks::cartesia::CartesiaConfig;
use mocks::deepgram::DeepgramConfig;
use mocks::{Cartesia, Deepgram, OpenAi, Pace, ReplyPace, Script, Utterance};

/// What callers say where nothing is given.
const SAID: &str = "Good morning, I would like to book a table for four people on Friday evening.";

/// A word's length, as fluent speech has it.
const WORD: Duration = Duration::from_millis(300);

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let said = std::env::args().nth(1).unwrap_or_else(|| SAID.to_owned());
    let script = Script::new(vec![Utterance::evenly(&said, WORD)]);
    let deepgram = Deepgram::start(DeepgramConfig { script, ..DeepgramConfig::default() }).await?;
    let openai = OpenAi::start(ReplyPace::LOAD_SCRIPT).await?;
    let voice = CartesiaConfig { pace: Pace::LOAD_SCRIPT, ..CartesiaConfig::default() };
    let cartesia = Cartesia::start(voice).await?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "DEEPGRAM_BASE_URL={}", deepgram.base_url())?;
    writeln!(out, "OPENAI_BASE_URL={}", openai.base_url())?;
    writeln!(out, "CARTESIA_BASE_URL={}", cartesia.base_url())?;
    out.flush()?;
    let mut told = 0;
    loop {
        tokio::time::sleep(Duration::from_millis(100)).await;
        for asked in openai.requests().into_iter().skip(told) {
            told += 1;
            writeln!(out, "asked {}: {:?}", asked.number, asked.messages)?;
            out.flush()?;
        }
    }
}
