//! What calls are made of: the assistant's sentences, callers' words, rooms.

use std::path::Path;
use std::process::Command;

use codecs::wav::Wav;
use codecs::{Resampler, SampleRate};

/// The rate of the line.
pub(crate) const RATE: SampleRate = SampleRate::HZ_8000;

const TEXTS: [&str; 5] = [
    "Hello, thank you for calling the Riverside dental practice. How can I help you today? I can \
     offer you an appointment on Tuesday at three in the afternoon, or on Thursday at ten in the \
     morning. Which one would you prefer?",
    "Once upon a time there lived an old miller with three sons, and when he died the youngest \
     got nothing but the cat, which could talk, and wanted a pair of boots to walk through the \
     forest in, so that nobody would ever laugh at the two of them again.",
    "Your order has left our warehouse this morning, and it should arrive between nine and twelve \
     tomorrow. The driver will ring you half an hour before. Is there anything else I can do for \
     you? No? Then have a nice day, and thank you for your call.",
    "We are open from nine to six on weekdays, and from ten to four on Saturdays. On Sundays we \
     are closed, but you can leave us a message, and we will call you back on Monday. Our address \
     is twelve Market Street, opposite the town hall.",
    "Sure. I have found your booking for two adults and one child, from the third to the ninth of \
     August. Breakfast is included. If you would like a room with a view of the sea, that would be \
     fifteen euros more for each night.",
];
const VOICES: [&str; 4] = ["slt", "kal", "awb", "rms"];

/// Everything.
pub(crate) struct Material {
    /// The assistant, at -20 dBFS.
    pub(crate) sentences: Vec<Vec<i16>>,
    /// Callers, each from the first voiced window to the last, at -20 dBFS.
    pub(crate) callers: Vec<(String, Vec<i16>)>,
    /// Impulse responses with an energy of 1.
    pub(crate) rooms: Vec<(&'static str, Vec<f32>)>,
}

impl Material {
    pub(crate) fn load(shared: &Path) -> Result<Self, String> {
        let audio = shared.join("audio");
        let list = std::fs::read_to_string(audio.join("eval.tsv"))
            .map_err(|error| format!("{}: {error}", audio.join("eval.tsv").display()))?;
        let mut callers = Vec::new();
        for line in list.lines().skip(1) {
            let fields: Vec<&str> = line.split('\t').collect();
            let [file, "en", _, _, _, start, end, ..] = fields[..] else { continue };
            let ms = |text: &str| text.parse::<usize>().unwrap_or(0);
            let (start, end) = (ms(start), ms(end));
            if !file.ends_with(".wav") || end < start + 600 {
                continue;
            }
            let samples = read(&audio.join(file))?;
            let end = (end.min(start + 2_500) * 8).min(samples.len());
            let mut speech = samples[start * 8..end].to_vec();
            scale(&mut speech, -20.0);
            callers.push((file.to_owned(), speech));
        }
        let mut rooms = vec![("hybrid", hybrid())];
        for room in ["rir1", "rir2", "rir3", "rir4"] {
            let samples = read(&audio.join(format!("noise/speechbrain/{room}.wav")))?;
            rooms.push((room, response(&samples)));
        }
        let mut sentences = Vec::new();
        for text in TEXTS {
            for voice in VOICES {
                let mut samples = speak(voice, text)?;
                scale(&mut samples, -20.0);
                sentences.push(samples);
            }
        }
        Ok(Self { sentences, callers, rooms })
    }
}

/// A telephone's two-to-four-wire hybrid: a few milliseconds of the line's reflections.
fn hybrid() -> Vec<f32> {
    let mut taps = vec![0.0; 40];
    for (at, tap) in [(4, 0.3), (6, 1.0), (9, -0.7), (13, 0.4), (20, -0.2), (31, 0.1)] {
        taps[at] = tap;
    }
    normalise(taps)
}

/// The first 250 ms of a recorded room from the direct sound on.
fn response(samples: &[i16]) -> Vec<f32> {
    let loudest = (0..samples.len()).max_by_key(|&at| samples[at].unsigned_abs()).unwrap_or(0);
    let from = loudest.saturating_sub(16);
    let until = samples.len().min(from + 2_000);
    normalise(samples[from..until].iter().map(|&sample| f32::from(sample)).collect())
}

fn normalise(mut taps: Vec<f32>) -> Vec<f32> {
    let energy: f32 = taps.iter().map(|tap| tap * tap).sum();
    taps.iter_mut().for_each(|tap| *tap /= energy.sqrt());
    taps
}

/// Brings the frames with sound to `level` dBFS.
fn scale(samples: &mut [i16], level: f64) {
    let powers: Vec<f64> = samples
        .chunks(80)
        .map(|frame| frame.iter().map(|&s| f64::from(s).powi(2)).sum::<f64>() / frame.len() as f64)
        .collect();
    let loudest = powers.iter().copied().fold(0.0, f64::max);
    let (mut sum, mut count) = (0.0, 0.0);
    for power in powers.into_iter().filter(|&power| power > loudest * 3e-4) {
        sum += power;
        count += 1.0;
    }
    let wanted = 32_768.0_f64.powi(2) / 2.0 * 10.0_f64.powf(level / 10.0);
    let gain = (wanted * count / sum.max(1.0)).sqrt();
    for sample in samples {
        *sample = (f64::from(*sample) * gain).round().clamp(-32_768.0, 32_767.0) as i16;
    }
}

fn read(path: &Path) -> Result<Vec<i16>, String> {
    let failed = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    let file = std::fs::File::open(path).map_err(|error| failed(&error))?;
    let wav = Wav::read(std::io::BufReader::new(file)).map_err(|error| failed(&error))?;
    let rate = wav.rate;
    narrow(rate, &wav.into_mono()).map_err(|error| failed(&error))
}

fn narrow(rate: SampleRate, samples: &[i16]) -> Result<Vec<i16>, String> {
    let mut resampler = Resampler::new(rate, RATE).map_err(|error| error.to_string())?;
    let mut narrow = Vec::with_capacity(resampler.output_bound(samples.len()));
    resampler.process(samples, &mut narrow);
    resampler.flush(&mut narrow);
    Ok(narrow)
}

fn speak(voice: &str, text: &str) -> Result<Vec<i16>, String> {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let path = folder.path().join("voice.wav");
    let status = Command::new("flite")
        .args(["-voice", voice, "-t", text, "-o"])
        .arg(&path)
        .status()
        .map_err(|error| format!("flite cannot be run: {error}"))?;
    if !status.success() {
        return Err(format!("flite failed: {status}"));
    }
    read(&path)
}
