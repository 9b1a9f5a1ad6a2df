//! The assistant's voice, made by the programs that speak for it.

use std::process::{Command, Stdio};

use codecs::pcm::level_dbfs;

use super::super::line;
use super::super::set::Skipped;
use super::super::sound;
use super::material::Sound;
use super::trial::STORY;

/// Programs and their voices.
const VOICES: [(&str, &str); 6] = [
    ("flite", "slt"),
    ("flite", "kal"),
    ("flite", "awb"),
    ("flite", "rms"),
    ("espeak-ng", "en"),
    ("espeak-ng", "fr+f3"),
];

/// The level of the voices in dBFS, with their pauses.
const LEVEL_DBFS: f64 = -22.0;

/// The story, in each voice that is installed.
pub(super) fn own_voices(skipped: &mut Vec<Skipped>) -> Vec<Sound> {
    let mut voices = Vec::new();
    for (program, voice) in VOICES {
        let name = format!("{program} {voice}");
        match speak(program, voice) {
            Ok(samples) => voices.push(Sound { name, samples }),
            Err(reason) => {
                let reason = format!("as the assistant's voice: {reason}");
                skipped.push(Skipped { file: name, reason });
            }
        }
    }
    voices
}

fn speak(program: &str, voice: &str) -> Result<Vec<i16>, String> {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let path = folder.path().join("voice.wav");
    let mut command = Command::new(program);
    match program {
        "flite" => command.args(["-voice", voice, "-t", STORY, "-o"]).arg(&path),
        _ => command.args(["-v", voice, "-w"]).arg(&path).arg(STORY),
    };
    let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
    let read = match status {
        Ok(status) if status.success() => sound::read(&path),
        Ok(status) => Err(status.to_string()),
        Err(error) => return Err(error.to_string()),
    };
    let (rate, wide) = read?;
    let mut samples = line::at_line_rate(rate, &wide)?;
    let gain = 10.0_f64.powf((LEVEL_DBFS - level_dbfs(&samples)) / 20.0);
    for sample in &mut samples {
        *sample = (f64::from(*sample) * gain).round().clamp(-32_768.0, 32_767.0) as i16;
    }
    Ok(samples)
}
