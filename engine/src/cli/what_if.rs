//! `causerie replay --plan`.

use std::fs::File;
use std::io::{self, BufReader, Write};
use std::path::Path;

use codecs::wav::Wav;
use codecs::{Resampler, SampleRate};
use turntaking::input::Probability;
use turntaking::journal;
use turntaking::settings::Settings;
use turntaking::time::Instant;
use turntaking::what_if::{HoldEnd, TurnVerdict, WhatIf, what_if};
use vad::{Ear, TurnModel};

use crate::assemble::SMART_TURN;
use crate::config::{self, Config};
use crate::eval::Times;
use crate::recording::RECORDING_FILE;

/// How far back the turn model hears.
const HISTORY: std::time::Duration = std::time::Duration::from_secs(8);

/// Runs every decision of the journal at `path` under the plans of the assistant in `plan`, and
/// prints how they compare.
///
/// # Errors
///
/// What is wrong with the journal or the plan, or why nothing could be printed.
pub(super) fn run(
    path: &Path,
    plan: &Path,
    json: Option<&Path>,
    config: &Config,
) -> Result<(), String> {
    let told = |path: &Path, error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    let text = std::fs::read_to_string(path).map_err(|error| told(path, &error))?;
    let (header, records) = journal::read(text.lines()).map_err(|error| told(path, &error))?;
    let settings = settings(plan, config).map_err(|error| told(plan, &error))?;
    let folder = path.parent().unwrap_or_else(|| Path::new("."));
    let mut recording = Recording::open(&folder.join(RECORDING_FILE), config);
    if let Err(reason) = &recording {
        eprintln!("causerie: scores that were not taken in the call stay unknown: {reason}");
    }
    let mut score = |at: Instant| recording.as_mut().ok().and_then(|sound| sound.score(at));
    let plans = (&settings.start_speaking, &settings.stop_speaking);
    let found = what_if(&header, &records, plans, &mut score);
    tell(&found, &mut io::stdout().lock()).map_err(|error| error.to_string())?;
    if let Some(path) = json {
        let text = serde_json::to_string_pretty(&found).map_err(|error| error.to_string())?;
        std::fs::write(path, text + "\n").map_err(|error| told(path, &error))?;
    }
    Ok(())
}

fn settings(plan: &Path, config: &Config) -> Result<Settings, String> {
    let json = std::fs::read_to_string(plan).map_err(|error| error.to_string())?;
    let assistant = config::Assistant::from_json(&json, config);
    assistant.map(|assistant| assistant.settings).map_err(|error| error.to_string())
}

/// The caller's side of a recording, and the turn model that hears it.
struct Recording {
    samples: Vec<i16>,
    rate: SampleRate,
    ear: Ear,
}

impl Recording {
    fn open(path: &Path, config: &Config) -> Result<Self, String> {
        let failed = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
        let file = File::open(path).map_err(|error| failed(&error))?;
        let wav = Wav::read(BufReader::new(file)).map_err(|error| failed(&error))?;
        let (mut rate, mut samples) = (wav.rate, wav.channel(0));
        if rate != SampleRate::HZ_8000 && rate != SampleRate::HZ_16000 {
            let wide = SampleRate::HZ_16000;
            let mut resampler = Resampler::new(rate, wide).map_err(|error| failed(&error))?;
            let mut resampled = Vec::new();
            resampler.process(&samples, &mut resampled);
            resampler.flush(&mut resampled);
            (rate, samples) = (wide, resampled);
        }
        let runtime = onnx::Runtime::load(&config.onnxruntime).map_err(|e| e.to_string())?;
        let model = TurnModel::load(&runtime, &config.models_dir.join(SMART_TURN));
        let ear = Ear::new(model.map_err(|error| error.to_string())?);
        Ok(Self { samples, rate, ear })
    }

    /// The turn model's score of what the caller had said at `at`.
    fn score(&mut self, at: Instant) -> Option<Probability> {
        let end = (self.rate.samples_in(at.since_start()) as usize).min(self.samples.len());
        let start = end.saturating_sub(self.rate.samples_in(HISTORY) as usize);
        let score = self.ear.listen(self.rate, [&self.samples[start..end], &[]]).ok()?;
        Some(Probability::new(score))
    }
}

fn tell(found: &WhatIf, out: &mut dyn Write) -> io::Result<()> {
    let seconds = |at: Instant| at.since_start().as_secs_f64();
    let since = |from: Option<Instant>, at: Option<Instant>| match (from, at) {
        (Some(from), Some(at)) => format!("{} ms", signed_ms(from, at)),
        (None, Some(at)) => format!("at {:.3} s", seconds(at)),
        (_, None) => "-".to_owned(),
    };
    writeln!(
        out,
        "{:>12}  {:>10}  {:>10}  as recorded / as planned",
        "silence at", "recorded", "planned"
    )?;
    for turn in &found.turns {
        let verdict = match turn.verdict {
            TurnVerdict::Same => "the same",
            TurnVerdict::Earlier => "earlier",
            TurnVerdict::Later => "later",
            TurnVerdict::CutOff => "CUT OFF: the caller went on",
            TurnVerdict::Joined => "the caller speaks again first: one turn with the next",
            TurnVerdict::Never => "never",
        };
        let unknown = match turn.unknown_scores {
            0 => String::new(),
            count => format!(" ({count} scores of the turn model unknown)"),
        };
        writeln!(
            out,
            "{:>10.3} s  {:>10}  {:>10}  {verdict}{unknown}",
            seconds(turn.speech_ended.unwrap_or(turn.recorded)),
            since(turn.speech_ended, Some(turn.recorded)),
            since(turn.speech_ended, turn.planned),
        )?;
    }
    for hold in &found.holds {
        let end = |(end, at): (HoldEnd, Option<Instant>)| {
            let what = match end {
                HoldEnd::Interrupted => "stopped for good",
                HoldEnd::Resumed => "went on",
                HoldEnd::Open => "open",
            };
            format!("{what} {}", since(Some(hold.held), at))
        };
        writeln!(
            out,
            "{:>10.3} s  held: recorded {}, planned {}",
            seconds(hold.held),
            end(hold.recorded),
            end(hold.planned)
        )?;
    }
    let count = |verdict| found.turns.iter().filter(|turn| turn.verdict == verdict).count();
    writeln!(
        out,
        "{} turns: {} the same, {} earlier, {} later, {} cut off, {} joined to the next, {} never",
        found.turns.len(),
        count(TurnVerdict::Same),
        count(TurnVerdict::Earlier),
        count(TurnVerdict::Later),
        count(TurnVerdict::CutOff),
        count(TurnVerdict::Joined),
        count(TurnVerdict::Never)
    )?;
    let times = |of: fn(&turntaking::what_if::TurnDecision) -> Option<Instant>| {
        let waits =
            found.turns.iter().filter_map(|turn| Some(signed_ms(turn.speech_ended?, of(turn)?)));
        let times = Times::of(waits);
        let ms = |ms: Option<i64>| ms.map_or_else(|| "-".to_owned(), |ms| ms.to_string());
        format!("{} / {}", ms(times.p50), ms(times.p90))
    };
    writeln!(
        out,
        "silence before the decision, p50 / p90 ms: recorded {}, planned {}",
        times(|turn| Some(turn.recorded)),
        times(|turn| turn.planned)
    )?;
    let changed = found.holds.iter().filter(|hold| hold.recorded.0 != hold.planned.0).count();
    writeln!(out, "{} holds: {changed} end another way", found.holds.len())
}

/// From `from` to `at`, in ms; negative where `at` comes first.
fn signed_ms(from: Instant, at: Instant) -> i64 {
    let ms = |at: Instant| i64::try_from(at.as_micros() / 1_000).unwrap_or(i64::MAX);
    ms(at) - ms(from)
}
