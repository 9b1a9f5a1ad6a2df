//! Measures the finished call from outside the engine: at the carrier, and in the recording.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::BufReader;
use std::ops::Range;
use std::path::Path;

use asr::moonshine::Model;
use asr::wer::{WordErrors, normalise};
use codecs::SampleRate;
use codecs::pcm::to_f32_into;
use codecs::resample::Resampler;
use codecs::wav::Wav;
use serde_json::Value;
use turntaking::output::Role;

use super::conversation::Conversation;
use super::listen;
use super::summary::{Percentiles, ReplyReport, Report, Summary, TurnReport};
use super::{DemoError, Traces};
use crate::carrier::CallRecord;
use crate::carrier::script::CueTimes;
use crate::config::Config;
use crate::store::{CallReport, Said};

/// Silence left on both sides of a reply that is transcribed, in ms: a recogniser wants some.
const MARGIN_MS: u64 = 250;

/// How long after a caller's onset the voice it interrupts is not yet called early, in ms.
const YIELD_MS: u64 = 400;

/// Puts all measurements together.
pub(super) fn report(
    config: &Config,
    conversation: &Conversation,
    traces: &Traces,
) -> Result<Report, DemoError> {
    let folder = traces.recording.with_file_name("call.json");
    let call: CallReport = serde_json::from_str(&read(&folder)?)
        .map_err(|error| failed(&folder, error.to_string()))?;
    let turns = turns(conversation, &traces.record, &call);
    let agent = agent_side(&traces.recording)?;
    let planned = planned_texts(&traces.journal)?;
    let mut ear = Ear::new(config)?;
    let replies = replies(&call, &planned, &agent, &mut ear)?;
    let record = &traces.record;
    let barge_in = conversation.parts.iter().position(|part| part.barge_in);
    let all = |text: fn(&TurnReport) -> &str| turns.iter().map(text).collect::<Vec<_>>().join(" ");
    Ok(Report {
        summary: Summary {
            wer: WordErrors::between(&all(|turn| &turn.said), &all(|turn| &turn.heard)).rate(),
            first_audio_ms: Percentiles::of(
                turns.iter().filter_map(|turn| turn.first_audio_ms).collect(),
            ),
            early: early(conversation, record),
            barge_in_stop_ms: barge_in
                .and_then(|index| record.stop_time(index))
                .map(|time| time.as_secs_f64() * 1_000.0),
            history_word_errors: replies.iter().map(|reply| reply.word_errors).sum(),
            ended_reason: call.ended_reason.clone(),
            recording: listen::flaws(CallRecord::RATE, &agent),
            playout_gaps: record.gaps(std::time::Duration::from_millis(300)).len(),
            carrier_lateness_p99_ms: record.lateness_p99.as_secs_f64() * 1_000.0,
        },
        turns,
        replies,
    })
}

fn turns(conversation: &Conversation, record: &CallRecord, call: &CallReport) -> Vec<TurnReport> {
    let mut turns = Vec::new();
    for (index, part) in conversation.parts.iter().enumerate() {
        let window = reply_window(&record.cues, index);
        let heard: Vec<&str> = call
            .messages
            .iter()
            .filter(|said| said.role == Role::User && window.contains(&said.at_ms))
            .map(|said| said.text.as_str())
            .collect();
        let heard = heard.join(" ");
        let reply = call.turns.iter().find(|turn| window.contains(&turn.at_ms));
        turns.push(TurnReport {
            said: part.line.words.to_owned(),
            voice: part.line.voice.clone(),
            wer: WordErrors::between(part.line.words, &heard).rate(),
            heard,
            barge_in: part.barge_in,
            first_audio_ms: first_audio(record, index, part.barge_in),
            stages: reply.map(|turn| turn.stages).unwrap_or_default(),
            speculative: reply.is_some_and(|turn| turn.speculative),
        });
    }
    turns
}

/// When the engine may react to cue `index`, in ms of the call: from shortly before its speech
/// ends (the engine's clock is not the carrier's) to the same before the next one's.
fn reply_window(cues: &[CueTimes], index: usize) -> Range<u64> {
    let before = |cue: &CueTimes| (cue.speech_end / 8).saturating_sub(200);
    let find = |index| cues.iter().find(|cue| cue.index == index);
    let start = find(index).map_or(u64::MAX, before);
    start..find(index + 1).map_or(u64::MAX, before)
}

/// The reply to a barge-in is the first sound after the voice it interrupts has stopped.
fn first_audio(record: &CallRecord, index: usize, barge_in: bool) -> Option<f64> {
    let time = record.response_time(index)?;
    let overlaps = barge_in && time.is_zero();
    (!overlaps).then_some(time.as_secs_f64() * 1_000.0)
}

/// Turns in which the assistant was heard while the caller still spoke.
fn early(conversation: &Conversation, record: &CallRecord) -> usize {
    let overlaps = |cue: &&CueTimes| {
        let barge_in = conversation.parts.get(cue.index).is_some_and(|part| part.barge_in);
        let yielding = if barge_in { YIELD_MS * 8 } else { 0 };
        let from = cue.range.start + yielding;
        record.first_audible_from(from).is_some_and(|heard| heard < cue.speech_end)
    };
    record.cues.iter().filter(overlaps).count()
}

fn replies(
    call: &CallReport,
    planned: &BTreeMap<u32, String>,
    agent: &[i16],
    ear: &mut Ear,
) -> Result<Vec<ReplyReport>, DemoError> {
    let mut replies = Vec::new();
    for said in call.messages.iter().filter(|said| said.role == Role::Assistant) {
        let Some(turn) = said.turn else { continue };
        let began = call.turns.iter().find(|latency| latency.turn == turn);
        let from = began.map_or(0, |latency| latency.at_ms).saturating_sub(MARGIN_MS);
        let bounds = [from, said.at_ms + MARGIN_MS]
            .map(|ms| usize::try_from(ms * 8).unwrap_or(usize::MAX).min(agent.len()));
        let transcribed = ear.transcribe_all(&agent[bounds[0]..bounds[1]])?;
        let planned = planned.get(&turn.0).cloned().unwrap_or_default();
        replies.push(ReplyReport {
            word_errors: word_errors(&planned, said, &transcribed),
            planned,
            history: said.text.clone(),
            transcribed,
            complete: said.complete,
        });
    }
    Ok(replies)
}

/// By how many words history and the recording differ in where the reply ended.
///
/// A recogniser mistakes words, so its text is not compared with history's word by word: of all
/// beginnings of the planned text the one nearest to what it heard is what was audible. Words of
/// history that are not the beginning of the plan all count.
fn word_errors(planned: &str, said: &Said, transcribed: &str) -> usize {
    let plan = normalise(planned);
    let history = normalise(&said.text);
    if !plan.starts_with(&history) {
        return history.len().max(1);
    }
    let distance = |words: usize| {
        let errors = WordErrors::between(&plan[..words].join(" "), transcribed);
        (errors.errors(), words.abs_diff(history.len()))
    };
    let audible = (0..=plan.len()).min_by_key(|words| distance(*words)).unwrap_or(0);
    audible.abs_diff(history.len())
}

/// What each reply was going to say: the journal has every phrase that went to the voice.
fn planned_texts(journal: &Path) -> Result<BTreeMap<u32, String>, DemoError> {
    let mut texts = BTreeMap::<u32, String>::new();
    for line in read(journal)?.lines().skip(1) {
        let record: Value =
            serde_json::from_str(line).map_err(|error| failed(journal, error.to_string()))?;
        let input = &record["input"];
        if input["type"] == "reply_text"
            && let (Some(turn), Some(text)) = (input["turn"].as_u64(), input["text"].as_str())
        {
            let turn = u32::try_from(turn).unwrap_or(u32::MAX);
            texts.entry(turn).or_default().push_str(text);
        }
    }
    Ok(texts)
}

fn agent_side(recording: &Path) -> Result<Vec<i16>, DemoError> {
    let file = File::open(recording).map_err(|error| failed(recording, error.to_string()))?;
    let wav = Wav::read(BufReader::new(file));
    Ok(wav.map_err(|error| failed(recording, error.to_string()))?.channel(1))
}

fn read(path: &Path) -> Result<String, DemoError> {
    fs::read_to_string(path).map_err(|error| failed(path, error.to_string()))
}

fn failed(path: &Path, reason: String) -> DemoError {
    DemoError::File { path: path.to_owned(), reason }
}

/// A recogniser of the demo's own, which knows nothing of what the engine heard.
struct Ear {
    model: Model,
}

impl Ear {
    fn new(config: &Config) -> Result<Self, DemoError> {
        let folder = config.models_dir.join("moonshine-tiny-en");
        let runtime = onnx::Runtime::load(&config.onnxruntime)
            .map_err(|error| failed(&config.onnxruntime, error.to_string()))?;
        let model =
            Model::load(&runtime, &folder).map_err(|error| failed(&folder, error.to_string()))?;
        Ok(Self { model })
    }

    /// The words in `samples`, at the call's rate, sentence by sentence: short utterances are what
    /// the model was made for.
    fn transcribe_all(&mut self, samples: &[i16]) -> Result<String, DemoError> {
        let mut words = Vec::new();
        for sentence in listen::sentences(CallRecord::RATE, samples) {
            words.push(self.transcribe(&samples[sentence])?);
        }
        Ok(words.join(" "))
    }

    /// The words in `samples`, at the call's rate.
    fn transcribe(&mut self, samples: &[i16]) -> Result<String, DemoError> {
        let recording = Path::new("the recording");
        let mut resampler = Resampler::new(CallRecord::RATE, SampleRate::HZ_16000)
            .map_err(|error| failed(recording, error.to_string()))?;
        let mut wide = Vec::with_capacity(samples.len() * 2);
        resampler.process(samples, &mut wide);
        resampler.flush(&mut wide);
        let mut floats = vec![0.0; wide.len()];
        to_f32_into(&wide, &mut floats);
        self.model.transcribe(&floats).map_err(|error| failed(recording, error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use turntaking::input::TurnId;

    use super::*;

    fn said(text: &str) -> Said {
        Said {
            role: Role::Assistant,
            dictated: None,
            text: text.to_owned(),
            at_ms: 0,
            complete: false,
            turn: Some(TurnId(1)),
        }
    }

    const PLAN: &str = "I know that one. It is A Tale of Two Cities.";

    #[test]
    fn a_misheard_word_is_no_error_of_history() {
        let heard = "I no that one it is a tail";
        assert_eq!(word_errors(PLAN, &said("I know that one. It is A Tale"), heard), 0);
    }

    #[test]
    fn words_that_nobody_heard_are_counted() {
        let heard = "I know that one";
        assert_eq!(word_errors(PLAN, &said("I know that one. It is"), heard), 2);
    }

    #[test]
    fn words_that_are_missing_are_counted() {
        let heard = "I know that one it is a tale of";
        assert_eq!(word_errors(PLAN, &said("I know that one."), heard), 5);
    }
}
