//! The trials that can be made of a folder: callers' words, noises, echoes, back-channels.

use std::path::Path;
use std::time::Duration;

use codecs::pcm::level_dbfs;

use super::super::chance::Chance;
use super::super::line::{self, LineNoise, samples};
use super::super::machine::Machine;
use super::super::oracle::Oracle;
use super::super::set::{Entry, Skipped};
use super::echo::Echo;
use super::material::{EchoPair, Material, Sound};
use super::own_voice::own_voices;
use super::trial::{Expected, Trial};
use crate::carrier::LineEcho;

/// Noise over callers' words, by its distance below them in dB; `None`: the recording's own line.
const CONDITIONS: [Option<u32>; 4] = [None, Some(20), Some(10), Some(5)];
/// The level of speech that noises without speech are measured against, in dBFS: the nominal level
/// on a digital telephone line (ITU-T P.1100 series, -26 dBov).
const SPEECH_DBFS: f64 = -26.0;
/// How long a caller's words are listened to, in ms: a verdict takes a third of it.
const LONGEST_MS: u64 = 1_800;
/// The call goes on for this long afterwards, in ms: a held voice would have gone on by then.
const AFTER_MS: u64 = 1_200;
/// How far into the assistant's speech the sound begins, in ms.
const OFFSETS_MS: std::ops::RangeInclusive<u64> = 400..=3_000;
/// Pieces of each noise, and how long they are, in ms.
const PIECES: usize = 4;
const PIECE_MS: u64 = 5_000;
/// Made coughs and knocks of each kind.
const MADE: usize = 10;

/// Makes all trials.
pub(super) fn make(
    entries: &[Entry],
    folder: &Path,
    material: &Material,
    machine: &Machine,
    skipped: &mut Vec<Skipped>,
) -> Vec<Trial> {
    let mut trials = Vec::new();
    let mut clips = Vec::new();
    for entry in entries {
        match Clip::new(entry, folder, machine) {
            Ok(clip) => {
                trials.extend(words(entry, &clip, &material.noises));
                clips.push((entry, clip));
            }
            Err(reason) => {
                let reason = format!("as an interruption: {reason}");
                skipped.push(Skipped { file: entry.file.clone(), reason });
            }
        }
    }
    for noise in &material.noises {
        trials.extend(noises(noise));
    }
    for kind in [Made::Cough, Made::Knock] {
        trials.extend((0..MADE).map(|number| kind.trial(number)));
    }
    trials.extend(material.short_turns.iter().map(|turn| {
        let name = turn.name.clone();
        alone(name, "short turns of meetings", "clean", turn.samples.clone(), 0, Expected::GoOn)
    }));
    for pair in &material.echoes {
        trials.extend(echoes(pair, machine));
    }
    let voices = own_voices(skipped);
    trials.extend(voices.iter().flat_map(own_echoes));
    trials.extend(words_over_echo(&clips, &voices));
    trials
}

/// What a caller says, at the line's rate.
struct Clip {
    samples: Vec<i16>,
    /// The first voiced window.
    onset: u64,
    noise: LineNoise,
    /// Level of its voiced windows, in dBFS.
    level: f64,
    voiced: Vec<std::ops::Range<u64>>,
}

impl Clip {
    fn new(entry: &Entry, folder: &Path, machine: &Machine) -> Result<Self, String> {
        let (rate, wide) = entry.read(folder)?;
        let mut recording = line::at_line_rate(rate, &wide)?;
        let noise = LineNoise::of(&recording, entry.start_ms, entry.end_ms);
        let end = samples(entry.end_ms.min(entry.start_ms + LONGEST_MS) + 200);
        recording.truncate(end);
        let voice = machine.voice(&recording);
        let is_voiced = |window: &usize| {
            voice[*window] >= 0.5 && (*window as u64 + 1) * 256 > samples(entry.start_ms) as u64
        };
        let windows: Vec<usize> = (0..voice.len()).filter(is_voiced).collect();
        let first = windows.first().ok_or("no window of it is voiced at 8 kHz")?;
        let voiced: Vec<_> =
            windows.iter().map(|&window| window as u64 * 256..(window as u64 + 1) * 256).collect();
        let speech: Vec<i16> = voiced
            .iter()
            .flat_map(|range| &recording[range.start as usize..range.end as usize])
            .copied()
            .collect();
        Ok(Self {
            onset: *first as u64 * 256,
            level: level_dbfs(&speech),
            samples: recording,
            noise,
            voiced,
        })
    }
}

/// A caller's words, on lines with more and more noise.
fn words(entry: &Entry, clip: &Clip, noises: &[Sound]) -> Vec<Trial> {
    let conditions = if entry.kind == "isolated" { &CONDITIONS[..1] } else { &CONDITIONS[..] };
    let mut trials = Vec::new();
    for condition in conditions {
        if condition.is_some() && noises.is_empty() {
            continue;
        }
        let name = condition.map_or("clean".to_owned(), |snr| format!("{snr} dB"));
        let mut chance = Chance::of(&format!("{} over the voice, {name}", entry.file));
        let offset = samples(chance.within(OFFSETS_MS));
        // Speech begins at the offset, whatever silence the recording begins with.
        let lead = offset.saturating_sub(clip.onset as usize);
        let cut = (clip.onset as usize).saturating_sub(offset);
        let length = lead + clip.samples.len() - cut + samples(AFTER_MS);
        let mut caller = clip.noise.make(length.next_multiple_of(160), &mut chance);
        caller[lead..lead + clip.samples.len() - cut].copy_from_slice(&clip.samples[cut..]);
        if let Some(snr) = condition {
            let noise = &noises[chance.within(0..=noises.len() as u64 - 1) as usize];
            add_noise(&mut caller, &noise.samples, clip.level - f64::from(*snr), &mut chance);
        }
        line::through_mulaw(&mut caller);
        let place = |at: u64| at + lead as u64 - cut as u64;
        let mut words = Oracle::place(&heard_part(entry), &clip.voiced);
        words.iter_mut().for_each(|word| word.end = place(word.end));
        let class = match entry.kind.as_str() {
            "plain" => format!("words, {}", entry.language),
            "isolated" | "word" => "single words".to_owned(),
            _ => "dictation".to_owned(),
        };
        trials.push(Trial {
            name: entry.file.clone(),
            class,
            condition: name,
            expected: Expected::Stop,
            language: entry.language.clone(),
            caller,
            onset: place(clip.onset),
            words,
            echo: None,
            voice: None,
        });
    }
    trials
}

/// The words that fall into the part of the recording that is listened to.
fn heard_part(entry: &Entry) -> String {
    let words: Vec<&str> = entry.transcript.split_whitespace().collect();
    let whole = (entry.end_ms - entry.start_ms).max(1);
    let part = whole.min(LONGEST_MS);
    let count = (words.len() as u64 * part).div_ceil(whole) as usize;
    words[..count.min(words.len())].join(" ")
}

/// Mixes `noise`, from a place left to chance and over and over, at `level` dBFS.
fn add_noise(caller: &mut [i16], noise: &[i16], level: f64, chance: &mut Chance) {
    let gain = 10.0_f64.powf((level - level_dbfs(noise)) / 20.0);
    if noise.is_empty() || !gain.is_finite() {
        return;
    }
    let from = chance.within(0..=noise.len() as u64 - 1) as usize;
    let noise = noise.iter().cycle().skip(from);
    for (sample, noise) in caller.iter_mut().zip(noise) {
        let mixed = f64::from(*sample) + f64::from(*noise) * gain;
        *sample = mixed.round().clamp(-32_768.0, 32_767.0) as i16;
    }
}

/// Pieces of a noise without any speech, as loud as if there were.
fn noises(noise: &Sound) -> Vec<Trial> {
    let piece = samples(PIECE_MS);
    let pieces = noise.samples.len().div_ceil(piece).min(PIECES);
    let mut trials = Vec::new();
    for number in 0..pieces {
        for snr in CONDITIONS.into_iter().flatten() {
            let from = noise.samples.len() / pieces * number;
            let part = &noise.samples[from..noise.samples.len().min(from + piece)];
            let mut caller = vec![0; piece];
            let mut chance = Chance::of(&format!("{} {number} {snr}", noise.name));
            add_noise(&mut caller, part, SPEECH_DBFS - f64::from(snr), &mut chance);
            let name = format!("{} ({})", noise.name, number + 1);
            trials.push(alone(name, "noise", &format!("{snr} dB"), caller, 0, Expected::GoOn));
        }
    }
    trials
}

/// A sound on a clean line while the assistant speaks.
fn alone(
    name: String,
    class: &str,
    condition: &str,
    sound: Vec<i16>,
    onset: u64,
    expected: Expected,
) -> Trial {
    let mut chance = Chance::of(&format!("{name} {class} {condition}"));
    let offset = samples(chance.within(OFFSETS_MS));
    let length = offset + sound.len() + samples(AFTER_MS);
    let mut caller = vec![0; length.next_multiple_of(160)];
    // The idle noise of a line, well below anything that matters.
    codecs::noise::Noise::new(-65.0, chance.bits()).fill_into(&mut caller);
    for (sample, sound) in caller[offset..].iter_mut().zip(&sound) {
        *sample = sample.saturating_add(*sound);
    }
    line::through_mulaw(&mut caller);
    Trial {
        name,
        class: class.to_owned(),
        condition: condition.to_owned(),
        expected,
        language: "en".to_owned(),
        caller,
        onset: offset as u64 + onset,
        words: Vec::new(),
        echo: None,
        voice: None,
    }
}

/// Sounds that are made, because there are no recordings of them.
#[derive(Clone, Copy, Debug)]
enum Made {
    /// A burst of noise of 60 to 120 ms, a weaker and voiceless 100 to 250 ms behind it, between
    /// 300 and 3,400 Hz: the phases of a cough.
    Cough,
    /// Two or three thuds of 40 ms around 150 Hz: a door, a knock.
    Knock,
}

impl Made {
    fn trial(self, number: usize) -> Trial {
        let class = match self {
            Self::Cough => "coughs (made)",
            Self::Knock => "knocks (made)",
        };
        let name = format!("{class} {}", number + 1);
        let mut chance = Chance::of(&name);
        let sound = match self {
            Self::Cough => cough(&mut chance),
            Self::Knock => knock(&mut chance),
        };
        alone(name, class, "clean", sound, 0, Expected::GoOn)
    }
}

fn cough(chance: &mut Chance) -> Vec<i16> {
    let (burst, rest) = (samples(chance.within(60..=120)), samples(chance.within(100..=250)));
    let loud = 4_000.0 + 6_000.0 * chance.unit();
    // A resonance of the throat and mouth.
    let turn = std::f64::consts::TAU * (700.0 + 900.0 * chance.unit()) / 8_000.0;
    let (mut before, mut last) = (0.0, 0.0);
    (0..burst + rest)
        .map(|n| {
            let level = if n < burst {
                1.0 - n as f64 / burst as f64 * 0.6
            } else {
                0.25 * (-((n - burst) as f64) / (rest as f64 / 2.0)).exp()
            };
            let next = chance.gaussian() + 1.7 * turn.cos() * last - 0.72 * before;
            (before, last) = (last, next);
            (next * level * loud * 0.35).round().clamp(-32_768.0, 32_767.0) as i16
        })
        .collect()
}

fn knock(chance: &mut Chance) -> Vec<i16> {
    let mut sound = Vec::new();
    for _ in 0..chance.within(2..=3) {
        let step = std::f64::consts::TAU * (110.0 + 90.0 * chance.unit()) / 8_000.0;
        let loud = 9_000.0 + 9_000.0 * chance.unit();
        sound.extend((0..samples(40)).map(|n| {
            let fade = (-(n as f64) / 70.0).exp();
            let wood = 0.3 * chance.gaussian() * (-(n as f64) / 25.0).exp();
            (loud * (fade * (step * n as f64).sin() + wood)).clamp(-32_768.0, 32_767.0) as i16
        }));
        sound.resize(sound.len() + samples(chance.within(90..=220)), 0);
    }
    sound
}

/// Echoes of the assistant's own voice: as they were recorded, and over made lines.
fn echoes(pair: &EchoPair, machine: &Machine) -> Vec<Trial> {
    let length = pair.played.len().min(pair.heard.len()).saturating_sub(samples(500));
    let trial = |name: String, class: &str, condition: String, expected, onset, echo| {
        let mut caller = vec![0; length / 160 * 160];
        let mut chance = Chance::of(&name);
        codecs::noise::Noise::new(-65.0, chance.bits()).fill_into(&mut caller);
        Trial {
            name,
            class: class.to_owned(),
            condition,
            expected,
            language: "en".to_owned(),
            caller,
            onset,
            words: Vec::new(),
            echo: Some(echo),
            voice: Some(pair.played.clone()),
        }
    };
    let name = |how: &str| format!("{} {how}", pair.name);
    if pair.double_talk {
        // Where the near end speaks is known from what is left once the far end is silent: not at
        // all here, so only that something stops the voice is looked at.
        let onset = onset_of_double_talk(pair, machine);
        let echo = Echo::Recorded(pair.heard.clone());
        return onset
            .map(|onset| {
                let condition = "recorded".to_owned();
                trial(name("recorded"), "double talk", condition, Expected::Stop, onset, echo)
            })
            .into_iter()
            .collect();
    }
    let mut trials = vec![trial(
        name("recorded"),
        "echo, loudspeaker",
        "recorded".to_owned(),
        Expected::GoOn,
        0,
        Echo::Recorded(pair.heard.clone()),
    )];
    for (loss, delay_ms) in LINES {
        let echo = line_echo(loss, delay_ms);
        let condition = condition(loss, delay_ms);
        let how = name(&condition);
        trials.push(trial(how, "echo, line", condition, Expected::GoOn, 0, Echo::Line(echo)));
    }
    trials
}

/// Echoes of lines: how much fainter than the voice in dB, and how late in ms.
const LINES: [(u32, u64); 8] =
    [(6, 40), (10, 250), (15, 120), (20, 30), (20, 500), (25, 300), (30, 120), (35, 600)];
/// Which of them come from a loudspeaker that is driven too far.
const OVERDRIVEN: [usize; 2] = [2, 5];
/// Where that begins, of 32768: peaks of a voice are 10 dB above.
const OVERDRIVEN_AT: f32 = 3_000.0;
/// One caller in so many speaks over an echo.
const OVER_ECHO_EVERY: usize = 6;

fn condition(loss: u32, delay_ms: u64) -> String {
    format!("-{loss} dB after {delay_ms} ms")
}

fn line_echo(loss: u32, delay_ms: u64) -> LineEcho {
    LineEcho::hybrid(line::RATE, Duration::from_millis(delay_ms), loss as f32)
}

/// The echo of the assistant's own voice, alone.
fn own_echoes(voice: &Sound) -> Vec<Trial> {
    let trial = |(at, (loss, delay_ms)): (usize, (u32, u64))| {
        let mut echo = line_echo(loss, delay_ms);
        let mut class = "echo, own voice";
        if OVERDRIVEN.contains(&at) {
            echo = echo.overdriven(OVERDRIVEN_AT);
            class = "echo, own voice overdriven";
        }
        let condition = condition(loss, delay_ms);
        let name = format!("{} {condition}", voice.name);
        let silence = vec![0; voice.samples.len().saturating_sub(samples(2_500))];
        let mut trial = alone(name, class, &condition, silence, 0, Expected::GoOn);
        trial.onset = 0;
        trial.echo = Some(Echo::Line(echo));
        trial.voice = Some(voice.samples.clone());
        trial
    };
    LINES.into_iter().enumerate().map(trial).collect()
}

/// Callers' words over the echo of the assistant's voice.
fn words_over_echo(clips: &[(&Entry, Clip)], voices: &[Sound]) -> Vec<Trial> {
    let mut trials = Vec::new();
    for (at, (entry, clip)) in clips.iter().step_by(OVER_ECHO_EVERY).enumerate() {
        let Some(voice) = voices.get(at % voices.len().max(1)) else { break };
        let (loss, delay_ms) = LINES[at % LINES.len()];
        let Some(mut trial) = words(entry, clip, &[]).into_iter().next() else { continue };
        trial.class = "words over echo".to_owned();
        trial.condition = condition(loss, delay_ms);
        trial.echo = Some(Echo::Line(line_echo(loss, delay_ms)));
        trial.voice = Some(voice.samples.clone());
        trials.push(trial);
    }
    trials
}

/// Where somebody begins to speak into the microphone: the first window that is voiced there while
/// the loudspeaker has been silent for half a second.
fn onset_of_double_talk(pair: &EchoPair, machine: &Machine) -> Option<u64> {
    const SILENT: usize = 15;
    let (played, heard) = (machine.voice(&pair.played), machine.voice(&pair.heard));
    let quiet = |at: usize| {
        at >= SILENT && played.get(at - SILENT..=at).is_some_and(|w| w.iter().all(|p| *p < 0.5))
    };
    let onset = (0..heard.len()).find(|&at| heard[at] >= 0.5 && quiet(at))?;
    Some(onset as u64 * 256)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_is_mixed_at_its_level() {
        let mut noise = vec![0; 3_000];
        codecs::noise::Noise::new(-20.0, 1).fill_into(&mut noise);
        let mut caller = vec![0; 16_000];
        add_noise(&mut caller, &noise, -40.0, &mut Chance::of("x"));
        assert!((level_dbfs(&caller) + 40.0).abs() < 0.5, "{}", level_dbfs(&caller));
        let mut silent = vec![7; 100];
        add_noise(&mut silent, &[0; 10], -40.0, &mut Chance::of("x"));
        assert_eq!(silent, [7; 100], "silence cannot be made louder");
    }

    #[test]
    fn made_sounds_are_loud_and_short() {
        let mut chance = Chance::of("x");
        for sound in [cough(&mut chance), knock(&mut chance)] {
            let level = level_dbfs(&sound[..samples(40)]);
            assert!((-30.0..-3.0).contains(&level), "{level}");
            assert!(sound.len() < samples(900));
        }
    }

    #[test]
    fn only_the_words_that_are_heard_are_told() {
        let entry = Entry {
            file: "a.wav".into(),
            language: "fr".into(),
            kind: "plain".into(),
            prompt: String::new(),
            transcript: "un deux trois quatre".into(),
            start_ms: 0,
            end_ms: 5_000,
            spoken: None,
        };
        assert_eq!(heard_part(&entry), "un deux");
        let short = Entry { end_ms: 900, ..entry };
        assert_eq!(heard_part(&short), "un deux trois quatre");
    }
}
