//! The demo's conversation: who says what, with whose voice, and when.

use std::path::Path;
use std::time::Duration;

use tts::{Flite, FliteConfig, PoolLimits, ProgramPool};

use super::lines::{self, Line, LineError};
use crate::carrier::{Action, CallerScript, When};
use crate::config::Config;

/// The voice of the caller where no recording has the words: a man's, beside the assistant's
/// woman's.
const CALLER_VOICE: &str = "rms";

/// How long the caller waits after the assistant, in ms: longer than the pauses between its
/// sentences.
const PATIENCE: Duration = Duration::from_millis(900);

/// When the caller cuts in, from the beginning of the assistant's utterance.
const BARGE_IN: Duration = Duration::from_millis(2_500);

/// One turn of the caller.
#[derive(Clone, Debug)]
pub struct Part {
    /// What is said.
    pub line: Line,
    /// It cuts the assistant short.
    pub barge_in: bool,
}

/// Everything the caller says, in order.
#[derive(Clone, Debug)]
pub struct Conversation {
    /// The turns.
    pub parts: Vec<Part>,
}

impl Conversation {
    /// Finds or makes the caller's speech. Real recordings come with the models; a few more where
    /// the shared audio collection is beside the project.
    ///
    /// # Errors
    ///
    /// Where a recording or the caller's voice is missing.
    pub async fn prepare(config: &Config) -> Result<Self, LineError> {
        let voice = Flite::new(&FliteConfig::default(), ProgramPool::new(PoolLimits::default())?)?;
        let reading = config.models_dir.join("demo-speech-en/two_cities.wav");
        let ms = Duration::from_millis;
        let read = |from, to, words| {
            lines::recorded(&reading, Some((ms(from), ms(to))), words, "LibriVox reading")
        };
        let shared = Path::new("../shared/audio/telephony/google/two_people.wav");
        let spoken = |words| lines::spoken(&voice, CALLER_VOICE, words);
        let people = if shared.is_file() {
            lines::recorded(shared, None, "Two people.", "telephone recording")?
        } else {
            spoken("Two people.").await?
        };
        let times = read(1_100, 4_350, "It was the best of times, it was the worst of times.")?;
        let despair = read(18_850, 20_600, "It was the winter of despair.")?;
        let booking = spoken("I would like to book a table for four people this evening.").await?;
        let correction = spoken("Wait, we will be five people.").await?;
        let name = spoken("My name is Martin.").await?;
        let thanks = spoken("No, thank you.").await?;
        let goodbye = spoken("Thank you very much, bye bye.").await?;
        let turn = |line| Part { line, barge_in: false };
        let barge_in = |line| Part { line, barge_in: true };
        Ok(Self {
            parts: vec![
                turn(times),
                turn(despair),
                turn(booking),
                barge_in(correction),
                turn(name),
                turn(people),
                turn(thanks),
                turn(goodbye),
            ],
        })
    }

    /// What the carrier is to play.
    pub fn script(&self) -> CallerScript {
        self.parts.iter().fold(CallerScript::default(), |script, part| {
            let when = match part.barge_in {
                true => When::AgentSpeaking(BARGE_IN),
                false => When::AgentSilent(PATIENCE),
            };
            script.then(when, Action::Say(part.line.samples.clone()))
        })
    }
}
