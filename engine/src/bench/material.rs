//! What callers say: real speech, with its words, its pause and its end.

use std::path::{Path, PathBuf};
use std::time::Duration;

use codecs::SampleRate;
use codecs::g711::mulaw_encode_into;
use codecs::noise::Noise;
use mocks::{Script, ScriptWord, Utterance};

use crate::carrier::script::speech_end;
use crate::demo::lines::{self, LineError};

/// The rate of the calls.
pub const RATE: SampleRate = SampleRate::HZ_8000;

/// Samples of a frame of 20 ms.
pub const FRAME: usize = 160;

/// The noise of the line, which never stops, in dBFS.
const NOISE_DBFS: f32 = -60.0;

/// The pause in mid-sentence, in samples: 0.6 s.
const PAUSE: usize = 4_800;

/// Between two phrases, in samples: 120 ms.
const BREATH: usize = 960;

/// Noise of a line without speech, before it begins again, in frames: 20 s.
const BED_FRAMES: usize = 1_000;

/// Where the model library keeps the reading that clips are cut from, and the places of its
/// phrases in ms. Each clip is two of them with the pause in the middle of the second.
const READING: &str = "demo-speech-en/two_cities.wav";
const PHRASES: [[(u64, u64, &str); 2]; 5] = [
    [(4_920, 6_330, "It was the age of wisdom"), (6_570, 8_340, "it was the age of foolishness.")],
    [
        (8_720, 10_440, "It was the epoch of belief"),
        (10_670, 12_930, "it was the epoch of incredulity."),
    ],
    [
        (13_380, 14_910, "It was the season of light"),
        (15_050, 16_830, "it was the season of darkness."),
    ],
    [
        (17_470, 18_830, "It was the spring of hope"),
        (18_850, 20_600, "it was the winter of despair."),
    ],
    [
        (24_550, 26_170, "We were all going direct to heaven"),
        (26_460, 28_420, "we were all going direct the other way."),
    ],
];

/// Utterances of a collection that are used: about 4 s with the pause.
const LENGTHS: std::ops::Range<usize> = 20_000..36_000;

/// Clips of a collection that are used at most.
const MOST_CLIPS: usize = 16;

/// Why the callers have nothing to say.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MaterialError {
    /// A recording is missing or unreadable.
    #[error(transparent)]
    Recording(#[from] LineError),
    /// The list of a collection cannot be read.
    #[error("{path}: {reason}", path = path.display())]
    List {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
}

/// Something a caller says, ready to be sent.
#[derive(Clone, Debug)]
pub struct Clip {
    /// µ-law, line noise included, in whole frames.
    pub codes: Vec<u8>,
    /// One past the last sample of speech, by the energy rule of [`speech_end`].
    pub speech_end: u64,
    /// What is said.
    pub words: String,
}

/// Everything callers say.
#[derive(Clone, Debug)]
pub struct Material {
    /// Turns, each with a pause in mid-sentence.
    pub turns: Vec<Clip>,
    /// A cough of 80 ms.
    pub cough: Clip,
    /// An "mhm" of 300 ms.
    pub mhm: Clip,
    /// The noise of the line, in µ-law, for as long as is wanted.
    pub bed: Vec<u8>,
    /// The same for the stand-in that recognises it.
    pub script: Script,
    /// Where the speech comes from.
    pub source: String,
}

impl Material {
    /// Cuts the clips from the recording that comes with the models.
    ///
    /// # Errors
    ///
    /// Where it is not there.
    pub fn of_models(models: &Path) -> Result<Self, MaterialError> {
        let reading = models.join(READING);
        let ms = Duration::from_millis;
        let mut clips = Vec::new();
        for phrases in PHRASES {
            let mut spoken = Vec::new();
            for (from, to, words) in phrases {
                let range = Some((ms(from), ms(to)));
                let line = lines::recorded(&reading, range, words, "LibriVox reading")?;
                spoken.push(Speech { samples: line.samples, words: words.to_owned() });
            }
            let [first, second] = spoken.try_into().unwrap_or_else(|_| unreachable!("two phrases"));
            let [start, end] = halves(&second);
            clips.push(joined(&[(first, BREATH), (start, PAUSE), (end, 0)]));
        }
        Ok(Self::new(clips, "LibriVox reading of A Tale of Two Cities".to_owned()))
    }

    /// Takes the plain utterances in English of a collection with an eval.tsv.
    ///
    /// # Errors
    ///
    /// Where the list or a recording cannot be read, or none has the right length.
    pub fn of_collection(folder: &Path) -> Result<Self, MaterialError> {
        let path = folder.join("eval.tsv");
        let failed = |reason: String| MaterialError::List { path: path.clone(), reason };
        let list = std::fs::read_to_string(&path).map_err(|error| failed(error.to_string()))?;
        let mut clips = Vec::new();
        for line in list.lines().skip(1) {
            let fields: Vec<&str> = line.split('\t').collect();
            let [file, "en", "plain", _, said, start, end, ..] = fields[..] else { continue };
            let (Ok(start), Ok(end)) = (start.parse::<u64>(), end.parse::<u64>()) else { continue };
            if !file.ends_with(".wav") || clips.len() == MOST_CLIPS {
                continue;
            }
            let margin = 100;
            let range = [start.saturating_sub(margin), end + margin].map(Duration::from_millis);
            let recording = folder.join(file);
            let Ok(line) = lines::recorded(&recording, Some((range[0], range[1])), "", "") else {
                // Its end may be closer than the margin.
                continue;
            };
            if LENGTHS.contains(&line.samples.len()) {
                let speech = Speech { samples: line.samples, words: sentence(said) };
                let [start, end] = halves(&speech);
                clips.push(joined(&[(start, PAUSE), (end, 0)]));
            }
        }
        if clips.is_empty() {
            return Err(failed("it has no plain utterance in English of 2.5 to 4.5 s".to_owned()));
        }
        let source = format!("{} utterances of a collection", clips.len());
        Ok(Self::new(clips, source))
    }

    fn new(clips: Vec<(Vec<i16>, Vec<ScriptWord>)>, source: String) -> Self {
        let mut noise = Noise::new(NOISE_DBFS, 7);
        let mut bed = vec![0; BED_FRAMES * FRAME];
        noise.fill_into(&mut bed);
        let mut codes = vec![0; bed.len()];
        mulaw_encode_into(&bed, &mut codes);

        let mut utterances = Vec::new();
        let mut clip = |(samples, words): (Vec<i16>, Vec<ScriptWord>)| {
            let said: Vec<&str> = words.iter().map(|word| word.text.as_str()).collect();
            let said = said.join(" ");
            let speech_end = speech_end(&samples, RATE) as u64;
            let mut line = samples;
            line.resize(line.len().next_multiple_of(FRAME), 0);
            noise.add_into(&mut line);
            let mut codes = vec![0; line.len()];
            mulaw_encode_into(&line, &mut codes);
            // As it is heard.
            codecs::g711::mulaw_decode_into(&codes, &mut line);
            utterances.push(Utterance::new(&line, words));
            Clip { codes, speech_end, words: said }
        };
        let turns = clips.into_iter().map(&mut clip).collect();
        let cough = clip((cough(), Vec::new()));
        let said = ScriptWord {
            text: "mhm".to_owned(),
            start: Duration::ZERO,
            end: Duration::from_millis(300),
        };
        let mhm = clip((mhm(), vec![said]));
        let script = Script::new(utterances);
        Self { turns, cough, mhm, bed: codes, script, source }
    }
}

/// Speech without silence around it.
struct Speech {
    samples: Vec<i16>,
    words: String,
}

/// Parts, each with so much silence after it.
fn joined(parts: &[(Speech, usize)]) -> (Vec<i16>, Vec<ScriptWord>) {
    let mut samples = Vec::new();
    let mut words = Vec::new();
    for (part, silence) in parts {
        place(&part.words, samples.len(), part.samples.len(), &mut words);
        samples.extend_from_slice(&part.samples);
        samples.resize(samples.len() + silence, 0);
    }
    (samples, words)
}

/// An utterance, cut at the quietest place of its middle.
fn halves(speech: &Speech) -> [Speech; 2] {
    let samples = &speech.samples;
    let third = samples.len() / 3;
    let window = 320;
    let loudness = |at: &usize| -> i64 {
        samples[*at..*at + window].iter().map(|s| i64::from(*s).abs()).sum()
    };
    let quietest = (third..2 * third).step_by(80).min_by_key(loudness).unwrap_or(third);
    let cut = quietest + window / 2;
    let words: Vec<&str> = speech.words.split(' ').collect();
    // Words take time by their letters.
    let letters: usize = words.iter().map(|word| word.len()).sum();
    let wanted = letters * cut / samples.len();
    let mut before = 0;
    let mut count = 0;
    for word in &words {
        if before + word.len() / 2 > wanted {
            break;
        }
        before += word.len();
        count += 1;
    }
    let count = count.clamp(1, words.len().saturating_sub(1).max(1));
    let (first, last) = words.split_at(count);
    // No click at the cut.
    let mut halves = [samples[..cut].to_vec(), samples[cut..].to_vec()];
    let fade = 40;
    for at in 0..fade {
        let gain = |sample: i16| (i32::from(sample) * at as i32 / fade as i32) as i16;
        if let Some(sample) = halves[1].get_mut(at) {
            *sample = gain(*sample);
        }
        let end = halves[0].len();
        if let Some(sample) = end.checked_sub(at + 1).and_then(|end| halves[0].get_mut(end)) {
            *sample = gain(*sample);
        }
    }
    let [start, end] = halves;
    [
        Speech { samples: start, words: first.join(" ") },
        Speech { samples: end, words: last.join(" ") },
    ]
}

/// Places words evenly by their letters.
fn place(words: &str, start: usize, length: usize, placed: &mut Vec<ScriptWord>) {
    let letters: usize = words.split(' ').map(str::len).sum();
    let at = |letter: usize| RATE.duration_of((start + length * letter / letters.max(1)) as u64);
    let mut letter = 0;
    for word in words.split(' ') {
        let from = at(letter);
        letter += word.len();
        placed.push(ScriptWord { text: word.to_owned(), start: from, end: at(letter) });
    }
}

/// A transcript as a recogniser that punctuates would write it.
fn sentence(said: &str) -> String {
    let lower = said.to_lowercase();
    let mut letters = lower.trim().trim_end_matches('.').chars();
    let first: String = letters.next().into_iter().flat_map(char::to_uppercase).collect();
    format!("{first}{}.", letters.as_str())
}

/// A burst of 80 ms.
fn cough() -> Vec<i16> {
    let mut burst = vec![0; 640];
    Noise::new(-18.0, 11).fill_into(&mut burst);
    shaped(burst)
}

/// 300 ms of a closed voice: a low tone and its harmonics.
fn mhm() -> Vec<i16> {
    let hum = (0..2_400).map(|at| {
        let phase = std::f64::consts::TAU * f64::from(at) / 8_000.0;
        // Falling, then rising.
        let hz = 130.0 + 25.0 * (f64::from(at) / 2_400.0 - 0.5).abs();
        let voice = (1..5).map(|n| (phase * hz * f64::from(n)).sin() / f64::from(n)).sum::<f64>();
        (voice * 4_000.0) as i16
    });
    shaped(hum.collect())
}

/// Fades in and out.
fn shaped(mut samples: Vec<i16>) -> Vec<i16> {
    let length = samples.len();
    let fade = (length / 6).max(1);
    for (at, sample) in samples.iter_mut().enumerate() {
        let edge = at.min(length - at).min(fade);
        *sample = (i32::from(*sample) * edge as i32 / fade as i32) as i16;
    }
    samples
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loud(ms: usize) -> Vec<i16> {
        (0..ms * 8).map(|at| if at % 16 < 8 { 6_000 } else { -6_000 }).collect()
    }

    #[test]
    fn a_pause_parts_the_words_and_nothing_is_lost() {
        let mut samples = loud(1_500);
        samples.extend([0; 400]);
        samples.extend(loud(1_500));
        let speech = Speech { samples, words: sentence("one two three FOUR five six") };
        let [start, end] = halves(&speech);
        let (parted, words) = joined(&[(start, PAUSE), (end, 0)]);
        assert_eq!(parted.len(), speech.samples.len() + PAUSE);
        assert_eq!(words.len(), 6);
        assert_eq!((words[0].text.as_str(), words[5].text.as_str()), ("One", "six."));
        let gaps = words.windows(2).filter(|pair| pair[1].start > pair[0].end);
        assert_eq!(gaps.count(), 1, "{words:?}");
        assert_eq!(words[5].end, RATE.duration_of(parted.len() as u64));
    }

    #[test]
    fn a_clip_is_whole_frames_and_knows_its_end() {
        let word = |text: &str| ScriptWord {
            text: text.to_owned(),
            start: Duration::ZERO,
            end: Duration::from_millis(500),
        };
        let material = Material::new(vec![(loud(505), vec![word("Hello.")])], String::new());
        let clip = &material.turns[0];
        assert_eq!(clip.codes.len() % FRAME, 0);
        assert_eq!(clip.speech_end, 505 * 8);
        assert_eq!(clip.words, "Hello.");
        assert!(material.cough.codes.len() < material.mhm.codes.len());
        assert_eq!(material.bed.len(), BED_FRAMES * FRAME);
    }
}
